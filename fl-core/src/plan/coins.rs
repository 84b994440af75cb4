//! An amount of a chain's coin as a plan says it: `0.1`, `2`, or in quotes.
//!
//! Kept in wei (10^-18 coins) exactly. A bare decimal goes through a float in TOML: one of more than 15 digits, which a float may not hold, is
//! refused and must be quoted; any other comes back as it was written.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Wei of a coin.
const COIN: u128 = 1_000_000_000_000_000_000;
const DECIMALS: usize = 18;
/// Decimal digits that every float holds.
const FLOAT_DIGITS: usize = 15;

/// An amount of coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coins {
    /// In the coin's smallest unit.
    pub wei: u128,
}

/// Not an amount of coin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:.40} is not an amount of coins: expected digits with up to 18 decimals, such as 0.1")]
pub struct CoinsError {
    /// What was written.
    pub text: String,
}

impl Coins {
    /// Whole coins.
    pub const fn whole(coins: u64) -> Self {
        Self {
            wei: coins as u128 * COIN,
        }
    }
}

impl FromStr for Coins {
    type Err = CoinsError;

    fn from_str(text: &str) -> Result<Self, CoinsError> {
        let wrong = || CoinsError { text: text.to_owned() };
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && part.is_empty()) || part.len() > DECIMALS || !digits(whole) || !digits(part) {
            return Err(wrong());
        }
        let number = |text: &str| match text {
            "" => Ok(0),
            text => text.parse::<u128>().map_err(|_| wrong()),
        };
        let wei = number(whole)?
            .checked_mul(COIN)
            .and_then(|wei| wei.checked_add(number(&format!("{part:0<DECIMALS$}")).ok()?));
        wei.map(|wei| Self { wei }).ok_or_else(wrong)
    }
}

impl fmt::Display for Coins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.wei / COIN, format!("{:018}", self.wei % COIN));
        match part.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            part => write!(f, "{whole}.{part}"),
        }
    }
}

impl<'de> Deserialize<'de> for Coins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl Visitor<'_> for Written {
    type Value = Coins;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount of coins, such as 0.1 or \"0.1\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Coins, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, whole: i64) -> Result<Coins, E> {
        self.visit_str(&whole.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Coins, E> {
        // The shortest digits that are this float's, without an exponent: as they were written, if they were few enough.
        let text = value.to_string();
        let digits = text.trim_start_matches(['0', '.']).bytes();
        if digits.filter(u8::is_ascii_digit).count() > FLOAT_DIGITS {
            return Err(E::custom(format!(
                "{text:.40} has too many digits for a bare number: write it in quotes"
            )));
        }
        self.visit_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Table {
        amount: Coins,
    }

    fn written(value: &str) -> Result<u128, String> {
        let table: Result<Table, _> = toml::from_str(&format!("amount = {value}"));
        table
            .map(|table| table.amount.wei)
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn bare_and_quoted_numbers_are_the_amounts_written() {
        for (value, wei) in [
            ("0.1", COIN / 10),
            ("\"0.1\"", COIN / 10),
            ("2", 2 * COIN),
            ("1_000.5", 1_000 * COIN + COIN / 2),
            ("1e-9", COIN / 1_000_000_000),
            ("0.000000000000000001", 1),
            ("\"0.123456789012345678\"", 123_456_789_012_345_678),
            ("\".5\"", COIN / 2),
            ("0", 0),
        ] {
            assert_eq!(written(value), Ok(wei), "{value}");
            let shown = Coins { wei }.to_string();
            assert_eq!(shown.parse(), Ok(Coins { wei }), "{shown}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_in_words() {
        for value in [
            "-1",
            "-0.5",
            "nan",
            "inf",
            "\"\"",
            "\".\"",
            "\"1e3\"",
            "\"0x10\"",
            "\"0.0000000000000000001\"",
            "1e300",
            "true",
        ] {
            let error = written(value).unwrap_err();
            assert!(
                error.contains("amount of coins") || error.contains("quotes"),
                "{value}: {error}"
            );
        }
        assert!(written("0.123456789012345678").unwrap_err().contains("quotes"));
        assert!(written(&format!("\"{}\"", "9".repeat(60))).unwrap_err().len() < 200);
    }
}
