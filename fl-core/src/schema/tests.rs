use super::*;

const GOOD: &str = r#"
task = "classification"
label = "diagnosis"
classes = ["benign", "malignant"]
columns = [
  { name = "radius", center = 14.0, scale = 3.5 },
  { name = "sex", values = ["f", "m"] },
  { prefix = "p", count = 4 },
]
"#;

fn parse(text: &str) -> Result<Schema, String> {
    toml::from_str(text).map_err(|e| e.to_string())
}

fn edited(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from));
    parse(&GOOD.replace(from, to)).expect_err("the edit makes the schema wrong")
}

#[test]
fn counts_features_and_outputs() {
    let schema = parse(GOOD).unwrap();
    assert_eq!((schema.features(), schema.outputs()), (7, 1));
    assert_eq!(schema.column_names(), ["radius", "sex", "p0", "p1", "p2", "p3"]);
    let three = parse(&GOOD.replace("\"malignant\"]", "\"malignant\", \"unsure\"]")).unwrap();
    assert_eq!(three.outputs(), 3);
}

#[test]
fn survives_named_and_unnamed_formats() {
    for text in [
        GOOD.to_owned(),
        GOOD.replace("columns", "image = { height = 1, width = 7, channels = 1 }\ncolumns"),
        GOOD.replace("count = 4", "count = 4, tokens = 9"),
        GOOD.replace("values = [\"f\", \"m\"]", "tokens = 2"),
    ] {
        let schema = parse(&text).unwrap();
        assert_eq!(parse(&toml::to_string(&schema).unwrap()).unwrap(), schema);
        assert_eq!(
            serde_json::from_str::<Schema>(&serde_json::to_string(&schema).unwrap()).unwrap(),
            schema
        );
        let bytes = postcard::to_stdvec(&schema).unwrap();
        assert_eq!(postcard::from_bytes::<Schema>(&bytes).unwrap(), schema);
    }
}

#[test]
fn a_peer_cannot_send_what_a_person_could_not_write() {
    let mut schema = parse(GOOD).unwrap();
    schema.columns.push(Column::Numbered {
        prefix: "q".into(),
        count: usize::MAX,
        center: 0.0,
        scale: 1.0,
    });
    let bytes = postcard::to_stdvec(&schema).unwrap();
    assert!(postcard::from_bytes::<Schema>(&bytes).is_err());
}

#[test]
fn regression_has_constants_and_no_classes() {
    let text = "task = \"regression\"\nlabel = \"y\"\nlabel_scale = 2.0\ncolumns = [{ name = \"x\" }]\n";
    let schema = parse(text).unwrap();
    assert_eq!(
        schema.task,
        Task::Regression {
            center: 0.0,
            scale: 2.0
        }
    );
    assert_eq!(
        schema.columns,
        [Column::Numeric {
            name: "x".into(),
            center: 0.0,
            scale: 1.0
        }]
    );
    assert!(
        parse(&format!("classes = [\"a\", \"b\"]\n{text}"))
            .unwrap_err()
            .contains("only for task")
    );
    assert!(parse(&text.replace("2.0", "0.0")).unwrap_err().contains("label_scale"));
}

#[test]
fn mistakes_name_the_key_and_what_to_write() {
    for (from, to, said) in [
        ("classes = [\"benign\", \"malignant\"]", "", "classes: missing"),
        ("[\"benign\", \"malignant\"]", "[\"benign\"]", "classes: expected 2 to"),
        ("\"malignant\"]", "\"benign\"]", "\"benign\" is listed twice"),
        ("label = \"diagnosis\"", "label = \"radius\"", "shown the answer"),
        ("label = \"diagnosis\"", "label = \"p3\"", "shown the answer"),
        ("label = \"diagnosis\"", "label = \"\"", "label: expected a name"),
        (
            "label = \"diagnosis\"",
            "label = \"d\"\nlabel_scale = 1.0",
            "only for task",
        ),
        ("name = \"sex\"", "name = \"radius\"", "\"radius\" is named twice"),
        ("name = \"sex\"", "name = \"p0\"", "\"p0\" is named twice"),
        ("scale = 3.5", "scale = 0.0", "scale above 0"),
        ("scale = 3.5", "scale = -1.0", "scale above 0"),
        ("scale = 3.5", "scale = nan", "scale above 0"),
        ("scale = 3.5", "scale = 1e-310", "scale above 0"),
        ("center = 14.0", "center = inf", "finite center"),
        ("scale = 3.5", "sclae = 3.5", "unknown field"),
        ("values = [\"f\", \"m\"]", "values = []", "expected 1 to"),
        (
            "values = [\"f\", \"m\"]",
            "values = [\"f\"], scale = 2.0",
            "remove one of them",
        ),
        ("name = \"sex\", ", "", "entry 2: missing name"),
        ("name = \"sex\"", "name = \"sex\", prefix = \"s\"", "exclude each other"),
        (", count = 4", "", "missing count"),
        ("count = 4", "count = 0", "at least 1"),
        ("count = 4", "count = 2000000", "at most 1048576 features"),
        (
            "columns = [",
            "image = { height = 2, width = 2, channels = 1 }\ncolumns = [",
            "= 7, the number of features",
        ),
    ] {
        let error = edited(from, to);
        assert!(error.contains(said), "{from} -> {to}: {error}");
    }
    assert!(
        parse("task = \"regression\"\nlabel = \"y\"\ncolumns = []")
            .unwrap_err()
            .contains("at least one")
    );
}

#[test]
fn tokens_are_one_feature_for_each_column() {
    let schema = parse(&GOOD.replace("count = 4", "count = 4, tokens = 9")).unwrap();
    assert_eq!(schema.features(), 7);
    assert_eq!(
        schema.column_names()[2..],
        ["p0", "p1", "p2", "p3"].map(String::from)[..]
    );
    for (from, to, said) in [
        (
            "count = 4",
            "count = 4, tokens = 0",
            "expected tokens from 1 to 1048576, got 0",
        ),
        (
            "count = 4",
            "count = 4, tokens = 1048577",
            "expected tokens from 1 to 1048576, got 1048577",
        ),
        (
            "count = 4",
            "count = 0, tokens = 3",
            "expected a count of at least 1, got 0",
        ),
        ("scale = 3.5", "tokens = 3", "tokens excludes"),
        (
            "values = [\"f\", \"m\"]",
            "values = [\"f\"], tokens = 2",
            "tokens excludes",
        ),
        (
            "columns = [",
            "image = { height = 1, width = 8, channels = 1 }\ncolumns = [{ name = \"t\", tokens = 2 },",
            "pixels are numbers, not tokens",
        ),
    ] {
        let error = edited(from, to);
        assert!(error.contains(said), "{to}: {error}");
    }
}
