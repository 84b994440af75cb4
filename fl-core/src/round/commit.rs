//! Commit: an institution signs a root over its protected update before anybody sees one.

use super::{RoundError, Rounds};
use crate::{
    identity::NodeId,
    message::{Commit, Envelope, Parcel},
};

/// A commitment that was accepted.
#[derive(Clone, Debug)]
pub struct Committed {
    /// What was said.
    pub commit: Commit,
    /// With its signature.
    pub envelope: Envelope,
    /// How many were accepted before it in this attempt.
    pub place: usize,
}

impl Rounds {
    pub(super) fn commit(&mut self, member: NodeId, parcel: &Parcel, commit: Commit) -> Result<(), RoundError> {
        if self.work.commits.contains_key(&member) {
            return Err(RoundError::Misplaced {
                member,
                what: "committed already".into(),
            });
        }
        if let Some(twin) = self.work.commits.values().find(|c| c.commit.root == commit.root) {
            let what = format!("the commitment is a copy of {}", twin.envelope.sender);
            return Err(RoundError::Misbehaved { member, what });
        }
        let spent = self.rho.get(&member).copied().unwrap_or(0);
        if commit.rho_spent < spent {
            let what = format!("its privacy loss went down from {spent} to {}", commit.rho_spent);
            return Err(RoundError::Misbehaved { member, what });
        }
        self.rho.insert(member, commit.rho_spent);
        let place = self.work.commits.len();
        self.work.commits.insert(
            member,
            Committed {
                commit,
                envelope: parcel.envelope.clone(),
                place,
            },
        );
        Ok(())
    }
}
