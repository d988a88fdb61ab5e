//! Each command through the socket: what is answered, what the broker then has, and who asked.

use blotter_shared::domain::{CloseReason, OptionContract, OptionType, Price, Step, TradeStatus};
use blotter_shared::protocol::problem::ProblemCode;
use blotter_shared::protocol::timeline::{MomentKind, Timeline};
use blotter_shared::protocol::trades::Trade;
use http::StatusCode;
use serde_json::{Value, json};

use super::floor::{Floor, is_closed, is_protected};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value:#}"))
}

fn price(trade: &Value, field: &str) -> Option<Price> {
    trade[field].as_str().map(|text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_becomes_a_protected_trade_and_a_close_ends_it() {
    let mut floor = Floor::open().await;
    let mut signal = floor.signal();
    signal["strategy"] = json!("breakout");
    signal["ai_score"] = json!(87.5);
    let placed = floor.ask("POST", "/v1/trades", &signal).await.unwrap();
    assert_eq!(
        (text(&placed, "status"), &placed["version"], text(&placed, "strategy")),
        ("PENDING", &json!(1), "breakout")
    );
    let id = text(&placed, "id").to_owned();
    floor.until("the bracket is confirmed", &id, is_protected).await;
    assert_eq!(floor.position().await, "2");
    let told = "SELECT count(*) FROM paper_trades
                 WHERE ai_score = 87.5 AND mid_at_submit = 5.05 AND initial_risk = 220 AND initial_sl = 4";
    assert_eq!(floor.count(told).await, 1);

    let closing = floor.of_trade(&id, "close", json!({ "version": 1 })).await.unwrap();
    assert_eq!((text(&closing, "desired"), &closing["version"]), ("FLAT", &json!(2)));
    let trade = floor.until("it is closed", &id, is_closed).await;
    assert_eq!(trade.close.and_then(|close| close.reason), Some(CloseReason::Manual));
    assert_eq!(floor.position().await, "0");
    assert_eq!(floor.working().await, []);
    let asked = "SELECT count(*) FROM audit_log WHERE action IN ('trade.place', 'trade.close') AND device = 'unknown'";
    assert_eq!(floor.count(asked).await, 2);
    assert_eq!(floor.count("SELECT override_count::bigint FROM paper_trades").await, 1);
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_moved_and_taken_to_break_even() {
    let mut floor = Floor::open().await;
    let id = floor.hold().await;
    let moved = floor.of_trade(&id, "adjust", json!({ "version": 1, "new_sl": "4.50" })).await.unwrap();
    assert_eq!((price(&moved, "sl_price"), price(&moved, "tp_price")), ("4.50".parse().ok(), "7.00".parse().ok()));
    wait_for_stop(&floor, "4.50").await;
    floor.pin("6.00", "6.10").await;
    let even = floor.of_trade(&id, "adjust", json!({ "version": 2, "break_even": true })).await.unwrap();
    assert_eq!(price(&even, "sl_price"), "5.10".parse().ok());
    wait_for_stop(&floor, "5.10").await;
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_taken_away_leaves_the_stop_alone() {
    let mut floor = Floor::open().await;
    let id = floor.hold().await;
    let bare = floor.of_trade(&id, "adjust", json!({ "version": 1, "new_tp": null })).await.unwrap();
    assert_eq!((price(&bare, "sl_price"), price(&bare, "tp_price")), ("4.00".parse().ok(), None));
    floor.until("one stop works", &id, |trade| is_protected(trade) && trade.version == 2).await;
    floor.daemon.stop().await.unwrap();
}

/// Waits until one order works, with its stop there.
async fn wait_for_stop(floor: &Floor, stop: &str) {
    let wanted = stop.parse().ok();
    let mut looks = crate::support::looks();
    let reached = tokio::time::timeout(crate::support::DEADLINE, async {
        loop {
            looks.tick().await;
            let working = floor.working().await;
            let there = working.iter().any(|order| order.legs.iter().any(|leg| leg.stop_price == wanted));
            if there && working.len() == 1 {
                return;
            }
        }
    });
    if reached.await.is_err() {
        panic!("waited for a stop at {stop}: {:#?}", floor.ours().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_leaves_and_the_rest_stays_protected() {
    let mut floor = Floor::open().await;
    let id = floor.hold().await;
    floor.of_trade(&id, "close", json!({ "version": 1, "qty": 1 })).await.unwrap();
    let half = |trade: &Trade| trade.held_qty == 1 && trade.protection == blotter_shared::domain::Protection::Confirmed;
    floor.until("the rest is protected", &id, half).await;
    assert_eq!(floor.position().await, "1");
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_close_rests_beside_the_stop_until_it_fills() {
    let mut floor = Floor::open().await;
    let id = floor.hold().await;
    floor.of_trade(&id, "close", json!({ "version": 1, "limit": "5.40" })).await.unwrap();
    floor.until("the limit rests", &id, |trade| is_protected(trade) && trade.version == 2).await;
    floor.pin("5.45", "5.50").await;
    let trade = floor.until("the limit is hit", &id, is_closed).await;
    assert_eq!(trade.close.and_then(|close| close.reason), Some(CloseReason::Manual));
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_does_not_fill_is_cancelled() {
    let mut floor = Floor::open().await;
    let mut signal = floor.signal();
    signal["limit"] = json!("4.50");
    let placed = floor.ask("POST", "/v1/trades", &signal).await.unwrap();
    let id = text(&placed, "id").to_owned();
    floor.until("the entry works", &id, |trade| trade.status == TradeStatus::Open).await;
    floor.of_trade(&id, "cancel", json!({ "version": 1 })).await.unwrap();
    floor.until("it is cancelled", &id, |trade| trade.status == TradeStatus::Canceled).await;
    assert_eq!((floor.position().await.as_str(), floor.working().await.len()), ("0", 0));
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_says_what_a_flatten_sends_and_changes_nothing() {
    let mut floor = Floor::open().await;
    let id = floor.hold().await;
    let drill = floor.ask("POST", "/v1/flatten", &json!({ "drill": true })).await.unwrap();
    let said: Vec<&str> = drill["sends"].as_array().unwrap().iter().map(|send| text(send, "what")).collect();
    assert_eq!(said, ["cancel_bracket", "sell_at_market"]);
    let working = floor.working().await;
    assert_eq!(drill["sends"][0]["order_id"], json!(working[0].id.get().to_string()));
    assert_eq!((&drill["sends"][1]["qty"], &drill["trades"]), (&json!(2), &json!([])));
    assert_eq!(floor.get(&format!("/v1/trades/{id}")).await["version"], 1, "a drill changes nothing");

    let done = floor.ask("POST", "/v1/flatten", &json!({})).await.unwrap();
    assert_eq!((&done["sends"], &done["trades"]), (&drill["sends"], &json!([id])));
    floor.until("it is closed", &id, is_closed).await;
    assert_eq!((floor.position().await.as_str(), floor.ours().await.len()), ("0", 3));
    floor.daemon.stop().await.unwrap();
}

/// A trade in another contract, whose market is the same.
async fn in_another(floor: &mut Floor, contract: OptionContract, limit: &str) -> String {
    let ours = std::mem::replace(&mut floor.contract, contract);
    floor.pin("5.00", "5.10").await;
    let mut signal = floor.signal();
    signal["limit"] = json!(limit);
    let placed = floor.ask("POST", "/v1/trades", &signal).await.unwrap();
    floor.contract = ours;
    text(&placed, "id").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flatten_of_two_positions_and_an_entry_sends_what_its_drill_said_in_that_order() {
    let mut floor = Floor::open().await;
    let first = floor.hold().await;
    let other = floor.other.clone();
    let opposite = match floor.contract.option_type {
        OptionType::Call => OptionType::Put,
        OptionType::Put => OptionType::Call,
    };
    let third = OptionContract { option_type: opposite, ..floor.contract.clone() };
    let entry = in_another(&mut floor, third, "4.50").await;
    floor.until("the entry works", &entry, |trade| trade.status == TradeStatus::Open).await;
    let second = in_another(&mut floor, other, "5.10").await;
    floor.until("the bracket is confirmed", &second, is_protected).await;

    let drill = floor.ask("POST", "/v1/flatten", &json!({ "drill": true })).await.unwrap();
    let sends = drill["sends"].as_array().unwrap().clone();
    let said: Vec<(&str, &str)> = sends.iter().map(|send| (text(send, "what"), text(send, "trade_id"))).collect();
    let bracket = |id| ("cancel_bracket", id);
    let sale = |id| ("sell_at_market", id);
    let wanted = [bracket(&*first), ("cancel_entry", &*entry), bracket(&*second), sale(&*first), sale(&*second)];
    assert_eq!(said, wanted);

    // Three entries and two brackets have used up the reads of this minute: it is over.
    floor.put_on(chrono::TimeDelta::seconds(90));
    let (_, from) = floor.ledger(0).await;
    let done = floor.ask("POST", "/v1/flatten", &json!({})).await.unwrap();
    assert_eq!(done["sends"], drill["sends"]);
    floor.until("the first is closed", &first, is_closed).await;
    floor.until("the second is closed", &second, is_closed).await;
    floor.until("the entry is cancelled", &entry, |trade| trade.status == TradeStatus::Canceled).await;
    let (entries, _) = floor.ledger(from).await;
    let is = |entry: &Value, what: &str| entry["fact"] == what;
    let sent = entries.iter().filter_map(|entry| {
        let number = || entry["path"].as_str().and_then(|path| path.rsplit('/').next());
        let cancel = is(entry, "request") && entry["method"] == "DELETE";
        let sale = is(entry, "placed") && !entry["tag"].is_null();
        match (cancel, sale) {
            (true, _) => number().map(|number| format!("cancel {number}")),
            (_, true) => Some(format!("sell {} of {}", entry["quantity"], text(entry, "symbol"))),
            (false, false) => None,
        }
    });
    let wanted = sends.iter().map(|send| match text(send, "what") {
        "sell_at_market" => format!("sell {} of {}", send["qty"], text(send, "option_symbol")),
        _ => format!("cancel {}", text(send, "order_id")),
    });
    let (mut sent, mut wanted): (Vec<String>, Vec<String>) = (sent.collect(), wanted.collect());
    // Each sale leaves when its own bracket is gone: which of them that is first, the broker decides.
    for sales in [&mut sent, &mut wanted].into_iter().filter_map(|all| all.get_mut(3..)) {
        sales.sort();
    }
    assert_eq!(sent, wanted, "by the broker's own books: {entries:#?}");
    assert_eq!((floor.position().await.as_str(), floor.working().await.len()), ("0", 0));
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_of_somebody_else_is_taken_up_and_protected() {
    let mut floor = Floor::open().await;
    let symbol = floor.contract.occ();
    floor.act(json!({ "do": "move_position", "account": "6YA00001", "symbol": symbol, "quantity": 2, "reason": "transfer" })).await;
    let adopted = json!({ "option_symbol": symbol, "qty": 2, "sl_price": "4.00", "strategy": "inherited" });
    let trade = floor.ask("POST", "/v1/positions/adopt", &adopted).await.unwrap();
    let id = text(&trade, "id").to_owned();
    floor.until("it is protected", &id, is_protected).await;
    let working = floor.working().await;
    assert_eq!((working.len(), working[0].stop_price), (1, "4.00".parse().ok()));
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_in_the_evening_waits_for_the_open_and_can_be_taken_back() {
    let mut floor = Floor::open().await;
    let id = floor.hold().await;
    // Eight in the evening by the daemon's clock.
    floor.put_on(chrono::TimeDelta::hours(9));
    let waiting = floor.of_trade(&id, "close", json!({ "version": 1, "at_open": true })).await.unwrap();
    assert_eq!(text(&waiting, "desired"), "FLAT");
    let back = floor.ask("DELETE", &format!("/v1/trades/{id}/close"), &json!({ "version": 2 })).await.unwrap();
    assert_eq!((text(&back, "desired"), &back["version"]), ("HOLD", &json!(3)));
    assert_eq!(floor.working().await.len(), 1, "the bracket stays while the market is closed");
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_of_two_devices_is_told_how_far_it_got() {
    let mut floor = Floor::open().await;
    let id = floor.hold().await;
    let path = format!("/v1/trades/{id}/close");
    let asked = (0..8).map(|device: usize| {
        let (path, key, name) = (path.clone(), format!("device-{device}"), format!("phone {device}"));
        let client = floor.client();
        async move {
            let headers = [("idempotency-key", key.as_str()), ("blotter-device", name.as_str())];
            client.await.send("POST", &path, &headers, r#"{"version":1}"#).await
        }
    });
    let answers = futures_util::future::join_all(asked).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|reply| reply.status == StatusCode::OK);
    assert_eq!((won.len(), lost.len()), (1, 7));
    for reply in lost {
        let problem = reply.problem();
        assert_eq!(problem.code, ProblemCode::AlreadyClosing);
        assert!(problem.detail.starts_with("already closing, step "), "{}", problem.detail);
        assert_eq!((problem.local_version, problem.remote_version), (Some(1), Some(2)));
    }
    floor.until("it is closed", &id, is_closed).await;
    assert_eq!(floor.ours().await.len(), 3, "an entry, a bracket and one sale");
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_used_again_does_nothing_again() {
    let floor = Floor::open().await;
    let body = floor.signal().to_string();
    let mut client = floor.client().await;
    let first = client.act("POST", "/v1/trades", "one", &body).await;
    // The broker is away by then: a repeat asks nobody.
    floor.act(json!({ "do": "fault", "fault": { "kind": "unavailable", "endpoint": "quotes" } })).await;
    let again = client.act("POST", "/v1/trades", "one", &body).await;
    assert_eq!((first.status, &first.body), (StatusCode::OK, &again.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = body.replace("7.00", "8.00");
    let reused = client.act("POST", "/v1/trades", "one", &other).await.problem();
    assert_eq!(reused.code, ProblemCode::KeyReused);
    assert_eq!(floor.count("SELECT count(*) FROM paper_trades").await, 1);
    floor.daemon.stop().await.unwrap();
}

/// The trade is asked for beside the key, so that its lock is waited for; the first answer needs none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_used_again_is_answered_whoever_has_the_trade() {
    let mut floor = Floor::open().await;
    let id = floor.hold().await;
    let (path, body) = (format!("/v1/trades/{id}/close"), r#"{"version":1}"#);
    let mut client = floor.client().await;
    let first = client.act("POST", &path, "once", body).await;
    floor.until("it is closed", &id, is_closed).await;
    let somebody = floor.db.admin().await;
    somebody.batch_execute(&format!("BEGIN; SELECT FROM paper_trades WHERE id = '{id}' FOR UPDATE")).await.unwrap();
    let again = client.act("POST", &path, "once", body).await;
    assert_eq!((again.status, &again.body), (StatusCode::OK, &first.body), "{again:?}");
    assert_eq!(again.headers["idempotency-replayed"], "true");
    somebody.rollback().await;
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trade_tells_how_far_it_is_and_then_its_story() {
    let mut floor = Floor::open().await;
    let id = floor.hold().await;
    let slow = json!({ "kind": "latency", "method": "DELETE", "ms": 2000, "count": 1 });
    floor.act(json!({ "do": "fault", "fault": slow })).await;
    let headers = [("idempotency-key", "close"), ("blotter-device", "phone")];
    let path = format!("/v1/trades/{id}/close");
    let closing: Trade = floor.client().await.send("POST", &path, &headers, r#"{"version":1}"#).await.json();
    assert_eq!(closing.step, Some(Step::CloseBracketNext));
    floor.until("the cancel is on its way", &id, |trade| trade.step == Some(Step::CloseBracketLeaves)).await;
    let trade = floor.until("it is closed", &id, is_closed).await;
    assert_eq!(trade.step, None);

    let story: Timeline = serde_json::from_value(floor.get(&format!("/v1/trades/{id}/timeline")).await).unwrap();
    let told: Vec<&str> = story.moments.iter().map(|moment| moment.what.as_str()).collect();
    let mut from = 0;
    for wanted in [
        "asked to buy: limit 5.10, contracts 2, stop 4.00, target 7.00",
        "the trade begins",
        "the entry (2 at 5.10) is sent",
        "the entry (2 at 5.10) was taken by the broker as order ",
        "2 bought at 5.10",
        // A machine that is busy may look in between, and see it work first.
        "→ FILLED",
        "the bracket (2 with stop 4.00 and target 7.00) is sent",
        "asked to close",
        "the cancel of the bracket is sent",
        "the bracket (2 with stop 4.00 and target 7.00) is cancelled at the broker",
        "the sale (2 at the market) is sent",
        "2 sold at 5.00",
        "→ CLOSED (MANUAL_CLOSE)",
    ] {
        let found = told.iter().skip(from).position(|what| what.contains(wanted));
        from += found.unwrap_or_else(|| panic!("`{wanted}` is missing after line {from} of {told:#?}")) + 1;
    }
    let asked = story.moments.iter().find(|moment| moment.what == "asked to close").unwrap();
    assert_eq!((asked.kind, asked.device.as_deref()), (MomentKind::Asked, Some("phone")));
    let nobody = floor.client().await.get("/v1/trades/01930000-0000-7000-8000-00000000dead/timeline").await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    floor.daemon.stop().await.unwrap();
}
