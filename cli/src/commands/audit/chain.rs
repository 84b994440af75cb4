//! The chain's side: what the contracts hold against what the transcript says, and what of it is proven.
//!
//! What a node says is proven against its own headers, or against a checkpoint where one is given. A chain that was replayed from a file needs
//! no proof, for each of its transactions was executed here; a checkpoint says whether it is the history that others saw.

use std::{collections::BTreeMap, path::Path};

use xfl_core::{
    audit::{Audit, Check, Posted, Verdict},
    node::settle::{self, CHAINS_FILE, Endpoints, SettleError},
    round::Rounds,
    transcript::Contracts,
};
use xfl_settlement::{
    audit::{Expected, ExpectedRound, Finding, audit, kept, proven},
    binding::Binding,
    chain::{client::SettlementClient, connect::Connection, deploy::Deployment, embedded::EmbeddedChain},
    payout::Signature,
    proof::{Checkpoint, Collected},
    statement::Quorum,
};

use super::{Args, evidence::Evidence};
use crate::{
    failure::{Code, Failure},
    files,
};

/// Compares each chain; where one isn't at hand, a check says so. Answers the proofs that chains gave too.
pub(super) async fn checks(
    args: &Args,
    evidence: &Evidence,
    replayed: &Audit,
) -> Result<(Vec<Check>, Vec<Collected>), Failure> {
    let Some(rounds) = &replayed.rounds else {
        return Ok((Vec::new(), Vec::new()));
    };
    let kept = match &args.proofs {
        None => Vec::new(),
        Some(path) => kept::decode(&files::read(path, kept::MAX_FILE as u64)?).map_err(|error| {
            Failure::usage(format!("{}: {error}", path.display())).hint("name a file that --save-proofs wrote")
        })?,
    };
    if let Some(stray) = args.checkpoint.iter().find(|checkpoint| {
        let mut chains = rounds.genesis().chains();
        chains.all(|chain| chain.chain_id != checkpoint.chain_id)
    }) {
        let chains: Vec<_> = rounds
            .genesis()
            .chains()
            .map(|chain| chain.chain_id.to_string())
            .collect();
        return Err(
            Failure::usage(format!("--checkpoint {stray} is of none of this federation's chains"))
                .hint(format!("it begins with the id of one of them: {}", chains.join(", "))),
        );
    }
    // Nobody there is a matter of the network; a node that answers wrongly is the audit's.
    let mut ways = BTreeMap::new();
    for endpoint in &args.rpc {
        let connection = settle::connect(endpoint, None)?;
        let id = connection.chain_id().await?;
        if rounds.genesis().chains().all(|chain| chain.chain_id != id) {
            let what = format!("{endpoint} is chain {id}, which is none of this federation's");
            return Err(Failure::new(Code::Network, what).hint("name the url of one that the transcript begins with"));
        }
        ways.insert(id, Way::Node(connection));
    }
    if let Some((_, chain)) = &evidence.chain {
        ways.entry(chain.chain_id())
            .or_insert_with(|| Way::Replayed(chain.clone()));
    }
    // What the auditor wrote down itself, in the folder it works in: the audited directory's own file would have it ask the coordinator's nodes.
    let mut silent = BTreeMap::new();
    for endpoint in Endpoints::read(Path::new(".")).map_err(SettleError::from)?.chains() {
        let id = endpoint.chain_id.unwrap_or_default();
        if ways.contains_key(&id) || rounds.genesis().chains().all(|chain| chain.chain_id != id) {
            continue;
        }
        let connection = settle::connect(&endpoint, None)?;
        match connection.chain_id().await {
            Ok(got) if got == id => drop(ways.insert(id, Way::Node(connection))),
            Ok(got) => drop(silent.insert(id, format!("{endpoint} is chain {got}, {CHAINS_FILE} says {id}"))),
            Err(error) => drop(silent.insert(id, format!("{endpoint}, as {CHAINS_FILE} says: {error}"))),
        }
    }
    let own = settle::check_contracts(rounds.plan(), rounds.genesis());
    let mut checks = vec![Check {
        round: None,
        stage: "chain".into(),
        text: match &own {
            Ok(()) => "the contracts' addresses follow from this program's own code and the plan".into(),
            Err(error) => error.to_string(),
        },
        verdict: if own.is_ok() { Verdict::Holds } else { Verdict::Fails },
    }];
    let mut proofs = Vec::new();
    for chain in rounds.genesis().chains() {
        let checkpoints = args.checkpoint.iter().copied();
        let checkpoints: Vec<_> = checkpoints
            .filter(|checkpoint| checkpoint.chain_id == chain.chain_id)
            .collect();
        let (way, kept) = (
            ways.get(&chain.chain_id),
            kept.iter().find(|kept| kept.chain_id == chain.chain_id),
        );
        if way.is_none() && kept.is_none() {
            checks.push(missing(rounds, chain, &checkpoints, silent.get(&chain.chain_id)));
            continue;
        }
        let side = Side::new(replayed, rounds, chain);
        if let Some(kept) = kept {
            let found = side.with(|expected| proven::proven(kept, &side.deployment, expected, &checkpoints));
            let stage = side.stage.replacen("chain", "proofs", 1);
            checks.extend(
                found
                    .into_iter()
                    .map(|found| told(&stage, found))
                    .collect::<Result<Vec<_>, _>>()?,
            );
        }
        if let Some(way) = way {
            let (found, collected) = on_chain(&side, way, &checkpoints).await?;
            checks.extend(found);
            proofs.extend(collected);
        }
    }
    Ok((checks, proofs))
}

/// How a chain is asked.
enum Way {
    Node(Connection),
    /// Executed here.
    Replayed(EmbeddedChain),
}

impl Way {
    fn connection(&self) -> Connection {
        match self {
            Self::Node(connection) => connection.clone(),
            Self::Replayed(chain) => Connection::embedded(chain, None),
        }
    }

    /// Where proofs come from: a replayed chain keeps the state of its last blocks alone, and is replayed up to the highest checkpoint.
    fn proofs(&self, checkpoints: &[Checkpoint]) -> Option<Connection> {
        let highest = checkpoints.iter().map(|checkpoint| checkpoint.number).max();
        match (self, highest) {
            (Self::Node(connection), _) => Some(connection.clone()),
            (Self::Replayed(_), None) => None,
            // A checkpoint that it doesn't reach is told by asking it.
            (Self::Replayed(chain), Some(number)) => {
                let then = chain.until(number).unwrap_or_else(|_| chain.clone());
                Some(Connection::embedded(&then, None))
            }
        }
    }
}

fn missing(rounds: &Rounds, chain: &Contracts, checkpoints: &[Checkpoint], silent: Option<&String>) -> Check {
    let home = chain.chain_id == rounds.genesis().contracts.chain_id;
    let (stage, text) = match home {
        true => (
            "chain".to_owned(),
            "the chain isn't at hand: give --rpc URL, or the coordinator's directory or exported file".to_owned(),
        ),
        false => (
            format!("chain {}", chain.chain_id),
            format!("the chain isn't at hand: give --rpc {}=URL", chain.chain_id),
        ),
    };
    let text = silent.map_or(text, |why| format!("the chain isn't at hand: {why}"));
    Check {
        round: None,
        stage,
        text,
        // Whoever gives a checkpoint wants to know.
        verdict: if checkpoints.is_empty() {
            Verdict::Unchecked
        } else {
            Verdict::Fails
        },
    }
}

/// The transcript's side of one chain.
struct Side<'a> {
    stage: String,
    deployment: Deployment,
    posted: &'a [Posted],
    signatures: Vec<Vec<Signature>>,
    members: Vec<Binding>,
}

impl<'a> Side<'a> {
    fn new(replayed: &'a Audit, rounds: &Rounds, chain: &Contracts) -> Self {
        let deployment = settle::deployment(rounds.plan(), rounds.genesis(), chain);
        let signatures = replayed
            .posted
            .iter()
            .map(|posted| ascending(posted, &deployment))
            .collect();
        Self {
            stage: match deployment.is_home() {
                true => "chain".to_owned(),
                false => format!("chain {}", chain.chain_id),
            },
            posted: &replayed.posted,
            signatures,
            members: rounds.joined().values().map(|joined| joined.binding).collect(),
            deployment,
        }
    }

    fn rounds(&self) -> Vec<ExpectedRound<'_>> {
        let rounds = self.posted.iter().zip(&self.signatures);
        rounds
            .map(|(posted, signatures)| ExpectedRound {
                header: &posted.header,
                signatures,
                members: &posted.members,
                tree: &posted.tree,
            })
            .collect()
    }

    fn with<T>(&self, look: impl FnOnce(&Expected<'_>) -> T) -> T {
        look(&Expected {
            rounds: &self.rounds(),
            members: &self.members,
        })
    }
}

async fn on_chain(
    side: &Side<'_>,
    way: &Way,
    checkpoints: &[Checkpoint],
) -> Result<(Vec<Check>, Option<Collected>), Failure> {
    let rounds = side.rounds();
    let expected = Expected {
        rounds: &rounds,
        members: &side.members,
    };
    let client = SettlementClient::unchecked(way.connection(), side.deployment.clone());
    let mut found = audit(&client, &expected).await;
    let mut collected = None;
    if let Some(connection) = way.proofs(checkpoints) {
        let client = SettlementClient::unchecked(connection, side.deployment.clone());
        let (proven, proofs) = proven::prove(&client, &expected, checkpoints).await;
        found.extend(proven);
        collected = proofs;
    }
    let checks: Result<_, _> = found.into_iter().map(|found| told(&side.stage, found)).collect();
    Ok((checks?, collected))
}

/// The signatures as the contract takes them: ascending by signer.
fn ascending(posted: &Posted, deployment: &Deployment) -> Vec<Signature> {
    let threshold = usize::try_from(deployment.terms.threshold).unwrap_or(usize::MAX);
    let quorum = Quorum::new(posted.members.clone(), threshold);
    let sorted = quorum.and_then(|quorum| quorum.collect(&posted.digest, posted.signatures.iter().copied()));
    // What is no quorum is handed on as it is, and the audit says what is wrong with it.
    sorted.unwrap_or_else(|_| posted.signatures.clone())
}

fn told(stage: &str, found: xfl_settlement::audit::Check) -> Result<Check, Failure> {
    let check = |text: String, verdict| Check {
        round: found.round,
        stage: stage.to_owned(),
        text,
        verdict,
    };
    match found.result {
        Ok(()) => Ok(check(found.name, Verdict::Holds)),
        Err(error @ Finding::Unanchored(_)) => Ok(check(format!("{}: {error}", found.name), Verdict::Unchecked)),
        Err(Finding::Chain(xfl_settlement::chain::client::ClientError::Connection(
            error @ xfl_settlement::chain::connect::ConnectionError::Disagreement { .. },
        ))) => Err(error.into()),
        Err(Finding::Chain(xfl_settlement::chain::client::ClientError::Connection(error))) => {
            let what = format!("{}: {error}", found.name);
            Err(Failure::new(Code::Network, what).hint("nothing is known either way; try again, or ask another node"))
        }
        Err(error) => Ok(check(format!("{}: {error}", found.name), Verdict::Fails)),
    }
}
