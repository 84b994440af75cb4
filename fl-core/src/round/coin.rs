//! The coin: what an attempt's random choices follow from, such as buckets, sampled coordinates, and orders of players.
//!
//! Every member commits to its salts' key (a hash) before anybody shows an update, and the coin is a hash over the keys shown. So
//! no member knows it when it chooses its update: one honest member makes it unpredictable to all who commit before its key is out. Every
//! attempt has keys of its own, which say nothing of the next one's, and a round's updates stay the same from attempt to attempt
//! ([`super::upload`]), so that nothing is learnt from an abandoned one that could still be used.
//!
//! **Known weakness.** The coordinator sees keys first: it can leave out a member that was slow, have a colluder withhold its upload, or
//! pretend that too few uploads came, and so draw again: `rounds.attempts` times a round, and as often again whenever it is started anew. It can't give up an attempt that has its
//! quorum ([`super::abandon`]), and whoever's upload it conceals holds a receipt. Abandoned attempts are in the transcript with their reasons.
//! Whoever needs more needs a coin from outside.

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
