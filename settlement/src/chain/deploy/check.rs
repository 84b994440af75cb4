//! What stands on a chain against what a deployment says.

use alloy::primitives::{Address, B256, U256};

use super::creation::SINK;
use super::{DeployError, Deployment};
use crate::chain::connect::{Connection, ConnectionError};
use crate::chain::contracts::Contract;
use crate::chain::contracts::bindings::{FederationRegistry, RewardDistributor, RoundManager, RoundMirror, StakeVault};
use crate::payout::Account;

macro_rules! same {
    ($what:literal, $call:expr, $expected:expr) => {{
        let got = $call.call().await.map_err(ConnectionError::rpc)?;
        let expected = $expected;
        if got != expected {
            let (expected, got) = (expected.to_string(), got.to_string());
            return Err(DeployError::Wiring {
                what: $what,
                expected,
                got,
            });
        }
    }};
}

impl Deployment {
    /// Whether the chain is this one and the contracts are these, made with these terms.
    ///
    /// # Errors
    /// [`DeployError`] for the first that isn't.
    pub async fn check(&self, connection: &Connection) -> Result<(), DeployError> {
        let (expected, got) = (self.chain_id, connection.chain_id().await?);
        if expected != got {
            return Err(DeployError::WrongChain { expected, got });
        }
        for (contract, address) in self.contracts() {
            self.check_code(connection, contract, &address).await?;
        }
        self.check_wiring(connection).await
    }

    /// Whether the code at an address is a contract's.
    ///
    /// # Errors
    /// [`DeployError::Code`] and [`DeployError::Connection`].
    pub async fn check_code(
        &self,
        connection: &Connection,
        contract: Contract,
        address: &Account,
    ) -> Result<(), DeployError> {
        if !contract.matches(&connection.code(address).await?) {
            return Err(DeployError::Code {
                contract: contract.name(),
                address: *address,
            });
        }
        Ok(())
    }

    /// Whether the contracts name each other and hold the terms.
    ///
    /// # Errors
    /// [`DeployError::Wiring`] and [`DeployError::Connection`].
    pub async fn check_wiring(&self, connection: &Connection) -> Result<(), DeployError> {
        self.check_registry(connection).await?;
        match self.home {
            None => self.check_manager(connection).await?,
            Some(_) => self.check_mirror(connection).await?,
        }
        self.check_vault(connection).await?;
        let distributor = RewardDistributor::new(self.distributor.into(), connection.provider());
        same!(
            "the distributor's source",
            distributor.source(),
            Address::from(self.rounds)
        );
        same!(
            "the distributor's token",
            distributor.token(),
            Address::from(self.token)
        );
        Ok(())
    }

    async fn check_registry(&self, connection: &Connection) -> Result<(), DeployError> {
        let registry = FederationRegistry::new(self.registry.into(), connection.provider());
        let terms = &self.terms;
        same!(
            "the registry's federation",
            registry.federation(),
            B256::from(terms.federation)
        );
        same!(
            "the registry's coordinator",
            registry.coordinator(),
            Address::from(self.coordinator)
        );
        same!(
            "the registry's threshold",
            registry.threshold(),
            U256::from(terms.threshold)
        );
        same!("the registry's timelock", registry.timelock(), terms.signer_timelock());
        same!("the registry's mode", registry.embedded(), terms.embedded);
        same!(
            "the binding domain",
            registry.domainSeparator(),
            B256::from(self.binding_domain().separator())
        );
        Ok(())
    }

    async fn check_manager(&self, connection: &Connection) -> Result<(), DeployError> {
        let rounds = RoundManager::new(self.rounds.into(), connection.provider());
        let terms = &self.terms;
        same!(
            "the round manager's registry",
            rounds.registry(),
            Address::from(self.registry)
        );
        same!(
            "the round manager's home chain",
            rounds.homeChainId(),
            U256::from(self.chain_id)
        );
        same!(
            "the round manager's cap",
            rounds.perRoundCap(),
            U256::from(terms.per_round_cap)
        );
        same!(
            "the round manager's delay",
            rounds.activationDelay(),
            terms.activation_delay
        );
        same!("the time to answer", rounds.answerTime(), terms.answer_time());
        same!(
            "the bond of a demand",
            rounds.demandBond(),
            U256::from(terms.demand_bond())
        );
        same!("the penalty", rounds.penalty(), U256::from(terms.penalty));
        same!(
            "the header domain",
            rounds.domainSeparator(),
            B256::from(self.header_domain().separator())
        );
        same!(
            "the round manager's vault",
            rounds.vault(),
            Address::from(self.vault.unwrap_or_default())
        );
        Ok(())
    }

    async fn check_mirror(&self, connection: &Connection) -> Result<(), DeployError> {
        let mirror = RoundMirror::new(self.rounds.into(), connection.provider());
        let (terms, home) = (&self.terms, self.home());
        same!("the mirror's registry", mirror.registry(), Address::from(self.registry));
        let got = mirror.home().call().await.map_err(ConnectionError::rpc)?;
        let expected = (U256::from(home.chain_id), Address::from(home.rounds));
        if (got.chainId, got.manager) != expected {
            return Err(DeployError::Wiring {
                what: "the mirror's home",
                expected: format!("{} on chain {}", expected.1, expected.0),
                got: format!("{} on chain {}", got.manager, got.chainId),
            });
        }
        same!(
            "the mirror's cap",
            mirror.perRoundCap(),
            U256::from(terms.per_round_cap)
        );
        same!("the mirror's delay", mirror.activationDelay(), terms.activation_delay);
        same!(
            "the header domain",
            mirror.domainSeparator(),
            B256::from(self.header_domain().separator())
        );
        Ok(())
    }

    async fn check_vault(&self, connection: &Connection) -> Result<(), DeployError> {
        let Some(vault) = self.vault else { return Ok(()) };
        let vault = StakeVault::new(vault.into(), connection.provider());
        same!("the vault's manager", vault.manager(), Address::from(self.rounds));
        same!("the vault's currency", vault.currency(), Address::ZERO);
        same!(
            "the time that stakes unbond",
            vault.unbondingTime(),
            self.terms.unbonding_time()
        );
        same!("the vault's sink", vault.sinkAddress(), Address::from(SINK));
        Ok(())
    }
}
