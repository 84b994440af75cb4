//! `[score]` and `[reward]`: how contributions are measured, and what a round is worth.

use serde::{Deserialize, Serialize};
use xfl_aggregation::{
    reward::{Basis, Slashing, Terms},
    score::{MAX_EXACT_PLAYERS, MAX_PLAYERS, Ppm},
};

use super::{Plan, PlanError};

/// `[score]`: how contributions are measured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// The scorer.
    pub kind: ScoreKind,
    /// By how many parts per million an auditor's evaluation of a model may differ.
    #[serde(default = "tolerance")]
    pub tolerance_ppm: u32,
    /// Random orders that the sampled Shapley values walk along at most; 200 where absent.
    pub orders: Option<u32>,
    /// Sampled Shapley values: a walk stops where what is left to gain is less than this, in parts per million of a model's
    /// value; 1,000 where absent.
    pub truncation_ppm: Option<u32>,
}

/// The scorers' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreKind {
    /// Loss on held-out data with and without an update in the mean.
    LeaveOneOut,
    /// Shapley values of the mean's loss on held-out data, exactly; up to 12 members.
    Shapley,
    /// The same from random orders, walks cut short.
    TruncatedShapley,
    /// The same from guided orders, cut short between rounds too.
    GtgShapley,
    /// Cosine of an update and the aggregate; no held-out data.
    Cosine,
    /// Cosine gradient Shapley values, with a reputation carried through the rounds; no held-out data.
    Cgsv,
    /// The same for everyone whose update counted.
    Participation,
}

/// `[reward]`: what a round is worth, and to whom.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reward {
    /// Tokens (smallest unit) shared out each round.
    pub budget: u64,
    /// The share of the budget that everybody is given whose update counted and whose score isn't negative.
    #[serde(default)]
    pub floor_ppm: u32,
    /// The largest share of the budget that one may be given; 1,000,000 where absent.
    pub cap_ppm: Option<u32>,
    /// An update whose cosine with one committed earlier is at least this is a copy, and earns nothing; not looked for where
    /// absent. Which of two was first is the order in which the coordinator accepted them.
    pub copies_ppm: Option<u32>,
}

impl Default for Score {
    fn default() -> Self {
        Self {
            kind: ScoreKind::Participation,
            tolerance_ppm: tolerance(),
            orders: None,
            truncation_ppm: None,
        }
    }
}

impl ScoreKind {
    /// Whether models are evaluated on data that no member has.
    pub fn needs_held_out(self) -> bool {
        matches!(
            self,
            Self::LeaveOneOut | Self::Shapley | Self::TruncatedShapley | Self::GtgShapley
        )
    }

    /// Whether random orders are drawn.
    pub fn samples(self) -> bool {
        matches!(self, Self::TruncatedShapley | Self::GtgShapley)
    }

    /// The name as the plan writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::LeaveOneOut => "leave-one-out",
            Self::Shapley => "shapley",
            Self::TruncatedShapley => "truncated-shapley",
            Self::GtgShapley => "gtg-shapley",
            Self::Cosine => "cosine",
            Self::Cgsv => "cgsv",
            Self::Participation => "participation",
        }
    }
}

impl Score {
    /// Orders to walk along at most.
    pub fn orders(&self) -> u32 {
        self.orders.unwrap_or(200)
    }

    /// What is left to gain where a walk stops.
    pub fn truncation(&self) -> Ppm {
        Ppm(self.truncation_ppm.map_or(1_000, i64::from))
    }
}

impl Reward {
    /// How the budget is split.
    pub fn terms(&self) -> Terms {
        Terms {
            basis: Basis::Summed,
            floor: Ppm(self.floor_ppm.into()),
            cap: self.cap_ppm.map_or(Ppm::ONE, |cap| Ppm(cap.into())),
            slashing: Slashing::default(),
        }
    }
}

impl Plan {
    /// That scorer and rewards fit each other and the quorum.
    pub(super) fn scores_fit(&self) -> Result<(), PlanError> {
        let (score, reward) = (&self.terms.score, &self.terms.reward);
        if score.tolerance_ppm > 10_000 {
            let what = format!("got {}", score.tolerance_ppm);
            return Err(PlanError::at(
                "score.tolerance_ppm",
                what,
                "write parts per million, at most 10000",
            ));
        }
        for (key, given) in [("orders", score.orders), ("truncation_ppm", score.truncation_ppm)] {
            if given.is_some() && !score.kind.samples() {
                let hint = "leave it out: it is for truncated-shapley and gtg-shapley";
                return Err(PlanError::at(
                    &format!("score.{key}"),
                    "the scorer doesn't take it",
                    hint,
                ));
            }
        }
        if let Some(got) = score.orders.filter(|o| !(1..=100_000).contains(o)) {
            return Err(PlanError::at(
                "score.orders",
                format!("got {got}"),
                "write a number from 1 to 100000",
            ));
        }
        let (floor, cap) = (reward.floor_ppm, reward.cap_ppm.unwrap_or(1_000_000));
        for (key, got) in [
            ("floor_ppm", Some(floor)),
            ("cap_ppm", reward.cap_ppm),
            ("copies_ppm", reward.copies_ppm),
        ] {
            if let Some(got) = got.filter(|v| *v > 1_000_000) {
                let hint = "write parts per million, from 0 to 1000000";
                return Err(PlanError::at(&format!("reward.{key}"), format!("got {got}"), hint));
            }
        }
        if floor > cap {
            let what = format!("a floor of {floor} above the cap of {cap}");
            return Err(PlanError::at(
                "reward.floor_ppm",
                what,
                "write a lower floor, or a higher cap",
            ));
        }
        self.scores_fit_members(self.terms.rounds.quorum)
    }

    /// What depends on how many members score, `n`.
    pub(super) fn scores_fit_members(&self, n: usize) -> Result<(), PlanError> {
        let floor = u64::from(self.terms.reward.floor_ppm);
        if floor.saturating_mul(n as u64) > 1_000_000 {
            let what = format!("{n} members' floors of {floor} ppm are more than the budget");
            let most = 1_000_000 / n.max(1);
            return Err(PlanError::at("reward.floor_ppm", what, format!("write {most} at most")));
        }
        let most = match self.terms.score.kind {
            ScoreKind::Shapley => MAX_EXACT_PLAYERS,
            ScoreKind::TruncatedShapley | ScoreKind::GtgShapley => MAX_PLAYERS,
            _ => usize::MAX,
        };
        if n > most {
            let what = format!("{} scores up to {most} members, not {n}", self.terms.score.kind.name());
            return Err(PlanError::at(
                "score.kind",
                what,
                "write kind = \"truncated-shapley\" up to 64 members, \"leave-one-out\" for more",
            ));
        }
        if self.terms.score.kind == ScoreKind::GtgShapley && (self.terms.score.orders() as usize) < n {
            let what = format!("{} orders for {n} members", self.terms.score.orders());
            return Err(PlanError::at(
                "score.orders",
                what,
                "write one for each member at least",
            ));
        }
        Ok(())
    }
}

fn tolerance() -> u32 {
    50
}
