//! Names: accounts, orders, symbols, option contracts. Parsed once, at the border.

use std::fmt;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// An account number such as `VA00000001`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub String);

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An order's number. They grow; a group's legs have numbers of their own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(pub i64);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A share's ticker or an option's OCC symbol, in capitals.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Symbol(String);

impl Symbol {
    /// A symbol from any spelling; capitals are made, nothing is checked.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_ascii_uppercase())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Call or put.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// The right to buy.
    Call,
    /// The right to sell.
    Put,
}

impl Right {
    /// `call` or `put`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Put => "put",
        }
    }
}

/// One option contract, as its OCC symbol names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Contract {
    /// `SPXW` in `SPXW260918C06000000`.
    pub root: String,
    /// The last day of its life.
    pub expiry: NaiveDate,
    /// Call or put.
    pub right: Right,
    /// In thousandths of a dollar, as the symbol has it.
    pub strike_mils: u32,
}

impl Contract {
    /// Reads an OCC symbol: a root of one to six letters or digits without padding, YYMMDD, C or P, eight digits of strike.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let at = text.len().checked_sub(15)?;
        let (root, rest) = text.split_at_checked(at)?;
        let well_formed =
            (1..=6).contains(&root.len()) && root.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !well_formed || !rest.is_ascii() {
            return None;
        }
        let (date, rest) = rest.split_at_checked(6)?;
        let (right, strike) = rest.split_at_checked(1)?;
        let right = match right {
            "C" => Right::Call,
            "P" => Right::Put,
            _ => return None,
        };
        if !strike.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let expiry = NaiveDate::parse_from_str(date, "%y%m%d").ok()?;
        Some(Self { root: root.to_owned(), expiry, right, strike_mils: strike.parse().ok().filter(|s| *s > 0)? })
    }

    /// The OCC symbol.
    #[must_use]
    pub fn occ(&self) -> Symbol {
        let right = if self.right == Right::Call { 'C' } else { 'P' };
        Symbol(format!("{}{}{right}{:08}", self.root, self.expiry.format("%y%m%d"), self.strike_mils))
    }

    /// The strike in dollars.
    #[must_use]
    pub fn strike(&self) -> Decimal {
        Decimal::new(i64::from(self.strike_mils), 3).normalize()
    }

    /// The share or index that it is an option on: weekly index roots fold into their index, share classes get their slash back.
    #[must_use]
    pub fn underlying(&self) -> Symbol {
        let known =
            [("SPXW", "SPX"), ("VIXW", "VIX"), ("NDXP", "NDX"), ("RUTW", "RUT"), ("XSPW", "XSP"), ("BRKB", "BRK/B")];
        let found = known.iter().find(|(root, _)| *root == self.root);
        Symbol(found.map_or(self.root.as_str(), |(_, under)| under).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_occ_symbol_goes_there_and_back() {
        for text in ["SPY260918C00600000", "F261218P00012500", "BRKB260116C00500000", "AAPL1260918C00001500"] {
            assert_eq!(Contract::parse(text).unwrap().occ().as_str(), text);
        }
        let spxw = Contract::parse("SPXW260918C06502500").unwrap();
        assert_eq!(spxw.underlying().as_str(), "SPX");
        assert_eq!(spxw.strike().to_string(), "6502.5");
    }

    #[test]
    fn what_is_no_occ_symbol_is_refused() {
        let bad = [
            "",
            "SPY",
            "SPY260918X00600000",
            "SPY261332C00600000",
            "TOOLONGG260918C00600000",
            "SPY260918C0060000",
            "spy260918C00600000",
            "SPY   260918C00600000",
            "SPY260918C+0600000",
            "SPY260918C00000000",
            "ÄÄ260918C00600000",
        ];
        for text in bad {
            assert_eq!(Contract::parse(text), None, "{text:?}");
        }
    }
}
