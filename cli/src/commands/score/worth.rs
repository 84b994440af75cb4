//! What a coalition is worth: read from a table, seen in its rows' directions, or measured on held-out data.
//!
//! Measured, as in the rounds: minus the mean loss on held-out data, in ppm, of the model moved by the mean of the coalition's rows
//! (or by what another rule makes of them). Rows of integers are steps of the plan's grid, `p + parameter_step * a`; rows of floats are
//! differences of parameters, `p + a`; either way computed in f64 and rounded to f32 once. Nobody's value is that of the model as it is.

use std::{fmt, path::PathBuf};

use rayon::prelude::*;
use serde_json::{Value, json};
use xfl_aggregation::{
    limits::Limits,
    score::{Coalition, Cosines, Game, GameError, Ppm, cosine_game, equal_reputations},
};
use xfl_core::{
    plan::Plan,
    round::aggregate::moved,
    seed::Seed,
    train::{Device, HeldOut, TrainError},
};

use super::{
    combine::Combine,
    table::{Table, Unit},
    updates::{Update, Updates},
};
use crate::{failure::Failure, files, progress::Evaluations};

/// Where values come from.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Data that no row was trained on: a coalition is worth minus the loss on it, in ppm, of the model that its rows make.
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["game", "directions"], env = "XFL_HELD_OUT", hide_env_values = true)]
    held_out: Option<PathBuf>,
    /// The plan, for the schema, the model and the grid of integers; with --held-out or --rule plan.
    #[arg(long, default_value = "federation.toml", env = "XFL_PLAN", hide_env_values = true)]
    plan: PathBuf,
    /// The model that the rows move, a safetensors file: the result of the round before theirs; the plan's initialisation where absent.
    #[arg(long, value_name = "MODEL.safetensors", env = "XFL_MODEL", hide_env_values = true)]
    model: Option<PathBuf>,
    /// A table of what coalitions are worth, JSON or CSV; `--list` shows the forms.
    #[arg(
        long,
        value_name = "TABLE",
        conflicts_with = "directions",
        env = "XFL_GAME",
        hide_env_values = true
    )]
    game: Option<PathBuf>,
    /// What the numbers in the table mean: "ppm" or "one".
    #[arg(long, value_enum, default_value = "ppm", env = "XFL_UNIT", hide_env_values = true)]
    unit: Unit,
    /// Let a coalition be worth the cosine of its rows' sum, each of length one, with that of all rows.
    #[arg(long, env = "XFL_DIRECTIONS", hide_env_values = true)]
    directions: bool,
}

/// Why a coalition has no value.
#[derive(Debug)]
pub(super) struct NoValue(pub(super) Failure);

impl fmt::Display for NoValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.message)
    }
}

/// What a coalition is worth.
pub(super) enum Worth {
    /// As a table says.
    Table(Table),
    /// By direction alone.
    Directions { cosines: Cosines, equal: Vec<Ppm> },
    /// On held-out data.
    Models(Box<Models>),
}

/// Models made of a plan's, by rows, and judged on held-out data.
pub(super) struct Models {
    held_out: HeldOut,
    parameters: Vec<f32>,
    /// How far a grid step moves a parameter.
    step: f64,
    limits: Limits,
    updates: Updates,
    combine: Combine,
    round: Option<u64>,
}

impl Args {
    /// The plan's file.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        files::plan(&self.plan)
    }

    /// The table, where one is named.
    pub(super) fn table(&self) -> Result<Option<Table>, Failure> {
        let open = |path| Table::open(path, self.unit);
        self.game.as_deref().map(open).transpose()
    }

    /// Whether coalitions are worth their direction.
    pub(super) fn directions(&self) -> bool {
        self.directions
    }

    /// Whether there is held-out data.
    pub(super) fn held_out(&self) -> bool {
        self.held_out.is_some()
    }

    /// Refuses values that a scorer doesn't ask for.
    pub(super) fn unused(&self, scorer: &str) -> Result<(), Failure> {
        let given = [
            ("--held-out", self.held_out.is_some()),
            ("--game", self.game.is_some()),
            ("--directions", self.directions),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(
                Failure::usage(format!("{scorer} asks for no values, and {flag} gives some")).hint(format!(
                    "leave {flag} out, or take a scorer that plays, such as shapley"
                )),
            ),
            None => Ok(()),
        }
    }

    /// The models that rows make.
    pub(super) fn models(&self, updates: Updates, combine: Combine) -> Result<Models, Failure> {
        let plan = self.plan()?;
        let terms = plan.terms();
        let model = terms.model.build(&terms.data, Device::Cpu)?;
        let dimension = model.dimension();
        if updates.d() != dimension {
            let what = format!("rows of {} coordinates, expected the model's {dimension}", updates.d());
            return Err(Failure::usage(what).hint("each row is the update of one member, of the plan's [model]"));
        }
        let (parameters, round) = match &self.model {
            None => (model.init(&Seed::from_number(terms.training.seed)), None),
            Some(path) => {
                let checkpoint = files::model(path, &model.tensors())?;
                (checkpoint.parameters, checkpoint.origin.map(|origin| origin.round))
            }
        };
        let mechanism = plan.mechanism(dimension)?;
        let path = self.held_out.clone().unwrap_or_default();
        let bytes = files::read(&path, files::MAX_FILE)?;
        let held_out = HeldOut::read(model, &path.display().to_string(), &bytes, &terms.data)?;
        Ok(Models {
            held_out,
            parameters,
            step: plan.parameter_step(),
            limits: Limits {
                max_abs: mechanism.max_abs().unsigned_abs(),
                max_norm_squared: mechanism.max_norm_squared(),
            },
            updates,
            combine,
            round,
        })
    }
}

impl Models {
    /// The update that these rows make together.
    pub(super) fn update(&self, rows: &[usize]) -> Result<Update, NoValue> {
        let made = self.updates.combined(&self.combine, rows);
        made.map_err(|failure| of_rows(rows, failure))
    }

    /// What the model moved by an update is worth, that of these rows.
    pub(super) fn value(&self, update: &Update, rows: &[usize]) -> Result<Ppm, NoValue> {
        let model = match update {
            Update::Nothing => self.parameters.clone(),
            Update::Integers(steps) => moved(&self.parameters, steps, self.step),
            Update::Floats(differences) => {
                let by = self.parameters.iter().zip(differences);
                by.map(|(p, a)| (f64::from(*p) + a) as f32).collect()
            }
        };
        let evaluation = self.held_out.evaluate(&model).map_err(|error| {
            let failure = match error {
                TrainError::NotFiniteParameter { .. } | TrainError::Diverged { .. } => {
                    let what = "the model that these rows make has no finite loss";
                    Failure::usage(what)
                        .hint("is a row poisoned, or in another unit? leave it out, or take a --rule that bounds it")
                }
                error => error.into(),
            };
            of_rows(rows, failure)
        })?;
        // As the rounds' referee rounds it; the cast saturates.
        Ok(Ppm((-evaluation.loss * 1e6).round() as i64))
    }

    /// Rows that a round refuses: of integers, those outside the plan's range and norm.
    pub(super) fn refused(&self) -> Vec<bool> {
        let refused = |row: &[i32]| self.limits.check(row, self.updates.d()).is_err();
        let mut all: Vec<bool> = self.updates.grid_rows().map(refused).collect();
        all.resize(self.updates.n(), false);
        all
    }
}

fn of_rows(rows: &[usize], failure: Failure) -> NoValue {
    let coalition: Vec<String> = rows.iter().map(usize::to_string).collect();
    NoValue(Failure {
        message: format!("no value of coalition {{{}}}: {}", coalition.join(" "), failure.message),
        ..failure
    })
}

impl Worth {
    /// The rows' directions.
    pub(super) fn of_directions(cosines: Cosines) -> Self {
        let equal = equal_reputations(cosines.n());
        Self::Directions { cosines, equal }
    }

    /// The game of `n` rows; coalitions of models are evaluated side by side, and each one is told to `ticks`.
    pub(super) fn game<'a>(
        &'a self,
        n: usize,
        ticks: &'a Evaluations,
    ) -> Result<Game<'a, NoValue>, GameError<NoValue>> {
        match self {
            Self::Table(table) => Game::new(n, |batch: &[Coalition]| batch.iter().map(|c| table.value(*c)).collect()),
            Self::Directions { cosines, equal } => {
                let failed = |error: &dyn fmt::Display| NoValue(Failure::usage(error.to_string()));
                let mut game = cosine_game(cosines, equal).map_err(|error| GameError::Value(failed(&error)))?;
                Game::new(n, move |batch: &[Coalition]| {
                    game.ask(batch).map_err(|error| failed(&error))
                })
            }
            Self::Models(models) => Game::new(n, |batch: &[Coalition]| {
                let value = |coalition: &Coalition| {
                    let rows: Vec<usize> = coalition.members().collect();
                    let value = models.value(&models.update(&rows)?, &rows)?;
                    ticks.tick();
                    Ok(value)
                };
                batch.par_iter().map(value).collect()
            }),
        }
    }

    /// What it is, for people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Table(_) => "a table's".to_owned(),
            Self::Directions { .. } => "cosine of the coalition's sum with that of all rows".to_owned(),
            Self::Models(models) => format!(
                "minus the loss on {} held-out examples of the model moved by the {} of the coalition's {}",
                models.held_out.examples(),
                models.combine.name(),
                models.rows_are()
            ),
        }
    }

    /// What it is, for programs.
    pub(super) fn data(&self) -> Value {
        match self {
            Self::Table(_) => json!({ "from": "game" }),
            Self::Directions { .. } => json!({ "from": "directions" }),
            Self::Models(models) => json!({
                "from": "held-out", "examples": models.held_out.examples(), "rule": models.combine.name(),
                "rows_are": models.rows_are(), "model_round": models.round,
            }),
        }
    }
}

impl Models {
    fn rows_are(&self) -> &'static str {
        if self.updates.integers() {
            "grid steps"
        } else {
            "differences of parameters"
        }
    }
}
