//! A write leaves once or not at all, whatever the other side does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use blotter_daemon::broker::confirm::{Looks, Placement, place_and_confirm};
use blotter_daemon::broker::{
    AckStatus, Broker, Change, Doubt, NotSent, OrderStatus, Pricing, Priority, Refusal, Send, Unreachable, WriteOutcome,
};
use blotter_daemon::clock::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use tokio::net::TcpListener;

use super::loopback::{Reply, Server};
use super::support::{ACK, bracket, entry, fixture, id, impatience, patience, send, tradier, tradier_at};

/// Everything a server can do with a request without accepting the order.
fn misdeeds() -> Vec<(&'static str, Reply)> {
    let html = fixture!("maintenance.html");
    // An HTTP/2 GOAWAY frame, where an HTTP/1 answer is expected.
    let goaway = vec![0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    vec![
        ("reads and closes", Reply::Close),
        ("reads and resets", Reply::Reset),
        ("never answers", Reply::Stall),
        ("speaks another protocol", Reply::Bytes(goaway)),
        ("speaks nonsense", Reply::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec())),
        ("closes after the status line", Reply::Bytes(b"HTTP/1.1 200 OK\r\n".to_vec())),
        ("cuts the body", Reply::Cut { body: ACK[..20].to_owned(), promised: ACK.len() }),
        ("stalls in the body", Reply::StallInBody { promised: 100 }),
        ("redirects 301", Reply::new(301, "").with("Location", "/v1/elsewhere")),
        ("redirects 302", Reply::new(302, "").with("Location", "/v1/elsewhere")),
        ("redirects 303", Reply::new(303, "").with("Location", "/v1/elsewhere")),
        ("redirects 307", Reply::new(307, "").with("Location", "/v1/elsewhere")),
        ("redirects 308", Reply::new(308, "").with("Location", "/v1/elsewhere")),
        ("misdirected 421", Reply::new(421, "")),
        ("too early 425", Reply::new(425, "")),
        ("404", Reply::new(404, "Not Found")),
        ("408", Reply::new(408, "").with("Connection", "close")),
        ("409", Reply::new(409, "Conflict")),
        ("429", Reply::new(429, fixture!("fault_quota.json")).with("Retry-After", "0")),
        ("500", Reply::new(500, "An error occurred while communicating with the backend.")),
        ("502", Reply::new(502, html)),
        ("503", Reply::new(503, html).with("Retry-After", "0")),
        ("504", Reply::new(504, "")),
        ("400 without a reason", Reply::new(400, "")),
        ("400 with a page", Reply::new(400, html)),
        ("400 from a broken backend", Reply::new(400, "Unexpected server error")),
        ("200 and empty", Reply::ok("")),
        ("200 and a page", Reply::ok(html)),
        ("200 and cut JSON", Reply::ok(&ACK[..30])),
        ("200 and a fault", Reply::ok(fixture!("fault_datastore.json"))),
        ("401 that passes", Reply::new(401, fixture!("fault_datastore.json"))),
    ]
}

#[tokio::test]
async fn whatever_the_server_does_it_sees_one_request_and_the_outcome_is_unknown() {
    for (what, reply) in misdeeds() {
        let server = Server::always(reply).await;
        let tradier = tradier_at(&server.url(), Clock::system(), impatience()).await;
        let outcome = tradier.place(&entry(), send()).await;
        assert!(matches!(outcome, WriteOutcome::Unknown { .. }), "{what}: {outcome:?}");
        assert_eq!((server.requests().len(), server.connections()), (1, 1), "{what}");
    }
}

#[tokio::test]
async fn cancel_and_change_are_sent_once_too() {
    let change = Change::new(Some(Pricing::Stop("0.40".parse().unwrap())), None).unwrap();
    for (what, reply) in misdeeds() {
        let server = Server::always(reply).await;
        let tradier = tradier_at(&server.url(), Clock::system(), impatience()).await;
        let outcome = tradier.cancel(id(7), send()).await;
        assert!(matches!(outcome, WriteOutcome::Unknown { .. }), "cancel, {what}: {outcome:?}");
        assert_eq!(server.requests().len(), 1, "cancel, {what}");
        let outcome = tradier.change(id(7), change, send()).await;
        let held = matches!(outcome, WriteOutcome::NotSent { proof: NotSent::RateLimited { .. } });
        assert!(held || matches!(outcome, WriteOutcome::Unknown { .. }), "change, {what}: {outcome:?}");
        assert_eq!(server.requests().len(), if held { 1 } else { 2 }, "change, {what}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_to_another_server() {
    let elsewhere = Server::always(Reply::ok(ACK)).await;
    let target = format!("{}/accounts/VA00000001/orders", elsewhere.url());
    let server = Server::always(Reply::new(307, "").with("Location", &target)).await;
    let outcome = tradier(&server.url()).await.place(&entry(), send()).await;
    assert!(matches!(outcome, WriteOutcome::Unknown { why: Doubt::Status { status: 307, .. } }), "{outcome:?}");
    assert_eq!((server.requests().len(), elsewhere.connections()), (1, 0));
}

#[tokio::test]
async fn each_write_has_a_connection_of_its_own() {
    let server = Server::always(Reply::ok(ACK)).await;
    let tradier = tradier(&server.url()).await;
    for _ in 0..3 {
        let outcome = tradier.place(&entry(), send()).await;
        assert_eq!(outcome, WriteOutcome::Accepted { id: id(38_467_959), status: AckStatus::Ok });
    }
    let connections: Vec<_> = server.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 1, 2], "a kept connection may be dead, and a dead one is replayed");
}

#[tokio::test]
async fn what_never_connected_was_not_sent() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", closed.local_addr().unwrap());
    drop(closed);
    let outcome = tradier(&url).await.place(&entry(), send()).await;
    let proof = NotSent::NeverConnected(Unreachable::NoConnection);
    assert_eq!(outcome, WriteOutcome::NotSent { proof });
}

#[tokio::test]
async fn what_failed_in_the_tls_handshake_was_not_sent() {
    // A server without TLS reads the greeting as a request that never ends, or answers nonsense.
    let server = Server::always(Reply::Close).await;
    let url = server.url().replace("http://", "https://");
    let patience = blotter_daemon::broker::tradier::Patience { connect: Duration::from_millis(300), ..patience() };
    let outcome = tradier_at(&url, Clock::system(), patience).await.place(&entry(), send()).await;
    assert!(matches!(outcome, WriteOutcome::NotSent { proof: NotSent::NeverConnected(_) }), "{outcome:?}");
    assert_eq!((server.requests().len(), server.connections()), (0, 1), "it was reached, and told nothing");
}

#[tokio::test]
async fn what_is_too_late_does_not_even_connect() {
    let server = Server::always(Reply::ok(ACK)).await;
    let by = Clock::system().now() - TimeDelta::milliseconds(1);
    let late = Send { by, priority: Priority::Emergency };
    let outcome = tradier(&server.url()).await.place(&entry(), late).await;
    assert!(matches!(outcome, WriteOutcome::NotSent { .. }), "{outcome:?}");
    assert_eq!(server.connections(), 0);
}

/// The time runs out between any two looks at the clock: the order is sent in time or not at all.
#[tokio::test]
async fn the_deadline_holds_wherever_the_time_runs_out() {
    let mut ends = (0, 0);
    for looks in 0..12 {
        let server = Server::always(Reply::ok(ACK)).await;
        let start = DateTime::<Utc>::from_timestamp(1_789_051_500, 0).unwrap();
        let looked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&looked);
        let clock = Clock::from_fn(move || {
            let late = counter.fetch_add(1, Ordering::SeqCst) >= looks;
            if late { start + TimeDelta::seconds(60) } else { start }
        });
        let tradier = tradier_at(&server.url(), clock, patience()).await;
        looked.store(0, Ordering::SeqCst);
        let send = Send { by: start + TimeDelta::seconds(30), priority: Priority::Entry };
        let outcome = tradier.place(&entry(), send).await;
        match outcome {
            WriteOutcome::NotSent { .. } => {
                assert_eq!(server.requests().len(), 0, "{looks} looks in time");
                ends.0 += 1;
            }
            WriteOutcome::Accepted { .. } => {
                assert_eq!(server.requests().len(), 1, "{looks} looks in time");
                ends.1 += 1;
            }
            other @ (WriteOutcome::Refused { .. } | WriteOutcome::Unknown { .. }) => {
                panic!("{looks} looks in time: {other:?}")
            }
        }
    }
    assert!(ends.0 > 2 && ends.1 > 2, "both ends were met: {ends:?}");
}

#[tokio::test]
async fn a_dropped_write_is_not_repeated() {
    let server = Server::always(Reply::Stall).await;
    let tradier = tradier(&server.url()).await;
    let order = entry();
    tokio::select! {
        outcome = tradier.place(&order, send()) => panic!("{outcome:?}"),
        () = server.wait_for(1) => {}
    }
    // The adapter goes on and sends something else; the dropped order does not come along.
    tokio::select! {
        outcome = tradier.cancel(id(7), send()) => panic!("{outcome:?}"),
        () = server.wait_for(2) => {}
    }
    let methods: Vec<_> = server.requests().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["POST", "DELETE"]);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_brokers_words() {
    for (status, body, proof, code) in [
        (200, fixture!("errors_array.json"), Refusal::ErrorsInAnswer, Some("InitialMargin")),
        (200, fixture!("errors_string.json"), Refusal::ErrorsInAnswer, None),
        (200, fixture!("errors_inside_order.json"), Refusal::ErrorsInAnswer, Some("LongPositionCrossZero")),
        (400, "Invalid parameter, type: is not valid.", Refusal::Validation, None),
    ] {
        let server = Server::always(Reply::new(status, body)).await;
        let outcome = tradier(&server.url()).await.place(&bracket(), send()).await;
        let WriteOutcome::Refused { proof: seen, code: told, reason } = outcome else { panic!("{outcome:?}") };
        assert_eq!((seen, told.as_deref()), (proof, code), "{body}");
        assert!(!reason.is_empty() && reason.trim() == reason, "`{reason}`");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_cancel_that_lost_the_race_says_filled() {
    let server = Server::always(Reply::new(400, "order already in finalized state: filled")).await;
    let outcome = tradier(&server.url()).await.cancel(id(7), send()).await;
    let WriteOutcome::Refused { proof, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(proof, Refusal::AlreadyFinal(OrderStatus::Filled));
}

#[tokio::test]
async fn the_form_is_what_the_broker_understands() {
    let server = Server::always(Reply::ok(ACK)).await;
    let tradier = tradier(&server.url()).await;
    let _ = tradier.place(&bracket(), send()).await;
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/accounts/VA00000001/orders"));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.header("accept"), Some("application/json"));
    let form: Vec<(String, String)> = url_decode(&request.body);
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(field("class"), Some("oco"));
    assert_eq!(field("type[0]"), Some("limit"));
    assert_eq!(field("stop[1]"), Some("0.30"));
    assert_eq!(field("tag"), Some("b1-7f3a"));
    assert_eq!(field("symbol[0]"), None);
}

fn url_decode(form: &str) -> Vec<(String, String)> {
    let plain = |text: &str| text.replace("%5B", "[").replace("%5D", "]");
    form.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (plain(key), plain(value))).collect()
}

fn looks() -> Looks {
    Looks { times: 5, pause: Duration::from_millis(1) }
}

#[tokio::test]
async fn an_order_that_is_taken_and_then_rejected_is_rejected() {
    let rejected = fixture!("order_rejected.json").replace("38467818", "38467959");
    let pending = rejected.replace("\"rejected\"", "\"pending\"");
    let server = Server::in_order(vec![Reply::ok(ACK), Reply::ok(pending), Reply::ok(rejected)]).await;
    let placement = place_and_confirm(&tradier(&server.url()).await, &entry(), send(), looks()).await;
    let Placement::Rejected { reason, .. } = placement else { panic!("{placement:?}") };
    assert!(reason.starts_with("Sell order is for more shares"), "{reason}");
    let methods: Vec<_> = server.requests().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["POST", "GET", "GET"]);
}

#[tokio::test]
async fn looking_is_bounded_and_what_was_not_seen_is_pending() {
    let server = Server::start(|index, _| if index == 0 { Reply::ok(ACK) } else { Reply::new(503, "") }).await;
    let placement = place_and_confirm(&tradier(&server.url()).await, &entry(), send(), looks()).await;
    assert!(
        matches!(placement, Placement::Pending { id: seen, last: Some(_) } if seen == id(38_467_959)),
        "{placement:?}"
    );
    let posts = server.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(posts, 1, "looking never places");
}

#[tokio::test]
async fn an_unknown_placement_is_handed_on_and_nothing_is_looked_at() {
    let server = Server::always(Reply::Close).await;
    let placement = place_and_confirm(&tradier(&server.url()).await, &entry(), send(), looks()).await;
    assert!(matches!(placement, Placement::NotAccepted(WriteOutcome::Unknown { .. })), "{placement:?}");
    assert_eq!(server.requests().len(), 1);
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Place,
    Change,
    Cancel,
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let misdeeds: Vec<_> = misdeeds()
        .into_iter()
        .map(|(_, reply)| reply)
        .filter(|reply| !matches!(reply, Reply::Stall | Reply::StallInBody { .. }))
        .collect();
    prop_oneof![
        2 => prop::sample::select(misdeeds),
        1 => Just(Reply::ok(ACK)),
        1 => (100_u16..600, "[ -~]{0,80}")
            .prop_filter("an interim status is no answer", |(status, _)| *status >= 200 && *status != 204 && *status != 304)
            .prop_map(|(status, body)| Reply::new(status, body)),
        1 => prop::collection::vec(any::<u8>(), 0..80).prop_map(Reply::Bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_write_is_one_request_and_only_a_real_acceptance_is_accepted(
        calls in prop::collection::vec((prop::sample::select(vec![Deed::Place, Deed::Change, Deed::Cancel]), any_reply()), 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let change = Change::new(Some(Pricing::Stop("0.40".parse().unwrap())), None).unwrap();
            let own = id(38_467_959);
            for (deed, reply) in calls {
                let server = Server::always(reply.clone()).await;
                let tradier = tradier_at(&server.url(), Clock::system(), patience()).await;
                let outcome = match deed {
                    Deed::Place => tradier.place(&entry(), send()).await,
                    Deed::Change => tradier.change(own, change, send()).await,
                    Deed::Cancel => tradier.cancel(own, send()).await,
                };
                assert_eq!(server.requests().len(), 1, "{deed:?} {reply:?}");
                let truly = matches!(&reply, Reply::Answer { status: 200, body, .. } if body == ACK);
                assert_eq!(matches!(outcome, WriteOutcome::Accepted { .. }), truly, "{reply:?} {outcome:?}");
                assert!(!matches!(outcome, WriteOutcome::NotSent { .. }), "it was sent: {outcome:?}");
            }
        });
    }
}
