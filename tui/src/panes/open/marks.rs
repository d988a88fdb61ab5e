//! How a mark is shown: as a price, or as one that nobody stands behind any more.

use std::time::Duration;

use blotter_shared::protocol::market::SessionPhase;
use blotter_shared::protocol::trades::Trade;
use chrono::TimeDelta;

use crate::format;
use crate::model::Model;
use crate::panes::Pane;
use crate::theme::Role;

/// In market hours a price is old after two intervals: of the recorded ones, and of those that are told.
const RECORDED_LASTS: TimeDelta = TimeDelta::seconds(80);
const LIVE_LASTS: TimeDelta = TimeDelta::seconds(45);

/// The mark; `?` behind it when it is old, alone when there is none.
#[must_use]
pub fn mark_words(model: &Model, trade: &Trade) -> (String, Role) {
    let Some(price) = trade.current_price else { return ("?".to_owned(), Role::Muted) };
    let words = format::price(price.value());
    if is_old(model, trade) { (format!("{words}?"), Role::Muted) } else { (words, Role::Text) }
}

/// Whether the mark is older than it may be, or the newest quote is not fit to be shown.
#[must_use]
pub fn is_old(model: &Model, trade: &Trade) -> bool {
    is_market_open(model)
        && (has_unfit_quote(model, trade) || lasts(model, trade).is_none_or(|rest| rest < TimeDelta::zero()))
}

/// The role of a figure that is made of the mark.
#[must_use]
pub fn role_of(model: &Model, trade: &Trade, role: Role) -> Role {
    if is_old(model, trade) { Role::Muted } else { role }
}

/// When a mark on the screen becomes old, if nothing newer comes.
#[must_use]
pub fn next_wake(model: &Model) -> Option<Duration> {
    if model.pane != Pane::Open || !is_market_open(model) {
        return None;
    }
    let rests =
        model.open_trades().iter().filter_map(|trade| lasts(model, trade)).filter(|rest| *rest >= TimeDelta::zero());
    let rest = rests.min()?.to_std().ok()?;
    Some(model.now.since_start + rest + Duration::from_millis(1))
}

fn is_market_open(model: &Model) -> bool {
    model.data.market.as_ref().is_some_and(|heard| heard.value.phase == SessionPhase::Open)
}

fn has_unfit_quote(model: &Model, trade: &Trade) -> bool {
    let newest = model.quotes.of(trade.id);
    newest.is_some_and(|price| !price.quality.is_shown() && trade.last_updated.is_none_or(|at| price.at > at))
}

/// How long the mark is still good for; below zero: how long it has been old.
fn lasts(model: &Model, trade: &Trade) -> Option<TimeDelta> {
    let at = trade.last_updated?;
    let is_live = model.quotes.of(trade.id).is_some_and(|price| price.at == at);
    let limit = if is_live { LIVE_LASTS } else { RECORDED_LASTS };
    Some(at + limit - model.trading_now())
}
