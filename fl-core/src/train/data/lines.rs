//! A reader that remembers where lines begin, so that an error can name one.
//!
//! The CSV parser counts lines too, but it passes over blank lines, and over the second byte of `\r\n`, when it begins the
//! next record, and so names an earlier line than the record's own.

use std::io::{self, Read};

/// Passes bytes through, noting the place of each line that isn't blank.
pub(super) struct Lines<R> {
    inner: R,
    read: u64,
    line: u64,
    at_start: bool,
    /// Offset and number (from 1) of every line that isn't blank.
    starts: Vec<(u64, u64)>,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            read: 0,
            line: 1,
            at_start: true,
            starts: Vec::new(),
        }
    }

    /// The line of the record whose parsing began at this offset: the first one from there on that isn't blank.
    pub(super) fn line_from(&self, offset: u64) -> u64 {
        let place = self.starts.partition_point(|&(start, _)| start < offset);
        self.starts.get(place).map_or(self.line, |&(_, line)| line)
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        for &byte in &buffer[..count] {
            if byte == b'\n' {
                self.line += 1;
                self.at_start = true;
            } else if self.at_start && byte != b'\r' {
                self.starts.push((self.read, self.line));
                self.at_start = false;
            }
            self.read += 1;
        }
        Ok(count)
    }
}
