//! The attacks of an audit's JSON, as points of the two errors.

use std::path::Path;

use serde::Deserialize;

use crate::{failure::Failure, files};

/// An attack's errors, from those who call nobody in to those who call everybody in.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    pub(super) name: String,
    /// Type I and type II.
    pub(super) errors: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
struct Envelope {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    audits: Vec<Audit>,
}

#[derive(Deserialize)]
struct Audit {
    attack: String,
    protection: String,
    curve: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    false_positive: f64,
    true_positive: f64,
}

/// Largest file read.
const MOST: u64 = 16 << 20;

/// Reads what `xfl privacy audit --json` printed; attacks on what isn't protected are left out.
pub(super) fn read(path: &Path) -> Result<Vec<Attack>, Failure> {
    let bytes = files::read(path, MOST)?;
    let wrong = |what: String| {
        Failure::usage(format!("{}: {what}", path.display()))
            .hint("write what `xfl privacy audit --json` prints into a file, and name that")
    };
    let Envelope { data } = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let protected = data.audits.into_iter().filter(|audit| audit.protection == "plan");
    let attack = |audit: Audit| {
        let errors = audit
            .curve
            .iter()
            .map(|point| (point.false_positive, 1.0 - point.true_positive));
        let errors: Vec<(f64, f64)> = errors.collect();
        let rates = errors
            .iter()
            .all(|(one, two)| (0.0..=1.0).contains(one) && (0.0..=1.0).contains(two));
        if !rates {
            return Err(wrong(format!(
                "a rate of the attack {:?} is outside 0 to 1",
                audit.attack
            )));
        }
        Ok(Attack {
            name: audit.attack,
            errors,
        })
    };
    protected.map(attack).collect()
}
