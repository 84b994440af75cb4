//! A deployment as a chain shows it, from its distributor on: for those who have a file of rewards and no transcript.
//!
//! The code at each address is checked to be the artefact's, so that the contracts do what they say; *whose* they are is for the caller to find out:
//! anybody can deploy this code. A registry that a key's own binding was admitted to is one that its holder signed for ([`crate::binding`]).

use super::{DeployError, Deployment, Home, Terms};
use crate::chain::connect::{Connection, ConnectionError};
use crate::chain::contracts::Contract;
use crate::chain::contracts::bindings::{FederationRegistry, RewardDistributor, RoundManager, RoundMirror};
use crate::payout::Account;

macro_rules! asked {
    ($call:expr) => {
        $call.call().await.map_err(ConnectionError::rpc)?
    };
}

impl Deployment {
    /// The contracts behind a distributor. Of the terms those that the contracts hold are theirs; the token's name and supply, the funding and the run's
    /// salt aren't told by a chain and left empty.
    ///
    /// # Errors
    /// [`DeployError::Code`] where other code stands, and [`DeployError::Connection`].
    pub async fn found(connection: &Connection, distributor: Account) -> Result<Self, DeployError> {
        let chain_id = connection.chain_id().await?;
        let code = |contract: Contract, address| async move {
            match contract.matches(&connection.code(&address).await?) {
                true => Ok(()),
                false => Err(DeployError::Code {
                    contract: contract.name(),
                    address,
                }),
            }
        };
        code(Contract::Distributor, distributor).await?;
        let provider = connection.provider();
        let paying = RewardDistributor::new(distributor.into(), provider);
        let rounds: Account = asked!(paying.source()).into();
        let token: Account = asked!(paying.token()).into();
        code(Contract::Token, token).await?;
        let is_home = Contract::Rounds.matches(&connection.code(&rounds).await?);
        if !is_home {
            code(Contract::Mirror, rounds).await?;
        }
        // Both have these functions.
        let manager = RoundManager::new(rounds.into(), provider);
        let registry: Account = asked!(manager.registry()).into();
        code(Contract::Registry, registry).await?;
        let (vault, home) = match is_home {
            true => {
                let vault: Account = asked!(manager.vault()).into();
                if vault != [0; 20] {
                    code(Contract::Vault, vault).await?;
                }
                (Some(vault).filter(|vault| *vault != [0; 20]), None)
            }
            false => {
                let home = asked!(RoundMirror::new(rounds.into(), provider).home());
                let chain_id = home.chainId.saturating_to();
                let rounds = home.manager.into();
                (None, Some(Home { chain_id, rounds }))
            }
        };
        let members = FederationRegistry::new(registry.into(), provider);
        let terms = Terms {
            federation: asked!(members.federation()).0,
            run: [0; 16],
            threshold: asked!(members.threshold()).saturating_to(),
            embedded: asked!(members.embedded()),
            per_round_cap: asked!(manager.perRoundCap()).saturating_to(),
            activation_delay: asked!(manager.activationDelay()),
            penalty: match is_home {
                true => asked!(manager.penalty()).saturating_to(),
                false => 0,
            },
            token_name: String::new(),
            token_symbol: String::new(),
            supply: 0,
            funding: 0,
        };
        Ok(Self {
            chain_id,
            registry,
            rounds,
            vault,
            distributor,
            token,
            coordinator: asked!(members.coordinator()).into(),
            home,
            terms,
        })
    }
}
