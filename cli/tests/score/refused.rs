//! What can't be scored is said with a hint.

use std::fs;

use super::{file, floats, json, round::Round, run};

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
