//! Creation code with its arguments, and the address that follows from it.

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolConstructor;

use super::Plan;
use crate::chain::contracts::Contract;
use crate::chain::contracts::bindings::{
    FederationRegistry, RewardDistributor, RoundManager, RoundMirror, StakeVault, XflToken,
};
use crate::chain::create2;
use crate::payout::Account;

/// Who gets the half of a slashed stake that no prover gets: nobody. No key is known for it.
pub(super) const SINK: Account = *b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xde\xad";

/// One contract to be.
pub(super) struct Creation {
    pub(super) contract: Contract,
    pub(super) address: Account,
    pub(super) code: Vec<u8>,
}

impl Plan {
    /// The contracts of this chain, in the order of deployment: each names some that come before it.
    pub(super) fn creations(&self) -> Vec<Creation> {
        let registry = self.create(Contract::Registry, &FederationRegistry::BYTECODE, &self.registry());
        let rounds = self.rounds(registry.address);
        let vault = self.home.is_none().then(|| self.vault(rounds.address));
        let token = self.create(Contract::Token, &XflToken::BYTECODE, &self.token());
        let arguments = RewardDistributor::constructorCall {
            source_: Address::from(rounds.address),
            token_: Address::from(token.address),
        };
        let distributor = self.create(Contract::Distributor, &RewardDistributor::BYTECODE, &arguments);
        let before = [registry, rounds].into_iter().chain(vault);
        before.chain([token, distributor]).collect()
    }

    fn create(&self, contract: Contract, code: &[u8], arguments: &impl SolConstructor) -> Creation {
        let code = [code, &arguments.abi_encode()].concat();
        Creation {
            contract,
            address: create2::address_of(&self.terms.salt(), &code),
            code,
        }
    }

    fn registry(&self) -> FederationRegistry::constructorCall {
        FederationRegistry::constructorCall {
            federation_: B256::from(self.terms.federation),
            coordinator_: Address::from(self.coordinator),
            threshold_: U256::from(self.terms.threshold),
            timelock_: self.terms.signer_timelock(),
            embedded_: self.terms.embedded,
        }
    }

    fn rounds(&self, registry: Account) -> Creation {
        let terms = &self.terms;
        let Some(home) = self.home else {
            let arguments = RoundManager::constructorCall {
                terms: RoundManager::RoundTerms {
                    registry: Address::from(registry),
                    perRoundCap: U256::from(terms.per_round_cap),
                    activationDelay: terms.activation_delay,
                    answerTime: terms.answer_time(),
                    demandBond: U256::from(terms.demand_bond()),
                    penalty: U256::from(terms.penalty),
                },
            };
            return self.create(Contract::Rounds, &RoundManager::BYTECODE, &arguments);
        };
        let arguments = RoundMirror::constructorCall {
            registry_: Address::from(registry),
            homeChainId_: U256::from(home.chain_id),
            home_: Address::from(home.rounds),
            perRoundCap_: U256::from(terms.per_round_cap),
            activationDelay_: terms.activation_delay,
        };
        self.create(Contract::Mirror, &RoundMirror::BYTECODE, &arguments)
    }

    /// Stakes in the chain's coin: whoever sends transactions has some, and the coordinator can't print it.
    fn vault(&self, rounds: Account) -> Creation {
        let arguments = StakeVault::constructorCall {
            manager_: Address::from(rounds),
            currency_: Address::ZERO,
            unbondingTime_: self.terms.unbonding_time(),
            sink_: Address::from(SINK),
        };
        self.create(Contract::Vault, &StakeVault::BYTECODE, &arguments)
    }

    fn token(&self) -> XflToken::constructorCall {
        XflToken::constructorCall {
            name_: self.terms.token_name.clone(),
            symbol_: self.terms.token_symbol.clone(),
            treasury: Address::from(self.coordinator),
            supply: U256::from(self.terms.supply),
        }
    }
}
