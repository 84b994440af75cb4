//! A CSV file of some of another's rows.

use csv::StringRecord;

use super::csv_file::csv_kind;
use super::{DataError, DataErrorKind};

/// The header of a CSV text and these of its rows (numbered from 0 after the header), in this order, fields unchanged:
/// how one public file is dealt out to several institutions.
///
/// # Errors
/// Where the text isn't CSV or a row doesn't exist. `file` names the text in errors.
pub fn select_rows(file: &str, text: &[u8], rows: &[usize]) -> Result<Vec<u8>, DataError> {
    let fail = |line, kind| DataError {
        file: file.to_owned(),
        line,
        column: None,
        kind,
    };
    let mut reader = csv::Reader::from_reader(text);
    let header = reader
        .headers()
        .map_err(|error| fail(Some(1), csv_kind(error)))?
        .clone();
    if header.is_empty() {
        return Err(fail(None, DataErrorKind::Empty));
    }
    let mut records: Vec<StringRecord> = Vec::new();
    for record in reader.records() {
        records.push(record.map_err(|error| {
            let line = error.position().map(csv::Position::line);
            fail(line, csv_kind(error))
        })?);
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    let write_failed = |error: csv::Error| fail(None, csv_kind(error));
    writer.write_record(&header).map_err(write_failed)?;
    for &row in rows {
        let record = records.get(row).ok_or_else(|| {
            let message = format!("expected rows below {}, got {row}", records.len());
            fail(
                None,
                DataErrorKind::Io(std::io::Error::new(std::io::ErrorKind::InvalidInput, message)),
            )
        })?;
        writer.write_record(record).map_err(write_failed)?;
    }
    writer
        .into_inner()
        .map_err(|error| fail(None, DataErrorKind::Io(error.into_error())))
}
