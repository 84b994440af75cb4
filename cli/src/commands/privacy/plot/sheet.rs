//! What is drawn: epsilon over the steps on the left, the trade-off curve on the right.

use plotters::{
    prelude::DrawingBackend,
    style::{BLACK, text_anchor::HPos},
};
use xfl_privacy::accounting::Step;

use super::{After, Attack, COUNTED, Checked};
use crate::picture::{
    DrawError, Pen, Picture,
    chart::{Axis, Chart, INKS, Kind, Place, Series},
};

/// Two charts, and a line under them that says under which terms they hold.
pub(super) struct Sheet {
    over_steps: Chart,
    trade_off: Chart,
    terms: Vec<String>,
}

const WIDTH: i32 = 520;
const FIELD: i32 = 330;
const LINE: i32 = 18;
/// By how much epsilons differ where only a logarithmic axis shows all of them.
const WIDE: f64 = 20.0;

impl Sheet {
    pub(super) fn of(
        step: &Step,
        question: &Checked,
        lines: &[After],
        curve: &[(f64, f64)],
        attacks: &[Attack],
    ) -> Self {
        let rows = question.rows(step);
        let term = |name: &str| {
            let row = rows.iter().find(|row| row.first().is_some_and(|cell| cell == name));
            row.and_then(|row| row.get(1)).cloned().unwrap_or_default()
        };
        Self {
            over_steps: over_steps(question, lines),
            trade_off: trade_off(question, curve, attacks),
            terms: vec![
                format!("noise multiplier {}", term("noise multiplier")),
                format!("sampling {}", term("sampling")),
                format!("unit {}, neighbours by {}", term("unit"), term("neighbours")),
            ],
        }
    }

    fn charts_height(&self) -> i32 {
        self.over_steps.height(FIELD).max(self.trade_off.height(FIELD))
    }
}

fn over_steps(question: &Checked, lines: &[After]) -> Chart {
    let all = || lines.iter().flat_map(|after| after.epsilons);
    let high = all().fold(0.0, f64::max);
    // An epsilon of zero has no logarithm: the axis begins at the smallest other.
    let low = all().filter(|epsilon| *epsilon > 0.0).fold(f64::INFINITY, f64::min);
    let ends = lines.last().map_or([1.0; 3], |after| after.epsilons);
    let wide = ends.iter().fold(0.0, |most: f64, e| most.max(*e))
        > WIDE * ends.iter().fold(f64::INFINITY, |least, e| least.min(*e));
    let name = format!("epsilon at delta {}", question.delta);
    let series = |(at, accountant): (usize, &xfl_privacy::accounting::Accountant)| Series {
        name: format!("{accountant}: {:.4} at the end", ends[at]),
        ink: INKS[at],
        kind: Kind::Line,
        points: lines
            .iter()
            .map(|after| (after.steps as f64, after.epsilons[at]))
            .collect(),
    };
    Chart {
        title: "What the steps give away together".into(),
        x: Axis::from_zero("steps", question.steps as f64),
        y: match wide && low.is_finite() && high > 0.0 {
            true => Axis::decades(&name, low, high),
            false => Axis::from_zero(&name, high),
        },
        series: COUNTED.iter().enumerate().map(series).collect(),
    }
}

fn trade_off(question: &Checked, curve: &[(f64, f64)], attacks: &[Attack]) -> Chart {
    let mut series = vec![
        Series {
            name: "perfect privacy: type II = 1 - type I".into(),
            ink: BLACK,
            kind: Kind::Reference,
            points: vec![(0.0, 1.0), (1.0, 0.0)],
        },
        Series {
            name: format!("least error after {} steps, by {}", question.steps, question.accountant),
            ink: INKS[0],
            kind: Kind::Line,
            points: curve.to_vec(),
        },
    ];
    series.extend(attacks.iter().enumerate().map(|(at, attack)| Series {
        name: format!("measured: {}", attack.name),
        ink: INKS[1 + at % (INKS.len() - 1)],
        kind: Kind::Dots,
        points: attack.errors.clone(),
    }));
    Chart {
        title: "What an attacker's two errors can be".into(),
        x: Axis::from_zero("type I error: taking one who is out for in", 1.0),
        y: Axis::from_zero("type II error: taking one who is in for out", 1.0),
        series,
    }
}

impl Picture for Sheet {
    fn size(&self) -> (u32, u32) {
        let height = self.charts_height() + self.terms.len() as i32 * LINE + 16;
        (2 * WIDTH.unsigned_abs(), height.unsigned_abs())
    }

    fn draw<B: DrawingBackend>(&self, pen: &Pen<'_, B>) -> Result<(), DrawError> {
        for (at, chart) in (0..).zip([&self.over_steps, &self.trade_off]) {
            let place = Place {
                left: at * WIDTH,
                top: 0,
                width: WIDTH,
                height: chart.height(FIELD),
            };
            chart.draw(pen, place)?;
        }
        for (at, term) in (0..).zip(&self.terms) {
            let y = self.charts_height() + at * LINE + 6;
            pen.text(term, 13, (24, y), HPos::Left, &BLACK)?;
        }
        Ok(())
    }
}
