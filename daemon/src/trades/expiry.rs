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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use blotter_shared::domain::Cash;

    use super::super::ports::{Position, Symbol};
    use super::super::specimen::bought;
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn session(open: bool, date: &str, opens: &str, closes: &str) -> Session {
        Session { open, date: date.parse().unwrap(), opens: time(opens), closes: time(closes) }
    }

    #[test]
    fn the_last_half_hour_and_the_days_after_are_stages_of_their_own() {
        let expiry: NaiveDate = "2027-01-15".parse().unwrap();
        let last = session(true, "2027-01-15", "2027-01-15T14:30:00Z", "2027-01-15T21:00:00Z");
        assert_eq!(stage(expiry, &last, time("2027-01-15T20:29:59Z")), Stage::Running);
        assert_eq!(stage(expiry, &last, time("2027-01-15T20:30:00Z")), Stage::LastMinutes);
        let half_day = Session { closes: time("2027-01-15T18:00:00Z"), ..last };
        assert_eq!(stage(expiry, &half_day, time("2027-01-15T17:30:00Z")), Stage::LastMinutes);
        let evening = session(false, "2027-01-15", "2027-01-19T14:30:00Z", "2027-01-19T21:00:00Z");
        assert_eq!(stage(expiry, &evening, time("2027-01-15T21:00:01Z")), Stage::AwaitsSettlement);
        let morning = session(false, "2027-01-15", "2027-01-15T14:30:00Z", "2027-01-15T21:00:00Z");
        assert_eq!(stage(expiry, &morning, time("2027-01-15T13:00:00Z")), Stage::Running);
        let saturday = session(false, "2027-01-16", "2027-01-19T14:30:00Z", "2027-01-19T21:00:00Z");
        assert_eq!(stage(expiry, &saturday, time("2027-01-16T12:00:00Z")), Stage::AwaitsSettlement);
    }

    fn after_expiry(mode: BrokerMode, shares: Option<i64>) -> Snapshot {
        let session = session(true, "2027-01-19", "2027-01-19T14:30:00Z", "2027-01-19T21:00:00Z");
        let position = |quantity| Position { symbol: Symbol::new("ABC"), quantity, cost: Cash::ZERO };
        Snapshot {
            mode,
            at: session.opens,
            session,
            before: Vec::new(),
            orders: Vec::new(),
            positions: shares.map(position).into_iter().collect(),
            quotes: BTreeMap::new(),
            lookups: BTreeMap::new(),
            history: BTreeMap::new(),
            equity: None,
        }
    }

    #[test]
    fn shares_in_its_place_are_an_exercise_and_a_guess_says_that_it_is_one() {
        let trade = bought(2, "5.00");
        for (mode, shares, reason) in [
            (BrokerMode::Live, Some(200), CloseReason::Exercised),
            (BrokerMode::Live, Some(199), CloseReason::Expired),
            (BrokerMode::Live, None, CloseReason::Expired),
            (BrokerMode::Sandbox, None, CloseReason::ExpiredUnconfirmed),
            (BrokerMode::Sandbox, Some(-200), CloseReason::Exercised),
        ] {
            assert_eq!(settled(&trade, &after_expiry(mode, shares)), Some(reason), "{mode} {shares:?}");
        }
        let mut early = after_expiry(BrokerMode::Live, None);
        early.session.date = "2027-01-14".parse().unwrap();
        assert_eq!(settled(&trade, &early), None, "it has not expired yet");
        assert_eq!(settlement_value(CloseReason::Exercised), None, "shares are no option price");
    }
}
