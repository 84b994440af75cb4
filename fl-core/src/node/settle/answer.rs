//! Rows for those who demand them, while a run goes on: without an answer in time even an honest round is void, and its signers pay.

use std::{path::PathBuf, time::Duration};

use xfl_settlement::chain::client::{ClientError, Outcome, SettlementClient};

use crate::challenge::{AnswerError, answers};

/// How often the home chain is asked whether a round is held back; a demand can be answered for far longer.
const LOOK: Duration = Duration::from_secs(10);

/// Why a row wasn't shown this time.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(transparent)]
    Chain(#[from] ClientError),
    #[error(transparent)]
    Rows(#[from] AnswerError),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
}

/// Shows every row that is demanded of a round in this transcript, until the task is dropped. `client` is the home chain's, with a key that has
/// coins for gas; the bonds are owed to that key.
pub async fn answer_demands(client: SettlementClient, transcript: PathBuf) {
    loop {
        tokio::time::sleep(LOOK).await;
        match answer(&client, &transcript).await {
            Ok(0) => {}
            Ok(shown) => tracing::info!(shown, "rows were demanded, and shown"),
            Err(error) => tracing::warn!(%error, "rows that are demanded couldn't be shown; it is tried again"),
        }
    }
}

/// Shows what is open now; how many rows.
async fn answer(client: &SettlementClient, transcript: &PathBuf) -> Result<usize, Unanswered> {
    if client.held_back().await?.is_none() {
        return Ok(0);
    }
    let demanded = client.demanded().await?;
    let mut shown = 0;
    for posted in client.posted().await? {
        if client.header_digest(posted.header.round).await? != Some(posted.digest) {
            continue;
        }
        let mut chunks = Vec::new();
        for demand in demanded.iter().filter(|demand| demand.digest == posted.digest) {
            let open = client.demand_of(&posted.digest, demand.chunk).await?;
            chunks.extend(open.filter(|open| open.demander != [0; 20]).map(|_| demand.chunk));
        }
        if chunks.is_empty() {
            continue;
        }
        let bytes = tokio::fs::read(transcript).await;
        let bytes = bytes.map_err(|source| {
            let path = transcript.clone();
            Unanswered::File { path, source }
        })?;
        for row in answers(&bytes, &posted.header, &chunks)? {
            let outcome = client.answer_row(&posted.header, &row).await?;
            shown += usize::from(matches!(outcome, Outcome::Done(_)));
        }
    }
    Ok(shown)
}
