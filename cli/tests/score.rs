//! `xfl score` as its user meets it: the laws of the scores through the program, a real round with a poisoner and a copier, and what it
//! says to what can't be scored.
#![allow(clippy::unwrap_used, reason = "what goes wrong in a helper fails its test")]

#[path = "support/npy.rs"]
mod npy;

use std::{fs, path::Path};

use npy::{floats, integers, json, npy as file, run};
use serde_json::Value;
use tempfile::TempDir;
use xfl_core::{
    plan::Plan,
    round::aggregate::moved,
    seed::Seed,
    train::{
        Device, Limits, Model, Table,
        checkpoint::{Origin, encode},
        contribution::{Task, contribution},
    },
};
use xfl_privacy::{Noised, Rehearsal, RehearsalNoise};

const PATIENTS: &str = include_str!("../../examples/data/breast_cancer_wisconsin.csv");

fn numbers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect()
}

fn texts(value: &Value) -> Vec<i128> {
    let text = |v: &Value| v.as_str().unwrap().parse().unwrap();
    value.as_array().unwrap().iter().map(text).collect()
}

/// Values of 2^n coalitions without any structure, and the stream that they came from.
fn values(n: usize, seed: u64) -> Vec<i64> {
    let mut stream = Seed::from_number(seed).stream();
    (0..1 << n)
        .map(|_| stream.below(2_000_000) as i64 - 1_000_000)
        .collect()
}

/// n! times the Shapley values, by walking every order.
fn by_orders(values: &[i64]) -> Vec<i128> {
    fn walk(values: &[i64], bits: usize, sums: &mut [i128]) {
        for player in 0..sums.len() {
            let with = bits | 1 << player;
            if with != bits {
                // As many orders go on from here as the players still to come have.
                let orders: i128 = (1..(sums.len() - with.count_ones() as usize + 1) as i128).product();
                sums[player] += orders * i128::from(values[with] - values[bits]);
                walk(values, with, sums);
            }
        }
    }
    let mut sums = vec![0; values.len().ilog2() as usize];
    walk(values, 0, &mut sums);
    sums
}

#[test]
fn exact_shapley_values_obey_their_laws_on_written_games() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (n, seed) in [(1, 1), (3, 2), (5, 3), (6, 4)] {
        let mut values = values(n, seed);
        if n > 3 {
            // The last row adds nothing; rows 0 and 1 are worth the same to everybody.
            let alike = |bits: usize| if bits & 3 == 2 { bits ^ 3 } else { bits };
            values = (0..values.len())
                .map(|bits| values[alike(bits & !(1 << (n - 1)))])
                .collect();
        }
        fs::write(at.join("game.json"), serde_json::to_string(&values).unwrap()).unwrap();
        let data = &json(at, "score --scorer shapley --game game.json", 0)["data"];
        let exact = texts(&data["exact"]["numerators"]);
        assert_eq!(exact, by_orders(&values), "the definition, n = {n}");
        let gain = values[values.len() - 1] - values[0];
        let scores = numbers(&data["scores"]);
        assert_eq!(scores.iter().sum::<i64>(), gain, "efficiency");
        assert_eq!((&data["evaluations"], &data["rows"]), (&(1 << n).into(), &n.into()));
        if n > 3 {
            assert_eq!((scores[n - 1], exact[n - 1]), (0, 0), "a null player has nothing");
            assert_eq!(exact[0], exact[1], "symmetric rows have the same");
        }
        let lost = numbers(&json(at, "score --scorer leave-one-out --game game.json", 0)["data"]["scores"]);
        let all = values.len() - 1;
        let without = |row: usize| values[all] - values[all & !(1 << row)];
        assert_eq!(lost, (0..n).map(without).collect::<Vec<_>>());
        // Over all six orders of three rows, and by chance over more, the sampled estimate is the exact value.
        let sampled = &json(
            at,
            "score --scorer truncated-shapley --game game.json --param seed=5,orders=4000,tolerance=0",
            0,
        )["data"];
        let errors = sampled["standard_errors"].as_array().unwrap();
        let off = scores.iter().zip(numbers(&sampled["scores"])).zip(errors);
        for ((exact, sampled), error) in off {
            let most = 5.0 * error.as_f64().unwrap() + 1.0;
            assert!((exact.abs_diff(sampled) as f64) < most, "{exact} {sampled} ± {error}");
        }
        assert_eq!(numbers(&sampled["scores"]).iter().sum::<i64>(), gain, "efficiency");
        let asked = sampled["evaluations"].as_i64().unwrap() + sampled["cache_hits"].as_i64().unwrap();
        assert_eq!(asked, 4_000 * n as i64 + 2);
        assert!(sampled["evaluations"].as_i64().unwrap() <= 1 << n);
    }
}

#[test]
fn a_table_needs_no_more_coalitions_than_a_score_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(
        at.join("three.csv"),
        "rows,value\n0 1 2,0.9\n1 2,0.7\n0 2,0.85\n0 1,0.95\n",
    )
    .unwrap();
    let data = &json(
        at,
        "score --scorer leave-one-out --game three.csv --unit one -o lost.npy",
        0,
    )["data"];
    assert_eq!(numbers(&data["scores"]), [200_000, 50_000, -50_000]);
    let written = fs::read(at.join("lost.npy")).unwrap();
    assert!(String::from_utf8_lossy(&written).contains("'<i8'"));
    assert_eq!(written[written.len() - 8..], (-50_000_i64).to_le_bytes());
    let paid = &json(
        at,
        "score --scorer leave-one-out --game three.csv --unit one --rewards 1001 --floor 100000 --cap 500000",
        0,
    )["data"]["rewards"];
    // 100 each; of the 701 left row 0 has room for 400 and gets them, row 1 has 301; the negative score forfeits its floor.
    assert_eq!(numbers(&paid["parts"]), [500, 401, 0]);
    assert_eq!(numbers(&paid["withheld"]), [0, 0, 100]);
    assert_eq!(paid["rest"], 100);
    let said = json(at, "score --scorer shapley --game three.csv --unit one", 2);
    let (error, hint) = (said["error"]["message"].to_string(), said["error"]["hint"].to_string());
    assert!(
        error.contains("no value of coalition {}") && hint.contains("0 as mask"),
        "{said}"
    );
}

/// Rows whose cosines with their mean, 0.8, 0.6, 0 and -1 times whatever, are known; their scales are 1e12 to 1e-6.
#[test]
fn cosines_of_floats_are_right_at_any_scale_and_copies_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows: [&[f32]; 5] = [
        &[8e11, 6e11, 0.0],
        &[6e-7, 8e-7, 0.0],
        &[0.0, 0.0, 2.0],
        &[-3.0, 0.0, 0.0],
        &[0.0, 0.0, 0.0],
    ];
    fs::write(at.join("in.npy"), floats(&rows)).unwrap();
    fs::write(at.join("x.npy"), floats(&[&[1.0, 0.0, 0.0]])).unwrap();
    let data = &json(at, "score in.npy --scorer cosine --aggregate x.npy --threads 1", 0)["data"];
    let scores = numbers(&data["scores"]);
    for (score, expected) in scores.iter().zip([800_000, 600_000, 0, -1_000_000, 0]) {
        assert!(score.abs_diff(expected) <= 1, "{scores:?}");
    }
    assert_eq!(data["remarks"][4][0], "zeros");
    assert_eq!(data["evaluations"], 0);
    // The mean is the first row's direction, to a part in 10^12.
    let mean = numbers(&json(at, "score in.npy --scorer cosine --rule mean --threads 2", 0)["data"]["scores"]);
    assert!(
        mean[0] >= 999_999 && mean[1].abs_diff(960_000) <= 1 && mean[3].abs_diff(-800_000) <= 1,
        "{mean:?}"
    );

    let rows: [&[i32]; 5] = [&[10, 0, 1], &[30, 0, 3], &[0, 5, 0], &[10, 0, 1], &[0, 0, 0]];
    fs::write(at.join("copies.npy"), integers(&rows)).unwrap();
    let bytes: Vec<u8> = [3_i32, 2, 1, 0, 4].iter().flat_map(|v| v.to_le_bytes()).collect();
    fs::write(at.join("order.npy"), file("<i4", 1, 5, &bytes)).unwrap();
    let copies = |line: &str| json(at, &format!("score copies.npy {line}"), 0)["data"]["copies"].to_string();
    assert_eq!(copies("--scorer copies"), "[null,0,null,0,null]");
    assert_eq!(copies("--scorer cosine"), "[null,0,null,0,null]");
    assert_eq!(copies("--scorer copies --order order.npy"), "[3,3,null,null,null]");
    let cosines = &json(at, "score copies.npy --scorer copies", 0)["data"]["cosines"];
    assert_eq!(numbers(&cosines[1]), [1_000_000, 1_000_000, 0, 1_000_000, 0]);
}

#[test]
fn reputations_go_from_round_to_round() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("in.npy"), integers(&[&[10, 1], &[10, -1], &[10, 0], &[-10, 0]])).unwrap();
    let first = &json(at, "score in.npy --scorer cgsv --param next=a.npy", 0)["data"];
    let reputations = numbers(&first["reputations"]);
    assert_eq!(reputations.iter().sum::<i64>(), 1_000_000);
    assert!(
        numbers(&first["scores"])[3] < 0 && reputations[3] < reputations[2],
        "{first}"
    );
    let line = "score in.npy --scorer cgsv --param reputations=a.npy,next=a.npy --rewards 1000";
    let mut last = reputations;
    for _ in 0..40 {
        let next = json(at, line, 0);
        let now = numbers(&next["data"]["reputations"]);
        assert!(now[3] < last[3] || now[3] < 1_100, "{now:?}");
        last = now;
    }
    assert!(
        last[3] < 1_100,
        "the one against all keeps the least reputation: {last:?}"
    );
    let paid = json(at, line, 0);
    assert!(numbers(&paid["data"]["rewards"]["parts"])[3] <= 1, "{paid}");
    let wrong = json(
        at,
        "score in.npy --scorer cgsv --param reputations=a.npy,decay=1000001",
        2,
    );
    assert!(
        wrong["error"]["message"]
            .as_str()
            .unwrap()
            .contains("decay is not a share"),
        "{wrong}"
    );
}

/// A federation's first round on real patients: four honest members, one who sends the opposite of what it learnt three times over, and
/// one who sends the first one's update.
struct Round {
    folder: TempDir,
    plan: Plan,
    model: Box<dyn Model>,
    start: Vec<f32>,
    updates: Vec<Vec<i32>>,
}

impl Round {
    const POISONER: usize = 4;
    const COPIER: usize = 5;

    fn play() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        json(at, "init --quorum 3 -q", 0);
        let text = fs::read_to_string(at.join("federation.toml")).unwrap();
        let plan = Plan::parse(&text, "federation.toml").unwrap();
        let lines: Vec<&str> = PATIENTS.lines().collect();
        let held_out = [&lines[..1], &lines[460..]].concat().join("\n");
        fs::write(at.join("held-out.csv"), held_out).unwrap();
        let terms = plan.terms();
        let model = terms.model.build(&terms.data, Device::Cpu).unwrap();
        let patients = Table::read("patients", PATIENTS.as_bytes(), &terms.data, Limits::default()).unwrap();
        let mechanism = plan.mechanism(model.dimension()).unwrap();
        let start = model.init(&Seed::from_number(terms.training.seed));
        let update = |member: u64| {
            let ward: Vec<usize> = (0..459).filter(|i| i % 5 == member as usize).collect();
            let seed = Seed::from_number(member);
            let ward = patients.select(&ward).unwrap();
            let task = Task {
                plan: &plan,
                mechanism: &mechanism,
                model: model.as_ref(),
                data: &ward,
                parameters: &start,
                round: 1,
                seed: &seed,
            };
            let mut noise = RehearsalNoise::from_seed(seed.derive("noise", &[1]).0);
            let noised: Noised<Rehearsal> = contribution(&task, &mut noise).unwrap();
            noised.values().to_vec()
        };
        let mut updates: Vec<Vec<i32>> = (0..5).map(update).collect();
        updates[Self::POISONER].iter_mut().for_each(|v| *v *= -3);
        updates.push(updates[0].clone());
        let rows: Vec<&[i32]> = updates.iter().map(Vec::as_slice).collect();
        fs::write(at.join("grid.npy"), integers(&rows)).unwrap();
        let step = plan.parameter_step();
        let moves: Vec<u8> = rows
            .iter()
            .flat_map(|row| row.iter().flat_map(|&v| (f64::from(v) * step).to_le_bytes()))
            .collect();
        fs::write(at.join("moves.npy"), file("<f8", rows.len(), start.len(), &moves)).unwrap();
        let origin = Origin {
            federation: "first".into(),
            round: 0,
        };
        let bytes = encode(&model.tensors(), &start, &origin).unwrap();
        fs::write(at.join("start.safetensors"), bytes).unwrap();
        Self {
            folder,
            plan,
            model,
            start,
            updates,
        }
    }

    fn at(&self) -> &Path {
        self.folder.path()
    }

    fn score(&self, line: &str) -> Value {
        json(self.at(), &format!("score {line} --held-out held-out.csv"), 0)["data"].clone()
    }

    /// Minus the loss in ppm, by `xfl evaluate`, of the start moved by the floored mean of these rows.
    fn worth(&self, rows: &[usize]) -> i64 {
        let mean = |i: usize| {
            let sum: i64 = rows.iter().map(|&row| i64::from(self.updates[row][i])).sum();
            i32::try_from(sum.div_euclid(rows.len().max(1) as i64)).unwrap()
        };
        let mean: Vec<i32> = (0..self.start.len()).map(mean).collect();
        let model = moved(&self.start, &mean, self.plan.parameter_step());
        let origin = Origin {
            federation: "first".into(),
            round: 1,
        };
        let bytes = encode(&self.model.tensors(), &model, &origin).unwrap();
        fs::write(self.at().join("moved.safetensors"), bytes).unwrap();
        let said = json(self.at(), "evaluate --model moved.safetensors --data held-out.csv", 0);
        (-said["data"]["evaluation"]["loss"].as_f64().unwrap() * 1e6).round() as i64
    }
}

#[test]
fn a_real_round_is_scored_as_its_models_are_evaluated() {
    let round = Round::play();
    let n = round.updates.len();
    let everybody: Vec<usize> = (0..n).collect();
    let all = round.worth(&everybody);
    let lost = round.score("grid.npy --scorer leave-one-out");
    let without = |row: usize| {
        let others: Vec<usize> = everybody.iter().copied().filter(|&other| other != row).collect();
        all - round.worth(&others)
    };
    assert_eq!(numbers(&lost["scores"]), (0..n).map(without).collect::<Vec<_>>());
    assert_eq!((&lost["value_of_all"], &lost["evaluations"]), (&all.into(), &7.into()));
    assert_eq!(lost["value"]["rows_are"], "grid steps");

    // The same by a file that holds the start, and by differences of parameters; these differ by the floor of a mean.
    let again = round.score("grid.npy --scorer leave-one-out --model start.safetensors --threads 1");
    assert_eq!(
        (&again["scores"], &again["value"]["model_round"]),
        (&lost["scores"], &0.into())
    );
    let moves = round.score("moves.npy --scorer leave-one-out");
    assert_eq!(moves["value"]["rows_are"], "differences of parameters");
    for (a, b) in numbers(&moves["scores"]).iter().zip(numbers(&lost["scores"])) {
        assert!(a.abs_diff(b) < 100, "{moves} {lost}");
    }

    let exact = round.score("grid.npy --scorer shapley --rewards 1000000 --slash-copies");
    let scores = numbers(&exact["scores"]);
    assert_eq!(exact["evaluations"], 64);
    assert_eq!(exact["value_of_nobody"], round.worth(&[]));
    assert_eq!(scores.iter().sum::<i64>(), all - round.worth(&[]));
    assert!(
        scores[Round::POISONER] < 0 && scores[..4].iter().all(|&s| s > 0),
        "{exact}"
    );
    let numerators = texts(&exact["exact"]["numerators"]);
    assert_eq!(
        numerators[0],
        numerators[Round::COPIER],
        "a copy is worth what its original is"
    );
    assert_eq!(exact["copies"], serde_json::json!([null, null, null, null, null, 0]));
    let paid = numbers(&exact["rewards"]["parts"]);
    assert!(paid[..4].iter().all(|&part| part > 0), "{paid:?}");
    assert_eq!((paid[Round::POISONER], paid[Round::COPIER]), (0, 0));
    let rest = exact["rewards"]["rest"].as_i64().unwrap();
    assert_eq!(rest, exact["rewards"]["withheld"][Round::COPIER].as_i64().unwrap());
    assert_eq!(paid.iter().sum::<i64>() + rest, 1_000_000);

    // Sampling comes near what it estimates and says how near; the coordinator's own rule is known by the plan.
    for scorer in ["truncated-shapley", "gtg-shapley"] {
        let sampled = round.score(&format!("grid.npy --scorer {scorer} --param seed=9,orders=600"));
        let errors = sampled["standard_errors"].as_array().unwrap();
        for ((score, exact), error) in numbers(&sampled["scores"]).iter().zip(&scores).zip(errors) {
            // Truncation leaves out up to its tolerance, 1000 ppm.
            assert!(
                (score.abs_diff(*exact) as f64) < 5.0 * error.as_f64().unwrap() + 1_000.0,
                "{scorer} {sampled}"
            );
        }
        assert!(sampled["evaluations"].as_i64().unwrap() <= 64, "{sampled}");
    }
    let planned = round.score("grid.npy --scorer leave-one-out --rule plan");
    let named = round.score("grid.npy --scorer leave-one-out --rule trimmed-mean -f 1");
    assert_eq!(planned["scores"], named["scores"]);
    assert_eq!(planned["value"]["rule"], "trimmed-mean");
    let cosine = json(round.at(), "score grid.npy --scorer cosine --rule plan", 0);
    let cosine = numbers(&cosine["data"]["scores"]);
    assert!(
        cosine[Round::POISONER] < 0 && cosine[0] > 0 && cosine[0] == cosine[Round::COPIER],
        "{cosine:?}"
    );
}

#[test]
fn rows_that_a_round_refuses_are_marked_and_earn_nothing() {
    let mut round = Round::play();
    round.updates[1].iter_mut().for_each(|v| *v *= 100);
    let rows: Vec<&[i32]> = round.updates.iter().map(Vec::as_slice).collect();
    fs::write(round.at().join("grid.npy"), integers(&rows)).unwrap();
    let data = round.score("grid.npy --scorer leave-one-out --rewards 1000 --floor 100000");
    assert_eq!(data["remarks"][1][0], "outside the plan's bounds", "{data}");
    assert_eq!(data["rewards"]["parts"][1], 0);
    assert_eq!(data["remarks"][0], serde_json::json!([]));
}

#[test]
fn directions_need_no_data_and_every_game_scorer_plays_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows: Vec<Vec<f32>> = (0..13_u16).map(|i| vec![1.0, f32::from(i) / 10.0, -0.5]).collect();
    let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
    fs::write(at.join("twelve.npy"), floats(&rows[..12])).unwrap();
    fs::write(at.join("thirteen.npy"), floats(&rows)).unwrap();
    let shapley = &json(at, "score twelve.npy --scorer shapley --directions", 0)["data"];
    assert_eq!(shapley["evaluations"], 4096);
    // All rows together point as themselves; nobody points nowhere.
    assert_eq!(numbers(&shapley["scores"]).iter().sum::<i64>(), 1_000_000);
    for scorer in [
        "leave-one-out",
        "truncated-shapley --param seed=1",
        "gtg-shapley --param seed=1",
    ] {
        json(at, &format!("score twelve.npy --scorer {scorer} --directions"), 0);
    }
    let line = "score thirteen.npy --scorer truncated-shapley --directions --param seed=4";
    let [one, two] =
        ["--threads 1", "--threads 2"].map(|t| json(at, &format!("{line} {t}"), 0)["data"]["scores"].clone());
    assert_eq!(one, two);
    assert_ne!(one, json(at, &line.replace("seed=4", "seed=5"), 0)["data"]["scores"]);
    let said = json(at, "score thirteen.npy --scorer shapley --directions", 2);
    assert!(
        said["error"]["message"]
            .as_str()
            .unwrap()
            .contains("at most 12, got 13"),
        "{said}"
    );
    assert!(
        said["error"]["hint"].as_str().unwrap().contains("truncated-shapley"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_scored_is_said_with_a_hint_and_nothing_is_written() {
    let round = Round::play();
    let at = round.at();
    fs::write(at.join("nan.npy"), floats(&[&[1.0, 2.0], &[3.0, f32::NAN]])).unwrap();
    fs::write(at.join("two.npy"), floats(&[&[1.0, 2.0], &[3.0, 4.0]])).unwrap();
    fs::write(at.join("inf.npy"), floats(&[&[f32::INFINITY, 2.0]])).unwrap();
    fs::write(at.join("huge.npy"), floats(&[&[f32::MAX; 31], &[f32::MAX; 31]])).unwrap();
    let wide: Vec<u8> = [1_i64, 2].iter().flat_map(|v| v.to_le_bytes()).collect();
    fs::write(at.join("wide.npy"), file("<i8", 1, 2, &wide)).unwrap();
    fs::write(at.join("two.json"), r#"{"": 0, "0": 1, "0 1": 2}"#).unwrap();
    fs::write(at.join("text.json"), "hello").unwrap();
    for (line, words, hint) in [
        ("nan.npy --scorer cosine", "row 1 coordinate 1", ""),
        (
            "nan.npy --scorer leave-one-out --held-out held-out.csv",
            "row 1 coordinate 1",
            "",
        ),
        ("wide.npy --scorer cosine", "rows of i64", "astype"),
        ("none.npy --scorer cosine", "none.npy", "check the path"),
        ("two.npy --scorer shaply", "no scorer \"shaply\"", "truncated-shapley"),
        ("two.npy --scorer shapley", "nothing says it", "--held-out"),
        (
            "two.npy --scorer shapley --held-out held-out.csv",
            "2 coordinates, expected the model's 31",
            "member",
        ),
        (
            "grid.npy --scorer shapley --held-out none.csv",
            "none.csv",
            "check the path",
        ),
        (
            "grid.npy --scorer shapley --held-out held-out.csv --plan none.toml",
            "none.toml",
            "--plan",
        ),
        (
            "grid.npy --scorer shapley --held-out held-out.csv --model grid.npy",
            "grid.npy",
            "safetensors",
        ),
        (
            "grid.npy --scorer truncated-shapley --held-out held-out.csv",
            "seed is missing",
            "random orders",
        ),
        (
            "grid.npy --scorer gtg-shapley --param seed=1,orders=5 --held-out held-out.csv",
            "at least 6, got 5",
            "sweep",
        ),
        (
            "grid.npy --scorer shapley --param seed=1 --held-out held-out.csv",
            "no parameter \"seed\"",
            "takes none",
        ),
        (
            "two.npy --scorer truncated-shapley --directions --param seed=1,orders=200000",
            "1 to 100000",
            "errors",
        ),
        (
            "grid.npy --scorer shapley --held-out held-out.csv --rule trimmed-mean -f 1",
            "coalition {",
            "mean",
        ),
        (
            "grid.npy --scorer shapley --held-out held-out.csv --rule meen",
            "no rule \"meen\"",
            "mean",
        ),
        (
            "huge.npy --scorer leave-one-out --held-out held-out.csv",
            "make has no finite loss",
            "poisoned",
        ),
        (
            "two.npy --scorer shapley --game two.json",
            "no value of coalition {1}",
            "\"1\"",
        ),
        (
            "grid.npy --scorer shapley --game two.json",
            "of 2 rows, expected the input's 6",
            "",
        ),
        ("--scorer shapley --game text.json", "first line", "JSON"),
        ("--scorer cosine --game two.json", "cosine asks for no values", "--game"),
        (
            "two.npy --scorer cosine --aggregate inf.npy",
            "coordinate 0",
            "xfl aggregate",
        ),
        (
            "two.npy --scorer cosine --aggregate grid.npy",
            "186 numbers, expected 2",
            "",
        ),
        (
            "two.npy --scorer shapley --directions --aggregate two.npy",
            "compares with no aggregate",
            "cosine",
        ),
        ("two.npy --scorer copies --rewards 5", "no scores", "--slash-copies"),
        ("two.npy --scorer cosine --order two.npy", "expected whole numbers", ""),
        (
            "two.npy --scorer cosine --rewards 5 --floor 600000",
            "floors pass the budget",
            "500000",
        ),
        (
            "two.npy --scorer cosine --rewards 5 --floor 10 --cap 9",
            "floor above the cap",
            "--cap",
        ),
        ("two.npy --scorer cosine --floor 1000001", "1000001", ""),
        (
            "two.npy --scorer shapley --directions --game two.json",
            "cannot be used with",
            "",
        ),
    ] {
        let said = json(at, &format!("score {line} -o out.npy"), 2);
        let text = said["error"].to_string().replace("\\\"", "\"");
        assert!(text.contains(words), "{line}: {text}");
        assert!(
            said["error"]["hint"].to_string().replace("\\\"", "\"").contains(hint),
            "{line}: {text}"
        );
        assert!(!at.join("out.npy").exists(), "{line}");
    }
    let nothing = run(at, "score");
    assert_eq!(nothing.status.code(), Some(2));
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
