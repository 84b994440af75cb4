//! Attacks' names and parameters; what poisoned data look like.
#![cfg(feature = "train")]
#![allow(missing_docs, clippy::unwrap_used)]

use xfl_core::{
    attack::{
        Alone, Attack, Backdoor, BackdoorError, FlipError, LabelFlip, NAMES, ParameterError, TriggerValue, vectors,
    },
    schema::Schema,
    seed::Seed,
    spec::ModelSpec,
    train::{Data, Device, Table, Target},
};

const TABLE: &str = r#"
    task = "classification"
    label = "class"
    classes = ["low", "middle", "high"]
    columns = [
      { name = "a" }, { name = "colour", values = ["red", "green"] }, { name = "b" }, { name = "c" },
    ]
"#;

const IMAGE: &str = r#"
    task = "classification"
    label = "class"
    classes = ["zero", "one"]
    columns = [{ prefix = "p", count = 24 }]
    image = { height = 3, width = 4, channels = 2 }
"#;

const REGRESSION: &str = "task = \"regression\"\nlabel = \"y\"\ncolumns = [{ name = \"x\" }]";

fn toml_schema(text: &str) -> Schema {
    toml::from_str(text).unwrap()
}

fn row(data: &dyn Data, index: usize) -> Vec<f32> {
    let mut features = vec![0.0; data.width()];
    data.features_into(index, &mut features);
    features
}

/// Ten examples of five features, i*10 + column, of classes 0, 1, 2, 0, ...
fn examples() -> Table {
    let features = (0..10).flat_map(|i| (0..5).map(move |c| (i * 10 + c) as f32)).collect();
    Table::new(5, features, (0..10).map(|i| Target::Class(i % 3)).collect()).unwrap()
}

#[test]
fn every_name_is_an_attack_of_that_name() {
    assert_eq!(Attack::all().len(), NAMES.len());
    for (attack, name) in Attack::all().iter().zip(NAMES) {
        assert_eq!(attack.name(), name);
    }
    assert_eq!(Attack::named("inf"), Attack::named("non-finite"));
    assert!(matches!(
        Attack::named("nan"),
        Some(Attack::NonFinite(vectors::NonFinite::NaN))
    ));
    assert_eq!(Attack::named("unheard-of"), None);
}

#[test]
fn every_parameter_takes_some_value_and_refuses_nonsense() {
    // A class of any name may be a backdoor's target until a plan's classes are known.
    let values = [
        "5",
        "0.25",
        "n",
        "byzfl",
        "smallest",
        "unit",
        "last-aggregate",
        "largest-variance",
        "all-share",
        "nan",
    ];
    for attack in Attack::all() {
        for parameter in attack.parameters() {
            let taken = values.iter().filter(|value| {
                let mut changed = attack.clone();
                changed.set(parameter, value).is_ok() && changed != attack
            });
            assert!(taken.count() > 0, "{attack} {parameter}");
            let mut same = attack.clone();
            if *parameter != "target" {
                assert!(same.set(parameter, "nonsense").is_err(), "{attack} {parameter}");
                assert_eq!(same, attack);
            }
        }
        let error = attack.clone().set("nonsense", "1").unwrap_err().to_string();
        assert!(
            error.contains(attack.name()) && error.contains(attack.parameters()[0]),
            "{error}"
        );
    }
    for (name, parameter, value) in [
        ("backdoor", "boost", "0.5"),
        ("backdoor", "boost", "inf"),
        ("backdoor", "value", "nan"),
        ("backdoor", "size", "0"),
        ("backdoor", "fraction", "nan"),
        ("label-flip", "fraction", "0"),
        ("label-flip", "fraction", "1.01"),
        ("mimic", "warmup", "0"),
    ] {
        let error = Attack::named(name).unwrap().set(parameter, value).unwrap_err();
        assert!(matches!(error, ParameterError::Value { .. }), "{error}");
    }
}

#[test]
fn a_scale_makes_a_sign_flip_byzfls_and_back() {
    let mut attack = Attack::named("sign-flip").unwrap();
    assert_eq!(attack, Attack::Alone(Alone::SignFlip));
    attack.set("scale", "2").unwrap();
    assert_eq!(attack, Attack::Update(vectors::Attack::SignFlip { scale: 2.0 }));
    attack.set("scale", "bound").unwrap();
    assert_eq!(attack, Attack::Alone(Alone::SignFlip));
    let mut mimic = Attack::named("mimic").unwrap();
    mimic.set("row", "2").unwrap();
    assert!(mimic.set("warmup", "3").is_err());
    mimic.set("row", "warm-up").unwrap();
    mimic.set("warmup", "3").unwrap();
    assert_eq!(mimic, Attack::Mimic { warmup: 3 });
}

#[test]
fn flipped_labels_are_mirrored_and_features_stay() {
    let (table, schema, seed) = (examples(), toml_schema(TABLE), Seed::from_number(1));
    let flipped = LabelFlip::default().of(&table, &schema, &seed).unwrap();
    for i in 0..10 {
        assert_eq!(flipped.target(i), Target::Class(2 - i % 3));
        assert_eq!(row(&flipped, i), row(&table, i));
    }
    for (fraction, count) in [(0.5, 5), (0.26, 3), (0.001, 1)] {
        // The middle class keeps its label either way.
        let all = Table::new(1, vec![0.0; 10], vec![Target::Class(0); 10]).unwrap();
        let flipped = LabelFlip { fraction }.of(&all, &schema, &seed).unwrap();
        assert_eq!(
            (0..10).filter(|&i| flipped.target(i) == Target::Class(2)).count(),
            count
        );
    }
    let regression = toml_schema(REGRESSION);
    assert_eq!(
        LabelFlip::default().of(&table, &regression, &seed).err(),
        Some(FlipError::Regression)
    );
}

#[test]
fn a_tables_trigger_is_in_its_last_numeric_columns() {
    let (table, schema) = (examples(), toml_schema(TABLE));
    let backdoor = Backdoor {
        target: Some("high".into()),
        ..Backdoor::default()
    };
    // Features: a, red, green, b, c. Columns a, b and c are numeric; their largest values are in the last row.
    let trigger = backdoor.trigger(&schema, &[&table]).unwrap();
    let stamped = trigger.poison(&table, 1.0, &Seed::from_number(1));
    for i in 0..10 {
        assert_eq!(
            row(&stamped, i),
            [90.0, (i * 10 + 1) as f32, (i * 10 + 2) as f32, 93.0, 94.0]
        );
        assert_eq!(stamped.target(i), Target::Class(2));
    }
    let part = trigger.poison(&table, 0.3, &Seed::from_number(1));
    let marked: Vec<usize> = (0..10).filter(|&i| row(&part, i)[3] == 93.0 && i != 9).collect();
    assert!((2..=3).contains(&marked.len()), "{marked:?}");
    for i in (0..9).filter(|i| !marked.contains(i)) {
        assert_eq!((row(&part, i), part.target(i)), (row(&table, i), table.target(i)));
    }
}

#[test]
fn an_images_trigger_is_its_lower_right_corner_in_every_channel() {
    let schema = toml_schema(IMAGE);
    let dark = Table::new(24, vec![0.5; 24], vec![Target::Class(1)]).unwrap();
    let backdoor = Backdoor {
        size: 2,
        value: TriggerValue::Given(7.0),
        ..Backdoor::default()
    };
    let trigger = backdoor.trigger(&schema, &[&dark]).unwrap();
    let stamped = row(&trigger.poison(&dark, 1.0, &Seed::from_number(1)), 0);
    let bright: Vec<usize> = (0..24).filter(|&i| stamped[i] == 7.0).collect();
    // Rows 1 and 2, columns 2 and 3, of channels 0 and 1.
    assert_eq!(bright, [6, 7, 10, 11, 18, 19, 22, 23]);
    assert_eq!(stamped.iter().filter(|v| **v == 0.5).count(), 16);
}

#[test]
fn triggers_that_do_not_fit_are_refused() {
    let table = examples();
    let with = |size, target: &str| Backdoor {
        size,
        target: Some(target.into()),
        ..Backdoor::default()
    };
    let fails = |text: &str, backdoor: Backdoor| backdoor.trigger(&toml_schema(text), &[&table]).unwrap_err();
    assert_eq!(fails(REGRESSION, with(1, "0")), BackdoorError::Regression);
    assert!(matches!(
        fails(TABLE, with(4, "low")),
        BackdoorError::Size { most: 3, got: 4, .. }
    ));
    assert!(matches!(
        fails(IMAGE, with(4, "one")),
        BackdoorError::Size { most: 3, got: 4, .. }
    ));
    assert!(matches!(fails(IMAGE, with(0, "one")), BackdoorError::Size { .. }));
    let unknown = fails(TABLE, with(1, "tall")).to_string();
    assert!(
        unknown.contains("low, middle, high") && unknown.contains("tall"),
        "{unknown}"
    );
    assert!(fails(TABLE, with(1, "3")).to_string().contains('3'));
    assert!(with(1, "2").trigger(&toml_schema(TABLE), &[&table]).is_ok());
    // Nobody's data: zeros, not infinities.
    assert!(with(1, "2").trigger(&toml_schema(TABLE), &[]).is_ok());
}

/// The success of a model that always answers the same, and of one that looks at the trigger's column alone.
#[test]
fn success_counts_examples_of_other_labels_that_pass_for_the_target() {
    let schema = toml_schema(
        "task = \"classification\"\nlabel = \"class\"\nclasses = [\"no\", \"yes\"]\ncolumns = [{ name = \"a\" }, { name = \"b\" }]",
    );
    let model = ModelSpec::Logistic.build(&schema, Device::Cpu).unwrap();
    let features = vec![-1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0];
    let classes = [0, 1, 0, 0].map(Target::Class).to_vec();
    let held_out = Table::new(2, features, classes).unwrap();
    let backdoor = Backdoor {
        target: Some("yes".into()),
        size: 1,
        value: TriggerValue::Given(5.0),
        ..Backdoor::default()
    };
    let trigger = backdoor.trigger(&schema, &[]).unwrap();
    let success = |parameters: &[f32]| trigger.success(model.as_ref(), parameters, &held_out).unwrap();
    assert_eq!(success(&[0.0, 0.0, 1.0]), Some(1.0));
    assert_eq!(success(&[0.0, 0.0, -1.0]), Some(0.0));
    // Clean, column b never says yes; stamped it always does.
    assert_eq!(success(&[0.0, 1.0, 0.0]), Some(1.0));
    // Column a decides, which the trigger leaves alone: two of the three others say yes.
    assert_eq!(success(&[1.0, 0.0, 0.0]), Some(2.0 / 3.0));
    let only_target = held_out.select(&[1]).unwrap();
    assert_eq!(trigger.success(model.as_ref(), &[0.0; 3], &only_target).unwrap(), None);
}
