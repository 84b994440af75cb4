//! One line of the ledger: its canonical spelling and its hash.
//!
//! ```text
//! {"v":1,"rho":0.125,"unit":"record","relation":"zero-out","federation":"<64 hex>","round":3,"attempt":0,"prev":"<64 hex>","hash":"<64 hex>"}
//! {"v":1,"rho":5.0,"unit":"record","relation":"zero-out","federation":"<64 hex>","round":3,"attempt":0,"noise":1.0,"rate":0.01,"steps":10,"prev":…}
//! {"v":1,"rho":0.125,"torn":"<64 hex>","prev":"<64 hex>","hash":"<64 hex>"}
//! ```
//!
//! Numbers are written as the shortest decimals that read back to the same floats. Where records are drawn by coins, rho is what the steps
//! would cost without amplification, which is what a torn line is charged with. `hash` is BLAKE3 in key-derivation mode over `prev` and all of
//! the line before `,"prev"`. Reading accepts exactly what writing produces.

use super::Release;
use crate::accounting::{Loss, Sampled};
use crate::neighbour::{Relation, Unit};
use crate::parameter::{NoiseMultiplier, Rho, SampleRate};

const CONTEXT: &str = "xfl-privacy budget ledger v1: line";
const TORN_CONTEXT: &str = "xfl-privacy budget ledger v1: torn bytes";

/// How every line starts; a torn one often keeps the number that follows.
const START: &str = "{\"v\":1,\"rho\":";

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    /// A release was charged.
    Charge(Release),
    /// The bytes before this line (of this hash) are the remains of a crash, charged with `rho`.
    Torn { rho: Rho, bytes: [u8; 32] },
}

impl Line {
    fn body(&self) -> String {
        match self {
            Self::Charge(Release {
                federation,
                round,
                attempt,
                unit,
                relation,
                loss,
            }) => format!(
                "{START}{},\"unit\":\"{unit}\",\"relation\":\"{relation}\",\"federation\":\"{}\",\"round\":{round},\"attempt\":{attempt}{}",
                loss.rho(),
                hex(federation),
                loss.steps().map(spelled).unwrap_or_default()
            ),
            Self::Torn { rho, bytes } => format!("{START}{rho},\"torn\":\"{}\"", hex(bytes)),
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
        let rho = Rho::new(value(&mut rest)?.parse().ok()?)
            .ok()
            .filter(|rho| rho.is_finite())?;
        if let Some(after) = rest.strip_prefix("\"torn\":") {
            let mut rest = after;
            return Some(Self::Torn {
                rho,
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
        let federation = unhex(field("\"federation\":")?.strip_prefix('"')?.strip_suffix('"')?)?;
        let round = field("\"round\":")?.parse().ok()?;
        let attempt = field("\"attempt\":")?.parse().ok()?;
        let loss = match field("\"noise\":") {
            None => Loss::unsampled(rho),
            Some(noise) => {
                let noise = NoiseMultiplier::new(noise.parse().ok()?).ok()?;
                let rate = SampleRate::new(field("\"rate\":")?.parse().ok()?).ok()?;
                let steps = field("\"steps\":")?.parse().ok()?;
                Loss::sampled(rho, Sampled { noise, rate, steps })
            }
        };
        Some(Self::Charge(Release {
            federation,
            round,
            attempt,
            unit,
            relation,
            loss,
        }))
    }
}

/// The end of a line whose records were drawn.
fn spelled(Sampled { noise, rate, steps }: Sampled) -> String {
    format!(",\"noise\":{},\"rate\":{},\"steps\":{steps}", noise.get(), rate.get())
}

/// Hash of a crash's remains.
pub(super) fn torn_hash(bytes: &[u8]) -> [u8; 32] {
    blake3::derive_key(TORN_CONTEXT, bytes)
}

/// The rho that a torn line still shows, if its number is complete.
pub(super) fn readable_rho(bytes: &[u8]) -> Option<Rho> {
    let rest = bytes.strip_prefix(START.as_bytes())?;
    let end = rest.iter().position(|&byte| byte == b',')?;
    let number = std::str::from_utf8(&rest[..end]).ok()?;
    Rho::new(number.parse().ok()?).ok().filter(|rho| rho.is_finite())
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
