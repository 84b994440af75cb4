//! `xfl completions`: a completion script for a shell.

use clap::CommandFactory;
use serde_json::json;

use crate::{
    failure::{Code, Failure},
    printer::{Outcome, Printer},
};

/// Arguments of `xfl completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell; for bash, write the output to ~/.local/share/bash-completion/completions/xfl.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Runs the command.
pub(crate) fn run(args: &Args, _printer: &Printer) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "xfl", &mut script);
    let script = String::from_utf8(script)
        .map_err(|_| Failure::new(Code::Bug, "this is a bug in xfl: the completion script is not text"))?;
    Outcome::new(json!({ "shell": args.shell.to_string(), "script": script }), script)
}
