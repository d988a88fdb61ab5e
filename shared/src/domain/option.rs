//! An option contract and its OCC symbol (`NVDA260320C00150000`): root, expiry as yymmdd, right,
//! strike in thousandths as eight digits.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::times;

/// The right that a contract gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum OptionType {
    Call,
    Put,
}

impl OptionType {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "CALL",
            Self::Put => "PUT",
        }
    }

    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Call => 'C',
            Self::Put => 'P',
        }
    }
}

impl FromStr for OptionType {
    type Err = OptionSymbolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "CALL" => Ok(Self::Call),
            "PUT" => Ok(Self::Put),
            _ => Err(OptionSymbolError::Right),
        }
    }
}

/// One listed contract.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct OptionContract {
    /// Root of the option symbol; differs from the ticker for weeklies of an index and for
    /// adjusted contracts.
    pub root: String,
    #[serde(serialize_with = "times::date")]
    #[schemars(with = "NaiveDate")]
    pub expiry: NaiveDate,
    pub option_type: OptionType,
    pub strike: Decimal,
}

/// Why a text is not an OCC symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OptionSymbolError {
    #[error("an OCC symbol is a root of 1 to 6 letters and digits and then 15 characters")]
    Shape,
    #[error("the expiry in an OCC symbol is a date as yymmdd")]
    Expiry,
    #[error("the right in an OCC symbol is C or P")]
    Right,
    #[error("the strike in an OCC symbol is eight digits, above zero")]
    Strike,
}

/// The ticker behind the root of a contract: weeklies of an index have a root of their own.
#[must_use]
pub fn underlying_of(root: &str) -> &str {
    match root {
        "SPXW" => "SPX",
        "NDXP" => "NDX",
        "RUTW" => "RUT",
        "VIXW" => "VIX",
        other => other,
    }
}

/// Length of everything behind the root: yymmdd, right, strike.
const TAIL: usize = 15;

impl OptionContract {
    /// The ticker that it is about.
    #[must_use]
    pub fn underlying(&self) -> &str {
        underlying_of(&self.root)
    }

    /// The OCC symbol without padding, as brokers spell it.
    #[must_use]
    pub fn occ(&self) -> String {
        let thousandths = (self.strike * Decimal::from(1000)).trunc().normalize();
        format!(
            "{}{:02}{:02}{:02}{}{:0>8}",
            self.root,
            self.expiry.year().rem_euclid(100),
            self.expiry.month(),
            self.expiry.day(),
            self.option_type.letter(),
            thousandths.to_string(),
        )
    }

    /// Days from `today` to expiry; negative once it is past.
    #[must_use]
    pub fn days_to_expiry(&self, today: NaiveDate) -> i64 {
        (self.expiry - today).num_days()
    }
}

impl FromStr for OptionContract {
    type Err = OptionSymbolError;

    fn from_str(symbol: &str) -> Result<Self, Self::Err> {
        let root_length = symbol.len().checked_sub(TAIL).ok_or(OptionSymbolError::Shape)?;
        let (root, tail) = symbol.split_at_checked(root_length).ok_or(OptionSymbolError::Shape)?;
        let root_is_valid =
            (1..=6).contains(&root.len()) && root.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !root_is_valid || !tail.is_ascii() {
            return Err(OptionSymbolError::Shape);
        }
        let (date, rest) = tail.split_at(6);
        let (right, strike) = rest.split_at(1);
        Ok(Self {
            root: root.to_owned(),
            expiry: parse_expiry(date)?,
            option_type: match right {
                "C" => OptionType::Call,
                "P" => OptionType::Put,
                _ => return Err(OptionSymbolError::Right),
            },
            strike: parse_strike(strike)?,
        })
    }
}

fn parse_expiry(date: &str) -> Result<NaiveDate, OptionSymbolError> {
    if !date.bytes().all(|b| b.is_ascii_digit()) {
        return Err(OptionSymbolError::Expiry);
    }
    let number: u32 = date.parse().map_err(|_| OptionSymbolError::Expiry)?;
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    // Listed options began in 1973 and expire within a few years: a two-digit year is this century's.
    let year = i32::try_from(2000 + year).map_err(|_| OptionSymbolError::Expiry)?;
    NaiveDate::from_ymd_opt(year, month, day).ok_or(OptionSymbolError::Expiry)
}

fn parse_strike(digits: &str) -> Result<Decimal, OptionSymbolError> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(OptionSymbolError::Strike);
    }
    let thousandths: i64 = digits.parse().map_err(|_| OptionSymbolError::Strike)?;
    if thousandths == 0 {
        return Err(OptionSymbolError::Strike);
    }
    Ok(Decimal::new(thousandths, 3).normalize())
}

impl fmt::Display for OptionContract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.root, self.expiry, self.strike.normalize(), self.option_type.letter())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_and_writes_a_symbol() {
        let contract: OptionContract = "NVDA260320C00150000".parse().unwrap();
        assert_eq!(contract.strike, Decimal::from(150));
        assert_eq!(contract.expiry, NaiveDate::from_ymd_opt(2026, 3, 20).unwrap());
        assert_eq!(contract.to_string(), "NVDA 2026-03-20 150 C");
        assert_eq!(contract.occ(), "NVDA260320C00150000");
    }

    #[test]
    fn names_what_is_wrong() {
        for (symbol, why) in [
            ("NVDA", OptionSymbolError::Shape),
            ("260320C00150000", OptionSymbolError::Shape),
            ("nvda260320C00150000", OptionSymbolError::Shape),
            ("NVDA261320C00150000", OptionSymbolError::Expiry),
            ("NVDA260320X00150000", OptionSymbolError::Right),
            ("NVDA260320C00000000", OptionSymbolError::Strike),
            ("NVDA260320C0015000x", OptionSymbolError::Strike),
        ] {
            assert_eq!(symbol.parse::<OptionContract>(), Err(why), "{symbol}");
        }
    }

    proptest! {
        #[test]
        fn every_symbol_survives(
            root in "[A-Z][A-Z0-9]{0,5}",
            day in 0_u64..36_000,
            thousandths in 1_i64..=99_999_999,
            call: bool,
        ) {
            let contract = OptionContract {
                root,
                expiry: NaiveDate::from_ymd_opt(2001, 1, 1).unwrap() + chrono::Days::new(day),
                option_type: if call { OptionType::Call } else { OptionType::Put },
                strike: Decimal::new(thousandths, 3).normalize(),
            };
            prop_assert_eq!(contract.occ().parse::<OptionContract>().unwrap(), contract);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<OptionContract>();
        }
    }
}
