//! `xfl aggregate`: a rule on the rows of a .npy file, as the rounds use it; for whoever wants the rules without the rounds.

pub(super) mod catalogue;
pub(super) mod input;
mod params;
mod stages;
pub(super) mod vectors;

use std::{num::NonZeroUsize, path::PathBuf, time::Instant};

use serde_json::{Value, json};
use xfl_aggregation::{Rows, decide::Square, real};

use crate::{
    failure::Failure,
    npy::{self, Array, Kind},
    printer::{Outcome, Printer, list, table},
};

use self::input::{in_file, rows, too_wide};
pub(super) use self::{params::Params, stages::parse as parse_stages};

/// Arguments of `xfl aggregate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The updates, one a row: a 2-d .npy file of f32, f64 or i32.
    #[arg(value_name = "INPUT.npy", required_unless_present = "list")]
    input: Option<PathBuf>,
    /// The rule; `--list` names them all.
    #[arg(long, required_unless_present = "list", env = "XFL_RULE", hide_env_values = true)]
    rule: Option<String>,
    /// What is done to the rows before the rule, in this order; `--list` names them all.
    #[arg(
        long = "pre",
        value_name = "PRE",
        env = "XFL_PRE",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pre: Vec<String>,
    /// How many rows may be bad.
    #[arg(
        short = 'f',
        long,
        default_value_t = 0,
        env = "XFL_BYZANTINE",
        hide_env_values = true
    )]
    byzantine: usize,
    /// A parameter of the rule or of what is done before it, as NAME=VALUE.
    #[arg(
        long = "param",
        value_name = "NAME=VALUE",
        env = "XFL_PARAM",
        value_delimiter = ',',
        hide_env_values = true
    )]
    param: Vec<String>,
    /// Where the aggregate goes: f64 of floats, i32 of integers.
    #[arg(short, long, value_name = "OUT.npy", env = "XFL_OUT", hide_env_values = true)]
    out: Option<PathBuf>,
    /// Threads to compute on; all cores where absent.
    #[arg(long, env = "XFL_THREADS", hide_env_values = true)]
    threads: Option<NonZeroUsize>,
    /// Print the rules with their parameters, what they tolerate and where they come from.
    #[arg(long, env = "XFL_LIST", hide_env_values = true)]
    list: bool,
}

/// An aggregate, of either kind.
enum Values {
    Floats(Vec<f64>),
    Integers(Vec<i32>),
}

/// What a rule made of the rows, and what it was decided by.
struct Made {
    values: Values,
    selected: Option<Vec<bool>>,
    weights: Option<Vec<f64>>,
    scores: Option<Vec<f64>>,
    /// Squared, row by row; exact integers as text.
    distances: Option<Vec<Vec<Value>>>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, _printer: &Printer) -> Result<Outcome, Failure> {
    if args.list {
        return listed();
    }
    let (Some(input), Some(rule)) = (&args.input, &args.rule) else {
        return Err(Failure::usage("an input and --rule are needed"));
    };
    let began = Instant::now();
    let array = rows(input)?;
    let params = Params::parse(&args.param)?;
    let (made, [read, aggregated]) = input::on(args.threads, || match array.kind() {
        Kind::F32 => floats::<f32>(&array, rule, args, params, began),
        Kind::F64 => floats::<f64>(&array, rule, args, params, began),
        Kind::I32 => integers(&array, rule, args, params, began),
        Kind::I64 => Err(too_wide(&array)),
    })?;
    let began = Instant::now();
    if let Some(out) = &args.out {
        match &made.values {
            Values::Floats(values) => npy::write_vector(out, values)?,
            Values::Integers(values) => npy::write_vector(out, values)?,
        }
    }
    let seconds = json!({ "read": read, "rule": aggregated, "write": began.elapsed().as_secs_f64() });
    outcome(args, rule, &array, &made, &seconds)
}

fn floats<T: real::Real + npy::Element>(
    array: &Array,
    rule: &str,
    args: &Args,
    mut params: Params,
    began: Instant,
) -> Result<(Made, [f64; 2]), Failure> {
    let d = array.columns();
    let values = array.to_vec::<T>()?;
    array.unchanged()?;
    let stages = stages::parse(&args.pre, args.byzantine, array.rows(), &mut params)?;
    let rule = catalogue::rule(rule, args.byzantine, stages.rows, &mut params)?;
    let told = Told::read(&rule, d, &mut params)?;
    params.finish(rule.name())?;
    let table = real::Table::new(values.chunks_exact(d).collect());
    let table = table.map_err(|error| in_file(array, &error))?;
    let read = began.elapsed().as_secs_f64();
    let made = rule.aggregate(&table, &stages.stages, told.state());
    let made = made.map_err(|error| in_file(array, &error))?;
    let aggregated = began.elapsed().as_secs_f64() - read;
    let square = |s: Square<f64>| {
        (0..s.n())
            .map(|i| s.row(i).iter().map(|v| json!(v)).collect())
            .collect()
    };
    let made = Made {
        values: Values::Floats(made.values),
        selected: made.selected,
        weights: made.weights,
        scores: made.scores,
        distances: made.distances.map(square),
    };
    Ok((made, [read, aggregated]))
}

fn integers(
    array: &Array,
    rule: &str,
    args: &Args,
    mut params: Params,
    began: Instant,
) -> Result<(Made, [f64; 2]), Failure> {
    if let Some(pre) = args.pre.first() {
        return Err(
            Failure::usage(format!("--pre {pre} mixes rows, which integers can't be exactly"))
                .hint("save the rows as f64, or leave --pre out"),
        );
    }
    let (n, d) = (array.rows(), array.columns());
    let values = array.to_vec::<i32>()?;
    array.unchanged()?;
    let rule = catalogue::exact(rule, args.byzantine, n, &mut params)?;
    params.finish(rule.name())?;
    let rows = Rows::new(values.chunks_exact(d).collect()).map_err(|error| in_file(array, &error))?;
    let read = began.elapsed().as_secs_f64();
    let made = rule.aggregate(&rows).map_err(|error| in_file(array, &error))?;
    let aggregated = began.elapsed().as_secs_f64() - read;
    let selects = made.distances.is_some();
    // Exact integers don't fit every reader's numbers.
    let exact = |i, j| {
        json!(
            made.distances
                .as_ref()
                .and_then(|k| k.squared.get(i, j))
                .map(|v| v.to_string())
        )
    };
    let distances = selects.then(|| (0..n).map(|i| (0..n).map(|j| exact(i, j)).collect()).collect());
    let made = Made {
        values: Values::Integers(made.values),
        selected: selects.then_some(made.selected),
        weights: None,
        scores: None,
        distances,
    };
    Ok((made, [read, aggregated]))
}

/// What a rule is told besides the rows.
pub(super) struct Told {
    start: Option<Vec<f64>>,
    reference: Option<Vec<f64>>,
    history: Option<Vec<Vec<f64>>>,
}

impl Told {
    pub(super) fn read(rule: &real::Rule, d: usize, params: &mut Params) -> Result<Self, Failure> {
        use real::Rule::{CenteredClipping, FlTrust, FoolsGold, GeometricMedian};
        let mut told = Self {
            start: None,
            reference: None,
            history: None,
        };
        let vector = |path: PathBuf| vectors::floats(&path, d);
        match rule {
            GeometricMedian { .. } | CenteredClipping { .. } => {
                told.start = params.maybe("start")?.map(vector).transpose()?;
            }
            FlTrust => {
                let what = "a .npy file of the update that the coordinator trusts, its own";
                told.reference = Some(vector(params.needed("reference", what)?)?);
            }
            FoolsGold { .. } => {
                let history: Option<PathBuf> = params.maybe("history")?;
                told.history = history.map(|path| vectors::rows(&path)).transpose()?;
            }
            _ => {}
        }
        Ok(told)
    }

    pub(super) fn state(&self) -> real::State<'_> {
        real::State {
            start: self.start.as_deref(),
            reference: self.reference.as_deref(),
            history: self.history.as_deref(),
        }
    }
}

fn outcome(args: &Args, rule: &str, array: &Array, made: &Made, seconds: &Value) -> Result<Outcome, Failure> {
    let chosen = |all: &[bool]| -> Vec<usize> { (0..all.len()).filter(|i| all[*i]).collect() };
    let selected = made.selected.as_deref().map(chosen);
    let (n, d) = (array.rows(), array.columns());
    let mut lines = vec![
        vec!["rule".to_owned(), rule.to_owned()],
        vec!["rows".to_owned(), format!("{n} of {d} coordinates ({})", array.kind())],
    ];
    if let Some(selected) = &selected {
        lines.push(vec!["selected".to_owned(), format!("{selected:?}")]);
    }
    lines.push(vec![
        "seconds".to_owned(),
        format!("{:.3}", seconds["rule"].as_f64().unwrap_or_default()),
    ]);
    if let Some(out) = &args.out {
        lines.push(vec!["written".to_owned(), out.display().to_string()]);
    }
    let data = json!({
        "rule": rule, "pre": args.pre, "byzantine": args.byzantine, "rows": n, "coordinates": d, "selected": selected,
        "weights": made.weights, "scores": made.scores, "squared_distances": made.distances, "timings": seconds,
        "out": args.out,
    });
    Outcome::new(data, list(&lines))
}

fn listed() -> Result<Outcome, Failure> {
    let head = ["rule", "tolerates", "parameters", "on", "source"]
        .map(str::to_owned)
        .to_vec();
    let row = |r: &catalogue::Entry| {
        [r.name, r.tolerates, r.params, r.on, r.source]
            .map(str::to_owned)
            .to_vec()
    };
    let rules: Vec<_> = std::iter::once(head).chain(catalogue::RULES.iter().map(row)).collect();
    let head = ["before a rule", "what it does", "parameters", "source"]
        .map(str::to_owned)
        .to_vec();
    let row = |s: &stages::Entry| [s.name, s.does, s.params, s.source].map(str::to_owned).to_vec();
    let stages: Vec<_> = std::iter::once(head).chain(stages::STAGES.iter().map(row)).collect();
    Outcome::new(
        json!({ "rules": catalogue::RULES, "pre": stages::STAGES }),
        format!("{}\n{}", table(&rules), table(&stages)),
    )
}
