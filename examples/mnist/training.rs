//! Distributed training under attack: what both papers simulate.
//!
//! Each step, every honest client takes a batch, computes its gradient at the common parameters and adds it to its own
//! momentum; that is its row. Attackers see the honest rows and send theirs. The server aggregates, and the parameters
//! take a step of the learning rate against the aggregate (plus the weight decay's share of themselves).
//!
//! Worker momentum m is written in two ways: [`Momentum::Sum`], m = beta*m + g, and [`Momentum::Average`],
//! m = beta*m + (1 - beta)*g. Steps of the same length need a rate 1/(1 - beta) times as large with the second, and
//! radii (tau, clipping norms) are to be read in the same way.
//!
//! A run is a function of its [`Setting`] and its seed: the same bits on any number of threads.
//!
//! Where training leaves the range of finite numbers, the run ends, says so, and keeps the last accuracy it had.
//!
//! Reference for momentum at the workers: Karimireddy, He, Jaggi, Learning from history for Byzantine robust
//! optimization, ICML 2021.

use serde::Serialize;
use thiserror::Error;
use xfl_aggregation::attack::AttackError;
use xfl_aggregation::real::{RuleError, Table, TableError};
use xfl_core::seed::Seed;
use xfl_core::train::{Data, Model, TrainError};

use crate::adversary::Adversary;
use crate::batches::Batches;
use crate::defence::Defence;

/// How a worker adds its gradients up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Momentum {
    /// m = beta * m + g.
    Sum(f32),
    /// m = beta * m + (1 - beta) * g.
    Average(f32),
}

/// All that a run depends on besides data and seed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    /// Attackers beside the honest clients, and what they do; none where there is no attack.
    pub(crate) attack: Option<(usize, Adversary)>,
    /// What the server does.
    pub(crate) defence: Defence,
    /// Examples in a batch.
    pub(crate) batch: usize,
    /// Batches before a client's examples are put into a new order; all of them for [`usize::MAX`].
    pub(crate) per_pass: usize,
    /// Steps of the server.
    pub(crate) steps: usize,
    /// Learning rate.
    pub(crate) rate: f64,
    /// Weight decay.
    pub(crate) decay: f64,
    /// Momentum at the workers.
    pub(crate) momentum: Momentum,
    /// Steps between two evaluations; the last step is evaluated in any case.
    pub(crate) evaluate: usize,
}

/// Accuracies after some steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Point {
    /// Steps made.
    pub(crate) step: usize,
    /// Share of the test examples whose class is right.
    pub(crate) test: f64,
    /// The same for validation examples, where there are any.
    pub(crate) validation: Option<f64>,
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Curve {
    /// One point for each evaluation planned; where training diverged, the last that could be made is repeated.
    pub(crate) points: Vec<Point>,
    /// The step in which numbers ceased to be finite.
    pub(crate) diverged: Option<usize>,
}

/// What a run trains and tests on.
pub(crate) struct Examples<'a> {
    /// Training examples.
    pub(crate) train: &'a dyn Data,
    /// Each honest client's, as indices of `train`.
    pub(crate) clients: &'a [Vec<usize>],
    /// Test examples.
    pub(crate) test: &'a dyn Data,
    /// Validation examples, if the best step is to be chosen.
    pub(crate) validation: Option<&'a dyn Data>,
}

/// Why a run could not go on, other than by diverging.
#[derive(Debug, Error)]
pub(crate) enum RunError {
    /// A gradient or an evaluation.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The rows are no table.
    #[error(transparent)]
    Rows(#[from] TableError),
    /// The rule.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The attack.
    #[error(transparent)]
    Attack(#[from] AttackError),
}

impl RunError {
    /// Whether it only says that numbers became too large.
    fn is_divergence(&self) -> bool {
        matches!(
            self,
            Self::Train(TrainError::Diverged { .. } | TrainError::NotFiniteParameter { .. })
                | Self::Rows(TableError::Value { .. })
        )
    }
}

impl Setting {
    /// Trains from the model's initial parameters.
    ///
    /// # Errors
    /// [`RunError`] where arguments don't fit each other; divergence is a result, not an error.
    pub(crate) fn run(&self, model: &dyn Model, examples: &Examples<'_>, seed: &Seed) -> Result<Curve, RunError> {
        let mut run = Run::new(self, model, examples, seed)?;
        let mut curve = Curve {
            points: vec![run.evaluated(0)?],
            diverged: None,
        };
        for step in 1..=self.steps {
            let due = step % self.evaluate.max(1) == 0 || step == self.steps;
            if curve.diverged.is_none() {
                let point = run.step().and_then(|()| due.then(|| run.evaluated(step)).transpose());
                match point {
                    Ok(point) => {
                        curve.points.extend(point);
                        continue;
                    }
                    Err(error) if error.is_divergence() => curve.diverged = Some(step),
                    Err(error) => return Err(error),
                }
            }
            if due && let Some(&last) = curve.points.last() {
                curve.points.push(Point { step, ..last });
            }
        }
        Ok(curve)
    }
}

struct Run<'a> {
    setting: &'a Setting,
    model: &'a dyn Model,
    examples: &'a Examples<'a>,
    parameters: Vec<f32>,
    workers: Vec<Worker>,
    attackers: Option<(usize, crate::adversary::Attackers)>,
    /// The last aggregate.
    last: Option<Vec<f64>>,
    gradient: Vec<f32>,
    buckets: xfl_core::seed::Stream,
}

struct Worker {
    batches: Batches,
    momentum: Vec<f32>,
}

impl<'a> Run<'a> {
    fn new(
        setting: &'a Setting,
        model: &'a dyn Model,
        examples: &'a Examples<'a>,
        seed: &Seed,
    ) -> Result<Self, RunError> {
        let d = model.dimension();
        let worker = |(client, rows): (usize, &Vec<usize>)| Worker {
            batches: Batches::new(
                rows.clone(),
                setting.batch,
                setting.per_pass,
                seed.derive("batches", &[client as u64]).stream(),
            ),
            momentum: vec![0.0; d],
        };
        let start = |(f, adversary): &(usize, Adversary)| {
            let mut stream = seed.derive("attack", &[]).stream();
            adversary.start(d, &mut stream).map(|attackers| (*f, attackers))
        };
        Ok(Self {
            setting,
            model,
            examples,
            parameters: model.init(seed),
            workers: examples.clients.iter().enumerate().map(worker).collect(),
            attackers: setting.attack.as_ref().map(start).transpose()?,
            last: None,
            gradient: vec![0.0; d],
            buckets: seed.derive("buckets", &[]).stream(),
        })
    }

    fn step(&mut self) -> Result<(), RunError> {
        for worker in &mut self.workers {
            self.model.loss_gradient(
                &self.parameters,
                self.examples.train,
                worker.batches.draw(),
                &mut self.gradient,
            )?;
            let (keep, add) = match self.setting.momentum {
                Momentum::Sum(beta) => (beta, 1.0),
                Momentum::Average(beta) => (beta, 1.0 - beta),
            };
            for (m, &g) in worker.momentum.iter_mut().zip(&self.gradient) {
                *m = keep * *m + add * g;
            }
        }
        let aggregate = self.aggregate()?;
        let (rate, decay) = (self.setting.rate, self.setting.decay);
        for (index, (parameter, step)) in self.parameters.iter_mut().zip(&aggregate).enumerate() {
            let now = f64::from(*parameter);
            *parameter = (now - rate * (step + decay * now)) as f32;
            if !parameter.is_finite() {
                let value = *parameter;
                return Err(TrainError::NotFiniteParameter { index, value }.into());
            }
        }
        self.last = Some(aggregate);
        Ok(())
    }

    fn aggregate(&mut self) -> Result<Vec<f64>, RunError> {
        let honest: Vec<&[f32]> = self.workers.iter().map(|worker| &worker.momentum[..]).collect();
        let defence = &self.setting.defence;
        let bad = self.attackers.as_ref().map_or(0, |(f, _)| *f);
        let stages = defence.stages(honest.len() + bad, &mut self.buckets);
        let last = self.last.as_deref();
        let mut table = Table::new(honest.clone())?;
        let malicious = match &mut self.attackers {
            Some((f, attackers)) => Some(attackers.rows(&table, *f, defence, &stages, last)?),
            None => None,
        };
        if let Some(malicious) = &malicious {
            table = Table::new(honest.into_iter().chain(malicious.iter()).collect())?;
        }
        Ok(defence.aggregate(&table, &stages, last)?.values)
    }

    fn evaluated(&self, step: usize) -> Result<Point, RunError> {
        let accuracy = |data: &dyn Data| -> Result<f64, RunError> {
            let evaluation = self.model.evaluate(&self.parameters, data)?;
            Ok(evaluation.accuracy.unwrap_or(f64::NAN))
        };
        Ok(Point {
            step,
            test: accuracy(self.examples.test)?,
            validation: self.examples.validation.map(accuracy).transpose()?,
        })
    }
}
