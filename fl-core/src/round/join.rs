//! Join: a member binds its node key to a payout address, both keys signing.

use xfl_settlement::binding::Binding;

use super::{RoundError, Rounds};
use crate::{
    identity::{Domain, NodeId, Signature},
    message::Join,
};

/// Domain of the node key's signature over a binding.
pub const BINDING_DOMAIN: Domain = Domain::new("binding");

/// A member that joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Where its rewards go.
    pub binding: Binding,
    /// By the payout key.
    pub payout_signature: xfl_settlement::payout::Signature,
    /// By the node key.
    pub node_signature: Signature,
    /// Both again for each mirror's registry, in the beginning's order.
    pub mirrors: Vec<(xfl_settlement::payout::Signature, Signature)>,
}

impl Joined {
    /// Both signatures for the registry of the home chain (0) or of a mirror, by its place in the beginning, from 1 on.
    pub fn signatures(&self, chain: usize) -> Option<(xfl_settlement::payout::Signature, Signature)> {
        match chain.checked_sub(1) {
            None => Some((self.payout_signature, self.node_signature)),
            Some(mirror) => self.mirrors.get(mirror).copied(),
        }
    }
}

impl Rounds {
    pub(super) fn join(&mut self, member: NodeId, join: Join) -> Result<(), RoundError> {
        let wrong = |what: &str| RoundError::Misbehaved {
            member,
            what: what.into(),
        };
        let binding = &join.binding;
        if binding.node_key != member.0 || binding.federation != self.plan().federation().0 {
            return Err(wrong("the binding is for another node or federation"));
        }
        if self.genesis().chains().all(|chain| chain.chain_id != binding.chain_id) {
            return Err(wrong(
                "the binding names a chain that this federation doesn't settle on",
            ));
        }
        if join.mirrors.len() != self.genesis().mirrors.len() {
            return Err(wrong("the binding isn't signed for each chain"));
        }
        let payout_signature = join.payout_signature;
        let signatures = std::iter::once((payout_signature, join.node_signature)).chain(join.mirrors.iter().copied());
        for (chain, (payout_signature, node_signature)) in self.genesis().chains().zip(signatures) {
            let digest = binding.digest(&chain.registry_domain(self.plan().federation().0));
            if payout_signature.recover(&digest).ok() != Some(binding.payout) {
                return Err(wrong("the payout key's signature doesn't fit the binding"));
            }
            if member.verify(BINDING_DOMAIN, &digest, &node_signature).is_err() {
                return Err(wrong("the node key's signature doesn't fit the binding"));
            }
        }
        if self
            .joined
            .values()
            .any(|j| j.binding.payout == binding.payout && j.binding.node_key != member.0)
        {
            return Err(wrong("another member's rewards go to this address"));
        }
        if let Some(old) = self.joined.get(&member) {
            let what = if old.binding == *binding {
                "joined already"
            } else {
                "bound to another address already"
            };
            return Err(RoundError::Misplaced {
                member,
                what: what.into(),
            });
        }
        let (payout, chain_id) = (join.binding.payout, join.binding.chain_id);
        self.ledger
            .bind(member.0, payout, chain_id)
            .map_err(super::score::impossible)?;
        if let Some(settled) = &mut self.work.settled {
            // The ledger that a posted round leads to; somebody without earnings changes nothing of its tree.
            settled
                .ledger
                .bind(member.0, payout, chain_id)
                .map_err(super::score::impossible)?;
        }
        let joined = Joined {
            binding: join.binding,
            payout_signature,
            node_signature: join.node_signature,
            mirrors: join.mirrors,
        };
        self.joined.insert(member, joined);
        if self.phase == super::Phase::Endorse {
            // Whoever comes late can sign too: those who were there may be gone for good.
            self.work.expected.insert(member);
        }
        Ok(())
    }
}
