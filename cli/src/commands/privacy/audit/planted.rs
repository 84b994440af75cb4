//! A model in which an auditor has planted canaries: what a record hands over is replaced before it is clipped.
//!
//! Everything after it is the plan's own: batches, clipping, the grid, the sum. So whatever is wrong there shows.

use std::{
    ops::ControlFlow,
    sync::{Mutex, PoisonError},
};

use xfl_core::{
    seed::Seed,
    spec::TensorShape,
    train::{Data, Evaluation, Model, Target, TrainError},
};

/// What a record hands over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    /// Its gradient.
    Present,
    /// Zero: the neighbour in whom it is left out.
    Absent,
    /// Nothing of its own: this far downhill along one axis.
    Axis { axis: usize, downhill: f32 },
    /// So many times its gradient, which the auditor takes down.
    Noted { times: f32 },
}

/// A model with canaries among the records of its data.
pub(super) struct Planted<'a> {
    model: &'a dyn Model,
    roles: &'a [Role],
    noted: Mutex<Vec<(usize, Vec<f32>)>>,
}

impl<'a> Planted<'a> {
    /// One role for each record.
    pub(super) fn new(model: &'a dyn Model, roles: &'a [Role]) -> Self {
        Self {
            model,
            roles,
            noted: Mutex::default(),
        }
    }

    /// Records whose gradients were taken down, with those.
    pub(super) fn noted(self) -> Vec<(usize, Vec<f32>)> {
        self.noted.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn role(&self, index: usize) -> Role {
        self.roles.get(index).copied().unwrap_or(Role::Present)
    }

    /// Whether the model is asked about a record at all.
    fn asked(&self, index: usize) -> bool {
        matches!(self.role(index), Role::Present | Role::Noted { .. })
    }

    /// What a record that the model isn't asked about hands over, into `gradient`.
    fn stand_in(&self, index: usize, gradient: &mut [f32]) {
        gradient.fill(0.0);
        if let Role::Axis { axis, downhill } = self.role(index)
            && let Some(value) = gradient.get_mut(axis)
        {
            *value = -downhill;
        }
    }

    /// What a record that the model was asked about hands over.
    fn hand_over(&self, index: usize, own: &[f32], gradient: &mut [f32]) {
        let times = match self.role(index) {
            Role::Noted { times } => {
                let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
                noted.push((index, own.to_vec()));
                times
            }
            _ => 1.0,
        };
        gradient.iter_mut().zip(own).for_each(|(g, own)| *g = times * own);
    }
}

impl Model for Planted<'_> {
    fn tensors(&self) -> Vec<TensorShape> {
        self.model.tensors()
    }

    fn dimension(&self) -> usize {
        self.model.dimension()
    }

    fn init(&self, seed: &Seed) -> Vec<f32> {
        self.model.init(seed)
    }

    fn loss_gradient(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        gradient: &mut [f32],
    ) -> Result<f64, TrainError> {
        let asked: Vec<usize> = indices.iter().copied().filter(|&index| self.asked(index)).collect();
        let (share, mut loss) = (1.0 / indices.len().max(1) as f32, 0.0);
        gradient.fill(0.0);
        if !asked.is_empty() {
            let part = asked.len() as f32 * share;
            loss = self.model.loss_gradient(parameters, data, &asked, gradient)? * f64::from(part);
            gradient.iter_mut().for_each(|g| *g *= part);
        }
        let mut own = vec![0.0; gradient.len()];
        for &index in indices.iter().filter(|&&index| !self.asked(index)) {
            self.stand_in(index, &mut own);
            gradient.iter_mut().zip(&own).for_each(|(g, own)| *g += share * own);
        }
        Ok(loss)
    }

    fn example_gradients(
        &self,
        parameters: &[f32],
        data: &dyn Data,
        indices: &[usize],
        each: &mut dyn FnMut(usize, &[f32]) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        let asked: Vec<usize> = indices.iter().copied().filter(|&index| self.asked(index)).collect();
        let mut gradient = vec![0.0; self.dimension()];
        // In order: those before the next one that the model is asked about stand in by themselves.
        let mut rest = indices.iter().copied().peekable();
        let mut stopped = false;
        let stand_ins = |rest: &mut std::iter::Peekable<_>,
                         gradient: &mut [f32],
                         each: &mut dyn FnMut(usize, &[f32]) -> ControlFlow<()>| {
            while let Some(index) = rest.next_if(|&index: &usize| !self.asked(index)) {
                self.stand_in(index, gradient);
                if each(index, gradient).is_break() {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        };
        if !asked.is_empty() {
            self.model
                .example_gradients(parameters, data, &asked, &mut |index, own| {
                    let mut step = || {
                        stand_ins(&mut rest, &mut gradient, each)?;
                        rest.next();
                        self.hand_over(index, own, &mut gradient);
                        each(index, &gradient)
                    };
                    let flow = step();
                    stopped = flow.is_break();
                    flow
                })?;
        }
        if !stopped {
            // Whoever wants no more is told no more.
            let _ = stand_ins(&mut rest, &mut gradient, each);
        }
        Ok(())
    }

    fn evaluate(&self, parameters: &[f32], data: &dyn Data) -> Result<Evaluation, TrainError> {
        self.model.evaluate(parameters, data)
    }
}

/// Data in which some labels are wrong.
pub(super) struct Mislabelled<'a> {
    pub(super) data: &'a dyn Data,
    /// Records with their wrong labels.
    pub(super) wrong: std::collections::BTreeMap<usize, Target>,
}

impl Data for Mislabelled<'_> {
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
        self.wrong
            .get(&index)
            .copied()
            .unwrap_or_else(|| self.data.target(index))
    }
}

/// One record by itself.
pub(super) struct Alone<'a> {
    pub(super) data: &'a dyn Data,
    pub(super) index: usize,
}

impl Data for Alone<'_> {
    fn len(&self) -> usize {
        1
    }

    fn width(&self) -> usize {
        self.data.width()
    }

    fn features_into(&self, _index: usize, features: &mut [f32]) {
        self.data.features_into(self.index, features);
    }

    fn target(&self, _index: usize) -> Target {
        self.data.target(self.index)
    }
}
