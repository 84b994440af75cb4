//! What a plan may ask of rules, optimisers, scorers and rewards, and what is said where it can't.
#![allow(missing_docs, clippy::unwrap_used)]

use xfl_aggregation::{Rule, Stage};
use xfl_core::{
    plan::{Plan, PlanError, RuleName},
    seed::Seed,
};

fn parse(training: &str, aggregation: &str, score: &str, reward: &str) -> Result<Plan, PlanError> {
    let text = format!(
        "[federation]\nid = \"{:064x}\"\nname = \"plans\"\ncoordinator = \"{:064x}\"\n\
         [rounds]\ncount = 3\nquorum = 7\n[model]\nkind = \"logistic\"\n[training]\nbatch = 10\n{training}\n\
         [privacy]\nunit = \"record\"\nclip = 1.0\nstep = 0.01\nnoise_multiplier = 1.0\n\
         [aggregation]\n{aggregation}\n[score]\n{score}\n[reward]\nbudget = 100\n{reward}\n\
         [data]\ntask = \"classification\"\nlabel = \"y\"\nclasses = [\"a\", \"b\"]\ncolumns = [{{ prefix = \"p\", count = 4 }}]\n",
        1, 2
    );
    Plan::parse(&text, "federation.toml")
}

fn aggregation(text: &str) -> Result<Plan, PlanError> {
    parse("", text, "kind = \"cosine\"", "")
}

#[test]
fn every_rule_can_be_named_and_works_on_its_defaults() {
    let rows: Vec<Vec<i32>> = (0..7)
        .map(|i| (0..5).map(|j| i * i - 3 * j + i * j).collect())
        .collect();
    for rule in RuleName::ALL {
        let plan = aggregation(&format!("rule = \"{}\"\nbyzantine = 1", rule.name())).unwrap();
        let pipeline = plan.pipeline(7, &Seed::from_number(1));
        assert_eq!(pipeline.rule.name(), rule.name());
        let rows = xfl_aggregation::Rows::new(rows.iter().map(Vec::as_slice).collect()).unwrap();
        let mut past = xfl_core::round::Past::start(&plan, 5).unwrap();
        let members: Vec<usize> = (0..7).collect();
        let made = past.aggregate(&plan, &pipeline, &members, &rows).unwrap();
        assert_eq!((made.values.len(), made.selected.len()), (5, 7), "{}", rule.name());
    }
}

#[test]
fn lengths_are_shares_of_an_updates_bound() {
    // Ten records of norm 1.0 on a grid of 0.01: 1,000 steps.
    let plan = aggregation("rule = \"centered-clipping\"\ntau = 0.25\npre = [\"clipping\"]\nnorm = 0.5").unwrap();
    let pipeline = plan.pipeline(7, &Seed::from_number(1));
    assert_eq!(
        pipeline.rule,
        Rule::CenteredClipping {
            tau: 250,
            iterations: 1
        }
    );
    assert_eq!(pipeline.pre, [Stage::Clipping { norm: 500 }]);
}

#[test]
fn buckets_follow_from_the_coin() {
    let plan = aggregation("rule = \"median\"\npre = [\"bucketing\", \"bucketing\"]\nbucket = 2").unwrap();
    let drawn = |coin| plan.pipeline(7, &Seed::from_number(coin)).pre;
    assert_eq!(drawn(1), drawn(1));
    assert!((2..12).any(|coin| drawn(coin) != drawn(1)));
    let sizes: Vec<usize> = drawn(1)
        .iter()
        .map(|stage| match stage {
            Stage::Bucketing { permutation, .. } => permutation.len(),
            other => panic!("{}", other.name()),
        })
        .collect();
    assert_eq!(sizes, [7, 4]);
}

#[test]
fn what_cannot_be_is_named_with_its_line() {
    let cases: &[(&str, &str, &str, &str, &str, &str)] = &[
        ("", "rule = \"krumm\"", "", "", "aggregation.rule", "krumm"),
        ("", "rule = \"monna\"", "", "", "aggregation.rule", "monna"),
        (
            "",
            "rule = \"median\"\ntau = 1.0",
            "",
            "",
            "aggregation.tau",
            "doesn't take it",
        ),
        (
            "",
            "rule = \"mean\"\nneighbours = \"byzfl\"",
            "",
            "",
            "aggregation.neighbours",
            "doesn't take it",
        ),
        (
            "",
            "rule = \"norm-clipping\"\nnorm = -1.0",
            "",
            "",
            "aggregation.norm",
            "-1",
        ),
        (
            "",
            "rule = \"norm-clipping\"\nnorm = inf",
            "",
            "",
            "aggregation.norm",
            "inf",
        ),
        (
            "",
            "rule = \"geometric-median\"\niterations = 0",
            "",
            "",
            "aggregation.iterations",
            "got 0",
        ),
        (
            "",
            "rule = \"bulyan\"\nbyzantine = 2",
            "",
            "",
            "rounds.quorum",
            "needs 11",
        ),
        (
            "",
            "rule = \"krum\"\nbyzantine = 1\npre = [\"bucketing\"]",
            "",
            "",
            "rounds.quorum",
            "buckets",
        ),
        (
            "",
            "rule = \"trimmed-mean\"\nbyzantine = 18446744073709551615",
            "",
            "",
            "rounds.quorum",
            "needs",
        ),
        (
            "",
            "rule = \"trimmed-mean\"\nbyzantine = 9223372036854775807",
            "",
            "",
            "rounds.quorum",
            "needs",
        ),
        (
            "",
            "rule = \"median\"\npre = [\"nnm\"]\nbyzantine = 4",
            "",
            "",
            "rounds.quorum",
            "",
        ),
        (
            "",
            "rule = \"foolsgold\"\npre = [\"bucketing\"]",
            "",
            "",
            "aggregation.pre",
            "buckets",
        ),
        (
            "server = \"fedsgd\"",
            "rule = \"mean\"",
            "",
            "",
            "training.server",
            "fedsgd",
        ),
        (
            "server_momentum = 0.9",
            "rule = \"mean\"",
            "",
            "",
            "training.server_momentum",
            "doesn't take it",
        ),
        (
            "server = \"fedadam\"\nserver_momentum = 1.0",
            "rule = \"mean\"",
            "",
            "",
            "training.server_momentum",
            "got 1",
        ),
        (
            "server = \"fedadam\"\nserver_tau = nan",
            "rule = \"mean\"",
            "",
            "",
            "training.server_tau",
            "NaN",
        ),
        (
            "",
            "rule = \"mean\"",
            "kind = \"cosine\"\norders = 5",
            "",
            "score.orders",
            "doesn't take it",
        ),
        (
            "",
            "rule = \"mean\"",
            "kind = \"gtg-shapley\"\norders = 5",
            "",
            "score.orders",
            "7 members",
        ),
        (
            "",
            "rule = \"mean\"",
            "",
            "floor_ppm = 200000",
            "reward.floor_ppm",
            "more than the budget",
        ),
        (
            "",
            "rule = \"mean\"",
            "",
            "floor_ppm = 100\ncap_ppm = 50",
            "reward.floor_ppm",
            "above the cap",
        ),
        (
            "",
            "rule = \"mean\"",
            "",
            "cap_ppm = 2000000",
            "reward.cap_ppm",
            "2000000",
        ),
    ];
    for (training, aggregation, score, reward, key, word) in cases {
        let score = if score.is_empty() { "kind = \"cosine\"" } else { score };
        let error = parse(training, aggregation, score, reward).unwrap_err();
        assert!(
            error.key == *key && error.to_string().contains(word),
            "{error} ({})",
            error.key
        );
        assert!(error.line.is_some() && !error.hint.is_empty(), "{error}");
    }
}

#[test]
fn exact_shapley_is_for_twelve_members() {
    let plan = parse("", "rule = \"mean\"", "kind = \"shapley\"", "").unwrap();
    assert!(plan.check(5, 12).is_ok());
    let error = plan.check(5, 13).unwrap_err();
    assert!(
        error.to_string().contains("up to 12") && error.hint.contains("truncated-shapley"),
        "{error}"
    );
}
