//! Rounds as a history tries to post them: updates, their aggregate, a header, and who signs it.

use xfl_settlement::chain::deploy::Deployment;
use xfl_settlement::claim::ClaimProof;
use xfl_settlement::input::{Input, input_tree};
use xfl_settlement::ledger::Ledger;
use xfl_settlement::payout::Signature;
use xfl_settlement::refute::{Evidence, by_rule};
use xfl_settlement::row::{CHUNK, aggregate_tree, row_tree};
use xfl_settlement::statement::RoundHeader;

use super::pair::sender;
use crate::calls::{packed, posting};
use crate::story::{COIN, FEDERATION};

pub(super) const DIMENSION: usize = 11;
pub(super) const CHUNKS: u64 = DIMENSION.div_ceil(CHUNK) as u64;

/// A round that was posted, or was to be.
#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) header: RoundHeader,
    pub(super) updates: Vec<Vec<i32>>,
    pub(super) aggregate: Vec<i32>,
    pub(super) listed: Vec<Input>,
    pub(super) sent: Vec<Input>,
    pub(super) ledger: Ledger,
    pub(super) signatures: Vec<Signature>,
    /// What became of it so far.
    pub(super) posted: bool,
    pub(super) opened: bool,
    pub(super) convicted: bool,
    /// The row that was asked for last.
    pub(super) demanded: Option<u64>,
}

/// Where a round is to be posted.
pub(super) struct Draft<'a> {
    pub(super) made: &'a Deployment,
    pub(super) round: u64,
    pub(super) parent: [u8; 32],
    /// What was earned before it.
    pub(super) ledger: Ledger,
    /// What its updates are drawn from.
    pub(super) seed: u8,
}

impl Draft<'_> {
    /// The round, or something near it.
    pub(super) fn drawn(self, budget: u16, weights: [u8; 4], signers: u8, lie: u8, fault: u8) -> Attempt {
        let Self {
            made,
            round,
            parent,
            mut ledger,
            seed,
        } = self;
        let number = ledger.round() + 1;
        let budget = u128::from(budget) * (COIN / 655);
        let all = weights.iter().copied().map(u128::from).sum::<u128>().max(1);
        let part = |(byte, weight): (u8, &u8)| ([byte; 32], budget * u128::from(*weight) / all);
        let parts: Vec<_> = (1u8..).zip(&weights).map(part).collect();
        ledger.credit(number, &parts).unwrap();

        let value = |i: usize, k: usize| {
            let word = xfl_settlement::keccak256(&[seed, i as u8, k as u8]);
            i32::from_be_bytes(word[..4].try_into().unwrap())
        };
        let updates: Vec<Vec<i32>> = (0..4).map(|i| (0..DIMENSION).map(|k| value(i, k)).collect()).collect();
        let views: Vec<&[i32]> = updates.iter().map(Vec::as_slice).collect();
        let sent: Vec<Input> = (0..4u8)
            .map(|place| Input {
                node_key: [place + 1; 32],
                commitment: [seed ^ place; 32],
                position: u32::from(place),
            })
            .collect();
        let mut listed = sent.clone();
        if lie % 8 == 1 {
            listed.remove(usize::from(lie / 8) % 4);
        }
        let mut header = RoundHeader {
            federation: FEDERATION,
            round,
            plan_hash: [1; 32],
            parent,
            model_root: [seed; 32],
            row_root: row_tree(&views).unwrap().root(),
            aggregate_root: [0; 32],
            transcript_root: [number as u8; 32],
            reward_root: ledger.tree().root(),
            cumulative_budget: ledger.total(),
            cohort: 4,
            dimension: DIMENSION as u64,
            rule: [1, 2, 3, 5][usize::from(seed) % 4],
            rule_parameter: [0; 32],
            input_root: input_tree(&listed).unwrap().root(),
            attempt: u32::from(seed),
        };
        let mut aggregate = by_rule(&header, &views, &[]).unwrap();
        if lie % 8 < 4 && lie % 8 != 1 {
            let place = usize::from(lie / 8) % DIMENSION;
            aggregate[place] = aggregate[place].wrapping_add(1);
        }
        header.aggregate_root = aggregate_tree(&aggregate).unwrap().root();
        match fault {
            0 => header.round += 1,
            1 => header.parent[0] ^= 1,
            2 => header.cumulative_budget += 200 * COIN,
            3 => header.federation[0] ^= 1,
            4 => header.cumulative_budget = 0,
            5 => header.rule |= 0x40,
            _ => {}
        }
        let digest = header.digest(&made.header_domain());
        let chosen = (0..7u8).filter(|bit| signers >> bit & 1 == 1 || fault > 48 && (*bit == 1 || *bit == 2));
        let honest = |bit: &u8| fault < 24 || (1..if fault < 96 { 5 } else { 3 }).contains(bit);
        let mut signed: Vec<_> = chosen
            .filter(honest)
            .map(|bit| (sender(bit).account(), sender(bit).sign(&digest).unwrap()))
            .collect();
        if fault != 6 {
            signed.sort_by_key(|(account, _)| *account);
        }
        Attempt {
            header,
            updates,
            aggregate,
            listed,
            sent,
            ledger,
            signatures: signed.into_iter().map(|(_, signature)| signature).collect(),
            posted: false,
            opened: false,
            convicted: false,
            demanded: None,
        }
    }
}

impl Attempt {
    pub(super) fn evidence(&self, chunk: usize) -> Evidence {
        let views: Vec<&[i32]> = self.updates.iter().map(Vec::as_slice).collect();
        Evidence::new(&self.header, &views, &self.aggregate, chunk).unwrap()
    }

    /// The first coordinate that doesn't follow the rule.
    pub(super) fn wrong(&self) -> Option<u64> {
        let views: Vec<&[i32]> = self.updates.iter().map(Vec::as_slice).collect();
        let right = by_rule(&self.header, &views, &[]).unwrap();
        let place = right.iter().zip(&self.aggregate).position(|(right, got)| right != got);
        place.map(|place| place as u64)
    }

    pub(super) fn claims(&self, chain_id: u64) -> Vec<ClaimProof> {
        let tree = self.ledger.tree();
        let all = (1..=4u8).filter_map(|byte| tree.claim(&[byte; 32], chain_id));
        let number = self.header.round;
        all.map(|claim| ClaimProof { round: number, ..claim }).collect()
    }

    /// Calldata of its posting; with some faults a signature is broken, cut short or told a wrong length.
    pub(super) fn posting(&self, fault: u8) -> Vec<u8> {
        let mut packed = packed(&self.signatures);
        match (fault, packed.len()) {
            (_, 0) => {}
            (7, length) => packed[length - 1] = 29,
            (8, length) => packed.truncate(length - 1),
            (9, _) => packed[1] = 64,
            (10, _) => packed[20] ^= 1,
            (11, length) => packed.truncate(length - 66),
            _ => {}
        }
        posting(&self.header, packed)
    }
}
