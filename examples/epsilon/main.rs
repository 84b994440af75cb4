//! What privacy costs in accuracy: two federations, every mode and unit, at a few epsilons, by one command: `examples/epsilon/run.sh`. See
//! `examples/epsilon/README.md`.

mod cell;
mod federation;
#[path = "../mnist/idx.rs"]
mod idx;
#[path = "../mnist/jobs.rs"]
mod jobs;
mod pixels;
mod report;
mod runs;
#[cfg(test)]
mod tests;
mod way;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use xfl_privacy::{Delta, Epsilon};

use crate::federation::Federation;
use crate::runs::Bench;
use crate::way::Instead;

/// Accuracy of private federations beside the same ones without noise.
#[derive(Debug, Parser)]
#[command(name = "epsilon")]
struct Arguments {
    /// Which federation
    #[arg(long, env = "XFL_EPSILON_FEDERATION", value_enum, default_value_t = Which::All)]
    federation: Which,
    /// Run only ways whose unit and mode contain this text, such as "record, local"
    #[arg(long, env = "XFL_EPSILON_ONLY", value_name = "TEXT", default_value = "")]
    only: String,
    /// The epsilons, each for all rounds together
    #[arg(long = "epsilon", env = "XFL_EPSILON_TARGETS", value_name = "E,E", value_delimiter = ',', value_parser = epsilon, default_values = ["8", "3", "1"])]
    epsilons: Vec<Epsilon>,
    /// The probability with which an epsilon may fail
    #[arg(long, env = "XFL_DELTA", value_name = "P", value_parser = delta, default_value = "1e-5")]
    delta: Delta,
    /// Runs of each cell, with seeds 1, 2, ... [default: 20 of Breast Cancer, 3 of MNIST]
    #[arg(long, env = "XFL_EPSILON_SEEDS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: Option<u64>,
    /// One seed, and a fifth of MNIST: shows that it runs
    #[arg(long, env = "XFL_EPSILON_QUICK")]
    quick: bool,
    /// Digits of each of MNIST's institutions, up to 600
    #[arg(long, env = "XFL_EPSILON_DIGITS", value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=600))]
    digits: u64,
    /// Folder with MNIST's four files [default: where examples/mnist/fetch.sh puts them, ~/.cache/xfl/mnist]
    #[arg(long, env = "XFL_MNIST_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Runs side by side, each on one thread [default: as many as there are processors]
    #[arg(long, env = "XFL_EPSILON_THREADS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    threads: Option<u64>,
    /// Also write the plan of every cell into this folder, for `xfl privacy explain`
    #[arg(long, env = "XFL_EPSILON_PLANS", value_name = "FOLDER")]
    plans: Option<PathBuf>,
    /// Print JSON, with the accuracy of every run
    #[arg(long, env = "XFL_EPSILON_JSON")]
    json: bool,
    #[command(flatten)]
    instead: Instead,
}

/// The federations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Both.
    All,
    /// 569 patients in 5 hospitals
    BreastCancer,
    /// Handwritten digits in 100 institutions
    Mnist,
}

fn epsilon(text: &str) -> Result<Epsilon, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Epsilon::new(number).map_err(|error| error.to_string())
}

fn delta(text: &str) -> Result<Delta, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Delta::new(number).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; there is nowhere left to say so.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut federations = Vec::new();
    if arguments.federation != Which::Mnist {
        federations.push(Federation::patients()?);
    }
    if arguments.federation != Which::BreastCancer {
        let folder = arguments
            .data
            .clone()
            .or_else(cache)
            .ok_or("no home folder: say --data FOLDER")?;
        federations.push(Federation::digits(
            &folder,
            usize::try_from(arguments.digits)?,
            arguments.quick,
        )?);
    }
    let bench = Bench {
        federations: &federations,
        epsilons: &arguments.epsilons,
        delta: arguments.delta,
        seeds: if arguments.quick { Some(1) } else { arguments.seeds },
        threads: match arguments.threads {
            Some(threads) => usize::try_from(threads)?,
            None => std::thread::available_parallelism()?.get(),
        },
        only: &arguments.only,
        instead: arguments.instead,
        plans: arguments.plans.as_deref(),
    };
    let report = bench.run()?;
    let mut out = io::stdout().lock();
    if arguments.json {
        serde_json::to_writer(&mut out, &report)?;
        return Ok(writeln!(out)?);
    }
    Ok(report.print(&mut out)?)
}

/// Where fetch.sh puts the files.
fn cache() -> Option<PathBuf> {
    let folder = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    Some(base.join("xfl/mnist"))
}
