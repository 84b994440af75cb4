//! `xfl score`: what each row of a .npy file contributed, in parts per million: as the rounds score it, and by every other score that the
//! crate `xfl-aggregation` has; for whoever wants the scores without the rounds.

mod alike;
mod catalogue;
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

use xfl_aggregation::score::{Ppm, cosine_gradient_shapley, cosine_to_aggregate, equal_reputations};

use self::{
    alike::Directions,
    play::Scored,
    report::Told,
    scorer::Scorer,
    updates::{Combine, Update, Updates},
    worth::Worth,
};
use super::aggregate::{
    input::{in_file, on, rows},
    vectors,
};
use crate::{
    failure::Failure,
    npy::{self, Array, Kind},
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
    /// The rule that makes one update of the rows, or of a coalition's; `xfl aggregate --list` names them, "plan" is the plan's.
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
    /// A parameter of that rule, as NAME=VALUE.
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
        (Some(array), Some(updates)) => of_rows(args, scorer, printer, &array, updates, began),
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

/// Scores of rows.
fn of_rows(
    args: &Args,
    scorer: &Scorer,
    printer: Printer,
    array: &Array,
    updates: Updates,
    began: Instant,
) -> Result<Outcome, Failure> {
    let (n, d) = (updates.n(), updates.d());
    let by_direction = !scorer.plays() || args.worth.directions();
    let looks =
        by_direction && !matches!(scorer, Scorer::Cosine) || alike::Args::by_the_way(n) || args.pay.slashes_copies();
    let directions = (by_direction || looks).then(|| Directions::of(&updates));
    let mut told = Told {
        scorer: scorer.name(),
        rows: (n, Some(d)),
        value: None,
        compared: None,
        copies: None,
        zeros: directions.as_ref().map(Directions::zeros).unwrap_or_default(),
        refused: Vec::new(),
        seconds: [began.elapsed().as_secs_f64(), 0.0],
    };
    let cosines = directions
        .as_ref()
        .filter(|_| looks)
        .map(|all| all.cosines(array))
        .transpose()?;
    told.copies = cosines.as_ref().map(|cosines| args.alike.copies(cosines)).transpose()?;
    let spent = |told: &mut Told| told.seconds[1] = began.elapsed().as_secs_f64() - told.seconds[0];

    let scored = match (scorer, &directions, cosines) {
        (Scorer::Copies, _, Some(cosines)) => {
            if args.pay.pays() || args.out.is_some() {
                return Err(Failure::usage("copies gives no scores, to pay by or to write")
                    .hint("take another scorer with --slash-copies"));
            }
            spent(&mut told);
            return told.copies(&cosines);
        }
        (
            Scorer::Cgsv {
                terms,
                reputations,
                next,
            },
            _,
            Some(cosines),
        ) => {
            let before = match reputations {
                Some(path) => vectors::indices(path)?
                    .iter()
                    .map(|&r| Ppm(i64::try_from(r).unwrap_or(i64::MAX)))
                    .collect(),
                None => equal_reputations(n),
            };
            let made = cosine_gradient_shapley(&cosines, &before, terms).map_err(|error| {
                Failure::usage(error.to_string()).hint("reputations and terms are shares of 1000000 ppm")
            })?;
            if let Some(next) = next {
                write(next, &made.reputations)?;
            }
            told.compared = Some("the sum of all rows, each of length one, by reputation".to_owned());
            Scored {
                scores: made.scores,
                reputations: Some(made.reputations),
                ..Scored::default()
            }
        }
        (Scorer::Cosine, Some(directions), _) => {
            let (aggregate, what) = aggregate(args, array, &updates)?;
            told.compared = Some(what);
            let scores = cosine_to_aggregate(&directions.rows(array)?, &aggregate);
            Scored {
                scores: scores.map_err(|error| in_file(array, &error))?,
                ..Scored::default()
            }
        }
        (_, _, cosines) => {
            let worth = worth(args, scorer, updates, cosines)?;
            if let Worth::Models(models) = &worth {
                told.refused = models.refused();
            }
            told.value = Some((worth.describe(), worth.data()));
            let ticks = Evaluations::new(printer, scorer.most_evaluations(n));
            let scored = play::play(scorer, &worth, n, &ticks);
            ticks.clear();
            scored?
        }
    };
    spent(&mut told);
    finish(args, &told, &scored)
}

/// What coalitions of the rows are worth.
fn worth(
    args: &Args,
    scorer: &Scorer,
    updates: Updates,
    cosines: Option<xfl_aggregation::score::Cosines>,
) -> Result<Worth, Failure> {
    if let Some(table) = args.worth.table()? {
        if table.players() != updates.n() {
            let what = format!(
                "the table is of {} rows, expected the input's {}",
                table.players(),
                updates.n()
            );
            return Err(Failure::usage(what).hint("name every row in the table, or leave INPUT.npy out"));
        }
        return Ok(Worth::Table(table));
    }
    if let Some(cosines) = cosines.filter(|_| args.worth.directions()) {
        return Ok(Worth::of_directions(cosines));
    }
    if !args.worth.held_out() {
        return Err(
            Failure::usage(format!("{} asks what coalitions are worth, and nothing says it", scorer.name())).hint(
                "name --held-out FILE.csv (with --plan and --model), or a table with --game, or --directions, which needs no data",
            ),
        );
    }
    let combine = combine(args, &updates)?;
    Ok(Worth::Models(Box::new(args.worth.models(updates, combine)?)))
}

/// The rule, tried for all rows.
fn combine(args: &Args, updates: &Updates) -> Result<Combine, Failure> {
    if args.rule != "plan" {
        return Combine::new(&args.rule, args.byzantine, &args.rule_param, updates);
    }
    if args.byzantine != 0 || !args.rule_param.is_empty() {
        return Err(Failure::usage("--rule plan is as the plan says")
            .hint("leave --byzantine and --rule-param out, or name the rule"));
    }
    let plan = args.worth.plan()?;
    let terms = &plan.terms().aggregation;
    let select = terms.select.map(|select| format!("select={select}"));
    let name = plan.terms().aggregation.rule.name();
    let params: Vec<String> = select.into_iter().filter(|_| name == "multi-krum").collect();
    Combine::new(name, terms.byzantine, &params, updates)
}

/// The aggregate that rows are compared with, as integers of its direction, and what it is.
fn aggregate(args: &Args, array: &Array, updates: &Updates) -> Result<(Vec<i32>, String), Failure> {
    let d = updates.d();
    let Some(path) = &args.aggregate else {
        let combine = combine(args, updates)?;
        let all: Vec<usize> = (0..updates.n()).collect();
        let made = updates.combined(&combine, &all);
        let made = made.map_err(|failure| Failure {
            message: format!("{}: {}", array.path().display(), failure.message),
            ..failure
        })?;
        let what = format!("the {} of the rows", combine.name());
        return Ok((made.direction(d), what));
    };
    let file = Array::open(path)?;
    let made = match file.kind() {
        Kind::I32 => Update::Integers(file.to_vec()?),
        _ => Update::Floats(vectors::floats(path, d)?),
    };
    if let Update::Floats(values) = &made
        && let Some(at) = values.iter().position(|v| !v.is_finite())
    {
        let what = format!(
            "{}: coordinate {at}: expected a finite number, got {}",
            path.display(),
            values[at]
        );
        return Err(Failure::usage(what).hint("an aggregate is what `xfl aggregate -o` writes"));
    }
    Ok((made.direction(d), path.display().to_string()))
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
