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
    let wanted = [(*header, chunks.to_vec())];
    let found = answers_of(transcript, &wanted).pop();
    found.unwrap_or(Err(absent(header)))
}

/// The rows of several rounds, by one replay: an answer for each header, in their order. A round whose rows can't be made keeps no other one
/// from its answer; where the transcript breaks, the rounds before it have theirs.
pub fn answers_of(transcript: &[u8], wanted: &[(RoundHeader, Vec<u64>)]) -> Vec<Result<Vec<Evidence>, AnswerError>> {
    let mut found: Vec<Option<Result<Vec<Evidence>, AnswerError>>> = vec![None; wanted.len()];
    let ended = gather(transcript, wanted, &mut found).err();
    let found = found.into_iter().zip(wanted);
    found
        .map(|(found, (header, _))| found.unwrap_or_else(|| Err(ended.clone().unwrap_or_else(|| absent(header)))))
        .collect()
}

fn gather(
    transcript: &[u8],
    wanted: &[(RoundHeader, Vec<u64>)],
    found: &mut [Option<Result<Vec<Evidence>, AnswerError>>],
) -> Result<(), AnswerError> {
    let mut reader = Reader::new(transcript);
    let Some(Entry::Genesis(genesis)) = reader.next()? else {
        return Ok(());
    };
    let mut rounds = Rounds::begin(*genesis)?;
    while found.iter().any(Option::is_none) {
        let Some(read) = reader.next_chained()? else {
            return Ok(());
        };
        let aggregated = matches!(read.entry(), Entry::Aggregated(_));
        rounds.apply_chained(&read, None)?;
        if !aggregated {
            continue;
        }
        for (found, (header, chunks)) in found.iter_mut().zip(wanted) {
            if (header.round, header.attempt) == rounds.position() {
                *found = Some(shown(&rounds, header, chunks).unwrap_or(Err(absent(header))));
            }
        }
    }
    Ok(())
}

fn absent(header: &RoundHeader) -> AnswerError {
    AnswerError::Absent {
        round: header.round,
        attempt: header.attempt,
    }
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
