//! Every route, and what is the same for all of them.

use blotter_daemon::api::{Access, ROUTES};
use blotter_shared::protocol::alarms::{Alarm, AlarmList};
use blotter_shared::protocol::health::Version;
use blotter_shared::protocol::market::Market;
use blotter_shared::protocol::settings::Settings;
use blotter_shared::protocol::sync::SyncStatus;
use blotter_shared::protocol::trades::{Trade, TradeList};

use super::daemon::Daemon;
use crate::support::{TestDb, insert_trade};

const TRADE: &str = "01930000-0000-7000-8000-000000000001";
const FOREIGN: &str = "01930000-0000-7000-8000-000000000002";
const ALARM: &str = "01930000-0000-7000-8000-000000000003";

/// The name of whoever runs the tests: the kernel tells the daemon.
pub(crate) fn me() -> String {
    nix::unistd::User::from_uid(nix::unistd::Uid::effective()).unwrap().unwrap().name
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_with_its_type() {
    let db = TestDb::start().await;
    let me = me();
    let admin = db.admin().await;
    admin.batch_execute(&insert_trade(&me, TRADE, &[])).await.unwrap();
    admin.batch_execute(&insert_trade("somebody-else", FOREIGN, &[])).await.unwrap();
    let alarm = format!(
        "INSERT INTO alarms (username, alarm_id, kind, message, raised_at)
         VALUES ('{me}', '{ALARM}', 'BACKUP_FAILED', 'look at the disk', '2026-11-20 15:00+00')"
    );
    admin.batch_execute(&alarm).await.unwrap();
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut client = daemon.client().await;

    let version: Version = client.get("/v1/version").await.json();
    assert_eq!((version.username.as_str(), version.protocol), (me.as_str(), 1));
    let trades: TradeList = client.get("/v1/trades").await.json();
    assert_eq!(trades.items.iter().map(|trade| trade.id.to_string()).collect::<Vec<_>>(), [TRADE]);
    let trade: Trade = client.get(&format!("/v1/trades/{TRADE}")).await.json();
    assert_eq!(trade, trades.items[0]);
    assert_eq!(client.get(&format!("/v1/trades/{FOREIGN}")).await.status, 404, "another user's trade was shown");
    let _: Market = client.get("/v1/market").await.json();
    let settings: Settings = client.get("/v1/settings").await.json();
    assert_eq!(settings.version, 1);
    let body = r#"{"version":1,"max_positions":7}"#;
    let changed: Settings = client.act("PUT", "/v1/settings", "k1", body).await.json();
    assert_eq!((changed.version, changed.max_positions), (2, 7));

    let status: SyncStatus = client.get("/v1/sync-status?version=0&device=phone").await.json();
    assert!(status.needs_sync && !status.has_conflicts && status.last_sync_at.is_none(), "{status:?}");
    let head = status.server_version;
    let headers = [("idempotency-key", "k2"), ("blotter-device", "phone")];
    let body = format!(r#"{{"version":{head},"holds":[{{"trade_id":"{TRADE}","version":99}}]}}"#);
    let synced: SyncStatus = client.send("POST", "/v1/sync", &headers, &body).await.json();
    assert!(!synced.needs_sync && synced.has_conflicts, "{synced:?}");
    assert_eq!(synced.last_sync_device.as_deref(), Some("phone"));
    let later: SyncStatus = client.get(&format!("/v1/sync-status?version={}", head + 5)).await.json();
    assert!(later.needs_sync, "a device from before a restore must load everything");

    let alarms: AlarmList = client.get("/v1/alarms").await.json();
    assert_eq!(alarms.items.len(), 1);
    let acked: Alarm = client.act("POST", &format!("/v1/alarms/{ALARM}/ack"), "k3", "").await.json();
    assert!(acked.acked_at.is_some());

    let metrics = client.get("/v1/metrics").await;
    let text = std::str::from_utf8(&metrics.body).unwrap();
    for line in [
        r#"blotter_http_requests_total{route="/v1/trades/{id}",method="GET",status="404"} 1"#,
        r#"blotter_http_requests_total{route="/v1/settings",method="PUT",status="200"} 1"#,
        r#"blotter_problems_total{code="not_found"} 1"#,
        "blotter_database_up 1",
        "blotter_sync_seconds_count 1",
        "blotter_task_runs_total{task=\"partitions\",outcome=\"done\"} 1",
        r#"blotter_http_request_seconds_count{route="/v1/trades",method="GET"} 1"#,
        r#"blotter_http_response_bytes_count{route="/v1/trades",method="GET"} 1"#,
        r#"blotter_connections{user="#,
        "blotter_event_streams 0",
        r#"blotter_database_pool{state="open"} "#,
        r#"blotter_database_pool{state="waiting"} 0"#,
        "blotter_build_info{version=",
    ] {
        assert!(text.contains(line), "missing: {line}\n{text}");
    }
    assert!(!text.contains(TRADE), "a raw path is in the metrics: {text}");
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_says_who_answers_and_under_which_id() {
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut ids = std::collections::HashSet::new();
    for route in ROUTES.iter().filter(|route| !["/v1/events", "/v1/quotes/stream"].contains(&route.path)) {
        let path = route.path.replace("{id}", TRADE).replace("{which}", "sim");
        let mut client = daemon.client().await;
        let reply = match route.access {
            Access::Read => client.send(route.method, &path, &[], "").await,
            // Without a key nothing is done, and the answer says so.
            Access::Act => client.send(route.method, &path, &[], "{}").await,
        };
        assert_eq!(reply.headers["blotter-version"], env!("CARGO_PKG_VERSION"), "{path}");
        assert!(ids.insert(reply.headers["blotter-request-id"].to_str().unwrap().to_owned()), "{path}");
        if route.access == Access::Act {
            assert_eq!(reply.problem().code.as_str(), "key_missing", "{path}");
        }
    }
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_makes_a_request_harmless_to_repeat() {
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut client = daemon.client().await;
    client.get("/v1/settings").await;
    let body = r#"{"version":1,"max_positions":3}"#;
    let first = client.act("PUT", "/v1/settings", "same", body).await;
    let again = client.act("PUT", "/v1/settings", "same", body).await;
    assert_eq!((first.status, again.status), (http::StatusCode::OK, http::StatusCode::OK));
    assert_eq!(first.body, again.body, "the first answer, byte for byte");
    assert!(first.headers.get("idempotency-replayed").is_none());
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let settings: Settings = client.get("/v1/settings").await.json();
    assert_eq!(settings.version, 2, "it was done once");

    // Twins at the same time: one does it, the others get its answer.
    let twins = futures_util::future::join_all((0..8).map(|_| async {
        let body = r#"{"version":2,"max_positions":4}"#;
        daemon.client().await.act("PUT", "/v1/settings", "twins", body).await
    }));
    let twins = twins.await;
    assert!(twins.iter().all(|twin| twin.status == 200 && twin.body == twins[0].body), "{twins:?}");
    let settings: Settings = client.get("/v1/settings").await.json();
    assert_eq!(settings.version, 3);
    daemon.stop().await.unwrap();
}
