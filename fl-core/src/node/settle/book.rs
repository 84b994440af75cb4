//! What a transcript says that chains must hold: who joined, and which rounds were signed.

use xfl_settlement::{
    payout::{Account, Signature},
    statement::RoundHeader,
};

use crate::{
    identity::NodeId,
    round::{Joined, Phase, RoundError, Rounds},
    transcript::{Entry, Reader, TranscriptError},
};

/// A round that a quorum signed.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed {
    /// Its header.
    pub header: RoundHeader,
    /// The members' signatures.
    pub signatures: Vec<Signature>,
}

/// Members and signed rounds, as far as the transcript goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    /// Who joined, in the order in which they are admitted.
    pub joined: Vec<(NodeId, Joined)>,
    /// Finished rounds, from 1.
    pub rounds: Vec<Signed>,
    /// The round that is signed, and not known to be on the home chain.
    pub pending: Option<Signed>,
}

impl Book {
    /// Takes down what an entry brings; `rounds` is the state before it is applied.
    pub fn note(&mut self, rounds: &Rounds, entry: &Entry) {
        if let (Entry::Posted { .. }, Some(signed)) = (entry, signed(rounds)) {
            self.rounds.push(signed);
            self.pending = None;
        }
    }

    /// Takes down what a state brings that no entry tells: who joined, and a round that waits to be posted.
    pub fn look(&mut self, rounds: &Rounds) {
        for (node, joined) in rounds.joined() {
            if !self.joined.iter().any(|(known, _)| known == node) {
                self.joined.push((*node, joined.clone()));
            }
        }
        self.pending = signed(rounds);
    }

    /// The book of a whole transcript, and the state at its end.
    ///
    /// # Errors
    /// A transcript that breaks or doesn't follow.
    pub fn read(transcript: &[u8]) -> Result<(Self, Rounds), BookError> {
        let mut reader = Reader::new(transcript);
        let mut rounds = match reader.next()? {
            Some(Entry::Genesis(genesis)) => Rounds::begin(*genesis)?,
            _ => return Err(BookError::NoBeginning),
        };
        let mut book = Self::default();
        while let Some(read) = reader.next_chained()? {
            book.note(&rounds, read.entry());
            rounds.apply_chained(&read, None)?;
        }
        book.look(&rounds);
        Ok((book, rounds))
    }

    /// Accounts of those who joined.
    pub fn accounts(&self) -> Vec<Account> {
        self.joined.iter().map(|(_, joined)| joined.binding.payout).collect()
    }

    /// A round by its number, the pending one included.
    pub fn round(&self, number: u64) -> Option<&Signed> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.rounds
            .get(index)
            .or(self.pending.as_ref().filter(|pending| pending.header.round == number))
    }

    /// Finished rounds.
    pub fn finished(&self) -> u64 {
        self.rounds.len() as u64
    }

    /// Signed rounds: the finished ones, and the pending one.
    pub fn signed(&self) -> u64 {
        self.finished() + u64::from(self.pending.is_some())
    }
}

/// Why a transcript has no book.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BookError {
    /// It breaks.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// It doesn't follow.
    #[error(transparent)]
    Round(#[from] RoundError),
    /// It begins with something else than a plan.
    #[error("the transcript doesn't begin with a plan")]
    NoBeginning,
}

/// The round of a state that waits for its posting.
fn signed(rounds: &Rounds) -> Option<Signed> {
    let settled = rounds.settled().filter(|_| rounds.phase() == Phase::Post)?;
    Some(Signed {
        header: settled.header,
        signatures: rounds.endorsements().values().copied().collect(),
    })
}
