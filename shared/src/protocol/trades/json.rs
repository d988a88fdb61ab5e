//! A trade as JSON, byte for byte what serde writes of it, and in a third of the time: somebody waits for a list of
//! ten thousand, and half of its cost was the machinery behind the derive. The texts between the values are known when
//! this is compiled, most values need no look for what has to be escaped, and digits are put down one by one.
//! Whatever is out of the ordinary goes the way of serde.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::{Close, Trade};
use crate::digits::{Digits, padded};
use crate::domain::{CloseReason, OptionContract, Price, Step};
use crate::times;

impl Trade {
    /// Appends what `serde_json` writes of it.
    pub fn push_json(&self, out: &mut Vec<u8>) {
        // By name, each of them: a new field does not compile until it is written.
        let Self {
            id,
            number,
            version,
            account_id,
            broker_mode,
            ticker,
            contract,
            option_symbol,
            multiplier,
            qty,
            held_qty,
            status,
            desired,
            protection,
            needs_person,
            entry_price,
            entry_date,
            sl_price,
            tp_price,
            strategy,
            current_price,
            last_updated,
            unrealized_pnl,
            close,
            last_verified_at,
            step,
        } = self;
        push_id(out, b"{\"id\":\"", id.0);
        push_count(out, b"\",\"number\":", number.0);
        push_whole(out, b",\"version\":", *version);
        push_text(out, b",\"account_id\":", account_id);
        push_word(out, b",\"broker_mode\":\"", broker_mode.as_str());
        push_text(out, b",\"ticker\":", ticker);
        push_contract(out, contract);
        push_text(out, b",\"option_symbol\":", option_symbol);
        push_count(out, b",\"multiplier\":", multiplier.get());
        push_count(out, b",\"qty\":", *qty);
        push_count(out, b",\"held_qty\":", *held_qty);
        push_word(out, b",\"status\":\"", status.as_str());
        push_word(out, b",\"desired\":\"", desired.as_str());
        push_word(out, b",\"protection\":\"", protection.as_str());
        push_some(out, b",\"needs_person\":", needs_person.as_deref(), push_text);
        push_some(out, b",\"entry_price\":", entry_price.map(Price::value), push_figure);
        push_time(out, b",\"entry_date\":", *entry_date);
        push_some(out, b",\"sl_price\":", sl_price.map(Price::value), push_figure);
        push_some(out, b",\"tp_price\":", tp_price.map(Price::value), push_figure);
        push_some(out, b",\"strategy\":", strategy.as_deref(), push_text);
        push_some(out, b",\"current_price\":", current_price.map(Price::value), push_figure);
        push_some(out, b",\"last_updated\":", *last_updated, push_time);
        push_some(out, b",\"unrealized_pnl\":", unrealized_pnl.map(|pnl| pnl.0), push_figure);
        if let Some(close) = close {
            push_close(out, close);
        }
        push_some(out, b",\"last_verified_at\":", *last_verified_at, push_time);
        push_some(out, b",\"step\":\"", step.map(Step::as_str), push_word);
        out.push(b'}');
    }
}

fn push_contract(out: &mut Vec<u8>, contract: &OptionContract) {
    let OptionContract { root, expiry, option_type, strike } = contract;
    push_text(out, b",\"contract\":{\"root\":", root);
    push_date(out, b",\"expiry\":", *expiry);
    push_word(out, b",\"option_type\":\"", option_type.as_str());
    push_figure(out, b",\"strike\":", *strike);
    out.push(b'}');
}

fn push_close(out: &mut Vec<u8>, close: &Close) {
    let Close { at, reason, price, fees, realized_pnl, realized_pnl_pct, r_multiple } = close;
    push_time(out, b",\"close\":{\"at\":", *at);
    push_some(out, b",\"reason\":\"", reason.map(CloseReason::as_str), push_word);
    push_some(out, b",\"price\":", price.map(Price::value), push_figure);
    push_some(out, b",\"fees\":", fees.map(|fees| fees.0), push_figure);
    push_some(out, b",\"realized_pnl\":", realized_pnl.map(|pnl| pnl.0), push_figure);
    push_some(out, b",\"realized_pnl_pct\":", *realized_pnl_pct, push_figure);
    push_some(out, b",\"r_multiple\":", *r_multiple, push_figure);
    out.push(b'}');
}

/// What is absent is left out.
fn push_some<T>(out: &mut Vec<u8>, before: &[u8], value: Option<T>, push: fn(&mut Vec<u8>, &[u8], T)) {
    if let Some(value) = value {
        push(out, before, value);
    }
}

/// Of a closed list: none of them has anything to escape.
fn push_word(out: &mut Vec<u8>, before: &[u8], word: &str) {
    out.extend_from_slice(before);
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

fn push_text(out: &mut Vec<u8>, before: &[u8], text: &str) {
    out.extend_from_slice(before);
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        return push_serde(out, &text);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn push_id(out: &mut Vec<u8>, before: &[u8], id: Uuid) {
    out.extend_from_slice(before);
    out.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
}

fn push_count(out: &mut Vec<u8>, before: &[u8], count: u32) {
    out.extend_from_slice(before);
    push_digits(out, count.into(), 1);
}

fn push_whole(out: &mut Vec<u8>, before: &[u8], number: i64) {
    out.extend_from_slice(before);
    if number < 0 {
        out.push(b'-');
    }
    push_digits(out, number.unsigned_abs(), 1);
}

/// As a decimal is displayed: every digit that it has.
fn push_figure(out: &mut Vec<u8>, before: &[u8], value: Decimal) {
    out.extend_from_slice(before);
    let (Ok(units), Some(one)) = (i64::try_from(value.mantissa()), 10_u64.checked_pow(value.scale())) else {
        return push_serde(out, &value);
    };
    out.push(b'"');
    if value.is_sign_negative() {
        out.push(b'-');
    }
    push_digits(out, units.unsigned_abs() / one, 1);
    if let Some(digits) = usize::try_from(value.scale()).ok().filter(|digits| *digits > 0) {
        out.push(b'.');
        push_digits(out, units.unsigned_abs() % one, digits);
    }
    out.push(b'"');
}

fn push_date(out: &mut Vec<u8>, before: &[u8], date: NaiveDate) {
    out.extend_from_slice(before);
    match times::date_text(date) {
        Some(text) => push_quoted(out, &text),
        None => push_serde(out, &date),
    }
}

fn push_time(out: &mut Vec<u8>, before: &[u8], at: DateTime<Utc>) {
    out.extend_from_slice(before);
    match times::time_text(at) {
        Some(text) => push_quoted(out, text.bytes()),
        None => push_serde(out, &at),
    }
}

fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

/// A number with so many digits at least.
fn push_digits(out: &mut Vec<u8>, value: u64, digits: usize) {
    out.extend_from_slice(padded(value, digits, &mut Digits::default()).as_bytes());
}

fn push_serde(out: &mut Vec<u8>, value: &impl Serialize) {
    // Plain values, written to memory: there is nothing that could fail.
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::domain::{
        BrokerMode, Cash, Desired, Multiplier, OptionType, Protection, TradeId, TradeNumber, TradeStatus,
    };

    /// Every scale, no digits at all, more than a machine word has, and a zero below zero.
    fn figures() -> impl Strategy<Value = Decimal> {
        let large = (-(1_i128 << 95)..(1 << 95), 0_u32..=28).prop_map(|(units, scale)| (units, scale, false));
        let small = (-1_000_000_i128..1_000_000, 0_u32..=9).prop_map(|(units, scale)| (units, scale, false));
        let zero = (0_u32..=28, any::<bool>()).prop_map(|(scale, below)| (0, scale, below));
        prop_oneof![small, large, zero].prop_map(|(units, scale, below)| {
            let mut value = Decimal::from_i128_with_scale(units, scale);
            if below {
                value.set_sign_negative(true);
            }
            value
        })
    }

    fn prices() -> impl Strategy<Value = Price> {
        (0_i64..=99_999_999, 0_u32..=4).prop_map(|(units, scale)| Price::new(Decimal::new(units, scale)).unwrap())
    }

    /// Of years of any length, and to the nanosecond.
    fn moments() -> impl Strategy<Value = DateTime<Utc>> {
        (-70_000_000_000_i64..300_000_000_000, 0_u32..1_000_000_000, 0_u32..4).prop_map(|(seconds, nanos, zeros)| {
            DateTime::from_timestamp(seconds, nanos - nanos % 1_000_u32.pow(zeros)).unwrap()
        })
    }

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof!["[A-Z0-9]{0,8}", any::<String>(), "[\\x00-\\x7f]{0,12}"]
    }

    fn words<T: Copy + std::fmt::Debug>(all: &'static [T]) -> impl Strategy<Value = T> {
        select(all)
    }

    prop_compose! {
        fn closes()(
            at in moments(), reason in prop::option::of(words(CloseReason::ALL)), price in prop::option::of(prices()),
            sums in prop::array::uniform4(prop::option::of(figures())),
        ) -> Close {
            let [fees, pnl, realized_pnl_pct, r_multiple] = sums;
            Close { at, reason, price, fees: fees.map(Cash), realized_pnl: pnl.map(Cash), realized_pnl_pct, r_multiple }
        }
    }

    prop_compose! {
        fn contracts()(
            root in texts(), day in moments(), option_type in select(&[OptionType::Call, OptionType::Put][..]), strike in figures(),
        ) -> OptionContract {
            OptionContract { root, expiry: day.date_naive(), option_type, strike }
        }
    }

    prop_compose! {
        fn trades()(
            (id, number, version, units) in (any::<u128>(), any::<u32>(), any::<i64>(), 1_u32..=10_000),
            (qty, held_qty) in any::<(u32, u32)>(),
            [account_id, ticker, option_symbol] in prop::array::uniform3(texts()),
            contract in contracts(),
            (broker_mode, status, desired) in (words(BrokerMode::ALL), words(TradeStatus::ALL), words(Desired::ALL)),
            (protection, step) in (words(Protection::ALL), prop::option::of(words(Step::ALL))),
            [needs_person, strategy] in prop::array::uniform2(prop::option::of(texts())),
            [entry_price, sl_price, tp_price, current_price] in prop::array::uniform4(prop::option::of(prices())),
            [last_updated, last_verified_at] in prop::array::uniform2(prop::option::of(moments())),
            (entry_date, unrealized, close) in (moments(), prop::option::of(figures()), prop::option::of(closes())),
        ) -> Trade {
            Trade {
                id: TradeId(Uuid::from_u128(id)), number: TradeNumber(number), version, account_id, broker_mode, ticker,
                contract, option_symbol, multiplier: Multiplier::new(units).unwrap(), qty, held_qty, status, desired,
                protection, needs_person, entry_price, entry_date, sl_price, tp_price, strategy, current_price,
                last_updated, unrealized_pnl: unrealized.map(Cash), close, last_verified_at, step,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_serde_writes(trade in trades()) {
            let mut written = b"before".to_vec();
            trade.push_json(&mut written);
            prop_assert_eq!(String::from_utf8(written).unwrap(), format!("before{}", serde_json::to_string(&trade).unwrap()));
        }
    }

    #[test]
    fn no_word_of_a_closed_list_has_anything_to_escape() {
        let lists = [
            BrokerMode::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>(),
            TradeStatus::ALL.iter().map(|word| word.as_str()).collect(),
            Desired::ALL.iter().map(|word| word.as_str()).collect(),
            Protection::ALL.iter().map(|word| word.as_str()).collect(),
            CloseReason::ALL.iter().map(|word| word.as_str()).collect(),
            Step::ALL.iter().map(|word| word.as_str()).collect(),
            vec![OptionType::Call.as_str(), OptionType::Put.as_str()],
        ];
        for word in lists.into_iter().flatten() {
            assert_eq!(serde_json::to_string(word).unwrap(), format!("\"{word}\""));
        }
    }
}
