//! `xfl privacy`: what noise is worth, without a federation around it.

use crate::{
    failure::Failure,
    printer::{Outcome, Printer},
};

mod audit;
mod calibrate;
mod epsilon;
mod explain;
mod plot;
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
    /// Draw epsilon over the steps, and the trade-off between an attacker's two errors.
    Plot(plot::Args),
    /// Attack a plan's protection on a data file: lower bounds on epsilon, beside what is claimed.
    Audit(audit::Args),
    /// What a plan means for an institution, in plain words.
    Explain(explain::Args),
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    match &args.question {
        Question::Epsilon(args) => epsilon::run(args, printer),
        Question::Calibrate(args) => calibrate::run(args, printer),
        Question::Plot(args) => plot::run(args, printer),
        Question::Audit(args) => audit::run(args, printer),
        Question::Explain(args) => explain::run(args, printer),
    }
}
