//! The coin: what an attempt's random choices follow from, such as buckets, sampled coordinates, and orders of players.
//!
//! Every member commits to its salts' key (a hash) before anybody shows an update, and the coin is a hash over the keys shown. So
//! in a round's first attempt no member knows it when it chooses its update: one honest member makes it unpredictable to all who
//! commit before its key is out.
//!
//! **Known weakness.** The coordinator sees keys first: it can leave out a member that was slow, or have a colluder withhold its
//! upload, and so choose between a few coins, at the price of that update. Worse, it can abandon an attempt after the uploads;
//! members then show the same values and keys again (a second draw of noise would cost privacy again), so that in the next attempt a
//! colluder can choose its own key, and its update, knowing all others'. Abandoned attempts are in the transcript with their
//! reasons: an auditor should ask about one that was abandoned after its uploads. Whoever needs more needs a coin from outside.

use super::Rounds;
use crate::seed::Seed;

impl Rounds {
    /// The attempt's coin; once uploads are closed it doesn't change.
    pub fn coin(&self) -> Seed {
        let mut hasher = blake3::Hasher::new_derive_key("xfl coin v1");
        hasher.update(&self.plan.hash());
        hasher.update(&self.round.to_le_bytes());
        hasher.update(&self.attempt.to_le_bytes());
        for member in &self.work.expected {
            if let Some(key) = self.work.salts.get(member) {
                hasher.update(&member.0);
                hasher.update(key);
            }
        }
        Seed(*hasher.finalize().as_bytes())
    }
}
