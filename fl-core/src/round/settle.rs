//! Settle: cumulative rewards, the header that a quorum of members signs, and what the chain says to it.

use xfl_aggregation::Rule;
use xfl_settlement::{
    domain as settlement,
    input::{Input, REFUSED, input_tree},
    keccak256,
    ledger::Ledger,
    payout,
    receipt::Receipt,
    statement::RoundHeader,
};

use super::{Phase, Referee, RoundError, Rounds};
use crate::{
    identity::{Domain, NodeId, NodeKey},
    transcript::{Aggregated, Entry, Scored},
};

/// Domain of the coordinator's signature over a header's digest.
pub const HEADER_DOMAIN: Domain = Domain::new("header");

/// A round's header and the ledger it commits to.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The header.
    pub header: RoundHeader,
    /// Its EIP-712 digest.
    pub digest: [u8; 32],
    /// Cumulative totals with this round's rewards.
    pub ledger: Ledger,
    /// The round's scores.
    pub scored: Scored,
}

impl Rounds {
    /// What follows from the given entries, where the stage derives something; unsigned headers are signed with `key`.
    ///
    /// # Errors
    /// [`RoundError::Impossible`] where the attempt must be abandoned.
    pub fn derive(&self, key: &NodeKey, referee: Option<&mut dyn Referee>) -> Result<Option<Entry>, RoundError> {
        Ok(match self.phase {
            Phase::Aggregate => Some(Entry::Aggregated(self.aggregate()?.aggregated)),
            Phase::Score => match self.score(referee)? {
                Some(scored) => Some(Entry::Scored(scored)),
                None => return Err(RoundError::Impossible("this score needs held-out data".into())),
            },
            Phase::Settle => {
                let settled = self.settle()?;
                let signature = key.sign(HEADER_DOMAIN, &settled.digest);
                Some(Entry::Settled {
                    header: settled.header,
                    signature,
                })
            }
            _ => None,
        })
    }

    pub(super) fn compare(&mut self, entry: &Entry, referee: Option<&mut dyn Referee>) -> Result<(), RoundError> {
        match (self.phase, entry) {
            (Phase::Aggregate, Entry::Aggregated(got)) => {
                let own = self.aggregate()?;
                if own.aggregated != *got {
                    return Err(differs_in("aggregate", &own.aggregated, got));
                }
                self.enter_score(own);
            }
            (Phase::Score, Entry::Scored(got)) => {
                let played = self.check_scores(got, referee)?;
                let settled = self.settled_with(got.clone())?;
                if let Some(outcome) = &mut self.work.outcome {
                    outcome
                        .past
                        .reputations(&outcome.aggregated.members, &played.reputations);
                }
                self.work.settled = Some(settled);
                self.phase = Phase::Settle;
            }
            (Phase::Settle, Entry::Settled { header, signature }) => {
                let own = self.settle()?;
                if own.header != *header {
                    return Err(differs_in("header", &own.header, header));
                }
                let coordinator = self.plan.terms().federation.coordinator;
                if coordinator.verify(HEADER_DOMAIN, &own.digest, signature).is_err() {
                    return Err(self.out_of_place("a header that the coordinator didn't sign"));
                }
                self.work.settled = Some(own);
                // Whoever joined can replay the round and sign, its own update in it or not: a header can't be replaced, so
                // that it mustn't hang on members that died since they uploaded.
                self.work.expected = self.joined.keys().copied().collect();
                self.work.declined.clear();
                self.phase = Phase::Endorse;
            }
            _ => return Err(self.out_of_place("a result")),
        }
        Ok(())
    }

    /// The header with the transcript's head of this moment.
    pub(super) fn settle(&self) -> Result<Settled, RoundError> {
        let scored = self.work.settled.as_ref().map(|s| s.scored.clone());
        self.settled_with(scored.ok_or_else(|| self.out_of_place("a header without scores"))?)
    }

    /// The plan's rule. Where the rows are ciphertexts or a sum it is marked as one that can't be redone over them (128), and as one whose
    /// rows nobody may demand on a chain (64).
    fn rule_code(&self) -> u8 {
        let hidden = self.plan.masked() || self.plan.sealed();
        self.plan.rule_code() | if hidden { 0x80 | 0x40 } else { 0 }
    }

    fn settled_with(&self, scored: Scored) -> Result<Settled, RoundError> {
        let Some(outcome) = self.outcome() else {
            return Err(self.out_of_place("a header without an aggregate"));
        };
        let mut ledger = self.ledger.clone();
        let members = &outcome.aggregated.members;
        let parts: Vec<_> = members
            .iter()
            .zip(&scored.rewards)
            .map(|(m, r)| (m.0, u128::from(*r)))
            .collect();
        ledger.credit(self.round, &parts).map_err(super::score::impossible)?;
        let a = &outcome.aggregated;
        let header = RoundHeader {
            federation: self.plan.federation().0,
            round: self.round,
            plan_hash: self.plan.hash(),
            parent: self.parent,
            model_root: a.model_root,
            row_root: a.row_root,
            aggregate_root: a.aggregate_root,
            transcript_root: self.head.hash,
            reward_root: ledger.tree().root(),
            cumulative_budget: ledger.total(),
            cohort: a.members.len() as u32,
            dimension: self.update_len() as u64,
            rule: self.rule_code(),
            rule_parameter: self.rule_parameter(a),
            input_root: self.input_root(a)?,
            attempt: self.attempt,
        };
        let digest = header.digest(&self.genesis.contracts.rounds_domain(self.plan.federation().0));
        Ok(Settled {
            header,
            digest,
            ledger,
            scored,
        })
    }

    /// What a contract needs besides the rows to redo the rule: how many values the trimmed mean cut from each end, the hash of what
    /// each member weighed.
    fn rule_parameter(&self, aggregated: &Aggregated) -> [u8; 32] {
        let (members, refused) = (&aggregated.members, aggregated.refused.len());
        let pipeline = self.plan.pipeline(members.len(), refused, &self.coin());
        let pipeline = self.plan.weighing(pipeline, members);
        let mut word = [0; 32];
        match (pipeline.rule, pipeline.weights) {
            (Rule::TrimmedMean { f }, _) => word[24..].copy_from_slice(&(f as u64).to_be_bytes()),
            (Rule::WeightedMean { cap }, Some(weights)) => {
                let packed: Vec<u8> = weights.iter().flat_map(|w| (*w).min(cap).to_be_bytes()).collect();
                word = keccak256(&packed);
            }
            _ => {}
        }
        word
    }

    /// Root over every update that came in whole, accepted or refused, in the order of node keys.
    fn input_root(&self, aggregated: &Aggregated) -> Result<[u8; 32], RoundError> {
        let accepted = (0..).zip(&aggregated.members).map(|(position, m)| (position, *m));
        let refused = aggregated.refused.iter().map(|m| (REFUSED, *m));
        let mut inputs = Vec::with_capacity(aggregated.members.len() + aggregated.refused.len());
        for (position, member) in accepted.chain(refused) {
            let Some(committed) = self.work.commits.get(&member) else {
                return Err(self.out_of_place("an update without a commitment"));
            };
            inputs.push(Input {
                node_key: member.0,
                commitment: committed.commit.root,
                position,
            });
        }
        inputs.sort_unstable_by_key(|input| input.node_key);
        Ok(input_tree(&inputs).map_err(super::score::impossible)?.root())
    }

    /// What the coordinator's account signs for an update that came in whole, and the domain it signs under.
    pub fn receipt(&self, at: (u64, u32), member: &NodeId, root: [u8; 32]) -> (Receipt, settlement::Domain) {
        let federation = self.plan.federation().0;
        let (round, attempt) = at;
        let receipt = Receipt {
            federation,
            round,
            attempt,
            node_key: member.0,
            commitment: root,
        };
        (receipt, self.genesis.contracts.rounds_domain(federation))
    }

    pub(super) fn endorse(&mut self, member: NodeId, signature: payout::Signature) -> Result<(), RoundError> {
        let wrong = |what: &str| RoundError::Misbehaved {
            member,
            what: what.into(),
        };
        let (Some(settled), Some(joined)) = (&self.work.settled, self.joined.get(&member)) else {
            return Err(self.out_of_place("a signature without a header"));
        };
        if signature.recover(&settled.digest).ok() != Some(joined.binding.payout) {
            return Err(wrong("the signature isn't its payout key's over this header"));
        }
        if self.work.endorsements.contains_key(&member) {
            return Err(RoundError::Misplaced {
                member,
                what: "signed already".into(),
            });
        }
        self.work.endorsements.insert(member, signature);
        Ok(())
    }

    pub(super) fn posted(&mut self) -> Result<(), RoundError> {
        if self.phase != Phase::Post {
            return Err(self.out_of_place("a posting"));
        }
        let (Some(settled), Some(outcome)) = (self.work.settled.take(), self.work.outcome.take()) else {
            return Err(self.out_of_place("a posting without a header"));
        };
        for (member, score) in outcome.aggregated.members.iter().zip(&settled.scored.scores) {
            let sum = self.scores.entry(*member).or_insert(0);
            *sum = sum.saturating_add(*score);
        }
        self.model = outcome.model;
        self.past = outcome.past;
        self.ledger = settled.ledger;
        self.parent = settled.digest;
        self.finished = self.round;
        self.attempt = 0;
        self.phase = Phase::Idle;
        self.work = super::Work::default();
        Ok(())
    }
}

fn differs_in<T: std::fmt::Debug>(what: &'static str, expected: &T, got: &T) -> RoundError {
    RoundError::Differs {
        what,
        expected: format!("{expected:?}"),
        got: format!("{got:?}"),
    }
}
