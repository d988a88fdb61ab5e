//! The mode says where new entries go. What is held elsewhere stays managed.

use blotter_shared::domain::{CloseReason, Price};
use blotter_shared::protocol::trades::Trade;
use serde_json::json;

use super::floor::{Floor, is_closed, is_protected};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_with_live_trades_stays_managed_when_entries_go_elsewhere() {
    let mut floor = Floor::open().await;
    let id = floor.hold().await;
    floor.settings(json!({ "broker_mode": "SANDBOX" })).await;
    let before = floor.ours().await.len();
    let signal = floor.signal();
    let refused = floor.ask("POST", "/v1/trades", &signal).await.expect_err("the sandbox has no account");
    assert!(refused.detail.contains("SANDBOX"), "{refused:?}");
    assert_eq!(floor.ours().await.len(), before, "the entry went nowhere, and not to the other account");

    floor.of_trade(&id, "adjust", json!({ "version": 1, "new_sl": "4.50" })).await.unwrap();
    let stop: Price = "4.50".parse().unwrap();
    let moved = |trade: &Trade| is_protected(trade) && trade.sl_price == Some(stop);
    floor.until("the stop is moved where the trade is", &id, moved).await;
    floor.pin("7.10", "7.20").await;
    let closed = floor.until("the target is hit", &id, is_closed).await;
    assert_eq!(closed.close.and_then(|close| close.reason), Some(CloseReason::TargetHit));
    assert_eq!((floor.position().await.as_str(), floor.working().await.len()), ("0", 0));
    floor.daemon.stop().await.unwrap();
}
