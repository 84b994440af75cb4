//! What the questions of `xfl privacy` have in common: who takes part, how often, and how loss is counted.

use serde_json::{Value, json};
use xfl_privacy::{
    Delta, Epsilon, NoiseMultiplier, ParameterError, SampleRate, Unit,
    accounting::{Accountant, Neighbours, Sampling, Step},
};

use crate::{failure::Failure, printer::Printer};

/// How much noise is asked about.
#[derive(Debug, clap::Args)]
pub(super) struct Noise {
    /// Standard deviation of the noise over the sensitivity; 0 for none. Under replacement (fixed) the sensitivity is two clip norms.
    #[arg(
        long,
        allow_negative_numbers = true,
        env = "XFL_NOISE_MULTIPLIER",
        hide_env_values = true
    )]
    noise_multiplier: f64,
}

impl Noise {
    pub(super) fn checked(&self) -> Result<NoiseMultiplier, Failure> {
        NoiseMultiplier::new(self.noise_multiplier).map_err(parameter("--noise-multiplier"))
    }
}

/// Arguments that every question has.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// Share of the records that takes part in a step: the batch size over the number of records.
    #[arg(
        long,
        default_value_t = 1.0,
        allow_negative_numbers = true,
        env = "XFL_SAMPLE_RATE",
        hide_env_values = true
    )]
    sample_rate: f64,
    /// How often noise is added to a sum over the data; 1e6 may be written for a million.
    #[arg(
        long,
        default_value = "1",
        value_parser = steps,
        allow_negative_numbers = true,
        env = "XFL_STEPS",
        hide_env_values = true
    )]
    pub(super) steps: u64,
    /// The probability with which epsilon may fail: less than one over the number of records.
    #[arg(
        long,
        default_value_t = 1e-5,
        allow_negative_numbers = true,
        env = "XFL_DELTA",
        hide_env_values = true
    )]
    delta: f64,
    /// How loss is counted: pld is the tightest, rdp compares with other libraries, zcdp ignores sampling.
    #[arg(
        long,
        value_enum,
        default_value_t = Counted::Pld,
        env = "XFL_ACCOUNTANT",
        hide_env_values = true
    )]
    accountant: Counted,
    /// How records are drawn: poisson (a coin for each), fixed (that many without replacement) or none (all of them).
    #[arg(
        long,
        value_enum,
        default_value_t = Drawn::Poisson,
        env = "XFL_SAMPLING",
        hide_env_values = true
    )]
    sampling: Drawn,
    /// Whose privacy: a record, or an institution's whole update (which is never sampled).
    #[arg(
        long,
        value_enum,
        default_value_t = Whose::Record,
        env = "XFL_UNIT",
        hide_env_values = true
    )]
    unit: Whose,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Counted {
    Zcdp,
    Rdp,
    Pld,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Drawn {
    Poisson,
    Fixed,
    None,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Whose {
    Record,
    Institution,
}

/// A whole number, also written as 1e9.
fn steps(text: &str) -> Result<u64, String> {
    if let Ok(steps) = text.parse() {
        return Ok(steps);
    }
    let expected = "expected a whole number from 0 to 2^63, such as 1000 or 1e6";
    let number: f64 = text.parse().map_err(|_| expected.to_owned())?;
    if number.fract() == 0.0 && (0.0..=9.3e18).contains(&number) {
        Ok(number as u64)
    } else {
        Err(expected.to_owned())
    }
}

/// A checked question, all but its noise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    pub(super) sampling: Sampling,
    pub(super) steps: u64,
    pub(super) delta: Delta,
    pub(super) accountant: Accountant,
    unit: Unit,
}

impl Common {
    /// Checks the arguments against each other.
    pub(super) fn checked(&self, printer: &Printer) -> Result<Checked, Failure> {
        let rate = SampleRate::new(self.sample_rate).map_err(parameter("--sample-rate"))?;
        let delta = Delta::new(self.delta).map_err(parameter("--delta"))?;
        let (unit, sampled) = match self.unit {
            Whose::Record => (Unit::Record, self.sampling != Drawn::None),
            Whose::Institution => (Unit::Institution, false),
        };
        if unit == Unit::Institution && self.sampling != Drawn::None && rate.get() < 1.0 {
            return Err(
                Failure::usage("institutions can't be sampled: which of them take part is published")
                    .hint("leave --sample-rate out, or ask for --unit record"),
            );
        }
        if !sampled && rate.get() < 1.0 {
            printer.warn("without sampling the sample rate counts for nothing: every record takes part in every step");
        }
        let sampling = match self.sampling {
            Drawn::Poisson if sampled => Sampling::Poisson(rate),
            Drawn::Fixed if sampled => Sampling::Fixed(rate),
            _ => Sampling::None,
        };
        let accountant = match self.accountant {
            Counted::Zcdp => Accountant::Zcdp,
            Counted::Rdp => Accountant::Rdp,
            Counted::Pld => Accountant::Pld,
        };
        Ok(Checked {
            sampling,
            steps: self.steps,
            delta,
            accountant,
            unit,
        })
    }
}

/// A number out of range, with its flag; what to write instead becomes the hint.
pub(super) fn parameter(flag: &'static str) -> impl Fn(ParameterError) -> Failure {
    move |error| {
        let text = error.to_string();
        match text.split_once("; ") {
            Some((what, hint)) => Failure::usage(format!("{flag}: {what}")).hint(hint),
            None => Failure::usage(format!("{flag}: {text}")),
        }
    }
}

impl Checked {
    /// Under which change the answer holds.
    pub(super) fn neighbours(&self, step: &Step) -> Neighbours {
        step.neighbours()
    }

    /// The answer for machines.
    pub(super) fn json(&self, step: &Step, epsilon: Epsilon) -> Value {
        let neighbours = self.neighbours(step);
        json!({
            "epsilon": epsilon.is_finite().then(|| epsilon.get()),
            "infinite": !epsilon.is_finite(),
            "delta": self.delta,
            "unit": self.unit,
            "neighbours": neighbours,
            "noise_multiplier": step.noise,
            "sensitivity_in_clip_norms": neighbours.clip_norms(),
            "noise_in_clip_norms": step.noise.get() * f64::from(neighbours.clip_norms()),
            "sampling": name(self.sampling),
            "sample_rate": rate(self.sampling),
            "steps": self.steps,
            "accountant": self.accountant,
        })
    }

    /// What gives the answer its meaning, for people, a row each.
    pub(super) fn rows(&self, step: &Step) -> Vec<Vec<String>> {
        let neighbours = self.neighbours(step);
        let change = match neighbours {
            Neighbours::ZeroOut => "its contribution replaced by zero",
            Neighbours::AddRemove => "added or removed",
            Neighbours::Replace => "replaced by any other",
        };
        let unit = self.unit;
        let noise = match neighbours.clip_norms() {
            1 => "the standard deviation in clip norms".to_owned(),
            n => format!("the standard deviation over the sensitivity of {n} clip norms"),
        };
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        vec![
            row("unit", unit.to_string()),
            row("neighbours", format!("{neighbours}: one {unit} {change}")),
            row("noise multiplier", format!("{}: {noise}", step.noise.get())),
            row("sampling", self.drawn()),
            row("steps", self.steps.to_string()),
            row(
                "accountant",
                format!("{}: {}", self.accountant, counted(self.accountant)),
            ),
        ]
    }

    fn drawn(&self) -> String {
        match (self.sampling, self.accountant) {
            (Sampling::None, _) => format!("none: every {} takes part in every step", self.unit),
            (sampling, Accountant::Zcdp) => {
                format!(
                    "{} at {}, which zcdp counts as if everybody took part",
                    name(sampling),
                    rate(sampling)
                )
            }
            (sampling, _) => format!(
                "{} at {}, drawn from entropy that nobody sees",
                name(sampling),
                rate(sampling)
            ),
        }
    }
}

fn name(sampling: Sampling) -> &'static str {
    match sampling {
        Sampling::None => "none",
        Sampling::Poisson(_) => "poisson",
        Sampling::Fixed(_) => "fixed",
    }
}

fn rate(sampling: Sampling) -> f64 {
    match sampling {
        Sampling::None => 1.0,
        Sampling::Poisson(rate) | Sampling::Fixed(rate) => rate.get(),
    }
}

fn counted(accountant: Accountant) -> &'static str {
    match accountant {
        Accountant::Zcdp => "zero-concentrated divergence, never below the true value",
        Accountant::Rdp => "Rényi divergences, never below the true value",
        Accountant::Pld => "the privacy loss distribution, never below the true value",
    }
}
