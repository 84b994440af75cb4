//! `xfl audit`: replays a federation's transcript and checks it, offline, line by line; then what the chain holds.

mod chain;
mod evidence;

use std::path::{Path, PathBuf};

use serde_json::json;
use xfl_core::{
    audit::{self, Audit, Check, Verdict},
    node::{bundle::Bundle, settle::Endpoint},
    plan::Plan,
    round::Referee,
    train::{Device, HeldOut, held_out},
    transcript::{Entry, Genesis, Reader},
};
use xfl_settlement::{
    audit::kept,
    proof::{Checkpoint, Collected},
};

use self::evidence::Evidence;
use crate::{
    failure::{Code, Failure},
    files,
    printer::{Outcome, Printer},
};

/// Arguments of `xfl audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run's or an institution's directory, a transcript, or a file that --export wrote.
    #[arg(default_value = "run")]
    target: PathBuf,
    /// The held-out data; held-out.csv of the directory, or the exported file's, where absent.
    #[arg(long, env = "XFL_HELD_OUT", hide_env_values = true)]
    held_out: Option<PathBuf>,
    /// The salt of their commitment; held-out.salt of the directory, or the exported file's, where absent.
    #[arg(long, env = "XFL_SALT", hide_env_values = true)]
    salt: Option<PathBuf>,
    /// Ask a chain by its JSON-RPC url (URL, ID=URL, or ID=URL,URL for nodes that must agree), instead of the directory's or the exported
    /// file's embedded one; again for each chain (in XFL_RPC after a semicolon).
    #[arg(long, env = "XFL_RPC", hide_env_values = true, value_delimiter = ';', value_parser = crate::unshown::unshown::<Endpoint>())]
    rpc: Vec<Endpoint>,
    /// A block that you trust, as CHAIN_ID:BLOCK_NUMBER:HASH (from another member, your own node or a block explorer): what its chain held then is
    /// proven against it, and a node that says otherwise fails the audit. Again for each chain or block (in XFL_CHECKPOINT after a semicolon).
    #[arg(long, env = "XFL_CHECKPOINT", value_delimiter = ';', value_name = "CHECKPOINT")]
    checkpoint: Vec<Checkpoint>,
    /// Also write the chains' proofs to one new file, for --proofs.
    #[arg(long, env = "XFL_SAVE_PROOFS", hide_env_values = true)]
    save_proofs: Option<PathBuf>,
    /// Check the proofs in this file, from --save-proofs, against the transcript and --checkpoint, where no node is at hand.
    #[arg(long, env = "XFL_PROOFS", hide_env_values = true)]
    proofs: Option<PathBuf>,
    /// Also write everything to one new file, that `xfl audit FILE` checks anywhere, offline.
    #[arg(short, long, env = "XFL_EXPORT", hide_env_values = true)]
    export: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    for path in args.export.iter().chain(&args.save_proofs) {
        files::absent(path)?;
    }
    let evidence = match Evidence::gather(args)? {
        Ok(evidence) => evidence,
        Err(damaged) => return verdict(vec![damaged], None),
    };
    if let Some(path) = &args.export {
        let bundle = evidence.bundle();
        // It may hold the held-out data.
        files::create(path, &bundle.encode(), 0o600)?;
        let parts = [
            ("chain", bundle.chain.is_some()),
            ("held-out data", bundle.held_out.is_some() && bundle.salt.is_some()),
        ];
        let parts = parts
            .iter()
            .filter(|(_, there)| *there)
            .map(|(name, _)| format!(", {name}"))
            .collect::<String>();
        printer.talk(&format!("wrote {}: transcript{parts}", path.display()));
    }
    let (mut checks, audit) = transcript(&evidence)?;
    if audit.holds() {
        let (chains, proofs) = crate::runtime()?.block_on(chain::checks(args, &evidence, &audit))?;
        checks.extend(chains);
        if let Some(path) = &args.save_proofs {
            keep(path, &proofs, printer)?;
        }
    }
    verdict(checks, Some(&audit))
}

/// Writes proofs to a file; none is an error, for somebody waits for them.
fn keep(path: &Path, proofs: &[Collected], printer: &Printer) -> Result<(), Failure> {
    if proofs.is_empty() {
        return Err(Failure::failed("no chain gave proofs that could be saved")
            .hint("name the chains' nodes with --rpc; for a chain in the directory or the exported file, give a --checkpoint too"));
    }
    let bytes = kept::encode(proofs).map_err(|error| Failure::failed(error.to_string()))?;
    // All of it is public.
    files::create(path, &bytes, 0o644)?;
    let chains: Vec<_> = proofs.iter().map(|proof| proof.chain_id.to_string()).collect();
    let (path, chains) = (path.display(), chains.join(", "));
    printer.talk(&format!(
        "wrote {path}: {} bytes that prove what is held on {chains}",
        bytes.len()
    ));
    Ok(())
}

/// Replays, with the held-out data as far as they are at hand and are the ones committed to.
fn transcript(evidence: &Evidence) -> Result<(Vec<Check>, Audit), Failure> {
    let mut commitment = None;
    let mut referee = None;
    if let Some((genesis, plan)) = beginning(&evidence.transcript)
        && let Some(committed) = genesis.held_out
    {
        let (text, holds) = match (&evidence.salt, &evidence.held_out) {
            (Some(salt), Some(data)) if held_out::commitment(salt, data) == committed => {
                referee = judge(&plan, data);
                (
                    "held-out data are those committed to before the first round",
                    Verdict::Holds,
                )
            }
            (Some(_), Some(_)) => ("held-out data or their salt aren't those committed to", Verdict::Fails),
            _ => (
                "held-out data aren't at hand: give --held-out and --salt",
                Verdict::Unchecked,
            ),
        };
        commitment = Some(Check {
            round: None,
            stage: "plan".into(),
            text: text.into(),
            verdict: holds,
        });
    }
    let lent = referee.as_mut().map(|referee| referee as &mut dyn Referee);
    let mut audit = audit::replay(&evidence.transcript, lent);
    // After the plan's own check, which says whether there is a commitment at all.
    if let (Some(check), true) = (
        commitment,
        audit
            .checks
            .first()
            .is_some_and(|first| first.verdict == Verdict::Holds),
    ) {
        audit.checks.insert(1, check);
    }
    Ok((audit.checks.clone(), audit))
}

/// How a transcript begins, if it does.
fn beginning(transcript: &[u8]) -> Option<(Box<Genesis>, Plan)> {
    match Reader::new(transcript).next() {
        Ok(Some(Entry::Genesis(genesis))) => {
            let plan = Plan::parse(&genesis.plan, "federation.toml").ok()?;
            Some((genesis, plan))
        }
        _ => None,
    }
}

fn judge(plan: &Plan, data: &[u8]) -> Option<HeldOut> {
    let terms = plan.terms();
    let model = terms.model.build(&terms.data, Device::Cpu).ok()?;
    HeldOut::read(model, "held-out data", data, &terms.data).ok()
}

/// One line a check, and whether all hold.
fn verdict(checks: Vec<Check>, audit: Option<&Audit>) -> Result<Outcome, Failure> {
    let finished = audit
        .and_then(|audit| audit.rounds.as_ref())
        .map_or(0, xfl_core::round::Rounds::finished);
    let mut text: String = checks.iter().map(|check| format!("{check}\n")).collect();
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (held, unchecked, failed) = (count(Verdict::Holds), count(Verdict::Unchecked), count(Verdict::Fails));
    let data = json!({
        "checks": checks, "holds": failed == 0, "held": held, "unchecked": unchecked, "failed": failed, "rounds": finished,
    });
    let Some(first) = checks.iter().find(|check| check.verdict == Verdict::Fails) else {
        let rest = if unchecked > 0 {
            format!(", {unchecked} not checked: their lines say what is missing")
        } else {
            String::new()
        };
        text += &format!("{held} checks hold over {finished} rounds{rest}\n");
        return Outcome::new(data, text);
    };
    let place = match first.round {
        Some(round) => format!("round {round}, stage {}", first.stage),
        None => format!("stage {}", first.stage),
    };
    Err(
        Failure::new(Code::Audit, format!("the audit fails: {place}: {}", first.text))
            .hint("what was signed stays signed: keep this copy, and compare it with the other members'")
            .with(data, text),
    )
}

impl Evidence {
    fn bundle(&self) -> Bundle {
        Bundle {
            transcript: self.transcript.clone(),
            chain: self.chain.as_ref().map(|(bytes, _)| bytes.clone()),
            salt: self.salt,
            held_out: self.held_out.clone(),
        }
    }
}
