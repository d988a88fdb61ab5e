//! Where an account stands: what the risk limits of [`crate::trades::risk`] are compared with. Marks are
//! the present quotes; a position without one counts at what it cost.

use std::collections::BTreeMap;

use blotter_shared::domain::{Cash, Price, Protection};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone, Timelike, Utc};
use chrono_tz::America::New_York;
use rust_decimal::Decimal;

use super::super::facts::{Book, Intent, Trade};
use super::super::ports::{Quote, Symbol};
use super::super::risk::Standing;
use crate::db::engine::{OpenRow, StandingRows};

/// The hour in New York at which a trading day begins, the evening before.
const DAY_BEGINS: u32 = 18;

/// What an account is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    pub book: &'a Book,
    pub quotes: &'a BTreeMap<Symbol, Quote>,
    pub rows: &'a StandingRows,
    pub equity: Cash,
}

#[must_use]
pub fn of(ground: &Ground<'_>) -> Standing {
    let rows: BTreeMap<_, _> = ground.rows.open.iter().map(|row| (row.trade, *row)).collect();
    let live = ground.book.live_trades().map(|trade| (trade, rows.get(&trade.id()).copied()));
    let (mut heat, mut change, mut open) = (Decimal::ZERO, Decimal::ZERO, 0_u32);
    for (trade, row) in live {
        let quote = ground.quotes.get(&trade.spec.symbol).copied();
        open = open.saturating_add(1);
        heat += risk_of(trade, row, quote);
        change += change_of(trade, row, quote);
    }
    let losses: Vec<_> = ground.rows.results.iter().take_while(|result| result.pnl < Cash::ZERO).collect();
    Standing {
        equity: ground.equity,
        open_positions: open,
        day_pnl: Cash(ground.rows.realized.0 + change),
        heat: Cash(heat),
        losses_in_a_row: u32::try_from(losses.len()).unwrap_or(u32::MAX),
        last_loss_at: losses.first().map(|result| result.at),
    }
}

/// When the trading day that a moment belongs to began.
#[must_use]
pub fn day_begins(now: DateTime<Utc>) -> DateTime<Utc> {
    let local = now.with_timezone(&New_York);
    let today = local.date_naive();
    let date = if local.hour() >= DAY_BEGINS { Some(today) } else { today.checked_sub_days(Days::new(1)) };
    let evening = date.and_then(|date| NaiveTime::from_hms_opt(DAY_BEGINS, 0, 0).map(|time| date.and_time(time)));
    // Clocks are never changed at this hour.
    evening.and_then(|local| New_York.from_local_datetime(&local).earliest()).map_or(now, |at| at.to_utc())
}

/// The trading day as a date: from 18:00 on it is tomorrow's.
#[must_use]
pub fn day_of(now: DateTime<Utc>) -> NaiveDate {
    let begun = day_begins(now).with_timezone(&New_York).date_naive();
    begun.succ_opt().unwrap_or(begun)
}

/// What is lost when the stop works, or all of it without one: of what is held, and of what an
/// entry may still bring. A stop that is only wished for saves nothing of what is held already.
fn risk_of(trade: &Trade, row: Option<OpenRow>, quote: Option<Quote>) -> Decimal {
    let wished = trade.wish.stop.map_or(Decimal::ZERO, Price::value);
    let floor = match trade.marks.protection {
        Protection::Confirmed => wished,
        Protection::NotApplicable | Protection::Naked | Protection::Unknown => Decimal::ZERO,
    };
    let above = |floor: Decimal| move |price: Decimal| (price - floor).max(Decimal::ZERO);
    let held = mark(quote).or(row.and_then(|row| row.entry)).map_or(Decimal::ZERO, above(floor));
    let limit = trade.spec.limit.or(quote.and_then(|quote| quote.ask)).map(Price::value);
    let coming = limit.map_or(Decimal::ZERO, above(wished));
    (held * Decimal::from(trade.marks.held.max(0)) + coming * Decimal::from(awaited(trade))) * multiplier(trade)
}

/// Contracts that the entry may still buy.
fn awaited(trade: &Trade) -> u32 {
    let asked = trade.is_unbegun() && !trade.wish.is_flat();
    let working: u32 = trade.entries().map(Intent::remaining).sum();
    if asked { trade.spec.quantity.get() } else { working }
}

/// What the position has gained today: since the end of the session before, or since the entry.
fn change_of(trade: &Trade, row: Option<OpenRow>, quote: Option<Quote>) -> Decimal {
    let from = row.and_then(|row| row.before.or(row.entry));
    let change = mark(quote).zip(from).map_or(Decimal::ZERO, |(mark, from)| mark - from);
    change * Decimal::from(trade.marks.held.max(0)) * multiplier(trade)
}

fn multiplier(trade: &Trade) -> Decimal {
    Decimal::from(trade.spec.multiplier.get())
}

/// The mid, or the side that exists.
fn mark(quote: Option<Quote>) -> Option<Decimal> {
    let quote = quote?;
    match (quote.bid.map(Price::value), quote.ask.map(Price::value)) {
        (Some(bid), Some(ask)) => Some((bid + ask) / Decimal::TWO),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use blotter_shared::domain::BrokerMode;

    use super::super::super::specimen;
    use super::*;
    use crate::db::engine::ResultRow;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_trading_day_begins_in_the_evening_before() {
        // Friday afternoon, Friday evening, and the winter's offset.
        assert_eq!(day_begins(at("2026-07-10T19:59:00Z")), at("2026-07-09T22:00:00Z"));
        assert_eq!(day_begins(at("2026-07-10T22:00:00Z")), at("2026-07-10T22:00:00Z"));
        assert_eq!(day_begins(at("2026-01-10T22:59:00Z")), at("2026-01-09T23:00:00Z"));
        assert_eq!(day_of(at("2026-07-10T19:59:00Z")).to_string(), "2026-07-10");
        assert_eq!(day_of(at("2026-07-10T22:00:00Z")).to_string(), "2026-07-11");
    }

    #[test]
    fn figures_are_those_of_the_positions_at_their_marks() {
        let mut trade = specimen::trade(2);
        trade.marks.held = 2;
        trade.wish.stop = Some("4.00".parse().unwrap());
        trade.marks.protection = Protection::Confirmed;
        let mut book = Book::new(BrokerMode::Sim, Cash::ZERO);
        let (id, symbol) = (trade.id(), trade.spec.symbol.clone());
        trade.marks.adopted = 2;
        book.trades.insert(id, trade);
        let price = |text: &str| Some(text.parse().unwrap());
        let quotes =
            BTreeMap::from([(symbol, Quote { bid: price("5.00"), ask: price("5.20"), at: DateTime::UNIX_EPOCH })]);
        let loss = |at| ResultRow { pnl: Cash(Decimal::from(-30)), at };
        let rows = StandingRows {
            realized: Cash(Decimal::from(-60)),
            open: vec![OpenRow { trade: id, entry: Some(Decimal::from(6)), before: None }],
            results: vec![
                loss(at("2026-07-10T15:00:00Z")),
                loss(at("2026-07-10T14:00:00Z")),
                ResultRow { pnl: Cash(Decimal::ONE), at: at("2026-07-09T14:00:00Z") },
                loss(at("2026-07-08T14:00:00Z")),
            ],
        };
        let ground = Ground { book: &book, quotes: &quotes, rows: &rows, equity: Cash(Decimal::from(10_000)) };
        let standing = of(&ground);
        assert_eq!(standing.heat, Cash(Decimal::from(220)), "two contracts, 1.10 above the stop");
        assert_eq!(standing.day_pnl, Cash(Decimal::from(-240)), "60 lost, and 0.90 on two contracts");
        assert_eq!((standing.open_positions, standing.losses_in_a_row), (1, 2));
        assert_eq!(standing.last_loss_at, Some(at("2026-07-10T15:00:00Z")));
        for unseen in [Protection::Naked, Protection::Unknown, Protection::NotApplicable] {
            book.trades.get_mut(&id).unwrap().marks.protection = unseen;
            let heat = of(&Ground { book: &book, quotes: &quotes, rows: &rows, equity: Cash::ZERO }).heat;
            assert_eq!(heat, Cash(Decimal::from(1020)), "{unseen}: a stop that nobody saw working is none");
        }
    }

    #[test]
    fn what_an_entry_may_still_bring_is_reckoned_with_the_stop_that_it_will_have() {
        let mut trade = specimen::trade(2);
        trade.wish.stop = Some("4.00".parse().unwrap());
        trade.spec.limit = Some("5.10".parse().unwrap());
        assert_eq!((trade.marks.held, trade.marks.protection), (0, Protection::NotApplicable));
        assert_eq!(risk_of(&trade, None, None), Decimal::from(220));
    }
}
