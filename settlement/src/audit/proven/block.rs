//! One block, opened: each check of what it holds.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes};
use alloy::sol_types::SolEvent;

use super::super::{Expected, ExpectedRound, Finding, same};
use super::{places, totals};
use crate::chain::contracts;
use crate::chain::contracts::bindings::{RoundManager, RoundMirror};
use crate::chain::deploy::Deployment;
use crate::keccak256;
use crate::merkle::Digest;
use crate::payout;
use crate::proof::account::{Account, AccountError};
use crate::proof::ancestry::{Ancestry, AncestryError};
use crate::proof::collected::{Contract, Posting};
use crate::proof::header::Header;
use crate::proof::receipt::Receipt;
use crate::proof::slots;
use crate::proof::{Checkpoint, Collected};

/// How a round is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    /// It stands.
    Stands,
    /// A mirror never had it, and need not.
    PassedOver,
}

/// Rounds, and whether each is there as the transcript says.
pub(super) type Standing = Vec<(u64, Result<There, Finding>)>;

/// A contract's account, and the nodes of its slots.
struct Opened<'a> {
    account: Account,
    slots: BTreeMap<&'a Digest, &'a [Bytes]>,
}

/// A block, its contracts' accounts, and what is expected of them.
pub(super) struct Block<'a> {
    collected: &'a Collected,
    deployment: &'a Deployment,
    expected: &'a Expected<'a>,
    checkpoints: &'a [Checkpoint],
    headers: Ancestry,
    pub(super) state: Header,
    rounds: Opened<'a>,
    distributor: Opened<'a>,
}

impl<'a> Block<'a> {
    /// Reads headers and accounts. With checkpoints the block is the highest of them: who collected the proofs has no choice whose state is read.
    pub(super) fn open(
        collected: &'a Collected,
        deployment: &'a Deployment,
        expected: &'a Expected<'a>,
        checkpoints: &'a [Checkpoint],
    ) -> Result<Self, Finding> {
        same("the chain of the proofs", &deployment.chain_id, &collected.chain_id)?;
        let mut headers = Ancestry::default();
        for bytes in &collected.headers {
            headers.add(bytes).map_err(|error| Finding::Wrong(error.to_string()))?;
        }
        let state = headers.get(&collected.block).copied();
        let state = state.ok_or_else(|| Finding::Wrong("the header of the proofs' own block is missing".into()))?;
        vouched_for(checkpoints, &headers, &state)?;
        let opened = |address: &payout::Account, contract: &'a Contract| -> Result<Opened<'a>, Finding> {
            let account = Account::proven(&state.state_root, address, &contract.nodes);
            let account = account.map_err(|error| at(&state, &error))?.ok_or_else(|| {
                let (chain, number) = (deployment.chain_id, state.number);
                let what = format!(
                    "chain {chain}, block {number}: there is nothing at {}",
                    Address::from(*address)
                );
                match checkpoints.is_empty() {
                    true => Finding::Wrong(what),
                    false => Finding::Unanchored(format!("{what} yet: give a later checkpoint")),
                }
            })?;
            let slots = contract.slots.iter().map(|slot| (&slot.slot, slot.nodes.as_slice()));
            Ok(Opened {
                account,
                slots: slots.collect(),
            })
        };
        Ok(Self {
            rounds: opened(&deployment.rounds, &collected.rounds)?,
            distributor: opened(&deployment.distributor, &collected.distributor)?,
            collected,
            deployment,
            expected,
            checkpoints,
            headers,
            state,
        })
    }

    /// The block is a checkpoint, as was found when it was opened; without one it is the node's word.
    pub(super) fn anchored(&self) -> Result<(), Finding> {
        match self.checkpoints.is_empty() {
            true => self.vouched(&self.state.hash),
            false => Ok(()),
        }
    }

    /// Some checkpoint vouches for a block.
    fn vouched(&self, block: &Digest) -> Result<(), Finding> {
        let number = self.headers.get(block).map_or(0, |header| header.number);
        let (chain_id, hash) = (self.deployment.chain_id, B256::from(*block));
        let mut why = None;
        let mut checkpoints = self.checkpoints.to_vec();
        // The nearest after it first: what is told, if none does, is about that.
        checkpoints.sort_by_key(|checkpoint| (checkpoint.number < number, checkpoint.number.abs_diff(number)));
        for checkpoint in checkpoints {
            match self.headers.descends(&checkpoint.hash, block) {
                Ok(()) => return Ok(()),
                Err(error) => why = why.or(Some((checkpoint, error))),
            }
        }
        match why {
            None => Err(Finding::Unanchored(format!(
                "only the node says that block {number} is the chain's: compare its hash with what others see, or give --checkpoint \
                 {chain_id}:{number}:{hash} with a hash from somebody you trust"
            ))),
            Some((checkpoint, error @ AncestryError::After { .. })) => Err(Finding::Unanchored(format!(
                "{error}: what came later than checkpoint {}:{} is the node's word; give a later checkpoint",
                checkpoint.chain_id, checkpoint.number
            ))),
            Some((_, error @ AncestryError::TooFar { .. })) => Err(Finding::Unanchored(format!(
                "{error}: give another --checkpoint nearer to block {number}, at or after it"
            ))),
            Some((checkpoint, error)) => Err(Finding::Wrong(format!(
                "chain {chain_id}: the headers don't lead from the checkpoint's block {} back to block {number}: {error}",
                checkpoint.number
            ))),
        }
    }

    pub(super) fn code(&self) -> Result<(), Finding> {
        let home = self.deployment.is_home();
        let rounds = if home {
            contracts::Contract::Rounds
        } else {
            contracts::Contract::Mirror
        };
        let both = [
            (rounds, &self.collected.rounds, &self.rounds.account),
            (
                contracts::Contract::Distributor,
                &self.collected.distributor,
                &self.distributor.account,
            ),
        ];
        for (contract, proof, account) in both {
            let (got, proven) = (keccak256(&proof.code), account.code_hash);
            if got != proven || !contract.matches(&proof.code) {
                let (got, proven) = (B256::from(got), B256::from(proven));
                let name = contract.name();
                return Err(Finding::Wrong(format!(
                    "{}: the account's code hash is {proven}, and the code of {name} that was given has {got}",
                    self.place()
                )));
            }
        }
        Ok(())
    }

    /// The number of the last round, and how each of them stands.
    pub(super) fn rounds(&self) -> Result<(u64, Standing), Finding> {
        let places = places(self.deployment);
        let word = |slot| self.slot(&self.rounds, &slot);
        let latest = places.latest_in(&word(places.latest())?);
        let count = self.expected.rounds.len() as u64;
        if latest > count {
            return Err(self.differs("the last round", &count.to_string(), &latest.to_string()));
        }
        let mut results = Vec::new();
        for (number, round) in (1..).zip(self.expected.rounds) {
            // A mirror may pass rounds over, and needs none.
            if number <= latest || self.deployment.is_home() {
                let digest = word(places.digest(number));
                results.push((
                    number,
                    digest.and_then(|digest| self.stands(number, round, latest, &digest)),
                ));
            }
        }
        Ok((latest, results))
    }

    /// A round's digest is the transcript's. At home one above the last round is that of a voided round.
    fn stands(&self, number: u64, round: &ExpectedRound<'_>, latest: u64, digest: &Digest) -> Result<There, Finding> {
        let none = *digest == [0; 32];
        if number > latest && !none {
            let place = self.place();
            return Err(Finding::Wrong(format!(
                "{place}: round {number} was posted and does not stand, for it was voided; the last round is {latest}"
            )));
        }
        if number > latest {
            return Err(self.later(number, latest));
        }
        if none && !self.deployment.is_home() {
            return Ok(There::PassedOver);
        }
        let expected = round.header.digest(&self.deployment.header_domain());
        if *digest == expected {
            return Ok(There::Stands);
        }
        let (expected, got) = (B256::from(expected).to_string(), B256::from(*digest).to_string());
        Err(self.differs(&format!("the digest of round {number}"), &expected, &got))
    }

    fn later(&self, number: u64, latest: u64) -> Finding {
        match self.checkpoints.is_empty() {
            true => self.differs("the last round", &number.to_string(), &latest.to_string()),
            false => Finding::Unanchored(format!(
                "block {} holds rounds up to {latest}, round {number} came later: give a later checkpoint",
                self.state.number
            )),
        }
    }

    /// The event of a posting is in a block that is vouched for.
    pub(super) fn posting(&self, posting: &Posting) -> Result<(), Finding> {
        let index = posting
            .round
            .checked_sub(1)
            .and_then(|index| usize::try_from(index).ok());
        let round = index.and_then(|index| self.expected.rounds.get(index));
        let round = round.ok_or_else(|| Finding::Wrong(format!("there is no round {}", posting.round)))?;
        let header = self.headers.get(&posting.block);
        let header = header.ok_or_else(|| Finding::Wrong("the header of the posting's block is missing".into()))?;
        let wrong = |what: String| {
            let chain = self.deployment.chain_id;
            Finding::Wrong(format!("chain {chain}, block {}: {what}", header.number))
        };
        let receipt = Receipt::proven(&header.receipts_root, posting.index, &posting.nodes);
        let receipt = receipt.map_err(|error| wrong(error.to_string()))?;
        let signature = match self.deployment.is_home() {
            true => RoundManager::RoundPosted::SIGNATURE_HASH,
            false => RoundMirror::RoundMirrored::SIGNATURE_HASH,
        };
        let digest = round.header.digest(&self.deployment.header_domain());
        let mut number = [0; 32];
        number[24..].copy_from_slice(&posting.round.to_be_bytes());
        let topics = [signature.0, number, digest];
        if receipt.event(&self.deployment.rounds, &topics).is_none() {
            let what = format!("transaction {} tells of no posting of this header", posting.index);
            return Err(wrong(what));
        }
        match self.checkpoints.is_empty() {
            // Said once, of the block whose state is proven.
            true => Ok(()),
            false => self.vouched(&posting.block),
        }
    }

    pub(super) fn paid(&self, latest: u64) -> Result<(), Finding> {
        let word = |slot| self.slot(&self.distributor, &slot);
        let mut sum: u128 = 0;
        for (participant, totals) in totals(self.expected, self.deployment, latest) {
            let who = B256::from(participant);
            let paid = slots::paid_in(&word(slots::paid(&participant))?);
            let paid = paid.filter(|paid| *paid == 0 || totals.contains(paid)).ok_or_else(|| {
                let got = paid.map_or_else(|| "more than there is".into(), |paid| paid.to_string());
                let totals: Vec<_> = totals.iter().map(u128::to_string).collect();
                let expected = format!("0 or a total that it has earned ({})", totals.join(", "));
                self.differs(&format!("what {who} was paid"), &expected, &got)
            })?;
            sum = sum
                .checked_add(paid)
                .ok_or_else(|| Finding::Wrong("the payments overflow".into()))?;
        }
        let total = slots::total_paid_in(&word(slots::total_paid())?);
        match sum == total {
            true => Ok(()),
            false => Err(self.differs("the sum of all payments", &sum.to_string(), &total.to_string())),
        }
    }

    fn slot(&self, contract: &Opened<'_>, slot: &Digest) -> Result<Digest, Finding> {
        let nodes = contract.slots.get(slot);
        let nodes = nodes.ok_or_else(|| Finding::Wrong(format!("the proofs lack slot {}", B256::from(*slot))))?;
        let word = contract.account.slot(slot, nodes);
        word.map_err(|error| at(&self.state, &error))
    }

    fn place(&self) -> String {
        format!("chain {}, block {}", self.deployment.chain_id, self.state.number)
    }

    fn differs(&self, what: &str, expected: &str, got: &str) -> Finding {
        Finding::Wrong(format!("{}: {what} is {got}, expected {expected}", self.place()))
    }
}

/// That a block is the highest checkpoint, where there are any, and that the others are blocks of the proofs.
fn vouched_for(checkpoints: &[Checkpoint], headers: &Ancestry, state: &Header) -> Result<(), Finding> {
    for checkpoint in checkpoints {
        let header = headers.get(&checkpoint.hash);
        let header = header.ok_or_else(|| Finding::Wrong(format!("the proofs have no block {checkpoint}")))?;
        same(
            "the number of the checkpoint's block",
            &checkpoint.number,
            &header.number,
        )?;
    }
    let Some(highest) = checkpoints.iter().map(|checkpoint| checkpoint.number).max() else {
        return Ok(());
    };
    // Two hashes for one number are no chain: the block would be one of them, and not the other.
    let other = checkpoints
        .iter()
        .find(|checkpoint| checkpoint.number == highest && checkpoint.hash != state.hash);
    match other {
        None => Ok(()),
        Some(checkpoint) => Err(Finding::Wrong(format!(
            "the proofs are of block {} ({}), and not of checkpoint {checkpoint}: collect them with that checkpoint (--save-proofs)",
            state.number,
            B256::from(state.hash)
        ))),
    }
}

fn at(state: &Header, error: &AccountError) -> Finding {
    Finding::Wrong(format!("block {}: {error}", state.number))
}
