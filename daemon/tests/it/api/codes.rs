//! Every error code is answered by a real daemon.

use std::collections::BTreeSet;
use std::time::Duration;

use blotter_shared::protocol::problem::ProblemCode;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::daemon::{Client, Daemon, knock, problem_in, raw, read_to_end};
use crate::support::TestDb;

/// What only a fault of ours brings about: its mapping is tested where it is made.
const ELSEWHERE: [ProblemCode; 1] = [ProblemCode::Internal];

/// What commands of trades are refused with; `trades::refusals` brings each of them about.
pub(crate) const OF_TRADES: [ProblemCode; 21] = [
    ProblemCode::BrokerUnavailable,
    ProblemCode::AlreadyClosing,
    ProblemCode::Ended,
    ProblemCode::NothingHeld,
    ProblemCode::EntryWorking,
    ProblemCode::QuantityTooLarge,
    ProblemCode::PartWithLimit,
    ProblemCode::MarketClosed,
    ProblemCode::NoQuote,
    ProblemCode::Expired,
    ProblemCode::OffGrid,
    ProblemCode::StopNotBelowBid,
    ProblemCode::TargetNotAboveBid,
    ProblemCode::LegsTooNear,
    ProblemCode::NothingToChange,
    ProblemCode::AlreadyBegun,
    ProblemCode::SymbolTaken,
    ProblemCode::EntriesStopped,
    ProblemCode::Halted,
    ProblemCode::LimitBroken,
    ProblemCode::NoPosition,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_is_answered_and_says_what_to_do() {
    let mut db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |config| config.limits.connections_per_user = 8).await;
    let mut client = daemon.client().await;
    let mut seen = BTreeSet::new();
    refusals_of_requests(&daemon, &mut seen).await;
    refusals_by_version_and_key(&mut client, &mut seen).await;
    seen.insert(too_many(&daemon).await);
    // One of its own: with so little time any answer may be late.
    let hasty =
        Daemon::start(&db.cluster.url(), |config| config.limits.request_timeout_s = Duration::from_secs(2)).await;
    seen.insert(slow_body(&hasty).await);
    hasty.stop().await.unwrap();
    seen.insert(super::foreign::stranger(&db.cluster.url()).await.code);

    db.cluster.stop_server().unwrap();
    daemon.wait_for_health(|health| health.database.next_try_s.is_some()).await;
    let reply = client.get("/v1/trades").await;
    assert!(reply.headers.contains_key("retry-after"));
    seen.insert(reply.problem().code);
    daemon.stop().await.unwrap();
    seen.insert(super::stop::latecomer(&db.cluster.url()).await.code);

    let elsewhere = |code: &ProblemCode| ELSEWHERE.contains(code) || OF_TRADES.contains(code);
    let expected: BTreeSet<_> = ProblemCode::ALL.iter().copied().filter(|code| !elsewhere(code)).collect();
    assert_eq!(seen, expected);
}

async fn refusals_of_requests(daemon: &Daemon, seen: &mut BTreeSet<ProblemCode>) {
    let key = ("idempotency-key", "k");
    let big = format!("{{\"version\":1,\"pad\":\"{}\"}}", "x".repeat(1_100_000));
    let long_key = "k".repeat(129);
    for (method, path, headers, body, code, told) in [
        ("PUT", "/v1/settings", vec![key], "{\"version\":", "malformed", "JSON"),
        ("PUT", "/v1/settings", vec![key], "{\"version\":1,\"max_positions\":-1}", "invalid", "between 0 and 10000"),
        ("PUT", "/v1/settings", vec![key], "{\"version\":1,\"max_positon\":1}", "invalid", "max_positon"),
        ("PUT", "/v1/settings", vec![key], "{\"version\":1,\"max_positions\":\"3\"}", "invalid", "max_positions"),
        ("PUT", "/v1/settings", vec![("idempotency-key", long_key.as_str())], "{}", "invalid", "128"),
        (
            "PUT",
            "/v1/settings",
            vec![key],
            "{\"version\":1,\"broker_mode\":\"LIVE\"}",
            "forbidden",
            "broker.allow_live",
        ),
        ("PUT", "/v1/settings", vec![key], big.as_str(), "body_too_large", "1048576"),
        ("PUT", "/v1/settings", vec![], "{\"version\":1}", "key_missing", "Idempotency-Key"),
        ("PUT", "/v1/settings", vec![key, ("blotter-read-only", "true")], "{}", "forbidden", "read-only"),
        ("GET", "/v1/trades?status=opne", vec![], "", "invalid", "opne"),
        ("GET", "/v1/trades?colour=red", vec![], "", "invalid", "colour"),
        ("GET", "/v1/trades?limit=0", vec![], "", "invalid", "limit"),
        ("GET", "/v1/trades?cursor=abc", vec![], "", "invalid", "cursor"),
        ("GET", "/v1/sync-status", vec![], "", "invalid", "version"),
        ("GET", "/v1/trades/not-an-id", vec![], "", "invalid", "UUID"),
        ("GET", "/v1/trades/01930000-0000-7000-8000-00000000dead", vec![], "", "not_found", ""),
        ("GET", "/v1/nothing", vec![], "", "not_found", "/v1/nothing"),
        ("DELETE", "/v1/settings", vec![], "", "method_not_allowed", "GET, PUT"),
        ("GET", "/v1/events", vec![("last-event-id", "x")], "", "invalid", "last-event-id"),
        ("GET", "/v1/trades", vec![("blotter-protocol", "2")], "", "protocol_mismatch", "upgrade the daemon"),
        ("GET", "/v1/trades", vec![("blotter-protocol", "0")], "", "protocol_mismatch", "upgrade the client"),
        ("GET", "/v1/trades", vec![("blotter-protocol", "one")], "", "malformed", "blotter-protocol"),
    ] {
        // A connection of its own: one whose body was refused unread is closed.
        let problem = daemon.client().await.send(method, path, &headers, body).await.problem();
        assert_eq!(problem.code.as_str(), code, "{method} {path} {headers:?}: {problem:?}");
        assert!(problem.detail.contains(told), "{method} {path}: `{told}` is not in `{}`", problem.detail);
        assert!(problem.request_id.is_some());
        seen.insert(problem.code);
    }
    let lenient = daemon.client().await.send("GET", "/v1/version", &[("blotter-protocol", "99")], "").await;
    assert_eq!(lenient.status, 200, "the version is told to everybody");
}

async fn refusals_by_version_and_key(client: &mut Client, seen: &mut BTreeSet<ProblemCode>) {
    client.get("/v1/settings").await;
    assert_eq!(client.act("PUT", "/v1/settings", "a", r#"{"version":1,"max_positions":1}"#).await.status, 200);
    let stale = client.act("PUT", "/v1/settings", "b", r#"{"version":1,"max_positions":2}"#).await.problem();
    assert_eq!((stale.local_version, stale.remote_version), (Some(1), Some(2)));
    seen.insert(stale.code);
    let reused = client.act("PUT", "/v1/settings", "a", r#"{"version":2,"max_positions":2}"#).await.problem();
    assert_eq!(reused.code, ProblemCode::KeyReused);
    seen.insert(reused.code);
    // A refused deed leaves its key free: the next try is a new one.
    assert_eq!(client.act("PUT", "/v1/settings", "b", r#"{"version":2,"max_positions":2}"#).await.status, 200);
}

async fn slow_body(daemon: &Daemon) -> ProblemCode {
    let mut stream = UnixStream::connect(&daemon.socket).await.unwrap();
    let head = "PUT /v1/settings HTTP/1.1\r\nhost: b\r\nidempotency-key: s\r\ncontent-length: 100\r\n\r\n{\"ver";
    stream.write_all(head.as_bytes()).await.unwrap();
    let problem = problem_in(&read_to_end(stream).await);
    assert_eq!(problem.limit.as_deref(), Some("limits.request_timeout_s"));
    problem.code
}

async fn too_many(daemon: &Daemon) -> ProblemCode {
    let mut held = Vec::new();
    loop {
        // Until the daemon turns one away; the bound of this test is eight.
        assert!(held.len() <= 8, "{} connections were let in", held.len());
        let (stream, answer) = knock(&daemon.socket).await;
        if !answer.starts_with("HTTP/1.1 200") {
            let problem = problem_in(&answer);
            assert_eq!(problem.limit.as_deref(), Some("limits.connections_per_user"));
            return problem.code;
        }
        held.push(stream);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_is_answered_all_the_same() {
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let long_header = format!("GET /v1/health HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    let many_headers = format!("GET /v1/health HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(500));
    for (bytes, told) in [
        ("\u{1}\u{2}\u{3} garbage\r\n\r\n", "not an HTTP/1.1 request"),
        ("GET /v1/health HTTP/9.9\r\n\r\n", "HTTP/1.1"),
        ("GET /v1/health HTTP/1.1\r\nbad header\r\n\r\n", "not an HTTP/1.1 request"),
        (long_header.as_str(), "at most 16384 bytes"),
        (many_headers.as_str(), "at most 16384 bytes"),
        // After a good request on the same connection, too.
        ("GET /v1/version HTTP/1.1\r\nhost: b\r\n\r\nNONSENSE\r\n\r\n", "not an HTTP/1.1 request"),
    ] {
        let answer = raw(&daemon.socket, bytes.as_bytes()).await;
        let last = answer.rfind("HTTP/1.1 400").unwrap_or_else(|| panic!("{bytes:.60?}: {answer}"));
        let problem = problem_in(&answer[last..]);
        assert_eq!(problem.code, ProblemCode::Malformed);
        assert!(problem.detail.contains(told), "{bytes:.60?}: {}", problem.detail);
    }
    daemon.stop().await.unwrap();
}
