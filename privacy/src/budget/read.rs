//! Reading a ledger back: verifying its chain, and charging what a crash left behind.

use super::line::{Line, readable_loss, torn_hash};
use super::{Ledger, LedgerError, Limit};

/// Ends a torn line before its repair is written, so that a crash inside the repair is told from a damaged line.
const CANCEL: u8 = 0x18;

/// How a budget of version 1 begins.
const EARLIER: &[u8] = b"{\"v\":1,";

/// A ledger read back.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Everything on record, a torn tail included.
    pub ledger: Ledger,
    /// What to append (durably, before anything else) to make the file whole again; empty if it is.
    pub repair: Vec<u8>,
}

impl Ledger {
    /// Verifies the bytes of a ledger. A torn tail is charged (see the module's documentation) and its repair handed back.
    ///
    /// # Errors
    /// The first line that was changed, by its number; a budget of an earlier version.
    pub fn read(bytes: &[u8], limit: Limit) -> Result<Opened, LedgerError> {
        if bytes.starts_with(EARLIER) {
            return Err(LedgerError::Earlier);
        }
        let mut ledger = Self::new(limit);
        let mut start = 0;
        let mut number = 1;
        while start < bytes.len() {
            let rest = &bytes[start..];
            let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
                return Ok(ledger.close(rest));
            };
            let (consumed, lines) = match Line::read(&rest[..length], &ledger.head) {
                Ok(Line::Torn { .. }) => {
                    return Err(LedgerError::Damaged {
                        line: number,
                        reason: "the torn bytes that it charges are gone",
                    });
                }
                Ok(line) if ledger.apply(&line) => (length + 1, 1),
                Ok(_) => {
                    return Err(LedgerError::Damaged {
                        line: number,
                        reason: "its release is charged twice",
                    });
                }
                Err(reason) => match ledger.skip_torn(rest) {
                    Some(skipped) => skipped,
                    None if abandoned_repair(rest) => return Ok(ledger.close(rest)),
                    None => return Err(LedgerError::Damaged { line: number, reason }),
                },
            };
            start += consumed;
            number += lines;
        }
        Ok(Opened {
            ledger,
            repair: Vec::new(),
        })
    }

    /// If `rest` starts with a crash's remains and their repair, applies it; its bytes and lines.
    fn skip_torn(&mut self, rest: &[u8]) -> Option<(usize, u64)> {
        // Remains span at most a few lines: one torn charge and repairs that were torn themselves.
        let mut end = 0;
        for lines in 1..=8 {
            end += rest[end..].iter().position(|&byte| byte == b'\n')? + 1;
            let next = rest[end..].iter().position(|&byte| byte == b'\n')?;
            if let Ok(line @ Line::Torn { bytes, .. }) = Line::read(&rest[end..end + next], &self.head)
                && bytes == torn_hash(&rest[..end])
                && self.apply(&line)
            {
                return Some((end + next + 1, lines + 1));
            }
        }
        None
    }

    /// Charges a torn tail and says how to repair it.
    fn close(mut self, tail: &[u8]) -> Opened {
        if let Ok(line) = Line::read(tail, &self.head)
            && self.apply(&line)
        {
            return Opened {
                ledger: self,
                repair: b"\n".to_vec(),
            };
        }
        let loss = readable_loss(tail).unwrap_or(self.largest);
        let mut repair = if tail.ends_with(&[CANCEL, b'\n']) {
            Vec::new()
        } else {
            vec![CANCEL, b'\n']
        };
        let line = Line::Torn {
            loss,
            bytes: torn_hash(&[tail, &repair].concat()),
        };
        repair.extend(line.text(&self.head).as_bytes());
        self.apply(&line);
        Opened { ledger: self, repair }
    }
}

/// Whether the bytes are the remains of a crash whose repair was itself cut short: every complete line in them is cancelled.
fn abandoned_repair(rest: &[u8]) -> bool {
    let mut lines = rest.split(|&byte| byte == b'\n');
    // What follows the last newline may be anything.
    lines.next_back();
    let mut complete = lines.peekable();
    complete.peek().is_some() && complete.all(|line| line.ends_with(&[CANCEL]))
}
