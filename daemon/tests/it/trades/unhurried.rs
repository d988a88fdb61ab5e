//! An entry waits for nothing that only looks at the market.

use std::time::Duration;

use serde_json::{Value, json};

use super::floor::Floor;
use crate::support::looks;

/// Longer than every piece of a context may take.
const CONTEXT: Duration = Duration::from_secs(240);

/// One column of the only trade.
async fn column(floor: &Floor, name: &str) -> Option<Value> {
    let row = floor.db.admin().await.query_one(&format!("SELECT {name}::text FROM paper_trades"), &[]).await.unwrap();
    row.get::<_, Option<&str>>(0).map(|text| serde_json::from_str(text).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_whose_bars_hang_delays_no_entry_and_its_context_says_what_is_missing() {
    let mut floor = Floor::open().await;
    for endpoint in ["timesales", "market_history"] {
        floor.fault(json!({ "kind": "timeout_before", "endpoint": endpoint, "ms": 600_000 })).await;
    }
    floor.hold().await;
    // Had the entry waited for the bars, the context would be stored by now.
    assert_eq!(column(&floor, "signals_snapshot").await, None, "the context was awaited");

    let mut looks = looks();
    let stored = tokio::time::timeout(CONTEXT, async {
        loop {
            looks.tick().await;
            if let Some(signals) = column(&floor, "signals_snapshot").await {
                return signals;
            }
        }
    });
    let signals = stored.await.expect("a context, whatever is missing of it");
    for key in ["1m", "5m", "15m", "1h", "daily"] {
        let why = signals["missing"][key].as_str().unwrap_or_else(|| panic!("no reason for {key}: {signals:#}"));
        assert!(!why.is_empty());
    }
    assert_eq!((&signals["1m"]["rsi"], &signals["daily"]["trend"]), (&Value::Null, &Value::Null), "{signals:#}");
    let book = column(&floor, "order_book_state").await.unwrap();
    assert_eq!((&book["bid"], &book["ask"]), (&json!(5), &json!(5.1)), "what did not hang is there: {book:#}");
    let regime = column(&floor, "market_regime").await.unwrap();
    assert_eq!(regime["sector"]["correlation_30d"], Value::Null, "{regime:#}");
    assert!(regime["missing"].as_object().is_some_and(|missing| !missing.is_empty()), "{regime:#}");
    floor.daemon.stop().await.unwrap();
}
