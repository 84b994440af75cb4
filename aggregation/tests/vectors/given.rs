//! The cases in the JSON files beside this one: what they ask for, and how far an answer is from theirs.

use serde_json::Value;
use xfl_aggregation::Neighbours;
use xfl_aggregation::decide::bulyan;
use xfl_aggregation::decide::caf::PowerStart;
use xfl_aggregation::real::{Rule, Stage, State, Table};

/// Relative to the larger of the largest honest value and the largest of the answer.
pub(crate) const TOLERANCE: f64 = 1e-8;

/// A file of this folder.
pub(crate) fn read(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the vectors are part of the repository");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    let all = value.as_array().expect("a list");
    all.iter().map(|v| v.as_f64().expect("a number")).collect()
}

pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, v| f64::max(most, v.abs()))
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

pub(crate) fn count(value: &Value) -> usize {
    value.as_u64().expect("a whole number") as usize
}

pub(crate) fn rows(input: &Value) -> Vec<Vec<f64>> {
    list(&input["rows"]).iter().map(numbers).collect()
}

/// The largest difference between two vectors, relative to what agreement is measured by.
pub(crate) fn apart(got: &[f64], expected: &[f64], honest: f64) -> Result<f64, String> {
    if got.len() != expected.len() {
        return Err(format!("{} coordinates instead of {}", got.len(), expected.len()));
    }
    let differences: Vec<f64> = got.iter().zip(expected).map(|(a, b)| a - b).collect();
    let size = f64::max(honest, largest(expected));
    Ok(largest(&differences) / if size > 0.0 { size } else { 1.0 })
}

/// The stages and the rule that a case asks for, with the convention of `neighbours` where it names none.
pub(crate) fn asked(case: &Value, neighbours: Neighbours) -> (Vec<Stage>, Rule) {
    let given = Given(&case["parameters"]);
    let f = count(&case["f"]);
    let pre = list(&case["pre"]).iter().map(|name| given.stage(text(name), f));
    (pre.collect(), given.rule(text(&case["rule"]), f, neighbours))
}

/// How far our answer to a case is from the one kept.
pub(crate) fn difference(input: &Value, case: &Value, neighbours: Neighbours) -> Result<f64, String> {
    let rows = rows(input);
    let (pre, rule) = asked(case, neighbours);
    let start = case["parameters"].get("start").map(numbers);
    let table = Table::new(rows.iter().map(Vec::as_slice).collect()).map_err(|e| e.to_string())?;
    let state = State {
        start: start.as_deref(),
        ..State::default()
    };
    let got = rule.aggregate(&table, &pre, state).map_err(|e| e.to_string())?.values;
    let honest = input["honest"].as_f64().expect("honest");
    apart(&got, &numbers(&case["values"]), honest)
}

/// A case's parameters.
struct Given<'a>(&'a Value);

impl Given<'_> {
    fn count(&self, name: &str) -> usize {
        self.0[name].as_u64().unwrap_or_else(|| panic!("{name} of {}", self.0)) as usize
    }

    fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or_else(|| panic!("{name} of {}", self.0))
    }

    fn rule(&self, name: &str, f: usize, neighbours: Neighbours) -> Rule {
        let neighbours = match self.0["neighbours"].as_str() {
            Some("blanchard") => Neighbours::Blanchard,
            Some("byzfl") => Neighbours::ByzFl,
            Some(other) => panic!("no convention {other}"),
            None => neighbours,
        };
        let (start, power) = (PowerStart::Ones, 1);
        let iterations = || self.count("iterations") as u32;
        match name {
            "mean" => Rule::Mean,
            "median" => Rule::Median,
            "trimmed-mean" => Rule::TrimmedMean { f },
            "meamed" => Rule::Meamed { f },
            "geometric-median" => Rule::GeometricMedian {
                nu: self.number("nu"),
                iterations: iterations(),
            },
            "centered-clipping" => Rule::CenteredClipping {
                tau: self.number("tau"),
                iterations: iterations(),
            },
            "krum" => Rule::Krum { f, neighbours },
            "multi-krum" => Rule::MultiKrum {
                f,
                select: self.count("select"),
                neighbours,
            },
            "bulyan" => Rule::Bulyan {
                f,
                stage: match text(&self.0["stage"]) {
                    "once" => bulyan::Stage::Once,
                    "iterated" => bulyan::Stage::Iterated,
                    other => panic!("no stage {other}"),
                },
                neighbours,
            },
            "mda" => Rule::Mda { f },
            "monna" => Rule::Monna {
                f,
                index: self.count("index"),
            },
            "caf" => Rule::Caf { f, start, power },
            "smea" => Rule::Smea { f, start, power },
            other => panic!("no rule for {other}"),
        }
    }

    fn stage(&self, name: &str, f: usize) -> Stage {
        match name {
            "nnm" => Stage::Nnm { f },
            "arc" => Stage::Arc { f },
            "clipping" => Stage::StaticClip {
                norm: self.number("norm"),
            },
            "bucketing" => Stage::Bucketing {
                size: self.count("size"),
                permutation: numbers(&self.0["permutation"])
                    .into_iter()
                    .map(|v| v as usize)
                    .collect(),
            },
            other => panic!("no stage for {other}"),
        }
    }
}
