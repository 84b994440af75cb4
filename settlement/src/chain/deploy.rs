//! Deployment: registry, round manager, token and distributor, in this order, and the distributor's first funding.
//!
//! A [`Plan`] fixes who deploys and from which nonce; contract addresses follow from those two (CREATE), so they are
//! known before the first transaction. Keep the plan on disk, then [`Plan::execute`]: started again after a crash at any
//! point it looks at what stands at each address and goes on with the rest, and nothing is deployed or paid twice.
//!
//! [`Deployment::check`] compares the code at all four addresses with the artefacts (immutables aside) and asks each
//! contract what its immutables hold: clients do this before they trust an address.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use serde::{Deserialize, Serialize};

use super::connect::{Connection, ConnectionError, succeeded};
use super::contracts::Contract;
use super::contracts::bindings::{FederationRegistry, RewardDistributor, RoundManager, XflToken};
use crate::claim::Venue;
use crate::domain::Domain;
use crate::merkle::Digest;
use crate::payout::Account;

/// What a federation's contracts are made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Federation id.
    #[serde(with = "crate::bytes")]
    pub federation: Digest,
    /// Members that must sign a round; at least 2 unless `embedded`.
    pub threshold: u64,
    /// Whether this is the in-process chain of one operator: threshold 1 and no delay are then allowed.
    pub embedded: bool,
    /// The most that the cumulative budget may rise in one round, in the token's smallest unit.
    #[serde(with = "crate::bytes::amount")]
    pub per_round_cap: u128,
    /// Seconds between posting a round and its root becoming claimable.
    pub activation_delay: u64,
    /// Name of the token.
    pub token_name: String,
    /// Symbol of the token.
    pub token_symbol: String,
    /// All tokens there will ever be, in the smallest unit (18 decimals), created for the deployer.
    #[serde(with = "crate::bytes::amount")]
    pub supply: u128,
    /// What the deployer pays into the distributor, of the supply.
    #[serde(with = "crate::bytes::amount")]
    pub funding: u128,
}

/// A deployment that is about to happen or under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// EIP-155 id.
    pub chain_id: u64,
    /// Who deploys: also coordinator of the registry and treasury of the token.
    #[serde(with = "crate::bytes")]
    pub deployer: Account,
    /// Nonce of the first transaction; contracts take it and the three after it.
    pub first_nonce: u64,
    /// What the contracts are made with.
    pub terms: Terms,
}

/// Where a federation's contracts are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// EIP-155 id.
    pub chain_id: u64,
    /// The registry.
    #[serde(with = "crate::bytes")]
    pub registry: Account,
    /// The round manager.
    #[serde(with = "crate::bytes")]
    pub rounds: Account,
    /// The distributor.
    #[serde(with = "crate::bytes")]
    pub distributor: Account,
    /// The token.
    #[serde(with = "crate::bytes")]
    pub token: Account,
    /// Coordinator of the registry, treasury of the token.
    #[serde(with = "crate::bytes")]
    pub coordinator: Account,
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
    #[error("the connection's key is not the plan's deployer")]
    WrongDeployer,
    /// The deployer's nonces were used for something else.
    #[error("{contract} cannot be deployed with nonce {nonce}, the deployer's next is {next}")]
    NonceTaken {
        /// Which contract, or the funding.
        contract: &'static str,
        /// The nonce planned.
        nonce: u64,
        /// The nonce of the deployer.
        next: u64,
    },
    /// Other code than the artefact's.
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

/// A limit of the contracts on timelock and time to answer: 90 days, in seconds.
const LONGEST: u64 = 90 * 24 * 3_600;

impl Terms {
    /// Seconds before the signature of a member that is no founder counts: as long as a round can be disputed, so that strangers can't make a quorum
    /// before a veto could still stop it; none on an embedded chain.
    #[must_use]
    pub fn signer_timelock(&self) -> u64 {
        match self.embedded {
            true => 0,
            false => self.activation_delay.clamp(1, LONGEST),
        }
    }

    /// Seconds to answer a demand for a row, and then to prove with it: as long as the delay; none where there is none.
    #[must_use]
    pub fn answer_time(&self) -> u64 {
        self.activation_delay.min(LONGEST)
    }

    /// Bond of a demand for a row, in the coin's smallest unit: a hundredth of a coin, nothing on an embedded chain, whose accounts
    /// are one operator's.
    #[must_use]
    pub fn demand_bond(&self) -> u128 {
        match self.embedded {
            true => 0,
            false => 10_000_000_000_000_000,
        }
    }

    /// What a signer of a lie loses at most, in the stakes' currency: what one round can pay.
    #[must_use]
    pub fn penalty(&self) -> u128 {
        self.per_round_cap
    }
}

impl Plan {
    /// A plan from the connection's chain and its key's next nonce.
    ///
    /// # Errors
    /// [`DeployError`].
    pub async fn new(connection: &Connection, terms: Terms) -> Result<Self, DeployError> {
        let (funding, supply) = (terms.funding, terms.supply);
        if funding > supply {
            return Err(DeployError::Funding { funding, supply });
        }
        let deployer = connection.sender().ok_or(ConnectionError::NoKey)?;
        let first_nonce = connection.nonce(&deployer).await?;
        Ok(Self {
            chain_id: connection.chain_id().await?,
            deployer,
            first_nonce,
            terms,
        })
    }

    /// Where everything will be, or is.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        let [registry, rounds, token, distributor] =
            [0, 1, 2, 3].map(|offset| Address::from(self.deployer).create(self.nonce(offset)).into());
        Deployment {
            chain_id: self.chain_id,
            registry,
            rounds,
            distributor,
            token,
            coordinator: self.deployer,
            terms: self.terms.clone(),
        }
    }

    /// Deploys and funds what isn't yet, checks everything, and says where it is.
    ///
    /// # Errors
    /// [`DeployError`]; call again to go on.
    pub async fn execute(&self, connection: &Connection) -> Result<Deployment, DeployError> {
        let (expected, got) = (self.chain_id, connection.chain_id().await?);
        if expected != got {
            return Err(DeployError::WrongChain { expected, got });
        }
        if connection.sender() != Some(self.deployer) {
            return Err(DeployError::WrongDeployer);
        }
        let deployment = self.deployment();
        for (offset, contract) in (0..).zip(Contract::ALL) {
            let code = connection.code(&deployment.address(contract)).await?;
            if code.is_empty() {
                let request = TransactionRequest::default()
                    .create()
                    .input(self.creation(contract).into());
                self.send(connection, contract.name(), offset, request).await?;
            }
        }
        self.fund(connection, &deployment).await?;
        deployment.check(connection).await?;
        Ok(deployment)
    }

    async fn fund(&self, connection: &Connection, deployment: &Deployment) -> Result<(), DeployError> {
        if self.terms.funding == 0 || connection.nonce(&self.deployer).await? > self.nonce(4) {
            return Ok(());
        }
        let to = Address::from(deployment.distributor);
        let call = XflToken::transferCall {
            to,
            value: U256::from(self.terms.funding),
        };
        let request = TransactionRequest::default()
            .to(Address::from(deployment.token))
            .input(call.abi_encode().into());
        self.send(connection, "the funding", 4, request).await
    }

    async fn send(
        &self,
        connection: &Connection,
        contract: &'static str,
        offset: u64,
        request: TransactionRequest,
    ) -> Result<(), DeployError> {
        let turn = connection.turn().await?;
        let (nonce, next) = (self.nonce(offset), connection.nonce(&self.deployer).await?);
        if nonce != next {
            return Err(DeployError::NonceTaken { contract, nonce, next });
        }
        let request = connection.from(request.nonce(nonce));
        let sent = connection
            .provider()
            .send_transaction(request)
            .await
            .map_err(ConnectionError::rpc)?;
        succeeded(&connection.confirm(*sent.tx_hash()).await?)?;
        drop(turn);
        Ok(())
    }

    fn nonce(&self, offset: u64) -> u64 {
        self.first_nonce.saturating_add(offset)
    }

    /// Creation code with its arguments.
    fn creation(&self, contract: Contract) -> Bytes {
        use alloy::sol_types::SolConstructor;
        let (terms, deployment) = (&self.terms, self.deployment());
        let (code, arguments) = match contract {
            Contract::Registry => {
                let arguments = FederationRegistry::constructorCall {
                    federation_: B256::from(terms.federation),
                    coordinator_: Address::from(self.deployer),
                    threshold_: U256::from(terms.threshold),
                    timelock_: terms.signer_timelock(),
                    embedded_: terms.embedded,
                };
                (&FederationRegistry::BYTECODE, arguments.abi_encode())
            }
            Contract::Rounds => {
                let arguments = RoundManager::constructorCall {
                    terms: RoundManager::RoundTerms {
                        registry: Address::from(deployment.registry),
                        perRoundCap: U256::from(terms.per_round_cap),
                        activationDelay: terms.activation_delay,
                        answerTime: terms.answer_time(),
                        demandBond: U256::from(terms.demand_bond()),
                        penalty: U256::from(terms.penalty()),
                    },
                };
                (&RoundManager::BYTECODE, arguments.abi_encode())
            }
            Contract::Token => {
                let arguments = XflToken::constructorCall {
                    name_: terms.token_name.clone(),
                    symbol_: terms.token_symbol.clone(),
                    treasury: Address::from(self.deployer),
                    supply: U256::from(terms.supply),
                };
                (&XflToken::BYTECODE, arguments.abi_encode())
            }
            Contract::Distributor => {
                let arguments = RewardDistributor::constructorCall {
                    source_: Address::from(deployment.rounds),
                    token_: Address::from(deployment.token),
                };
                (&RewardDistributor::BYTECODE, arguments.abi_encode())
            }
        };
        [code.as_ref(), &arguments].concat().into()
    }
}

impl Deployment {
    /// Where a contract is.
    #[must_use]
    pub fn address(&self, contract: Contract) -> Account {
        match contract {
            Contract::Registry => self.registry,
            Contract::Rounds => self.rounds,
            Contract::Distributor => self.distributor,
            Contract::Token => self.token,
        }
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

    /// The domain that headers are signed under.
    #[must_use]
    pub fn header_domain(&self) -> Domain {
        Domain {
            chain_id: self.chain_id,
            contract: self.rounds,
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

    /// Whether the chain is this one and the four contracts are these, made with these terms.
    ///
    /// # Errors
    /// [`DeployError`] for the first that isn't.
    pub async fn check(&self, connection: &Connection) -> Result<(), DeployError> {
        let (expected, got) = (self.chain_id, connection.chain_id().await?);
        if expected != got {
            return Err(DeployError::WrongChain { expected, got });
        }
        for contract in Contract::ALL {
            self.check_code(connection, contract).await?;
        }
        self.check_wiring(connection).await
    }

    /// Whether the code at a contract's address is its own.
    ///
    /// # Errors
    /// [`DeployError::Code`] and [`DeployError::Connection`].
    pub async fn check_code(&self, connection: &Connection, contract: Contract) -> Result<(), DeployError> {
        let address = self.address(contract);
        if !contract.matches(&connection.code(&address).await?) {
            return Err(DeployError::Code {
                contract: contract.name(),
                address,
            });
        }
        Ok(())
    }

    /// Whether the contracts name each other and hold the terms.
    ///
    /// # Errors
    /// [`DeployError::Wiring`] and [`DeployError::Connection`].
    pub async fn check_wiring(&self, connection: &Connection) -> Result<(), DeployError> {
        let provider = connection.provider();
        let registry = FederationRegistry::new(self.registry.into(), provider);
        let rounds = RoundManager::new(self.rounds.into(), provider);
        let distributor = RewardDistributor::new(self.distributor.into(), provider);
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
        same!("the penalty", rounds.penalty(), U256::from(terms.penalty()));
        same!(
            "the header domain",
            rounds.domainSeparator(),
            B256::from(self.header_domain().separator())
        );
        same!(
            "the binding domain",
            registry.domainSeparator(),
            B256::from(self.binding_domain().separator())
        );
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
}
