//! `[privacy]`: whose privacy, who adds the noise, and what that rules out.
//!
//! | mode | updates travel | noise in an update | rule, score |
//! |---|---|---|---|
//! | local, dp-sgd, dp-ftrl | in the clear, or masked | all of it | any, or what masks allow |
//! | distributed | masked; to the coordinator alone with `trust_coordinator` | a share | mean, participation |
//! | central (`trust_coordinator`) | to the coordinator alone | none | mean, participation |
//!
//! An update that carries less than the promised noise must not be in a transcript that members and auditors read: such updates go *to the
//! coordinator alone* ([`Plan::sealed`]), and the transcript holds their sum.

use serde::Deserialize;
use xfl_privacy::{Delta, Mechanism, Mode, Noising, Relation, SampleRate, Settings, Unit};

use super::{MaskMode, Plan, PlanError, ScoreKind, check, defaults};

/// `[privacy]`: unit, mode, clipping, grid and noise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    /// What one unit of protection is: a record or the institution.
    pub unit: Unit,
    /// The neighbouring relation that every epsilon is stated under.
    #[serde(default = "defaults::relation")]
    pub relation: Relation,
    /// Who adds the noise.
    #[serde(default)]
    pub mode: Mode,
    /// Whether the institutions trust the coordinator with updates that carry no noise, or a share of it: modes central and distributed.
    #[serde(default)]
    pub trust_coordinator: bool,
    /// Institutions whose share of noise isn't counted on (mode distributed). Where absent those that masks tolerate, without masks one: a
    /// fellow member can take its own share off the sum.
    pub dishonest: Option<usize>,
    /// The most that a record's probability of being drawn for a local step may be (mode dp-sgd).
    pub sample_rate: Option<f64>,
    /// Local steps of a round (mode dp-sgd); 1 where absent.
    pub local_steps: Option<u32>,
    /// Rounds in a row of which a record takes part in at most one (mode dp-ftrl): every institution needs as many batches of records.
    pub separation: Option<u32>,
    /// The L2 bound of a unit's contribution; with `clip_quantile` that of the first round.
    pub clip: f64,
    /// Share of the units whose norm the clip norm should reach: it then moves from round to round. Fixed where absent.
    pub clip_quantile: Option<f64>,
    /// How fast it moves; 0.2 where absent.
    pub clip_rate: Option<f64>,
    /// Standard deviation of the noise on the count that it follows, in units. Where absent, five noise multipliers with unit `record`, which
    /// costs one hundredth of the noise's own loss, and one with unit `institution`, of which there are fewer: a quarter.
    pub count_noise: Option<f64>,
    /// The grid's step: an update's value is `step` times an integer.
    pub step: f64,
    /// Standard deviation of the noise over the clip; 0 turns noise off and makes epsilon infinite.
    pub noise_multiplier: f64,
    /// The delta at which epsilon is printed.
    #[serde(default = "defaults::delta")]
    pub delta: f64,
    /// The fraction of its bound that an honest update's signal is expected to reach.
    #[serde(default = "defaults::signal")]
    pub signal_fraction: f64,
}

/// How the clip norm follows the units' norms (Andrew, Thakkar, McMahan and Ramaswamy 2021, Algorithm 1): after a round in which the noised
/// share `b` of the units was within it, it is multiplied by `exp(-rate (b - quantile))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    /// Share of the units to reach.
    pub quantile: f64,
    /// The geometric step.
    pub rate: f64,
}

impl Plan {
    /// The privacy mechanism for a model of `d` parameters, as it is in the first round.
    ///
    /// # Errors
    /// The mechanism's own word on what is out of range, at `[privacy]`.
    pub fn mechanism(&self, d: usize) -> Result<Mechanism, PlanError> {
        let p = &self.terms.privacy;
        let batch = (p.unit == Unit::Record).then(|| u32::try_from(self.terms.training.batch).unwrap_or(u32::MAX));
        Mechanism::try_from(Settings {
            unit: p.unit,
            relation: p.relation,
            clip_norm: p.clip,
            grid_step: p.step,
            noise_multiplier: p.noise_multiplier,
            batch,
            dimension: d as u64,
            noising: self.noising()?,
            count_noise: p
                .clip_quantile
                .map(|_| p.count_noise.unwrap_or(self.usual_count_noise())),
        })
        .map_err(|e| PlanError::at("privacy", e.to_string(), "adjust clip, step or noise_multiplier"))
    }

    fn usual_count_noise(&self) -> f64 {
        let p = &self.terms.privacy;
        p.noise_multiplier * if p.unit == Unit::Record { 5.0 } else { 1.0 }
    }

    /// The mode with its numbers.
    fn noising(&self) -> Result<Noising, PlanError> {
        let p = &self.terms.privacy;
        Ok(match p.mode {
            Mode::Local => Noising::Local,
            Mode::Central => Noising::Central,
            Mode::Distributed => Noising::Distributed {
                honest: u32::try_from(self.honest()).unwrap_or(u32::MAX),
            },
            Mode::DpSgd => {
                let hint =
                    "write the batch over the records of the smallest institution, for example sample_rate = 0.1";
                let rate = p
                    .sample_rate
                    .ok_or_else(|| PlanError::at("privacy.mode", "mode dp-sgd needs privacy.sample_rate", hint))?;
                Noising::DpSgd {
                    rate: SampleRate::new(rate)
                        .map_err(|e| PlanError::at("privacy.sample_rate", e.to_string(), hint))?,
                    steps: p.local_steps.unwrap_or(1),
                }
            }
            Mode::DpFtrl => Noising::DpFtrl {
                separation: p.separation.ok_or_else(|| {
                    let hint =
                        "write how many batches of records the smallest institution has, for example separation = 16";
                    PlanError::at("privacy.mode", "mode dp-ftrl needs privacy.separation", hint)
                })?,
                rounds: self.terms.rounds.count,
            },
        })
    }

    /// Honest contributors that every sum has at least: the quorum less the dishonest.
    pub fn honest(&self) -> usize {
        self.terms.rounds.quorum.saturating_sub(self.dishonest())
    }

    /// Institutions whose noise isn't counted on.
    pub fn dishonest(&self) -> usize {
        let fellow = if self.masked() { self.terms.masking.colluders } else { 1 };
        self.terms.privacy.dishonest.unwrap_or(fellow)
    }

    /// Whether updates go to the coordinator alone, so that the transcript holds their sum and none of them.
    pub fn sealed(&self) -> bool {
        matches!(self.terms.privacy.mode, Mode::Central | Mode::Distributed) && !self.masked()
    }

    /// How the clip norm moves, if it does.
    pub fn adaptive(&self) -> Option<Adaptive> {
        let p = &self.terms.privacy;
        p.clip_quantile.map(|quantile| Adaptive {
            quantile,
            rate: p.clip_rate.unwrap_or(0.2),
        })
    }

    pub(super) fn privacy_is_consistent(&self) -> Result<(), PlanError> {
        let p = &self.terms.privacy;
        check::positive("privacy.clip", p.clip)?;
        check::positive("privacy.step", p.step)?;
        check::fraction("privacy.signal_fraction", p.signal_fraction)?;
        Delta::new(p.delta)
            .map_err(|e| PlanError::at("privacy.delta", e.to_string(), "write a probability such as 1e-5"))?;
        let z = p.noise_multiplier;
        if !(z.is_finite() && z >= 0.0) {
            let hint = "write 0 or a positive number";
            return Err(PlanError::at("privacy.noise_multiplier", format!("got {z}"), hint));
        }
        self.mode_has_its_keys_and_no_others()?;
        self.clip_can_adapt()?;
        self.trust_is_said()?;
        self.noising().map(|_| ())
    }

    fn mode_has_its_keys_and_no_others(&self) -> Result<(), PlanError> {
        let p = &self.terms.privacy;
        let strangers = [
            ("privacy.dishonest", p.dishonest.is_some(), Mode::Distributed),
            ("privacy.sample_rate", p.sample_rate.is_some(), Mode::DpSgd),
            ("privacy.local_steps", p.local_steps.is_some(), Mode::DpSgd),
            ("privacy.separation", p.separation.is_some(), Mode::DpFtrl),
        ];
        for (key, written, mode) in strangers {
            if written && p.mode != mode {
                let hint = format!("leave it out, or write mode = \"{mode}\"");
                return Err(PlanError::at(key, format!("mode {} has no use for it", p.mode), hint));
            }
        }
        let quorum = self.terms.rounds.quorum;
        if p.mode == Mode::Distributed && self.honest() == 0 {
            let what = format!(
                "{} dishonest institutions leave none of a quorum of {quorum}",
                self.dishonest()
            );
            return Err(PlanError::at(
                "privacy.dishonest",
                what,
                format!("write at most {}", quorum - 1),
            ));
        }
        let colluders = self.terms.masking.colluders;
        if p.mode == Mode::Distributed && self.masked() && self.dishonest() < colluders {
            let what = format!(
                "{} is less than masking.colluders = {colluders}, who know their shares",
                self.dishonest()
            );
            return Err(PlanError::at(
                "privacy.dishonest",
                what,
                format!("write at least {colluders}"),
            ));
        }
        if p.mode == Mode::DpSgd {
            let rate = p.sample_rate.unwrap_or(1.0);
            check::fraction("privacy.sample_rate", rate)?;
            if p.unit != Unit::Record {
                let hint = "write unit = \"record\", or another mode";
                return Err(PlanError::at("privacy.unit", "mode dp-sgd protects records", hint));
            }
            if p.relation != Relation::ZeroOut {
                let hint = "write relation = \"zero-out\"";
                let what = "drawing records by coins is accounted for under zero-out only";
                return Err(PlanError::at("privacy.relation", what, hint));
            }
            check::bounded(
                "privacy.local_steps",
                p.local_steps.unwrap_or(1).into(),
                1,
                xfl_privacy::MAX_LOCAL_STEPS.into(),
            )?;
        }
        if p.mode == Mode::DpFtrl {
            self.noise_can_be_carried()?;
        }
        Ok(())
    }

    fn noise_can_be_carried(&self) -> Result<(), PlanError> {
        let p = &self.terms.privacy;
        if p.unit != Unit::Record {
            let hint = "write unit = \"record\", or another mode";
            return Err(PlanError::at("privacy.unit", "mode dp-ftrl protects records", hint));
        }
        if p.clip_quantile.is_some() {
            let hint = "leave clip_quantile out";
            let what = "mode dp-ftrl carries noise from round to round on one grid, so that the clip norm stays";
            return Err(PlanError::at("privacy.clip_quantile", what, hint));
        }
        // A separation beyond the rounds would only ask for records that are never used.
        let most = self.terms.rounds.count.clamp(2, xfl_privacy::MAX_SEPARATION.into());
        check::bounded("privacy.separation", p.separation.unwrap_or(2).into(), 2, most)
    }

    fn clip_can_adapt(&self) -> Result<(), PlanError> {
        let p = &self.terms.privacy;
        let Some(quantile) = p.clip_quantile else {
            for (key, written) in [
                ("privacy.clip_rate", p.clip_rate.is_some()),
                ("privacy.count_noise", p.count_noise.is_some()),
            ] {
                if written {
                    let hint = "leave it out, or write clip_quantile = 0.5";
                    return Err(PlanError::at(key, "a clip norm that stays has no use for it", hint));
                }
            }
            return Ok(());
        };
        check::fraction("privacy.clip_quantile", quantile)?;
        check::positive("privacy.clip_rate", p.clip_rate.unwrap_or(0.2))?;
        check::positive("privacy.count_noise", p.count_noise.unwrap_or(1.0))?;
        if p.noise_multiplier == 0.0 {
            let hint = "write a noise_multiplier, or leave clip_quantile out";
            return Err(PlanError::at(
                "privacy.clip_quantile",
                "counting norms needs noise",
                hint,
            ));
        }
        if !self.sums_only() {
            let hint = "write rule = \"mean\" and no pre: the count is an average over institutions";
            return Err(PlanError::at(
                "privacy.clip_quantile",
                "this rule averages nothing",
                hint,
            ));
        }
        if self.terms.score.kind != ScoreKind::Participation {
            let hint = "write score kind = \"participation\"";
            return Err(PlanError::at(
                "privacy.clip_quantile",
                "scores are made for a clip norm that stays",
                hint,
            ));
        }
        Ok(())
    }

    /// Modes under which single updates carry less than the promised noise.
    fn trust_is_said(&self) -> Result<(), PlanError> {
        let (p, masked) = (&self.terms.privacy, self.terms.masking.mode == MaskMode::Lwe);
        let partial = matches!(p.mode, Mode::Central | Mode::Distributed);
        if !partial {
            if p.trust_coordinator {
                let hint = "leave it out: in this mode nobody needs to be trusted";
                let what = format!("mode {} asks for no trust", p.mode);
                return Err(PlanError::at("privacy.trust_coordinator", what, hint));
            }
            return Ok(());
        }
        if p.mode == Mode::Central && masked {
            let hint = "write mode = \"distributed\" with masks, or masking mode = \"none\"";
            let what = "masked sums are opened without the coordinator's noise";
            return Err(PlanError::at("privacy.mode", what, hint));
        }
        if !masked && !p.trust_coordinator {
            let what = format!(
                "in mode {} the coordinator would see updates with {} noise",
                p.mode,
                match p.mode {
                    Mode::Central => "no",
                    _ => "a share of the",
                }
            );
            let hint = "write masking mode = \"lwe\" (mode distributed), or trust_coordinator = true if every institution does";
            return Err(PlanError::at("privacy.mode", what, hint));
        }
        if self.needs_single_updates() {
            let hint = "write rule = \"mean\" without pre, score kind = \"participation\" and no reward.copies_ppm";
            let what = format!(
                "mode {} protects a sum, and rule or rewards look at single updates",
                p.mode
            );
            return Err(PlanError::at("privacy.mode", what, hint));
        }
        Ok(())
    }
}
