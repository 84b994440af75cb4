//! `xfl simulate`: every attack by name, what is refused and how, and the matrix's files.

#![allow(clippy::unwrap_used, reason = "what goes wrong in a helper fails its test")]

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

const ATTACKS: [&str; 14] = [
    "sign-flip",
    "ipm",
    "alie",
    "optimal-ipm",
    "optimal-alie",
    "mimic",
    "gaussian",
    "non-finite",
    "label-flip",
    "min-max",
    "min-sum",
    "backdoor",
    "free-rider",
    "copied-update",
];

/// A folder with a plan of three rounds and a file of patients.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.xfl("init --rounds 3").output_of(0);
        let csv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/breast_cancer_wisconsin.csv");
        fs::copy(csv, desk.path("patients.csv")).unwrap();
        desk
    }

    /// The same with a regression: the mean radius from two other columns.
    fn regression() -> Self {
        let desk = Self::new();
        let plan = fs::read_to_string(desk.path("federation.toml")).unwrap();
        let (terms, _) = plan.split_once("\n[data]\n").unwrap();
        let data = "task = \"regression\"\nlabel = \"radius_mean\"\nlabel_center = 14.0\nlabel_scale = 3.5\n\
                    columns = [{ name = \"area_mean\", center = 650.0, scale = 350.0 }, { name = \"texture_mean\", center = 19.0, scale = 4.3 }]";
        let terms = terms.replace("kind = \"logistic\"", "kind = \"linear\"");
        fs::write(desk.path("federation.toml"), format!("{terms}\n[data]\n{data}\n")).unwrap();
        let mut rows = csv(&fs::read_to_string(desk.path("patients.csv")).unwrap());
        let kept =
            ["radius_mean", "area_mean", "texture_mean"].map(|name| rows[0].iter().position(|c| c == name).unwrap());
        rows.iter_mut()
            .for_each(|row| *row = kept.map(|c| row[c].clone()).to_vec());
        let text: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
        fs::write(desk.path("patients.csv"), text.join("\n")).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn xfl(&self, line: &str) -> Said {
        self.xfl_on(2, line)
    }

    fn xfl_on(&self, threads: usize, line: &str) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xfl"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("XFL_")) {
            command.env_remove(name);
        }
        command.env("RAYON_NUM_THREADS", threads.to_string());
        Said(
            command
                .args(line.split_whitespace())
                .current_dir(self.0.path())
                .output()
                .unwrap(),
        )
    }

    fn json(&self, line: &str) -> Value {
        let out = self.xfl(&format!("{line} --json")).output_of(0);
        serde_json::from_str::<Value>(&out).unwrap()["data"].take()
    }
}

struct Said(Output);

impl Said {
    /// Ends with this code; gives stdout.
    #[track_caller]
    fn output_of(&self, code: i32) -> String {
        let err = String::from_utf8_lossy(&self.0.stderr);
        assert_eq!(self.0.status.code(), Some(code), "{err}");
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    /// Fails for its usage, with these words and a hint.
    #[track_caller]
    fn refused(&self, words: &[&str]) {
        let err = String::from_utf8_lossy(&self.0.stderr).into_owned();
        assert_eq!(self.0.status.code(), Some(2), "{err}");
        assert!(err.contains("hint: "), "{err}");
        for word in words {
            assert!(err.contains(word), "no {word:?} in {err}");
        }
    }
}

fn csv(text: &str) -> Vec<Vec<String>> {
    text.lines()
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

/// The pixels of an RGB picture, which must have the size that its header says.
fn pixels(png: &[u8]) -> Vec<u8> {
    assert_eq!(png[..16], *b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
    let (width, height, length) = (number(16), number(20), number(33));
    assert!(width > 800 && height > 300 && png[37..41] == *b"IDAT");
    let mut rows = Vec::new();
    flate2::read::ZlibDecoder::new(&png[41..41 + length])
        .read_to_end(&mut rows)
        .unwrap();
    assert_eq!(rows.len(), height * (1 + 3 * width));
    rows.chunks(1 + 3 * width).flat_map(|row| row[1..].to_vec()).collect()
}

#[test]
fn every_attack_is_known_by_its_name_and_runs_beside_none_and_beside_the_mean() {
    let desk = Desk::new();
    for attack in ATTACKS {
        let data = desk.json(&format!("simulate --data patients.csv --attack {attack}"));
        let rows = data["rows"].as_array().unwrap();
        let of = |key: &str| rows.iter().map(|row| row[key].clone()).collect::<Vec<_>>();
        assert_eq!(of("attack"), ["none", attack, attack]);
        assert_eq!(of("rule"), ["median", "median", "mean"], "{attack}");
        assert!(
            rows.iter().all(|row| row["accuracy"].as_f64().unwrap() > 0.3),
            "{attack}"
        );
        assert!(rows[0]["attacker_ppm"].is_null() && rows[1]["attacker_ppm"].is_number());
        // One attacker's update in each of three rounds can't be sent.
        let refused = if attack == "non-finite" { 3 } else { 0 };
        assert_eq!(of("refused"), [0, refused, refused], "{attack}");
        let success = rows.iter().all(|row| row["backdoor_success"].is_number());
        assert_eq!(success, attack == "backdoor");
    }
    let text = desk
        .xfl("simulate --data patients.csv --attack backdoor --param boost=10,target=malignant")
        .output_of(0);
    assert!(text.contains("backdoor success"), "{text}");
    let text = desk.xfl("simulate --data patients.csv --attack nan").output_of(0);
    assert!(text.contains("refused"), "{text}");
}

#[test]
fn what_can_not_be_rehearsed_is_refused_with_a_hint() {
    let desk = Desk::new();
    let simulate = |rest: &str| desk.xfl(&format!("simulate --data patients.csv {rest}"));
    simulate("--attack tickle").refused(&["tickle"]);
    simulate("--attack tickle").refused(&ATTACKS);
    simulate("--attack ipm --param tau=1").refused(&["tau", "epsilon"]);
    simulate("--attack ipm --param epsilon=much").refused(&["epsilon", "a number"]);
    simulate("--attack backdoor --param target=cured").refused(&["benign, malignant", "cured"]);
    simulate("--attack backdoor --param size=31").refused(&["30", "31"]);
    simulate("--param epsilon=1").refused(&["--attack"]);
    for byzantine in ["5", "6", "0"] {
        simulate(&format!("--attack alie --byzantine {byzantine}")).refused(&["5 institutions", byzantine]);
        simulate(&format!("--matrix --byzantine {byzantine}")).refused(&["5 institutions", byzantine]);
    }
    simulate("--matrix --rules mean,guess").refused(&["guess", "trimmed-mean", "krum"]);
    simulate("--matrix --attacks alie,tickle").refused(&["tickle", "backdoor"]);
    simulate("--clients 600").refused(&["--clients"]);
    // Eleven institutions share 456 patients, and a batch is 52.
    simulate("--clients 11 --matrix").refused(&["41", "52", "--clients"]);
    let usage = simulate("--rules mean");
    assert_eq!(usage.0.status.code(), Some(2));
}

#[test]
fn a_regression_has_no_labels_to_flip() {
    let desk = Desk::regression();
    for attack in ["label-flip", "backdoor"] {
        desk.xfl(&format!("simulate --data patients.csv --attack {attack}"))
            .refused(&["regression", attack]);
    }
    let data = desk.json("simulate --data patients.csv --attack alie");
    assert!(
        data["rows"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["rmse"].is_number() && row["accuracy"].is_null())
    );
    let data = desk.json("simulate --data patients.csv --matrix --rules mean,median --attacks alie,gaussian --seeds 1");
    assert_eq!(data["measure"], "rmse");
    let squares = data["rules"][0]["attacks"].as_array().unwrap();
    let worst = squares[1..]
        .iter()
        .map(|s| s["mean"].as_f64().unwrap())
        .fold(0.0, f64::max);
    assert_eq!(data["rules"][0]["worst"]["mean"].as_f64(), Some(worst));
}

#[test]
fn a_matrix_writes_a_table_a_csv_and_two_pictures() {
    let desk = Desk::new();
    let line = "simulate --data patients.csv --matrix --rules median,bulyan,mean --attacks sign-flip,backdoor,non-finite --seeds 2 --out one";
    let text = desk.xfl(line).output_of(0);
    for word in ["median", "bulyan", "n/a: needs 7", "sign-", "worst", "success", "±"] {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    let rows = csv(&fs::read_to_string(desk.path("one/matrix.csv")).unwrap());
    // Two rules that five institutions are enough for, three attacks and none, two seeds.
    assert_eq!(rows.len(), 1 + 2 * 4 * 2);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    let accuracy = |rule: &str, attack: &str| {
        let of: Vec<f64> = rows[1..]
            .iter()
            .filter(|row| row[0] == rule && row[1] == attack)
            .map(|row| row[3].parse().unwrap())
            .collect();
        assert_eq!(of.len(), 2);
        of.iter().sum::<f64>() / 2.0
    };
    assert!(accuracy("mean", "sign-flip") < accuracy("mean", "none"));
    let data = desk.json(line);
    let median = &data["rules"][0];
    assert_eq!(median["rule"], "median");
    assert!((median["attacks"][0]["mean"].as_f64().unwrap() - accuracy("median", "none")).abs() < 1e-12);
    assert_eq!(data["rules"][1]["needs"], 7);
    assert!(median["backdoor_success"]["mean"].is_number());

    let svg = fs::read_to_string(desk.path("one/matrix.svg")).unwrap();
    for word in ["<svg", "</svg>", "median", "sign-", "worst", "needs 7"] {
        assert!(svg.contains(word), "no {word:?} in the picture");
    }
    let png = fs::read(desk.path("one/matrix.png")).unwrap();
    let pixels = pixels(&png);
    // The scale's best, its worst, and ink.
    for colour in [[253, 231, 37], [68, 1, 84], [0, 0, 0]] {
        assert!(
            pixels.chunks(3).filter(|pixel| *pixel == colour).count() > 50,
            "{colour:?}"
        );
    }

    // The same bytes on one thread.
    desk.xfl_on(1, &line.replace("--out one", "--out two")).output_of(0);
    for file in ["matrix.csv", "matrix.svg", "matrix.png"] {
        let [one, two] = ["one", "two"].map(|folder| fs::read(desk.path(folder).join(file)).unwrap());
        assert!(one == two, "{file} differs with the number of threads");
    }
}

#[test]
fn an_interrupted_matrix_keeps_its_finished_cells() {
    let desk = Desk::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xfl"));
    command.args([
        "simulate",
        "--data",
        "patients.csv",
        "--matrix",
        "--seeds",
        "10000",
        "--rules",
        "mean,median",
    ]);
    let mut child = command
        .current_dir(desk.0.path())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let path = desk.path("matrix/matrix.csv");
    let lines = || fs::read_to_string(&path).map_or(0, |text| text.lines().count());
    for _ in 0..600 {
        if lines() > 5 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(lines() > 5, "no cell finished in a minute");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    let rows = csv(&fs::read_to_string(&path).unwrap());
    assert!(rows.len() > 5 && rows.iter().all(|row| row.len() == rows[0].len()));
    assert!(!desk.path("matrix/matrix.svg").exists());
}
