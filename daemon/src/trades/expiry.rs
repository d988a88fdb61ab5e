//! The last day of a contract, and what is found on the days after it.
//!
//! After expiry the broker closes positions without an order. That is not an outside sale: a
//! contract that ran out worthless is `EXPIRED`, one that turned into shares is `EXERCISED`, and
//! where no proof can be had the reason says so.

use std::sync::LazyLock;

use blotter_shared::domain::{BrokerMode, CloseReason, OptionContract, OptionType};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::commands::{RefusalCode, Refused};
use super::facts::Trade;
use super::facts::derive::held;
use super::ports::Session;
use super::snapshot::Snapshot;
use crate::calendar::Calendar;

/// Before the close of the last session: from then on nothing is opened. What is held may be closed, adjusted and protected
/// as ever: nobody sells it for you.
const CUT_OFF: Duration = Duration::minutes(30);

/// Where a contract is in its last days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Running,
    /// The last session, and its cut-off has passed: no entries, and what has no stop calls for a person.
    LastMinutes,
    /// Expired: a position is pending settlement, an exit that ended is no cancel by a person.
    AwaitsSettlement,
}

#[must_use]
pub fn stage(contract: &OptionContract, session: &Session, now: DateTime<Utc>) -> Stage {
    let last = last_day(contract);
    match session.date.cmp(&last) {
        std::cmp::Ordering::Less => Stage::Running,
        std::cmp::Ordering::Greater => Stage::AwaitsSettlement,
        std::cmp::Ordering::Equal if session.open && now + CUT_OFF >= session.closes => Stage::LastMinutes,
        // The session of the last day is over once the next one opens on a later day.
        std::cmp::Ordering::Equal if !session.open && session.opens.date_naive() > last => Stage::AwaitsSettlement,
        std::cmp::Ordering::Equal => Stage::Running,
    }
}

/// Whether the contract has had its last session.
#[must_use]
pub fn is_over(trade: &Trade, snapshot: &Snapshot) -> bool {
    let (last, today) = (last_day(&trade.spec.contract), snapshot.session.date);
    today > last || (today == last && !snapshot.session.open && snapshot.session.opens.date_naive() > last)
}

/// Nobody changes, buys or sells what is only waiting for its settlement.
///
/// # Errors
/// When the last session of the contract is over.
pub fn check(contract: &OptionContract, session: &Session, now: DateTime<Utc>) -> Result<(), Refused> {
    let last = last_day(contract);
    if stage(contract, session, now) != Stage::AwaitsSettlement {
        return Ok(());
    }
    Err(Refused::new(RefusalCode::Expired, format!("the contract has expired: it traded last on {last}")))
}

/// As [`check`], of an entry: in its last half hour a contract is only closed. There is no time left in which a bracket could
/// do anything about it, and the broker may refuse it or close it by itself.
///
/// # Errors
/// When the last session of the contract is over, or nearly.
pub fn check_entry(contract: &OptionContract, session: &Session, now: DateTime<Utc>) -> Result<(), Refused> {
    check(contract, session, now)?;
    if stage(contract, session, now) != Stage::LastMinutes {
        return Ok(());
    }
    let (minutes, closes) = (CUT_OFF.num_minutes(), session.closes.format("%H:%M UTC"));
    let sentence = format!(
        "the contract expires today and trades until {closes}: in its last {minutes} minutes it is only closed"
    );
    Err(Refused::new(RefusalCode::Expired, sentence))
}

/// The day of the last session: the session before the expiry where the opening prices settle, or where the
/// exchange is closed on the day of expiry.
fn last_day(contract: &OptionContract) -> NaiveDate {
    static CALENDAR: LazyLock<Calendar> = LazyLock::new(Calendar::new);
    CALENDAR.last_trading_day(&contract.root, contract.expiry).unwrap_or(contract.expiry)
}

/// Whether what became of it can be told: shares come by the next session, not the same evening.
#[must_use]
pub fn is_due(snapshot: &Snapshot, trade: &Trade) -> bool {
    snapshot.session.open && snapshot.session.date > trade.spec.contract.expiry
}

/// Shares of the underlying in the account.
#[must_use]
pub fn shares(trade: &Trade, snapshot: &Snapshot) -> i64 {
    let root = trade.spec.contract.root.as_str();
    let of_root = snapshot.positions.iter().filter(|position| position.symbol.as_str() == root);
    of_root.map(|position| position.quantity).sum()
}

/// Why an expired position is gone. Shares that came (of a put: went) since it last ran are an
/// exercise. Without them it ran out worthless, where the contract settles in shares and the broker
/// keeps its books; a contract that settles in cash leaves nothing to see, and nobody knows.
#[must_use]
pub fn settled(trade: &Trade, snapshot: &Snapshot) -> Option<CloseReason> {
    if !is_over(trade, snapshot) {
        return None;
    }
    let contract = &trade.spec.contract;
    let due = held(trade).saturating_mul(i64::from(trade.spec.multiplier.get()));
    let moved = trade.marks.shares.map(|before| match contract.option_type {
        OptionType::Call => shares(trade, snapshot) - before,
        OptionType::Put => before - shares(trade, snapshot),
    });
    let in_shares = !settles_in_cash(&contract.root);
    if in_shares && due > 0 && moved.is_some_and(|moved| moved >= due) {
        return Some(CloseReason::Exercised);
    }
    let proven = in_shares && moved == Some(0) && snapshot.mode == BrokerMode::Live;
    is_due(snapshot, trade).then_some(if proven { CloseReason::Expired } else { CloseReason::ExpiredUnconfirmed })
}

/// Options on indices: no share changes hands.
fn settles_in_cash(root: &str) -> bool {
    const INDICES: &[&str] = &[
        "DJX", "MRUT", "MXEA", "MXEF", "NDX", "NDXP", "OEX", "RUT", "RUTW", "SPX", "SPXW", "VIX", "VIXW", "XEO", "XND",
        "XSP",
    ];
    INDICES.contains(&root)
}

/// What the settlement is worth in option prices; absent when it is not a price, or nobody knows it.
#[must_use]
pub fn settlement_value(reason: CloseReason) -> Option<Decimal> {
    (reason == CloseReason::Expired).then_some(Decimal::ZERO)
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
        let expiry: OptionContract = "ABC270115C00100000".parse().unwrap();
        let last = session(true, "2027-01-15", "2027-01-15T14:30:00Z", "2027-01-15T21:00:00Z");
        assert_eq!(stage(&expiry, &last, time("2027-01-15T20:29:59Z")), Stage::Running);
        assert_eq!(stage(&expiry, &last, time("2027-01-15T20:30:00Z")), Stage::LastMinutes);
        let half_day = Session { closes: time("2027-01-15T18:00:00Z"), ..last };
        assert_eq!(stage(&expiry, &half_day, time("2027-01-15T17:30:00Z")), Stage::LastMinutes);
        let evening = session(false, "2027-01-15", "2027-01-19T14:30:00Z", "2027-01-19T21:00:00Z");
        assert_eq!(stage(&expiry, &evening, time("2027-01-15T21:00:01Z")), Stage::AwaitsSettlement);
        let morning = session(false, "2027-01-15", "2027-01-15T14:30:00Z", "2027-01-15T21:00:00Z");
        assert_eq!(stage(&expiry, &morning, time("2027-01-15T13:00:00Z")), Stage::Running);
        let saturday = session(false, "2027-01-16", "2027-01-19T14:30:00Z", "2027-01-19T21:00:00Z");
        assert_eq!(stage(&expiry, &saturday, time("2027-01-16T12:00:00Z")), Stage::AwaitsSettlement);
    }

    #[test]
    fn what_the_opening_settles_has_its_last_minutes_the_day_before() {
        let thursday = session(true, "2027-01-14", "2027-01-14T14:30:00Z", "2027-01-14T21:15:00Z");
        let friday = session(true, "2027-01-15", "2027-01-15T14:30:00Z", "2027-01-15T21:15:00Z");
        let monthly: OptionContract = "SPX270115C06000000".parse().unwrap();
        assert_eq!(stage(&monthly, &thursday, time("2027-01-14T20:44:59Z")), Stage::Running);
        assert_eq!(stage(&monthly, &thursday, time("2027-01-14T20:45:00Z")), Stage::LastMinutes);
        assert_eq!(stage(&monthly, &friday, time("2027-01-15T14:31:00Z")), Stage::AwaitsSettlement);
        let weekly: OptionContract = "SPXW270115C06000000".parse().unwrap();
        assert_eq!(stage(&weekly, &friday, time("2027-01-15T14:31:00Z")), Stage::Running);
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

    /// Two contracts, with so many shares beside them while they ran.
    fn ran_beside(shares: Option<i64>) -> Trade {
        let mut trade = bought(2, "5.00");
        trade.marks.shares = shares;
        trade
    }

    #[test]
    fn shares_that_came_are_an_exercise_and_what_nobody_knows_has_no_price() {
        for (mode, before, shares, reason) in [
            (BrokerMode::Live, Some(0), Some(200), CloseReason::Exercised),
            (BrokerMode::Live, Some(500), Some(700), CloseReason::Exercised),
            (BrokerMode::Live, Some(500), Some(500), CloseReason::Expired),
            (BrokerMode::Live, Some(0), None, CloseReason::Expired),
            (BrokerMode::Live, Some(0), Some(199), CloseReason::ExpiredUnconfirmed),
            (BrokerMode::Live, None, Some(500), CloseReason::ExpiredUnconfirmed),
            (BrokerMode::Sandbox, Some(0), None, CloseReason::ExpiredUnconfirmed),
        ] {
            let told = settled(&ran_beside(before), &after_expiry(mode, shares));
            assert_eq!(told, Some(reason), "{mode} {before:?} {shares:?}");
        }
        assert_eq!(settlement_value(CloseReason::Expired), Some(Decimal::ZERO));
        for reason in [CloseReason::Exercised, CloseReason::ExpiredUnconfirmed] {
            assert_eq!(settlement_value(reason), None, "{reason} has no price");
        }
    }

    #[test]
    fn of_a_put_shares_go_and_an_index_leaves_nothing_to_see() {
        let mut put = ran_beside(Some(200));
        put.spec.contract.option_type = OptionType::Put;
        assert_eq!(settled(&put, &after_expiry(BrokerMode::Live, None)), Some(CloseReason::Exercised));
        assert_eq!(settled(&put, &after_expiry(BrokerMode::Live, Some(200))), Some(CloseReason::Expired));
        let mut index = ran_beside(Some(0));
        index.spec.contract.root = "SPXW".to_owned();
        let told = settled(&index, &after_expiry(BrokerMode::Live, None));
        assert_eq!(told, Some(CloseReason::ExpiredUnconfirmed), "it may have been worth anything");
    }

    #[test]
    fn nothing_is_told_before_the_next_session() {
        let trade = ran_beside(Some(0));
        let mut evening = after_expiry(BrokerMode::Live, None);
        evening.session.open = false;
        assert!(is_over(&trade, &evening));
        assert_eq!(settled(&trade, &evening), None, "shares come overnight");
        evening.positions = after_expiry(BrokerMode::Live, Some(200)).positions;
        assert_eq!(settled(&trade, &evening), Some(CloseReason::Exercised), "or they are here already");
        let mut early = after_expiry(BrokerMode::Live, None);
        early.session.date = "2027-01-14".parse().unwrap();
        assert_eq!(settled(&trade, &early), None, "it has not expired yet");
    }
}
