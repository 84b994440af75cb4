//! Before signing: the round is replayed, and one's own update found in it.

use super::{Institution, InstitutionError, Note, Output, refuse, wont_sign};
use crate::{
    identity::NodeId,
    message::{Commit, Envelope, Order, Report},
    round::{Phase, Rounds, aggregate::model_root, past::SMALLEST_SCALE},
    transcript::{Entry, Reader, after_first},
};
use xfl_settlement::{payout, receipt::SignedReceipt, statement::RoundHeader};

/// Whether a round may begin like this: one of the plan's, a cohort of members that a sum hides in, and a clip norm that can be.
pub(super) fn begun(rounds: &Rounds, at: (u64, u32), cohort: &[NodeId], scale: f64) -> Result<(), InstitutionError> {
    let terms = rounds.plan().terms();
    if at.0 == 0 || at.0 > terms.rounds.count {
        return refuse(format!("asked to train for round {} of {}", at.0, terms.rounds.count));
    }
    let members = cohort.iter().all(|id| rounds.member(id).is_some());
    if !members || !cohort.is_sorted_by(|a, b| a < b) || cohort.len() < terms.rounds.quorum {
        return refuse(format!(
            "a cohort of {}, out of order, doubled, with somebody who is no member, or smaller than the quorum",
            cohort.len()
        ));
    }
    let known = (rounds.finished().saturating_add(1) == at.0).then(|| rounds.scale());
    let possible = match rounds.plan().adaptive() {
        None => scale == 1.0,
        Some(_) => known.map_or((SMALLEST_SCALE..=1.0 / SMALLEST_SCALE).contains(&scale), |known| {
            scale == known
        }),
    };
    if possible {
        return Ok(());
    }
    refuse(format!("told of a clip norm that is {scale} times the plan's"))
}

/// Commitments of distinct members of this attempt, a quorum of them.
pub(super) fn commitments(rounds: &Rounds, at: (u64, u32), list: &[Envelope]) -> Result<Vec<Commit>, InstitutionError> {
    if !list.is_sorted_by(|a, b| a.sender < b.sender) || list.len() < rounds.plan().terms().rounds.quorum {
        return refuse(format!(
            "{} commitments, out of order, doubled, or fewer than the quorum",
            list.len()
        ));
    }
    list.iter()
        .map(|envelope| match envelope.open::<Report>(rounds.beginning())? {
            Report::Commit(commit)
                if (envelope.round, envelope.attempt) == at && rounds.member(&envelope.sender).is_some() =>
            {
                Ok(commit)
            }
            _ => refuse(format!("{} didn't commit to this attempt", envelope.sender)),
        })
        .collect()
}

impl Institution {
    pub(super) fn statement(
        &mut self,
        at: (u64, u32),
        header: &RoundHeader,
        from: u64,
        frames: &[u8],
    ) -> Result<(), InstitutionError> {
        let known = self.rounds_ref()?;
        if at.0 <= known.finished() || at < known.position() {
            // Delayed on its way: the round is known to be posted, or the attempt to be over.
            return Ok(());
        }
        self.verify(from, frames)?;
        let rounds = self.rounds_ref()?;
        let settled = match rounds.settled() {
            Some(settled) if rounds.phase() == Phase::Endorse && rounds.position() == at => settled.clone(),
            _ => return wont_sign("a header without the round that leads to it".into()),
        };
        if settled.header != *header {
            return wont_sign("the header isn't the one that follows from the transcript".into());
        }
        self.own_update_counts(at)?;
        match self.memory.signed(at.0) {
            Some(digest) if digest != settled.digest => {
                // A round whose header was signed can be abandoned and run again only if nothing was posted; two
                // signatures for one round are what an equivocation is, so the first stands.
                return wont_sign(format!("a second header for round {}", at.0));
            }
            Some(_) => {}
            None => self.remember(Note::Signed {
                round: at.0,
                digest: settled.digest,
            })?,
        }
        let signature = self
            .identity
            .payout
            .sign(&settled.digest)
            .map_err(|e| InstitutionError::Refused(format!("the payout key can't sign: {e}")))?;
        let id = self.id();
        let members = self
            .rounds_ref()?
            .outcome()
            .map(|o| o.aggregated.members.clone())
            .unwrap_or_default();
        let score = members
            .iter()
            .position(|m| *m == id)
            .and_then(|i| settled.scored.scores.get(i).copied());
        self.report(at, &Report::Endorse(signature));
        self.outputs.push_back(Output::Signed { round: at.0, score });
        Ok(())
    }

    pub(super) fn done(&mut self, from: u64, frames: &[u8]) -> Result<(), InstitutionError> {
        self.verify(from, frames)?;
        if !self.rounds_ref()?.all_done() {
            return wont_sign("told that all is done before it is".into());
        }
        self.outputs.push_back(Output::Finished);
        Ok(())
    }

    /// Keeps the coordinator's word that the committed update arrived, which a contract takes: whoever leaves it out lies, and pays for it.
    pub(super) fn receipt(
        &mut self,
        at: (u64, u32),
        root: [u8; 32],
        signature: payout::Signature,
        envelope: &Envelope,
    ) -> Result<(), InstitutionError> {
        let rounds = self.rounds_ref()?;
        let own = if rounds.plan().masked() {
            self.masked.root(at)
        } else {
            self.memory.release((at.0, 0)).map(|r| r.root(at))
        };
        if own != Some(root) || self.memory.receipted(at) {
            // Delayed on its way, or said before.
            return Ok(());
        }
        let (receipt, domain) = rounds.receipt(at, &self.id(), root);
        let signed = SignedReceipt { receipt, signature };
        if let Err(error) = signed.check(&domain, &rounds.genesis().contracts.coordinator) {
            return refuse(format!("a receipt that no contract would take: {error}"));
        }
        self.remember(Note::Receipt(envelope.clone()))
    }

    /// The receipt in a coordinator's message that this institution keeps; none in any other message.
    pub fn receipt_in(&self, envelope: &Envelope) -> Option<SignedReceipt> {
        let rounds = self.rounds()?;
        let at = (envelope.round, envelope.attempt);
        match envelope.open(rounds.beginning()).ok()? {
            Order::Receipt { root, signature } => {
                let (receipt, _) = rounds.receipt(at, &self.id(), root);
                Some(SignedReceipt { receipt, signature })
            }
            _ => None,
        }
    }

    /// Replays frames that follow what is known; the chain of hashes ties them to it.
    fn verify(&mut self, from: u64, frames: &[u8]) -> Result<(), InstitutionError> {
        let trained_on = self.memory.trained_on;
        let rounds = self.rounds_mut()?;
        let start = rounds.head();
        if from > start.height {
            return wont_sign(format!(
                "the transcript goes on at entry {from}, and {} are known",
                start.height
            ));
        }
        let mut rest = frames;
        for index in from..start.height {
            if rest.is_empty() {
                // A message that others overtook on the way: everything in it is known.
                break;
            }
            rest = after_first(rest).ok_or(crate::transcript::TranscriptError::Torn(index))?;
        }
        let mut reader = Reader::after(start, rest);
        while let Some(read) = reader.next_chained()? {
            if let (Entry::Begun { round, .. }, Some((trained, model))) = (read.entry(), trained_on)
                && *round == trained
                && model_root(rounds.model()) != model
            {
                return wont_sign(format!(
                    "round {round} began with another model than the one it was trained on"
                ));
            }
            rounds.apply_chained(&read, None)?;
        }
        if !rest.is_empty() {
            self.outputs.push_back(Output::Remember(Note::Verified(rest.to_vec())));
        }
        Ok(())
    }

    /// What this institution committed to and sent is in the round as sent, and in its sum if there is a receipt for it.
    fn own_update_counts(&self, at: (u64, u32)) -> Result<(), InstitutionError> {
        let rounds = self.rounds_ref()?;
        let id = self.id();
        let masked = rounds.plan().masked();
        let placed = rounds
            .outcome()
            .is_some_and(|o| o.aggregated.members.contains(&id) || o.aggregated.refused.contains(&id));
        if self.memory.receipted(at) && !placed {
            return wont_sign("the round leaves out an update that the coordinator signed a receipt for".into());
        }
        let Some(committed) = rounds.work().commits.get(&id) else {
            return Ok(());
        };
        let own = if masked {
            self.masked.root(at)
        } else {
            self.memory.release((at.0, 0)).map(|r| r.root(at))
        };
        if own.is_some_and(|root| root != committed.commit.root) {
            return wont_sign("the round holds another commitment of this node than the one it made".into());
        }
        Ok(())
    }
}
