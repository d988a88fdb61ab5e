//! Every refusal of a command, with its own code and sentence; nothing has changed after it.

use std::collections::BTreeSet;

use blotter_shared::domain::TradeStatus;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::floor::{Floor, is_closed};
use crate::api::codes::OF_TRADES;
use crate::support::insert_trade;

/// What must be refused, and the words that the sentence has.
type Case = (&'static str, Value, &'static str, &'static str);

/// Asks, and checks code, words and that nothing has changed.
async fn refused(floor: &mut Floor, path: &str, body: &Value, (code, words): (&str, &str)) -> Problem {
    let before = durable(floor).await;
    let problem = floor.ask("POST", path, body).await.expect_err(&format!("{path} {body} was done"));
    assert_eq!(problem.code.as_str(), code, "{path} {body}: {problem:?}");
    assert!(problem.detail.contains(words), "{path} {body}: `{words}` is not in `{}`", problem.detail);
    assert_eq!(durable(floor).await, before, "{path} {body} changed something");
    *problem
}

/// How many trades and commands there are, and all versions together.
async fn durable(floor: &Floor) -> (i64, i64) {
    let trades = "SELECT count(*) * 1000 + coalesce(sum(version), 0)::bigint FROM paper_trades";
    (floor.count(trades).await, floor.count("SELECT count(*) FROM audit_log").await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_refused_with_a_reason_of_their_own() {
    let mut floor = Floor::open().await;
    let mut seen = BTreeSet::new();
    let wrong: [Case; 12] = [
        ("option_symbol", json!("NVDA"), "invalid", "OCC symbol"),
        ("option_symbol", json!("SPY200117C00300000"), "expired", "has expired"),
        ("option_symbol", json!("SPY261218C09900000"), "no_quote", "no quote on both sides"),
        ("qty", json!(0), "invalid", "at least 1"),
        ("qty", json!(-1), "invalid", "qty"),
        ("limit", json!("5.105"), "off_grid", "5.105 is not on the price grid"),
        ("sl_price", json!("4.005"), "off_grid", "the stop 4.005 is not on the price grid: the step is 0.01"),
        ("sl_price", json!("5.00"), "stop_not_below_bid", "the stop 5.00 is not below the bid 5.00"),
        ("tp_price", json!("5.00"), "target_not_above_bid", "the target 5.00 is not above the bid 5.00"),
        ("tp_price", json!("4.05"), "legs_too_near", "at least 0.10 apart"),
        ("strategy", json!("s".repeat(61)), "invalid", "at most 60 characters"),
        ("sl_price", Value::Null, "limit_broken", "stop_required is none, the limit is a stop"),
    ];
    for (field, value, code, words) in wrong {
        let mut signal = floor.signal();
        signal[field] = value;
        seen.insert(refused(&mut floor, "/v1/trades", &signal, (code, words)).await.code);
    }
    by_limits(&mut floor).await;
    let signal = floor.signal();
    floor.act(json!({ "do": "fault", "fault": { "kind": "unavailable", "endpoint": "quotes", "count": 40 } })).await;
    seen.insert(refused(&mut floor, "/v1/trades", &signal, ("broker_unavailable", "nothing was done")).await.code);
    floor.act(json!({ "do": "clear_faults" })).await;

    let adopt = |qty: u32| json!({ "option_symbol": floor.contract.occ(), "qty": qty });
    let (one, two) = (adopt(1), adopt(2));
    seen.insert(refused(&mut floor, "/v1/positions/adopt", &one, ("no_position", "the account holds no")).await.code);
    floor.hold().await;
    seen.insert(refused(&mut floor, "/v1/trades", &signal, ("symbol_taken", "is alive already")).await.code);
    seen.insert(refused(&mut floor, "/v1/positions/adopt", &two, ("symbol_taken", "is alive already")).await.code);

    floor.take_lease().await;
    let other = json!({ "option_symbol": "SPY261218C00700000", "qty": 1, "sl_price": "0.01" });
    floor.ask("PUT", "/v1/kill-switch", &json!({ "stopped": true })).await.unwrap();
    seen.insert(refused(&mut floor, "/v1/trades", &other, ("entries_stopped", "the kill switch is set")).await.code);
    floor.ask("PUT", "/v1/kill-switch", &json!({ "stopped": false })).await.unwrap();
    floor.sql(r#"UPDATE account_facts SET facts = facts || '{"halted": "look at it"}'"#).await;
    let halted = ("halted", "sending has stopped: look at it");
    seen.insert(refused(&mut floor, "/v1/trades", &other, halted).await.code);
    floor.sql(r#"UPDATE account_facts SET facts = facts || '{"halted": null}'"#).await;
    floor.put_on(TimeDelta::hours(9));
    seen.insert(
        refused(&mut floor, "/v1/trades", &other, ("market_closed", "the market opens at 2026-09-11")).await.code,
    );
    floor.daemon.stop().await.unwrap();

    let expected = [
        ProblemCode::Invalid,
        ProblemCode::BrokerUnavailable,
        ProblemCode::MarketClosed,
        ProblemCode::NoQuote,
        ProblemCode::Expired,
        ProblemCode::OffGrid,
        ProblemCode::StopNotBelowBid,
        ProblemCode::TargetNotAboveBid,
        ProblemCode::LegsTooNear,
        ProblemCode::SymbolTaken,
        ProblemCode::EntriesStopped,
        ProblemCode::Halted,
        ProblemCode::LimitBroken,
        ProblemCode::NoPosition,
    ];
    assert_eq!(seen, expected.into());
    covered(&expected);
}

/// Each broken limit is named with its setting and value.
async fn by_limits(floor: &mut Floor) {
    floor.settings(json!({ "max_positions": 0 })).await;
    let signal = floor.signal();
    let limit = refused(floor, "/v1/trades", &signal, ("limit_broken", "max_positions is 1, the limit is 0")).await;
    assert_eq!(limit.limit.as_deref(), Some("max_positions"));
    assert_eq!((limit.broken_limits[0].setting.as_str(), limit.broken_limits[0].value.as_str()), ("0", "1"));
    floor.settings(json!({ "max_positions": 9, "heat_limit_pct": "0.1" })).await;
    refused(floor, "/v1/trades", &signal, ("limit_broken", "heat_limit_pct")).await;
    floor.settings(json!({ "heat_limit_pct": "6" })).await;
    // What is looser counts from the next day on: here it is the next day.
    floor.sql("UPDATE user_settings SET limits_before = NULL, limits_day = NULL").await;
}

/// The other half of the codes of commands.
const OF_CHANGES: [ProblemCode; 8] = [
    ProblemCode::AlreadyClosing,
    ProblemCode::Ended,
    ProblemCode::NothingHeld,
    ProblemCode::EntryWorking,
    ProblemCode::QuantityTooLarge,
    ProblemCode::PartWithLimit,
    ProblemCode::NothingToChange,
    ProblemCode::AlreadyBegun,
];

/// No code of commands is left out by both tests.
fn covered(entries: &[ProblemCode]) {
    let both: BTreeSet<_> = entries.iter().chain(&OF_CHANGES).copied().collect();
    assert!(OF_TRADES.iter().all(|code| both.contains(code)), "{both:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_refused_with_a_reason_of_their_own() {
    let mut floor = Floor::open().await;
    let mut seen = BTreeSet::new();
    let nobody = "/v1/trades/01930000-0000-7000-8000-00000000dead/close";
    refused(&mut floor, nobody, &json!({ "version": 1 }), ("not_found", "")).await;
    let id = floor.hold().await;
    let of = |deed: &str| format!("/v1/trades/{id}/{deed}");
    let wrong: [Case; 14] = [
        ("close", json!({ "version": 7 }), "stale_version", "you have version 7, it is now version 1"),
        (
            "adjust",
            json!({ "version": 0, "new_sl": "4.10" }),
            "stale_version",
            "you have version 0, it is now version 1",
        ),
        ("close", json!({ "version": 1, "qty": 0 }), "invalid", "at least 1"),
        (
            "close",
            json!({ "version": 1, "qty": 3 }),
            "quantity_too_large",
            "2 are held and to be kept, 3 were asked for",
        ),
        (
            "close",
            json!({ "version": 1, "qty": 1, "limit": "6.00" }),
            "part_with_limit",
            "a part is closed at the market",
        ),
        ("close", json!({ "version": 1, "limit": "6.005" }), "off_grid", "6.005 is not on the price grid"),
        ("close", json!({ "version": 1, "price": "6.00" }), "invalid", "price"),
        ("adjust", json!({ "version": 1, "new_sl": "4.005" }), "off_grid", "the step is 0.01"),
        ("adjust", json!({ "version": 1, "new_sl": "5.00" }), "stop_not_below_bid", "it would sell at once"),
        ("adjust", json!({ "version": 1, "new_tp": "5.00" }), "target_not_above_bid", "it would sell at once"),
        (
            "adjust",
            json!({ "version": 1, "new_sl": "4.00" }),
            "nothing_to_change",
            "these are its stop and target already",
        ),
        ("adjust", json!({ "version": 1, "new_sl": "4.00", "break_even": true }), "invalid", "new_sl"),
        ("cancel", json!({ "version": 1 }), "nothing_to_change", "no entry of this trade works"),
        ("protect", json!({ "version": 2 }), "stale_version", "it is now version 1"),
    ];
    for (deed, body, code, words) in wrong {
        seen.insert(refused(&mut floor, &of(deed), &body, (code, words)).await.code);
    }
    let gone = floor.ask("DELETE", &of("close"), &json!({ "version": 1 })).await.unwrap_err();
    assert_eq!(gone.code, ProblemCode::NothingToChange);
    floor.pin("0", "0").await;
    refused(&mut floor, &of("adjust"), &json!({ "version": 1, "new_sl": "4.10" }), ("no_quote", "there is no bid"))
        .await;
    floor.pin("5.00", "5.10").await;

    seen.extend(while_it_closes(&mut floor, &id).await);
    floor.daemon.stop().await.unwrap();
    let missing: Vec<_> =
        OF_CHANGES.iter().filter(|code| !seen.contains(code) && !OF_UNFILLED.contains(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Refusals of a trade that is on its way out, and then at its end.
async fn while_it_closes(floor: &mut Floor, id: &str) -> BTreeSet<ProblemCode> {
    let mut seen = BTreeSet::new();
    let of = |deed: &str| format!("/v1/trades/{id}/{deed}");
    // The answer to the cancel of the bracket takes its time: the close has begun and is not through.
    let slow = json!({ "kind": "latency", "method": "DELETE", "ms": 4000, "count": 1 });
    floor.act(json!({ "do": "fault", "fault": slow })).await;
    floor.of_trade(id, "close", json!({ "version": 1 })).await.unwrap();
    let begun = "SELECT count(*) FROM intents WHERE version = 2";
    until(floor, begun).await;
    for deed in ["close", "adjust"] {
        let body = json!({ "version": 1 });
        let problem = refused(floor, &of(deed), &body, ("already_closing", "already closing, step ")).await;
        assert_eq!((problem.local_version, problem.remote_version), (Some(1), Some(2)));
        seen.insert(problem.code);
    }
    let late = floor.ask("DELETE", &of("close"), &json!({ "version": 2 })).await.unwrap_err();
    assert!(late.detail.contains("it has begun, step "), "{late:?}");
    seen.insert(late.code);
    floor.until("it is closed", id, is_closed).await;
    seen.insert(refused(floor, &of("close"), &json!({ "version": 2 }), ("ended", "this trade is CLOSED")).await.code);
    seen
}

/// What only a trade is refused for that is not wholly filled, or whose position differs.
const OF_UNFILLED: [ProblemCode; 2] = [ProblemCode::NothingHeld, ProblemCode::EntryWorking];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_what_is_not_held_as_believed_are_refused() {
    let mut floor = Floor::open().await;
    let mut signal = floor.signal();
    signal["limit"] = json!("4.50");
    let placed = floor.ask("POST", "/v1/trades", &signal).await.unwrap();
    let id = placed["id"].as_str().unwrap().to_owned();
    floor.until("the entry works", &id, |trade| trade.status == TradeStatus::Open).await;
    let of = |deed: &str| format!("/v1/trades/{id}/{deed}");
    let mut seen = BTreeSet::new();
    for (deed, body) in [
        ("protect", json!({ "version": 1 })),
        ("close", json!({ "version": 1, "qty": 1 })),
        ("close", json!({ "version": 1, "limit": "6.00" })),
    ] {
        seen.insert(
            refused(&mut floor, &of(deed), &body, ("nothing_held", "nothing is held of this trade")).await.code,
        );
    }
    floor.take_lease().await;
    floor.sql(r#"UPDATE trade_facts SET marks = marks || '{"held": 1}'"#).await;
    seen.insert(
        refused(
            &mut floor,
            &of("close"),
            &json!({ "version": 1, "qty": 1 }),
            ("entry_working", "cancel its rest first"),
        )
        .await
        .code,
    );
    floor.daemon.stop().await.unwrap();
    assert_eq!(seen, OF_UNFILLED.into());
}

async fn until(floor: &Floor, sql: &str) {
    let mut looks = crate::support::looks();
    let reached = tokio::time::timeout(crate::support::DEADLINE, async {
        while floor.count(sql).await == 0 {
            looks.tick().await;
        }
    });
    assert!(reached.await.is_ok(), "waited for: {sql}");
}

/// Half past four is late for everybody, five past four is not for options on broad funds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contract_that_trades_until_a_quarter_past_is_closed_until_then() {
    let mut floor = Floor::open().await;
    let id = floor.hold().await;
    let close = json!({ "version": 1 });
    floor.put_on(TimeDelta::minutes(330));
    let late = floor.of_trade(&id, "close", close.clone()).await.unwrap_err();
    assert_eq!(late.code, ProblemCode::MarketClosed, "{late:?}");
    floor.put_on(TimeDelta::minutes(305));
    let closing = floor.of_trade(&id, "close", close).await.unwrap();
    assert_eq!(closing["desired"], json!("FLAT"), "{closing}");
    floor.daemon.stop().await.unwrap();
}

/// The broker has no word for a halt: what it shows is a contract without quotes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halted_contract_refuses_whatever_needs_a_price() {
    let mut floor = Floor::open().await;
    let signal = floor.signal();
    floor.pin("0", "0").await;
    let words = ("no_quote", "has no quote on both sides: it is halted");
    refused(&mut floor, "/v1/trades", &signal, words).await;
    floor.pin("5.00", "5.10").await;
    let id = floor.hold().await;
    let before = floor.working().await;
    floor.pin("0", "0").await;
    for change in [json!({ "new_sl": "4.10" }), json!({ "new_tp": "8.00" }), json!({ "break_even": true })] {
        let mut body = change;
        body["version"] = json!(1);
        let words = ("no_quote", "there is no bid to judge the bracket by: the contract is halted");
        refused(&mut floor, &format!("/v1/trades/{id}/adjust"), &body, words).await;
    }
    assert_eq!(floor.working().await, before, "the bracket is left alone");
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_about_a_trade_of_another_user_find_none() {
    const THEIRS: &str = "0190f3d0-0000-7000-8000-00000000beef";
    let mut floor = Floor::open().await;
    floor.sql(&insert_trade("somebody_else", THEIRS, &[])).await;
    for (deed, body) in [
        ("close", json!({ "version": 1 })),
        ("adjust", json!({ "version": 1, "new_sl": "4.10" })),
        ("protect", json!({ "version": 1 })),
        ("cancel", json!({ "version": 1 })),
    ] {
        refused(&mut floor, &format!("/v1/trades/{THEIRS}/{deed}"), &body, ("not_found", "")).await;
    }
    floor.daemon.stop().await.unwrap();
}
