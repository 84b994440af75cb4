//! What a chain holds, proven against a block instead of taken from a node.
//!
//! **Claim.** [`proven`] needs no chain: what it finds to hold follows from the hash of one block and the transcript. With a [`Checkpoint`] that
//! hash is vouched for by whoever gave it; without one it is the node's own word, and a check says so ([`Finding::Unanchored`]).
//!
//! Proven: the code of the contract of rounds and of the distributor; the number of rounds and each header's digest; the events that posted
//! them; what each participant was paid (always the total of one of its leaves) and the sum of it.
//!
//! **Which block.** With checkpoints the state is that of the highest and of no other, whatever block the proofs are of: an earlier one would
//! hide what was voided or paid since.
//!
//! **After the checkpoint.** A block vouches for those before it and for none after: what was posted later isn't anchored, and is said not to be.
//! A payment made later isn't seen at all.
//!
//! [`prove`] collects the proofs from a node first ([`crate::chain::collect`]).

mod block;

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::B256;

use self::block::{Block, There};
use super::{Check, Expected, Finding};
use crate::chain::client::{ClientError, SettlementClient};
use crate::chain::collect::{self, CollectError, Wanted};
use crate::chain::deploy::Deployment;
use crate::merkle::Digest;
use crate::proof::collected::Posting;
use crate::proof::slots::RoundSlots;
use crate::proof::{Checkpoint, Collected};

/// Slots of the contract that holds the rounds on this chain.
pub(crate) fn places(deployment: &Deployment) -> RoundSlots {
    match deployment.is_home() {
        true => RoundSlots::HOME,
        false => RoundSlots::MIRROR,
    }
}

/// Collects proofs from the client's chain and checks them; answers what was collected too, if anything was.
///
/// A node that has no proofs fails nothing, unless there is a checkpoint to prove against.
pub async fn prove(
    client: &SettlementClient,
    expected: &Expected<'_>,
    checkpoints: &[Checkpoint],
) -> (Vec<Check>, Option<Collected>) {
    let finding = match gather(client, expected, checkpoints).await {
        Ok(collected) => {
            let checks = proven(&collected, client.deployment(), expected, checkpoints);
            return (checks, Some(collected));
        }
        Err(Failed::Finding(finding)) => finding,
        Err(Failed::Collect(CollectError::Connection(error))) => Finding::Chain(ClientError::Connection(error)),
        Err(Failed::Collect(error)) if error.is_refusal() && checkpoints.is_empty() => {
            Finding::Unanchored(format!("{error}: what this chain says is its node's word"))
        }
        Err(Failed::Collect(error)) if error.is_refusal() => Finding::Wrong(format!(
            "{error}; ask a node that keeps the state of that block (an archive node), or take a checkpoint of one of the last blocks"
        )),
        // It may be the chain's own kind of header, and without a checkpoint nobody said that it can be proven.
        Err(Failed::Collect(error @ CollectError::OtherHash { .. })) if checkpoints.is_empty() => {
            Finding::Unanchored(format!("{error}; what this chain says is its node's word"))
        }
        Err(Failed::Collect(error)) => Finding::Wrong(error.to_string()),
    };
    let check = Check {
        name: "proofs of what the chain holds".into(),
        round: None,
        result: Err(finding),
    };
    (vec![check], None)
}

enum Failed {
    Finding(Finding),
    Collect(CollectError),
}

impl From<CollectError> for Failed {
    fn from(error: CollectError) -> Self {
        Self::Collect(error)
    }
}

async fn gather(
    client: &SettlementClient,
    expected: &Expected<'_>,
    checkpoints: &[Checkpoint],
) -> Result<Collected, Failed> {
    let posted = client.posted().await.map_err(|error| Failed::Finding(error.into()))?;
    let domain = client.deployment().header_domain();
    let postings: Vec<_> = expected
        .rounds
        .iter()
        .filter_map(|round| {
            let digest = round.header.digest(&domain);
            let told = posted.iter().rev().find(|told| told.digest == digest)?;
            Some((round.header.round, told.place.transaction))
        })
        .collect();
    let wanted = Wanted {
        rounds: expected.rounds.len() as u64,
        participants: &participants(expected, client.deployment()),
        postings: &postings,
        checkpoints,
    };
    Ok(collect::collect(client, &wanted).await?)
}

fn participants(expected: &Expected<'_>, deployment: &Deployment) -> BTreeSet<Digest> {
    totals(expected, deployment, u64::MAX).into_keys().collect()
}

/// What each participant has earned on this chain after each round up to `last`.
fn totals(expected: &Expected<'_>, deployment: &Deployment, last: u64) -> BTreeMap<Digest, BTreeSet<u128>> {
    let mut totals: BTreeMap<Digest, BTreeSet<u128>> = BTreeMap::new();
    for round in expected.rounds {
        for leaf in round.tree.leaves(deployment.chain_id) {
            let sums = totals.entry(leaf.participant).or_default();
            if round.header.round <= last {
                sums.insert(leaf.cumulative);
            }
        }
    }
    totals
}

/// Checks what was collected of one chain, whoever collected it.
#[must_use]
pub fn proven(
    collected: &Collected,
    deployment: &Deployment,
    expected: &Expected<'_>,
    checkpoints: &[Checkpoint],
) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut note = |name: String, round: Option<u64>, result: Result<(), Finding>| {
        checks.push(Check { name, round, result });
    };
    let block = match Block::open(collected, deployment, expected, checkpoints) {
        Ok(block) => block,
        Err(finding) => {
            note("the block of the proofs".into(), None, Err(finding));
            return checks;
        }
    };
    let state = &block.state;
    let name = format!("block {} ({}) is vouched for", state.number, B256::from(state.hash));
    note(name, None, block.anchored());

    let name = format!("the contracts' code, proven in block {}", state.number);
    note(name, None, block.code());
    let (latest, rounds) = match block.rounds() {
        Ok((latest, rounds)) => (latest, rounds),
        Err(finding) => {
            note(
                format!("the rounds, proven in block {}", state.number),
                None,
                Err(finding),
            );
            return checks;
        }
    };
    let mut standing = Vec::new();
    for (round, found) in rounds {
        let name = match found {
            Ok(There::PassedOver) => format!("round {round} isn't on this mirror, proven in block {}", state.number),
            _ => format!("round {round}, proven in block {}", state.number),
        };
        if found == Ok(There::Stands) {
            standing.push(round);
        }
        note(name, Some(round), found.map(drop));
    }
    // The first of each round: how often the walk over headers is made is the transcript's to say, not the proofs'.
    let mut postings = BTreeMap::new();
    for posting in &collected.postings {
        postings.entry(posting.round).or_insert(posting);
    }
    let count = expected.rounds.len() as u64;
    let exists = |posting: &&&Posting| (1..=count).contains(&posting.round);
    let known = postings.values().filter(exists);
    // Of those of no round one says enough.
    let strange = postings.values().find(|posting| !exists(posting));
    for posting in known.chain(strange) {
        let name = format!("the posting of round {}, proven by its receipt", posting.round);
        note(name, Some(posting.round), block.posting(posting));
    }
    for round in standing.into_iter().filter(|round| !postings.contains_key(round)) {
        let name = format!("the posting of round {round}");
        let what = "the event of its posting isn't among the proofs (its node didn't give it, or it was left out)";
        note(name, Some(round), Err(Finding::Unanchored(what.into())));
    }
    note(
        format!("what was paid, proven in block {}", state.number),
        None,
        block.paid(latest),
    );
    checks
}
