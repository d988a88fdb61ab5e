//! The engine in the whole daemon: it begins with an account and ends with the daemon.

use blotter_sim::Server;
use blotter_sim::config::Config;
use blotter_sim::time::Ms;
use chrono::NaiveDate;
use http::StatusCode;
use tokio::task::JoinSet;

use crate::api::daemon::Daemon;
use crate::support::{DEADLINE, Raw, TestDb, looks};

/// Waits until a count is what is wanted.
async fn reach(admin: &Raw, what: &str, sql: &str, wanted: i64) {
    let mut looks = looks();
    let reached = tokio::time::timeout(DEADLINE, async {
        loop {
            looks.tick().await;
            if admin.count(sql).await == wanted {
                return;
            }
        }
    });
    if reached.await.is_err() {
        panic!("waited for: {what}; `{sql}` is {}", admin.count(sql).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_watched_under_a_lease_that_an_orderly_stop_gives_back() {
    let start = Ms::at_et(NaiveDate::from_ymd_opt(2026, 9, 10).unwrap(), 11, 0);
    let sim = Server::bind(Config::manual(7, start), "127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", sim.address().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(sim.serve(std::future::pending()));
    let db = TestDb::start().await;
    let admin = db.admin().await;
    let daemon = Daemon::start(&db.cluster.url(), |config| {
        config.broker.sim_url = Some(url);
        config.vault.encryption_key = Some(blotter_daemon::vault::keygen().unwrap());
    })
    .await;
    let mut client = daemon.client().await;
    assert_eq!(client.get("/v1/health").await.status, StatusCode::OK);
    assert_eq!(admin.count("SELECT count(*) FROM leases").await, 0, "no account, no loop");
    let token = r#"{"mode":"SIM","token":"sandbox-token"}"#;
    assert_eq!(client.act("PUT", "/v1/tokens", "k1", token).await.status, StatusCode::OK);
    let seen = "SELECT count(*) FROM account_facts WHERE account = 'SIM:VA00000001' AND facts->>'seen_at' IS NOT NULL";
    reach(&admin, "a pass has read the account", seen, 1).await;
    let held = "SELECT count(*) FROM leases WHERE account_id = 'SIM:VA00000001' AND NOT released";
    assert_eq!(admin.count(held).await, 1);
    drop(client);
    daemon.stop().await.unwrap();
    assert_eq!(admin.count("SELECT count(*) FROM leases WHERE released").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_in_the_simulators_time_trades_with_it_alone() {
    let start = Ms::at_et(NaiveDate::from_ymd_opt(2026, 9, 10).unwrap(), 11, 0);
    let sim = Server::bind(Config::manual(7, start), "127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", sim.address().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(sim.serve(std::future::pending()));
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |config| {
        config.broker.sim_url = Some(url);
        config.broker.sim_time = true;
        config.vault.encryption_key = Some(blotter_daemon::vault::keygen().unwrap());
    })
    .await;
    let mut client = daemon.client().await;
    let market: serde_json::Value = client.get("/v1/market").await.json();
    assert_eq!(
        (&market["phase"], &market["now"]),
        (&"open".into(), &"2026-09-10T15:00:00Z".into()),
        "its clock stands"
    );
    let elsewhere = r#"{"mode":"SANDBOX","token":"sandbox-token"}"#;
    let refused = client.act("PUT", "/v1/tokens", "k1", elsewhere).await.problem();
    assert!(refused.detail.contains("the simulator's time"), "{refused:?}");
    daemon.stop().await.unwrap();
}
