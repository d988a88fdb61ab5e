//! A thousand screens hear of a change, and a stalled one among them hurts nobody. Figures are
//! printed for orientation; `make bench` measures against floors.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::daemon::{Daemon, Events};
use crate::support::TestDb;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_screens_hear_of_every_change() {
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |config| config.limits.connections_per_user = 2000).await;
    let mut client = daemon.client().await;
    client.get("/v1/settings").await;
    let mut stalled = UnixStream::connect(&daemon.socket).await.unwrap();
    stalled.write_all(b"GET /v1/events HTTP/1.1\r\nhost: b\r\n\r\n").await.unwrap();
    let mut version = 1;
    let mut screens = Vec::new();
    for crowd in [1, 100, 1000] {
        while screens.len() < crowd {
            let mut screen = Events::open(&daemon.socket, None).await;
            screen.until("market").await;
            screens.push(screen);
        }
        let mut last_heard: Vec<Duration> = Vec::new();
        for _ in 0..20 {
            let body = json!({ "version": version, "max_positions": version % 50 }).to_string();
            let begun = Instant::now();
            assert_eq!(client.act("PUT", "/v1/settings", &format!("c{version}"), &body).await.status, 200);
            version += 1;
            for screen in &mut screens {
                assert_eq!(screen.until("settings").await.0.data["version"], version);
            }
            last_heard.push(begun.elapsed());
        }
        last_heard.sort_unstable();
        eprintln!(
            "{crowd} screens: the last one heard after {:?} (median), {:?} (slowest)",
            last_heard[10], last_heard[19]
        );
    }
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_lists_on_one_connection() {
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut client = daemon.client().await;
    let mut took = Vec::new();
    for _ in 0..10_000 {
        let begun = Instant::now();
        let reply = client.get("/v1/trades").await;
        took.push(begun.elapsed());
        assert_eq!(reply.status, 200);
    }
    took.sort_unstable();
    eprintln!("GET /v1/trades: p50 {:?}, p99 {:?}", took[5_000], took[9_900]);
    daemon.stop().await.unwrap();
}
