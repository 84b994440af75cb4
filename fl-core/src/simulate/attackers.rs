//! The attackers of a simulated federation: its last institutions, and what they remember from round to round.

use xfl_aggregation::{Rows, limits::Limits};
use xfl_privacy::Mechanism;

use super::{Simulation, SimulationError};
use crate::{
    attack::{
        Attack, Trigger,
        vectors::{self, Defence, Grid, Honest, Knowledge, MimicTarget, Noise, Warmup},
    },
    seed::Seed,
    train::Data,
};

/// What the attackers of one simulation do, and what they keep for it.
pub(super) struct Attackers<'a> {
    attack: Option<&'a Attack>,
    count: usize,
    mechanism: &'a Mechanism,
    limits: Limits,
    seed: Seed,
    warmup: Option<Warmup>,
    last_aggregate: Vec<f64>,
}

impl<'a> Attackers<'a> {
    pub(super) fn of(simulation: &'a Simulation<'_>, mechanism: &'a Mechanism) -> Result<Self, SimulationError> {
        let (attack, count) = match &simulation.attack {
            Some(attack) if simulation.byzantine > 0 => (Some(attack), simulation.byzantine),
            _ => (None, 0),
        };
        let seed = simulation.seed.derive("attackers", &[]);
        let d = simulation.model.dimension();
        let warmup = match attack {
            Some(Attack::Mimic { warmup }) => {
                let mut stream = seed.derive("mimic", &[]).stream();
                Some(Warmup::new(*warmup, (0..d).map(|_| stream.normal()).collect())?)
            }
            _ => None,
        };
        Ok(Self {
            attack,
            count,
            mechanism,
            limits: super::limits(mechanism),
            seed,
            warmup,
            last_aggregate: vec![0.0; d],
        })
    }

    /// How many there are; they are the last institutions.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether they need what the honest program makes of their data.
    pub(super) fn train(&self) -> bool {
        matches!(
            self.attack,
            Some(Attack::Alone(_) | Attack::LabelFlip(_) | Attack::Backdoor(_))
        )
    }

    /// What they send, one entry each; none for an update that no coordinator can accept. `honest` are the updates that the
    /// others send this round, `own` what the honest program made of the attackers' data, with the seed of each one's noise.
    pub(super) fn send(
        &mut self,
        honest: &[Vec<i32>],
        own: &[(Vec<i32>, Seed)],
        defence: &dyn Defence<i32>,
        round: u64,
    ) -> Result<Vec<Option<Vec<i32>>>, SimulationError> {
        let Some(attack) = self.attack else {
            return Ok(Vec::new());
        };
        let rows = Rows::new(honest.iter().map(Vec::as_slice).collect())?;
        let grid = Grid::new(&rows, self.limits)?;
        match attack {
            Attack::Alone(alone) => Ok(own
                .iter()
                .map(|(values, noise)| Some(alone.apply(values, self.mechanism, noise)))
                .collect()),
            Attack::LabelFlip(_) => Ok(own.iter().map(|(values, _)| Some(values.clone())).collect()),
            Attack::Backdoor(backdoor) => {
                let boosted = |values: &[i32]| {
                    let wanted = values.iter().map(|v| backdoor.boost * f64::from(*v)).collect();
                    Some(grid.send(wanted))
                };
                Ok(own.iter().map(|(values, _)| boosted(values)).collect())
            }
            // The wire's coordinates are integers: no bytes decode to infinity or NaN, so that nothing arrives.
            Attack::NonFinite(_) => Ok(vec![None; self.count]),
            Attack::Mimic { .. } => {
                let row = self.warmup.as_mut().map_or(Ok(0), |memory| memory.choose(&grid))?;
                let target = MimicTarget::Row(row);
                self.vectors(&vectors::Attack::Mimic { target }, &grid, defence, round)
            }
            Attack::Update(attack) => self.vectors(attack, &grid, defence, round),
        }
    }

    /// What a free rider may send again next time: the round's aggregate, in grid steps.
    pub(super) fn remember(&mut self, aggregate: &[i32]) {
        self.last_aggregate = aggregate.iter().copied().map(f64::from).collect();
    }

    fn vectors(
        &self,
        attack: &vectors::Attack,
        honest: &Grid<'_>,
        defence: &dyn Defence<i32>,
        round: u64,
    ) -> Result<Vec<Option<Vec<i32>>>, SimulationError> {
        let mut stream = self.seed.derive("noise", &[round]).stream();
        let mut normal = || stream.normal();
        let knowledge = Knowledge {
            defence: Some(defence),
            noise: Some(Noise::Normal(&mut normal)),
            last_aggregate: Some(&self.last_aggregate),
            ..Knowledge::of(self.count)
        };
        let made = attack.rows(honest, knowledge)?;
        Ok(made.iter().map(|row| Some(row.to_vec())).collect())
    }
}

/// What the attackers train on instead of their own data, by institution; none where it is their own.
pub(super) fn poisoned<'a>(
    simulation: &'a Simulation<'_>,
    attackers: &Attackers<'_>,
    trigger: Option<&'a Trigger>,
) -> Result<Vec<Option<Box<dyn Data + 'a>>>, SimulationError> {
    let schema = &simulation.plan.terms().data;
    let honest = simulation.institutions.len().saturating_sub(attackers.count);
    let mut all: Vec<Option<Box<dyn Data + 'a>>> = Vec::new();
    for (i, data) in simulation.institutions.iter().enumerate() {
        let seed = attackers.seed.derive("poison", &[i as u64]);
        all.push(match (attackers.attack, trigger) {
            (Some(Attack::LabelFlip(flip)), _) if i >= honest => Some(Box::new(flip.of(*data, schema, &seed)?)),
            (Some(Attack::Backdoor(backdoor)), Some(trigger)) if i >= honest => {
                Some(Box::new(trigger.poison(*data, backdoor.fraction, &seed)))
            }
            _ => None,
        });
    }
    Ok(all)
}
