//! `xfl attack`: what malicious institutions would send, made from the honest rows of a .npy file; to try a rule before
//! it is needed.

use std::path::PathBuf;

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use serde_json::json;
use xfl_aggregation::{
    Rows, Rule as Exact, State as ExactState,
    attack::{Attack, Defence, ExactDefence, Grid, Honest, Knowledge, Malicious, Noise, RealDefence, Value},
    limits::Limits,
    real::{Real, State, Table},
};

use super::aggregate::{
    Params, catalogue, exact_stages,
    input::{in_file, rows, too_wide},
    parse_stages, vectors,
};
use crate::{
    failure::Failure,
    npy::{self, Array, Element, Kind},
    printer::{Outcome, Printer, list, table},
};

/// Arguments of `xfl attack`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The attack; `--list` names them all.
    #[arg(value_name = "NAME", required_unless_present = "list")]
    name: Option<String>,
    /// The honest updates, one a row: a 2-d .npy file of f32, f64 or i32.
    #[arg(value_name = "INPUT.npy", required_unless_present = "list")]
    input: Option<PathBuf>,
    /// How many rows are malicious.
    #[arg(
        short = 'f',
        long,
        default_value_t = 1,
        env = "XFL_BYZANTINE",
        hide_env_values = true
    )]
    byzantine: usize,
    /// A parameter of the attack, as NAME=VALUE.
    #[arg(
        long = "param",
        value_name = "NAME=VALUE",
        env = "XFL_PARAM",
        value_delimiter = ',',
        hide_env_values = true
    )]
    param: Vec<String>,
    /// The rule that the attackers are up against; the optimal attacks need it.
    #[arg(long, env = "XFL_RULE", hide_env_values = true)]
    rule: Option<String>,
    /// What is done to the rows before that rule.
    #[arg(
        long = "pre",
        value_name = "PRE",
        env = "XFL_PRE",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pre: Vec<String>,
    /// A parameter of that rule, as NAME=VALUE.
    #[arg(
        long = "rule-param",
        value_name = "NAME=VALUE",
        env = "XFL_RULE_PARAM",
        value_delimiter = ',',
        hide_env_values = true
    )]
    rule_param: Vec<String>,
    /// The last round's aggregate, a .npy file; what a free rider may send again.
    #[arg(long, value_name = "LAST.npy", env = "XFL_LAST", hide_env_values = true)]
    last: Option<PathBuf>,
    /// Seed of what is drawn.
    #[arg(long, default_value_t = 0, env = "XFL_SEED", hide_env_values = true)]
    seed: u64,
    /// Where it goes: one row where all send the same, else a row for each; of the input's type.
    #[arg(short, long, value_name = "OUT.npy", env = "XFL_OUT", hide_env_values = true)]
    out: Option<PathBuf>,
    /// Print the attacks with their parameters.
    #[arg(long, env = "XFL_LIST", hide_env_values = true)]
    list: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args, _printer: &Printer) -> Result<Outcome, Failure> {
    if args.list {
        return listed();
    }
    let (Some(name), Some(input)) = (&args.name, &args.input) else {
        return Err(Failure::usage("an attack and an input are needed"));
    };
    let attack = attack(name, &args.param)?;
    let array = rows(input)?;
    match array.kind() {
        Kind::F32 => floats::<f32>(args, &attack, &array),
        Kind::F64 => floats::<f64>(args, &attack, &array),
        Kind::I32 => integers(args, &attack, &array),
        Kind::I64 => Err(too_wide(array.path())),
    }
}

fn attack(name: &str, given: &[String]) -> Result<Attack, Failure> {
    let Some(mut attack) = Attack::named(name) else {
        let known: Vec<_> = Attack::all().iter().map(Attack::name).collect();
        return Err(Failure::usage(format!("no attack {name:?}")).hint(format!("there are {}", known.join(", "))));
    };
    for (name, value) in Params::parse(given)?.into_pairs() {
        attack
            .set(&name, &value)
            .map_err(|error| Failure::usage(format!("--param {name}={value}: {error}")))?;
    }
    Ok(attack)
}

fn floats<T: Real + Element + Value>(args: &Args, attack: &Attack, array: &Array) -> Result<Outcome, Failure> {
    let values = array.to_vec::<T>()?;
    array.unchanged()?;
    let honest = Table::new(values.chunks_exact(array.columns()).collect());
    let honest = honest.map_err(|error| in_file(array, &error))?;
    let n = array.rows().saturating_add(args.byzantine);
    let mut params = Params::parse(&args.rule_param)?;
    let stages = parse_stages(&args.pre, args.byzantine, n, &mut params)?;
    let rule = args.rule.as_deref();
    let rule = rule
        .map(|name| catalogue::rule(name, args.byzantine, stages.rows, &mut params))
        .transpose()?;
    params.finish("the rule attacked")?;
    let defence = rule.as_ref().map(|rule| RealDefence {
        rule,
        pre: &stages.stages,
        state: State::default(),
    });
    made(
        args,
        attack,
        array,
        &honest,
        defence.as_ref().map(|d| d as &dyn Defence<T>),
    )
}

fn integers(args: &Args, attack: &Attack, array: &Array) -> Result<Outcome, Failure> {
    let values = array.to_vec::<i32>()?;
    array.unchanged()?;
    let rows = Rows::new(values.chunks_exact(array.columns()).collect()).map_err(|error| in_file(array, &error))?;
    // As far as the type goes: a plan's limits are the rounds' to check.
    let limits = Limits {
        max_abs: i32::MAX as u32,
        max_norm_squared: u128::MAX,
    };
    let honest = Grid::new(&rows, limits).map_err(|error| in_file(array, &error))?;
    let n = array.rows().saturating_add(args.byzantine);
    let mut params = Params::parse(&args.rule_param)?;
    let stages = exact_stages(&args.pre, args.byzantine, n, &mut params)?;
    let rule = args.rule.as_deref();
    let rule = rule
        .map(|name| catalogue::exact(name, args.byzantine, stages.rows, &mut params))
        .transpose()?;
    let weights = match rule {
        Some(Exact::WeightedMean { .. }) => {
            let file: PathBuf = params.needed(
                "weights",
                "a .npy file of a whole number for each row, the attackers' last",
            )?;
            Some(vectors::naturals(&file, stages.rows)?)
        }
        _ => None,
    };
    params.finish("the rule attacked")?;
    let defence = rule.as_ref().map(|rule| ExactDefence {
        rule,
        pre: &stages.stages,
        state: ExactState {
            weights: weights.as_deref(),
            ..ExactState::default()
        },
    });
    made(
        args,
        attack,
        array,
        &honest,
        defence.as_ref().map(|d| d as &dyn Defence<i32>),
    )
}

fn made<H: Honest<Value: Element + PartialEq>>(
    args: &Args,
    attack: &Attack,
    array: &Array,
    honest: &H,
    defence: Option<&dyn Defence<H::Value>>,
) -> Result<Outcome, Failure> {
    if attack.needs_defence() && defence.is_none() {
        return Err(Failure::usage(format!("{} needs --rule", attack.name()))
            .hint("name the rule that the attackers are up against"));
    }
    let last = args
        .last
        .as_ref()
        .map(|path| vectors::floats(path, array.columns()))
        .transpose()?;
    if attack.needs_last_aggregate() && last.is_none() {
        return Err(Failure::usage(format!("{} needs --last", attack.name()))
            .hint("name the .npy file of the last round's aggregate"));
    }
    let mut rng = ChaCha20Rng::seed_from_u64(args.seed);
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let knowledge = Knowledge {
        defence,
        noise: Some(Noise::Uniform(&mut uniform)),
        last_aggregate: last.as_deref(),
        ..Knowledge::of(args.byzantine)
    };
    let made = attack.rows(honest, knowledge).map_err(|error| in_file(array, &error))?;
    write(args, &made)?;
    outcome(args, attack, array, &made)
}

fn write<V: Element + PartialEq>(args: &Args, made: &Malicious<V>) -> Result<(), Failure> {
    let Some(out) = &args.out else { return Ok(()) };
    let rows: Vec<&[V]> = made.iter().collect();
    if rows.iter().all(|row| *row == rows[0]) {
        npy::write_vector(out, rows[0])?;
    } else {
        npy::write_rows(out, rows.len(), rows[0].len(), &rows.concat())?;
    }
    Ok(())
}

fn outcome<V>(args: &Args, attack: &Attack, array: &Array, made: &Malicious<V>) -> Result<Outcome, Failure> {
    let mut lines = vec![
        vec!["attack".to_owned(), attack.name().to_owned()],
        vec![
            "honest".to_owned(),
            format!("{} rows of {} coordinates", array.rows(), array.columns()),
        ],
        vec!["malicious".to_owned(), args.byzantine.to_string()],
    ];
    let mut line = |what: &str, value: Option<String>| lines.extend(value.map(|v| vec![what.to_owned(), v]));
    line("factor", made.factor.map(|f| f.to_string()));
    line("copied row", made.copied.map(|row| row.to_string()));
    line(
        "evaluations",
        (made.evaluations > 0).then(|| made.evaluations.to_string()),
    );
    line("written", args.out.as_ref().map(|out| out.display().to_string()));
    let data = json!({
        "attack": attack.name(), "byzantine": args.byzantine, "rows": array.rows(), "coordinates": array.columns(),
        "factor": made.factor, "copied": made.copied, "evaluations": made.evaluations, "out": args.out,
    });
    Outcome::new(data, list(&lines))
}

fn listed() -> Result<Outcome, Failure> {
    let all = Attack::all();
    let head = ["attack", "parameters"].map(str::to_owned).to_vec();
    let row = |a: &Attack| vec![a.name().to_owned(), a.parameters().join(" ")];
    let rows: Vec<_> = std::iter::once(head).chain(all.iter().map(row)).collect();
    let data: Vec<_> = all
        .iter()
        .map(|a| json!({ "name": a.name(), "parameters": a.parameters() }))
        .collect();
    Outcome::new(json!({ "attacks": data }), table(&rows))
}
