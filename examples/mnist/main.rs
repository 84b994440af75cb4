//! Published results on MNIST under attack, reproduced in shape with the toolkit's models, rules, stages and attacks:
//! `examples/mnist/run.sh`. See `examples/mnist/README.md`.

mod adversary;
mod batches;
mod bucketing;
mod cell;
mod deal;
mod defence;
mod digits;
mod idx;
mod jobs;
mod mixing;
mod report;
mod training;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use xfl_core::seed::Seed;
use xfl_core::spec::ModelSpec;
use xfl_core::train::{Device, Model};

use crate::cell::{Cell, Line};
use crate::digits::{Digits, Part};
use crate::report::{Report, Table};
use crate::training::{Curve, Examples};

/// Steps of a quick run.
const QUICK: usize = 100;

/// Published results on MNIST under attack, run with xfl.
#[derive(Debug, Parser)]
#[command(name = "mnist")]
struct Arguments {
    /// Folder with MNIST's four files [default: where fetch.sh puts them, ~/.cache/xfl/mnist]
    #[arg(long, env = "XFL_MNIST_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Which table to run
    #[arg(long, env = "XFL_MNIST_TABLE", value_enum, default_value_t = Which::All)]
    table: Which,
    /// Run only cells whose rule, stage and attack contain this text
    #[arg(long, env = "XFL_MNIST_ONLY", value_name = "TEXT", default_value = "")]
    only: String,
    /// Runs of each cell, with seeds 1, 2, ...
    #[arg(long, env = "XFL_MNIST_SEEDS", value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// One seed and 100 steps: shows that it runs, not what the papers show
    #[arg(long, env = "XFL_MNIST_QUICK")]
    quick: bool,
    /// Units of each hidden layer of the model, such as 50,50,50
    #[arg(
        long,
        env = "XFL_MNIST_HIDDEN",
        value_name = "N,N",
        value_delimiter = ',',
        default_value = "50"
    )]
    hidden: Vec<usize>,
    /// Channels of convolutions before the hidden layer, such as 8,16 [default: none, a perceptron]
    #[arg(long, env = "XFL_MNIST_CHANNELS", value_name = "N,N", value_delimiter = ',')]
    channels: Vec<usize>,
    /// Runs side by side, each on one thread [default: as many as there are processors]
    #[arg(long, env = "XFL_MNIST_THREADS", value_name = "N")]
    threads: Option<usize>,
    /// Print JSON, with the accuracy after every epoch
    #[arg(long, env = "XFL_MNIST_JSON")]
    json: bool,
}

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Both.
    All,
    /// Bucketing on heterogeneous data (Karimireddy, He, Jaggi 2022)
    Bucketing,
    /// Nearest-neighbour mixing (Allouah et al. 2023, ByzFL's benchmark)
    Mixing,
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
    let folder = arguments
        .data
        .clone()
        .or_else(cache)
        .ok_or("no home folder: say --data FOLDER")?;
    let [train, test] = digits::load(&folder)?;
    let hidden = arguments.hidden.clone();
    let spec = match arguments.channels.is_empty() {
        true => ModelSpec::mlp(hidden),
        false => ModelSpec::cnn(arguments.channels.clone(), hidden),
    };
    let model = spec.build(&digits::schema(), Device::Cpu)?;
    let bench = Bench {
        model: &*model,
        train: &train,
        test: &test,
        seeds: if arguments.quick { 1 } else { arguments.seeds },
        steps: arguments.quick.then_some(QUICK),
        threads: match arguments.threads {
            Some(threads) => threads,
            None => std::thread::available_parallelism()?.get(),
        },
        only: &arguments.only,
    };
    let mut tables = Vec::new();
    if arguments.table != Which::Mixing {
        tables.push(bench.bucketing()?);
    }
    if arguments.table != Which::Bucketing {
        tables.push(bench.mixing()?);
    }
    let report = Report {
        version: 1,
        model: spec,
        seeds: (1..=bench.seeds).collect(),
        tables,
    };
    let mut out = io::stdout().lock();
    if arguments.json {
        serde_json::to_writer(&mut out, &report)?;
        return Ok(writeln!(out)?);
    }
    report.tables.iter().try_for_each(|table| table.print(&mut out))?;
    Ok(())
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

/// What all runs share.
struct Bench<'a> {
    model: &'a dyn Model,
    train: &'a Digits,
    test: &'a Digits,
    seeds: u64,
    steps: Option<usize>,
    threads: usize,
    only: &'a str,
}

impl Bench<'_> {
    fn bucketing(&self) -> Result<Table, Box<dyn Error>> {
        let clients = bucketing::clients(self.train)?;
        let examples = Examples {
            train: self.train,
            clients: &clients,
            test: self.test,
            validation: None,
        };
        let cells = self.chosen(bucketing::cells(self.steps)?);
        self.table(
            "Karimireddy, He, Jaggi (ICLR 2022): 20 honest clients with sorted labels, 5 attackers",
            &cells,
            |_| &examples,
            |curves| curves.iter().map(bucketing::score).collect(),
        )
    }

    fn mixing(&self) -> Result<Table, Box<dyn Error>> {
        let deals = mixing::deals(self.train)?;
        let parts: Vec<Part<'_>> = deals
            .iter()
            .map(|deal| Part {
                of: self.train,
                rows: deal.validation.clone(),
            })
            .collect();
        let examples: Vec<(f64, Examples<'_>)> = deals
            .iter()
            .zip(&parts)
            .map(|(deal, part)| {
                let examples = Examples {
                    train: self.train,
                    clients: &deal.clients,
                    test: self.test,
                    validation: Some(part),
                };
                (deal.gamma, examples)
            })
            .collect();
        let of = |cell: &Cell| {
            let found = examples.iter().find(|(gamma, _)| Some(*gamma) == cell.gamma);
            &found.unwrap_or(&examples[0]).1
        };
        let cells = self.chosen(mixing::cells(self.steps));
        let title = "Allouah et al. (AISTATS 2023), ByzFL's benchmark: 10 honest clients, 4 attackers";
        let table = self.table(title, &cells, of, mixing::scores)?;
        Ok(Table {
            lines: mixing::with_worst(table.lines),
            ..table
        })
    }

    fn chosen(&self, cells: Vec<Cell>) -> Vec<Cell> {
        let wanted = |cell: &Cell| format!("{} {} {}", cell.rule, cell.before, cell.attack).contains(self.only);
        cells.into_iter().filter(wanted).collect()
    }

    fn table<'e>(
        &self,
        title: &'static str,
        cells: &[Cell],
        examples: impl Fn(&Cell) -> &'e Examples<'e> + Sync,
        scores: impl Fn(&[Curve]) -> Vec<f64>,
    ) -> Result<Table, Box<dyn Error>> {
        let began = Instant::now();
        let jobs: Vec<(&Cell, u64)> = cells
            .iter()
            .flat_map(|cell| (1..=self.seeds).map(move |seed| (cell, seed)))
            .collect();
        let runs = jobs::run(&jobs, self.threads, |&(cell, seed)| {
            let started = Instant::now();
            let curve = cell.setting.run(self.model, examples(cell), &Seed::from_number(seed))?;
            let last = curve.points.last().map_or(0.0, |point| point.test);
            // Progress is for whoever watches; a closed standard error stops nothing.
            let _ = writeln!(
                io::stderr(),
                "{} {} {} {} seed {seed}: {:.1}% after {} steps, {:.0} s",
                cell.rule,
                cell.before,
                cell.attack,
                cell.gamma.map_or_else(String::new, |gamma| gamma.to_string()),
                100.0 * last,
                cell.setting.steps,
                started.elapsed().as_secs_f64(),
            );
            Ok::<_, training::RunError>(curve)
        })?;
        let runs = runs.into_iter().collect::<Result<Vec<_>, _>>()?;
        let lines = cells.iter().zip(runs.chunks(self.seeds as usize));
        Ok(Table {
            title,
            steps: cells.first().map_or(0, |cell| cell.setting.steps),
            seconds: began.elapsed().as_secs_f64(),
            threads: self.threads,
            lines: lines
                .map(|(cell, curves)| Line::of(cell, &scores(curves), curves.to_vec()))
                .collect(),
        })
    }
}
