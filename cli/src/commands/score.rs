//! `xfl score`: what each row of a .npy file contributed, in parts per million: as the rounds score it, and by every other score that the
//! crate `xfl-aggregation` has; for whoever wants the scores without the rounds.

mod alike;
mod by_rows;
mod catalogue;
mod combine;
mod pay;
mod play;
mod report;
mod scorer;
mod table;
mod updates;
mod worth;

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Instant,
};

use xfl_aggregation::score::Ppm;

use self::{by_rows::Job, play::Scored, report::Told, scorer::Scorer, updates::Updates, worth::Worth};
use super::aggregate::input::{on, rows};
use crate::{
    failure::Failure,
    npy,
    printer::{Outcome, Printer},
    progress::Evaluations,
};

/// Arguments of `xfl score`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The updates, one a row: a 2-d .npy file of f32 or f64 (differences of parameters) or i32 (steps of the plan's grid).
    #[arg(value_name = "INPUT.npy", required_unless_present_any = ["list", "game"])]
    input: Option<PathBuf>,
    /// The scorer; `--list` names them all, with what they need and where they fail.
    #[arg(long, required_unless_present = "list", env = "XFL_SCORER", hide_env_values = true)]
    scorer: Option<String>,
    /// A parameter of the scorer, as NAME=VALUE.
    #[arg(
        long = "param",
        value_name = "NAME=VALUE",
        env = "XFL_PARAM",
        value_delimiter = ',',
        hide_env_values = true
    )]
    param: Vec<String>,
    /// The aggregate that cosine compares with, a .npy file; what --rule makes of the rows where absent.
    #[arg(
        long,
        value_name = "AGG.npy",
        conflicts_with = "rule",
        env = "XFL_AGGREGATE",
        hide_env_values = true
    )]
    aggregate: Option<PathBuf>,
    /// The rule that makes one update of the rows, or of a coalition's; `xfl aggregate --list` names them; "plan" is the plan's stages and rule.
    #[arg(long, default_value = "mean", env = "XFL_RULE", hide_env_values = true)]
    rule: String,
    /// How many rows that rule takes to be bad.
    #[arg(
        short = 'f',
        long,
        default_value_t = 0,
        env = "XFL_BYZANTINE",
        hide_env_values = true
    )]
    byzantine: usize,
    /// A parameter of that rule, as NAME=VALUE; with --rule plan, what the plan can't say: seed, start, history or weights.
    #[arg(
        long = "rule-param",
        value_name = "NAME=VALUE",
        env = "XFL_RULE_PARAM",
        value_delimiter = ',',
        hide_env_values = true
    )]
    rule_param: Vec<String>,
    #[command(flatten)]
    worth: worth::Args,
    #[command(flatten)]
    alike: alike::Args,
    #[command(flatten)]
    pay: pay::Args,
    /// Where the scores go: i64, in ppm.
    #[arg(short, long, value_name = "SCORES.npy", env = "XFL_OUT", hide_env_values = true)]
    out: Option<PathBuf>,
    /// Threads to compute on; all cores where absent.
    #[arg(long, env = "XFL_THREADS", hide_env_values = true)]
    threads: Option<NonZeroUsize>,
    /// Print the scorers: what they need and cost, which laws hold, what they were measured to pay to those who add nothing.
    #[arg(long, env = "XFL_LIST", hide_env_values = true)]
    list: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    if args.list {
        return catalogue::listed();
    }
    let Some(name) = &args.scorer else {
        return Err(Failure::usage("a scorer is needed").hint("`xfl score --list` names them"));
    };
    let scorer = Scorer::parse(name, &args.param)?;
    if !scorer.plays() {
        args.worth.unused(scorer.name())?;
    }
    if args.aggregate.is_some() && !matches!(scorer, Scorer::Cosine) {
        return Err(Failure::usage(format!("{name} compares with no aggregate"))
            .hint("leave --aggregate out, or take --scorer cosine"));
    }
    on(args.threads, || scored(args, &scorer, *printer))
}

fn scored(args: &Args, scorer: &Scorer, printer: Printer) -> Result<Outcome, Failure> {
    let began = Instant::now();
    let array = args.input.as_deref().map(rows).transpose()?;
    let updates = array.as_ref().map(Updates::read).transpose()?;
    match (array, updates) {
        (Some(array), Some(updates)) => Job {
            args,
            scorer,
            printer,
            array: &array,
        }
        .run(updates, began),
        _ => of_table(args, scorer, printer, began),
    }
}

/// Scores of a written game alone.
fn of_table(args: &Args, scorer: &Scorer, printer: Printer, began: Instant) -> Result<Outcome, Failure> {
    let table = args.worth.table()?.filter(|_| scorer.plays());
    let Some(table) = table else {
        return Err(Failure::usage(format!("{} needs an INPUT.npy", scorer.name()))
            .hint("name the file of the updates, one a row"));
    };
    let n = table.players();
    let worth = Worth::Table(table);
    let read = began.elapsed().as_secs_f64();
    let scored = play::play(scorer, &worth, n, &Evaluations::new(printer, 0))?;
    let told = Told {
        scorer: scorer.name(),
        rows: (n, None),
        value: Some((worth.describe(), worth.data())),
        compared: None,
        copies: None,
        zeros: Vec::new(),
        refused: Vec::new(),
        seconds: [read, began.elapsed().as_secs_f64() - read],
    };
    if args.pay.slashes_copies() {
        return Err(Failure::usage("--slash-copies without rows").hint("name the file of the updates as INPUT.npy"));
    }
    finish(args, &told, &scored)
}

fn finish(args: &Args, told: &Told, scored: &Scored) -> Result<Outcome, Failure> {
    let merits = scored.reputations.as_ref().unwrap_or(&scored.scores);
    let copied: Vec<bool> = told.copies.iter().flatten().map(Option::is_some).collect();
    let paid = args.pay.split(merits, &copied, &told.refused)?;
    if let Some(out) = &args.out {
        write(out, &scored.scores)?;
    }
    let out = args.out.as_ref().map(|out| out.display().to_string());
    told.scores(scored, paid.as_ref(), out.as_deref())
}

fn write(path: &Path, ppm: &[Ppm]) -> Result<(), Failure> {
    let values: Vec<i64> = ppm.iter().map(|p| p.0).collect();
    Ok(npy::write_vector(path, &values)?)
}
