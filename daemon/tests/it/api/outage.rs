//! The database goes away and comes back, while clients are attached.

use blotter_shared::protocol::health::ComponentState;
use blotter_shared::protocol::problem::ProblemCode;

use super::daemon::{Daemon, Events};
use crate::support::TestDb;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_without_database_serves_and_comes_up_by_itself() {
    let mut db = TestDb::start().await;
    let url = db.cluster.url();
    db.cluster.stop_server().unwrap();
    let daemon = Daemon::launch(&url, |_| {});
    let health = daemon.wait_for_health(|health| health.database.state == ComponentState::Unavailable).await;
    assert!(health.database.detail.is_some(), "{health:?}");
    let mut client = daemon.client().await;
    assert_eq!(client.get("/v1/trades").await.problem().code, ProblemCode::DatabaseUnavailable);
    assert_eq!(client.get("/v1/market").await.status, 200, "the calendar needs no database");
    let mut stream = Events::open(&daemon.socket, Some(3)).await;
    stream.until("hello").await;

    db.cluster.start_server().unwrap();
    daemon.wait_for_health(|health| health.status == ComponentState::Ok).await;
    // Nobody knows what the stream has missed: it is told to load.
    stream.until("reload").await;
    assert_eq!(client.get("/v1/trades").await.status, 200);
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_outlive_the_database_and_miss_nothing() {
    let mut db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut client = daemon.client().await;
    client.get("/v1/settings").await;
    let mut stream = Events::open(&daemon.socket, None).await;
    stream.until("market").await;

    db.cluster.stop_server().unwrap();
    let mut told = stream.until("health").await.0;
    while told.data["database"]["state"] == "ok" {
        told = stream.until("health").await.0;
    }
    assert_eq!(told.data["status"], "unavailable");
    let refused = client.act("PUT", "/v1/settings", "k", r#"{"version":1,"max_positions":5}"#).await;
    assert_eq!(refused.problem().code, ProblemCode::DatabaseUnavailable);

    db.cluster.start_server().unwrap();
    daemon.wait_for_health(|health| health.status == ComponentState::Ok).await;
    // The same key as before: what was not done is done now.
    let done = client.act("PUT", "/v1/settings", "k", r#"{"version":1,"max_positions":5}"#).await;
    assert_eq!(done.status, 200, "{done:?}");
    let (event, before) = stream.until("settings").await;
    assert_eq!(event.data["max_positions"], 5);
    assert!(before.iter().any(|event| event.name == "health" && event.data["database"]["state"] == "ok"), "{before:?}");
    daemon.stop().await.unwrap();
}
