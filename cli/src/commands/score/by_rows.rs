//! Scores of rows in a file: by their directions, or by what coalitions of them are worth.

use std::{path::Path, time::Instant};

use xfl_aggregation::score::{Cosines, Ppm, cosine_gradient_shapley, cosine_to_aggregate, equal_reputations};

use super::{
    Args,
    alike::{self, Directions},
    combine::Combine,
    finish, play,
    play::Scored,
    report::Told,
    scorer::Scorer,
    updates::{Update, Updates},
    worth::Worth,
    write,
};
use crate::{
    commands::aggregate::{input::in_file, vectors},
    failure::Failure,
    npy::{Array, Kind},
    printer::{Outcome, Printer},
    progress::Evaluations,
};

/// A file of rows and what is wanted of it.
pub(super) struct Job<'a> {
    pub(super) args: &'a Args,
    pub(super) scorer: &'a Scorer,
    pub(super) printer: Printer,
    pub(super) array: &'a Array,
}

impl Job<'_> {
    /// Scores the rows; they were being read since `began`.
    pub(super) fn run(&self, updates: Updates, began: Instant) -> Result<Outcome, Failure> {
        let n = updates.n();
        let by_direction = !self.scorer.plays() || self.args.worth.directions();
        let pairs = by_direction && !matches!(self.scorer, Scorer::Cosine);
        let looks = pairs || alike::Args::by_the_way(n) || self.args.pay.slashes_copies();
        let directions = (by_direction || looks).then(|| Directions::of(&updates));
        let mut told = Told {
            scorer: self.scorer.name(),
            rows: (n, Some(updates.d())),
            value: None,
            compared: None,
            copies: None,
            zeros: directions.as_ref().map(Directions::zeros).unwrap_or_default(),
            refused: Vec::new(),
            seconds: [began.elapsed().as_secs_f64(), 0.0],
        };
        let cosines = directions.as_ref().filter(|_| looks);
        let cosines = cosines.map(|all| all.cosines(self.array)).transpose()?;
        let copies = |cosines| self.args.alike.copies(cosines);
        told.copies = cosines.as_ref().map(copies).transpose()?;
        let spent = |told: &mut Told| told.seconds[1] = began.elapsed().as_secs_f64() - told.seconds[0];
        let scored = match (self.scorer, &directions, cosines) {
            (Scorer::Copies, _, Some(cosines)) => {
                spent(&mut told);
                return self.copies(&told, &cosines);
            }
            (Scorer::Cgsv { .. }, _, Some(cosines)) => self.cgsv(&mut told, &cosines)?,
            (Scorer::Cosine, Some(directions), _) => self.cosine(&mut told, directions, updates)?,
            (_, _, cosines) => self.game(&mut told, updates, cosines)?,
        };
        spent(&mut told);
        finish(self.args, &told, &scored)
    }

    fn copies(&self, told: &Told, cosines: &Cosines) -> Result<Outcome, Failure> {
        if self.args.pay.pays() || self.args.out.is_some() {
            return Err(Failure::usage("copies gives no scores, to pay by or to write")
                .hint("take another scorer with --slash-copies"));
        }
        told.copies(cosines)
    }

    fn cosine(&self, told: &mut Told, directions: &Directions, updates: Updates) -> Result<Scored, Failure> {
        let (aggregate, what) = self.aggregate(updates)?;
        told.compared = Some(what);
        let scores = cosine_to_aggregate(&directions.rows(self.array)?, &aggregate);
        Ok(Scored {
            scores: scores.map_err(|error| in_file(self.array, &error))?,
            ..Scored::default()
        })
    }

    fn cgsv(&self, told: &mut Told, cosines: &Cosines) -> Result<Scored, Failure> {
        let Scorer::Cgsv {
            terms,
            reputations,
            next,
        } = self.scorer
        else {
            return Ok(Scored::default());
        };
        let before = match reputations {
            Some(path) => shares(path)?,
            None => equal_reputations(cosines.n()),
        };
        let made = cosine_gradient_shapley(cosines, &before, terms).map_err(|error| {
            Failure::usage(error.to_string())
                .hint("reputations and terms are shares of 1000000 ppm, a reputation a row")
        })?;
        if let Some(next) = next {
            write(next, &made.reputations)?;
        }
        told.compared = Some("the sum of all rows, each of length one, by reputation".to_owned());
        Ok(Scored {
            scores: made.scores,
            reputations: Some(made.reputations),
            ..Scored::default()
        })
    }

    fn game(&self, told: &mut Told, updates: Updates, cosines: Option<Cosines>) -> Result<Scored, Failure> {
        let n = updates.n();
        let worth = self.worth(updates, cosines)?;
        if let Worth::Models(models) = &worth {
            told.refused = models.refused();
        }
        told.value = Some((worth.describe(), worth.data()));
        let ticks = Evaluations::new(self.printer, self.scorer.most_evaluations(n));
        let scored = play::play(self.scorer, &worth, n, &ticks);
        ticks.clear();
        scored
    }

    /// What coalitions of the rows are worth.
    fn worth(&self, updates: Updates, cosines: Option<Cosines>) -> Result<Worth, Failure> {
        let args = &self.args.worth;
        if let Some(table) = args.table()? {
            if table.players() != updates.n() {
                let (of, n) = (table.players(), updates.n());
                return Err(
                    Failure::usage(format!("the table is of {of} rows, expected the input's {n}"))
                        .hint("name every row in the table, or leave INPUT.npy out"),
                );
            }
            return Ok(Worth::Table(table));
        }
        if let Some(cosines) = cosines.filter(|_| args.directions()) {
            return Ok(Worth::of_directions(cosines));
        }
        if !args.held_out() {
            let what = format!(
                "{} asks what coalitions are worth, and nothing says it",
                self.scorer.name()
            );
            let hint = "name --held-out FILE.csv (with --plan and --model), or a table with --game, or --directions, which needs no data";
            return Err(Failure::usage(what).hint(hint));
        }
        let (combine, updates) = self.combine(updates)?;
        Ok(Worth::Models(Box::new(args.models(updates, combine)?)))
    }

    /// The rule, tried for all rows, and the rows as it takes them.
    fn combine(&self, updates: Updates) -> Result<(Combine, Updates), Failure> {
        let args = self.args;
        if args.rule != "plan" {
            return Ok((
                Combine::new(&args.rule, args.byzantine, &args.rule_param, &updates)?,
                updates,
            ));
        }
        if args.byzantine != 0 {
            return Err(
                Failure::usage("--rule plan is as the plan says").hint("leave --byzantine out, or name the rule")
            );
        }
        let plan = args.worth.plan()?;
        let updates = updates
            .on_grid(plan.parameter_step())
            .map_err(|failure| self.in_file(failure))?;
        let combine = Combine::planned(plan, &args.rule_param, &updates)?;
        Ok((combine, updates))
    }

    fn in_file(&self, failure: Failure) -> Failure {
        Failure {
            message: format!("{}: {}", self.array.path().display(), failure.message),
            ..failure
        }
    }

    /// The aggregate that rows are compared with, as integers of its direction, and what it is.
    fn aggregate(&self, updates: Updates) -> Result<(Vec<i32>, String), Failure> {
        let d = updates.d();
        let Some(path) = &self.args.aggregate else {
            let (combine, updates) = self.combine(updates)?;
            let all: Vec<usize> = (0..updates.n()).collect();
            let made = updates.combined(&combine, &all);
            let made = made.map_err(|failure| self.in_file(failure))?;
            return Ok((made.direction(d), format!("the {} of the rows", combine.name())));
        };
        let file = Array::open(path)?;
        let made = match file.kind() {
            Kind::I32 => Update::Integers(vectors::steps(path, d)?),
            _ => Update::Floats(vectors::floats(path, d)?),
        };
        if let Update::Floats(values) = &made
            && let Some(at) = values.iter().position(|v| !v.is_finite())
        {
            let (path, got) = (path.display(), values[at]);
            let what = format!("{path}: coordinate {at}: expected a finite number, got {got}");
            return Err(Failure::usage(what).hint("an aggregate is what `xfl aggregate -o` writes"));
        }
        Ok((made.direction(d), path.display().to_string()))
    }
}

/// Reputations of the round before, in ppm.
fn shares(path: &Path) -> Result<Vec<Ppm>, Failure> {
    let ppm = |share: usize| Ppm(i64::try_from(share).unwrap_or(i64::MAX));
    Ok(vectors::indices(path)?.into_iter().map(ppm).collect())
}
