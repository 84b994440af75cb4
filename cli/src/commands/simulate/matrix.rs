//! `--matrix`: rules x attacks x seeds on one plan and one file of examples; a table, a CSV, and a heat map as SVG and PNG.
//!
//! A cell is a whole simulation under one rule, one attack and one seed; all rules and attacks see the same deals of the examples.
//! Cells are shared out among as many threads as rayon has; the files are functions of plan, examples and flags alone, whatever
//! the number of threads. matrix.csv is there from the first finished cell on, and stays when the command is interrupted.

use std::path::PathBuf;

use xfl_core::{
    attack::{Attack, Backdoor, NAMES},
    plan::{Plan, RuleName},
};

use super::federation::{Federation, rule_name};
use crate::{
    failure::Failure,
    files,
    picture::{DrawError, Picture as _},
    printer::{Outcome, Printer},
    signals::Stop,
};

mod cells;
mod csv;
mod heat_map;
mod picture;
mod report;
mod summary;

use cells::Job;
use summary::Summary;

/// What is tried against what.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Try every rule against every attack over several seeds, and write matrix.csv, matrix.svg and matrix.png.
    #[arg(long, env = "XFL_MATRIX", conflicts_with_all = ["attack", "repeats"], hide_env_values = true)]
    pub(super) matrix: bool,
    /// Rules of the matrix, such as mean,median,krum; all that a plan may name where absent.
    #[arg(
        long,
        value_name = "RULE",
        env = "XFL_MATRIX_RULES",
        value_delimiter = ',',
        requires = "matrix",
        hide_env_values = true
    )]
    rules: Vec<String>,
    /// Attacks of the matrix, such as sign-flip,alie; all that the plan's task admits where absent.
    #[arg(
        long,
        value_name = "NAME",
        env = "XFL_MATRIX_ATTACKS",
        value_delimiter = ',',
        requires = "matrix",
        hide_env_values = true
    )]
    attacks: Vec<String>,
    /// Seeds of the matrix: other deals of the examples and other noise.
    #[arg(long, env = "XFL_MATRIX_SEEDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000), requires = "matrix", hide_env_values = true)]
    seeds: u64,
    /// The folder for the matrix's files.
    #[arg(
        long,
        value_name = "DIR",
        env = "XFL_MATRIX_OUT",
        default_value = "matrix",
        requires = "matrix",
        hide_env_values = true
    )]
    out: PathBuf,
}

/// A rule, and the plan under it: told to tolerate as many attackers as there are.
struct Contender {
    name: &'static str,
    plan: Plan,
    /// The updates that it needs, where there are fewer.
    needs: Option<usize>,
}

/// Rules, attacks (none first) and seeds.
struct Matrix<'a> {
    federation: &'a Federation,
    rules: Vec<Contender>,
    attacks: Vec<Option<Attack>>,
    seeds: Vec<u64>,
    classifies: bool,
    institutions: usize,
    byzantine: usize,
    /// The plan's own, after its stages.
    own_rule: String,
    /// The stages before every rule.
    stages: String,
}

pub(super) fn run(args: &Args, first: u64, federation: &Federation, printer: Printer) -> Result<Outcome, Failure> {
    let matrix = Matrix::new(args, first, federation)?;
    federation.deal(first)?;
    std::fs::create_dir_all(&args.out).map_err(|error| Failure::file(&args.out, &error))?;
    let path = args.out.join("matrix.csv");
    let jobs = matrix.jobs();
    let runtime = crate::runtime()?;
    let stop = {
        let _inside = runtime.enter();
        Stop::on_interrupt(printer)
    };
    let cells = cells::run(&matrix, &jobs, &path, &stop, printer)?;
    files::replace(&path, csv::text(&matrix, &cells).as_bytes(), 0o644)?;
    if cells.len() < jobs.len() {
        let what = format!("interrupted: {} of {} cells are finished", cells.len(), jobs.len());
        return Err(Failure::failed(what).hint(format!("they are in {}", path.display())));
    }
    let summary = Summary::of(&matrix, &cells);
    let map = picture::map(&matrix, &summary);
    let wrong = |error: DrawError| Failure::failed(format!("the heat map: {error}"));
    let (svg, png) = (args.out.join("matrix.svg"), args.out.join("matrix.png"));
    files::replace(&svg, map.svg().map_err(wrong)?.as_bytes(), 0o644)?;
    files::replace(&png, &map.png().map_err(wrong)?, 0o644)?;
    let mut data = report::data(&matrix, &summary);
    data["files"] = serde_json::json!([path, svg, png]);
    let text = format!(
        "{}written: {}, {} and {}\n",
        report::text(&matrix, &summary),
        path.display(),
        svg.display(),
        png.display()
    );
    Outcome::new(data, text)
}

impl<'a> Matrix<'a> {
    fn new(args: &Args, first: u64, federation: &'a Federation) -> Result<Self, Failure> {
        let classifies = federation.classifies();
        let attacks: Vec<Attack> = match args.attacks.as_slice() {
            [] => Attack::all()
                .into_iter()
                .filter(|a| classifies || !a.needs_classes())
                .collect(),
            names => names.iter().map(|name| attack(name)).collect::<Result<_, _>>()?,
        };
        for attack in &attacks {
            federation.admits(attack)?;
        }
        let rules: Vec<RuleName> = match args.rules.as_slice() {
            // The coordinator of masked rounds sees a sum.
            [] if federation.plan.masked() => vec![RuleName::Mean],
            // A rehearsal's institutions weigh the same: the weighted mean would be the mean once more.
            [] => RuleName::ALL
                .into_iter()
                .filter(|rule| *rule != RuleName::WeightedMean)
                .collect(),
            names => names.iter().map(|name| rule(name)).collect::<Result<_, _>>()?,
        };
        let institutions = federation.institutions();
        let contenders = rules.into_iter().map(|rule| {
            let plan = federation.plan.with_rule(rule, federation.byzantine);
            let needs = plan.smallest_cohort().filter(|needs| *needs > institutions);
            Contender {
                name: rule.name(),
                plan,
                needs,
            }
        });
        Ok(Self {
            federation,
            rules: contenders.collect(),
            attacks: std::iter::once(None).chain(attacks.into_iter().map(Some)).collect(),
            seeds: (first..first.saturating_add(args.seeds)).collect(),
            classifies,
            institutions,
            byzantine: federation.byzantine,
            own_rule: rule_name(&federation.plan),
            stages: stages(&federation.plan),
        })
    }

    /// The cells to simulate, seed after seed, so that an interrupted run has whole seeds.
    fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for seed in 0..self.seeds.len() {
            for rule in (0..self.rules.len()).filter(|rule| self.rules[*rule].needs.is_none()) {
                jobs.extend((0..self.attacks.len()).map(|attack| Job { rule, attack, seed }));
            }
        }
        jobs
    }

    /// The backdoor among the attacks, which is measured where nobody attacks, too.
    fn backdoor(&self) -> Option<&Backdoor> {
        self.attacks.iter().find_map(|attack| match attack {
            Some(Attack::Backdoor(backdoor)) => Some(backdoor),
            _ => None,
        })
    }

    /// An attack's name.
    fn attack(&self, attack: usize) -> &'static str {
        self.attacks
            .get(attack)
            .and_then(Option::as_ref)
            .map_or("none", Attack::name)
    }
}

/// The names of a plan's stages, or nothing.
fn stages(plan: &Plan) -> String {
    let names: Vec<_> = plan.terms().aggregation.pre.iter().map(|stage| stage.name()).collect();
    names.join(" + ")
}

fn rule(name: &str) -> Result<RuleName, Failure> {
    let names = || RuleName::ALL.map(RuleName::name).join(", ");
    RuleName::named(name)
        .ok_or_else(|| Failure::usage(format!("--rules: no rule {name:?}")).hint(format!("there are {}", names())))
}

fn attack(name: &str) -> Result<Attack, Failure> {
    Attack::named(name).ok_or_else(|| {
        Failure::usage(format!("--attacks: no attack {name:?}")).hint(format!("there are {}", NAMES.join(", ")))
    })
}
