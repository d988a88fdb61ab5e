//! The daemon's clock is put on and set back, the broker's goes on as it did: what works is left alone, what is asked for
//! is done once, and while the market is closed by our clock nothing is sent.

use chrono::TimeDelta;
use serde_json::json;

use super::floor::{Floor, is_protected};
use crate::support::{DEADLINE, looks};

/// Orders, positions, orders.
const READS_OF_A_CUT: usize = 3;

/// Waits until the broker was read once from an entry of its books on.
async fn until_read(floor: &Floor, since: u64) {
    let mut looks = looks();
    let read = tokio::time::timeout(DEADLINE, async {
        loop {
            looks.tick().await;
            let (entries, _) = floor.ledger(since).await;
            let is_read = |entry: &&serde_json::Value| {
                let path = entry["path"].as_str().unwrap_or_default();
                entry["method"] == "GET" && (path.ends_with("/orders") || path.ends_with("/positions"))
            };
            if entries.iter().filter(is_read).count() >= READS_OF_A_CUT {
                return;
            }
        }
    });
    assert!(read.await.is_ok(), "waited for: the daemon looks; {:#?}", floor.ledger(since).await);
}

/// Moves the stop, and waits until the new one works at the broker, alone.
async fn move_stop(floor: &mut Floor, id: &str, version: i64, stop: &str) {
    let orders = floor.ours().await.len();
    floor.of_trade(id, "adjust", json!({ "version": version, "new_sl": stop })).await.unwrap();
    let (price, mut looks) = (stop.parse().ok(), looks());
    let moved = tokio::time::timeout(DEADLINE, async {
        loop {
            looks.tick().await;
            let working = floor.working().await;
            if working.iter().any(|order| order.legs.iter().any(|leg| leg.stop_price == price)) {
                return working.len();
            }
        }
    });
    let Ok(working) = moved.await else { panic!("waited for: the stop {stop} works; {:#?}", floor.ours().await) };
    assert_eq!((working, floor.ours().await.len() - orders), (1, 1), "one in place of one");
    floor.until("it is known", id, |trade| is_protected(trade) && trade.step.is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_moves_no_bracket_and_what_is_asked_for_is_done_once() {
    let mut floor = Floor::open().await;
    let id = floor.hold().await;
    // Eleven is one, ten, and eleven again.
    for (version, (hours, stop)) in (1..).zip([(2, "4.10"), (-1, "4.20"), (0, "4.30")]) {
        floor.put_on(TimeDelta::hours(hours));
        move_stop(&mut floor, &id, version, stop).await;
    }
    // Five in the afternoon, by our clock alone.
    floor.put_on(TimeDelta::hours(6));
    let (_, from) = floor.ledger(u64::MAX).await;
    // The second look begins after the first has ended.
    for (version, stop) in [(4, "4.40"), (5, "4.45")] {
        let (_, since) = floor.ledger(u64::MAX).await;
        floor.of_trade(&id, "adjust", json!({ "version": version, "new_sl": stop })).await.unwrap();
        until_read(&floor, since).await;
    }
    let (entries, _) = floor.ledger(from).await;
    let is_sent = |entry: &&serde_json::Value| entry["fact"] == "cancel_sent" || entry["fact"] == "placed";
    assert_eq!(entries.iter().find(is_sent), None, "nothing is sent");
    floor.put_on(TimeDelta::zero());
    move_stop(&mut floor, &id, 6, "4.50").await;
    assert_eq!(floor.position().await, "2");
    let strange = "SELECT count(*) FROM alarms WHERE kind IN ('QUARANTINE', 'NEEDS_PERSON')";
    assert_eq!(floor.count(strange).await, 0, "no clock makes a position differ");
    floor.daemon.stop().await.unwrap();
}
