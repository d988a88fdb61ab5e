//! What the header counts, computed from what the client holds. A figure that cannot be known from
//! that is `None` and shown as such, never guessed.

use blotter_shared::domain::{Cash, Protection, TradeStatus};
use blotter_shared::protocol::settings::Settings;
use blotter_shared::protocol::trades::Trade;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::format::trading_date;
use crate::model::Recent;

/// How a trade's protection must be shown. Only a bracket that was seen working counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// Nothing is held.
    Nothing,
    /// A stop for the whole position works at the broker.
    Stop,
    /// Held, and known to have no stop.
    NoStop,
    /// Held, and nobody knows.
    Unverified,
}

/// What is known about the stop of a trade.
#[must_use]
pub fn cover(trade: &Trade) -> Cover {
    match trade.protection {
        Protection::NotApplicable if trade.held_qty == 0 => Cover::Nothing,
        Protection::NotApplicable | Protection::Naked => Cover::NoStop,
        Protection::Unknown => Cover::Unverified,
        Protection::Confirmed if trade.sl_price.is_none() => Cover::NoStop,
        Protection::Confirmed => Cover::Stop,
    }
}

/// Held positions without a stop that is known to work.
#[must_use]
pub fn unprotected(open: &[Trade]) -> usize {
    open.iter()
        .filter(|trade| match cover(trade) {
            Cover::NoStop | Cover::Unverified => true,
            Cover::Nothing | Cover::Stop => false,
        })
        .count()
}

/// Trades that wait for a person.
#[must_use]
pub fn needs_person(open: &[Trade]) -> usize {
    open.iter().filter(|trade| trade.needs_person.is_some()).count()
}

/// Risk of all open positions in percent of the balance: down to the stop where one is known to
/// work, the whole premium where none is.
#[must_use]
pub fn heat_pct(open: &[Trade], settings: &Settings) -> Option<Decimal> {
    let mut risk = Decimal::ZERO;
    for trade in open.iter().filter(|trade| trade.held_qty > 0) {
        let entry = trade.entry_price?.value();
        let floor = match cover(trade) {
            Cover::Stop => trade.sl_price?.value().min(entry),
            Cover::Nothing | Cover::NoStop | Cover::Unverified => Decimal::ZERO,
        };
        let units = Decimal::from(trade.held_qty) * Decimal::from(trade.multiplier.get());
        risk = risk.checked_add((entry - floor).checked_mul(units)?)?;
    }
    let balance = settings.account_balance.0;
    if risk.is_zero() {
        return Some(Decimal::ZERO);
    }
    if balance <= Decimal::ZERO { None } else { risk.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(balance) }
}

/// Profit and loss of this trading session. It is only known here while every trade that counts was
/// entered in this session; for one held overnight it needs the daemon's bookend of the evening before.
#[must_use]
pub fn day_pnl(open: &[Trade], recent: &Recent, now: DateTime<Utc>) -> Option<Cash> {
    let today = trading_date(now);
    let ended_today = |trade: &&Trade| trade.close.as_ref().is_some_and(|close| trading_date(close.at) == today);
    let closed = &recent.trades;
    if recent.has_more && closed.iter().all(|trade| ended_today(&trade)) {
        return None;
    }
    let entered_today = |trade: &Trade| trading_date(trade.entry_date) == today;
    let mut sum = Cash::ZERO;
    for trade in open.iter().filter(|trade| trade.held_qty > 0) {
        sum = sum + trade.unrealized_pnl.filter(|_| entered_today(trade))?;
    }
    for trade in closed.iter().filter(|trade| trade.status == TradeStatus::Closed) {
        let Some(close) = trade.close.as_ref().filter(|close| trading_date(close.at) == today) else { continue };
        sum = sum + close.realized_pnl.filter(|_| entered_today(trade))?;
    }
    Some(sum)
}

/// Profit in percent of what was paid.
#[must_use]
pub fn pnl_pct(trade: &Trade) -> Option<Decimal> {
    let entry = trade.entry_price?.value();
    let current = trade.current_price?.value();
    if entry.is_zero() {
        return None;
    }
    (current - entry).checked_mul(Decimal::ONE_HUNDRED)?.checked_div(entry)
}
