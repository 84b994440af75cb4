//! The reference without federation: one place's data, the plan's number of steps, no noise.

use crate::{
    plan::Plan,
    seed::Seed,
    train::{Data, Evaluation, Model, TrainError},
};

/// Trains on one place's data without federation and without noise: the plan's number of steps, each over all of `data`, at
/// the same step size. Gives the evaluation on `held_out` after each.
///
/// # Errors
/// Training fails or diverges.
pub fn centralised(
    plan: &Plan,
    model: &dyn Model,
    data: &dyn Data,
    held_out: &dyn Data,
) -> Result<Vec<Evaluation>, TrainError> {
    let mut parameters = model.init(&Seed::from_number(plan.terms().training.seed));
    let mut gradient = vec![0.0; model.dimension()];
    let all: Vec<usize> = (0..data.len()).collect();
    let rate = match plan.terms().privacy.unit {
        xfl_privacy::Unit::Record => plan.terms().training.server_learning_rate,
        xfl_privacy::Unit::Institution => plan.terms().training.learning_rate,
    };
    let mut evaluations = Vec::new();
    for _ in 0..plan.terms().rounds.count {
        model.loss_gradient(&parameters, data, &all, &mut gradient)?;
        for (p, g) in parameters.iter_mut().zip(&gradient) {
            *p = (f64::from(*p) - rate * f64::from(*g)) as f32;
        }
        evaluations.push(model.evaluate(&parameters, held_out)?);
    }
    Ok(evaluations)
}
