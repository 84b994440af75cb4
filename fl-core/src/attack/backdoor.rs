//! Backdoor: the attacker teaches the model to answer a trigger with the label that the attacker wants.
//!
//! **Trigger.** For images a square of `size` x `size` pixels in the lower right corner, in every channel; for tables the
//! last `size` numeric columns. Each of these features is set to one fixed value: a number in standardised units, or the
//! largest that the attackers' own examples hold (in an image: of any pixel; in a table: in that column), so that
//! no single value is out of the ordinary.
//!
//! **Training.** A fraction of the attacker's examples, drawn once from the seed, carries the trigger and the target label
//! instead of its own; the attacker trains by the protocol on these and its other examples. The update may then be
//! multiplied by `boost` (model replacement), and is shortened to the plan's norm and range where it is over them.
//!
//! **Success** is measured on held-out examples of other labels: with the trigger stamped on, the fraction that the model
//! takes for the target ([`Trigger::success`]). A model without a backdoor has some too, since the trigger overwrites
//! features: look at the difference. Accuracy on clean examples says nothing about it.
//!
//! It needs to know its own data alone. References: Gu, Dolan-Gavitt, Garg, BadNets: Identifying vulnerabilities in the
//! machine learning model supply chain, 2017; Bagdasaryan, Veit, Hua, Estrin, Shmatikov, How to backdoor federated
//! learning, AISTATS 2020.

use super::{
    label_flip::chosen,
    names::{FRACTION, fraction},
};
use crate::{
    schema::{Column, ImageShape, Schema, Task},
    seed::Seed,
    train::{Data, Model, Target, TrainError},
};

/// Largest boost.
const MAX_BOOST: f64 = 1e6;

/// A backdoor to teach.
#[derive(Clone, Debug, PartialEq)]
pub struct Backdoor {
    /// The label wanted: a class by name, or by its position; the first class where absent.
    pub target: Option<String>,
    /// The square's side in pixels, or the number of columns; at least 1.
    pub size: usize,
    /// What the trigger's features are set to.
    pub value: TriggerValue,
    /// Fraction of the attacker's examples that carry the trigger, above 0 and at most 1.
    pub fraction: f64,
    /// What the update is multiplied by, from 1 to 1e6.
    pub boost: f64,
}

/// What a trigger's features are set to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TriggerValue {
    /// The largest value among the attackers' examples.
    Largest,
    /// A finite number in standardised units.
    Given(f32),
}

/// A trigger, ready to be stamped.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// Features and what they are set to.
    marks: Vec<(usize, f32)>,
    /// The class wanted.
    target: usize,
}

/// Examples some of which carry a trigger.
pub struct Stamped<'a> {
    data: &'a dyn Data,
    /// Which example, and whether it is stamped.
    rows: Vec<(usize, bool)>,
    trigger: &'a Trigger,
}

/// Why there is no trigger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackdoorError {
    /// There are no classes.
    #[error("backdoor: expected a task with classes, got a regression")]
    Regression,
    /// The target is no class.
    #[error("backdoor: expected target to be one of {expected}, or a position among them, got {got:?}")]
    Target {
        /// The first classes.
        expected: String,
        /// The name given.
        got: String,
    },
    /// The trigger doesn't fit.
    #[error("backdoor: expected size from 1 to {most}, {what}, got {got}")]
    Size {
        /// The largest that fits.
        most: usize,
        /// Why.
        what: &'static str,
        /// The size given.
        got: usize,
    },
}

impl Default for Backdoor {
    fn default() -> Self {
        Self {
            target: None,
            size: 3,
            value: TriggerValue::Largest,
            fraction: 0.5,
            boost: 1.0,
        }
    }
}

impl Backdoor {
    /// The trigger for this schema, with values from the attackers' own examples.
    ///
    /// # Errors
    /// [`BackdoorError`] where there are no classes, the target is none of them, or the size doesn't fit.
    pub fn trigger(&self, schema: &Schema, attackers: &[&dyn Data]) -> Result<Trigger, BackdoorError> {
        let Task::Classification { classes } = &schema.task else {
            return Err(BackdoorError::Regression);
        };
        let target = self.class(classes)?;
        let positions = match schema.image {
            Some(image) => self.corner(image)?,
            None => self.last_columns(schema)?,
        };
        let value = |at| match self.value {
            TriggerValue::Given(value) => value,
            // One brightness for the whole square, but a value of its own for each column.
            TriggerValue::Largest => largest(attackers, schema.image.is_none().then_some(at)),
        };
        let marks = positions.iter().map(|&at| (at, value(at))).collect();
        Ok(Trigger { marks, target })
    }

    /// Sets one of its parameters, or says what it takes.
    pub(super) fn set(&mut self, parameter: &str, value: &str) -> Result<(), &'static str> {
        match parameter {
            "target" => self.target = Some(value.to_owned()),
            "size" => {
                let size = value.parse().ok().filter(|size| *size > 0);
                self.size = size.ok_or("a whole number, at least 1")?;
            }
            "value" if value == "largest" => self.value = TriggerValue::Largest,
            "value" => {
                let number = value.parse().ok().filter(|v: &f32| v.is_finite());
                self.value = TriggerValue::Given(number.ok_or("a finite number in standardised units, or largest")?);
            }
            "fraction" => self.fraction = fraction(value).ok_or(FRACTION)?,
            _ => {
                let boost = value.parse().ok().filter(|b| (1.0..=MAX_BOOST).contains(b));
                self.boost = boost.ok_or("a number from 1 to 1e6")?;
            }
        }
        Ok(())
    }

    fn class(&self, classes: &[String]) -> Result<usize, BackdoorError> {
        let Some(wanted) = &self.target else { return Ok(0) };
        let named = classes.iter().position(|class| class == wanted);
        let numbered = || wanted.parse().ok().filter(|index| *index < classes.len());
        named.or_else(numbered).ok_or_else(|| BackdoorError::Target {
            expected: classes.iter().take(20).cloned().collect::<Vec<_>>().join(", "),
            got: wanted.chars().take(40).collect(),
        })
    }

    /// The features of the lower right square, channel by channel.
    fn corner(&self, image: ImageShape) -> Result<Vec<usize>, BackdoorError> {
        let ImageShape {
            height,
            width,
            channels,
        } = image;
        let (most, got) = (height.min(width), self.size);
        if !(1..=most).contains(&got) {
            let what = "the image's shorter side";
            return Err(BackdoorError::Size { most, what, got });
        }
        let pixel = |channel, row, column| (channel * height + row) * width + column;
        let columns = move |(channel, row)| (width - got..width).map(move |column| pixel(channel, row, column));
        let rows = (0..channels).flat_map(|channel| (height - got..height).map(move |row| (channel, row)));
        Ok(rows.flat_map(columns).collect())
    }

    /// The features of the last numeric columns.
    fn last_columns(&self, schema: &Schema) -> Result<Vec<usize>, BackdoorError> {
        let mut numeric = Vec::new();
        let mut first = 0;
        for column in &schema.columns {
            let after = first + column.features();
            if !matches!(column, Column::Categorical { .. } | Column::Tokens { .. }) {
                numeric.extend(first..after);
            }
            first = after;
        }
        let (most, got) = (numeric.len(), self.size);
        if !(1..=most).contains(&got) {
            let what = "the number of numeric columns";
            return Err(BackdoorError::Size { most, what, got });
        }
        Ok(numeric.split_off(most - got))
    }
}

/// The largest value at one feature, or at any of them; 0 where there is no example.
fn largest(data: &[&dyn Data], at: Option<usize>) -> f32 {
    let mut most = f32::NEG_INFINITY;
    for data in data {
        let mut features = vec![0.0; data.width()];
        for index in 0..data.len() {
            data.features_into(index, &mut features);
            let values = at.map_or(&features[..], |at| features.get(at..=at).unwrap_or_default());
            most = values.iter().copied().fold(most, f32::max);
        }
    }
    if most.is_finite() { most } else { 0.0 }
}

impl Trigger {
    /// An attacker's examples with the trigger on a fraction of them, as `seed` draws it.
    pub fn poison<'a>(&'a self, data: &'a dyn Data, fraction: f64, seed: &Seed) -> Stamped<'a> {
        let stamped = chosen(fraction, data.len(), seed);
        Stamped {
            data,
            rows: stamped.into_iter().enumerate().collect(),
            trigger: self,
        }
    }

    /// The fraction of `held_out`'s examples of other labels that a model takes for the target once they carry the trigger;
    /// none where there is no such example.
    ///
    /// # Errors
    /// The model's evaluation fails.
    pub fn success(
        &self,
        model: &dyn Model,
        parameters: &[f32],
        held_out: &dyn Data,
    ) -> Result<Option<f64>, TrainError> {
        let others = (0..held_out.len()).filter(|&i| held_out.target(i) != Target::Class(self.target));
        let stamped = Stamped {
            data: held_out,
            rows: others.map(|i| (i, true)).collect(),
            trigger: self,
        };
        if stamped.is_empty() {
            return Ok(None);
        }
        // All of them have the target for a label now, so that accuracy is the attacker's success.
        Ok(model.evaluate(parameters, &stamped)?.accuracy)
    }
}

impl Data for Stamped<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn width(&self) -> usize {
        self.data.width()
    }

    fn features_into(&self, index: usize, features: &mut [f32]) {
        let (row, stamped) = self.rows[index];
        self.data.features_into(row, features);
        if stamped {
            for &(at, value) in &self.trigger.marks {
                if let Some(feature) = features.get_mut(at) {
                    *feature = value;
                }
            }
        }
    }

    fn target(&self, index: usize) -> Target {
        match self.rows[index] {
            (_, true) => Target::Class(self.trigger.target),
            (row, false) => self.data.target(row),
        }
    }
}
