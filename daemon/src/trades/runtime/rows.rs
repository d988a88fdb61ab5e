//! Facts as rows: the columns that guards, indexes and readers know, beside the facts themselves.

use blotter_shared::domain::{Cash, Desired, IntentOp, IntentRole, Price};
use chrono::{DateTime, TimeDelta, Utc};
use ring::digest::{SHA256, digest};
use rust_decimal::Decimal;

use super::super::facts::{Fill, Intent, LegSeen, Op, Trade, Wish, WishStamp};
use super::super::pnl::{self, Precision};
use super::super::timing::Timing;
use super::store::json;
use crate::db::DbError;
use crate::db::engine::{FiguresRow, FillRow, IntentRow, MarksRow, NewTradeRow, WishRow};

/// Digits that the columns of money keep.
const DIGITS: u32 = 4;

pub(super) fn desired(stamp: WishStamp) -> &'static str {
    if stamp.flat { Desired::Flat.as_str() } else { Desired::Hold.as_str() }
}

pub(super) fn wish(wish: &Wish) -> Result<WishRow, DbError> {
    Ok(WishRow {
        version: wish.version,
        desired: desired(WishStamp::of(wish)),
        keep: count(wish.keep)?,
        stop: wish.stop.map(Price::value),
        target: wish.target.map(Price::value),
        limit: wish.limit.map(Price::value),
        at_open: wish.at_open,
        facts: json(wish)?,
    })
}

pub(super) fn begun(trade: &Trade) -> Result<NewTradeRow, DbError> {
    let spec = &trade.spec;
    Ok(NewTradeRow {
        id: spec.id.0,
        ticker: spec.contract.underlying().to_owned(),
        symbol: spec.symbol.to_string(),
        option_type: spec.contract.option_type.as_str(),
        strike: spec.contract.strike,
        expiry: spec.contract.expiry,
        multiplier: count(spec.multiplier.get())?,
        quantity: count(spec.quantity.get())?,
        stop: spec.initial_stop.map(Price::value),
        target: spec.initial_target.map(Price::value),
        outside: i32::try_from(trade.marks.outside - trade.marks.adopted).map_err(|_| too_large())?,
        asked_at: spec.asked_at,
        wish: wish(&trade.wish)?,
        spec: json(spec)?,
        marks: json(&trade.marks)?,
    })
}

pub(super) fn marks(trade: &Trade) -> Result<MarksRow, DbError> {
    let marks = &trade.marks;
    let good = marks.good.unwrap_or_default();
    Ok(MarksRow {
        trade: trade.id().0,
        status: marks.status.as_str(),
        is_end: marks.status.is_terminal(),
        // A ledger below zero is in the facts and has an alarm; the column counts contracts.
        held: i32::try_from(marks.held.max(0)).map_err(|_| too_large())?,
        // Below zero: what came without an order of ours.
        outside: i32::try_from(marks.outside - marks.adopted).map_err(|_| too_large())?,
        protection: marks.protection.as_str(),
        good_version: marks.good.and(marks.good_version.or(Some(trade.wish.version))),
        good_stop: good.stop.map(Price::value),
        good_target: good.target.map(Price::value),
        naked_since: marks.naked_since,
        verified_at: marks.verified_at,
        quarantine_reason: marks.quarantine.as_ref().map(|quarantine| quarantine.reason.clone()),
        quarantine_at: marks.quarantine.as_ref().map(|quarantine| quarantine.at),
        closed_at: marks.closed_at,
        close_reason: marks.close_reason.map(blotter_shared::domain::CloseReason::as_str),
        figures: figures(trade),
        facts: json(marks)?,
    })
}

fn figures(trade: &Trade) -> FiguresRow {
    let (bought, sold) = pnl::turnover(trade);
    // What was there already counts at what the broker says that it cost; without that nobody knows the average.
    let entered = pnl::came(trade).map(|came| bought.and(came));
    let average = |turnover: pnl::Turnover| {
        (turnover.contracts > 0).then(|| (turnover.value / Decimal::from(turnover.contracts)).round_dp(DIGITS))
    };
    let realized = pnl::realized(trade, Cash::ZERO).filter(|_| trade.marks.status.is_terminal());
    let bracket = trade.exits().rfind(|exit| exit.role == IntentRole::Bracket);
    let leg = |stop: bool| {
        let leg = bracket.and_then(|bracket| bracket.legs.iter().find(|leg: &&LegSeen| leg.is_stop == stop));
        leg.map(|leg| leg.id.to_string())
    };
    let exits = trade.fills.iter().filter(|fill| trade.intent(fill.intent_id).is_some_and(Intent::is_exit));
    let precision = match realized.map(|realized| realized.precision) {
        Some(Precision::Estimated) => "ESTIMATED",
        Some(Precision::BrokerFill) | None => "BROKER_FILL",
    };
    FiguresRow {
        entry_price: entered.and_then(average).or(realized.map(|realized| realized.entry_price.round_dp(DIGITS))),
        close_price: realized.map(|realized| realized.close_price.round_dp(DIGITS)),
        fill_price: average(sold),
        fill_time: exits.map(|fill| fill.seen_at).max(),
        precision,
        pnl: realized.map(|realized| realized.pnl.0.round_dp(DIGITS)),
        pnl_pct: realized.and_then(|realized| realized.pnl_pct),
        r_multiple: realized.and_then(|realized| realized.r_multiple),
        hold_hours: realized.and_then(|realized| realized.hold_hours).map(|hours| hours.max(Decimal::ZERO)),
        entry_order: trade.entries().find_map(|entry| entry.broker_id).map(|id| id.to_string()),
        stop_order: leg(true),
        target_order: leg(false),
    }
}

pub(super) fn intent(intent: &Intent, now: DateTime<Utc>) -> Result<IntentRow, DbError> {
    let send_by = TimeDelta::from_std(Timing::PRODUCTION.send_by).unwrap_or_default();
    let params = json(&intent.op)?;
    let (op, tag, target) = match &intent.op {
        Op::Place(order) => (IntentOp::Place, order.tag.clone(), None),
        // The broker gives nothing back with a cancel: the column wants a name that is unique.
        Op::Cancel { target } => (IntentOp::Cancel, format!("cancel-{}", intent.id), Some(target.0)),
    };
    Ok(IntentRow {
        id: intent.id.0,
        trade: intent.trade_id.0,
        op: op.as_str(),
        role: intent.role.as_str(),
        attempt: count(intent.attempt)?,
        version: intent.version,
        tag,
        target,
        params_hash: digest(&SHA256, params.to_string().as_bytes()).as_ref().to_vec(),
        params,
        valid_until: intent.valid_until.unwrap_or(now + send_by),
        state: intent.state.as_str(),
        sent_at: intent.sent_at,
        send_by: intent.sent_at.map(|at| at + send_by),
        epoch: intent.epoch.0,
        order: intent.broker_id.map(|id| id.to_string()),
        executed: count(intent.executed)?,
        refusal: intent.refusal.clone(),
        late: intent.late,
        facts: json(intent)?,
    })
}

pub(super) fn fill(fill: &Fill) -> Result<FillRow, DbError> {
    Ok(FillRow {
        trade: fill.trade_id.0,
        intent: fill.intent_id.0,
        leg: fill.leg.to_string(),
        cumulative: count(fill.cumulative)?,
        quantity: count(fill.quantity)?,
        value: fill.value,
        price: (fill.value / Decimal::from(fill.quantity.max(1))).round_dp(8).max(Decimal::ZERO),
        seen_at: fill.seen_at,
    })
}

fn count(value: u32) -> Result<i32, DbError> {
    i32::try_from(value).map_err(|_| too_large())
}

fn too_large() -> DbError {
    DbError::Internal { message: "a count is larger than any account".to_owned(), source: None }
}
