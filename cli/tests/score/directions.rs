//! Scores that need no data: cosines, reputations, the game of directions.

use std::fs;

use super::{file, floats, integers, json, numbers};

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
