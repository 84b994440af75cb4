//! The coin: what an attempt's random choices follow from, such as buckets, sampled coordinates, and orders of players.
//!
//! Every member commits to its salts' key (a hash) before anybody shows an update, and the coin is a hash over the keys shown. So
//! no member knows it when it chooses its update, and one honest member makes it unpredictable to all who commit before its
//! key is out.
//!
//! **Known weakness.** The coordinator sees keys first: it can leave out a member that was slow, or have a colluder withhold its
//! upload, and so choose between a few coins, at the price of that update. Whoever needs a coin without that needs one from outside.

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
