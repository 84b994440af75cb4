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
        let pipeline = plan.pipeline(7, 0, &Seed::from_number(1));
        assert_eq!(pipeline.rule.name(), rule.name());
        let rows = xfl_aggregation::Rows::new(rows.iter().map(Vec::as_slice).collect()).unwrap();
        let mut past = xfl_core::round::Past::start(&plan, 5).unwrap();
        let members: Vec<usize> = (0..7).collect();
        let made = past.aggregate(&plan, &pipeline, &members, &rows).unwrap();
        assert_eq!((made.values.len(), made.selected.len()), (5, 7), "{}", rule.name());
    }
}

#[test]
fn a_header_tells_a_rule_from_a_rule_after_stages() {
    let plain = aggregation("rule = \"median\"").unwrap();
    let mixed = aggregation("rule = \"median\"\npre = [\"nnm\"]\nbyzantine = 1").unwrap();
    assert_eq!((plain.rule_code(), mixed.rule_code()), (2, 130));
}

#[test]
fn an_update_that_was_refused_counts_among_the_byzantine_ones() {
    let plan = aggregation("rule = \"krum\"\nbyzantine = 2\npre = [\"nnm\"]").unwrap();
    let neighbours = xfl_aggregation::Neighbours::Blanchard;
    let pipeline = plan.pipeline(6, 1, &Seed::from_number(1));
    assert_eq!(pipeline.rule, Rule::Krum { f: 1, neighbours });
    assert_eq!(pipeline.pre, [Stage::Nnm { f: 1 }]);
    assert_eq!(
        plan.pipeline(4, 3, &Seed::from_number(1)).rule,
        Rule::Krum { f: 0, neighbours }
    );
}

/// `weights` are of nodes 7 and 8, which nobody needs to be for a plan to be parsed.
fn weighted(lines: &str) -> Result<Plan, PlanError> {
    aggregation(&format!("rule = \"weighted-mean\"\n{lines}"))
}

#[test]
fn a_weighted_mean_weighs_members_by_their_keys_up_to_the_cap() {
    use xfl_core::identity::NodeId;
    let node = |byte: u8| NodeId([byte; 32]);
    let (seven, eight) = (node(7), node(8));
    let plan = weighted(&format!(
        "weight_cap = 3\nweights = {{ \"{seven}\" = 2, \"{eight}\" = 500 }}"
    ))
    .unwrap();
    assert_eq!(plan.rule_code(), 18);
    let members = [eight, node(1), seven];
    let pipeline = plan.weighing(plan.pipeline(3, 0, &Seed::from_number(1)), &members);
    assert_eq!(
        (pipeline.rule, &pipeline.weights),
        (Rule::WeightedMean { cap: 3 }, &Some(vec![500, 1, 2]))
    );
    let owned = [vec![60, -1], vec![0, 0], vec![-7, 0]];
    let rows = xfl_aggregation::Rows::new(owned.iter().map(Vec::as_slice).collect()).unwrap();
    let mut past = xfl_core::round::Past::start(&plan, 2).unwrap();
    let made = past.aggregate(&plan, &pipeline, &members, &rows).unwrap();
    // (3 * 60 + 0 - 2 * 7) / 6 and -3 / 6, floored.
    assert_eq!(made.values, [27, -1]);
    // Nobody but members is weighed, and what one weighs is said before a round.
    assert!(plan.weighs_members(|id| members.contains(id)).is_ok());
    let stranger = plan.weighs_members(|id| *id == seven).unwrap_err();
    assert!(stranger.what.contains(&eight.to_string()), "{stranger}");
    let plan = Plan::parse(
        &plan.text().replace("kind = \"cosine\"", "kind = \"participation\""),
        "p",
    )
    .unwrap();
    // Noise decides neither a mean nor equal rewards: no signal-to-noise ratio is asked for.
    let said: Vec<_> = plan.check(10_000, 7).unwrap().findings;
    let weighs = said
        .iter()
        .find(|finding| finding.text.contains("weighs up to 3: 33% of the mean"));
    assert!(weighs.is_some_and(|finding| !finding.warning), "{said:?}");
}

#[test]
fn weights_that_cannot_be_kept_are_refused() {
    let named = format!("weights = {{ \"{:064x}\" = 11 }}", 7);
    for (lines, words, hint) in [
        (named.as_str(), "weighs 11, more than 10", "weight_cap"),
        ("weight_cap = 0", "got 0", "from 1 to"),
        (
            &format!("weight_cap = 5\nweights = {{ \"{:064x}\" = 0 }}", 7),
            "got 0",
            "from 1 to",
        ),
        ("pre = [\"bucketing\"]", "buckets have none", "leave bucketing out"),
        ("weights = { \"hospital\" = 2 }", "64 hex digits", ""),
    ] {
        let error = weighted(lines).unwrap_err();
        assert!(
            error.what.contains(words) && error.hint.contains(hint),
            "{lines}: {error:?}"
        );
    }
    for lines in ["weight_cap = 5", "weights = {}\nweight_cap = 5", &named] {
        let error = aggregation(&format!("rule = \"mean\"\n{lines}")).unwrap_err();
        assert!(error.hint.contains("it is for weighted-mean"), "{error:?}");
    }
    let masked = "[masking]\nmode = \"lwe\"\nthreshold = 4\n[aggregation]";
    let text = weighted("").unwrap().text().replace("[aggregation]", masked);
    let error = Plan::parse(&text, "federation.toml").unwrap_err();
    assert!(error.what.contains("masked sums take every update once"), "{error:?}");
}

/// Seen in a review: a round's rows were added to the history before the rule, which adds them itself, and so counted twice.
#[test]
fn foolsgold_is_told_of_the_rounds_before_and_no_more() {
    let plan = aggregation("rule = \"foolsgold\"\nbyzantine = 1").unwrap();
    let round = |k: i32| -> Vec<Vec<i32>> {
        (0..7)
            .map(|i| (0..6).map(|j| (i * j * k) % 11 - 5 * (i % 3) + k).collect())
            .collect()
    };
    let mut past = xfl_core::round::Past::start(&plan, 6).unwrap();
    let members: Vec<usize> = (0..7).collect();
    let mut history = vec![vec![0_i64; 6]; 7];
    for k in 1..4 {
        let owned = round(k);
        let rows = xfl_aggregation::Rows::new(owned.iter().map(Vec::as_slice).collect()).unwrap();
        let pipeline = plan.pipeline(7, 0, &Seed::from_number(1));
        let state = xfl_aggregation::State {
            history: Some(&history),
            ..xfl_aggregation::State::default()
        };
        let expected = pipeline.rule.aggregate_after(&rows, &[], state).unwrap();
        let made = past.aggregate(&plan, &pipeline, &members, &rows).unwrap();
        assert_eq!(made, expected, "round {k}");
        for (sum, row) in history.iter_mut().zip(&owned) {
            sum.iter_mut().zip(row).for_each(|(s, v)| *s += i64::from(*v));
        }
    }
}

#[test]
fn lengths_are_shares_of_an_updates_bound() {
    // Ten records of norm 1.0 on a grid of 0.01: 1,000 steps.
    let plan = aggregation("rule = \"centered-clipping\"\ntau = 0.25\npre = [\"clipping\"]\nnorm = 0.5").unwrap();
    let pipeline = plan.pipeline(7, 0, &Seed::from_number(1));
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
    let drawn = |coin| plan.pipeline(7, 0, &Seed::from_number(coin)).pre;
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
            "rule = \"median\"\npre = [\"nnm\"]\nbyzantine = 9223372036854775808",
            "",
            "",
            "rounds.quorum",
            "",
        ),
        (
            "",
            "rule = \"mean\"\npre = [\"bucketing\", \"nnm\"]\nbucket = 5\nbyzantine = 1",
            "",
            "",
            "rounds.quorum",
            "",
        ),
        (
            "",
            "rule = \"mean\"",
            "kind = \"cosine\"\ntolerance_ppm = 4000000000",
            "",
            "score.tolerance_ppm",
            "4000000000",
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

/// What mode dp-ftrl asks of a plan, each error with its line.
#[test]
fn carried_noise_needs_its_key_and_a_clip_norm_that_stays() {
    let with = |lines: &str| {
        let text = aggregation("rule = \"mean\"")
            .unwrap()
            .text()
            .replace("noise_multiplier = 1.0\n", lines);
        Plan::parse(
            &text.replace("kind = \"cosine\"", "kind = \"participation\""),
            "federation.toml",
        )
    };
    let ftrl = "noise_multiplier = 1.0\nmode = \"dp-ftrl\"\n";
    for (lines, key, words, hint) in [
        (ftrl.to_owned(), "mode", "needs privacy.separation", "separation = 16"),
        (format!("{ftrl}separation = 1\n"), "separation", "got 1", "from 2 to 3"),
        (format!("{ftrl}separation = 4\n"), "separation", "got 4", "from 2 to 3"),
        (
            format!("{ftrl}separation = 3\nclip_quantile = 0.5\n"),
            "clip_quantile",
            "the clip norm stays",
            "leave clip_quantile out",
        ),
        (
            format!("{ftrl}separation = 3\nlocal_steps = 2\n"),
            "local_steps",
            "has no use for it",
            "dp-sgd",
        ),
        (
            format!("{ftrl}separation = 3\ntrust_coordinator = true\n"),
            "trust_coordinator",
            "asks for no trust",
            "leave it out",
        ),
        (
            "noise_multiplier = 1.0\nseparation = 3\n".to_owned(),
            "separation",
            "has no use for it",
            "dp-ftrl",
        ),
    ] {
        let error = with(&lines).unwrap_err();
        assert!(
            error.what.contains(words) && error.hint.contains(hint),
            "{lines}: {error:?}"
        );
        let shown = error.to_string();
        assert!(shown.contains(key) && shown.contains("federation.toml:"), "{shown}");
    }
    let institution = with(&format!("{ftrl}separation = 3\n"))
        .unwrap()
        .text()
        .replace("unit = \"record\"", "unit = \"institution\"");
    let error = Plan::parse(&institution, "federation.toml").unwrap_err();
    assert!(error.what.contains("protects records"), "{error}");
    let plan = with(&format!("{ftrl}separation = 3\n")).unwrap();
    let said = plan.check(5, 7).unwrap().findings;
    assert!(
        said.iter()
            .any(|f| f.text.contains("every institution needs 30 records") && !f.warning),
        "{said:?}"
    );
    // A rule that is no mean keeps part of what should cancel: said, not refused.
    let median = Plan::parse(&plan.text().replace("rule = \"mean\"", "rule = \"median\""), "p").unwrap();
    let said = median.check(5, 7).unwrap().findings;
    assert!(
        said.iter().any(|f| f.text.contains("cancels in sums") && f.warning),
        "{said:?}"
    );
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

#[test]
fn a_lie_costs_what_the_plan_says_to_the_last_wei() {
    let settled = |lines: &str| {
        let reward = format!("[settlement]\n{lines}");
        parse("", "rule = \"mean\"", "kind = \"cosine\"", &reward)
    };
    let penalty = |lines: &str| settled(lines).unwrap().terms().settlement.penalty.wei;
    assert_eq!(penalty(""), 100_000_000_000_000_000);
    assert_eq!(penalty("penalty = 2"), 2_000_000_000_000_000_000);
    assert_eq!(penalty("penalty = 0.05"), 50_000_000_000_000_000);
    assert_eq!(penalty("penalty = \"0.000000000000000001\""), 1);
    for wrong in [
        "penalty = 0",
        "penalty = 1_000_001",
        "penalty = -1",
        "penalty = \"much\"",
    ] {
        let error = settled(wrong).unwrap_err();
        assert!(
            error.key.ends_with("penalty") && error.line.is_some(),
            "{wrong}: {error:?}"
        );
    }
}
