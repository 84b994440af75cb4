//! Label flip: the attacker trains by the protocol on its own examples with wrong labels.
//!
//! Formula: class c becomes `classes - 1 - c` (with an odd number of classes the middle one keeps its label) for a
//! fraction of the attacker's examples, drawn once from the seed. Features stay as they are. Clipping, noise and the
//! grid are the honest program's, so no check on single updates can object. It needs to know its own data alone.
//!
//! References: Fang, Cao, Jia, Gong, Local model poisoning attacks to Byzantine-robust federated learning, USENIX
//! Security 2020; Biggio, Nelson, Laskov, Poisoning attacks against support vector machines, ICML 2012.

use crate::{
    schema::{Schema, Task},
    seed::Seed,
    train::{Data, Target},
};

/// Flipped labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelFlip {
    /// Fraction of the attacker's examples, above 0 and at most 1.
    pub fraction: f64,
}

impl Default for LabelFlip {
    /// All of them.
    fn default() -> Self {
        Self { fraction: 1.0 }
    }
}

/// Why labels can't be flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlipError {
    /// There are no classes.
    #[error("label-flip: expected a task with classes to flip, got a regression")]
    Regression,
}

impl LabelFlip {
    /// `data` as the attacker shows them to its own training; `seed` decides which examples are flipped.
    ///
    /// # Errors
    /// [`FlipError`] for a regression.
    pub fn of<'a>(&self, data: &'a dyn Data, schema: &Schema, seed: &Seed) -> Result<impl Data + use<'a>, FlipError> {
        let Task::Classification { classes } = &schema.task else {
            return Err(FlipError::Regression);
        };
        Ok(Flipped {
            flipped: chosen(self.fraction, data.len(), seed),
            data,
            last: classes.len().saturating_sub(1),
        })
    }
}

/// Which of `len` examples are poisoned: the fraction rounded to the nearest number, and at least one.
pub(super) fn chosen(fraction: f64, len: usize, seed: &Seed) -> Vec<bool> {
    let count = ((fraction * len as f64).round() as usize).clamp(1.min(len), len);
    let order = seed.derive("poisoned examples", &[]).stream().permutation(len);
    let mut chosen = vec![false; len];
    order.into_iter().take(count).for_each(|i| chosen[i] = true);
    chosen
}

struct Flipped<'a> {
    data: &'a dyn Data,
    flipped: Vec<bool>,
    last: usize,
}

impl Data for Flipped<'_> {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn width(&self) -> usize {
        self.data.width()
    }

    fn features_into(&self, index: usize, features: &mut [f32]) {
        self.data.features_into(index, features);
    }

    fn target(&self, index: usize) -> Target {
        match self.data.target(index) {
            Target::Class(class) if self.flipped[index] => Target::Class(self.last.saturating_sub(class)),
            honest => honest,
        }
    }
}
