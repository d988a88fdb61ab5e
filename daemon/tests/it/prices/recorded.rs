//! What is stored: prices in one transaction with the trade's own, bookends, packed days.

use std::pin::Pin;

use blotter_daemon::broker::{AccountStatus, Priority};
use blotter_daemon::calendar::{Force, Hours};
use blotter_daemon::prices::Round;
use blotter_daemon::prices::retention::{Keep, Retention, Tidied, history};
use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::prices::LivePrices;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::rig::{CALL, Orats, PUT, Rig, Says};
use crate::support::user;

const NOON: &str = "2026-11-20T17:00:00Z";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_is_one_call_and_one_row_for_each_position_and_values_it() {
    let rig = Rig::start(NOON).await;
    let (call, _) = (rig.hold(1, CALL).await, rig.hold(2, PUT).await);
    rig.say(CALL, Says { delta: json!(0.55), ..Says::new(6.00, 6.10) });
    rig.say(PUT, Says { delta: json!(-0.45), ..Says::new(4.40, 4.50) });
    let report = rig.record(Round::Session).await;
    assert_eq!((report.positions, report.recorded, report.unfit, report.silent), (2, 2, 0, 0));
    assert_eq!(rig.asked("quotes").len(), 1, "{:?}", rig.asked("quotes"));
    let row = format!("SELECT format('%s %s %s %s %s %s %s %s %s', mark_price, mark_kind, bid, ask, delta, iv, underlying, source, quality)
                         FROM price_snapshots WHERE trade_id = '{call}'");
    assert_eq!(rig.text(&row).await, "6.0500 MID 6.0000 6.1000 0.550000 0.200000 600.5000 SIM GOOD");
    let trade = "SELECT string_agg(format('%s %s %s %s', current_price, unrealized_pnl, max_gain, max_drawdown), ', ' ORDER BY number) FROM paper_trades";
    assert_eq!(rig.text(trade).await, "6.0500 210.0000 21.0000 0.0000, 4.4500 -110.0000 0.0000 -11.0000");

    rig.set("2026-11-20T17:00:40Z");
    rig.say(CALL, Says::new(4.00, 4.10));
    rig.record(Round::Session).await;
    let first = format!(
        "SELECT format('%s %s %s %s', current_price, unrealized_pnl, max_gain, max_drawdown) FROM paper_trades WHERE id = '{call}'"
    );
    assert_eq!(rig.text(&first).await, "4.0500 -190.0000 21.0000 -19.0000", "the best stays the best");
    assert_eq!(rig.text("SELECT count(*) FROM price_snapshots").await, "4");
    assert_eq!(rig.text("SELECT sum(version) FROM paper_trades").await, "2", "a price is no new version");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looks_that_nobody_asked_for_leave_off_before_the_account_counts_as_throttled() {
    let rig = Rig::start(NOON).await;
    rig.hold(1, CALL).await;
    rig.say(CALL, Says::new(6.00, 6.10));
    for _ in 0..60 {
        rig.recorder.show(&user("ann")).await.unwrap();
    }
    let looks = rig.asked("quotes").len();
    // Each asks for the time of its world as well; twelve of fifty calls are not theirs.
    assert_eq!(looks, 19, "of sixty in one minute");
    let account = rig.recorder.accounts.open(&user("ann"), BrokerMode::Sim).await.unwrap();
    assert_eq!(*account.broker.status().borrow(), AccountStatus::Ok);
    rig.set("2026-11-20T17:01:01Z");
    rig.recorder.show(&user("ann")).await.unwrap();
    assert!(rig.asked("quotes").len() > looks, "a minute later there is room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn screens_are_shown_what_the_engine_was_told_while_they_may_not_ask() {
    let rig = Rig::in_its_time(NOON).await;
    rig.hold(1, CALL).await;
    rig.say(CALL, Says::new(6.00, 6.10));
    let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
    let mut screen = Box::pin(rig.recorder.board.subscribe(&user("ann"), stop, kill));
    for _ in 0..60 {
        rig.recorder.show(&user("ann")).await.unwrap();
    }
    let told = async |screen: &mut Pin<Box<_>>| {
        let event: Bytes = StreamExt::next(screen).await.unwrap();
        let event = String::from_utf8(event.to_vec()).unwrap();
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let LivePrices { prices, .. } = serde_json::from_str(data).unwrap();
        let [mark, underlying] =
            [prices[0].mark, prices[0].underlying].map(|price| price.unwrap().normalize().to_string());
        format!("{mark} at {}, {underlying}", prices[0].at.format("%T"))
    };
    assert_eq!(told(&mut screen).await, "6.05 at 17:00:00, 600.5");

    rig.set("2026-11-20T17:00:20Z");
    rig.say(CALL, Says::new(7.00, 7.10));
    let account = rig.recorder.accounts.open(&user("ann"), BrokerMode::Sim).await.unwrap();
    account.market.quotes(&[CALL.to_owned()], Priority::Bracket).await.unwrap();
    rig.set("2026-11-20T17:00:22Z");
    let asked = rig.asked("quotes").len();
    rig.recorder.show(&user("ann")).await.unwrap();
    assert_eq!(rig.asked("quotes").len(), asked, "the share of the screens is used up");
    assert_eq!(told(&mut screen).await, "7.05 at 17:00:20, 600.5", "as old as it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orats_comes_first_and_the_broker_fills_in() {
    let rows = [(PUT.to_owned(), Says { delta: json!(-0.4), ..Says::new(4.00, 4.20) })];
    let rig = Rig::with_orats(NOON, Orats::Rows(rows.into())).await;
    rig.hold(1, CALL).await;
    rig.hold(2, PUT).await;
    rig.say(CALL, Says::new(6.00, 6.10));
    rig.say(PUT, Says::new(1.00, 1.10));
    assert_eq!(rig.record(Round::Session).await.recorded, 2);
    let rows = "SELECT string_agg(format('%s %s', source, mark_price), ', ' ORDER BY trade_id) FROM price_snapshots";
    assert_eq!(rig.text(rows).await, "SIM 6.0500, ORATS 4.1000");
    let asked = rig.asked("quotes");
    assert!(asked.len() == 1 && !asked[0].query.contains(PUT), "{asked:?}");
    assert_eq!(rig.text("SELECT min(underlying) FROM price_snapshots").await, "600.5000", "ORATS does not say it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bookends_are_typed_and_a_closed_trade_is_followed_for_two_hours() {
    let rig = Rig::start("2026-11-20T14:25:00Z").await;
    let trade = rig.hold_since(1, CALL, "2026-11-19 15:00+00").await;
    rig.say(CALL, Says { age: chrono::TimeDelta::hours(17), ..Says::new(6.00, 6.10) });
    rig.record(Round::Before).await;
    rig.say(CALL, Says::new(6.00, 6.10));
    rig.set("2026-11-20T21:05:00Z");
    rig.say(CALL, Says { age: chrono::TimeDelta::seconds(400), ..Says::new(7.00, 7.10) });
    rig.record(Round::After(Hours::Regular)).await;
    assert_eq!(rig.record(Round::After(Hours::Regular)).await.recorded, 0, "SPY trades until a quarter past");
    rig.set("2026-11-20T21:20:00Z");
    rig.record(Round::After(Hours::QuarterPast)).await;
    let rows =
        "SELECT string_agg(format('%s %s %s', bookend, quality, mark_price), ', ' ORDER BY ts) FROM price_snapshots";
    assert_eq!(rig.text(rows).await, "PRE_MARKET STALE 6.0500, POST_MARKET GOOD 7.0500");
    assert_eq!(rig.text("SELECT current_price FROM paper_trades").await, "7.0500", "yesterday's quote valued nothing");

    rig.set("2026-11-23T15:00:00Z");
    rig.say(CALL, Says::new(8.00, 8.10));
    rig.close(trade, "2026-11-23 14:50+00", "7.80").await;
    assert_eq!(rig.record(Round::Session).await.recorded, 1);
    assert_eq!(rig.text("SELECT current_price FROM paper_trades").await, "7.0500", "a closed trade is locked");
    rig.set("2026-11-23T16:51:00Z");
    assert_eq!(rig.record(Round::Session).await.positions, 0, "two hours are over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_prices_are_packed_thinned_and_dropped_and_nothing_is_lost_that_counts() {
    let rig = Rig::start("2026-07-06T14:00:00Z").await;
    let trade = rig.hold_since(1, CALL, "2026-07-06 13:40+00").await;
    for day in [6, 7] {
        for minute in 0..30 {
            rig.set(&format!("2026-07-{day:02}T14:{minute:02}:00Z"));
            let cents = f64::from(minute * 7 % 11) / 10.0;
            rig.say(CALL, Says { delta: json!(0.5), ..Says::new(5.0 + cents, 5.2 + cents) });
            assert_eq!(rig.record(Round::Session).await.recorded, 1);
        }
    }
    let span = ("2026-07-01T00:00:00Z".parse().unwrap(), "2026-12-01T00:00:00Z".parse().unwrap());
    let read = async || {
        let tx = rig.recorder.db.user_tx(&user("ann")).await.unwrap();
        history(&tx, trade, span).await.unwrap()
    };
    let whole = read().await;
    assert_eq!(whole.len(), 60);
    assert_eq!(rig.retention.tidy().await.unwrap(), Tidied::default(), "nothing is a week old");

    rig.set("2026-07-15T09:00:00Z");
    assert_eq!(rig.retention.tidy().await.unwrap(), Tidied { packed: 2, dropped: 1, ..Tidied::default() });
    assert_eq!(read().await, whole, "packed is the same");
    assert_eq!(rig.text("SELECT count(*) FROM price_snapshots").await, "60", "the month is not over");
    rig.set("2026-08-09T09:00:00Z");
    assert_eq!(rig.retention.tidy().await.unwrap(), Tidied { dropped: 1, ..Tidied::default() });
    assert_eq!(rig.text("SELECT count(*) FROM price_snapshots").await, "0");
    assert_eq!(read().await, whole, "dropped and still there");
    rig.set("2026-10-20T09:00:00Z");
    assert_eq!(rig.retention.tidy().await.unwrap().thinned, 2);
    let thinned = read().await;
    assert!((12..=22).contains(&thinned.len()), "{} rows", thinned.len());
    let best = |rows: &[blotter_daemon::db::prices::PriceRow]| rows.iter().filter_map(|row| row.mark).max();
    let worst = |rows: &[blotter_daemon::db::prices::PriceRow]| rows.iter().filter_map(|row| row.bid).min();
    assert_eq!((best(&thinned), worst(&thinned)), (best(&whole), worst(&whole)));
    assert_eq!(rig.retention.tidy().await.unwrap().thinned, 0, "once");
}

/// A row of somebody's that is not packed keeps its month.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_with_an_unpacked_row_is_not_dropped() {
    let rig = Rig::start("2026-09-20T14:00:00Z").await;
    let stray =
        "INSERT INTO price_snapshots (username, trade_id, ts, session_date, mark_price, mark_kind, source, quality)
                 VALUES ('somebody', gen_random_uuid(), '2026-07-06 15:00+00', '2026-07-06', 1, 'MID', 'SIM', 'GOOD')";
    rig.admin.batch_execute(stray).await.unwrap();
    assert_eq!(rig.retention.tidy().await.unwrap().dropped, 2, "June and August are empty");
    assert_eq!(rig.text("SELECT count(*) FROM price_snapshots").await, "1");
    let leaf = "SELECT relforcerowsecurity FROM pg_class WHERE relname = 'price_snapshots_2026_07'";
    assert_eq!(rig.text(leaf).await, "true", "it is closed again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_that_is_forced_open_has_prices_on_a_sunday() {
    const STOCK: &str = "NVDA261218C00150000";
    let rig = Rig::start("2026-11-22T17:00:00Z").await;
    rig.hold_since(1, STOCK, "2026-11-20 15:00+00").await;
    rig.say(STOCK, Says::new(6.00, 6.10));
    assert_eq!(rig.record(Round::Session).await.positions, 0, "the exchange is closed");
    let forced = blotter_daemon::prices::Recorder { force: Force::Open, ..rig.recorder.clone() };
    let report = forced.record(Round::Session).await.unwrap();
    assert_eq!((report.positions, report.recorded, report.unfit), (1, 1, 0));
    assert_eq!(rig.text("SELECT current_price FROM paper_trades").await, "6.0500");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_long_prices_are_kept_is_a_setting() {
    let rig = Rig::start("2026-07-06T14:00:00Z").await;
    rig.hold_since(1, CALL, "2026-07-06 13:40+00").await;
    for minute in 0..30 {
        rig.set(&format!("2026-07-06T14:{minute:02}:00Z"));
        rig.say(CALL, Says::new(5.0, 5.2));
        assert_eq!(rig.record(Round::Session).await.recorded, 1);
    }
    let briefly = Retention { keep: Keep { whole: 2, packed: 3 }, ..rig.retention.clone() };
    rig.set("2026-07-08T09:00:00Z");
    assert_eq!(briefly.tidy().await.unwrap().packed, 0, "two days are not over");
    rig.set("2026-07-10T09:00:00Z");
    let done = briefly.tidy().await.unwrap();
    assert_eq!((done.packed, done.thinned), (1, 1));
    assert_eq!(rig.text("SELECT thinned FROM price_days").await, "true");
}
