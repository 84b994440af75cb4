//! What a challenger has: a transcript, receipts, models, other copies.

use std::path::{Path, PathBuf};

use xfl_core::{
    audit::{self, Verdict},
    challenge::{Dossier, DossierError},
    node::{bundle::Bundle, institution::RECEIPTS, refused::REFUSED, settle},
    round::{Phase, Rounds},
    train::Device,
    transcript::whole,
};
use xfl_settlement::{
    chain::client::SettlementClient, payout::PayoutKey, receipt::SignedReceipt, statement::RoundHeader,
};

use super::Args;
use crate::{
    chains,
    failure::{Code, Failure},
    files,
    printer::Printer,
};

/// Longest file of receipts.
const MAX_RECEIPTS: u64 = 64 << 20;

/// Everything at hand.
pub(super) struct Material {
    pub(super) transcript: Vec<u8>,
    pub(super) others: Vec<(PathBuf, Vec<u8>)>,
    pub(super) receipts: Vec<SignedReceipt>,
    models: Option<PathBuf>,
    /// Lengths of the files that grow, when they were read.
    lengths: [u64; 2],
    dossier: Dossier,
    /// What replaying the transcript says: headers that follow, and the first thing that doesn't.
    follows: Vec<([u8; 32], RoundHeader)>,
    fails: Option<(Option<u64>, String)>,
}

impl Material {
    pub(super) fn gather(args: &Args) -> Result<Self, Failure> {
        let directory = args.target.is_dir().then_some(&args.target);
        let lengths = lengths(args);
        let mut transcript = transcript(&args.target)?;
        // It may be written to at this moment.
        if let whole @ 1.. = whole(&transcript).len() {
            transcript.truncate(whole);
        }
        let others = args
            .other
            .iter()
            .map(|path| Ok((path.clone(), self::transcript(path)?)));
        let others = others.collect::<Result<Vec<_>, Failure>>()?;
        let beside = |name: &str| directory.map(|dir| dir.join(name)).filter(|path| path.exists());
        let receipts = match args.receipts.clone().or_else(|| beside(RECEIPTS)) {
            Some(path) => receipts(&path)?,
            None => Vec::new(),
        };
        let dossier = Dossier::read(&transcript, |_| false).map_err(|error| unfit(&args.target, &error))?;
        let audit = audit::replay(&transcript, None);
        let failed = audit.checks.iter().find(|check| check.verdict == Verdict::Fails);
        let fails = failed.map(|check| (check.round, format!("stage {}: {}", check.stage, check.text)));
        let mut follows: Vec<_> = audit.posted.iter().map(|p| (p.digest, p.header)).collect();
        // The last one may be signed and on the chain before the transcript says so.
        follows.extend(audit.rounds.as_ref().and_then(under_way));
        Ok(Self {
            transcript,
            others,
            receipts,
            models: args.models.clone().or_else(|| beside("models")),
            lengths,
            dossier,
            follows,
            fails,
        })
    }

    /// Whether there is more to read than was.
    pub(super) fn is_stale(&self, args: &Args) -> bool {
        lengths(args) != self.lengths
    }

    /// The contracts on the home chain, where rounds are disputed, and the number of rounds planned.
    pub(super) async fn home(
        &self,
        args: &Args,
        key: Option<&PayoutKey>,
        printer: &Printer,
    ) -> Result<(SettlementClient, u64), Failure> {
        let (plan, genesis) = (self.dossier.plan(), self.dossier.genesis());
        let home = &genesis.contracts;
        let rounds = Rounds::begin(genesis.clone())?;
        let ways = chains::ways(&args.target, &rounds, &args.rpc).await?;
        let way = ways.get(&home.chain_id).ok_or_else(|| {
            let id = home.chain_id;
            Failure::usage(format!("no url of the home chain, {id}, is known"))
                .hint(format!("name one with --rpc {id}=URL"))
        })?;
        // Whoever watches should know by whose word.
        if args.rpc.is_empty()
            && let Some(file) = chains::said_in(&args.target, home.chain_id)
        {
            printer.talk(&format!("chain {} at {way}, as {} says", home.chain_id, file.display()));
        }
        let connection = settle::connect(way, key)?;
        let deployment = settle::deployment(plan, genesis, home);
        let client = SettlementClient::connect(connection, deployment).await?;
        Ok((client, plan.terms().rounds.count))
    }

    /// The coordinator's account in the contracts.
    pub(super) fn coordinator(&self) -> [u8; 20] {
        self.dossier.genesis().contracts.coordinator
    }

    /// What replaying says of a header: `None` where it follows, or isn't reached.
    pub(super) fn differs(&self, digest: &[u8; 32], header: &RoundHeader) -> Option<String> {
        let same = |h: &RoundHeader| (h.round, h.attempt) == (header.round, header.attempt);
        if self.follows.iter().any(|(known, _)| known == digest) {
            return None;
        }
        if let Some((_, own)) = self.follows.iter().find(|(_, own)| same(own)) {
            return Some(format!(
                "the header differs from the transcript's in {}",
                differences(own, header)
            ));
        }
        let (round, what) = self.fails.as_ref()?;
        (*round == Some(header.round)).then(|| format!("the transcript doesn't follow: {what}"))
    }

    /// What aggregate leads from one model to the next, if it can be told from them: a candidate, to be compared with the header's root.
    pub(super) fn aggregates(&self, round: u64) -> Vec<Vec<i32>> {
        let terms = self.dossier.plan().terms();
        let step = self.dossier.plan().parameter_step();
        let Ok(model) = terms.model.build(&terms.data, Device::Cpu) else {
            return Vec::new();
        };
        let read = |round: u64| {
            let path = self.models.as_ref()?.join(format!("round-{round:05}.safetensors"));
            Some(files::model(&path, &model.tensors()).ok()?.parameters)
        };
        let before = match round {
            1 => Some(self.dossier.genesis().model.clone()),
            _ => read(round.saturating_sub(1)),
        };
        let (Some(before), Some(after)) = (before, read(round)) else {
            return Vec::new();
        };
        let moved = |(a, b): (&f32, &f32)| ((f64::from(*b) - f64::from(*a)) / step).round() as i32;
        vec![before.iter().zip(&after).map(moved).collect()]
    }
}

/// The header of the round under way, if it is known: where the transcript tells another one, what follows instead.
fn under_way(rounds: &Rounds) -> Option<([u8; 32], RoundHeader)> {
    let mut header = rounds.settled()?.header;
    if rounds.phase() == Phase::Settle {
        header.transcript_root = rounds.head().hash;
    }
    let genesis = rounds.genesis();
    let domain = genesis.contracts.rounds_domain(header.federation);
    Some((header.digest(&domain), header))
}

/// The transcript's file; in an institution's directory what it refused to sign, where that goes further.
fn file(target: &Path) -> PathBuf {
    if !target.is_dir() {
        return target.to_owned();
    }
    let length = |name: &str| target.join(name).metadata().map_or(0, |found| found.len());
    let refused = length(REFUSED) > length("transcript.xfl");
    target.join(if refused { REFUSED } else { "transcript.xfl" })
}

/// How long transcript and receipts are by now.
fn lengths(args: &Args) -> [u64; 2] {
    let receipts = args.receipts.clone().unwrap_or_else(|| args.target.join(RECEIPTS));
    [file(&args.target), receipts].map(|path| path.metadata().map_or(0, |found| found.len()))
}

/// The transcript of a directory, a file, or an exported file.
fn transcript(target: &Path) -> Result<Vec<u8>, Failure> {
    let hint = "name the directory of a run or of an institution, a transcript, or an exported file";
    let path = file(target);
    let bytes = files::read(&path, files::MAX_FILE).map_err(|failure| failure.hint(hint))?;
    if !Bundle::is_one(&bytes) {
        return Ok(bytes);
    }
    let bundle = Bundle::decode(&bytes)
        .map_err(|error| Failure::new(Code::Audit, format!("{}: {error}", path.display())).hint(hint))?;
    Ok(bundle.transcript)
}

fn receipts(path: &Path) -> Result<Vec<SignedReceipt>, Failure> {
    let bytes = files::read(path, MAX_RECEIPTS)?;
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_slice(line).map_err(|error| {
                Failure::usage(format!("{} line {}: {error}", path.display(), number + 1))
                    .hint("receipts are lines of JSON, as `xfl join` keeps them in receipts.jsonl")
            })
        })
        .collect()
}

/// A transcript that nothing can be read from.
pub(super) fn unfit(path: &Path, error: &DossierError) -> Failure {
    Failure::new(Code::Audit, format!("{}: {error}", path.display()))
        .hint("take another copy: the coordinator's, any institution's, or an exported file")
}

/// The fields in which two headers differ.
fn differences(own: &RoundHeader, other: &RoundHeader) -> String {
    let (own, other) = (serde_json::to_value(own), serde_json::to_value(other));
    let (Ok(serde_json::Value::Object(own)), Ok(other)) = (own, other) else {
        return "something".into();
    };
    let differ = own
        .iter()
        .filter(|(name, value)| other.get(name.as_str()) != Some(value));
    let names: Vec<&str> = differ.map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}
