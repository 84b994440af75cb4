//! `xfl`: federated learning from the command line.
//!
//! One command is one file under [`commands`]: arguments in, an [`Outcome`](printer::Outcome) or a
//! [`Failure`] out. [`printer`] is the only place that writes to the terminal: stdout is data, stderr is
//! talk. [`failure`] gives every library error its exit code and its hint.

mod bug;
mod chains;
mod commands;
mod failure;
mod files;
mod keystore;
mod members;
mod node;
mod npy;
mod picture;
mod printer;
mod progress;
mod signals;
mod unshown;

use std::process::ExitCode;

use clap::Parser;

use crate::{failure::Failure, printer::Printer};

/// Federated learning: train one model together, keep the data at home, be paid for what you add, and let anybody check it.
#[derive(Debug, Parser)]
#[command(name = "xfl", version, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    /// Print one JSON object instead of text.
    #[arg(long, global = true, env = "XFL_JSON", hide_env_values = true)]
    json: bool,
    /// Log more on stderr: once for information, twice for details. RUST_LOG overrides it.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "XFL_VERBOSE", hide_env_values = true)]
    verbose: u8,
    /// Say nothing on stderr but errors.
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        env = "XFL_QUIET",
        hide_env_values = true
    )]
    quiet: bool,
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return printer::usage(&error),
    };
    let printer = Printer::new(cli.json, cli.quiet);
    log(cli.verbose, cli.quiet);
    let result = bug::caught(|| commands::run(cli.command, &printer));
    printer.finish(result)
}

fn log(verbose: u8, quiet: bool) {
    use tracing_subscriber::EnvFilter;
    let default = match (quiet, verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}

/// The runtime that network commands run on.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("can't start the runtime: {error}")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    /// Every flag has help and an environment variable, every command a description.
    #[test]
    fn everything_is_documented() {
        fn walk(command: &clap::Command, path: &str) {
            assert!(command.get_about().is_some(), "{path} has no description");
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                if matches!(name, "help" | "version") {
                    continue;
                }
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(
                    help.len() > 4 && help.chars().next().is_some_and(char::is_uppercase),
                    "{path} {name}: help is {help:?}"
                );
                if !argument.is_positional() {
                    let env = argument.get_env().and_then(|env| env.to_str()).unwrap_or_default();
                    assert!(env.starts_with("XFL_"), "{path} --{name} has no environment variable");
                }
            }
            for sub in command.get_subcommands() {
                walk(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        let command = Cli::command();
        command.clone().debug_assert();
        walk(&command, "xfl");
    }
}
