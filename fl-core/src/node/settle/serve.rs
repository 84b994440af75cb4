//! A task for each chain: passes over it whenever the book changes, and now and then in between.

use std::time::Duration;

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use xfl_settlement::chain::client::SettlementClient;

use super::{Book, Site, Standing, pass::Posting};

/// How often a chain is looked at though nothing is to be done: a reorganisation may have undone something.
const LOOK: Duration = Duration::from_secs(15);
/// How often a mirror that waits asks its home.
const ASK: Duration = Duration::from_secs(2);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a chain's task has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The pending round is on the home chain.
    Posted {
        /// The round.
        round: u64,
        /// The transaction; zero if it was there already.
        transaction: [u8; 32],
        /// Its block.
        block: u64,
        /// Gas used; 0 if it was there already.
        gas: u64,
    },
    /// Where a chain stands now.
    Standing(Standing),
}

/// Starts a task for each chain; the first site is the home chain's. They end when the book's sender is gone and nothing more can be done at once.
pub fn spawn(sites: Vec<Site>, book: &watch::Receiver<Book>, answers: &mpsc::UnboundedSender<Answer>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let home = sites
        .iter()
        .find(|site| site.is_home())
        .map(|site| site.client().clone());
    for site in sites {
        let home = home.clone().filter(|_| !site.is_home());
        tasks.spawn(serve(site, home, book.clone(), answers.clone()));
    }
    tasks
}

async fn serve(
    mut site: Site,
    home: Option<SettlementClient>,
    mut book: watch::Receiver<Book>,
    answers: mpsc::UnboundedSender<Answer>,
) {
    let mut pause = Duration::from_millis(200);
    let mut last: Option<Standing> = None;
    loop {
        let now = book.borrow_and_update().clone();
        let over = book.has_changed().is_err();
        let rest = match site.pass(&now, home.as_ref()).await {
            Ok((standing, postings)) => {
                pause = Duration::from_millis(200);
                for posting in postings.into_iter().filter(|_| site.is_home()) {
                    if answers.send(posting.into()).is_err() {
                        return;
                    }
                }
                let rest = if standing.waits_for.is_some() { ASK } else { LOOK };
                if last.as_ref() != Some(&standing) {
                    last = Some(standing.clone());
                    if answers.send(Answer::Standing(standing)).is_err() {
                        return;
                    }
                }
                rest
            }
            Err(error) => {
                let standing = Standing {
                    trouble: Some(error.to_string()),
                    posted: last.as_ref().and_then(|last| last.posted),
                    ..site.unknown(&now)
                };
                last = Some(standing.clone());
                if answers.send(Answer::Standing(standing)).is_err() {
                    return;
                }
                let rest = pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
                rest
            }
        };
        if over {
            return;
        }
        wait(&mut book, rest).await;
    }
}

/// Until the book changes or the time is over; after a failure too, since what changed may be what helps.
async fn wait(book: &mut watch::Receiver<Book>, rest: Duration) {
    let until = Instant::now() + rest;
    if let Ok(Err(_)) = timeout_at(until, book.changed()).await {
        // The book is closed: one more pass, after a breath.
        sleep(Duration::from_millis(20)).await;
    }
}

impl From<Posting> for Answer {
    fn from(posting: Posting) -> Self {
        Self::Posted {
            round: posting.round,
            transaction: posting.transaction,
            block: posting.block,
            gas: posting.gas,
        }
    }
}
