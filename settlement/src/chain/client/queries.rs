//! Questions to a federation's contracts; nothing here sends a transaction.

use super::{ClientError, SettlementClient, amount};
use crate::chain::connect::ConnectionError;
use crate::merkle::Digest;
use crate::payout::Account;

/// A member as the registry knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its account.
    pub payout: Account,
    /// Chain on which it wants to be paid.
    pub chain_id: u64,
    /// Last nonce of its bindings.
    pub nonce: u64,
}

impl SettlementClient {
    /// Whether an account is a member's.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn is_member(&self, payout: &Account) -> Result<bool, ClientError> {
        Ok(self
            .registry
            .isMember(payout.into())
            .call()
            .await
            .map_err(ConnectionError::rpc)?)
    }

    /// A member by its node key.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn member(&self, node_key: &Digest) -> Result<Option<Member>, ClientError> {
        let payout = self
            .registry
            .payoutOf(node_key.into())
            .call()
            .await
            .map_err(ConnectionError::rpc)?;
        if payout.is_zero() {
            return Ok(None);
        }
        let chain_id = self
            .registry
            .payoutChainOf(node_key.into())
            .call()
            .await
            .map_err(ConnectionError::rpc)?;
        let nonce = self
            .registry
            .nonceOf(node_key.into())
            .call()
            .await
            .map_err(ConnectionError::rpc)?;
        Ok(Some(Member {
            payout: payout.into(),
            chain_id,
            nonce,
        }))
    }

    /// The last nonce used for a node key, whether it is a member or not; the next binding needs one above.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn binding_nonce(&self, node_key: &Digest) -> Result<u64, ClientError> {
        Ok(self
            .registry
            .nonceOf(node_key.into())
            .call()
            .await
            .map_err(ConnectionError::rpc)?)
    }

    /// Number of members.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn member_count(&self) -> Result<u64, ClientError> {
        let count = self.registry.memberCount().call().await.map_err(ConnectionError::rpc)?;
        Ok(count.saturating_to())
    }

    /// The last posted round that wasn't vetoed; zero before the first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn latest_round(&self) -> Result<u64, ClientError> {
        Ok(self.rounds.latestRound().call().await.map_err(ConnectionError::rpc)?)
    }

    /// Digest of a posted round's header.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn header_digest(&self, round: u64) -> Result<Option<Digest>, ClientError> {
        let digest = self
            .rounds
            .headerDigest(round)
            .call()
            .await
            .map_err(ConnectionError::rpc)?;
        Ok((!digest.is_zero()).then_some(digest.0))
    }

    /// Whether a round's rewards can be claimed now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn is_active(&self, round: u64) -> Result<bool, ClientError> {
        Ok(self.rounds.isActive(round).call().await.map_err(ConnectionError::rpc)?)
    }

    /// Whether a round would be active in the next block: on a chain that makes blocks only when there is something to do, time stands still in
    /// between.
    ///
    /// # Errors
    /// [`ClientError`]; some nodes don't answer for blocks to come.
    pub async fn is_active_next(&self, round: u64) -> Result<bool, ClientError> {
        let call = self.rounds.isActive(round).block(alloy::eips::BlockId::pending());
        Ok(call.call().await.map_err(ConnectionError::rpc)?)
    }

    /// When a posted round's rewards become claimable, Unix seconds.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn active_at(&self, round: u64) -> Result<Option<u64>, ClientError> {
        let time = self.rounds.activeAt(round).call().await.map_err(ConnectionError::rpc)?;
        Ok((time != 0).then_some(time))
    }

    /// Paid so far to a participant, in the token's smallest unit.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn paid_to(&self, participant: &Digest) -> Result<u128, ClientError> {
        let paid = self
            .distributor
            .paidTo(participant.into())
            .call()
            .await
            .map_err(ConnectionError::rpc)?;
        amount(paid, "an amount paid")
    }

    /// Paid so far to everyone.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn total_paid(&self) -> Result<u128, ClientError> {
        let paid = self
            .distributor
            .totalPaid()
            .call()
            .await
            .map_err(ConnectionError::rpc)?;
        amount(paid, "a total paid")
    }

    /// Tokens of an account; the distributor's are what is left to claim.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn token_balance(&self, account: &Account) -> Result<u128, ClientError> {
        let balance = self
            .token
            .balanceOf(account.into())
            .call()
            .await
            .map_err(ConnectionError::rpc)?;
        Ok(balance.saturating_to())
    }
}
