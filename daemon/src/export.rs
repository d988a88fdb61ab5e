//! Trades as files for other programs. Pure: rows in, bytes out.
//!
//! CSV is RFC 4180: CRLF, quotes doubled, a line of headings. A text that begins like a formula gets an
//! apostrophe in front, because whoever opens the file did not write the strategy's name; figures are
//! left as they are, so that they stay figures. A million lines are written in about a second: digits are
//! put down one by one, and nothing is allocated for a line.

use std::fmt::Write as _;

use blotter_shared::digits::{Digits, padded};
use blotter_shared::domain::{CloseReason, OptionContract, OptionType};
use blotter_shared::protocol::trades::Trade;
use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

/// Which part of the file some rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub is_first: bool,
    pub is_last: bool,
}

/// The columns, in the order in which [`push_line`] writes them.
pub const COLUMNS: &[&str] = &[
    "number",
    "id",
    "mode",
    "account",
    "ticker",
    "option_symbol",
    "type",
    "strike",
    "expiry",
    "multiplier",
    "quantity",
    "status",
    "entered_at",
    "entry_price",
    "stop",
    "target",
    "closed_at",
    "exit_price",
    "reason",
    "fees",
    "pnl",
    "pnl_pct",
    "r_multiple",
    "mark",
    "unrealized_pnl",
    "strategy",
];

/// What a line says of a trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    pub number: u32,
    pub id: Uuid,
    pub mode: &'a str,
    pub account: &'a str,
    pub ticker: &'a str,
    pub symbol: &'a str,
    pub contract: Contract,
    pub multiplier: u32,
    pub qty: u32,
    pub status: &'a str,
    pub entered_at: DateTime<Utc>,
    pub entry_price: Option<Decimal>,
    pub stop: Option<Decimal>,
    pub target: Option<Decimal>,
    pub end: Option<End<'a>>,
    pub mark: Option<Decimal>,
    pub unrealized_pnl: Option<Decimal>,
    pub strategy: &'a str,
}

/// What the symbol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    pub option_type: OptionType,
    pub strike: Decimal,
    pub expiry: NaiveDate,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End<'a> {
    pub at: DateTime<Utc>,
    pub price: Option<Decimal>,
    pub reason: Option<&'a str>,
    pub fees: Option<Decimal>,
    pub pnl: Option<Decimal>,
    pub pnl_pct: Option<Decimal>,
    pub r_multiple: Option<Decimal>,
}

impl From<&OptionContract> for Contract {
    fn from(contract: &OptionContract) -> Self {
        Self { option_type: contract.option_type, strike: contract.strike, expiry: contract.expiry }
    }
}

impl<'a> From<&'a Trade> for Line<'a> {
    fn from(trade: &'a Trade) -> Self {
        Self {
            number: trade.number.0,
            id: trade.id.0,
            mode: trade.broker_mode.as_str(),
            account: &trade.account_id,
            ticker: &trade.ticker,
            symbol: &trade.option_symbol,
            contract: Contract::from(&trade.contract),
            multiplier: trade.multiplier.get(),
            qty: trade.qty,
            status: trade.status.as_str(),
            entered_at: trade.entry_date,
            entry_price: trade.entry_price.map(Decimal::from),
            stop: trade.sl_price.map(Decimal::from),
            target: trade.tp_price.map(Decimal::from),
            end: trade.close.as_ref().map(|close| End {
                at: close.at,
                price: close.price.map(Decimal::from),
                reason: close.reason.map(CloseReason::as_str),
                fees: close.fees.map(|fees| fees.0),
                pnl: close.realized_pnl.map(|pnl| pnl.0),
                pnl_pct: close.realized_pnl_pct,
                r_multiple: close.r_multiple,
            }),
            mark: trade.current_price.map(Decimal::from),
            unrealized_pnl: trade.unrealized_pnl.map(|pnl| pnl.0),
            strategy: trade.strategy.as_deref().unwrap_or_default(),
        }
    }
}

/// Rows as CSV.
#[must_use]
pub fn csv(trades: &[Trade], place: Place) -> Vec<u8> {
    let mut text = String::with_capacity(trades.len() * 260 + 256);
    if place.is_first {
        push_headings(&mut text);
    }
    for trade in trades {
        push_line(&mut text, &Line::from(trade));
    }
    text.into_bytes()
}

/// The line of headings.
pub fn push_headings(out: &mut String) {
    out.push_str(&COLUMNS.join(","));
    out.push_str("\r\n");
}

/// Rows as part of a JSON list, one a line.
#[must_use]
pub fn json(trades: &[Trade], place: Place) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(trades.len() * 700 + 4);
    if place.is_first {
        bytes.push(b'[');
    }
    for (index, trade) in trades.iter().enumerate() {
        if !(place.is_first && index == 0) {
            bytes.push(b',');
        }
        bytes.push(b'\n');
        trade.push_json(&mut bytes);
    }
    if place.is_last {
        bytes.extend_from_slice(b"\n]\n");
    }
    bytes
}

/// A line of CSV.
pub fn push_line(out: &mut String, line: &Line<'_>) {
    push_padded(out, line.number.into(), 1);
    // Writing to a string does not fail.
    let _ = write!(out, ",{},", line.id);
    for text in [line.mode, line.account, line.ticker, line.symbol] {
        push_text(out, text);
        out.push(',');
    }
    out.push_str(line.contract.option_type.as_str());
    push_figure(out, Some(line.contract.strike.normalize()));
    out.push(',');
    push_date(out, line.contract.expiry);
    for count in [line.multiplier, line.qty] {
        out.push(',');
        push_padded(out, count.into(), 1);
    }
    out.push(',');
    out.push_str(line.status);
    push_time(out, Some(line.entered_at));
    push_figure(out, line.entry_price);
    push_figure(out, line.stop);
    push_figure(out, line.target);
    push_end(out, line.end.as_ref());
    push_figure(out, line.mark);
    push_figure(out, line.unrealized_pnl);
    out.push(',');
    push_text(out, line.strategy);
    out.push_str("\r\n");
}

fn push_end(out: &mut String, end: Option<&End<'_>>) {
    push_time(out, end.map(|end| end.at));
    push_figure(out, end.and_then(|end| end.price));
    out.push(',');
    out.push_str(end.and_then(|end| end.reason).unwrap_or_default());
    push_figure(out, end.and_then(|end| end.fees));
    push_figure(out, end.and_then(|end| end.pnl));
    push_figure(out, end.and_then(|end| end.pnl_pct));
    push_figure(out, end.and_then(|end| end.r_multiple));
}

/// As a decimal is displayed: every digit that it has.
fn push_figure(out: &mut String, value: Option<Decimal>) {
    out.push(',');
    let Some(value) = value else { return };
    let (Ok(units), Some(one)) = (i64::try_from(value.mantissa()), 10_u64.checked_pow(value.scale())) else {
        let _ = write!(out, "{value}");
        return;
    };
    if units < 0 {
        out.push('-');
    }
    push_padded(out, units.unsigned_abs() / one, 1);
    if let Some(digits) = usize::try_from(value.scale()).ok().filter(|digits| *digits > 0) {
        out.push('.');
        push_padded(out, units.unsigned_abs() % one, digits);
    }
}

fn push_date(out: &mut String, date: NaiveDate) {
    let Some(year) = u64::try_from(date.year()).ok().filter(|year| *year <= 9999) else {
        let _ = write!(out, "{date}");
        return;
    };
    push_padded(out, year, 4);
    out.push('-');
    push_padded(out, date.month().into(), 2);
    out.push('-');
    push_padded(out, date.day().into(), 2);
}

fn push_time(out: &mut String, at: Option<DateTime<Utc>>) {
    out.push(',');
    let Some(at) = at else { return };
    push_date(out, at.date_naive());
    for (mark, part, digits) in
        [('T', at.hour(), 2), (':', at.minute(), 2), (':', at.second(), 2), ('.', at.timestamp_subsec_millis(), 3)]
    {
        out.push(mark);
        push_padded(out, part.into(), digits);
    }
    out.push('Z');
}

/// A number with so many digits at least.
fn push_padded(out: &mut String, value: u64, digits: usize) {
    out.push_str(padded(value, digits, &mut Digits::default()));
}

/// What a spreadsheet takes for the beginning of a formula, with the wide twins of the signs.
const FORMULA: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

fn push_text(out: &mut String, text: &str) {
    // Most texts are plain words.
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        out.push_str(text);
        return;
    }
    let is_formula = text.trim_start_matches(' ').starts_with(FORMULA);
    let is_quoted = is_formula || text.contains([',', '"', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ');
    if !is_quoted {
        out.push_str(text);
        return;
    }
    out.push('"');
    if is_formula {
        out.push('\'');
    }
    for c in text.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell(text: &str) -> String {
        let mut out = String::new();
        push_text(&mut out, text);
        out
    }

    /// A reader of RFC 4180, written from the RFC.
    fn records(text: &str) -> Vec<Vec<String>> {
        let (mut records, mut record, mut field) = (vec![], vec![], String::new());
        let mut chars = text.chars().peekable();
        let mut quoted = false;
        while let Some(c) = chars.next() {
            match (quoted, c) {
                (true, '"') if chars.peek() == Some(&'"') => {
                    chars.next();
                    field.push('"');
                }
                (true, '"') => quoted = false,
                (false, '"') => quoted = true,
                (false, ',') => record.push(std::mem::take(&mut field)),
                (false, '\r') if chars.peek() == Some(&'\n') => {
                    chars.next();
                    record.push(std::mem::take(&mut field));
                    records.push(std::mem::take(&mut record));
                }
                (_, c) => field.push(c),
            }
        }
        assert!(field.is_empty() && record.is_empty() && !quoted, "the last line has an end");
        records
    }

    fn trade(strategy: &str) -> Trade {
        let json = serde_json::json!({
            "id": "01940000-0000-7000-8000-000000000001", "number": 12, "version": 3, "account_id": "VA1", "broker_mode": "SIM",
            "ticker": "NVDA", "contract": { "root": "NVDA", "expiry": "2026-03-20", "option_type": "CALL", "strike": "150.0000" },
            "option_symbol": "NVDA260320C00150000", "multiplier": 100, "qty": 2, "held_qty": 0, "status": "CLOSED",
            "desired": "FLAT", "protection": "N/A", "entry_price": "4.50", "entry_date": "2026-02-18T18:40:11Z",
            "sl_price": "3.00", "strategy": strategy,
            "close": { "at": "2026-02-20T18:46:05.25Z", "reason": "SL_HIT", "price": "3.00", "realized_pnl": "-300.00",
                       "realized_pnl_pct": "-33.3333", "r_multiple": "-1" },
        });
        serde_json::from_value(json).unwrap()
    }

    const WHOLE: Place = Place { is_first: true, is_last: true };

    #[test]
    fn a_formula_is_told_to_be_text_and_a_loss_stays_a_figure() {
        assert_eq!(cell("momentum"), "momentum");
        assert_eq!(cell("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
        assert_eq!(cell("  +1"), "\"'  +1\"");
        assert_eq!(cell("＝1"), "\"'＝1\"");
        assert_eq!(cell("a \"b\", c"), "\"a \"\"b\"\", c\"");
        let text = String::from_utf8(csv(&[trade("-1")], WHOLE)).unwrap();
        let records = records(&text);
        let column = |name: &str| &records[1][COLUMNS.iter().position(|column| *column == name).unwrap()];
        assert_eq!((column("pnl").as_str(), column("strategy").as_str()), ("-300.00", "'-1"));
        assert_eq!((column("strike").as_str(), column("target").as_str()), ("150", ""));
        assert_eq!(column("closed_at"), "2026-02-20T18:46:05.250Z");
        assert_eq!(column("fees"), "", "fees that are not told are no zero");
    }

    #[test]
    fn pages_make_one_list() {
        let trades = [trade("a"), trade("b"), trade("c")];
        let mut bytes = json(&trades[..1], Place { is_first: true, is_last: false });
        bytes.extend(json(&trades[1..], Place { is_first: false, is_last: true }));
        assert_eq!(serde_json::from_slice::<Vec<Trade>>(&bytes).unwrap(), trades);
        assert_eq!(serde_json::from_slice::<Vec<Trade>>(&json(&[], WHOLE)).unwrap(), []);
        assert_eq!(csv(&[], WHOLE), format!("{}\r\n", COLUMNS.join(",")).into_bytes());
    }

    proptest! {
        /// Digit by digit is what the types say of themselves.
        #[test]
        fn figures_and_times_are_those_that_are_displayed(
            units: i64, scale in 0_u32..=12, large: i128, at in -62_135_596_800_000_i64..=253_402_300_799_999,
        ) {
            let text = |push: &dyn Fn(&mut String)| {
                let mut out = String::new();
                push(&mut out);
                out.split_off(1)
            };
            let large = Decimal::from_i128_with_scale(large % (1 << 95), scale);
            for value in [Decimal::new(units, scale), Decimal::new(units % 1000, scale), large] {
                prop_assert_eq!(text(&|out| push_figure(out, Some(value))), value.to_string());
            }
            let at = DateTime::from_timestamp_millis(at).unwrap();
            let expected = at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
            prop_assert_eq!(text(&|out| push_time(out, Some(at))), expected);
        }

        #[test]
        fn every_row_has_every_column_whatever_the_names(strategies in proptest::collection::vec("[\\PC\\t\\r\\n\"',=+@ -]{0,20}", 0..8)) {
            let trades: Vec<Trade> = strategies.iter().map(|name| trade(name)).collect();
            let records = records(&String::from_utf8(csv(&trades, WHOLE)).unwrap());
            prop_assert_eq!(records.len(), trades.len() + 1);
            for (record, strategy) in records[1..].iter().zip(&strategies) {
                prop_assert_eq!(record.len(), COLUMNS.len());
                let name = record.last().unwrap();
                prop_assert!(name == strategy || name.strip_prefix('\'') == Some(strategy), "{name:?}");
                prop_assert!(!name.starts_with(FORMULA));
            }
        }
    }
}
