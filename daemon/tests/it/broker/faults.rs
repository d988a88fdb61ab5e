//! Each fault of the simulator, once on a write and on all reads: what the user sees, how often anything left, and
//! what the broker has of it.

use std::net::SocketAddr;
use std::time::Duration;

use blotter_daemon::broker::tradier::Patience;
use blotter_daemon::broker::{Broker, OrderScope, Priority, WriteOutcome};
use blotter_daemon::clock::Clock;
use blotter_daemon::market::{BarsRequest, Interval, MarketData};
use blotter_sim::Server;
use blotter_sim::config::{Config, RateLimits, Token};
use blotter_sim::core::World;
use blotter_sim::time::Ms;
use chrono::NaiveDate;
use serde_json::json;
use tokio::task::JoinSet;

use super::support::{TOKEN, entry, hand, patience, send, tradier_at};

/// One row: the fault; how a placement ends; how many orders the broker has then; what the account shows; whether a
/// list comes out of it.
type Row = (&'static str, &'static str, usize, &'static str, bool);

const WELL: &str = "";
const AWAY: &str = "Broker unavailable since";
const LIMIT: &str = "Rate limit reached; calls go on at";
const TOKEN_AGAIN: &str = "Re-authenticate: the broker turned the token away";

const ROWS: &[Row] = &[
    ("latency", "accepted", 1, WELL, true),
    ("timeout_before", "unknown", 0, AWAY, false),
    ("timeout_after", "unknown", 1, AWAY, false),
    ("lost_request", "unknown", 0, AWAY, false),
    ("lost_answer", "unknown", 1, AWAY, false),
    ("too_many", "unknown", 0, LIMIT, false),
    ("too_many_bare", "unknown", 0, LIMIT, false),
    ("error_before", "unknown", 0, AWAY, false),
    ("error_after", "unknown", 1, AWAY, false),
    ("bad_gateway", "unknown", 0, AWAY, false),
    ("unavailable", "unknown", 0, AWAY, false),
    ("html_ok", "unknown", 0, AWAY, false),
    ("html", "unknown", 0, AWAY, false),
    ("truncated", "unknown", 1, AWAY, false),
    ("empty", "unknown", 0, AWAY, false),
    ("stale", "accepted", 1, WELL, true),
    ("empty_list", "unknown", 1, AWAY, true),
    ("no_tags", "accepted", 1, WELL, true),
    ("revoked", "refused", 0, TOKEN_AGAIN, false),
    ("unauthorized", "refused", 0, TOKEN_AGAIN, false),
    ("backend", "unknown", 0, AWAY, true),
];

fn word(outcome: &WriteOutcome) -> &'static str {
    match outcome {
        WriteOutcome::Accepted { .. } => "accepted",
        WriteOutcome::Refused { .. } => "refused",
        WriteOutcome::NotSent { .. } => "not sent",
        WriteOutcome::Unknown { .. } => "unknown",
    }
}

/// Where the fault is a silence, shorter than that; else long enough for an answer of many worlds on a busy machine.
fn patient(fault: &str) -> Patience {
    let is_silent = fault.starts_with("timeout") || fault.starts_with("lost");
    let wait = if is_silent { Duration::from_millis(1_500) } else { Duration::from_secs(30) };
    Patience { read: wait, write: wait, repeats: 1, pause: Duration::from_millis(1), ..patience() }
}

async fn simulator(task: &mut JoinSet<()>) -> SocketAddr {
    let start = Ms::at_et(NaiveDate::from_ymd_opt(2026, 9, 10).unwrap(), 11, 0);
    let token = Token { world: World::Sandbox, token: TOKEN.to_owned(), accounts: Vec::new() };
    let config = Config { tokens: vec![token], limits: RateLimits::Lifted, ..Config::manual(7, start) };
    let server = Server::bind(config, "127.0.0.1:0").await.unwrap();
    let address = server.address().unwrap();
    task.spawn(server.serve(std::future::pending()));
    address
}

/// Requests that came to the list of orders, by method, and orders that exist.
async fn seen(address: SocketAddr) -> (usize, usize, usize) {
    let ledger = hand(address, "GET", "ledger", "").await;
    let entries = ledger["entries"].as_array().unwrap().clone();
    let requests = |method: &str| {
        let mine = entries.iter().filter(|entry| entry["fact"] == "request" && entry["method"] == method);
        mine.filter(|entry| entry["path"].as_str().unwrap().ends_with("/orders")).count()
    };
    (requests("POST"), requests("GET"), entries.iter().filter(|entry| entry["fact"] == "placed").count())
}

async fn banner(broker: &dyn Broker) -> String {
    broker.status().borrow().banner().unwrap_or_default()
}

async fn check((fault, end, orders, shown, _): Row) {
    let mut task = JoinSet::new();
    let address = simulator(&mut task).await;
    let url = format!("http://{address}/v1");
    let broker = tradier_at(&url, Clock::system(), patient(fault)).await;
    let spell =
        json!({ "kind": fault, "endpoint": "place", "count": 1, "ms": if fault == "latency" { 5 } else { 4_000 } });
    hand(address, "POST", "faults", &spell.to_string()).await;
    let outcome = broker.place(&entry(), send()).await;
    assert_eq!(word(&outcome), end, "{fault}: {outcome}");
    let told = banner(&broker).await;
    assert!(told.starts_with(shown) && told.is_empty() == shown.is_empty(), "{fault}: the account shows {told:?}");
    assert!(
        ![&told, &outcome.to_string()].iter().any(|text| text.contains('<') || text.contains(TOKEN)),
        "{told} {outcome}"
    );
    let (posts, _, placed) = seen(address).await;
    assert_eq!((posts, placed), (1, orders), "{fault}: {outcome}");
}

async fn check_read((fault, _, _, shown, answers): Row) {
    let mut task = JoinSet::new();
    let address = simulator(&mut task).await;
    let url = format!("http://{address}/v1");
    let broker = tradier_at(&url, Clock::system(), patient(fault)).await;
    let spell = json!({ "kind": fault, "endpoint": "orders", "ms": if fault == "latency" { 5 } else { 4_000 } });
    hand(address, "POST", "faults", &spell.to_string()).await;
    let list = broker.orders(OrderScope::Session, Priority::Read).await;
    assert_eq!(list.is_ok(), answers, "{fault}: {list:?}");
    let told = banner(&broker).await;
    let shown = if answers { WELL } else { shown };
    assert!(told.starts_with(shown) && told.is_empty() == shown.is_empty(), "{fault}: the account shows {told:?}");
    let (posts, gets, _) = seen(address).await;
    assert!(posts == 0 && gets <= 2, "{fault}: {posts} writes, {gets} reads: one and one more try");
}

/// Every other question that there is, all at once: each is answered whole or fails, and none of them writes.
async fn check_all_reads((fault, _, _, _, answers): Row) {
    let mut task = JoinSet::new();
    let address = simulator(&mut task).await;
    let patience = Patience { repeats: 0, ..patient(fault) };
    let broker = tradier_at(&format!("http://{address}/v1"), Clock::system(), patience).await;
    let spell = json!({ "kind": fault, "endpoint": "*", "ms": if fault == "latency" { 5 } else { 4_000 } });
    hand(address, "POST", "faults", &spell.to_string()).await;
    let (spy, expiry) = ("SPY".parse().unwrap(), "2026-09-18".parse().unwrap());
    let symbols = ["SPY".to_owned(), "SPY260918C00600000".to_owned()];
    let bars = BarsRequest { symbol: "SPY".parse().unwrap(), interval: Interval::OneMinute, start: None, end: None };
    let now = Priority::Read;
    let ends = tokio::join!(
        async { ("positions", broker.positions(now).await.is_ok()) },
        async { ("balances", broker.balances(now).await.is_ok()) },
        async { ("profile", broker.profile(now).await.is_ok()) },
        async { ("clock", broker.clock(now).await.is_ok()) },
        async { ("calendar", broker.calendar(2026, 9, now).await.is_ok()) },
        async { ("quotes", broker.quotes(&symbols, now).await.is_ok()) },
        async { ("chain", broker.chain(&spy, expiry, now).await.is_ok()) },
        async { ("expirations", broker.expirations(&spy, now).await.is_ok()) },
        async { ("strikes", broker.strikes(&spy, expiry, now).await.is_ok()) },
        async { ("bars", broker.bars(&bars, now).await.is_ok()) },
    );
    let (a, b, c, d, e, f, g, h, i, j) = ends;
    for (what, is_answered) in [a, b, c, d, e, f, g, h, i, j] {
        // There is no such thing as an empty balance: what is no list is not nothing, but no answer.
        let is_list = !["balances", "profile", "clock", "calendar"].contains(&what);
        assert_eq!(is_answered, answers && (is_list || fault != "empty_list"), "{what} under {fault}");
    }
    assert_eq!(seen(address).await, (0, 0, 0), "{fault}: nothing was written");
}

#[tokio::test]
async fn a_placement_under_each_fault_leaves_once_and_ends_as_what_is_known() {
    let mut tasks = JoinSet::new();
    for row in ROWS {
        tasks.spawn(check(*row));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_list_under_each_fault_is_whole_or_an_error_with_a_sentence() {
    let mut tasks = JoinSet::new();
    for row in ROWS {
        tasks.spawn(check_read(*row));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn every_question_under_each_fault_is_answered_whole_or_fails() {
    let mut tasks = JoinSet::new();
    for row in ROWS {
        tasks.spawn(check_all_reads(*row));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[test]
fn the_table_has_every_fault_of_requests() {
    let known: Vec<&str> = ROWS.iter().map(|row| row.0).collect();
    let mut missing = Vec::new();
    for kind in super::storm::request_faults() {
        if !known.contains(&kind) {
            missing.push(kind);
        }
    }
    assert_eq!(missing, Vec::<&str>::new());
}
