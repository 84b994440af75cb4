//! `xfl privacy calibrate`: the noise that a promise needs.

use serde_json::json;
use xfl_privacy::{
    Epsilon,
    accounting::{CalibrationError, Composition, Step},
};

use super::question::{Common, parameter};
use crate::{
    failure::Failure,
    printer::{Outcome, Printer, list},
};

/// Arguments of `xfl privacy calibrate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The most that all steps together may give away.
    #[arg(long, allow_negative_numbers = true, env = "XFL_EPSILON", hide_env_values = true)]
    epsilon: f64,
    #[command(flatten)]
    common: Common,
}

/// Runs the command.
pub(super) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let target = Epsilon::new(args.epsilon).map_err(parameter("--epsilon"))?;
    let question = args.common.checked(printer)?;
    let noise = question
        .accountant
        .noise_multiplier(target, question.delta, question.sampling, question.steps)
        .map_err(failure)?;
    let step = Step {
        noise,
        sampling: question.sampling,
    };
    let reached = question
        .accountant
        .epsilon(&Composition::of(step, question.steps), question.delta);
    let mut data = question.json(&step, reached);
    data["target"] = json!(target);
    let mut rows = vec![
        // Rounded up: what is printed keeps the promise too.
        vec![
            "noise multiplier".to_owned(),
            ((noise.get() * 1e6).ceil() / 1e6).to_string(),
        ],
        vec!["epsilon".to_owned(), format!("{reached} of {target}")],
        vec!["delta".to_owned(), question.delta.to_string()],
    ];
    rows.extend(question.rows(&step));
    Outcome::new(data, list(&rows))
}

fn failure(error: CalibrationError) -> Failure {
    let text = error.to_string();
    match text.split_once("; ") {
        Some((what, hint)) => Failure::usage(what).hint(hint),
        None => Failure::usage(text),
    }
}
