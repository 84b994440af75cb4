//! `xfl privacy epsilon`: what noise gives away.

use xfl_privacy::{
    NoiseMultiplier,
    accounting::{Composition, Step},
};

use super::question::{Common, parameter};
use crate::{
    failure::Failure,
    printer::{Outcome, Printer, list},
};

/// Arguments of `xfl privacy epsilon`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Standard deviation of the noise over the sensitivity; 0 for none. Under replacement (fixed) the sensitivity is two clip norms.
    #[arg(
        long,
        allow_negative_numbers = true,
        env = "XFL_NOISE_MULTIPLIER",
        hide_env_values = true
    )]
    noise_multiplier: f64,
    #[command(flatten)]
    common: Common,
}

/// Runs the command.
pub(super) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let noise = NoiseMultiplier::new(args.noise_multiplier).map_err(parameter("--noise-multiplier"))?;
    let question = args.common.checked(printer)?;
    let step = Step {
        noise,
        sampling: question.sampling,
    };
    let epsilon = question
        .accountant
        .epsilon(&Composition::of(step, question.steps), question.delta);
    let mut rows = vec![
        vec!["epsilon".to_owned(), epsilon.to_string()],
        vec!["delta".to_owned(), question.delta.to_string()],
    ];
    rows.extend(question.rows(&step));
    Outcome::new(question.json(&step, epsilon), list(&rows))
}
