//! Reads: what is repeated and what is not, lists to their end, and what a failure is called.

use blotter_daemon::broker::{Broker, OrderScope, Priority, ReadError, Unreachable};
use blotter_daemon::clock::Clock;
use blotter_daemon::market::MarketData;
use serde_json::json;

use super::loopback::{Reply, Server};
use super::support::{fixture, id, impatience, patience, tradier, tradier_at};

const NONE: &str = fixture!("orders_none_string.json");

#[tokio::test]
async fn a_get_that_fails_in_passing_is_repeated_and_then_given_up() {
    for reply in [Reply::new(500, ""), Reply::new(404, ""), Reply::ok(""), Reply::ok("<html>"), Reply::Close] {
        let server =
            Server::in_order(vec![reply.clone(), reply.clone(), Reply::ok(fixture!("positions_none.json"))]).await;
        let positions = tradier(&server.url()).await.positions(Priority::Read).await;
        assert_eq!(positions, Ok(Vec::new()), "{reply:?}");

        let server = Server::always(reply.clone()).await;
        let positions = tradier(&server.url()).await.positions(Priority::Read).await;
        assert!(positions.is_err(), "{reply:?} is not an empty list");
        assert!(server.requests().len() >= 3, "{reply:?}: {}", server.requests().len());
        let bound = if matches!(reply, Reply::Close) { 6 } else { 3 };
        assert!(server.requests().len() <= bound, "{reply:?}: {}", server.requests().len());
    }
}

#[tokio::test]
async fn what_will_not_pass_is_asked_once() {
    for (status, body) in [
        (400, "Invalid parameter, start: must be on or after 2024-01-15 00:00:00."),
        (401, fixture!("fault_token.json")),
        (403, "Forbidden"),
        (200, "{\"orders\":\"soon\"}"),
        (200, "{\"orders\":{\"order\":[{\"id\":1}]}}"),
    ] {
        let server = Server::always(Reply::new(status, body)).await;
        let orders = tradier(&server.url()).await.orders(OrderScope::Session, Priority::Read).await;
        assert!(orders.is_err(), "{body}");
        assert_eq!(server.requests().len(), 1, "{body}");
    }
}

#[tokio::test]
async fn a_read_by_post_is_not_repeated() {
    let server = Server::always(Reply::new(500, "")).await;
    let symbols: Vec<_> = (0..200).map(|strike| format!("SPY260918C{strike:08}")).collect();
    let quotes = tradier(&server.url()).await.quotes(&symbols, Priority::Read).await;
    assert!(matches!(quotes, Err(ReadError::Unavailable { status: 500, .. })), "{quotes:?}");
    let methods: Vec<_> = server.requests().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["POST"], "a long list goes into a form, once");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_after_a_while() {
    for reply in [Reply::Stall, Reply::StallInBody { promised: 10 }] {
        let server = Server::always(reply).await;
        let tradier = tradier_at(&server.url(), Clock::system(), impatience()).await;
        let balances = tradier.balances(Priority::Read).await;
        assert_eq!(balances, Err(ReadError::Unreachable { why: Unreachable::TimedOut }));
    }
}

#[tokio::test]
async fn a_refusal_for_the_rate_holds_everybody_back() {
    let server = Server::always(Reply::new(429, fixture!("fault_quota.json"))).await;
    let tradier = tradier_at(&server.url(), Clock::system(), patience()).await;
    let first = tradier.positions(Priority::Read).await;
    assert!(matches!(first, Err(ReadError::RateLimited { .. })), "{first:?}");
    let second = tradier.balances(Priority::Close).await;
    assert!(matches!(second, Err(ReadError::RateLimited { .. })), "{second:?}");
    assert_eq!(server.requests().len(), 1, "the second was not even asked");
    let [accounts, ..] = tradier.limiter().snapshot();
    assert_eq!((accounts.throttled, accounts.held), (1, 1));
}

fn page_of(orders: std::ops::Range<i64>, more: &serde_json::Value) -> String {
    let orders: Vec<_> = orders.map(|number| json!({"id": number, "status": "open"})).collect();
    let mut page = json!({"order": orders});
    for (key, value) in more.as_object().unwrap() {
        page[key] = value.clone();
    }
    json!({ "orders": page }).to_string()
}

fn page_number(query: &str) -> i64 {
    query.split('&').find_map(|pair| pair.strip_prefix("page=")).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_list_is_read_to_its_end() {
    let server = Server::start(|_, request| {
        assert!(request.query.contains("includeTags=true"));
        match page_number(&request.query) {
            1 => Reply::ok(page_of(1..26, &json!({}))),
            2 => Reply::ok(page_of(26..51, &json!({}))),
            _ => Reply::ok(NONE),
        }
    })
    .await;
    let list = tradier(&server.url()).await.orders(OrderScope::Session, Priority::Read).await.unwrap();
    assert_eq!((list.orders.len(), list.pages), (50, 3));
    // The largest page is asked for: a broker that grants it answers all of a busy day at once.
    assert!(server.requests().iter().all(|request| request.query.contains("limit=1500")));
}

#[tokio::test]
async fn a_short_page_is_the_last_and_a_counted_one_too() {
    for (more, length, pages) in [(json!({}), 24, 1), (json!({"page": 1, "total_pages": 1, "total_orders": 25}), 25, 1)]
    {
        let server = Server::start(move |_, _| Reply::ok(page_of(1..length + 1, &more))).await;
        let list = tradier(&server.url()).await.orders(OrderScope::Session, Priority::Read).await.unwrap();
        assert_eq!((i64::try_from(list.orders.len()).unwrap(), list.pages), (length, pages));
    }
}

#[tokio::test]
async fn a_short_page_of_several_is_not_the_last() {
    let server = Server::start(|_, request| {
        let page = page_number(&request.query);
        Reply::ok(page_of(page * 10..page * 10 + 10, &json!({"total_pages": 3})))
    })
    .await;
    let list = tradier(&server.url()).await.orders(OrderScope::Session, Priority::Read).await.unwrap();
    assert_eq!((list.orders.len(), list.pages), (30, 3), "pages of ten, if the broker says so");
}

#[tokio::test]
async fn a_server_that_ignores_pages_does_not_keep_us() {
    let server = Server::always(Reply::ok(page_of(1..41, &json!({})))).await;
    let list = tradier(&server.url()).await.orders(OrderScope::Session, Priority::Read).await.unwrap();
    assert_eq!((list.orders.len(), list.pages), (40, 2));
}

#[tokio::test]
async fn a_list_that_moves_while_it_is_read_has_each_order_once() {
    // A new order came in between: order 25 moved from the first page to the second.
    let server = Server::start(|_, request| match page_number(&request.query) {
        1 => Reply::ok(page_of(1..26, &json!({}))),
        2 => Reply::ok(page_of(25..40, &json!({}))),
        _ => Reply::ok(NONE),
    })
    .await;
    let list = tradier(&server.url()).await.orders(OrderScope::Session, Priority::Read).await.unwrap();
    let mut ids: Vec<_> = list.orders.iter().map(|order| order.id.get()).collect();
    ids.dedup();
    assert_eq!(ids, (1..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_list_without_an_end_is_an_error() {
    let server = Server::start(|_, request| {
        let page = page_number(&request.query);
        Reply::ok(page_of(page * 100..page * 100 + 25, &json!({})))
    })
    .await;
    let list = tradier(&server.url()).await.orders(OrderScope::Session, Priority::Read).await;
    assert_eq!(list, Err(ReadError::TooMuch { what: "the orders" }));
}

#[tokio::test]
async fn a_page_that_fails_fails_the_list() {
    let server = Server::start(|_, request| match page_number(&request.query) {
        1 => Reply::ok(page_of(1..26, &json!({}))),
        _ => Reply::new(500, ""),
    })
    .await;
    let list = tradier(&server.url()).await.orders(OrderScope::Session, Priority::Read).await;
    assert!(matches!(list, Err(ReadError::Unavailable { .. })), "half a list is no list: {list:?}");
}

#[tokio::test]
async fn a_past_day_is_asked_for_by_its_date() {
    let server = Server::always(Reply::ok(NONE)).await;
    let day = OrderScope::Day("2026-09-10".parse().unwrap());
    tradier(&server.url()).await.orders(day, Priority::Read).await.unwrap();
    let query = &server.requests()[0].query;
    assert!(query.contains("filter=all") && query.contains("start=2026-09-10&end=2026-09-10"), "{query}");
}

#[tokio::test]
async fn an_order_that_is_not_there_is_told_apart_from_a_refused_token() {
    for (status, body) in [(401, "Unauthorized Account: VA00000001"), (404, "")] {
        let server = Server::always(Reply::new(status, body)).await;
        assert_eq!(tradier(&server.url()).await.order(id(7), Priority::Read).await, Err(ReadError::NotThere));
    }
    let server = Server::always(Reply::ok(fixture!("order_filled.json"))).await;
    let other = tradier(&server.url()).await.order(id(7), Priority::Read).await;
    assert!(matches!(other, Err(ReadError::Undecodable { .. })), "an answer about another order: {other:?}");
}

#[tokio::test]
async fn a_symbol_cannot_bring_another_one_along() {
    let server = Server::always(Reply::ok(fixture!("quotes_mixed.json"))).await;
    let tradier = tradier(&server.url()).await;
    for bad in ["SPY,QQQ", "SPY&greeks=false", "", "SPY QQQ"] {
        let quotes = tradier.quotes(&[bad.to_owned()], Priority::Read).await;
        assert!(matches!(quotes, Err(ReadError::BadRequest { .. })), "{bad}");
    }
    assert_eq!(server.requests().len(), 0);
}

/// A few bytes of JSON become hundreds in memory: what is larger than it can be is no answer.
#[tokio::test]
async fn an_answer_is_bounded_by_what_was_asked() {
    let padding = " ".repeat(300 << 10);
    let server = Server::always(Reply::ok(format!("{}{padding}", fixture!("balances_cash.json")))).await;
    let balances = tradier(&server.url()).await.balances(Priority::Read).await;
    assert_eq!(balances.unwrap_err(), ReadError::TooMuch { what: "the balances" });

    // The same room is enough for a list.
    let server = Server::always(Reply::ok(format!("{}{padding}", fixture!("positions_many.json")))).await;
    assert!(tradier(&server.url()).await.positions(Priority::Read).await.is_ok());
    let server = Server::always(Reply::ok(format!("{{{}", " ".repeat(8 << 20)))).await;
    let positions = tradier(&server.url()).await.positions(Priority::Read).await;
    assert_eq!(positions.unwrap_err(), ReadError::TooMuch { what: "the positions" });

    let row = r#"{"symbol":"A","quantity":1,"cost_basis":1,"date_acquired":"2026-01-02T15:00:00.000Z"}"#;
    for (rows, is_too_many) in [(20_480, false), (20_481, true)] {
        let body = format!(r#"{{"positions":{{"position":[{}]}}}}"#, vec![row; rows].join(","));
        let server = Server::always(Reply::ok(body)).await;
        let positions = tradier(&server.url()).await.positions(Priority::Read).await;
        let too_many = positions.as_ref().err() == Some(&ReadError::TooMuch { what: "the positions" });
        assert_eq!(too_many, is_too_many, "{rows} rows: {:?}", positions.map(|positions| positions.len()));
    }
}
