//! Deployment: where a federation's contracts are on each chain, and how they get there.
//!
//! The home chain has registry, round manager, stake vault, token and distributor; every other chain has registry, a mirror of the rounds, token and
//! distributor. All are made by CREATE2 ([`super::create2`]) with a salt of the federation's id and the run's ([`Terms::salt`]): their addresses follow
//! from the artefacts, the [`Terms`], the coordinator and the home chain, before anything is sent and without asking a chain.
//!
//! [`Plan::execute`] looks at what stands at each address and does the rest: code, the vault's attachment, the first funding. It keeps nothing on
//! disk. Stopped at any point, by two processes at once or after a reorganisation, it goes on; nothing is made or paid twice.
//!
//! [`Deployment::check`] compares the code at all addresses with the artefacts (immutables aside) and asks each contract what its immutables
//! hold: clients do this before they trust a chain.

mod check;
mod creation;
mod found;
mod terms;

use alloy::primitives::{Address, U256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use serde::{Deserialize, Serialize};

pub use self::terms::Terms;
use super::connect::{Connection, ConnectionError, succeeded};
use super::contracts::Contract;
use super::contracts::bindings::{RewardDistributor, RoundManager, XflToken};
use super::create2;
use crate::claim::Venue;
use crate::domain::Domain;
use crate::payout::Account;

/// The round manager that a mirror takes its rounds from, by signatures alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// EIP-155 id of its chain.
    pub chain_id: u64,
    /// Its address there.
    #[serde(with = "crate::bytes")]
    pub rounds: Account,
}

/// What is to stand on one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// EIP-155 id.
    pub chain_id: u64,
    /// Coordinator of the registry and treasury of the token; it alone attaches the vault and funds the distributor.
    #[serde(with = "crate::bytes")]
    pub coordinator: Account,
    /// The home of a mirror; none for the home chain itself.
    pub home: Option<Home>,
    /// What the contracts are made with.
    pub terms: Terms,
}

/// Where a federation's contracts are on one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// EIP-155 id.
    pub chain_id: u64,
    /// The registry.
    #[serde(with = "crate::bytes")]
    pub registry: Account,
    /// The round manager, or its mirror.
    #[serde(with = "crate::bytes")]
    pub rounds: Account,
    /// The stake vault; none on a mirror.
    pub vault: Option<Account>,
    /// The distributor.
    #[serde(with = "crate::bytes")]
    pub distributor: Account,
    /// The token.
    #[serde(with = "crate::bytes")]
    pub token: Account,
    /// Coordinator of the registry, treasury of the token.
    #[serde(with = "crate::bytes")]
    pub coordinator: Account,
    /// The home of a mirror; none for the home chain itself.
    pub home: Option<Home>,
    /// What they were made with.
    pub terms: Terms,
}

/// Why a deployment failed or isn't trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeployError {
    /// The chain failed, or a transaction.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The funding exceeds the supply.
    #[error("the funding {funding} is more than the supply {supply}")]
    Funding {
        /// Asked for.
        funding: u128,
        /// All there is.
        supply: u128,
    },
    /// Another chain than the plan's.
    #[error("the chain has id {got}, expected {expected}")]
    WrongChain {
        /// The plan's.
        expected: u64,
        /// The connection's.
        got: u64,
    },
    /// Another key than the plan's.
    #[error("the connection's key is not the plan's coordinator")]
    WrongDeployer,
    /// A mirror of a chain on itself.
    #[error("chain {chain_id} is the home chain, it can't be a mirror too")]
    MirrorsItself {
        /// The chain.
        chain_id: u64,
    },
    /// The deterministic deployment proxy is missing and can't be published.
    #[error(
        "the deterministic deployment proxy {} is missing on this chain: {reason}",
        Address::from(create2::PROXY)
    )]
    NoProxy {
        /// What the chain said to its publication.
        reason: String,
    },
    /// Rounds were posted without a vault, or with another one.
    #[error("the round manager has the vault {}, expected {}", Address::from(*.got), Address::from(*.expected))]
    Vault {
        /// The deployment's.
        expected: Account,
        /// The manager's.
        got: Account,
    },
    /// Other code than the artefact's, or none.
    #[error("the code at {} is not {contract}'s", Address::from(*.address))]
    Code {
        /// Which contract.
        contract: &'static str,
        /// Where.
        address: Account,
    },
    /// A contract was made with something else than the deployment says.
    #[error("{what} is {got}, expected {expected}")]
    Wiring {
        /// What was asked.
        what: &'static str,
        /// The deployment's.
        expected: String,
        /// The contract's.
        got: String,
    },
}

impl Plan {
    /// The home chain's, which is the connection's, with its key as the coordinator's.
    ///
    /// # Errors
    /// [`DeployError`].
    pub async fn new(connection: &Connection, terms: Terms) -> Result<Self, DeployError> {
        let coordinator = connection.sender().ok_or(ConnectionError::NoKey)?;
        Self::at(connection.chain_id().await?, coordinator, None, terms)
    }

    /// The plan of one chain, without asking anybody. A mirror has a delay of a second at least.
    ///
    /// # Errors
    /// [`DeployError::Funding`] and [`DeployError::MirrorsItself`].
    pub fn at(chain_id: u64, coordinator: Account, home: Option<Home>, terms: Terms) -> Result<Self, DeployError> {
        let (funding, supply) = (terms.funding, terms.supply);
        if funding > supply {
            return Err(DeployError::Funding { funding, supply });
        }
        if home.is_some_and(|home| home.chain_id == chain_id) {
            return Err(DeployError::MirrorsItself { chain_id });
        }
        let terms = match home {
            None => terms,
            Some(_) => terms.on_mirror(),
        };
        Ok(Self {
            chain_id,
            coordinator,
            home,
            terms,
        })
    }

    /// Where everything will be, or is.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        let creations = self.creations();
        let address = |contract| {
            let made = creations.iter().find(|made| made.contract == contract);
            made.map(|made| made.address)
        };
        Deployment {
            chain_id: self.chain_id,
            registry: address(Contract::Registry).unwrap_or_default(),
            rounds: address(Contract::Rounds)
                .or(address(Contract::Mirror))
                .unwrap_or_default(),
            vault: address(Contract::Vault),
            distributor: address(Contract::Distributor).unwrap_or_default(),
            token: address(Contract::Token).unwrap_or_default(),
            coordinator: self.coordinator,
            home: self.home,
            terms: self.terms.clone(),
        }
    }

    /// Deploys, attaches and funds what isn't yet, checks everything, and says where it is.
    ///
    /// # Errors
    /// [`DeployError`]; call again to go on.
    pub async fn execute(&self, connection: &Connection) -> Result<Deployment, DeployError> {
        let (expected, got) = (self.chain_id, connection.chain_id().await?);
        if expected != got {
            return Err(DeployError::WrongChain { expected, got });
        }
        if connection.sender() != Some(self.coordinator) {
            return Err(DeployError::WrongDeployer);
        }
        create2::publish(connection).await?;
        for made in self.creations() {
            create2::create(connection, &self.terms.salt(), &made.code).await?;
        }
        let deployment = self.deployment();
        deployment.attach(connection).await?;
        deployment.fund(connection, self.terms.funding).await?;
        deployment.check(connection).await?;
        Ok(deployment)
    }
}

impl Deployment {
    /// The contracts of this chain and where they are, in the order of deployment.
    #[must_use]
    pub fn contracts(&self) -> Vec<(Contract, Account)> {
        let rounds = match self.home {
            None => Contract::Rounds,
            Some(_) => Contract::Mirror,
        };
        let mut contracts = vec![(Contract::Registry, self.registry), (rounds, self.rounds)];
        contracts.extend(self.vault.map(|vault| (Contract::Vault, vault)));
        contracts.extend([(Contract::Token, self.token), (Contract::Distributor, self.distributor)]);
        contracts
    }

    /// Whether this is where rounds are posted first and disputed.
    #[must_use]
    pub fn is_home(&self) -> bool {
        self.home.is_none()
    }

    /// The home that this chain's mirrors name: itself, or its own home.
    #[must_use]
    pub fn home(&self) -> Home {
        self.home.unwrap_or(Home {
            chain_id: self.chain_id,
            rounds: self.rounds,
        })
    }

    /// The domain that bindings are signed under.
    #[must_use]
    pub fn binding_domain(&self) -> Domain {
        Domain {
            chain_id: self.chain_id,
            contract: self.registry,
            federation: self.terms.federation,
        }
    }

    /// The domain that headers are signed under, the same on every chain.
    #[must_use]
    pub fn header_domain(&self) -> Domain {
        let home = self.home();
        Domain {
            chain_id: home.chain_id,
            contract: home.rounds,
            federation: self.terms.federation,
        }
    }

    /// Where this chain pays, for the ledger.
    #[must_use]
    pub fn venue(&self) -> Venue {
        Venue {
            chain_id: self.chain_id,
            distributor: self.distributor,
            token: self.token,
        }
    }

    /// Attaches the vault to the round manager, once and for all. Coordinator only.
    async fn attach(&self, connection: &Connection) -> Result<(), DeployError> {
        let Some(vault) = self.vault else { return Ok(()) };
        if self.attached(connection).await? == vault {
            return Ok(());
        }
        let call = RoundManager::attachVaultCall {
            stakes: Address::from(vault),
        };
        let request = TransactionRequest::default()
            .to(Address::from(self.rounds))
            .input(call.abi_encode().into());
        let sent = connection.transact(request).await;
        let got = self.attached(connection).await?;
        match sent {
            _ if got == vault => Ok(()),
            Ok(receipt) => Ok(succeeded(&receipt).map(|_| ())?),
            Err(_) if got != [0; 20] => Err(DeployError::Vault { expected: vault, got }),
            Err(error) => Err(ConnectionError::from(error).into()),
        }
    }

    async fn attached(&self, connection: &Connection) -> Result<Account, DeployError> {
        let rounds = RoundManager::new(self.rounds.into(), connection.provider());
        let vault = rounds.vault().call().await.map_err(ConnectionError::rpc)?;
        Ok(vault.into())
    }

    /// Tops the distributor up until what it holds and has paid is `amount`, from the connection's account; what was sent.
    ///
    /// # Errors
    /// [`DeployError`].
    pub async fn fund(&self, connection: &Connection, amount: u128) -> Result<u128, DeployError> {
        let provider = connection.provider();
        let token = XflToken::new(self.token.into(), provider);
        let distributor = RewardDistributor::new(self.distributor.into(), provider);
        let held = token.balanceOf(self.distributor.into()).call().await;
        let paid = distributor.totalPaid().call().await;
        let (held, paid) = (held.map_err(ConnectionError::rpc)?, paid.map_err(ConnectionError::rpc)?);
        let missing = U256::from(amount).saturating_sub(held.saturating_add(paid));
        if missing.is_zero() {
            return Ok(0);
        }
        let call = XflToken::transferCall {
            to: Address::from(self.distributor),
            value: missing,
        };
        let request = TransactionRequest::default()
            .to(Address::from(self.token))
            .input(call.abi_encode().into());
        let receipt = connection.transact_once(request).await.map_err(ConnectionError::from)?;
        succeeded(&receipt)?;
        Ok(missing.saturating_to())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            federation: [7; 32],
            run: [1; 16],
            threshold: 2,
            embedded: false,
            per_round_cap: 1_000,
            activation_delay: 3_600,
            penalty: 7,
            token_name: "reward".into(),
            token_symbol: "R".into(),
            supply: 10_000,
            funding: 10_000,
        }
    }

    #[test]
    fn addresses_follow_from_the_terms_alone_and_mirrors_are_alike() {
        let home = Plan::at(1, [3; 20], None, terms()).unwrap().deployment();
        assert_eq!(home, Plan::at(1, [3; 20], None, terms()).unwrap().deployment());
        let mirror = |id| Plan::at(id, [3; 20], Some(home.home()), terms()).unwrap().deployment();
        let (first, second) = (mirror(2), mirror(3));
        assert_eq!((first.registry, first.token), (home.registry, home.token));
        assert_eq!((first.rounds, first.distributor), (second.rounds, second.distributor));
        assert_ne!((first.rounds, first.distributor), (home.rounds, home.distributor));
        assert_eq!(first.header_domain(), home.header_domain());
        assert_ne!(first.binding_domain(), home.binding_domain());
        assert_eq!(
            (first.vault, home.contracts().len(), first.contracts().len()),
            (None, 5, 4)
        );
        let other = Plan::at(1, [4; 20], None, terms()).unwrap().deployment();
        assert!(other.registry != home.registry && other.token != home.token && other.rounds != home.rounds);
        // Another run of the same plan shares nothing with it, neither places nor domains.
        let run = [2; 16];
        let again = Plan::at(1, [3; 20], None, Terms { run, ..terms() })
            .unwrap()
            .deployment();
        for ((_, one), (_, other)) in home.contracts().iter().zip(again.contracts()) {
            assert_ne!(*one, other);
        }
        assert_ne!(again.header_domain().separator(), home.header_domain().separator());
        assert_ne!(again.binding_domain().separator(), home.binding_domain().separator());
        // What a lie costs is the manager's: members can tell it from the addresses.
        let cheap = Terms { penalty: 6, ..terms() };
        let cheap = Plan::at(1, [3; 20], None, cheap).unwrap().deployment();
        assert_eq!(cheap.registry, home.registry);
        assert!(cheap.rounds != home.rounds && cheap.vault != home.vault && cheap.distributor != home.distributor);
        let itself = Plan::at(1, [3; 20], Some(home.home()), terms());
        assert_eq!(itself, Err(DeployError::MirrorsItself { chain_id: 1 }));
    }
}
