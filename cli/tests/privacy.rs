//! `xfl privacy` as people and scripts use it.

#![allow(clippy::unwrap_used, reason = "what goes wrong in a helper fails its test")]

use std::process::Command;

use serde_json::Value;

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn xfl(line: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xfl"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("XFL_")) {
        command.env_remove(name);
    }
    let output = command
        .args(["privacy"])
        .args(line.split_whitespace())
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[track_caller]
fn data(line: &str) -> Value {
    let said = xfl(&format!("{line} --json"));
    assert_eq!(said.code, 0, "{line}: {}{}", said.out, said.err);
    let value: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (value["schema"].as_u64(), value["status"].as_str()),
        (Some(1), Some("ok"))
    );
    value["data"].clone()
}

#[track_caller]
fn epsilon(line: &str) -> f64 {
    data(&format!("epsilon {line}"))["epsilon"].as_f64().unwrap()
}

#[track_caller]
fn refused(line: &str, words: &[&str]) {
    let said = xfl(line);
    assert_eq!(said.code, 2, "{line}: {}{}", said.out, said.err);
    assert!(said.err.starts_with("error: "), "{}", said.err);
    for word in words {
        assert!(said.err.contains(word), "{line}: no {word:?} in {}", said.err);
    }
    assert!(
        said.err.contains("hint: ") || said.err.contains("--help"),
        "{line}: no hint in {}",
        said.err
    );
}

#[test]
fn every_accountant_answers_with_its_reference_value() {
    let line = "--noise-multiplier 1 --sample-rate 0.01 --steps 1000 --delta 1e-5";
    // reference/accounting.py: the three accountants of one setting.
    for (accountant, reference, above) in [
        ("zcdp", 648.781_985_931_382_3, 1e-9),
        ("rdp", 2.101_365_271_560_02, 1e-6),
        ("pld", 1.828_236_6, 0.01),
    ] {
        let got = epsilon(&format!("{line} --accountant {accountant}"));
        assert!(
            got >= reference * (1.0 - 1e-7) && got <= reference * (1.0 + above),
            "{accountant}: {got}"
        );
    }
    assert!(epsilon(line) < 1.83, "pld is the default");
    let fixed = epsilon(&format!("{line} --sampling fixed"));
    assert!((2.198_9..2.198_91 * 1.01).contains(&fixed), "{fixed}");
    let none = epsilon("--noise-multiplier 1 --sampling none --delta 1e-5");
    assert!((none / 4.377_178_095_681_224_5 - 1.0).abs() < 1e-9, "{none}");
}

#[test]
fn people_see_the_unit_and_the_neighbours_in_every_answer() {
    let said = xfl("epsilon --noise-multiplier 1.1 --sample-rate 0.01 --steps 1e3 --delta 1e-6");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    for words in [
        "epsilon  ",
        "delta  ",
        "1e-6",
        "unit  ",
        "record",
        "add/remove: one record added or removed",
        "poisson at 0.01",
        "1000",
        "pld: ",
    ] {
        assert!(said.out.contains(words), "no {words:?} in {}", said.out);
    }
    let said = xfl("epsilon --noise-multiplier 1.1 --sample-rate 0.01 --steps 1000 --sampling fixed");
    assert!(
        said.out.contains("replace: one record replaced by any other") && said.out.contains("2 clip norms"),
        "{}",
        said.out
    );
    let said = xfl("epsilon --noise-multiplier 2 --unit institution --steps 10");
    assert!(said.out.contains("zero-out: one institution"), "{}", said.out);
    let said = xfl("calibrate --epsilon 3 --delta 1e-5 --sample-rate 0.02 --steps 500");
    assert!(
        said.out.starts_with("noise multiplier") && said.out.contains("of 3") && said.out.contains("add/remove"),
        "{}",
        said.out
    );
    for neighbours in ["fixed", "poisson", "none"] {
        let data = data(&format!("epsilon --noise-multiplier 1 --sampling {neighbours}"));
        assert!(
            data["neighbours"].is_string() && data["unit"] == "record" && data["delta"] == 1e-5,
            "{data}"
        );
    }
}

#[test]
fn calibrated_noise_keeps_its_promise() {
    for accountant in ["zcdp", "rdp", "pld"] {
        let question = format!("--delta 1e-5 --sample-rate 0.02 --steps 500 --accountant {accountant}");
        let answer = data(&format!("calibrate --epsilon 3 {question}"));
        let noise = answer["noise_multiplier"].as_f64().unwrap();
        assert_eq!(answer["target"], 3.0);
        assert!(epsilon(&format!("--noise-multiplier {noise} {question}")) <= 3.0);
        assert!(
            epsilon(&format!("--noise-multiplier {} {question}", noise * 0.99)) > 3.0,
            "{accountant} {noise}"
        );
    }
}

#[test]
fn limits_are_said_as_such() {
    let none = data("epsilon --noise-multiplier 0 --steps 10");
    assert!(none["epsilon"].is_null() && none["infinite"] == true, "{none}");
    assert!(
        xfl("epsilon --noise-multiplier 0 --steps 10")
            .out
            .contains("epsilon           infinite")
    );
    assert_eq!(epsilon("--noise-multiplier 1 --steps 0"), 0.0);
    assert_eq!(epsilon("--noise-multiplier 0 --sample-rate 0 --steps 5"), 0.0);
    let many = epsilon("--noise-multiplier 100 --sample-rate 0.001 --steps 1e9 --delta 1e-6");
    assert!((1.0..3.0).contains(&many), "{many}");
}

#[test]
fn bad_numbers_are_refused_with_a_hint() {
    refused("epsilon --noise-multiplier -1", &["noise multiplier is -1"]);
    refused("epsilon --noise-multiplier NaN", &["noise multiplier is NaN"]);
    refused("epsilon --noise-multiplier inf", &["noise multiplier is inf"]);
    refused("epsilon --noise-multiplier 1 --delta 0", &["delta is 0", "1e-5"]);
    refused("epsilon --noise-multiplier 1 --delta 1", &["delta is 1"]);
    refused("epsilon --noise-multiplier 1 --delta nan", &["delta is NaN"]);
    refused(
        "epsilon --noise-multiplier 1 --sample-rate 1.5",
        &["sample rate is 1.5"],
    );
    refused(
        "epsilon --noise-multiplier 1 --sample-rate -0.1",
        &["sample rate is -0.1"],
    );
    refused("epsilon --noise-multiplier 1 --steps -3", &["whole number"]);
    refused("epsilon --noise-multiplier 1 --steps 1.5", &["whole number"]);
    refused("epsilon --noise-multiplier 1 --accountant gdp", &["zcdp", "rdp", "pld"]);
    refused(
        "epsilon --noise-multiplier 1 --unit institution --sample-rate 0.1",
        &["can't be sampled"],
    );
    refused("epsilon", &["--noise-multiplier"]);
    refused("calibrate --epsilon 0", &["epsilon is 0"]);
    refused("calibrate --epsilon 1 --steps 0", &["nothing to calibrate"]);
    refused(
        "calibrate --epsilon 1e-9 --delta 1e-300 --steps 1e18",
        &["larger epsilon"],
    );
    let said = xfl("epsilon --noise-multiplier 1 --delta 0 --json");
    let value: Value = serde_json::from_str(&said.out).unwrap();
    assert!(
        value["status"] == "error" && value["error"]["code"] == 2 && value["error"]["hint"].is_string(),
        "{value}"
    );
}

#[test]
fn a_rate_without_sampling_is_warned_about() {
    let said = xfl("epsilon --noise-multiplier 1 --sampling none --sample-rate 0.1");
    assert!(
        said.code == 0 && said.err.contains("counts for nothing"),
        "{}",
        said.err
    );
}

/// A folder with the plan of `xfl init`, ten rounds long, and a hospital's patients.
fn hospital() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_xfl"))
        .args(["init", "--rounds", "10"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let patients = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/data/breast_cancer_wisconsin.csv"
    );
    std::fs::copy(patients, folder.path().join("patients.csv")).unwrap();
    folder
}

fn audit(folder: &tempfile::TempDir, more: &str) -> String {
    let path = |name: &str| folder.path().join(name).display().to_string();
    format!(
        "audit {} --data {} {more}",
        path("federation.toml"),
        path("patients.csv")
    )
}

/// All bounds together pass the claim by chance with probability at most one in a thousand; the seed is fixed.
#[test]
fn an_audit_of_real_patients_stays_under_the_claim_and_finds_them_without_noise() {
    let folder = hospital();
    let line = audit(
        &folder,
        "--without --canaries 2500 --shadows 24 --targets 4 --confidence 0.999 --seed 1",
    );
    let found = data(&line);
    let claim = &found["claim"];
    let (tight, plan) = (
        claim["epsilon_tight"].as_f64().unwrap(),
        claim["epsilon"].as_f64().unwrap(),
    );
    assert!((7.5..7.6).contains(&tight) && (8.0..8.1).contains(&plan), "{claim}");
    assert!(claim["unit"] == "record" && claim["neighbours"] == "zero-out" && claim["rounds"] == 10);
    assert_eq!(
        (found["refuted"].as_bool(), found["audits"].as_array().map(Vec::len)),
        (Some(false), Some(6))
    );
    let of = |attack: &str, protection: &str| {
        let audits = found["audits"].as_array().unwrap();
        let one = audits
            .iter()
            .find(|one| one["attack"] == attack && one["protection"] == protection);
        one.unwrap().clone()
    };
    for attack in ["gradient", "mislabelled", "membership"] {
        let bound = of(attack, "plan")["epsilon_at_least"].as_f64().unwrap();
        assert!(bound < tight, "{attack}: {bound}");
    }
    // Most of the claim is shown to be true of the worst case, and without noise everything is found.
    assert!(of("gradient", "plan")["gaussian"]["epsilon"].as_f64().unwrap() > 0.5 * tight);
    let bare = of("gradient", "none");
    assert!(
        bare["area"] == 1.0 && bare["true_positives_at_0_1_percent"] == 1.0,
        "{bare}"
    );
    assert!(bare["one_run"]["epsilon"].as_f64() > Some(3.0), "{bare}");
    assert!(
        of("membership", "plan")["rates"].is_null(),
        "records of one model share its noise"
    );
    // The same seed, the same audit.
    assert_eq!(found, data(&line));
}

#[test]
fn an_audit_runs_on_the_noise_of_a_round_and_for_a_whole_institution() {
    let folder = hospital();
    let text = xfl(&audit(
        &folder,
        "--attack gradient --canaries 300 --rounds 2 --entropy os --confidence 0.999999",
    ));
    assert_eq!(text.code, 0, "{}{}", text.out, text.err);
    for words in [
        "claimed after 2 rounds",
        "unit record",
        "as planned",
        "one-run",
        "no bound passes the claim",
    ] {
        assert!(text.out.contains(words), "no {words:?} in {}", text.out);
    }
    let path = folder.path().join("federation.toml");
    let plan = std::fs::read_to_string(&path).unwrap();
    let plan = plan
        .replace("unit = \"record\"", "unit = \"institution\"")
        .replace("noise_multiplier = 2.0", "noise_multiplier = 1.0");
    std::fs::write(&path, plan).unwrap();
    let said = xfl(&audit(
        &folder,
        "--canaries 300 --shadows 4 --targets 1 --rounds 2 --confidence 0.999999",
    ));
    assert!(
        said.code == 0 && said.out.contains("unit institution"),
        "{}{}",
        said.out,
        said.err
    );
    assert!(
        said.err.contains("left out") && !said.out.contains("mislabelled"),
        "{}",
        said.err
    );
}

#[test]
fn an_audit_of_nothing_is_refused_with_a_hint() {
    let folder = hospital();
    refused(&audit(&folder, "--confidence 1"), &["confidence is 1", "0.95"]);
    refused(&audit(&folder, "--canaries 2"), &["3..=1000000"]);
    refused(
        &audit(&folder, "--attack guessing"),
        &["gradient", "mislabelled", "membership"],
    );
    refused("audit nowhere.toml --data patients.csv", &["nowhere.toml"]);
    refused(
        &audit(&folder, "").replace("patients.csv", "nobody.csv"),
        &["nobody.csv"],
    );
}

#[test]
fn a_plot_is_a_picture_with_every_word_on_it() {
    let folder = hospital();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let measured = xfl(&audit(&folder, "--json --attack gradient --canaries 300 --rounds 2"));
    std::fs::write(path("audit.json"), measured.out).unwrap();
    let terms = "plot --noise-multiplier 2 --sampling none --steps 10 --audit";
    let drawn = data(&format!("{terms} {} --out {}", path("audit.json"), path("a.svg")));
    assert_eq!(drawn["epsilon_over_steps"].as_array().map(Vec::len), Some(10));
    let last = &drawn["epsilon_over_steps"][9];
    assert!((last["pld"].as_f64().unwrap() - epsilon("--noise-multiplier 2 --sampling none --steps 10")).abs() < 1e-12);
    assert!(last["zcdp"].as_f64() >= last["pld"].as_f64() && last["steps"] == 10);
    let curve = drawn["trade_off"].as_array().unwrap();
    assert!(curve.len() > 100 && curve[0]["type_two"].as_f64().unwrap() > 0.99);
    assert_eq!(drawn["attacks"][0]["name"], "gradient");
    let svg = std::fs::read_to_string(path("a.svg")).unwrap();
    for words in [
        "epsilon at delta 1e-5",
        "steps",
        "type I error",
        "type II error",
        "pld: ",
        "rdp: ",
        "zcdp: ",
        "measured: gradient",
        "neighbours by zero-out",
        "noise multiplier 2",
    ] {
        assert!(svg.contains(words), "no {words:?}");
    }
    let said = xfl(&format!(
        "plot --noise-multiplier 1 --sample-rate 0.01 --steps 1000 --out {}",
        path("b.png")
    ));
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert!(std::fs::read(path("b.png")).unwrap().starts_with(b"\x89PNG"));
    refused(
        &format!("plot --noise-multiplier 1 --out {}", path("c.gif")),
        &[".svg nor .png"],
    );
    refused("plot --noise-multiplier 1 --steps 0", &["nothing to plot"]);
    refused("plot --noise-multiplier 0", &["infinite", "above 0"]);
    refused(
        &format!("plot --noise-multiplier 1 --audit {}", path("patients.csv")),
        &["patients.csv", "audit --json"],
    );
}
