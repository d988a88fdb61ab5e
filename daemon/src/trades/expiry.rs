//! The last day of a contract, and what is found on the days after it.
//!
//! After expiry the broker closes positions without an order. That is not an outside sale: a
//! contract that ran out worthless is `EXPIRED`, one that turned into shares is `EXERCISED`, and
//! where no proof can be had the reason says so.

use blotter_shared::domain::{BrokerMode, CloseReason};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::facts::Trade;
use super::facts::derive::held;
use super::ports::Session;
use super::snapshot::Snapshot;

/// Before the close of the last session: after this nothing new protects a position.
const CUT_OFF: Duration = Duration::minutes(30);

/// Where a contract is in its last days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Running,
    /// The last session, and its cut-off has passed.
    LastMinutes,
    /// Expired: a position is pending settlement, an exit that ended is no cancel by a person.
    AwaitsSettlement,
}

#[must_use]
pub fn stage(expiry: NaiveDate, session: &Session, now: DateTime<Utc>) -> Stage {
    match session.date.cmp(&expiry) {
        std::cmp::Ordering::Less => Stage::Running,
        std::cmp::Ordering::Greater => Stage::AwaitsSettlement,
        std::cmp::Ordering::Equal if session.open && now + CUT_OFF >= session.closes => Stage::LastMinutes,
        // The session of the last day is over once the next one opens on a later day.
        std::cmp::Ordering::Equal if !session.open && session.opens.date_naive() > expiry => Stage::AwaitsSettlement,
        std::cmp::Ordering::Equal => Stage::Running,
    }
}

/// Why an expired position is gone, if expiry explains it: shares of the underlying that came in
/// its place are an exercise; without them it ran out, proven where the broker keeps its books.
#[must_use]
pub fn settled(trade: &Trade, snapshot: &Snapshot) -> Option<CloseReason> {
    let contract = &trade.spec.contract;
    let today = snapshot.session.date;
    if today < contract.expiry || (today == contract.expiry && snapshot.session.open) {
        return None;
    }
    let shares = held(trade).saturating_mul(i64::from(trade.spec.multiplier.get()));
    let came = snapshot
        .positions
        .iter()
        .any(|position| position.symbol.as_str() == contract.root && position.quantity.abs() >= shares && shares > 0);
    Some(match (came, snapshot_mode_proves(snapshot)) {
        (true, _) => CloseReason::Exercised,
        (false, true) => CloseReason::Expired,
        (false, false) => CloseReason::ExpiredUnconfirmed,
    })
}

/// What the settlement is worth in option prices; absent when it is not a price.
#[must_use]
pub fn settlement_value(reason: CloseReason) -> Option<Decimal> {
    matches!(reason, CloseReason::Expired | CloseReason::ExpiredUnconfirmed).then_some(Decimal::ZERO)
}

/// A broker that keeps a history proves a worthless expiry by the cash that did not move.
fn snapshot_mode_proves(snapshot: &Snapshot) -> bool {
    snapshot.mode == BrokerMode::Live
}
