//! Rows for those who demand them, while a run goes on: without an answer in time even an honest round is void, and its signers pay.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use xfl_settlement::{
    chain::client::{ClientError, Outcome, SettlementClient},
    statement::RoundHeader,
};

use crate::challenge::{AnswerError, answers_of};

/// How often the home chain is asked whether a round is held back; a demand can be answered for far longer.
const LOOK: Duration = Duration::from_secs(10);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(80);

/// Why a row wasn't shown this time.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(transparent)]
    Chain(#[from] ClientError),
    #[error(transparent)]
    Rows(#[from] AnswerError),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("replaying was cut off: {0}")]
    Cut(String),
}

/// Shows every row that is demanded of a round in this transcript, until the task is dropped. `client` is the home chain's, with a key that has
/// coins for gas; the bonds are owed to that key. Rows that can't be made or shown are said, tried again with longer and longer pauses, and keep
/// no other round's from being shown.
pub async fn answer_demands(client: SettlementClient, transcript: PathBuf) {
    let (mut pause, mut doubt) = (LOOK, Doubt::default());
    loop {
        tokio::time::sleep(pause).await;
        let (shown, failed) = answer(&client, &transcript, &mut doubt).await;
        if shown > 0 {
            tracing::info!(shown, "rows were demanded, and shown");
        }
        pause = match &failed {
            None => LOOK,
            Some(_) => (pause * 2).min(LONGEST_PAUSE),
        };
        if let Some(error) = failed {
            tracing::warn!(%error, "rows that are demanded couldn't be shown; it is tried again");
        }
    }
}

/// Shows what is open now; how many rows, and the first thing that kept others from being shown.
async fn answer(client: &SettlementClient, transcript: &Path, doubt: &mut Doubt) -> (usize, Option<Unanswered>) {
    let wanted = match open(client, doubt).await {
        Ok(wanted) if wanted.is_empty() => return (0, None),
        Ok(wanted) => wanted,
        Err(error) => return (0, Some(error.into())),
    };
    let path = transcript.to_owned();
    // Reading and replaying may take seconds.
    let made = tokio::task::spawn_blocking(move || {
        let bytes = std::fs::read(&path).map_err(|source| Unanswered::File { path, source })?;
        let answers = answers_of(&bytes, &wanted);
        Ok::<_, Unanswered>(wanted.into_iter().zip(answers).collect::<Vec<_>>())
    });
    let made = match made.await {
        Ok(Ok(made)) => made,
        Ok(Err(error)) => return (0, Some(error)),
        Err(error) => return (0, Some(Unanswered::Cut(error.to_string()))),
    };
    let (mut shown, mut failed) = (0, None);
    for ((header, _), rows) in made {
        let rows = rows.unwrap_or_else(|error| {
            failed.get_or_insert(error.into());
            Vec::new()
        });
        for row in rows {
            match client.answer_row(&header, &row).await {
                Ok(outcome) => shown += usize::from(matches!(outcome, Outcome::Done(_))),
                Err(error) => drop(failed.get_or_insert(error.into())),
            }
        }
    }
    (shown, failed)
}

/// Looks after which events are read anew once more, while a round is held back and nothing open is found.
const AGAIN: u32 = 30;

/// When the events were read anew because none of them is the demand that holds a round back.
#[derive(Default)]
struct Doubt {
    /// What was held back then.
    held: Option<(u64, u64)>,
    /// Looks since.
    looks: u32,
}

impl Doubt {
    /// Whether to read anew: once for each thing that holds rounds back, and then now and then, since rounds may be held back a while after an answer.
    fn grows(&mut self, held: (u64, u64)) -> bool {
        let known = self.held == Some(held) && self.looks < AGAIN;
        self.looks = if known { self.looks + 1 } else { 0 };
        self.held = Some(held);
        !known
    }
}

/// Rounds that stand, and their rows that are demanded and not shown yet. The contract says that something holds rounds back: where no event tells what,
/// a node may have kept it back, and an honest round would be void over it.
async fn open(client: &SettlementClient, doubt: &mut Doubt) -> Result<Vec<(RoundHeader, Vec<u64>)>, ClientError> {
    let Some(held) = client.held_back().await? else {
        *doubt = Doubt::default();
        return Ok(Vec::new());
    };
    let wanted = told(client).await?;
    if !wanted.is_empty() || !doubt.grows(held) {
        return Ok(wanted);
    }
    tracing::warn!(
        from_round = held.0,
        until = held.1,
        "rounds are held back, and no open demand is among the events that were read; reading all of them anew"
    );
    client.forget_events().await;
    told(client).await
}

/// The same, as far as events tell.
async fn told(client: &SettlementClient) -> Result<Vec<(RoundHeader, Vec<u64>)>, ClientError> {
    let demanded = client.demanded().await?;
    let mut wanted = Vec::new();
    for posted in client.posted().await? {
        let of_this: Vec<_> = demanded
            .iter()
            .filter(|demand| demand.digest == posted.digest)
            .collect();
        if of_this.is_empty() || client.header_digest(posted.header.round).await? != Some(posted.digest) {
            continue;
        }
        let mut chunks = Vec::new();
        for demand in of_this {
            let open = client.demand_of(&posted.digest, demand.chunk).await?;
            chunks.extend(open.filter(|open| open.demander != [0; 20]).map(|_| demand.chunk));
        }
        if !chunks.is_empty() {
            wanted.push((posted.header, chunks));
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_rounds_back_is_doubted_once_and_then_now_and_then() {
        let mut doubt = Doubt::default();
        assert!(doubt.grows((2, 100)));
        let next = (1..=AGAIN + 1).find(|_| doubt.grows((2, 100)));
        assert_eq!(next, Some(AGAIN + 1));
        assert!(doubt.grows((2, 101)) && !doubt.grows((2, 101)));
    }
}
