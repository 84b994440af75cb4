//! How well an attacker tells members from others: the curve of its two kinds of error.
//!
//! A mean over all canaries hides an attack that is sure about a few: what counts is the share of true positives at a low share of false
//! ones (Carlini et al. 2022).
//!
//! # References
//! N. Carlini, S. Chien, M. Nasr, S. Song, A. Terzis, F. Tramèr: *Membership Inference Attacks From First Principles*, IEEE S&P 2022.

use serde::Serialize;

use super::Trials;

/// A threshold's two rates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RocPoint {
    /// Share of those that were out and are called in: type I.
    pub false_positive: f64,
    /// Share of those that were in and are called in; 1 minus it is type II.
    pub true_positive: f64,
}

/// The curve, from nobody called in to everybody.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Roc {
    points: Vec<RocPoint>,
    /// The probability that one who was in has a higher score than one who was out, ties counting half; 0.5 is no attack at all.
    pub area: f64,
}

impl Trials {
    /// The curve of all trials. A description, not a bound.
    #[must_use]
    pub fn roc(&self) -> Roc {
        let mut order: Vec<_> = self.all().iter().collect();
        order.sort_by(|a, b| b.score.total_cmp(&a.score));
        let members = order.iter().filter(|trial| trial.included).count();
        let others = order.len() - members;
        let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
        let (mut points, mut area) = (Vec::new(), 0.0);
        let (mut positive, mut wrong) = (0, 0);
        let point = |positive, wrong| RocPoint {
            false_positive: share(wrong, others),
            true_positive: share(positive, members),
        };
        points.push(point(0, 0));
        // Those of one score are called in together.
        for group in order.chunk_by(|a, b| a.score == b.score) {
            let before = point(positive, wrong);
            positive += group.iter().filter(|trial| trial.included).count();
            wrong += group.iter().filter(|trial| !trial.included).count();
            let after = point(positive, wrong);
            area += (after.false_positive - before.false_positive) * (before.true_positive + after.true_positive) / 2.0;
            points.push(after);
        }
        Roc { points, area }
    }
}

impl Roc {
    /// The largest share of true positives with at most this share of false ones.
    #[must_use]
    pub fn true_positives_at(&self, false_positive: f64) -> f64 {
        let within = self
            .points
            .iter()
            .filter(|point| point.false_positive <= false_positive);
        within.map(|point| point.true_positive).fold(0.0, f64::max)
    }

    /// At most `count` points of the curve, evenly along it, ends included.
    #[must_use]
    pub fn points(&self, count: usize) -> Vec<RocPoint> {
        let every = self.points.len().div_ceil(count.max(2) - 1).max(1);
        let mut points: Vec<RocPoint> = self.points.iter().copied().step_by(every).collect();
        if let Some(&last) = self.points.last()
            && points.last() != Some(&last)
        {
            points.push(last);
        }
        points
    }
}
