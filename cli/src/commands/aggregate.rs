//! `xfl aggregate`: a rule on the rows of a .npy file, as the rounds use it; for whoever wants the rules without the rounds.

pub(super) mod catalogue;
pub(super) mod input;
mod integers;
mod params;
mod stages;
mod updates;
pub(super) mod vectors;

use std::{num::NonZeroUsize, path::PathBuf, time::Instant};

use serde_json::{Value, json};
use xfl_aggregation::{decide::Square, real};

use self::{input::too_wide, updates::Updates};
use crate::{
    failure::Failure,
    npy::{self, Kind, VectorParts},
    printer::{Outcome, Printer, list, table},
};

pub(super) use self::{
    params::Params,
    stages::{exact as exact_stages, parse as parse_stages},
};

/// Arguments of `xfl aggregate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The updates, one a row: a 2-d .npy file of f32, f64 or i32, or several files of one or more rows each.
    #[arg(value_name = "INPUT.npy", required_unless_present = "list")]
    input: Vec<PathBuf>,
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
    /// Rows that take up to this much memory are held in it; more are read in blocks, anew in each pass, and the aggregate of
    /// floats is written in blocks. The result is the same.
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = 512,
        env = "XFL_MEMORY",
        hide_env_values = true
    )]
    memory: u64,
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
    /// Handed on in blocks already, to a file if there is one.
    Handed(Option<VectorParts<f64>>),
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
    let Some(rule) = &args.rule else {
        return Err(Failure::usage("an input and --rule are needed"));
    };
    let began = Instant::now();
    let updates = Updates::open(&args.input)?;
    let params = Params::parse(&args.param)?;
    let (mut made, [read, aggregated]) = input::on(args.threads, || match updates.kind() {
        Kind::F32 => floats::<f32>(&updates, rule, args, params, began),
        Kind::F64 => floats::<f64>(&updates, rule, args, params, began),
        Kind::I32 => integers(&updates, rule, args, params, began),
        Kind::I64 => Err(too_wide(&args.input[0])),
    })?;
    let began = Instant::now();
    match (std::mem::replace(&mut made.values, Values::Handed(None)), &args.out) {
        (Values::Floats(values), Some(out)) => npy::write_vector(out, &values)?,
        (Values::Integers(values), Some(out)) => npy::write_vector(out, &values)?,
        (Values::Handed(Some(parts)), _) => parts.finish()?,
        (_, None) | (Values::Handed(None), _) => {}
    }
    let seconds = json!({ "read": read, "rule": aggregated, "write": began.elapsed().as_secs_f64() });
    outcome(args, rule, &updates, &made, &seconds)
}

fn floats<T: real::Real + npy::Element>(
    updates: &Updates,
    rule: &str,
    args: &Args,
    mut params: Params,
    began: Instant,
) -> Result<(Made, [f64; 2]), Failure> {
    let d = updates.d();
    let stages = stages::parse(&args.pre, args.byzantine, updates.n(), &mut params)?;
    let rule = catalogue::rule(rule, args.byzantine, stages.rows, &mut params)?;
    let told = Told::read(&rule, d, &mut params)?;
    params.finish(rule.name())?;
    let (pre, state) = (&stages.stages[..], told.state());
    let (read, made, values);
    if updates.bytes() <= args.memory.saturating_mul(1 << 20) {
        let rows = updates.held::<T>()?;
        let table = real::Table::new(rows.chunks_exact(d).collect());
        let table = table.map_err(|error| updates.refused(&error))?;
        read = began.elapsed().as_secs_f64();
        let whole = rule.aggregate(&table, pre, state);
        let mut whole = whole.map_err(|error| updates.failure(&error))?;
        values = Values::Floats(std::mem::take(&mut whole.values));
        made = whole;
    } else {
        let spool = real::Spool::new(updates as &dyn real::Source<T>);
        let spool = spool.map_err(|error| updates.refused(&error))?;
        let out = args.out.as_deref().map(|out| VectorParts::create(out, d)).transpose()?;
        let into = |first: usize, part: &[f64]| match &out {
            Some(out) => out.write(first, part).map_err(real::StorageError::new),
            None => Ok(()),
        };
        read = began.elapsed().as_secs_f64();
        let all = rule.aggregate_spool(&spool, pre, state, &into);
        made = all.map_err(|error| updates.failure(&error))?;
        updates.unchanged()?;
        values = Values::Handed(out);
    }
    let aggregated = began.elapsed().as_secs_f64() - read;
    let square = |s: Square<f64>| {
        (0..s.n())
            .map(|i| s.row(i).iter().map(|v| json!(v)).collect())
            .collect()
    };
    let made = Made {
        values,
        selected: made.selected,
        weights: made.weights,
        scores: made.scores,
        distances: made.distances.map(square),
    };
    Ok((made, [read, aggregated]))
}

fn integers(
    updates: &Updates,
    rule: &str,
    args: &Args,
    params: Params,
    began: Instant,
) -> Result<(Made, [f64; 2]), Failure> {
    let asked = integers::Asked {
        rule,
        pre: &args.pre,
        byzantine: args.byzantine,
        began,
    };
    integers::aggregate(updates, args.memory.saturating_mul(1 << 20), &asked, params)
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

fn outcome(args: &Args, rule: &str, updates: &Updates, made: &Made, seconds: &Value) -> Result<Outcome, Failure> {
    let chosen = |all: &[bool]| -> Vec<usize> { (0..all.len()).filter(|i| all[*i]).collect() };
    let selected = made.selected.as_deref().map(chosen);
    let (n, d) = (updates.n(), updates.d());
    let mut lines = vec![
        vec!["rule".to_owned(), rule.to_owned()],
        vec![
            "rows".to_owned(),
            format!("{n} of {d} coordinates ({})", updates.kind()),
        ],
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
    let head = ["before a rule", "what it does", "parameters", "on", "source"]
        .map(str::to_owned)
        .to_vec();
    let row = |s: &stages::Entry| [s.name, s.does, s.params, s.on, s.source].map(str::to_owned).to_vec();
    let stages: Vec<_> = std::iter::once(head).chain(stages::STAGES.iter().map(row)).collect();
    Outcome::new(
        json!({ "rules": catalogue::RULES, "pre": stages::STAGES }),
        format!("{}\n{}", table(&rules), table(&stages)),
    )
}
