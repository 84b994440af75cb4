//! One line of the ledger: its canonical spelling and its hash.
//!
//! ```text
//! {"v":2,"rho":0.125,"unit":"record","relation":"zero-out","federation":"<64 hex>","run":"<64 hex>","round":3,"attempt":0,"prev":"<64 hex>","hash":"<64 hex>"}
//! {"v":2,"rho":5.0,"noise":1.0,"rate":0.01,"steps":10,"unit":"record","relation":"zero-out",…}
//! {"v":2,"rho":0.125,"torn":"<64 hex>","prev":"<64 hex>","hash":"<64 hex>"}
//! ```
//!
//! Numbers are written as the shortest decimals that read back to the same floats. Where records are drawn by coins, rho is what the steps
//! would cost without amplification, which is what a torn line is charged with. `hash` is BLAKE3 in key-derivation mode over `prev` and all of
//! the line before `,"prev"`. Reading accepts exactly what writing produces.

use super::Release;
use crate::accounting::{Loss, Sampled};
use crate::neighbour::{Relation, Unit};
use crate::parameter::{NoiseMultiplier, Rho, SampleRate};

const CONTEXT: &str = "xfl-privacy budget ledger v2: line";
const TORN_CONTEXT: &str = "xfl-privacy budget ledger v2: torn bytes";

/// How every line starts; a torn one often keeps the number that follows.
const START: &str = "{\"v\":2,\"rho\":";

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    /// A release was charged.
    Charge(Release),
    /// The bytes before this line (of this hash) are the remains of a crash, charged with `loss`.
    Torn { loss: Loss, bytes: [u8; 32] },
}

impl Line {
    fn body(&self) -> String {
        match self {
            Self::Charge(Release {
                federation,
                run,
                round,
                attempt,
                unit,
                relation,
                loss,
            }) => format!(
                "{START}{},\"unit\":\"{unit}\",\"relation\":\"{relation}\",\"federation\":\"{}\",\"run\":\"{}\",\"round\":{round},\"attempt\":{attempt}",
                spelled(loss),
                hex(federation),
                hex(run)
            ),
            Self::Torn { loss, bytes } => format!("{START}{},\"torn\":\"{}\"", spelled(loss), hex(bytes)),
        }
    }

    /// Hash of this line after `prev`.
    pub(super) fn hash(&self, prev: &[u8; 32]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(prev).update(self.body().as_bytes());
        *hasher.finalize().as_bytes()
    }

    /// The line with its newline.
    pub(super) fn text(&self, prev: &[u8; 32]) -> String {
        format!(
            "{},\"prev\":\"{}\",\"hash\":\"{}\"}}\n",
            self.body(),
            hex(prev),
            hex(&self.hash(prev))
        )
    }

    /// Reads a line without its newline; the reason if it isn't one of ours, or doesn't follow `prev`.
    pub(super) fn read(bytes: &[u8], prev: &[u8; 32]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
        let line = Self::parse(text).ok_or("it is not a line of a budget")?;
        match line.text(prev).strip_suffix('\n') {
            Some(canonical) if canonical == text => Ok(line),
            _ => Err("its content, hash or link to the line before doesn't fit"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix(START)?;
        let loss = loss(&mut rest)?;
        if let Some(after) = rest.strip_prefix("\"torn\":") {
            let mut rest = after;
            return Some(Self::Torn {
                loss,
                bytes: unhex(quoted(&mut rest)?)?,
            });
        }
        let mut field = |key: &str| {
            rest = rest.strip_prefix(key)?;
            value(&mut rest)
        };
        let unit = match field("\"unit\":")? {
            "\"record\"" => Unit::Record,
            "\"institution\"" => Unit::Institution,
            _ => return None,
        };
        let relation = match field("\"relation\":")? {
            "\"zero-out\"" => Relation::ZeroOut,
            "\"replace\"" => Relation::Replace,
            _ => return None,
        };
        let mut hash = |key| unhex(field(key)?.strip_prefix('"')?.strip_suffix('"')?);
        let (federation, run) = (hash("\"federation\":")?, hash("\"run\":")?);
        let round = field("\"round\":")?.parse().ok()?;
        let attempt = field("\"attempt\":")?.parse().ok()?;
        Some(Self::Charge(Release {
            federation,
            run,
            round,
            attempt,
            unit,
            relation,
            loss,
        }))
    }
}

/// A loss as it stands at the start of a line.
fn spelled(loss: &Loss) -> String {
    let rho = loss.rho();
    loss.steps().map_or_else(
        || rho.to_string(),
        |Sampled { noise, rate, steps }| {
            format!(
                "{rho},\"noise\":{},\"rate\":{},\"steps\":{steps}",
                noise.get(),
                rate.get()
            )
        },
    )
}

/// Takes a loss off the start of what follows [`START`].
fn loss(rest: &mut &str) -> Option<Loss> {
    let rho = Rho::new(value(rest)?.parse().ok()?)
        .ok()
        .filter(|rho| rho.is_finite())?;
    let mut field = |key: &str| {
        let mut after = rest.strip_prefix(key)?;
        let number = value(&mut after)?;
        *rest = after;
        Some(number)
    };
    let Some(noise) = field("\"noise\":") else {
        return Some(Loss::unsampled(rho));
    };
    let noise = NoiseMultiplier::new(noise.parse().ok()?).ok()?;
    let rate = SampleRate::new(field("\"rate\":")?.parse().ok()?).ok()?;
    let steps = field("\"steps\":")?.parse().ok()?;
    Some(Loss::sampled(rho, Sampled { noise, rate, steps }))
}

/// Hash of a crash's remains.
pub(super) fn torn_hash(bytes: &[u8]) -> [u8; 32] {
    blake3::derive_key(TORN_CONTEXT, bytes)
}

/// The loss that a torn line still shows, if its numbers are complete; without amplification, if only its rho is.
pub(super) fn readable_loss(bytes: &[u8]) -> Option<Loss> {
    let valid = bytes.utf8_chunks().next()?.valid();
    let start = valid.strip_prefix(START)?;
    loss(&mut { start }).or_else(|| {
        let (number, _) = start.split_once(',')?;
        let rho = Rho::new(number.parse().ok()?).ok().filter(|rho| rho.is_finite())?;
        Some(Loss::unsampled(rho))
    })
}

/// Takes everything up to the next comma, and the comma.
fn value<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let (value, after) = rest.split_once(',')?;
    *rest = after;
    Some(value)
}

fn quoted<'a>(rest: &mut &'a str) -> Option<&'a str> {
    value(rest)?.strip_prefix('"')?.strip_suffix('"')
}

fn hex(bytes: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*bytes).to_hex().to_string()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    blake3::Hash::from_hex(text).ok().map(|hash| *hash.as_bytes())
}
