//! Trades as files for other programs. Pure: rows in, bytes out.
//!
//! CSV is RFC 4180: CRLF, quotes doubled, a line of headings. A text that begins like a formula gets an
//! apostrophe in front, because whoever opens the file did not write the strategy's name; figures are
//! left as they are, so that they stay figures.

use std::fmt::Write as _;

use blotter_shared::protocol::trades::Trade;

/// Which part of the file some rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub is_first: bool,
    pub is_last: bool,
}

/// The columns, in the order in which [`row`] writes them.
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

/// Rows as CSV.
#[must_use]
pub fn csv(trades: &[Trade], place: Place) -> Vec<u8> {
    let mut text = String::with_capacity(trades.len() * 260 + 256);
    if place.is_first {
        text.push_str(&COLUMNS.join(","));
        text.push_str("\r\n");
    }
    for trade in trades {
        row(&mut text, trade);
    }
    text.into_bytes()
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
        // A trade is plain data: there is nothing that could not be written.
        let _ = serde_json::to_writer(&mut bytes, trade);
    }
    if place.is_last {
        bytes.extend_from_slice(b"\n]\n");
    }
    bytes
}

fn row(out: &mut String, trade: &Trade) {
    let close = trade.close.as_ref();
    // Writing to a string does not fail.
    let _ = write!(out, "{},{},{},", trade.number.0, trade.id, trade.broker_mode);
    push_text(out, &trade.account_id);
    out.push(',');
    push_text(out, &trade.ticker);
    out.push(',');
    push_text(out, &trade.option_symbol);
    let contract = &trade.contract;
    let _ = write!(out, ",{},{},{}", contract.option_type.as_str(), contract.strike.normalize(), contract.expiry);
    let _ = write!(out, ",{},{},{}", trade.multiplier.get(), trade.qty, trade.status);
    push_time(out, Some(trade.entry_date));
    push_figure(out, trade.entry_price);
    push_figure(out, trade.sl_price);
    push_figure(out, trade.tp_price);
    push_time(out, close.map(|close| close.at));
    push_figure(out, close.and_then(|close| close.price));
    push_figure(out, close.and_then(|close| close.reason));
    push_figure(out, close.and_then(|close| close.fees));
    push_figure(out, close.and_then(|close| close.realized_pnl));
    push_figure(out, close.and_then(|close| close.realized_pnl_pct));
    push_figure(out, close.and_then(|close| close.r_multiple));
    push_figure(out, trade.current_price);
    push_figure(out, trade.unrealized_pnl);
    out.push(',');
    push_text(out, trade.strategy.as_deref().unwrap_or_default());
    out.push_str("\r\n");
}

fn push_figure(out: &mut String, value: Option<impl std::fmt::Display>) {
    out.push(',');
    if let Some(value) = value {
        let _ = write!(out, "{value}");
    }
}

fn push_time(out: &mut String, at: Option<chrono::DateTime<chrono::Utc>>) {
    push_figure(out, at.map(|at| at.format("%Y-%m-%dT%H:%M:%S%.3fZ")));
}

/// What a spreadsheet takes for the beginning of a formula, with the wide twins of the signs.
const FORMULA: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

fn push_text(out: &mut String, text: &str) {
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
