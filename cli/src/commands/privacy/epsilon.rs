//! `xfl privacy epsilon`: what noise gives away.

use xfl_privacy::accounting::{Composition, Step};

use super::question::{Common, Noise};
use crate::{
    failure::Failure,
    printer::{Outcome, Printer, list},
};

/// Arguments of `xfl privacy epsilon`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    noise: Noise,
    #[command(flatten)]
    common: Common,
}

/// Runs the command.
pub(super) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let noise = args.noise.checked()?;
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
