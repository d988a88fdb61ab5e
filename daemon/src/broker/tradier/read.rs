//! One function per question about the account and the exchange's day.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::Deserialize;

use super::answer::Asked;
use super::convert::{self, Nonsense};
use super::convert_market;
use super::form::Form;
use super::http::{Ask, AskMethod, Http, LIST, SMALL};
use super::quick;
use super::shape::TOO_MANY;
use super::wire;
use crate::broker::market_data::Quote;
use crate::broker::rate_limit::BucketKind;
use crate::broker::{
    AccountId, Balances, HistoryEvent, HistoryRange, MarketClock, MarketDay, Order, OrderId, OrderList, OrderScope,
    Position, Priority, Profile, ReadError,
};

/// Pages after which a list has no end.
const MOST_PAGES: u32 = 60;
/// Rows of all pages together after which a list has no end: thousands more than a day of orders.
const MOST_ROWS: usize = 50_000;
/// What is asked for: the largest page of the broker's documents. With its usual page of 25 a busy day would cost a
/// dozen calls for each look.
const LARGEST_PAGE: usize = 1_500;
/// Smallest page that any of the broker's documents speaks of: a shorter one is the last.
const SMALLEST_PAGE: usize = 25;

/// A GET of an account's or the user's.
fn ask(what: &'static str, path: String, priority: Priority) -> Ask {
    Ask {
        what,
        bucket: BucketKind::Accounts,
        priority,
        path,
        query: Form::new(),
        asked: Asked::Anything,
        method: AskMethod::Get,
        longest: SMALL,
    }
}

/// Reads JSON. The error names the place, not the content.
pub(super) fn decode<'a, T: Deserialize<'a>>(what: &'static str, body: &'a Bytes) -> Result<T, ReadError> {
    // As text, checked once: each number keeps its own, which would otherwise be checked again.
    let text = std::str::from_utf8(body)
        .map_err(|_| ReadError::Undecodable { what, why: "it is not written in UTF-8".to_owned() })?;
    serde_json::from_str(text).map_err(|error| {
        let why: String = error.to_string().chars().take(120).collect();
        if why.starts_with(TOO_MANY) { ReadError::TooMuch { what } } else { ReadError::Undecodable { what, why } }
    })
}

/// Passes a conversion's complaint on.
pub(super) fn sense<T>(what: &'static str, result: Result<T, Nonsense>) -> Result<T, ReadError> {
    result.map_err(|Nonsense(why)| ReadError::Undecodable { what, why })
}

pub(super) async fn profile(http: &Http, priority: Priority) -> Result<Profile, ReadError> {
    let ask = ask("the profile", "user/profile".to_owned(), priority);
    let body = http.read(&ask).await?;
    let envelope: wire::ProfileEnvelope = decode(ask.what, &body)?;
    sense(ask.what, convert::profile(envelope.profile))
}

pub(super) async fn balances(http: &Http, account: &AccountId, priority: Priority) -> Result<Balances, ReadError> {
    let ask = ask("the balances", format!("accounts/{}/balances", account.as_str()), priority);
    let body = http.read(&ask).await?;
    let envelope: wire::BalancesEnvelope = decode(ask.what, &body)?;
    sense(ask.what, convert::balances(envelope.balances))
}

pub(super) async fn positions(
    http: &Http,
    account: &AccountId,
    priority: Priority,
) -> Result<Vec<Position>, ReadError> {
    let ask =
        Ask { longest: LIST, ..ask("the positions", format!("accounts/{}/positions", account.as_str()), priority) };
    let body = http.read(&ask).await?;
    let envelope: wire::PositionsEnvelope = decode(ask.what, &body)?;
    let positions = envelope.positions.0.map_or_else(Vec::new, |positions| positions.position.0);
    positions.into_iter().map(|position| sense(ask.what, convert::position(position))).collect()
}

/// All pages. How long a page is differs between the broker's own documents, so what ends the list
/// is what is on it: nothing, nothing new, the page that the broker called the last, or, where it
/// counts no pages, fewer orders than its smallest page has.
pub(super) async fn orders(
    http: &Http,
    account: &AccountId,
    scope: OrderScope,
    priority: Priority,
) -> Result<OrderList, ReadError> {
    let mut ask = Ask { longest: LIST, ..ask("the orders", format!("accounts/{}/orders", account.as_str()), priority) };
    let (mut orders, mut seen) = (Vec::new(), BTreeSet::new());
    for page in 1..=MOST_PAGES {
        ask.query = orders_query(scope, page);
        let body = http.read(&ask).await?;
        let envelope: wire::OrdersEnvelope = decode(ask.what, &body)?;
        let Some(wire) = envelope.orders.0 else {
            return Ok(OrderList { orders, pages: page, read_at: http.clock().now() });
        };
        let total_pages = sense(ask.what, convert::small("total_pages", wire.total_pages.0))?;
        let length = wire.order.0.len();
        let before = orders.len();
        for order in wire.order.0 {
            let order = sense(ask.what, convert::order(order))?;
            if seen.insert(order.id) {
                orders.push(order);
            }
        }
        let is_last = match total_pages {
            Some(total) => page >= total,
            None => length < SMALLEST_PAGE,
        };
        if is_last || orders.len() == before {
            return Ok(OrderList { orders, pages: page, read_at: http.clock().now() });
        }
        if orders.len() > MOST_ROWS {
            break;
        }
    }
    Err(ReadError::TooMuch { what: ask.what })
}

fn orders_query(scope: OrderScope, page: u32) -> Form {
    let mut query = vec![("includeTags".to_owned(), "true".to_owned()), ("page".to_owned(), page.to_string())];
    query.push(("limit".to_owned(), LARGEST_PAGE.to_string()));
    match scope {
        OrderScope::Session => {}
        OrderScope::Day(day) => {
            query.push(("filter".to_owned(), "all".to_owned()));
            query.push(("start".to_owned(), day.to_string()));
            query.push(("end".to_owned(), day.to_string()));
        }
    }
    query
}

pub(super) async fn order(http: &Http, path: String, id: OrderId, priority: Priority) -> Result<Order, ReadError> {
    let mut ask = ask("the order", path, priority);
    ask.asked = Asked::OneOrder;
    ask.query = vec![("includeTags".to_owned(), "true".to_owned())];
    let body = http.read(&ask).await?;
    let envelope: wire::OrderEnvelope = decode(ask.what, &body)?;
    let order = sense(ask.what, convert::order(envelope.order))?;
    if order.id == id {
        return Ok(order);
    }
    Err(ReadError::Undecodable { what: ask.what, why: format!("asked for {id}, got {}", order.id) })
}

pub(super) async fn history(
    http: &Http,
    account: &AccountId,
    range: HistoryRange,
    priority: Priority,
) -> Result<Vec<HistoryEvent>, ReadError> {
    const PAGE: usize = 100;
    let mut ask =
        Ask { longest: LIST, ..ask("the history", format!("accounts/{}/history", account.as_str()), priority) };
    let mut events = Vec::new();
    for page in 1..=MOST_PAGES {
        ask.query = vec![
            ("page".to_owned(), page.to_string()),
            ("limit".to_owned(), PAGE.to_string()),
            ("start".to_owned(), range.start.to_string()),
            ("end".to_owned(), range.end.to_string()),
        ];
        let body = http.read(&ask).await?;
        let envelope: wire::HistoryEnvelope = decode(ask.what, &body)?;
        let wire = envelope.history.0.map_or_else(Vec::new, |history| history.event.0);
        let new = wire.into_iter().map(convert::event).collect::<Result<Vec<_>, _>>();
        let new = sense(ask.what, new)?;
        // Events have no ids: a page that repeats the one before means that pages are ignored.
        let repeats = !new.is_empty() && events.ends_with(&new);
        if repeats || new.is_empty() {
            return Ok(events);
        }
        events.extend(new);
        if events.len() > MOST_ROWS {
            break;
        }
    }
    Err(ReadError::TooMuch { what: ask.what })
}

pub(super) async fn clock(http: &Http, priority: Priority) -> Result<MarketClock, ReadError> {
    let mut ask = ask("the clock", "markets/clock".to_owned(), priority);
    ask.bucket = BucketKind::MarketData;
    let body = http.read(&ask).await?;
    let envelope: wire::ClockEnvelope = decode(ask.what, &body)?;
    sense(ask.what, convert::clock(envelope.clock))
}

pub(super) async fn calendar(
    http: &Http,
    year: i32,
    month: u32,
    priority: Priority,
) -> Result<Vec<MarketDay>, ReadError> {
    let mut ask = ask("the calendar", "markets/calendar".to_owned(), priority);
    ask.bucket = BucketKind::MarketData;
    ask.query = vec![("month".to_owned(), format!("{month:02}")), ("year".to_owned(), year.to_string())];
    let body = http.read(&ask).await?;
    let envelope: wire::CalendarEnvelope = decode(ask.what, &body)?;
    let days = envelope.calendar.days.0.map_or_else(Vec::new, |days| days.day.0);
    days.into_iter().map(|day| sense(ask.what, convert::day(day))).collect()
}

/// The rows of a chain's answer: the dearest decoding there is, and therefore measured.
///
/// # Errors
/// When the answer is no chain.
pub fn decode_chain(body: &Bytes) -> Result<Vec<Quote>, ReadError> {
    if let Some(rows) = quick::chain(body) {
        return Ok(rows);
    }
    read_chain(body)
}

/// The same in the general way, which knows every spelling and names what is wrong.
pub(super) fn read_chain(body: &Bytes) -> Result<Vec<Quote>, ReadError> {
    let what = "the chain";
    let envelope: wire::ChainEnvelope<'_> = decode(what, body)?;
    let mut rows = envelope.options.0.map_or_else(Vec::new, |chain| chain.option.0);
    rows.iter_mut().map(|row| sense(what, convert_market::quote(row))).collect()
}
