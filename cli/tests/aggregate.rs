//! `xfl aggregate` as its user meets it: files in, files out, and what it says to what can't be aggregated.
#![allow(clippy::unwrap_used, reason = "what goes wrong in a helper fails its test")]

#[path = "support/npy.rs"]
mod npy;

use std::fs;

use npy::{doubles, floats, integers, json};

#[test]
fn a_poisoned_row_is_survived_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows: [&[f32]; 6] = [
        &[1.0, -0.5],
        &[1.1, -0.4],
        &[0.9, -0.6],
        &[1.0, -0.5],
        &[1.05, -0.45],
        &[1e12, 1e12],
    ];
    fs::write(at.join("in.npy"), floats(&rows)).unwrap();
    let made = json(
        at,
        "aggregate in.npy --rule multi-krum -f 1 --param select=3 -o out.npy",
        0,
    );
    let data = &made["data"];
    assert_eq!((&data["rows"], &data["coordinates"]), (&6.into(), &2.into()));
    let selected = data["selected"].as_array().unwrap();
    assert!(selected.len() == 3 && !selected.contains(&5.into()), "{data}");
    let distance = data["squared_distances"][0][5].as_f64().unwrap();
    assert!((distance / 2e24 - 1.0).abs() < 1e-6, "{distance}");
    assert!(data["timings"]["rule"].is_number());
    let values = doubles(&at.join("out.npy"), 2);
    assert!(
        (values[0] - 1.0).abs() < 0.1 && (values[1] + 0.5).abs() < 0.1,
        "{values:?}"
    );

    json(at, "aggregate in.npy --rule median -o out.npy", 0);
    let values = doubles(&at.join("out.npy"), 2);
    // (1.0 + 1.05) / 2 of the two middle ones, as f32 has them.
    assert_eq!(values[0], f64::midpoint(1.0, f64::from(1.05_f32)));
    for (threads, before) in [(1, "clipping"), (2, "clipping")] {
        let line =
            format!("aggregate in.npy --rule mean --pre {before} --param norm=2 --threads {threads} -o t{threads}.npy");
        json(at, &line, 0);
    }
    assert_eq!(
        fs::read(at.join("t1.npy")).unwrap(),
        fs::read(at.join("t2.npy")).unwrap()
    );
}

#[test]
fn integers_are_aggregated_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows: [&[i32]; 3] = [&[i32::MAX, -7], &[i32::MAX, -8], &[i32::MAX - 1, -8]];
    fs::write(at.join("in.npy"), integers(&rows)).unwrap();
    json(at, "aggregate in.npy --rule mean -o out.npy", 0);
    let bytes = fs::read(at.join("out.npy")).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("'<i4'"));
    let last: Vec<i32> = bytes[bytes.len() - 8..]
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| i32::from_le_bytes(*b))
        .collect();
    // Towards negative infinity: -23/3 is -8.
    assert_eq!(last, [i32::MAX - 1, -8]);
}

#[test]
fn what_cannot_be_aggregated_is_said_with_a_hint_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("nan.npy"), floats(&[&[1.0, 2.0], &[3.0, f32::NAN]])).unwrap();
    fs::write(at.join("ok.npy"), floats(&[&[1.0, 2.0], &[3.0, 4.0]])).unwrap();
    let mut short = floats(&[&[1.0, 2.0], &[3.0, 4.0]]);
    short.truncate(short.len() - 3);
    fs::write(at.join("short.npy"), short).unwrap();
    fs::write(at.join("text.npy"), "a,b\n1,2\n").unwrap();
    for (line, words) in [
        ("nan.npy --rule mean", "row 1 coordinate 1"),
        ("short.npy --rule mean", "short.npy"),
        ("text.npy --rule mean", "text.npy"),
        ("none.npy --rule mean", "none.npy"),
        ("ok.npy --rule meen", "no rule \"meen\""),
        ("ok.npy --rule trimmed-mean -f 1", "at least 3"),
        ("ok.npy --rule mean --param nu=1", "no parameter \"nu\""),
        ("ok.npy --rule geometric-median --param nu=x", "nu=x"),
        ("ok.npy --rule mean --param nu", "no `=`"),
        ("ok.npy --rule mean --pre clip", "\"clip\""),
        ("ok.npy --rule mean --pre clipping", "norm is missing"),
    ] {
        let said = json(at, &format!("aggregate {line} -o out.npy"), 2);
        let text = said["error"].to_string().replace("\\\"", "\"");
        assert!(text.contains(words), "{line}: {text}");
        assert!(!at.join("out.npy").exists(), "{line}");
    }
}

#[test]
fn the_list_names_every_rule_that_can_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let list = json(folder.path(), "aggregate --list", 0);
    let rules = list["data"]["rules"].as_array().unwrap();
    assert!(rules.len() > 10);
    let rows: Vec<Vec<f32>> = (0..12).map(|i| vec![i as f32, 1.0, -0.5 * i as f32]).collect();
    let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
    fs::write(folder.path().join("in.npy"), floats(&rows)).unwrap();
    fs::write(folder.path().join("weights.npy"), floats(&[&[1.0; 12]])).unwrap();
    fs::write(folder.path().join("reference.npy"), floats(&[&[1.0; 3]])).unwrap();
    for rule in rules {
        let name = rule["name"].as_str().unwrap();
        let extra = match name {
            "norm-clipping" => "--param norm=1",
            "dnc" => "--param seed=7",
            "weighted-mean" => "--param weights=weights.npy",
            "fltrust" => "--param reference=reference.npy",
            _ => "",
        };
        json(
            folder.path(),
            &format!("aggregate in.npy --rule {name} -f 2 {extra}"),
            0,
        );
    }
}
