//! A rule against the attacker that is worst for it.

use rayon::prelude::*;
use xfl_aggregation::{
    Aggregate, Neighbours, Rows, Rule, Stage, State,
    decide::{bulyan, caf::PowerStart},
};

use super::cohort::{BYZANTINE, Cohort, INSTITUTIONS};

/// What is done to the updates, as a plan would have it.
#[derive(Clone, Debug)]
pub(crate) struct Defence {
    rule: Kind,
    mixing: bool,
}

/// Rules whose parameters may follow the bound of an update.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Fixed(Rule),
    CenteredClipping,
    NormClipping,
}

/// How a contest ended.
pub(crate) struct Contest {
    /// Progress along the honest direction, over that without attackers.
    pub(crate) progress: f64,
    /// Share of the attackers that were used, for rules that select.
    pub(crate) taken: Option<f64>,
}

/// Names and rules, with the parameters that plans give them.
pub(crate) fn rules() -> Vec<(&'static str, Defence)> {
    let f = BYZANTINE;
    let (start, power, neighbours) = (PowerStart::Ones, 1, Neighbours::Blanchard);
    let select = INSTITUTIONS - f;
    let alone = |name, rule| {
        (
            name,
            Defence {
                rule: Kind::Fixed(rule),
                mixing: false,
            },
        )
    };
    let mixed = |name, rule| {
        (
            name,
            Defence {
                rule: Kind::Fixed(rule),
                mixing: true,
            },
        )
    };
    let iterations = 20;
    vec![
        alone("mean", Rule::Mean),
        alone("median", Rule::Median),
        alone("trimmed-mean", Rule::TrimmedMean { f }),
        alone("meamed", Rule::Meamed { f }),
        alone("geometric-median", Rule::GeometricMedian { nu: 1, iterations }),
        alone("krum", Rule::Krum { f, neighbours }),
        alone("multi-krum", Rule::MultiKrum { f, select, neighbours }),
        alone(
            "bulyan",
            Rule::Bulyan {
                f,
                stage: bulyan::Stage::Iterated,
                neighbours,
            },
        ),
        alone("mda", Rule::Mda { f }),
        alone("caf", Rule::Caf { f, start, power }),
        alone("smea", Rule::Smea { f, start, power }),
        alone(
            "dnc",
            Rule::Dnc {
                f,
                filter_ppm: 1_000_000,
                seed: 7,
                count: 10_000,
                iterations: 1,
            },
        ),
        (
            "centered-clipping",
            Defence {
                rule: Kind::CenteredClipping,
                mixing: false,
            },
        ),
        (
            "norm-clipping",
            Defence {
                rule: Kind::NormClipping,
                mixing: false,
            },
        ),
        alone("flame", Rule::Flame),
        alone("sign-majority", Rule::SignMajority),
        mixed("nnm + median", Rule::Median),
        mixed("nnm + trimmed-mean", Rule::TrimmedMean { f }),
        mixed("nnm + krum", Rule::Krum { f, neighbours }),
    ]
}

impl Defence {
    fn aggregate(&self, cohort: &Cohort, rows: &[Vec<i32>]) -> Aggregate {
        let rule = match self.rule {
            Kind::Fixed(rule) => rule,
            Kind::CenteredClipping => Rule::CenteredClipping {
                tau: cohort.bound(),
                iterations: 1,
            },
            Kind::NormClipping => Rule::NormClipping { norm: cohort.bound() },
        };
        let mixing = [Stage::Nnm { f: BYZANTINE }];
        let before = if self.mixing { &mixing[..] } else { &[] };
        #[allow(clippy::expect_used, reason = "a cohort that every rule here works on")]
        let rows = Rows::new(rows.iter().map(Vec::as_slice).collect()).expect("rows");
        #[allow(clippy::expect_used, reason = "a cohort that every rule here works on")]
        rule.aggregate_after(&rows, before, State::default())
            .expect("an aggregate")
    }
}

impl Contest {
    /// The attacker under whom the mean progress over the cohorts is least; each cohort has the same lengths to try.
    pub(crate) fn worst(cohorts: &[Cohort], defence: &Defence) -> Self {
        let clean: f64 = cohorts
            .iter()
            .map(|c| c.along(&defence.aggregate(c, &c.honest).values))
            .sum();
        let lengths = cohorts.first().map(Cohort::lengths).unwrap_or_default();
        let attackers: Vec<(f64, bool)> = lengths
            .iter()
            .flat_map(|length| [(*length, false), (*length, true)])
            .collect();
        let contests: Vec<Self> = attackers
            .into_par_iter()
            .map(|(length, noisy)| Self::under(cohorts, defence, clean, length, noisy))
            .collect();
        let worst = contests.into_iter().min_by(|a, b| a.progress.total_cmp(&b.progress));
        worst.unwrap_or(Self {
            progress: 1.0,
            taken: None,
        })
    }

    fn under(cohorts: &[Cohort], defence: &Defence, clean: f64, length: f64, noisy: bool) -> Self {
        let (mut along, mut taken, mut selects) = (0.0, 0usize, false);
        for cohort in cohorts {
            let mut rows = cohort.honest[..INSTITUTIONS - BYZANTINE].to_vec();
            // An update that the checks refuse is no update; honest ones take its place here, which only helps the rule.
            let attackers = cohort.attackers(length, noisy);
            let honest = &cohort.honest[INSTITUTIONS - BYZANTINE..];
            let sent = std::iter::zip(attackers, honest);
            rows.extend(sent.map(|(bad, good)| if cohort.admits(&bad) { bad } else { good.clone() }));
            let aggregate = defence.aggregate(cohort, &rows);
            along += cohort.along(&aggregate.values);
            selects |= aggregate.selected.iter().any(|used| !used);
            taken += aggregate.selected[INSTITUTIONS - BYZANTINE..]
                .iter()
                .filter(|used| **used)
                .count();
        }
        let share = taken as f64 / (BYZANTINE * cohorts.len()) as f64;
        Self {
            progress: along / clean,
            taken: selects.then_some(share),
        }
    }
}
