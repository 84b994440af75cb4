use super::*;

const SCHEMA: &str = r#"
task = "classification"
label = "diagnosis"
classes = ["benign", "malignant"]
columns = [
  { name = "radius", center = 10.0, scale = 2.0 },
  { name = "sex", values = ["f", "m"] },
]
"#;

fn schema() -> Schema {
    toml::from_str(SCHEMA).unwrap()
}

fn read(text: &str) -> Result<Table, DataError> {
    Table::read("h.csv", text.as_bytes(), &schema(), Limits::default())
}

#[test]
fn reads_by_name_and_ignores_the_rest() {
    let table = read("id,diagnosis, sex ,radius\n1,malignant,m,14\n2, benign ,\"f\",7e0\n").unwrap();
    let expected = Table::new(
        3,
        vec![2.0, 0.0, 1.0, -1.5, 1.0, 0.0],
        vec![Target::Class(1), Target::Class(0)],
    );
    assert_eq!(table, expected.unwrap());
    assert_eq!(table.class_counts(&schema()), [1, 1]);
    let mut row = [0.0; 3];
    table.features_into(1, &mut row);
    assert_eq!(
        (row.as_slice(), table.target(1)),
        (table.row(1).unwrap(), Target::Class(0))
    );
    assert_eq!(table.row(2), None);
}

#[test]
fn regression_standardises_the_label() {
    let text =
        "task = \"regression\"\nlabel = \"y\"\nlabel_center = 100.0\nlabel_scale = 50.0\ncolumns = [{ name = \"x\" }]";
    let table = Table::read(
        "h.csv",
        "x,y\n1,200\n".as_bytes(),
        &toml::from_str(text).unwrap(),
        Limits::default(),
    );
    assert_eq!(table.unwrap().target(0), Target::Value(2.0));
}

#[test]
fn every_mistake_has_its_place_and_a_hint() {
    for (text, message) in [
        ("", "h.csv: the file is empty"),
        ("\n\n", "h.csv: the file is empty"),
        (
            "radius,sex,diagnosis\n",
            "h.csv: expected rows after the header, got none",
        ),
        (
            "radius,sex\n1,f\n",
            "h.csv: line 1, column \"diagnosis\": missing column; the file has \"radius\", \"sex\"",
        ),
        (
            "radius,sex,diagnosis,sex\n1,f,benign,f\n",
            "h.csv: line 1, column \"sex\": the header has this column twice",
        ),
        (
            "radius,sex,diagnosis\n1,f,benign\n1,f\n",
            "h.csv: line 3: expected 3 fields as in the header, got 2",
        ),
        (
            "radius,sex,diagnosis\n1,f,benign\n\nabc,f,benign\n",
            "h.csv: line 4, column \"radius\": expected a number, got \"abc\"",
        ),
        (
            "radius,sex,diagnosis\n,f,benign\n",
            "h.csv: line 2, column \"radius\": expected a value, got an empty field",
        ),
        (
            "radius,sex,diagnosis\nNaN,f,benign\n",
            "h.csv: line 2, column \"radius\": expected a finite number, got \"NaN\"",
        ),
        (
            "radius,sex,diagnosis\n-inf,f,benign\n",
            "h.csv: line 2, column \"radius\": expected a finite number, got \"-inf\"",
        ),
        (
            "radius,sex,diagnosis\n1e999,f,benign\n",
            "h.csv: line 2, column \"radius\": expected a finite number, got \"1e999\"",
        ),
        (
            "radius,sex,diagnosis\n1,x,benign\n",
            "h.csv: line 2, column \"sex\": unknown category \"x\", expected one of \"f\", \"m\"",
        ),
        (
            "radius,sex,diagnosis\n1,f,Benign\n",
            "h.csv: line 2, column \"diagnosis\": unknown label \"Benign\", expected one of \"benign\", \"malignant\"",
        ),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(error.hint().len() > 10);
    }
    let error = read("radius,sex,diagnosis\n1e300,f,benign\n").unwrap_err();
    assert!(matches!(error.kind, DataErrorKind::OutOfRange { got: 1e300, .. }));
}

/// The parser's own count named the line before, where lines end as on Windows or some are blank.
#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let good = "1,\"f\",benign";
    for ending in ["\n", "\r\n"] {
        for (lines, bad) in [
            (&["radius,sex,diagnosis", good, "x,f,benign"][..], 3),
            (&["radius,sex,diagnosis", "", "", good, "", "x,f,benign", good], 6),
            (&["", "radius,sex,diagnosis", "x,f,benign", ""], 3),
            (
                &[
                    "radius,sex,diagnosis,note",
                    "1,f,benign,\"a",
                    "b\"",
                    "x,f,benign,\"c",
                    "d\"",
                ],
                4,
            ),
        ] {
            let error = read(&lines.join(ending)).unwrap_err();
            assert_eq!(error.line, Some(bad), "{lines:?}: {error}");
        }
    }
}

#[test]
fn what_is_not_text_is_refused() {
    let bytes = b"radius,sex,diagnosis\n1,f,benign\n1,\xff,benign\n";
    let error = Table::read("h.csv", &bytes[..], &schema(), Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "h.csv: line 3: expected UTF-8 text");
}

#[test]
fn long_fields_are_cut_off_in_messages() {
    let error = read(&format!("radius,sex,diagnosis\n{},f,benign\n", "x".repeat(10_000))).unwrap_err();
    assert!(error.to_string().len() < 200);
}

#[test]
fn limits_hold() {
    let text = "radius,sex,diagnosis\n1,f,benign\n2,m,benign\n";
    let with = |limits| Table::read("h.csv", text.as_bytes(), &schema(), limits);
    let bytes = text.len() as u64;
    assert_eq!(with(Limits { rows: 2, bytes }).unwrap().len(), 2);
    let rows = with(Limits { rows: 1, bytes }).unwrap_err();
    assert_eq!(rows.to_string(), "h.csv: line 3: expected at most 1 rows, got more");
    // Cut in the middle of a row: the limit is what is wrong, not the row.
    for bytes in [bytes - 1, bytes - 5, bytes - 13, 5, 0] {
        let error = with(Limits { rows: 2, bytes }).unwrap_err();
        assert!(
            matches!(error.kind, DataErrorKind::TooLarge { limit } if limit == bytes),
            "{bytes}: {error}"
        );
    }
}

#[test]
fn a_schema_made_by_hand_is_checked_too() {
    let schema = Schema {
        columns: Vec::new(),
        ..schema()
    };
    let error = Table::read("h.csv", "x\n1\n".as_bytes(), &schema, Limits::default()).unwrap_err();
    assert!(matches!(error.kind, DataErrorKind::Schema(_)));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Table::open("nowhere/h.csv".as_ref(), &schema(), Limits::default()).unwrap_err();
    assert!(error.to_string().starts_with("nowhere/h.csv: cannot be read"));
}

#[test]
fn rows_are_dealt_out_as_they_were() {
    let text = "radius,note,sex,diagnosis\n1,\"a, b\",f,benign\n2,,m,malignant\n3,c,m,benign\n";
    let some = select_rows("h.csv", text.as_bytes(), &[2, 0]).unwrap();
    assert_eq!(
        String::from_utf8(some.clone()).unwrap(),
        "radius,note,sex,diagnosis\n3,c,m,benign\n1,\"a, b\",f,benign\n"
    );
    let whole = read(text).unwrap();
    assert_eq!(
        read(std::str::from_utf8(&some).unwrap()).unwrap(),
        whole.select(&[2, 0]).unwrap()
    );
    assert!(select_rows("h.csv", text.as_bytes(), &[3]).is_err());
    assert!(select_rows("h.csv", b"", &[]).is_err());
}

#[test]
fn tables_are_checked_when_made_and_cut() {
    assert!(matches!(
        Table::new(2, vec![1.0; 3], vec![Target::Class(0)]),
        Err(TableError::Shape { .. })
    ));
    assert!(matches!(Table::new(0, vec![], vec![]), Err(TableError::Shape { .. })));
    let nan = Table::new(1, vec![0.0, f32::NAN], vec![Target::Class(0); 2]);
    assert!(matches!(nan, Err(TableError::NotFinite { row: 1, .. })));
    let infinite = Table::new(1, vec![0.0], vec![Target::Value(f32::INFINITY)]);
    assert!(matches!(infinite, Err(TableError::NotFinite { row: 0, .. })));
    let table = Table::new(1, vec![1.0], vec![Target::Class(0)]).unwrap();
    assert_eq!(table.select(&[1]), Err(TableError::Row { rows: 1, got: 1 }));
}

#[test]
fn tokens_are_whole_numbers_of_the_vocabulary() {
    let schema = toml::from_str(
        "task = \"regression\"\nlabel = \"y\"\ncolumns = [{ prefix = \"t\", count = 2, tokens = 10 }, { name = \"u\", tokens = 1 }]",
    )
    .unwrap();
    let read = |row: &str| {
        Table::read(
            "h.csv",
            format!("y,t1,t0,u\n{row}\n").as_bytes(),
            &schema,
            Limits::default(),
        )
    };
    let table = read("1.5,9,0,0").unwrap();
    assert_eq!(table.row(0), Some(&[0.0, 9.0, 0.0][..]));
    for (row, column, field, most) in [
        ("1,10,0,0", "t1", "10", 9),
        ("1,0,-1,0", "t0", "-1", 9),
        ("1,0,1.0,0", "t0", "1.0", 9),
        ("1,0,99999999999999999999,0", "t0", "99999999999999999999", 9),
        ("1,0,0,1", "u", "1", 0),
    ] {
        let error = read(row).unwrap_err();
        let expected = format!(
            "h.csv: line 2, column {column:?}: expected a token, a whole number from 0 to {most}, got {field:?}"
        );
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().contains("number the values from 0"));
    }
}
