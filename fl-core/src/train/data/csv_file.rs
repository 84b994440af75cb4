//! CSV files, read by a schema.
//!
//! RFC 4180 with a header; spaces around fields are trimmed, columns that the schema doesn't name are ignored, the order
//! of columns is free. Every field that is used is checked, and the first problem is reported with its file, line and column.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use csv::StringRecord;

use super::error::cut;
use super::lines::Lines;
use super::{DataError, DataErrorKind, Table, Target};
use crate::schema::{Column, Schema, Task};

/// How much of a file is read before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most rows.
    pub rows: usize,
    /// Most bytes.
    pub bytes: u64,
}

impl Default for Limits {
    /// Ten million rows, 4 GiB.
    fn default() -> Self {
        Self {
            rows: 10_000_000,
            bytes: 4 << 30,
        }
    }
}

impl Table {
    /// Reads the CSV file at `path`.
    ///
    /// # Errors
    /// [`DataError`] with the first problem found.
    pub fn open(path: &Path, schema: &Schema, limits: Limits) -> Result<Self, DataError> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::read(&name, BufReader::new(file), schema, limits),
            Err(error) => Err(DataError {
                file: name,
                line: None,
                column: None,
                kind: DataErrorKind::Io(error),
            }),
        }
    }

    /// Reads CSV from anything; `file` names it in errors.
    ///
    /// # Errors
    /// [`DataError`] with the first problem found.
    pub fn read(file: &str, input: impl Read, schema: &Schema, limits: Limits) -> Result<Self, DataError> {
        // One byte more than allowed is enough to know.
        let mut input = input.take(limits.bytes.saturating_add(1));
        let table = Self::parse(file, &mut input, schema, limits.rows);
        if input.limit() == 0 && !matches!(&table, Err(error) if error.is_io()) {
            // A file that was cut off may look wrong in any other way; its size is why.
            let kind = DataErrorKind::TooLarge { limit: limits.bytes };
            return Err(DataError {
                file: file.to_owned(),
                line: None,
                column: None,
                kind,
            });
        }
        table
    }

    fn parse(file: &str, input: impl Read, schema: &Schema, most_rows: usize) -> Result<Self, DataError> {
        let fail = |line, column: Option<&str>, kind| {
            Err(DataError {
                file: file.to_owned(),
                line,
                column: column.map(str::to_owned),
                kind,
            })
        };
        if let Err(error) = schema.validate() {
            return fail(None, None, DataErrorKind::Schema(error));
        }
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(Lines::new(input));
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(error) => return fail(Some(1), None, csv_kind(error)),
        };
        if header.iter().all(str::is_empty) {
            return fail(None, None, DataErrorKind::Empty);
        }
        let layout = match Layout::find(&header, schema) {
            Ok(layout) => layout,
            Err((column, kind)) => return fail(Some(1), Some(&column), kind),
        };
        let width = schema.features();
        let mut table = Self {
            width,
            features: Vec::new(),
            targets: Vec::new(),
        };
        let mut record = StringRecord::new();
        loop {
            let start = reader.position().byte();
            let read = reader.read_record(&mut record);
            let line = || Some(reader.get_ref().line_from(start));
            match read {
                Ok(false) => break,
                Ok(true) => {}
                Err(error) => return fail(line(), None, csv_kind(error)),
            }
            if table.targets.len() == most_rows {
                return fail(line(), None, DataErrorKind::TooManyRows { limit: most_rows });
            }
            if let Err((at, kind)) = layout.push(&record, &mut table) {
                return fail(line(), header.get(at), kind);
            }
        }
        if table.targets.is_empty() {
            return fail(None, None, DataErrorKind::NoRows);
        }
        Ok(table)
    }
}

/// Where in a record each piece of an example stands.
struct Layout<'a> {
    schema: &'a Schema,
    label: usize,
    columns: Vec<(usize, Feature<'a>)>,
}

enum Feature<'a> {
    Number { center: f64, scale: f64 },
    Category(&'a [String]),
    Token { vocabulary: usize },
}

/// What is wrong, and in which field of the record.
type FieldError = (usize, DataErrorKind);

impl<'a> Layout<'a> {
    fn find(header: &StringRecord, schema: &'a Schema) -> Result<Self, (String, DataErrorKind)> {
        let mut positions = std::collections::BTreeMap::new();
        for (at, name) in header.iter().enumerate() {
            positions.entry(name).or_insert_with(Vec::new).push(at);
        }
        let find = |name: &str| match positions.get(name).map(Vec::as_slice) {
            Some([at]) => Ok(*at),
            Some(_) => Err((name.to_owned(), DataErrorKind::DuplicateColumn)),
            None => {
                let has = header.iter().map(str::to_owned).collect();
                Err((name.to_owned(), DataErrorKind::MissingColumn { has }))
            }
        };
        let mut columns = Vec::new();
        for column in &schema.columns {
            for name in column.names() {
                let feature = match column {
                    Column::Categorical { values, .. } => Feature::Category(values),
                    Column::Tokens { vocabulary, .. } => Feature::Token {
                        vocabulary: *vocabulary,
                    },
                    Column::Numeric { center, scale, .. } | Column::Numbered { center, scale, .. } => Feature::Number {
                        center: *center,
                        scale: *scale,
                    },
                };
                columns.push((find(&name)?, feature));
            }
        }
        Ok(Self {
            schema,
            label: find(&schema.label)?,
            columns,
        })
    }

    fn push(&self, record: &StringRecord, table: &mut Table) -> Result<(), FieldError> {
        for (at, feature) in &self.columns {
            let field = field(record, *at)?;
            match feature {
                Feature::Number { center, scale } => {
                    table
                        .features
                        .push(number(field, *center, *scale).map_err(|kind| (*at, kind))?);
                }
                Feature::Token { vocabulary } => {
                    table
                        .features
                        .push(token(field, *vocabulary).map_err(|kind| (*at, kind))?);
                }
                Feature::Category(values) => {
                    let chosen = values.iter().position(|value| value == field).ok_or_else(|| {
                        (
                            *at,
                            DataErrorKind::UnknownCategory {
                                got: cut(field),
                                expected: values.to_vec(),
                            },
                        )
                    })?;
                    table
                        .features
                        .extend((0..values.len()).map(|i| if i == chosen { 1.0 } else { 0.0 }));
                }
            }
        }
        let label = field(record, self.label)?;
        table.targets.push(match &self.schema.task {
            Task::Regression { center, scale } => {
                Target::Value(number(label, *center, *scale).map_err(|kind| (self.label, kind))?)
            }
            Task::Classification { classes } => {
                Target::Class(classes.iter().position(|class| class == label).ok_or_else(|| {
                    (
                        self.label,
                        DataErrorKind::UnknownLabel {
                            got: cut(label),
                            expected: classes.clone(),
                        },
                    )
                })?)
            }
        });
        Ok(())
    }
}

fn field(record: &StringRecord, at: usize) -> Result<&str, FieldError> {
    match record.get(at) {
        Some(field) if !field.is_empty() => Ok(field),
        _ => Err((at, DataErrorKind::EmptyField)),
    }
}

fn number(field: &str, center: f64, scale: f64) -> Result<f32, DataErrorKind> {
    let value: f64 = field
        .parse()
        .map_err(|_| DataErrorKind::NotANumber { got: cut(field) })?;
    if !value.is_finite() {
        return Err(DataErrorKind::NotFinite { got: cut(field) });
    }
    let standard = ((value - center) / scale) as f32;
    if standard.is_finite() {
        Ok(standard)
    } else {
        Err(DataErrorKind::OutOfRange {
            got: value,
            center,
            scale,
        })
    }
}

/// Tokens are at most 2^20, which `f32` holds exactly.
fn token(field: &str, vocabulary: usize) -> Result<f32, DataErrorKind> {
    match field.parse::<usize>() {
        Ok(token) if token < vocabulary => Ok(token as f32),
        _ => Err(DataErrorKind::UnknownToken {
            got: cut(field),
            vocabulary,
        }),
    }
}

pub(super) fn csv_kind(error: csv::Error) -> DataErrorKind {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => DataErrorKind::Io(error),
        csv::ErrorKind::Utf8 { .. } => DataErrorKind::NotText,
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => DataErrorKind::Fields {
            expected: expected_len,
            got: len,
        },
        other => DataErrorKind::Io(std::io::Error::other(format!("{other:?}"))),
    }
}
