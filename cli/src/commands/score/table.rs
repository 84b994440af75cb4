//! A game written down: what every coalition is worth, in a file, so that anybody can score any game.
//!
//! Three forms, told apart by their first character:
//! - a JSON array of 2^n values, the coalition of value k being the bits of k (row 0 is the lowest);
//! - a JSON object from coalitions to values, a coalition being its rows' indices: `{"": 0, "0": 10, "0 2": 25}`;
//! - CSV with the columns `rows,value` (indices separated by spaces) or `mask,value` (the bits as a number, 0b101 or 5).
//!
//! Coalitions that a score doesn't ask for may be absent. A value is an integer in ppm, or with `--unit one` a number such as an accuracy,
//! rounded to the nearest ppm. What is ambiguous is refused: a coalition given twice, a row named twice, half a ppm.

use std::{collections::BTreeMap, fmt, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Number;
use xfl_aggregation::score::{Coalition, MAX_PLAYERS, Ppm};

use super::worth::NoValue;
use crate::{failure::Failure, files};

/// Longest file: more than the text of 2^20 coalitions.
const MAX_TABLE: u64 = 256 << 20;

/// What numbers in a table mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Unit {
    /// Integers, parts per million.
    Ppm,
    /// Any numbers; 1 is a million parts per million.
    One,
}

/// The values of coalitions.
#[derive(Debug)]
pub(super) struct Table {
    values: BTreeMap<Coalition, Ppm>,
    players: usize,
}

impl Table {
    /// Reads a table.
    pub(super) fn open(path: &Path, unit: Unit) -> Result<Self, Failure> {
        let bytes = files::read(path, MAX_TABLE)?;
        let wrong = |what: String| Failure::usage(format!("{}: {what}", path.display())).hint(HINT);
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong("not UTF-8 text".into()))?;
        Self::parse(text, unit).map_err(wrong)
    }

    /// Rows that play: up to the last one named.
    pub(super) fn players(&self) -> usize {
        self.players
    }

    /// What a coalition is worth.
    ///
    /// # Errors
    /// [`NoValue`] where the table doesn't say.
    pub(super) fn value(&self, coalition: Coalition) -> Result<Ppm, NoValue> {
        self.values.get(&coalition).copied().ok_or_else(|| {
            let what = format!("the table has no value of coalition {coalition}");
            NoValue(Failure::usage(what).hint(format!("write one for it{}", example(coalition))))
        })
    }

    fn parse(text: &str, unit: Unit) -> Result<Self, String> {
        match text.trim_start().as_bytes().first() {
            Some(b'[') => Self::of_array(text, unit),
            Some(b'{') => {
                let Entries(entries) = serde_json::from_str(text).map_err(|error| error.to_string())?;
                let read = |(rows, value): (String, Number)| Ok((rows_of(&rows)?, unit.of(&value.to_string())?));
                Self::of(entries.into_iter().map(read))
            }
            Some(_) => Self::of_csv(text, unit),
            None => Err("empty".into()),
        }
    }

    fn of_array(text: &str, unit: Unit) -> Result<Self, String> {
        let values: Vec<Number> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if values.len() < 2 || !values.len().is_power_of_two() {
            let got = values.len();
            return Err(format!("an array of {got} values, expected 2^n of them, for n rows"));
        }
        let read =
            |(bits, value): (usize, &Number)| Ok((Coalition::from_bits(bits as u64), unit.of(&value.to_string())?));
        Self::of(values.iter().enumerate().map(read))
    }

    fn of_csv(text: &str, unit: Unit) -> Result<Self, String> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let head = lines.next().map(|(_, line)| line.replace(' ', "")).unwrap_or_default();
        let coalition = match head.as_str() {
            "rows,value" => rows_of,
            "mask,value" => bits_of,
            _ => {
                let got = cut(&head);
                return Err(format!(
                    "a first line {got:?}, expected rows,value or mask,value, or JSON"
                ));
            }
        };
        let read = |(at, line): (usize, &str)| {
            let (left, right) = line.rsplit_once(',').ok_or(format!("line {}: no comma", at + 1))?;
            let entry = coalition(left.trim().trim_matches('"')).and_then(|c| Ok((c, unit.of(right.trim())?)));
            entry.map_err(|what| format!("line {}: {what}", at + 1))
        };
        Self::of(lines.map(read))
    }

    fn of(entries: impl Iterator<Item = Result<(Coalition, Ppm), String>>) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        for entry in entries {
            let (coalition, value) = entry?;
            if values.insert(coalition, value).is_some() {
                return Err(format!("coalition {coalition} is there twice"));
            }
        }
        let all = values
            .keys()
            .fold(0, |all, coalition: &Coalition| all | coalition.bits());
        match all.checked_ilog2() {
            Some(last) => Ok(Self {
                values,
                players: last as usize + 1,
            }),
            None => Err("no coalition with a row in it".into()),
        }
    }
}

impl Unit {
    fn of(self, text: &str) -> Result<Ppm, String> {
        let got = cut(text);
        if self == Self::Ppm {
            // 25.0 is whole too; past 2^53 a float no longer says which integer was meant.
            let float = |value: &f64| value.fract() == 0.0 && value.abs() < 9e15;
            let whole = text
                .parse()
                .ok()
                .or_else(|| text.parse().ok().filter(float).map(|v| v as i64));
            return whole
                .map(Ppm)
                .ok_or(format!("a value {got:?}, expected whole ppm (or --unit one)"));
        }
        let value: f64 = text
            .parse()
            .map_err(|_| format!("a value {got:?}, expected a number"))?;
        let ppm = (value * 1e6).round();
        // Below 2^63, which the largest i64 is not as a float.
        if ppm.abs() < 9.2e18 {
            Ok(Ppm(ppm as i64))
        } else {
            Err(format!("a value {got:?}, expected a number below 9.2e12"))
        }
    }
}

/// `0 2`, `0,2` or `{0 2}`.
fn rows_of(text: &str) -> Result<Coalition, String> {
    let inside = text.trim().trim_start_matches('{').trim_end_matches('}');
    let rows = inside
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|row| !row.is_empty());
    let mut coalition = Coalition::EMPTY;
    for row in rows {
        let index = row.parse().ok().filter(|&index| index < MAX_PLAYERS);
        let index: usize = index.ok_or(format!("a row {:?}, expected an index below {MAX_PLAYERS}", cut(row)))?;
        if coalition.contains(index) {
            return Err(format!("row {index} twice in one coalition"));
        }
        coalition = coalition.with(index);
    }
    Ok(coalition)
}

/// `5` or `0b101`.
fn bits_of(text: &str) -> Result<Coalition, String> {
    let bits = match text.strip_prefix("0b") {
        Some(binary) => u64::from_str_radix(binary, 2),
        None => text.parse(),
    };
    let bits = bits.map_err(|_| format!("a mask {:?}, expected a number of {MAX_PLAYERS} bits", cut(text)))?;
    Ok(Coalition::from_bits(bits))
}

const HINT: &str = "a table is JSON such as {\"\": 0, \"0\": 10, \"0 1\": 25}, an array by bits, or CSV with the columns rows,value or mask,value";

fn example(coalition: Coalition) -> String {
    let rows: Vec<String> = coalition.members().map(|row| row.to_string()).collect();
    format!(
        ": \"{}\" in JSON or rows,value; {} as mask",
        rows.join(" "),
        coalition.bits()
    )
}

/// The beginning of a text, for an error.
fn cut(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(end, _)| &text[..end])
}

/// A JSON object's entries, in order, repeated keys included.
struct Entries(Vec<(String, Number)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Entries;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object from coalitions to values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ppm(text: &str) -> Result<Table, String> {
        Table::parse(text, Unit::Ppm)
    }

    #[test]
    fn the_three_forms_say_the_same() {
        let forms = [
            "[0, 10, 20, 45]",
            r#"{"": 0, "0": 10, "1": 20, "0 1": 45}"#,
            r#"{"1,0": 45, "{}": 0, " 0 ": 10, "{1}": 20}"#,
            "rows,value\n,0\n0,10\n1,20\n0 1,45\n",
            "rows, value\n\n\"1,0\", 45\n,0\n1,20\n0,10",
            "mask,value\n0,0\n1,10.0\n0b10,2e1\n3,45\r\n",
        ];
        for form in forms {
            let table = ppm(form).unwrap();
            assert_eq!(table.players(), 2, "{form}");
            for (bits, value) in [0, 10, 20, 45].into_iter().enumerate() {
                let found = table.value(Coalition::from_bits(bits as u64)).unwrap();
                assert_eq!(found, Ppm(value), "{form}");
            }
        }
        let fractions = Table::parse(r#"{"": -0.5, "0": 0.9314159, "1": 1e-7}"#, Unit::One).unwrap();
        let values: Vec<i64> = fractions.values.values().map(|p| p.0).collect();
        assert_eq!(values, [-500_000, 931_416, 0]);
    }

    #[test]
    fn what_is_ambiguous_or_no_table_is_refused() {
        for (text, words) in [
            ("", "empty"),
            ("[1, 2, 3]", "3 values"),
            ("[1]", "1 values"),
            ("[1, 0.5]", "--unit one"),
            ("[1, 1e999]", "number out of range"),
            ("[1, \"2\"]", "expected"),
            (r#"{"0": 1, "0": 2}"#, "twice"),
            (r#"{"0 1": 1, "1 0": 1}"#, "twice"),
            (r#"{"0 0": 1}"#, "row 0 twice"),
            (r#"{"64": 1}"#, "below 64"),
            (r#"{"-1": 1}"#, "below 64"),
            (r#"{"": 1}"#, "no coalition"),
            (r#"{"0": 1"#, "EOF"),
            ("rows;value\n0;1", "first line"),
            ("rows,value\n0 1\n", "line 2: no comma"),
            ("mask,value\n0b2,1\n", "line 2: a mask"),
            ("mask,value\n18446744073709551616,1\n", "line 2: a mask"),
            ("rows,value\n0,9223372036854775808\n", "line 2: a value"),
        ] {
            let said = ppm(text).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
        let all = ppm("mask,value\n18446744073709551615,7").unwrap();
        assert_eq!(all.players(), 64);
        let missing = all.value(Coalition::from_bits(5)).unwrap_err();
        assert!(missing.to_string().contains("{0 2}"), "{missing}");
        for text in ["[1, 1e13]", "rows,value\n0,nan", "rows,value\n0,inf"] {
            assert!(Table::parse(text, Unit::One).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_table_or_an_error(text in "[\\[{]?[0-9 ,\":{}\\]\nb.e-]{0,40}", csv in any::<bool>()) {
            let text = if csv { format!("rows,value\n{text}") } else { text };
            for unit in [Unit::Ppm, Unit::One] {
                if let Ok(table) = Table::parse(&text, unit) {
                    prop_assert!((1..=64).contains(&table.players()));
                }
            }
        }
    }
}
