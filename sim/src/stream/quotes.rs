//! What a market stream says about one symbol: the payloads, and which of them are news.

use std::collections::BTreeMap;

use serde_json::json;

use crate::core::Symbol;
use crate::market::{Market, Quote};
use crate::time::Ms;

/// What a client wants to hear.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) symbols: Vec<Symbol>,
    /// `quote`, `trade`, `summary`, `timesale`, `tradex`; all when empty.
    pub(crate) filter: Vec<String>,
    pub(crate) details: bool,
}

/// What was said last about each symbol.
#[derive(Debug, Default)]
pub(crate) struct Said {
    last: BTreeMap<Symbol, Memory>,
}

#[derive(Debug, Default, PartialEq)]
struct Memory {
    quote: Option<(rust_decimal::Decimal, rust_decimal::Decimal, i64, i64)>,
    traded: Option<(rust_decimal::Decimal, Ms)>,
    day: Option<(rust_decimal::Decimal, rust_decimal::Decimal, rust_decimal::Decimal)>,
}

impl Said {
    /// Everything new about the wanted symbols at `now`.
    pub(crate) fn news(&mut self, market: &mut Market, wanted: &Wanted, now: Ms) -> Vec<String> {
        let mut out = Vec::new();
        for symbol in &wanted.symbols {
            if let Some(quote) = market.quote(symbol, now) {
                let memory = self.last.entry(symbol.clone()).or_default();
                memory.compare(&quote, wanted, &mut out);
            }
        }
        out
    }
}

impl Memory {
    fn compare(&mut self, q: &Quote, wanted: &Wanted, out: &mut Vec<String>) {
        let wants = |kind: &str| wanted.filter.is_empty() || wanted.filter.iter().any(|f| f == kind);
        let quote = Some((q.touch.bid, q.touch.ask, q.touch.bid_size, q.touch.ask_size));
        if self.quote != quote && wants("quote") {
            out.push(quote_event(q));
        }
        self.quote = quote;
        let traded = Some((q.touch.last, q.traded_at));
        // A price that did not move is one trade a second, no more.
        let news = self.traded.is_none_or(|(last, at)| last != q.touch.last || q.traded_at.since(at) >= 1_000);
        if news && self.traded != traded {
            let payloads = [
                ("trade", trade_event(q, "trade")),
                ("tradex", trade_event(q, "tradex")),
                ("timesale", sale_event(q, wanted.details)),
            ];
            out.extend(payloads.into_iter().filter(|(kind, _)| wants(kind)).map(|(_, text)| text));
            self.traded = traded;
        }
        if self.day != q.day && wants("summary") {
            out.push(summary_event(q));
        }
        self.day = q.day;
    }
}

fn quote_event(q: &Quote) -> String {
    let number = |d: rust_decimal::Decimal| serde_json::Number::from_f64(to_float(d)).unwrap_or_else(|| 0.into());
    json!({
        "type": "quote", "symbol": q.symbol, "bid": number(q.touch.bid), "bidsz": q.touch.bid_size, "bidexch": q.exchange,
        "biddate": q.quoted_at.0.to_string(), "ask": number(q.touch.ask), "asksz": q.touch.ask_size, "askexch": q.exchange,
        "askdate": q.quoted_at.0.to_string(),
    })
    .to_string()
}

fn trade_event(q: &Quote, kind: &str) -> String {
    json!({
        "type": kind, "symbol": q.symbol, "exch": q.exchange, "price": q.touch.last.to_string(), "size": q.last_volume.to_string(),
        "cvol": q.volume.to_string(), "date": q.traded_at.0.to_string(), "last": q.touch.last.to_string(),
    })
    .to_string()
}

fn sale_event(q: &Quote, details: bool) -> String {
    let mut event = json!({
        "type": "timesale", "symbol": q.symbol, "exch": q.exchange, "bid": q.touch.bid.to_string(), "ask": q.touch.ask.to_string(),
        "last": q.touch.last.to_string(), "size": q.last_volume.to_string(), "date": q.traded_at.0.to_string(), "seq": q.volume,
        "flag": "", "cancel": false, "correction": false, "session": "normal",
    });
    if details && let Some(map) = event.as_object_mut() {
        map.insert("spread".to_owned(), json!((q.touch.ask - q.touch.bid).to_string()));
    }
    event.to_string()
}

fn summary_event(q: &Quote) -> String {
    let (open, high, low) = q.day.map(|(o, h, l)| (o.to_string(), h.to_string(), l.to_string())).unwrap_or_default();
    json!({ "type": "summary", "symbol": q.symbol, "open": open, "high": high, "low": low, "prevClose": q.previous_close.to_string() }).to_string()
}

fn to_float(value: rust_decimal::Decimal) -> f64 {
    use rust_decimal::prelude::ToPrimitive;
    value.to_f64().unwrap_or(0.0)
}
