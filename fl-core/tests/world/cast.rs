//! Keys of everybody, made once: the coordinator, seven members in ascending order, an outsider.

use std::sync::{Arc, LazyLock};

use xfl_core::{
    identity::{NodeId, NodeKey, Signature},
    round::{Referee, RefereeError},
    transcript::{Contracts, Genesis, Member},
};
use xfl_settlement::payout::PayoutKey;

use crate::scenario::Scenario;

pub(crate) struct Player {
    pub(crate) key: Arc<NodeKey>,
    pub(crate) payout: PayoutKey,
}

/// Another chain than the home chain, on which the second member is paid.
pub(crate) const MIRROR: u64 = 31_338;

pub(crate) static COORDINATOR: LazyLock<Arc<NodeKey>> = LazyLock::new(|| Arc::new(NodeKey::from_seed(&[99; 32])));
/// The coordinator's account in the contracts.
pub(crate) static OFFICE_PAYOUT: LazyLock<PayoutKey> = LazyLock::new(|| PayoutKey::from_secret(&[99; 32]).unwrap());
pub(crate) static OUTSIDER: LazyLock<NodeId> = LazyLock::new(|| NodeKey::from_seed(&[98; 32]).node_id());

pub(crate) static PLAYERS: LazyLock<Vec<Player>> = LazyLock::new(|| {
    let player = |i: u8| Player {
        key: Arc::new(NodeKey::from_seed(&[i; 32])),
        payout: PayoutKey::from_secret(&[i; 32]).unwrap(),
    };
    let mut players: Vec<Player> = (1..=7).map(player).collect();
    players.sort_by_key(|p| p.key.node_id());
    players
});

/// The beginning that a scenario's coordinator signs; contracts nobody deployed.
pub(crate) fn genesis(scenario: &Scenario) -> Genesis {
    let members = PLAYERS.iter().take(scenario.characters.len()).enumerate();
    let genesis = Genesis {
        plan: scenario.plan.text().to_owned(),
        members: members
            .map(|(i, p)| Member {
                id: p.key.node_id(),
                name: format!("hospital {i}"),
            })
            .collect(),
        model: (0..scenario.d).map(|i| (i % 7) as f32 * 0.25 - 0.5).collect(),
        // Nobody opens it here: the referee has no data.
        held_out: Some([8; 32]),
        run: [9; 16],
        contracts: Contracts {
            chain_id: 31_337,
            registry: [1; 20],
            rounds: [2; 20],
            vault: Some([6; 20]),
            distributor: [3; 20],
            token: [4; 20],
            coordinator: OFFICE_PAYOUT.account(),
            embedded: true,
        },
        mirrors: vec![Contracts {
            chain_id: MIRROR,
            registry: [1; 20],
            rounds: [7; 20],
            vault: None,
            distributor: [8; 20],
            token: [4; 20],
            coordinator: [5; 20],
            embedded: false,
        }],
        at: 0,
        signature: Signature([0; 64]),
    };
    genesis.sign(&COORDINATOR)
}

/// Prefers small models.
pub(crate) struct Frugal;

impl Referee for Frugal {
    fn value(&mut self, model: &[f32]) -> Result<i64, RefereeError> {
        Ok(-(model.iter().map(|v| f64::from(*v).abs()).sum::<f64>() * 1e4) as i64)
    }
}
