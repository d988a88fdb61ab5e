//! Whatever a source answers: a visible consequence, never a wrong number.

use blotter_daemon::prices::Round;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::rig::{CALL, Orats, PUT, Rig, Says};

const NOON: &str = "2026-11-20T17:00:00Z";
const ROW: &str = "SELECT format('%s/%s %s %s', mark_kind, quality, mark_price, source) FROM price_snapshots ORDER BY ts DESC LIMIT 1";
const VALUE: &str = "SELECT format('%s %s', current_price, unrealized_pnl) FROM paper_trades";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotes_that_cannot_be_trusted_are_stored_as_such_and_value_nothing() {
    let rig = Rig::start(NOON).await;
    rig.hold(1, CALL).await;
    rig.say(CALL, Says::new(6.00, 6.10));
    rig.record(Round::Session).await;
    let valued = "6.0500 210.0000";
    let old = |age| Says { age, ..Says::new(9.00, 9.10) };
    for (minute, says, row) in [
        (1, Says { bid: Value::Null, ask: Value::Null, ..Says::new(0.0, 0.0) }, "NONE/WIDE  SIM"),
        (2, Says::new(0.0, 0.0), "NONE/WIDE  SIM"),
        (3, Says::new(9.00, 5.00), "NONE/CROSSED  SIM"),
        (4, old(TimeDelta::hours(20)), "MID/STALE 9.0500 SIM"),
        (5, old(TimeDelta::minutes(6)), "MID/STALE 9.0500 SIM"),
        // Their clock is an hour ahead of ours.
        (6, old(TimeDelta::hours(-1)), "MID/STALE 9.0500 SIM"),
    ] {
        rig.set(&format!("2026-11-20T17:{minute:02}:00Z"));
        rig.say(CALL, says);
        let report = rig.record(Round::Session).await;
        assert_eq!((report.recorded, report.unfit), (1, 1), "{row}");
        assert_eq!(rig.text(ROW).await, row);
        assert_eq!(rig.text(VALUE).await, valued, "{row}");
    }
    rig.world.lock().unwrap().quotes.remove(CALL);
    rig.set("2026-11-20T17:10:00Z");
    let report = rig.record(Round::Session).await;
    assert_eq!((report.recorded, report.unquoted), (0, 1), "a contract that nobody knows");
    assert!(report.is_blind() && report.to_string() == "0 of 1 positions, 1 without a quote", "{report}");
    assert_eq!(rig.text("SELECT last_updated FROM paper_trades").await, "2026-11-20 17:00:00+00", "and its age shows");
    rig.set("2026-11-20T17:11:00Z");
    rig.say(CALL, Says::new(6.00, 9.00));
    rig.record(Round::Session).await;
    assert_eq!(rig.text(ROW).await, "MID/WIDE 7.5000 SIM");
    assert_eq!(
        rig.text("SELECT format('%s %s', current_price, max_gain) FROM paper_trades").await,
        "7.5000 21.0000",
        "shown, and no best"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orats_that_answers_nonsense_costs_nothing_but_its_greeks() {
    for broken in [Orats::Html, Orats::NotFound, Orats::Broken] {
        let rig = Rig::with_orats(NOON, broken.clone()).await;
        rig.hold(1, PUT).await;
        rig.say(PUT, Says::new(4.00, 4.10));
        let report = rig.record(Round::Session).await;
        assert_eq!(report.recorded, 1, "{broken:?}");
        assert_eq!(rig.text(ROW).await, "MID/GOOD 4.0500 SIM", "{broken:?}");
    }
    let calls_delta = [(PUT.to_owned(), Says { delta: json!(0.6), ..Says::new(4.00, 4.10) })];
    let rig = Rig::with_orats(NOON, Orats::Rows(calls_delta.into())).await;
    rig.hold(1, PUT).await;
    rig.record(Round::Session).await;
    assert_eq!(rig.text(ROW).await, "MID/GOOD 4.0500 ORATS");
    assert_eq!(
        rig.text("SELECT coalesce(delta::text, 'none') FROM price_snapshots").await,
        "none",
        "a put has no call's delta"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_down_is_counted_and_orats_prices_are_not_lost_with_it() {
    let rig = Rig::start(NOON).await;
    rig.hold(1, CALL).await;
    rig.world.lock().unwrap().broker_down = true;
    let report = rig.record(Round::Session).await;
    assert_eq!((report.positions, report.recorded, report.silent), (1, 0, 1));
    assert!(report.is_blind());
    let rows = [(CALL.to_owned(), Says::new(6.00, 6.10))];
    let rig = Rig::with_orats(NOON, Orats::Rows(rows.into())).await;
    rig.hold(1, CALL).await;
    rig.world.lock().unwrap().broker_down = true;
    assert_eq!(rig.record(Round::Session).await.recorded, 1);
    assert_eq!(rig.text(ROW).await, "MID/GOOD 6.0500 ORATS");
}
