//! Limits: tighter now, looser tomorrow; and the switch that stops entries and leaves exits.

use blotter_shared::protocol::problem::ProblemCode;
use blotter_shared::protocol::trades::Trade;
use serde_json::json;

use super::floor::{Floor, is_closed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_looser_counts_from_the_next_trading_day_on() {
    let mut floor = Floor::open().await;
    let signal = floor.signal();
    floor.settings(json!({ "trade_risk_pct": "0.1" })).await;
    let tight = floor.ask("POST", "/v1/trades", &signal).await.unwrap_err();
    assert_eq!(tight.detail, "trade_risk_pct is 0.22, the limit is 0.10");
    floor.settings(json!({ "trade_risk_pct": "2" })).await;
    let same_day = floor.ask("POST", "/v1/trades", &signal).await.unwrap_err();
    assert_eq!(same_day.detail, tight.detail, "nobody loosens a limit in the heat of a loss");
    floor.put_on(chrono::TimeDelta::days(1));
    floor.ask("POST", "/v1/trades", &signal).await.unwrap();
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losses_in_a_row_cost_a_pause() {
    let mut floor = Floor::open().await;
    floor.settings(json!({ "cooldown_losses": 1, "cooldown_min": 60 })).await;
    let id = floor.hold().await;
    floor.pin("4.80", "4.90").await;
    floor.of_trade(&id, "close", json!({ "version": 1 })).await.unwrap();
    let lost =
        |trade: &Trade| is_closed(trade) && trade.close.as_ref().is_some_and(|close| close.realized_pnl.is_some());
    floor.until("a loss", &id, lost).await;
    let signal = floor.signal();
    let pause = floor.ask("POST", "/v1/trades", &signal).await.unwrap_err();
    assert_eq!((pause.code, pause.limit.as_deref()), (ProblemCode::LimitBroken, Some("cooldown")));
    assert!(pause.detail.contains("1 losses in a row"), "{pause:?}");
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_has_lost_its_limit_takes_no_further_entry() {
    let mut floor = Floor::open().await;
    let id = floor.hold().await;
    floor.pin("4.80", "4.90").await;
    floor.of_trade(&id, "close", json!({ "version": 1 })).await.unwrap();
    let lost =
        |trade: &Trade| is_closed(trade) && trade.close.as_ref().is_some_and(|close| close.realized_pnl.is_some());
    floor.until("a loss", &id, lost).await;
    floor.pin("5.00", "5.10").await;
    floor.settings(json!({ "daily_loss_limit": "50" })).await;
    let signal = floor.signal();
    let refused = floor.ask("POST", "/v1/trades", &signal).await.unwrap_err();
    assert_eq!((refused.code, refused.limit.as_deref()), (ProblemCode::LimitBroken, Some("daily_loss_limit")));
    let said = refused.detail.starts_with("daily_loss_limit is 60") && refused.detail.contains("the limit is 50");
    assert!(said, "{refused:?}");
    floor.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_switch_stops_entries_and_leaves_exits() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stop-entries");
    let kill_file = file.clone();
    let mut floor = Floor::open_with(|config| config.broker.kill_file = Some(kill_file)).await;
    let id = floor.hold().await;
    let other = json!({ "option_symbol": "SPY261218C00700000", "qty": 1, "sl_price": "0.01" });
    std::fs::write(&file, "").unwrap();
    let by_file = floor.ask("POST", "/v1/trades", &other).await.unwrap_err();
    assert_eq!(by_file.code, ProblemCode::EntriesStopped);
    std::fs::remove_file(&file).unwrap();
    let stopped = floor.ask("PUT", "/v1/kill-switch", &json!({ "stopped": true })).await.unwrap();
    assert_eq!(stopped["entries_stopped"], true);
    let by_command = floor.ask("POST", "/v1/trades", &other).await.unwrap_err();
    assert_eq!(by_command.code, ProblemCode::EntriesStopped);
    floor.of_trade(&id, "close", json!({ "version": 1 })).await.unwrap();
    floor.until("it is closed", &id, is_closed).await;
    let again = floor.ask("PUT", "/v1/kill-switch", &json!({ "stopped": false })).await.unwrap();
    assert_eq!(again["entries_stopped"], false);
    let signal = floor.signal();
    floor.ask("POST", "/v1/trades", &signal).await.unwrap();
    floor.daemon.stop().await.unwrap();
}
