//! The commands, a file each.

pub(crate) mod aggregate;
pub(crate) mod attack;
pub(crate) mod audit;
pub(crate) mod budget;
pub(crate) mod chain;
pub(crate) mod challenge;
pub(crate) mod claim;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod evaluate;
pub(crate) mod init;
pub(crate) mod join;
pub(crate) mod keygen;
pub(crate) mod member;
pub(crate) mod privacy;
pub(crate) mod round;
pub(crate) mod score;
pub(crate) mod settle;
pub(crate) mod simulate;
pub(crate) mod stake;
pub(crate) mod status;

use crate::{
    failure::Failure,
    printer::{Outcome, Printer},
};

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Begin a federation: a commented plan, the coordinator's keys, an empty list of members.
    Init(init::Args),
    /// Make a node key and a payout key for an institution.
    Keygen(keygen::Args),
    /// Edit the list of who may take part.
    Member(member::Args),
    /// Coordinate a federation's rounds; started again after a crash it goes on.
    Round(Box<round::Args>),
    /// Take part in a federation as an institution.
    Join(Box<join::Args>),
    /// Show what an institution has spent of its privacy, and what a plan would cost it.
    Budget(budget::Args),
    /// Show where a run stands.
    Status(status::Args),
    /// Measure a model on a data file.
    Evaluate(evaluate::Args),
    /// Replay a federation's transcript and check everything in it.
    Audit(audit::Args),
    /// Find lies in rounds that aren't final, prove them on the chain, and have their signers slashed.
    Challenge(Box<challenge::Args>),
    /// Collect the rewards that an institution has earned, on every chain where it has.
    Claim(claim::Args),
    /// Post what a run's members signed and its chains don't hold yet, without running rounds.
    Settle(settle::Args),
    /// Show or change what a member or the coordinator has at risk for what it signs.
    Stake(stake::Args),
    /// List, check, deploy or fund a federation's contracts on its chains.
    Chain(chain::Args),
    /// Run a whole federation on this machine: five hospitals, real patients, one poisoner, an embedded chain and an audit.
    Demo(demo::Args),
    /// Rehearse a federation in one process, with seeded noise that never leaves it.
    Simulate(simulate::Args),
    /// Aggregate the rows of a .npy file by a robust rule, without any federation around it.
    Aggregate(Box<aggregate::Args>),
    /// Say what each row of a .npy file contributed, and what it should be paid, without any federation around it.
    Score(Box<score::Args>),
    /// Write the rows that malicious institutions would send, given the honest rows of a .npy file.
    Attack(Box<attack::Args>),
    /// Answer questions about noise and epsilon, without any federation around them.
    Privacy(privacy::Args),
    /// Print a completion script for a shell.
    Completions(completions::Args),
}

/// Runs a command.
pub(crate) fn run(command: Command, printer: &Printer) -> Result<Outcome, Failure> {
    match command {
        Command::Init(args) => init::run(&args, printer),
        Command::Keygen(args) => keygen::run(&args, printer),
        Command::Member(args) => member::run(&args, printer),
        Command::Round(args) => round::run(&args, printer),
        Command::Join(args) => join::run(&args, printer),
        Command::Budget(args) => budget::run(&args, printer),
        Command::Status(args) => status::run(&args, printer),
        Command::Evaluate(args) => evaluate::run(&args, printer),
        Command::Audit(args) => audit::run(&args, printer),
        Command::Challenge(args) => challenge::run(&args, printer),
        Command::Claim(args) => claim::run(&args, printer),
        Command::Settle(args) => settle::run(&args, printer),
        Command::Stake(args) => stake::run(&args, printer),
        Command::Chain(args) => chain::run(&args, printer),
        Command::Demo(args) => crate::runtime()?.block_on(demo::run(args, *printer)),
        Command::Simulate(args) => simulate::run(&args, *printer),
        Command::Aggregate(args) => aggregate::run(&args, printer),
        Command::Score(args) => score::run(&args, printer),
        Command::Attack(args) => attack::run(&args, printer),
        Command::Privacy(args) => privacy::run(&args, printer),
        Command::Completions(args) => completions::run(&args, printer),
    }
}
