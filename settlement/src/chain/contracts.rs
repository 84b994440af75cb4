//! The contracts: bindings generated from the committed artefacts, and the code that must stand at their addresses.
//!
//! Immutables are written into the code when a contract is created, so the code on a chain is the artefact's with those
//! 32-byte words filled in. [`Contract::matches`] blanks them and compares all else; what the words hold is checked by
//! asking the contract ([`crate::chain::deploy`]).

use serde::Deserialize;

/// Bindings by alloy's `sol!`.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod bindings {
    alloy::sol!(
        #[sol(rpc, extra_derives(Debug))]
        FederationRegistry,
        "contracts/artifacts/FederationRegistry.json"
    );
    alloy::sol!(
        #[sol(rpc, extra_derives(Debug))]
        RoundManager,
        "contracts/artifacts/RoundManager.json"
    );
    alloy::sol!(
        #[sol(rpc, extra_derives(Debug))]
        RewardDistributor,
        "contracts/artifacts/RewardDistributor.json"
    );
    alloy::sol!(
        #[sol(rpc, extra_derives(Debug))]
        XflToken,
        "contracts/artifacts/XflToken.json"
    );
    alloy::sol!(
        #[sol(rpc, extra_derives(Debug))]
        StakeVault,
        "contracts/artifacts/StakeVault.json"
    );
    alloy::sol!(
        #[sol(rpc, extra_derives(Debug))]
        RoundMirror,
        "contracts/artifacts/RoundMirror.json"
    );
}

/// One of a federation's contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contract {
    /// Members and their bindings.
    Registry,
    /// Headers, quorum and disputes; home chain.
    Rounds,
    /// Headers and quorum; other chains.
    Mirror,
    /// Stakes; home chain.
    Vault,
    /// Claims.
    Distributor,
    /// The ERC-20 that rewards are paid in.
    Token,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    deployed_bytecode: Deployed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deployed {
    object: alloy::primitives::Bytes,
    immutable_places: Vec<usize>,
}

impl Contract {
    /// All there are; which of them a chain has says [`crate::chain::deploy::Deployment::contracts`].
    pub const ALL: [Self; 6] = [
        Self::Registry,
        Self::Rounds,
        Self::Mirror,
        Self::Vault,
        Self::Token,
        Self::Distributor,
    ];

    /// Its name in the sources.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Registry => "FederationRegistry",
            Self::Rounds => "RoundManager",
            Self::Mirror => "RoundMirror",
            Self::Vault => "StakeVault",
            Self::Distributor => "RewardDistributor",
            Self::Token => "XflToken",
        }
    }

    /// Whether `code`, as a chain gives it, is this contract's, whatever its immutables hold.
    #[must_use]
    pub fn matches(self, code: &[u8]) -> bool {
        let Some(deployed) = self.deployed() else { return false };
        if code.len() != deployed.object.len() {
            return false;
        }
        let (mut expected, mut got) = (deployed.object.to_vec(), code.to_vec());
        for place in deployed.immutable_places {
            for bytes in [&mut expected, &mut got] {
                if let Some(word) = bytes.get_mut(place..place.saturating_add(32)) {
                    word.fill(0);
                }
            }
        }
        expected == got
    }

    fn deployed(self) -> Option<Deployed> {
        let artifact = match self {
            Self::Registry => include_str!("../../contracts/artifacts/FederationRegistry.json"),
            Self::Rounds => include_str!("../../contracts/artifacts/RoundManager.json"),
            Self::Mirror => include_str!("../../contracts/artifacts/RoundMirror.json"),
            Self::Vault => include_str!("../../contracts/artifacts/StakeVault.json"),
            Self::Distributor => include_str!("../../contracts/artifacts/RewardDistributor.json"),
            Self::Token => include_str!("../../contracts/artifacts/XflToken.json"),
        };
        serde_json::from_str::<Artifact>(artifact)
            .ok()
            .map(|artifact| artifact.deployed_bytecode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_artefact_parses_and_matches_itself_alone() {
        for contract in Contract::ALL {
            let deployed = contract.deployed().unwrap();
            assert!(
                deployed
                    .immutable_places
                    .iter()
                    .all(|place| place + 32 <= deployed.object.len())
            );
            for other in Contract::ALL {
                assert_eq!(other.matches(&deployed.object), other == contract);
            }
            let mut changed = deployed.object.to_vec();
            changed[0] ^= 1;
            assert!(!contract.matches(&changed) && !contract.matches(&[]));
        }
    }
}
