//! Written games: the laws of the scores, through the program.

use std::fs;

use xfl_core::seed::Seed;

use super::{json, numbers, texts};

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
