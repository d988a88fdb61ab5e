//! What the market was like at an entry: gathered once, beside the engine, with a reason for whatever is
//! missing.

use blotter_daemon::broker::Priority;
use blotter_daemon::broker::rate_limit::BucketKind;
use blotter_daemon::context::Collector;
use blotter_shared::domain::BrokerMode;
use chrono::{Days, NaiveDate, NaiveDateTime, TimeDelta};
use serde_json::{Value, json};

use crate::prices::rig::{CALL, Rig, Says};
use crate::support::user;

const NOON: &str = "2026-11-20T17:00:00Z";

/// A trade that is just being placed.
async fn place(rig: &Rig, created: &str) {
    rig.hold(1, CALL).await;
    // The row as the engine makes it says when; a test writes it a little differently.
    let sql = format!(
        "ALTER TABLE paper_trades DISABLE TRIGGER USER; UPDATE paper_trades SET created_at = '{created}'; ALTER TABLE paper_trades ENABLE TRIGGER USER"
    );
    rig.admin.batch_execute(&sql).await.unwrap();
}

async fn column(rig: &Rig, name: &str) -> Value {
    serde_json::from_str(&rig.text(&format!("SELECT {name} FROM paper_trades")).await).unwrap()
}

/// The keys of an object and of its objects, but for the reasons.
fn keys(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in value.as_object().unwrap().iter().filter(|(key, _)| *key != "missing") {
        match value {
            Value::Object(_) => found.extend(keys(value).into_iter().map(|inner| format!("{key}.{inner}"))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                found.push(key.clone());
            }
        }
    }
    found.sort();
    found
}

/// Two hours of bars, and most of a year of days.
fn with_bars(rig: &Rig) {
    let start: NaiveDateTime = "2026-11-20T09:30:00".parse().unwrap();
    let minute = |n: i32| {
        let at = start + TimeDelta::minutes(n.into());
        (at.format("%Y-%m-%dT%H:%M:%S").to_string(), 600.0 + f64::from(n * 37 % 11) / 10.0)
    };
    let first = NaiveDate::from_ymd_opt(2026, 2, 1).unwrap();
    let day = |n: u32| ((first + Days::new(n.into())).to_string(), 500.0 + f64::from(n * 13 % 29));
    let mut world = rig.world.lock().unwrap();
    world.bars = (0..120).map(minute).collect();
    world.daily = (0..280).map(day).collect();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_context_has_the_papers_keys_and_is_stored_once() {
    let rig = Rig::start(NOON).await;
    rig.say(CALL, Says { delta: json!(0.55), ..Says::new(4.50, 4.60) });
    with_bars(&rig);
    place(&rig, "2026-11-20 16:59:55+00").await;
    let collector = Collector::new(rig.recorder.clone());
    assert_eq!(collector.look().await.unwrap(), 1);

    let signals = column(&rig, "signals_snapshot").await;
    let papers = [
        "15m.rsi",
        "15m.squeeze",
        "1h.trend",
        "1m.ema_9_21_cross",
        "1m.macd_hist",
        "1m.rsi",
        "5m.ema_9_21_cross",
        "5m.macd_hist",
        "5m.rsi",
        "daily.dist_from_200sma",
        "daily.trend",
    ];
    assert_eq!(keys(&signals), papers);
    assert!(signals["1m"]["rsi"].is_f64() && signals["daily"]["dist_from_200sma"].is_f64(), "{signals}");
    assert_eq!(signals["missing"], json!({ "1h.trend": "too few bars" }), "two hours of bars are no trend");
    let book = column(&rig, "order_book_state").await;
    assert_eq!(
        keys(&book),
        [
            "ask",
            "bid",
            "greeks.delta",
            "greeks.gamma",
            "greeks.iv",
            "greeks.theta",
            "greeks.vega",
            "open_interest",
            "spread_pct",
            "volume"
        ]
    );
    assert_eq!(
        (&book["bid"], &book["spread_pct"], &book["greeks"]["delta"], &book["greeks"]["iv"]),
        (&json!(4.5), &json!(2.1978), &json!(0.55), &json!(20))
    );
    assert_eq!(book["missing"], json!({ "open_interest": "the broker does not say" }));
    check_regime(&column(&rig, "market_regime").await);
    assert_eq!(
        rig.text("SELECT format('%s %s', delta_at_entry, iv_at_entry) FROM paper_trades").await,
        "0.550000 0.200000"
    );

    rig.say(CALL, Says::new(9.00, 9.10));
    assert_eq!(collector.look().await.unwrap(), 0, "once");
    assert_eq!(column(&rig, "order_book_state").await, book);
    rig.admin.batch_execute("BEGIN").await.unwrap();
    let refused = rig.admin.refused("UPDATE paper_trades SET order_book_state = '{}'").await;
    assert_eq!(refused.0, "paper_trades_once");
}

fn check_regime(regime: &Value) {
    assert_eq!(
        keys(regime),
        [
            "market_internals.ad_line",
            "market_internals.put_call_ratio",
            "sector.correlation_30d",
            "sector.pct_change",
            "sector.ticker",
            "spy.pct_change",
            "spy.price",
            "spy.vix"
        ]
    );
    assert_eq!((&regime["spy"]["price"], &regime["spy"]["pct_change"]), (&json!(600.5), &json!(0.0833)));
    assert_eq!(regime["missing"]["sector"], "no sector is known for SPY");
    assert!(regime["missing"]["market_internals.put_call_ratio"].is_string(), "{regime}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_is_null_with_a_reason() {
    let rig = Rig::start(NOON).await;
    rig.world.lock().unwrap().broker_down = true;
    place(&rig, "2026-11-20 16:59:55+00").await;
    let collector = Collector::new(rig.recorder.clone());
    assert_eq!(collector.look().await.unwrap(), 1);
    for (name, reason) in [("signals_snapshot", "1m"), ("market_regime", "*"), ("order_book_state", "*")] {
        let value = column(&rig, name).await;
        let why = value["missing"][reason].as_str().unwrap_or_else(|| panic!("{name}: {value}"));
        assert!(!why.is_empty());
        assert!(!value.to_string().contains("NaN"), "{value}");
    }
    assert_eq!(column(&rig, "order_book_state").await["bid"], Value::Null);
    assert_eq!(collector.look().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_that_cannot_be_trusted_and_an_entry_long_past_have_no_numbers() {
    let rig = Rig::start(NOON).await;
    rig.say(CALL, Says { age: TimeDelta::hours(20), ..Says::new(4.50, 4.60) });
    place(&rig, "2026-11-20 16:59:55+00").await;
    Collector::new(rig.recorder.clone()).look().await.unwrap();
    let book = column(&rig, "order_book_state").await;
    assert_eq!((&book["bid"], &book["missing"]["bid"]), (&Value::Null, &json!("the quote is STALE")));

    let rig = Rig::start(NOON).await;
    rig.say(CALL, Says::new(4.50, 4.60));
    place(&rig, "2026-11-20 16:30:00+00").await;
    Collector::new(rig.recorder.clone()).look().await.unwrap();
    let book = column(&rig, "order_book_state").await;
    assert_eq!(
        (&book["bid"], &book["missing"]["*"]),
        (&Value::Null, &json!("the daemon was not there within ten minutes of the entry"))
    );
    assert_eq!(rig.asked("quotes").len(), 0, "nothing is asked for what is past");
}

/// Others use up the reads of a minute that are for those who only look.
async fn crowd(rig: &Rig) {
    let account = rig.recorder.accounts.open(&user("ann"), BrokerMode::Sim).await.unwrap();
    while account.tradier.limiter().left(BucketKind::MarketData, Priority::Read) > 20 {
        account.market.quotes(&[CALL.to_owned()], Priority::Read).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_context_waits_while_others_need_the_minutes_reads() {
    let rig = Rig::start(NOON).await;
    rig.say(CALL, Says::new(4.50, 4.60));
    place(&rig, "2026-11-20 16:59:55+00").await;
    let collector = Collector::new(rig.recorder.clone());
    crowd(&rig).await;
    let asked = rig.asked("markets").len();
    assert_eq!(collector.look().await.unwrap(), 0, "it waits for room");
    assert_eq!(rig.asked("markets").len(), asked, "and asks for nothing meanwhile");

    rig.set("2026-11-20T17:01:30Z");
    assert_eq!(collector.look().await.unwrap(), 1, "another minute has room");
    assert!(!rig.asked("timesales").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_context_does_not_wait_for_ever() {
    let rig = Rig::start(NOON).await;
    rig.say(CALL, Says::new(4.50, 4.60));
    place(&rig, "2026-11-20 16:59:55+00").await;
    let collector = Collector::new(rig.recorder.clone());
    rig.set("2026-11-20T17:02:50Z");
    crowd(&rig).await;
    assert_eq!(collector.look().await.unwrap(), 0, "not three minutes old");
    rig.set("2026-11-20T17:03:00Z");
    crowd(&rig).await;
    assert_eq!(collector.look().await.unwrap(), 1, "with what is left");
}
