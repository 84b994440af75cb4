//! Rows for those who ask: an honest round's own, from its transcript.
//!
//! Whoever signed a header is slashed if a row of it is demanded and nobody shows it, so somebody who holds the transcript must. Any rule
//! will do: the aggregate is the one that replaying makes.

use xfl_settlement::{
    refute::{Evidence, RefuteError},
    statement::RoundHeader,
};

use crate::{
    identity::NodeId,
    round::{RoundError, Rounds},
    transcript::{Entry, Reader, TranscriptError},
};

/// Why no row can be shown.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AnswerError {
    /// The transcript breaks before the round.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// The transcript doesn't follow, up to the round.
    #[error(transparent)]
    Round(#[from] RoundError),
    /// The round isn't in it, or its updates aren't.
    #[error("the transcript holds no rows of round {round}, attempt {attempt}")]
    Absent {
        /// The round.
        round: u64,
        /// The attempt.
        attempt: u32,
    },
    /// The rows aren't those that the header is over.
    #[error(transparent)]
    Refute(#[from] RefuteError),
}

/// The rows at these chunks of the round that a header is over, with the aggregate beside them.
///
/// # Errors
/// [`AnswerError`].
pub fn answers(transcript: &[u8], header: &RoundHeader, chunks: &[u64]) -> Result<Vec<Evidence>, AnswerError> {
    let at = (header.round, header.attempt);
    let absent = AnswerError::Absent {
        round: at.0,
        attempt: at.1,
    };
    let mut reader = Reader::new(transcript);
    let Some(Entry::Genesis(genesis)) = reader.next()? else {
        return Err(absent);
    };
    let mut rounds = Rounds::begin(*genesis)?;
    while let Some(entry) = reader.next()? {
        let aggregated = matches!(entry, Entry::Aggregated(_));
        rounds.apply(&entry, None)?;
        if aggregated && rounds.position() == at {
            return shown(&rounds, header, chunks).unwrap_or(Err(absent));
        }
    }
    Err(absent)
}

fn shown(rounds: &Rounds, header: &RoundHeader, chunks: &[u64]) -> Option<Result<Vec<Evidence>, AnswerError>> {
    let outcome = rounds.outcome()?;
    let uploads = &rounds.work().uploads;
    let update = |member: &NodeId| uploads.get(member).map(crate::round::upload::Assembly::values);
    let updates: Vec<&[i32]> = outcome.aggregated.members.iter().map(update).collect::<Option<_>>()?;
    let row = |chunk: &u64| {
        let chunk = usize::try_from(*chunk).unwrap_or(usize::MAX);
        Evidence::new(header, &updates, &outcome.values, chunk).map_err(AnswerError::from)
    };
    Some(chunks.iter().map(row).collect())
}
