//! Stakes: what a member or the coordinator loses when a lie is proved against it. Home chain only, in its coin.

use alloy::primitives::{Address, U256};
use alloy::providers::DynProvider;

use super::{ClientError, SettlementClient, amount};
use crate::chain::connect::{Confirmed, ConnectionError};
use crate::chain::contracts::bindings::StakeVault::StakeVaultInstance;
use crate::payout::Account;

/// What an account has at stake, in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stake {
    /// All that can be slashed: bonded and unbonding.
    pub total: u128,
    /// Of it, what is unbonding.
    pub unbonding: u128,
    /// When that can be withdrawn, Unix seconds; 0 where nothing unbonds.
    pub release_at: u64,
    /// What proofs of lies earned the account, not collected yet.
    pub owed: u128,
}

impl Stake {
    /// What isn't unbonding.
    #[must_use]
    pub fn bonded(&self) -> u128 {
        self.total.saturating_sub(self.unbonding)
    }
}

impl SettlementClient {
    /// What an account has at stake.
    ///
    /// # Errors
    /// [`ClientError::NoVault`] on a mirror, and the others.
    pub async fn stake_of(&self, account: &Account) -> Result<Stake, ClientError> {
        let vault = self.vault()?;
        let total = vault.stakeOf(account.into()).call().await;
        let unbonding = vault.unbondingOf(account.into()).call().await;
        let owed = vault.owedTo(account.into()).call().await;
        let unbonding = unbonding.map_err(ConnectionError::rpc)?;
        Ok(Stake {
            total: amount(total.map_err(ConnectionError::rpc)?, "a stake")?,
            unbonding: amount(unbonding.amount, "an unbonding stake")?,
            release_at: unbonding.releaseAt,
            owed: amount(owed.map_err(ConnectionError::rpc)?, "a reward")?,
        })
    }

    /// Puts coin of the connection's account at stake for an account. Called twice it deposits twice.
    ///
    /// # Errors
    /// [`ClientError`]. After [`ConnectionError::Overtaken`] nothing was deposited, as far as the nodes know; the hashes that it names can be looked up.
    pub async fn deposit(&self, account: &Account, wei: u128) -> Result<Confirmed, ClientError> {
        let call = self.vault()?.deposit(account.into(), U256::from(wei));
        self.send_once(call.value(U256::from(wei))).await
    }

    /// Starts to unbond a part of the connection's own stake.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn exit(&self, wei: u128) -> Result<Confirmed, ClientError> {
        self.send_once(self.vault()?.exit(U256::from(wei))).await
    }

    /// Puts all that is unbonding back at stake.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn cancel_exit(&self) -> Result<Confirmed, ClientError> {
        self.send(self.vault()?.cancelExit()).await
    }

    /// Pays what has unbonded to an account.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn withdraw(&self, to: &Account) -> Result<Confirmed, ClientError> {
        self.send(self.vault()?.withdraw(Address::from(*to))).await
    }

    /// Pays what the connection's account earned by proofs to an account.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn collect(&self, to: &Account) -> Result<Confirmed, ClientError> {
        self.send(self.vault()?.collect(Address::from(*to))).await
    }

    fn vault(&self) -> Result<&StakeVaultInstance<DynProvider>, ClientError> {
        self.vault.as_ref().ok_or_else(|| ClientError::NoVault {
            chain_id: self.deployment.chain_id,
            home: self.deployment.home().chain_id,
        })
    }
}
