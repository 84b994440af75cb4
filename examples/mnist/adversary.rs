//! The attackers of both papers, as the library makes them.

use xfl_aggregation::attack::{Attack, AttackError, Knowledge, Malicious, MimicTarget, RealDefence, Warmup};
use xfl_aggregation::real::{Stage, Table};
use xfl_core::seed::Stream;

use crate::defence::Defence;

/// Who attacks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Adversary {
    /// The same attack every round.
    Always(Attack),
    /// The paper's mimic: so many rounds to choose whom to copy, which then stays.
    Mimic {
        /// Rounds to choose in; the authors' program takes 1.
        rounds: u32,
    },
}

impl Adversary {
    /// Attackers at the start of a run, on updates of `d` coordinates.
    ///
    /// # Errors
    /// Where the mimic has no round to choose in.
    pub(crate) fn start(&self, d: usize, stream: &mut Stream) -> Result<Attackers, AttackError> {
        Ok(match self {
            Self::Always(attack) => Attackers::Always(attack.clone()),
            Self::Mimic { rounds } => {
                let start = (0..d).map(|_| stream.normal()).collect();
                Attackers::Mimic(Warmup::new(*rounds, start)?)
            }
        })
    }
}

/// Attackers in the middle of a run.
pub(crate) enum Attackers {
    Always(Attack),
    Mimic(Warmup),
}

impl Attackers {
    /// What `f` attackers send, who know the honest rows and the defence.
    ///
    /// # Errors
    /// The attack's.
    pub(crate) fn rows(
        &mut self,
        honest: &Table<'_, f32>,
        f: usize,
        defence: &Defence,
        stages: &[Stage],
        last: Option<&[f64]>,
    ) -> Result<Malicious<f32>, AttackError> {
        let attack = match self {
            Self::Always(attack) => attack.clone(),
            Self::Mimic(warmup) => Attack::Mimic {
                target: MimicTarget::Row(warmup.choose(honest)?),
            },
        };
        let known = RealDefence {
            rule: &defence.rule,
            pre: stages,
            state: defence.state(last),
        };
        let knowledge = Knowledge {
            defence: Some(&known),
            ..Knowledge::of(f)
        };
        attack.rows(honest, knowledge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xfl_aggregation::real::Rule;
    use xfl_core::seed::Seed;

    #[test]
    fn the_mimic_keeps_to_the_client_it_chose() {
        let mut stream = Seed::from_number(1).stream();
        let mut attackers = Adversary::Mimic { rounds: 1 }.start(2, &mut stream).unwrap();
        let defence = Defence::of(Rule::Mean);
        let mut copied = Vec::new();
        for turn in 0..4 {
            // Clients swap places after the choice: the copy follows the client, not the largest row.
            let rows: Vec<[f32; 2]> = (0..5).map(|i| [((i + turn) % 5) as f32, 1.0]).collect();
            let honest = Table::new(rows.iter().map(|row| &row[..]).collect()).unwrap();
            let malicious = attackers.rows(&honest, 2, &defence, &[], None).unwrap();
            let row = malicious.copied.unwrap();
            assert!(malicious.iter().all(|sent| sent == rows[row]));
            copied.push(row);
        }
        assert_eq!(copied, [copied[0]; 4]);
    }
}
