//! Cross-checks: keys that are each fine alone and wrong together.

use xfl_privacy::{
    Delta, Guarantee, Mode, Protection, Sight, SignalFraction, SignalToNoise, Verdict, mask::MaskParams,
};

use super::{Coins, MaskMode, Plan, PlanError, RuleName, ScoreKind, ServerName, StageName};

/// A plan seen together with a model's dimension and a cohort's size.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What to tell people before a round begins.
    pub findings: Vec<Finding>,
    /// The masked mode's parameters, where the plan asks for it.
    pub mask: Option<MaskParams>,
    /// The ratio that decides whether a robust rule can tell updates apart.
    pub signal_to_noise: Option<f64>,
}

/// One thing worth saying about a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it should make people stop and think.
    pub warning: bool,
    /// What it is.
    pub text: String,
}

impl Plan {
    pub(super) fn consistent(&self) -> Result<(), PlanError> {
        let t = &self.terms;
        t.data
            .validate()
            .map_err(|e| PlanError::at("data", e.to_string(), "see `xfl init` for an example"))?;
        bounded("rounds.count", t.rounds.count, 1, 1_000_000)?;
        bounded("rounds.quorum", t.rounds.quorum as u64, 2, 10_000)?;
        bounded("rounds.attempts", u64::from(t.rounds.attempts), 1, 1_000)?;
        seconds("rounds.stage_seconds", t.rounds.stage_seconds, 0.05)?;
        seconds("rounds.grace_seconds", t.rounds.grace_seconds, 0.0)?;
        seconds("rounds.join_seconds", t.rounds.join_seconds, 0.0)?;
        bounded("training.batch", t.training.batch as u64, 1, 1 << 24)?;
        bounded("training.epochs", t.training.epochs as u64, 1, 1 << 20)?;
        positive("training.learning_rate", t.training.learning_rate)?;
        positive("training.server_learning_rate", t.training.server_learning_rate)?;
        bounded(
            "settlement.activation_seconds",
            t.settlement.activation_seconds,
            1,
            365 * 86_400,
        )?;
        self.penalty_hurts()?;
        self.rule_parameters()?;
        self.rule_fits_quorum()?;
        self.server_parameters()?;
        self.scores_fit()?;
        self.threshold_fits_quorum()?;
        self.masking_is_possible()?;
        self.privacy_is_consistent()
    }

    /// Checks what needs the model: `d` parameters, `n` members.
    ///
    /// # Errors
    /// [`PlanError`] where noise would decide the rule or the rewards, or where masked sums could overflow.
    pub fn check(&self, d: usize, n: usize) -> Result<Checked, PlanError> {
        self.scores_fit_members(n)?;
        self.rule_fits_members(n)?;
        let mechanism = self.mechanism(d)?;
        let p = &self.terms.privacy;
        let mut findings = Vec::new();
        findings.extend(self.heaviest());
        let mut say = |warning, text: String| findings.push(Finding { warning, text });
        let count = self.terms.rounds.count;
        if mechanism.protection() == Protection::None {
            say(true, "noise is off: epsilon is infinite".into());
        } else {
            let wrong = |e: String| PlanError::at("privacy.delta", e, "write a probability such as 1e-5");
            let delta = Delta::new(p.delta).map_err(|e| wrong(e.to_string()))?;
            let guarantee = Guarantee::of(&mechanism, count, delta);
            let how = guarantee.accountant;
            say(
                false,
                format!("{count} rounds cost each institution {guarantee}, {how} accounting"),
            );
            say(false, format!("mode {}: {}", p.mode, p.mode.adversary()));
            if p.mode == Mode::Distributed {
                let (honest, dishonest) = (self.honest(), self.dishonest());
                let text = format!(
                    "every sum holds the shares of {honest} honest institutions at least, {dishonest} dishonest ones not counted on: each adds \
                     {} of the {} grid steps of noise promised",
                    mechanism.sigma(),
                    mechanism.promised_sigma()
                );
                say(false, text);
                if dishonest == 0 {
                    let text = "dishonest = 0: a member that takes its own share off the sum is not covered by epsilon";
                    say(true, text.into());
                }
            }
            if p.mode == Mode::DpFtrl {
                let (batch, separation) = (self.terms.training.batch, mechanism.block());
                let carried = mechanism.summed_sigma(count);
                let each = mechanism.sensitivity() as f64 / (2.0 * mechanism.rho_per_release().get()).sqrt();
                let text = format!(
                    "a record is used at most once in any {separation} rounds, so every institution needs {} records; the updates of {count} rounds \
                     together carry {carried:.0} grid steps of noise, independent noise of the same cost would be {:.0}",
                    batch as u64 * u64::from(separation),
                    each * (count as f64).sqrt()
                );
                say(false, text);
                if !self.averages() || self.terms.training.server != ServerName::FedAvg {
                    let text = "noise that is taken back cancels in sums: under this rule or server optimiser part of it stays (epsilon holds)";
                    say(true, text.into());
                }
            }
        }
        let fraction = SignalFraction::new(p.signal_fraction).unwrap_or(SignalFraction::HALF);
        let snr = SignalToNoise::of(&mechanism, fraction);
        let single =
            matches!(p.mode, Mode::Local | Mode::DpSgd | Mode::DpFtrl) && mechanism.protection() != Protection::None;
        let ratio = single.then_some(snr.ratio);
        if ratio.is_some() {
            let text = format!(
                "one update's signal {:.0} over its noise {:.0} (grid steps, unit {}): ratio {:.2}",
                snr.signal, snr.noise, p.unit, snr.ratio
            );
            let decides = !self.averages() || self.scores_single_updates();
            let sight = self.sight();
            match snr.verdict_for(sight) {
                Verdict::Refuse if decides => {
                    let least = sight.refused_under();
                    let what = format!("{text}: under {least:.2}, noise would decide the rule or the rewards");
                    let hint = "lower privacy.noise_multiplier, raise training.batch, take a smaller model, or use rule = \"mean\" with score kind = \"participation\"";
                    return Err(PlanError::at("privacy.noise_multiplier", what, hint));
                }
                Verdict::Good => say(false, text),
                _ => say(true, format!("{text}: under 3, a robust rule sees poorly")),
            }
        }
        let mask = if self.masked() {
            Some(crate::round::mask::params(self, d, n)?)
        } else {
            None
        };
        Ok(Checked {
            findings,
            mask,
            signal_to_noise: ratio,
        })
    }

    /// Whether the rule or the rewards look at single updates.
    pub fn needs_single_updates(&self) -> bool {
        !self.sums_only() || self.scores_single_updates()
    }

    /// Whether the rewards look at single updates.
    fn scores_single_updates(&self) -> bool {
        self.terms.score.kind != ScoreKind::Participation || self.terms.reward.copies_ppm.is_some()
    }

    /// Whether the aggregate is a mean, by weights that don't depend on what the updates say.
    fn averages(&self) -> bool {
        let a = &self.terms.aggregation;
        matches!(a.rule, RuleName::Mean | RuleName::WeightedMean) && a.pre.is_empty()
    }

    /// What the plan's rule and rewards go by, whichever needs more signal.
    fn sight(&self) -> Sight {
        let t = &self.terms;
        let near = [RuleName::Krum, RuleName::MultiKrum, RuleName::Bulyan, RuleName::Mda];
        let by_nearness = near.contains(&t.aggregation.rule) || t.aggregation.pre.contains(&StageName::Nnm);
        if by_nearness || self.scores_single_updates() {
            Sight::Nearness
        } else {
            Sight::Values
        }
    }

    /// Whether the aggregate is a function of the updates' sum.
    pub(super) fn sums_only(&self) -> bool {
        let a = &self.terms.aggregation;
        a.rule == RuleName::Mean && a.pre.is_empty()
    }

    /// A lie that costs nothing deters nobody, and a penalty that nobody can stake is a slip of the pen.
    fn penalty_hurts(&self) -> Result<(), PlanError> {
        let (got, most) = (self.terms.settlement.penalty, Coins::whole(1_000_000));
        if got.wei > 0 && got <= most {
            return Ok(());
        }
        Err(PlanError::at(
            "settlement.penalty",
            format!("a lie costs {got} coins"),
            format!("write an amount above 0 and at most {most}, such as 0.1"),
        ))
    }

    fn threshold_fits_quorum(&self) -> Result<(), PlanError> {
        let (quorum, threshold) = (self.terms.rounds.quorum, self.settlement_threshold());
        if threshold < 2 || threshold > quorum {
            let what = format!("{threshold} signatures are asked for, with a quorum of {quorum}");
            return Err(PlanError::at(
                "settlement.threshold",
                what,
                format!("write a number from 2 to {quorum}"),
            ));
        }
        Ok(())
    }

    fn masking_is_possible(&self) -> Result<(), PlanError> {
        let t = &self.terms;
        if t.masking.mode == MaskMode::None {
            return Ok(());
        }
        if !self.sums_only() {
            let hint =
                "write rule = \"mean\" and no pre: the coordinator of a masked round sees a sum, no single updates";
            return Err(PlanError::at(
                "aggregation.rule",
                "this rule needs single updates",
                hint,
            ));
        }
        if t.score.kind != ScoreKind::Participation {
            let hint =
                "write kind = \"participation\": the coordinator of a masked round sees a sum, no single updates";
            return Err(PlanError::at("score.kind", "this score needs single updates", hint));
        }
        if t.reward.copies_ppm.is_some() {
            let hint = "leave it out: the coordinator of a masked round sees a sum, no single updates";
            return Err(PlanError::at(
                "reward.copies_ppm",
                "copies are found among single updates",
                hint,
            ));
        }
        if t.masking.threshold == 0 {
            return Err(PlanError::at(
                "masking.threshold",
                "missing",
                "write how many members must agree before a sum is opened",
            ));
        }
        if t.rounds.quorum < t.masking.colluders.saturating_add(2) {
            let what = format!(
                "a sum over {} updates says too much with {} colluders",
                t.rounds.quorum, t.masking.colluders
            );
            return Err(PlanError::at(
                "rounds.quorum",
                what,
                format!("write quorum = {}", t.masking.colluders.saturating_add(2)),
            ));
        }
        if t.rounds.quorum < t.masking.threshold {
            let what = format!(
                "{} is less than masking.threshold = {}",
                t.rounds.quorum, t.masking.threshold
            );
            return Err(PlanError::at(
                "rounds.quorum",
                what,
                format!("write quorum = {}", t.masking.threshold),
            ));
        }
        Ok(())
    }
}

pub(super) fn bounded(key: &str, got: u64, least: u64, most: u64) -> Result<(), PlanError> {
    if (least..=most).contains(&got) {
        return Ok(());
    }
    Err(PlanError::at(
        key,
        format!("got {got}"),
        format!("write a number from {least} to {most}"),
    ))
}

pub(super) fn positive(key: &str, got: f64) -> Result<(), PlanError> {
    if got.is_finite() && got > 0.0 {
        return Ok(());
    }
    Err(PlanError::at(key, format!("got {got}"), "write a positive number"))
}

pub(super) fn fraction(key: &str, got: f64) -> Result<(), PlanError> {
    if got > 0.0 && got <= 1.0 {
        return Ok(());
    }
    Err(PlanError::at(
        key,
        format!("got {got}"),
        "write a fraction above 0 and at most 1",
    ))
}

fn seconds(key: &str, got: f64, least: f64) -> Result<(), PlanError> {
    if got.is_finite() && got >= least && got <= 1e7 {
        return Ok(());
    }
    Err(PlanError::at(
        key,
        format!("got {got}"),
        format!("write seconds, at least {least}"),
    ))
}
