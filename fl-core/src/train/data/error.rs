//! What can be wrong with a data file, where, and what to do about it.

use std::fmt;

/// A problem in a data file, with its place. [`DataError::hint`] says what to do.
#[derive(Debug)]
pub struct DataError {
    /// The file as it was named.
    pub file: String,
    /// The line it happened on, from 1, where there is one.
    pub line: Option<u64>,
    /// The column, by its name in the header, where there is one.
    pub column: Option<String>,
    /// What is wrong.
    pub kind: DataErrorKind,
}

/// What is wrong with a data file.
#[derive(Debug, thiserror::Error)]
pub enum DataErrorKind {
    /// The file can't be read.
    #[error("cannot be read: {0}")]
    Io(#[source] std::io::Error),
    /// The schema itself can't be used.
    #[error("cannot be read by this schema: {0}")]
    Schema(#[source] crate::schema::SchemaError),
    /// Nothing in it, not even a header.
    #[error("the file is empty")]
    Empty,
    /// A header and nothing else.
    #[error("expected rows after the header, got none")]
    NoRows,
    /// A column of the schema isn't in the header.
    #[error("missing column; the file has {}", list(has))]
    MissingColumn {
        /// The header.
        has: Vec<String>,
    },
    /// A column of the schema is twice in the header.
    #[error("the header has this column twice")]
    DuplicateColumn,
    /// A row with fewer or more fields than the header.
    #[error("expected {expected} fields as in the header, got {got}")]
    Fields {
        /// Fields of the header.
        expected: u64,
        /// Fields of the row.
        got: u64,
    },
    /// Not UTF-8.
    #[error("expected UTF-8 text")]
    NotText,
    /// Nothing in a field.
    #[error("expected a value, got an empty field")]
    EmptyField,
    /// Not a number.
    #[error("expected a number, got {got:?}")]
    NotANumber {
        /// The field, cut off.
        got: String,
    },
    /// NaN or an infinity.
    #[error("expected a finite number, got {got:?}")]
    NotFinite {
        /// The field, cut off.
        got: String,
    },
    /// A number that the schema's constants turn into something too large for 32 bits.
    #[error("{got} standardised with center {center} and scale {scale} is out of range")]
    OutOfRange {
        /// The number.
        got: f64,
        /// The schema's.
        center: f64,
        /// The schema's.
        scale: f64,
    },
    /// A label that isn't one of the schema's classes.
    #[error("unknown label {got:?}, expected one of {}", list(expected))]
    UnknownLabel {
        /// The field, cut off.
        got: String,
        /// The schema's classes.
        expected: Vec<String>,
    },
    /// A category that isn't one of the column's values.
    #[error("unknown category {got:?}, expected one of {}", list(expected))]
    UnknownCategory {
        /// The field, cut off.
        got: String,
        /// The column's values.
        expected: Vec<String>,
    },
    /// Not a token of the column's vocabulary.
    #[error("expected a token, a whole number from 0 to {}, got {got:?}", vocabulary - 1)]
    UnknownToken {
        /// The field, cut off.
        got: String,
        /// How many tokens there are, at least 1.
        vocabulary: usize,
    },
    /// More rows than allowed.
    #[error("expected at most {limit} rows, got more")]
    TooManyRows {
        /// The limit.
        limit: usize,
    },
    /// A larger file than allowed.
    #[error("expected at most {limit} bytes, got more")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        match (self.line, &self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column:?}: ")?,
            (Some(line), None) => write!(f, "line {line}: ")?,
            (None, Some(column)) => write!(f, "column {column:?}: ")?,
            (None, None) => {}
        }
        self.kind.fmt(f)
    }
}

impl std::error::Error for DataError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.kind)
    }
}

impl DataError {
    pub(super) fn is_io(&self) -> bool {
        matches!(self.kind, DataErrorKind::Io(_))
    }

    /// What the owner of the file can do.
    pub fn hint(&self) -> &'static str {
        match &self.kind {
            DataErrorKind::Io(_) => "check the path and that this user may read the file",
            DataErrorKind::Schema(_) => "correct [data] in federation.toml",
            DataErrorKind::Empty => {
                "write a header line with the schema's column names, then one line for each example"
            }
            DataErrorKind::NoRows => "add one line for each example under the header",
            DataErrorKind::MissingColumn { .. } => {
                "rename the column in the file, or ask the coordinator whether [data] in federation.toml is meant for it"
            }
            DataErrorKind::DuplicateColumn => "remove or rename one of the two columns",
            DataErrorKind::Fields { .. } => "put quotes around fields that contain commas, and leave no field out",
            DataErrorKind::NotText => "save the file as UTF-8",
            DataErrorKind::EmptyField | DataErrorKind::NotFinite { .. } => {
                "fill the value in or remove the row; missing values are never guessed"
            }
            DataErrorKind::NotANumber { .. } => {
                "write the number with a point for decimals and no unit; a category needs values = [...] in the schema"
            }
            DataErrorKind::OutOfRange { .. } => "check the value's unit against the schema's center and scale",
            DataErrorKind::UnknownLabel { .. } | DataErrorKind::UnknownCategory { .. } => {
                "spell it exactly as the schema does, capitals included, or remove the row"
            }
            DataErrorKind::UnknownToken { .. } => {
                "number the values from 0 as all institutions do, keep one token for what is unknown, and check tokens in the schema"
            }
            DataErrorKind::TooManyRows { .. } | DataErrorKind::TooLarge { .. } => {
                "split the file, or raise the limit if it was lowered"
            }
        }
    }
}

/// At most eight of the names, quoted.
fn list(names: &[String]) -> String {
    let mut text = names
        .iter()
        .take(8)
        .map(|name| format!("{:?}", cut(name)))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > 8 {
        text.push_str(&format!(" and {} more", names.len() - 8));
    }
    text
}

/// A field's text for a message: 40 characters at most.
pub(super) fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}
