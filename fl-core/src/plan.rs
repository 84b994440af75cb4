//! The plan: one commented `federation.toml` that coordinator, institutions and auditors read alike.
//!
//! **Claim.** The bytes that people read are the bytes that count: the plan's hash is the keccak256 of the file's text,
//! the coordinator signs that text, every institution parses the same text with the same code before it spends anything,
//! and the text is the first thing in the transcript. There is no second, compiled form that could differ.
//!
//! **Guarantees.** [`Plan::parse`] either returns a plan whose keys are known, typed and consistent with each other, or a
//! [`PlanError`] that names file, line and key and says what to write. [`Plan::check`] adds what needs the model's
//! dimension: the signal-to-noise verdict and the masked mode's noise budget.
//!
//! **Not here.** Paths, addresses and keys of a single machine: they are flags of a command, not part of what is agreed.

mod aggregation;
mod check;
mod coins;
mod error;
mod privacy;
mod score;
mod server;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use xfl_privacy::{Mode, Unit};

pub use self::aggregation::{Aggregation, NeighboursName, Pipeline, RuleName, StageName};
pub use self::check::{Checked, Finding};
pub use self::coins::{Coins, CoinsError};
pub use self::error::PlanError;
pub use self::privacy::{Adaptive, Privacy};
pub use self::score::{Reward, Score, ScoreKind};
pub use self::server::ServerName;
use crate::{digest::keccak, identity::NodeId, schema::Schema, spec::ModelSpec};

/// Longest plan accepted, in bytes of text.
pub const MAX_PLAN_BYTES: usize = 64 * 1024;

/// What a federation agreed on; parsed from `federation.toml`.
#[derive(Clone, Debug)]
pub struct Plan {
    text: String,
    terms: Terms,
}

/// The tables of `federation.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Who this is.
    pub federation: Federation,
    /// How many rounds, and how long each stage may take.
    pub rounds: Rounds,
    /// The columns every institution's file has.
    pub data: Schema,
    /// What is trained.
    pub model: ModelSpec,
    /// How it is trained.
    pub training: Training,
    /// How updates are protected before they leave an institution.
    pub privacy: Privacy,
    /// Whether the coordinator sees single updates.
    #[serde(default)]
    pub masking: Masking,
    /// How updates become one.
    pub aggregation: Aggregation,
    /// How contributions are measured.
    #[serde(default)]
    pub score: Score,
    /// What is paid for them.
    #[serde(default)]
    pub reward: Reward,
    /// Where it is paid.
    #[serde(default)]
    pub settlement: Settlement,
}

/// `[federation]`: the name and the keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Federation {
    /// 32 random bytes in hex, drawn by `xfl init`; part of every signed byte string.
    pub id: FederationId,
    /// A name for people.
    pub name: String,
    /// The coordinator's public key in hex.
    pub coordinator: NodeId,
}

/// `[rounds]`: counts and times.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rounds {
    /// Rounds to run.
    pub count: u64,
    /// Institutions that every stage needs.
    pub quorum: usize,
    /// Seconds that a stage waits for the rest once it began.
    #[serde(default = "defaults::stage_seconds")]
    pub stage_seconds: f64,
    /// Seconds after which a member that lost its connection is no longer waited for, if the quorum is there.
    #[serde(default = "defaults::grace_seconds")]
    pub grace_seconds: f64,
    /// Seconds to wait for all members before a first round begins with a quorum of them.
    #[serde(default = "defaults::join_seconds")]
    pub join_seconds: f64,
    /// Attempts at one round before the job fails.
    #[serde(default = "defaults::attempts")]
    pub attempts: u32,
}

/// `[training]`: what an institution does with a model it receives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The coordinator's step: how far the global model follows the aggregate.
    #[serde(default = "defaults::one")]
    pub server_learning_rate: f64,
    /// The coordinator's optimiser: what it does with an aggregate.
    #[serde(default)]
    pub server: ServerName,
    /// Momentum of `fedavgm`, the first moment's of the adaptive ones; 0.9 where absent.
    pub server_momentum: Option<f64>,
    /// The second moment's decay, of `fedadam` and `fedyogi`; 0.99 where absent.
    pub server_decay: Option<f64>,
    /// Degree of adaptivity of the adaptive ones, in the model's unit; 0.001 where absent.
    pub server_tau: Option<f64>,
    /// Local step size (unit `institution`, and mode `dp-sgd`).
    #[serde(default = "defaults::learning_rate")]
    pub learning_rate: f64,
    /// Local passes over the data (unit `institution` only).
    #[serde(default = "defaults::epochs")]
    pub epochs: usize,
    /// Examples in a batch; for unit `record` every institution's release is a sum over exactly this many, in mode `dp-sgd` over this
    /// many on average.
    pub batch: usize,
    /// Seed of initialisation and shuffling; reproducible, hence never a source of privacy.
    #[serde(default)]
    pub seed: u64,
}

/// `[masking]`: whether single updates are hidden from the coordinator.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masking {
    /// `none` or `lwe`.
    #[serde(default)]
    pub mode: MaskMode,
    /// Colluders tolerated, the coordinator's own included.
    #[serde(default = "defaults::colluders")]
    pub colluders: usize,
    /// Members that must agree before a sum is opened.
    #[serde(default)]
    pub threshold: usize,
}

/// How updates travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskMode {
    /// The coordinator sees each update, with what noise its mode says.
    #[default]
    None,
    /// Lattice encryption: the coordinator sees the sum.
    Lwe,
}

/// `[settlement]`: how rounds are posted.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settlement {
    /// Members whose signatures a round needs; a majority of the quorum, and at least 2, where absent.
    pub threshold: Option<usize>,
    /// Seconds between a round's posting and its rewards being claimable, in which it can be vetoed; the embedded chain,
    /// which is the coordinator's own, has none.
    #[serde(default = "defaults::activation_seconds")]
    pub activation_seconds: u64,
    /// What each signer of a proved lie loses of its stake, and the coordinator for an update that it dropped, in the home chain's coin; half of
    /// it goes to whoever proves it.
    #[serde(default = "defaults::penalty")]
    pub penalty: Coins,
}

/// The federation's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FederationId(pub [u8; 32]);

impl Plan {
    /// Parses and cross-checks a plan; `file` is the name that errors show.
    ///
    /// # Errors
    /// [`PlanError`] names line and key and says what to write.
    pub fn parse(text: &str, file: &str) -> Result<Self, PlanError> {
        if text.len() > MAX_PLAN_BYTES {
            return Err(PlanError::too_long(file, text.len()));
        }
        let terms: Terms = toml::from_str(text).map_err(|e| PlanError::syntax(file, text, &e))?;
        let plan = Self {
            text: text.to_owned(),
            terms,
        };
        plan.consistent().map_err(|e| e.locate(file, text))?;
        Ok(plan)
    }

    /// The plan's text, as signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// keccak256 of the text.
    pub fn hash(&self) -> [u8; 32] {
        keccak(self.text.as_bytes())
    }

    /// The tables.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The federation's id.
    pub fn federation(&self) -> FederationId {
        self.terms.federation.id
    }

    /// Whether updates are masked.
    pub fn masked(&self) -> bool {
        self.terms.masking.mode == MaskMode::Lwe
    }

    /// How far one grid unit of an aggregate moves a parameter under plain averaging.
    pub fn parameter_step(&self) -> f64 {
        self.grid_unit() * self.terms.training.server_learning_rate
    }

    /// How far one grid unit of a coalition's mean moves a parameter where the coalition is valued: as under plain averaging, and
    /// by the mean itself under an adaptive optimiser, whose rate is of a step of another length.
    pub fn value_step(&self) -> f64 {
        match self.terms.training.server {
            ServerName::FedAvg | ServerName::FedAvgM => self.parameter_step(),
            ServerName::FedAdagrad | ServerName::FedAdam | ServerName::FedYogi => self.grid_unit(),
        }
    }

    /// What one grid unit of an aggregate is, in the model's unit; with a clip norm that adapts, in the first round.
    pub fn grid_unit(&self) -> f64 {
        let (privacy, training) = (&self.terms.privacy, &self.terms.training);
        match (privacy.unit, privacy.mode) {
            // The sum of all local steps: each moved the local model by so much.
            (Unit::Record, Mode::DpSgd) => privacy.step * training.learning_rate / training.batch as f64,
            (Unit::Record, _) => privacy.step / training.batch as f64,
            (Unit::Institution, _) => privacy.step,
        }
    }

    /// Signatures that a round needs before it is posted.
    pub fn settlement_threshold(&self) -> usize {
        let majority = self.terms.rounds.quorum / 2 + 1;
        self.terms.settlement.threshold.unwrap_or_else(|| majority.max(2))
    }

    /// How long a stage waits.
    pub fn stage_time(&self) -> Duration {
        Duration::from_secs_f64(self.terms.rounds.stage_seconds)
    }

    /// How long a member may be gone before it isn't waited for.
    pub fn grace(&self) -> Duration {
        Duration::from_secs_f64(self.terms.rounds.grace_seconds)
    }

    /// How long the first round waits for all members.
    pub fn join_time(&self) -> Duration {
        Duration::from_secs_f64(self.terms.rounds.join_seconds)
    }
}

impl Default for Settlement {
    fn default() -> Self {
        Self {
            threshold: None,
            activation_seconds: defaults::activation_seconds(),
            penalty: defaults::penalty(),
        }
    }
}

impl fmt::Display for FederationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for FederationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FederationId({self})")
    }
}

impl From<FederationId> for String {
    fn from(id: FederationId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for FederationId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let node: NodeId = text
            .parse()
            .map_err(|_| format!("expected 64 hex digits, got {} characters", text.len()))?;
        Ok(Self(node.0))
    }
}

mod defaults {
    use xfl_privacy::Relation;

    pub(super) fn stage_seconds() -> f64 {
        60.0
    }
    pub(super) fn grace_seconds() -> f64 {
        5.0
    }
    pub(super) fn join_seconds() -> f64 {
        30.0
    }
    pub(super) fn attempts() -> u32 {
        3
    }
    pub(super) fn one() -> f64 {
        1.0
    }
    pub(super) fn learning_rate() -> f64 {
        0.1
    }
    pub(super) fn epochs() -> usize {
        1
    }
    pub(super) fn relation() -> Relation {
        Relation::ZeroOut
    }
    pub(super) fn delta() -> f64 {
        1e-5
    }
    pub(super) fn signal() -> f64 {
        0.5
    }
    pub(super) fn colluders() -> usize {
        1
    }
    pub(super) fn activation_seconds() -> u64 {
        3_600
    }
    pub(super) fn penalty() -> super::Coins {
        // A tenth of a coin.
        super::Coins {
            wei: 100_000_000_000_000_000,
        }
    }
}
