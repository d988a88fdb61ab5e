//! What the header counts, computed from what the client holds. A figure that cannot be known from
//! that is `None` and shown as such, never guessed.

use blotter_shared::domain::{Cash, Desired, Protection, Step, TradeStatus};
use blotter_shared::protocol::accounts::AccountReport;
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

/// What is counted over all open trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Held positions without a stop that is known to work.
    pub unprotected: usize,
    /// Trades that wait for a person.
    pub needs_person: usize,
    /// Something is on its way that does not rest for hours.
    pub is_leaving: bool,
    /// From the marks down to the stops that are known to work, the whole mark where none is.
    risk: Option<Decimal>,
    /// The first and the last entry of what is held.
    entered: Option<(DateTime<Utc>, DateTime<Utc>)>,
    unrealized: Option<Cash>,
}

impl Counts {
    #[must_use]
    pub fn of(open: &[Trade]) -> Self {
        let held = || open.iter().filter(|trade| trade.held_qty > 0);
        let entries = || held().map(|trade| trade.entry_date);
        Self {
            unprotected: open.iter().filter(|trade| is_bare(trade)).count(),
            needs_person: open.iter().filter(|trade| trade.needs_person.is_some()).count(),
            is_leaving: open.iter().any(is_leaving),
            risk: held().try_fold(Decimal::ZERO, |sum, trade| sum.checked_add(risk(trade)?)),
            entered: entries().min().zip(entries().max()),
            unrealized: held().try_fold(Cash::ZERO, |sum, trade| Some(sum + trade.unrealized_pnl?)),
        }
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self::of(&[])
    }
}

fn is_bare(trade: &Trade) -> bool {
    match cover(trade) {
        Cover::NoStop | Cover::Unverified => true,
        Cover::Nothing | Cover::Stop => false,
    }
}

fn is_leaving(trade: &Trade) -> bool {
    // What rests may do so for hours.
    let rests = matches!(trade.step, Some(Step::EntryWorks | Step::CloseAtOpen));
    let leaves = trade.status == TradeStatus::Closing || trade.desired == Desired::Flat || trade.step.is_some();
    leaves && !rests
}

/// What may be lost from here, as the daemon judges entries by it: from the mark and not from the entry.
fn risk(trade: &Trade) -> Option<Decimal> {
    let price = trade.current_price.or(trade.entry_price)?.value();
    let floor = match cover(trade) {
        Cover::Stop => trade.sl_price?.value().min(price),
        Cover::Nothing | Cover::NoStop | Cover::Unverified => Decimal::ZERO,
    };
    (price - floor).checked_mul(Decimal::from(trade.held_qty) * Decimal::from(trade.multiplier.get()))
}

/// What risk is told in percent of, as the daemon judges entries: what the broker says that the account of the
/// mode is worth, the balance of the settings where it has not said so.
#[must_use]
pub fn capital(settings: &Settings, accounts: &[AccountReport]) -> Cash {
    let account = accounts.iter().find(|account| account.mode == settings.broker_mode);
    account.and_then(|account| account.equity).unwrap_or(settings.account_balance)
}

/// Risk of all open positions in percent of this much.
#[must_use]
pub fn heat_pct(open: &Counts, capital: Cash) -> Option<Decimal> {
    let risk = open.risk?;
    if risk.is_zero() { Some(Decimal::ZERO) } else { share_of(risk, capital) }
}

/// In percent of this much; of nothing, or of debts, there is no share.
#[must_use]
pub fn share_of(part: Decimal, capital: Cash) -> Option<Decimal> {
    let whole = Some(capital.0).filter(|whole| *whole > Decimal::ZERO)?;
    part.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(whole)
}

/// Profit and loss of this trading session. It is only known here while every trade that counts was
/// entered in this session; for one held overnight it needs the daemon's bookend of the evening before.
#[must_use]
pub fn day_pnl(open: &Counts, recent: Option<&Recent>, now: DateTime<Utc>) -> Option<Cash> {
    let recent = recent?;
    let today = trading_date(now);
    let ended_today = |trade: &&Trade| trade.close.as_ref().is_some_and(|close| trading_date(close.at) == today);
    let closed = &recent.trades;
    if recent.has_more && closed.iter().all(|trade| ended_today(&trade)) {
        return None;
    }
    if open.entered.is_some_and(|(first, last)| trading_date(first) != today || trading_date(last) != today) {
        return None;
    }
    let mut sum = open.unrealized?;
    for trade in closed.iter().filter(|trade| trade.status == TradeStatus::Closed) {
        let Some(close) = trade.close.as_ref().filter(|close| trading_date(close.at) == today) else { continue };
        sum = sum + close.realized_pnl.filter(|_| trading_date(trade.entry_date) == today)?;
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
