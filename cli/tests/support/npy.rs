//! What the tests of commands on .npy files share: files to read, the program, and what it says.

#![allow(dead_code, reason = "each test uses what it needs")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

/// A two-dimensional .npy file of version 1.0, as NumPy lays it out.
pub(crate) fn npy(descr: &str, rows: usize, columns: usize, bytes: &[u8]) -> Vec<u8> {
    let shape = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let padded = format!(
        "{shape:<width$}\n",
        width = (10 + shape.len() + 1).div_ceil(64) * 64 - 11
    );
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((padded.len() as u16).to_le_bytes());
    file.extend(padded.as_bytes());
    file.extend(bytes);
    file
}

pub(crate) fn floats(rows: &[&[f32]]) -> Vec<u8> {
    let bytes: Vec<u8> = rows
        .iter()
        .flat_map(|r| r.iter().flat_map(|v| v.to_le_bytes()))
        .collect();
    npy("<f4", rows.len(), rows[0].len(), &bytes)
}

pub(crate) fn integers(rows: &[&[i32]]) -> Vec<u8> {
    let bytes: Vec<u8> = rows
        .iter()
        .flat_map(|r| r.iter().flat_map(|v| v.to_le_bytes()))
        .collect();
    npy("<i4", rows.len(), rows[0].len(), &bytes)
}

pub(crate) fn run(at: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xfl"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("XFL_")) {
        command.env_remove(name);
    }
    command.args(line.split_whitespace()).current_dir(at).output().unwrap()
}

#[track_caller]
pub(crate) fn json(at: &Path, line: &str, code: i32) -> Value {
    let output = run(at, &format!("{line} --json"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The numbers of a one-dimensional file: its last eight bytes each, or four.
pub(crate) fn doubles(path: &Path, n: usize) -> Vec<f64> {
    let bytes = fs::read(path).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY") && String::from_utf8_lossy(&bytes).contains("'<f8'"));
    let (body, _) = bytes[bytes.len() - 8 * n..].as_chunks::<8>();
    body.iter().map(|b| f64::from_le_bytes(*b)).collect()
}
