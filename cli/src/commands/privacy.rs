//! `xfl privacy`: what noise is worth, without a federation around it.

use crate::{
    failure::Failure,
    printer::{Outcome, Printer},
};

mod calibrate;
mod epsilon;
mod explain;
mod question;

/// Arguments of `xfl privacy`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, clap::Subcommand)]
enum Question {
    /// Epsilon of Gaussian noise: how much any number of noisy steps gives away.
    Epsilon(epsilon::Args),
    /// The smallest noise multiplier that keeps a promised epsilon.
    Calibrate(calibrate::Args),
    /// What a plan means for an institution, in plain words.
    Explain(explain::Args),
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    match &args.question {
        Question::Epsilon(args) => epsilon::run(args, printer),
        Question::Calibrate(args) => calibrate::run(args, printer),
        Question::Explain(args) => explain::run(args, printer),
    }
}
