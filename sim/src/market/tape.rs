//! Recorded prices. Where the tape runs, it replaces the model; between two of its lines the earlier one holds.
//!
//! A tape is CSV without a header: `2026-09-10T09:30:00,SPY,600.12`, times in New York, in order.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use thiserror::Error;

use super::model::Market;
use crate::core::Symbol;
use crate::time::Ms;

/// Prices by underlying and moment.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    prices: BTreeMap<usize, BTreeMap<Ms, f64>>,
}

/// A line of a tape that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {what}")]
pub struct TapeError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl Tape {
    pub(super) fn has(&self, index: usize) -> bool {
        self.prices.contains_key(&index)
    }

    pub(super) fn price(&self, index: usize, now: Ms) -> Option<f64> {
        let prices = self.prices.get(&index)?;
        prices.range(..=now).next_back().map(|(_, price)| *price)
    }
}

impl Market {
    /// Lays a tape over the model.
    ///
    /// # Errors
    /// [`TapeError`] with the line that cannot be read.
    pub fn play(&mut self, text: &str) -> Result<(), TapeError> {
        for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let (index, at, price) = self.tape_line(line).map_err(|what| TapeError { line: number + 1, what })?;
            self.tape.prices.entry(index).or_default().insert(at, price);
            self.forget_days(index);
            self.changes += 1;
        }
        Ok(())
    }

    fn tape_line(&self, line: &str) -> Result<(usize, Ms, f64), String> {
        let mut fields = line.split(',').map(str::trim);
        let (Some(time), Some(symbol), Some(price), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err("expected time,symbol,price".to_owned());
        };
        let local =
            NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%S").map_err(|e| format!("time {time:?}: {e}"))?;
        let index = self.index(&Symbol::new(symbol)).ok_or_else(|| format!("unknown symbol {symbol:?}"))?;
        let price: f64 = price.parse().map_err(|_| format!("price {price:?} is no number"))?;
        if !(price.is_finite() && price > 0.0) {
            return Err(format!("price {price} is not above 0"));
        }
        Ok((index, Ms::from_et(local), price))
    }
}
