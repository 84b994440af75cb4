//! `xfl aggregate` as its user meets it: files in, files out, and what it says to what can't be aggregated.
#![allow(clippy::unwrap_used, reason = "what goes wrong in a helper fails its test")]

#[path = "support/npy.rs"]
mod npy;

use std::{fs, path::Path};

use npy::{doubles, floats, integers, json, npy};

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

fn wides(rows: &[&[i64]]) -> Vec<u8> {
    let bytes: Vec<u8> = rows
        .iter()
        .flat_map(|r| r.iter().flat_map(|v| v.to_le_bytes()))
        .collect();
    npy("<i8", rows.len(), rows[0].len(), &bytes)
}

/// The integers of a one-dimensional file of i32.
fn steps(path: &Path, n: usize) -> Vec<i32> {
    let bytes = fs::read(path).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY") && String::from_utf8_lossy(&bytes).contains("'<i4'"));
    let (body, _) = bytes[bytes.len() - 4 * n..].as_chunks::<4>();
    body.iter().map(|b| i32::from_le_bytes(*b)).collect()
}

#[test]
fn stages_before_a_rule_on_integers_are_exact() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows: [&[i32]; 5] = [&[10, -4], &[11, -5], &[9, -4], &[10, -6], &[i32::MAX, i32::MIN]];
    fs::write(at.join("in.npy"), integers(&rows)).unwrap();
    fs::write(at.join("order.npy"), wides(&[&[4, 0, 1, 2, 3]])).unwrap();
    let made = |line: &str| {
        let said = json(at, &format!("aggregate in.npy {line} -o out.npy"), 0);
        (steps(&at.join("out.npy"), 2), said["data"].clone())
    };
    // The four rows nearest to each honest row are the honest ones: (40, -19) / 4, floored.
    let (values, _) = made("--rule median -f 1 --pre nnm");
    assert_eq!(values, [10, -5]);
    // The honest rows are shorter than 13. The last one is shortened by floor(2^30 * 13 / 3037000499) = 4 times 2^-30 to (7, -8).
    let (values, data) = made("--rule mean --pre clipping --param norm=13");
    assert_eq!(values, [47 / 5, (-27_i32).div_euclid(5)]);
    let weight = data["weights"][4].as_f64().unwrap();
    assert!(weight > 0.0 && weight < 1e-8, "{weight}");
    // Buckets {4, 0}, {1, 2}, {3}: what was chosen is said of the rows that were given.
    let (values, data) =
        made("--rule krum -f 1 --pre bucketing --param size=2 --param permutation=order.npy --param neighbours=byzfl");
    assert_eq!((values, &data["selected"]), (vec![10, -5], &serde_json::json!([1, 2])));
    assert_eq!(data["squared_distances"].as_array().unwrap().len(), 3);
    for (threads, file) in [(1, "t1.npy"), (2, "t2.npy")] {
        let line = format!("aggregate in.npy --rule flame --pre arc,nnm -f 1 --threads {threads} -o {file}");
        json(at, &line, 0);
    }
    assert_eq!(
        fs::read(at.join("t1.npy")).unwrap(),
        fs::read(at.join("t2.npy")).unwrap()
    );
}

#[test]
fn integer_rules_read_integers_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows: [&[i32]; 3] = [&[100, 0, 10], &[-100, -100, 500], &[-90, -110, 500]];
    fs::write(at.join("in.npy"), integers(&rows)).unwrap();
    let file = |name: &str, bytes: Vec<u8>| fs::write(at.join(name), bytes).unwrap();
    file("weights.npy", wides(&[&[3, 1, 0]]));
    file("reference.npy", integers(&[&[200, 0, 20]]));
    file("start.npy", integers(&[&[7, 7, 7]]));
    file(
        "history.npy",
        wides(&[&[0, 900, -90], &[-4000, -4000, 20_000], &[-4000, -4000, 20_000]]),
    );
    file("short.npy", integers(&[&[1, 2]]));
    file("floats.npy", floats(&[&[1.0, 2.0, 3.0]]));
    file("negative.npy", integers(&[&[1, -2, 3]]));
    file("large.npy", wides(&[&[1, 2, 1 << 40]]));
    for (line, expected) in [
        ("weighted-mean --param weights=weights.npy", [50, -25, 132]),
        ("weighted-mean --param weights=weights.npy --param cap=1", [0, -50, 255]),
        ("fltrust --param reference=reference.npy", [200, 0, 20]),
        ("foolsgold --param history=history.npy", [100, 0, 10]),
        ("centered-clipping --param start=start.npy --param tau=0", [7, 7, 7]),
        (
            "geometric-median --param start=start.npy --param iterations=0",
            [7, 7, 7],
        ),
    ] {
        json(at, &format!("aggregate in.npy --rule {line} -o out.npy"), 0);
        assert_eq!(steps(&at.join("out.npy"), 3), expected, "{line}");
        fs::remove_file(at.join("out.npy")).unwrap();
    }
    for (line, words) in [
        ("weighted-mean", "weights is missing"),
        (
            "weighted-mean --param weights=negative.npy",
            "-2, expected a whole number of at least 0",
        ),
        ("weighted-mean --param weights=weights.npy --param cap=1.5", "cap=1.5"),
        (
            "weighted-mean --param weights=weights.npy --param cap-share=0.5",
            "no parameter \"cap-share\"",
        ),
        ("fltrust", "reference is missing"),
        ("fltrust --param reference=floats.npy", "expected whole numbers"),
        ("fltrust --param reference=large.npy", "expected an integer of 32 bits"),
        ("fltrust --param reference=short.npy", "2 numbers, expected 3"),
        (
            "foolsgold --param history=short.npy",
            "expected one vector per row, 3, got 1",
        ),
        ("foolsgold --param kappa=-1", "kappa=-1"),
        ("dnc", "seed is missing"),
        ("mean --pre clipping --param norm=1.5", "norm=1.5"),
        (
            "mean --pre nnm -f 3",
            "cohort too small for nnm: expected at least 4 rows, got 3",
        ),
        ("meen", "no rule \"meen\""),
    ] {
        let said = json(at, &format!("aggregate in.npy --rule {line} -o out.npy"), 2);
        let text = said["error"].to_string().replace("\\\"", "\"");
        assert!(text.contains(words), "{line}: {text}");
        assert!(!at.join("out.npy").exists(), "{line}");
    }
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
    let whole: Vec<Vec<i32>> = (0..12).map(|i| vec![i, 1, -3 * i]).collect();
    let whole: Vec<&[i32]> = whole.iter().map(Vec::as_slice).collect();
    fs::write(folder.path().join("whole.npy"), integers(&whole)).unwrap();
    fs::write(folder.path().join("whole-weights.npy"), integers(&[&[1; 12]])).unwrap();
    fs::write(folder.path().join("whole-reference.npy"), integers(&[&[1, 1, -1]])).unwrap();
    for rule in rules {
        assert_eq!(rule["on"], "i32, f32, f64");
        let name = rule["name"].as_str().unwrap();
        let extra = match name {
            "norm-clipping" => "--param norm=1",
            "dnc" => "--param seed=7",
            "weighted-mean" => "--param weights=whole-weights.npy",
            "fltrust" => "--param reference=whole-reference.npy",
            "centered-clipping" => "--param tau=5",
            _ => "",
        };
        // To FoolsGold, rows that are mixed look like copies.
        let stages = if name == "foolsgold" {
            &[""][..]
        } else {
            &["", "--pre nnm", "--pre arc,nnm"]
        };
        for pre in stages {
            let line = format!("aggregate whole.npy --rule {name} -f 2 {extra} {pre}");
            json(folder.path(), &line, 0);
        }
    }
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

/// Pseudo-random rows, the last one far away.
fn updates(n: usize, d: usize) -> Vec<Vec<f32>> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let far = |i: usize| if i + 1 == n { 1e6 } else { 1.0 };
    (0..n).map(|i| (0..d).map(|_| far(i) * next()).collect()).collect()
}

/// Rows longer than memory take another way through the program, but there are no other numbers at its end.
#[test]
fn rows_that_stay_in_their_files_give_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows = updates(9, 70_001);
    let slices: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
    fs::write(at.join("all.npy"), floats(&slices)).unwrap();
    fs::write(at.join("a.npy"), floats(&slices[..4])).unwrap();
    fs::write(at.join("b.npy"), floats(&slices[4..5])).unwrap();
    fs::write(at.join("c.npy"), floats(&slices[5..])).unwrap();
    for rule in [
        "mean",
        "trimmed-mean -f 2",
        "multi-krum -f 2 --param select=4",
        "median -f 2 --pre nnm",
        "geometric-median",
        "dnc -f 2 --param seed=1",
        "median --pre clipping,arc -f 1 --param norm=100",
    ] {
        let held = json(at, &format!("aggregate all.npy --rule {rule} -o held.npy"), 0);
        let held = (fs::read(at.join("held.npy")).unwrap(), held);
        for (files, options) in [
            ("all.npy", "--memory 0"),
            ("all.npy", "--memory 0 --threads 1"),
            ("a.npy b.npy c.npy", "--memory 0"),
            ("a.npy b.npy c.npy", ""),
        ] {
            let line = format!("aggregate {files} --rule {rule} {options} -o stored.npy");
            let stored = json(at, &line, 0);
            assert_eq!(fs::read(at.join("stored.npy")).unwrap(), held.0, "{line}");
            for part in ["selected", "weights", "scores", "squared_distances"] {
                assert_eq!(stored["data"][part], held.1["data"][part], "{line}: {part}");
            }
        }
    }
    json(at, "aggregate all.npy --rule median --memory 0", 0);
    let left: Vec<_> = fs::read_dir(at).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 6, "{left:?}");
}

#[test]
fn integers_that_stay_in_their_files_give_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows = updates(9, 70_001);
    let grid = |row: &Vec<f32>| row.iter().map(|v| (v * 1e4) as i32).collect();
    let rows: Vec<Vec<i32>> = rows.iter().map(grid).collect();
    let slices: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
    fs::write(at.join("all.npy"), integers(&slices)).unwrap();
    fs::write(at.join("a.npy"), integers(&slices[..4])).unwrap();
    fs::write(at.join("b.npy"), integers(&slices[4..])).unwrap();
    for rule in [
        "mean",
        "trimmed-mean -f 2",
        "multi-krum -f 2 --param select=4",
        "median -f 2 --pre nnm",
        "geometric-median",
        "centered-clipping --pre arc -f 1 --param tau=1000000",
    ] {
        let held = json(at, &format!("aggregate all.npy --rule {rule} -o held.npy"), 0);
        let values = fs::read(at.join("held.npy")).unwrap();
        for options in ["all.npy --memory 0", "a.npy b.npy --memory 0 --threads 1"] {
            let line = format!("aggregate {options} --rule {rule} -o stored.npy");
            let stored = json(at, &line, 0);
            assert_eq!(fs::read(at.join("stored.npy")).unwrap(), values, "{line}");
            for part in ["selected", "weights", "scores", "squared_distances"] {
                assert_eq!(stored["data"][part], held["data"][part], "{line}: {part}");
            }
        }
    }
}

#[test]
fn rows_in_several_files_are_refused_by_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows = updates(3, 1000);
    let mut bad = rows[2].clone();
    bad[999] = f32::INFINITY;
    fs::write(at.join("a.npy"), floats(&[&rows[0], &rows[1]])).unwrap();
    fs::write(at.join("bad.npy"), floats(&[&bad])).unwrap();
    fs::write(at.join("short.npy"), floats(&[&bad[..998]])).unwrap();
    fs::write(at.join("whole.npy"), integers(&[&[1; 1000]])).unwrap();
    for memory in [0, 512] {
        for (files, words) in [
            (
                "a.npy bad.npy",
                "bad.npy: row 2 coordinate 999: expected a finite number",
            ),
            (
                "a.npy short.npy",
                "short.npy: rows of 998 <f4, expected 1000 <f4 as in a.npy",
            ),
            ("a.npy whole.npy", "whole.npy: rows of 1000 <i4"),
            ("a.npy none.npy", "none.npy"),
        ] {
            let line = format!("aggregate {files} --rule krum --param neighbours=byzfl --memory {memory} -o out.npy");
            let said = json(at, &line, 2);
            assert!(said["error"].to_string().contains(words), "{line}: {said}");
            assert!(
                !at.join("out.npy").exists() && fs::read_dir(at).unwrap().count() == 4,
                "{line}"
            );
        }
    }
}
