//! The chain's side of an audit: what the contracts hold against what the transcript says.
//!
//! [`audit`] answers one [`Check`] after another and never stops at the first that fails. It reads only, so it works on a live
//! chain, on any RPC URL and on a replayed snapshot ([`crate::chain::snapshot`]) alike. Whatever the chain says about
//! signatures is checked here again: bindings by their payout keys, and the expected headers by a quorum where signatures
//! are handed in.
//!
//! A mirror needs to hold no round, but none that the transcript hasn't.
//!
//! Checked: the contracts' code and wiring; each current member's admission and payout signature; number, digest and
//! signers of posted rounds; reward roots and budgets against the expected trees; every payment against the leaf it was made
//! under; the totals. Not checked: ed25519 signatures of node keys (the caller holds the transcript's crypto), and that a
//! remote node tells the truth about its chain: that is what [`proven`] is for.

pub mod kept;
pub mod proven;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::binding::Binding;
use crate::chain::client::{ClientError, Member, SettlementClient};
use crate::chain::events::{Admission, Payment, Posted};
use crate::ledger::RewardTree;
use crate::payout::{Account, Signature};
use crate::statement::{Quorum, RoundHeader};

/// How often payments and totals that differ are asked for, and how long after one another.
const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// What the transcript says about one round.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedRound<'a> {
    /// Its header.
    pub header: &'a RoundHeader,
    /// The members' signatures, ascending by signer.
    pub signatures: &'a [Signature],
    /// Payout accounts of those who were members when it was posted.
    pub members: &'a [Account],
    /// The reward tree after it.
    pub tree: &'a RewardTree,
}

/// What the transcript says.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// From round 1, without gaps.
    pub rounds: &'a [ExpectedRound<'a>],
    /// Bindings of the members there are now.
    pub members: &'a [Binding],
}

/// One check and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was checked, for instance "round 3 is posted".
    pub name: String,
    /// The round it is about, if it is about one.
    pub round: Option<u64>,
    /// How it went.
    pub result: Result<(), Finding>,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The chain couldn't be asked: nothing is known either way.
    #[error(transparent)]
    Chain(#[from] ClientError),
    /// The chain says something else than the transcript.
    #[error("{what} is {got}, expected {expected}")]
    Differs {
        /// What.
        what: &'static str,
        /// By the transcript.
        expected: String,
        /// By the chain.
        got: String,
    },
    /// Something that must hold doesn't.
    #[error("{0}")]
    Wrong(String),
    /// Nobody but the node vouches for it: nothing is known either way.
    #[error("unanchored: {0}")]
    Unanchored(String),
}

fn same<T: PartialEq + std::fmt::Debug>(what: &'static str, expected: &T, got: &T) -> Result<(), Finding> {
    if expected == got {
        return Ok(());
    }
    let show = |value: &T| format!("{value:02x?}");
    Err(Finding::Differs {
        what,
        expected: show(expected),
        got: show(got),
    })
}

/// Runs all checks, in a fixed order.
pub async fn audit(client: &SettlementClient, expected: &Expected<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut note = |name: String, round: Option<u64>, result: Result<(), Finding>| {
        checks.push(Check { name, round, result });
    };
    let (connection, deployment) = (client.connection(), client.deployment());
    for (contract, address) in deployment.contracts() {
        let result = deployment
            .check_code(connection, contract, &address)
            .await
            .map_err(|error| ClientError::from(error).into());
        note(format!("the code of {}", contract.name()), None, result);
    }
    let wiring = deployment.check_wiring(connection).await;
    note(
        "the contracts name each other".into(),
        None,
        wiring.map_err(|error| ClientError::from(error).into()),
    );

    note(
        "the members are the transcript's".into(),
        None,
        members(client, expected.members).await,
    );

    let latest = client.latest_round().await.map_err(Finding::from);
    let count = expected.rounds.len() as u64;
    let counted = match (&latest, deployment.is_home()) {
        // A mirror has what was final at home when it was last brought up, and needs no round for itself.
        (Ok(latest), false) if *latest > count => same("the last round", &count, latest),
        (_, false) => latest.clone().map(|_| ()),
        (_, true) => latest
            .clone()
            .and_then(|latest| same("the last round", &count, &latest)),
    };
    note("the number of rounds".into(), None, counted);
    match client.posted().await {
        Err(error) => note("the posted rounds".into(), None, Err(error.into())),
        Ok(posted) => {
            for (number, round) in (1..).zip(expected.rounds) {
                let mirrored = deployment.is_home() || posted.iter().any(|told| told.header.round == number);
                if mirrored {
                    let result = check_round(client, number, round, &posted).await;
                    note(format!("round {number} is posted as signed"), Some(number), result);
                }
                note(
                    format!("rewards of round {number}"),
                    Some(number),
                    rewards(number, expected.rounds),
                );
            }
        }
    }
    match payments(client).await {
        Err(error) => note("the payments".into(), None, Err(error.into())),
        Ok((payments, totals)) => {
            for payment in &payments {
                let result = paid(client, payment, expected.rounds);
                note(
                    format!("a payment under round {}", payment.round),
                    Some(payment.round),
                    result,
                );
            }
            note("the totals paid".into(), None, totals);
        }
    }
    checks
}

async fn members(client: &SettlementClient, expected: &[Binding]) -> Result<(), Finding> {
    same(
        "the number of members",
        &(expected.len() as u64),
        &client.member_count().await?,
    )?;
    let admissions: Vec<Admission> = client.admissions().await?;
    let domain = client.deployment().binding_domain();
    for binding in expected {
        let wanted = Member {
            payout: binding.payout,
            chain_id: binding.chain_id,
            nonce: binding.nonce,
        };
        same("a member", &Some(wanted), &client.member(&binding.node_key).await?)?;
        let admission = admissions
            .iter()
            .rev()
            .find(|admission| admission.binding.node_key == binding.node_key);
        let admission = admission.ok_or_else(|| Finding::Wrong("a member was never admitted".into()))?;
        same("a member's binding", binding, &admission.binding)?;
        if let Some(signature) = admission.signature() {
            binding
                .verify(&domain, &signature)
                .map_err(|error| Finding::Wrong(error.to_string()))?;
        }
    }
    Ok(())
}

async fn check_round(
    client: &SettlementClient,
    number: u64,
    round: &ExpectedRound<'_>,
    posted: &[Posted],
) -> Result<(), Finding> {
    let deployment = client.deployment();
    let digest = round.header.digest(&deployment.header_domain());
    same("the round's number", &number, &round.header.round)?;
    same(
        "the header's digest",
        &Some(digest),
        &client.header_digest(number).await?,
    )?;
    let threshold = usize::try_from(deployment.terms.threshold).unwrap_or(usize::MAX);
    let quorum = Quorum::new(round.members.to_vec(), threshold).map_err(|error| Finding::Wrong(error.to_string()))?;
    let signers = quorum
        .check(&digest, round.signatures)
        .map_err(|error| Finding::Wrong(error.to_string()))?;
    // The last one: an earlier one of the same number was vetoed.
    let told = posted.iter().rev().find(|told| told.header.round == number);
    let told = told.ok_or_else(|| Finding::Wrong(format!("round {number} was never told")))?;
    same("the posted header", round.header, &told.header)?;
    same("the posted digest", &digest, &told.digest)?;
    // Members within the registry's timelock sign, and aren't counted on the chain.
    let counted = told.signers.iter().filter(|signer| signers.contains(signer)).count();
    same("the signers that signed", &told.signers.len(), &counted)?;
    if counted < threshold {
        return Err(Finding::Wrong(format!(
            "{counted} signers were counted, the threshold is {threshold}"
        )));
    }
    Ok(())
}

/// The header's root and budget are the tree's, and no total went down.
fn rewards(number: u64, rounds: &[ExpectedRound<'_>]) -> Result<(), Finding> {
    let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
    let Some(round) = rounds.get(index) else { return Ok(()) };
    same("the reward root", &round.tree.root(), &round.header.reward_root)?;
    let budgets = round
        .tree
        .entries()
        .iter()
        .map(|entry| entry.cumulative_budget)
        .try_fold(0, u128::checked_add);
    same("the cumulative budget", &budgets, &Some(round.header.cumulative_budget))?;
    let mut seen = BTreeSet::new();
    for claim in round.tree.claims() {
        claim
            .verify(&round.header.reward_root)
            .map_err(|error| Finding::Wrong(error.to_string()))?;
        if !seen.insert((claim.leaf.venue, claim.leaf.participant)) {
            return Err(Finding::Wrong("a participant has two leaves on one chain".into()));
        }
    }
    let Some(before) = index.checked_sub(1).and_then(|index| rounds.get(index)) else {
        return Ok(());
    };
    for claim in before.tree.claims() {
        let now = round.tree.claim(&claim.leaf.participant, claim.leaf.venue.chain_id);
        let now = now.map_or(0, |claim| claim.leaf.cumulative);
        if now < claim.leaf.cumulative {
            let (before, who) = (claim.leaf.cumulative, claim.leaf.participant);
            return Err(Finding::Wrong(format!(
                "the total of {who:02x?} went down from {before} to {now}"
            )));
        }
    }
    Ok(())
}

/// A payment brought its participant to the total of its leaf, at the leaf's account.
fn paid(client: &SettlementClient, payment: &Payment, rounds: &[ExpectedRound<'_>]) -> Result<(), Finding> {
    let index = payment
        .round
        .checked_sub(1)
        .and_then(|index| usize::try_from(index).ok());
    let round = index.and_then(|index| rounds.get(index));
    let round = round.ok_or_else(|| Finding::Wrong(format!("there is no round {}", payment.round)))?;
    let claim = round.tree.claim(&payment.participant, client.deployment().chain_id);
    let leaf = claim
        .ok_or_else(|| Finding::Wrong("paid to somebody who has earned nothing".into()))?
        .leaf;
    same("the account paid", &leaf.payout, &payment.payout)?;
    same("the total paid", &leaf.cumulative, &payment.cumulative)
}

/// All payments, and whether the contract's totals are theirs. What was told and what is held are asked for one after the other, and a node may be
/// behind another: where they differ they are asked for again, in the end from the first block on.
async fn payments(client: &SettlementClient) -> Result<(Vec<Payment>, Result<(), Finding>), ClientError> {
    let mut looks = 1;
    loop {
        let payments = client.payments().await?;
        match totals(client, &payments).await {
            Err(Finding::Differs { .. }) if looks < LOOKS => {
                looks += 1;
                tokio::time::sleep(PAUSE).await;
                if looks == LOOKS {
                    client.forget_events().await;
                }
            }
            totals => return Ok((payments, totals)),
        }
    }
}

async fn totals(client: &SettlementClient, payments: &[Payment]) -> Result<(), Finding> {
    let mut totals: BTreeMap<[u8; 32], u128> = BTreeMap::new();
    let overflow = || Finding::Wrong("the payments overflow".into());
    for payment in payments {
        let total = totals.entry(payment.participant).or_default();
        *total = total.checked_add(payment.amount).ok_or_else(overflow)?;
        same("a running total", total, &payment.cumulative)?;
    }
    let sum = totals
        .values()
        .copied()
        .try_fold(0, u128::checked_add)
        .ok_or_else(overflow)?;
    same("the sum of all payments", &sum, &client.total_paid().await?)?;
    for (participant, total) in &totals {
        same("the total of a participant", total, &client.paid_to(participant).await?)?;
    }
    Ok(())
}
