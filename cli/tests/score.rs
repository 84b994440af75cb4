//! `xfl score` as its user meets it: the laws of the scores through the program, a real round with a poisoner and a copier, and what it
//! says to what can't be scored.
#![allow(clippy::unwrap_used, reason = "what goes wrong in a helper fails its test")]

#[path = "score/directions.rs"]
mod directions;
#[path = "score/games.rs"]
mod games;
#[path = "support/npy.rs"]
mod npy;
#[path = "score/refused.rs"]
mod refused;
#[path = "score/round.rs"]
mod round;

use std::fs;

use npy::{floats, integers, json, npy as file, run};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect()
}

fn texts(value: &Value) -> Vec<i128> {
    let text = |v: &Value| v.as_str().unwrap().parse().unwrap();
    value.as_array().unwrap().iter().map(text).collect()
}

#[test]
fn the_list_says_of_each_what_it_needs_and_where_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let list = &json(at, "score --list", 0)["data"];
    fs::write(at.join("in.npy"), floats(&[&[1.0, 0.5], &[1.0, -0.5], &[-1.0, 2.0]])).unwrap();
    let scorers = list["scorers"].as_array().unwrap();
    assert_eq!(scorers.len(), 7);
    for scorer in scorers {
        let name = scorer["name"].as_str().unwrap();
        let extra = match scorer["needs"].as_str().unwrap().contains("value") {
            true if scorer["params"].as_str().unwrap().contains("seed=") => "--directions --param seed=1",
            true => "--directions",
            false => "",
        };
        json(at, &format!("score in.npy --scorer {name} {extra}"), 0);
    }
    let text = run(at, "score --list");
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(
        text.lines()
            .any(|l| l.starts_with("cosine ") && l.contains("105") && l.contains("x 1.60")),
        "{text}"
    );
    assert!(text.contains("--directions"));
}
