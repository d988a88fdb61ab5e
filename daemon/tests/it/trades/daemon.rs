//! The engine in the whole daemon: it begins with an account and ends with the daemon.

use blotter_sim::Server;
use blotter_sim::config::Config;
use blotter_sim::time::Ms;
use chrono::NaiveDate;
use http::StatusCode;
use tokio::task::JoinSet;

use crate::api::daemon::{Client, Daemon};
use crate::support::{DEADLINE, Raw, TestDb, insert_trade, looks};

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

/// A daemon with the simulator as its broker and one account, and nothing else.
struct Rig {
    daemon: Daemon,
    client: Client,
    admin: Raw,
    _db: TestDb,
    _tasks: JoinSet<()>,
}

impl Rig {
    async fn start() -> Self {
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
        Self { daemon, client, admin, _db: db, _tasks: tasks }
    }

    /// The account's token, and the loop that comes with it.
    async fn bring_account(&mut self) {
        let token = r#"{"mode":"SIM","token":"sandbox-token"}"#;
        assert_eq!(self.client.act("PUT", "/v1/tokens", "k1", token).await.status, StatusCode::OK);
        let seen =
            "SELECT count(*) FROM account_facts WHERE account = 'SIM:VA00000001' AND facts->>'seen_at' IS NOT NULL";
        reach(&self.admin, "a pass has read the account", seen, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_watched_under_a_lease_that_an_orderly_stop_gives_back() {
    let mut rig = Rig::start().await;
    assert_eq!(rig.admin.count("SELECT count(*) FROM leases").await, 0, "no account, no loop");
    rig.bring_account().await;
    let held = "SELECT count(*) FROM leases WHERE account_id = 'SIM:VA00000001' AND NOT released";
    assert_eq!(rig.admin.count(held).await, 1);
    drop(rig.client);
    rig.daemon.stop().await.unwrap();
    assert_eq!(rig.admin.count("SELECT count(*) FROM leases WHERE released").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_trades_of_an_account_that_no_daemon_watches_raise_an_alarm_until_they_are_watched() {
    const MINE: &str = "0190f3d0-0000-7000-8000-000000000001";
    const LEFT: &str = "0190f3d0-0000-7000-8000-000000000002";
    let mut rig = Rig::start().await;
    rig.bring_account().await;
    let who = rig.admin.query_one("SELECT username FROM user_settings", &[]).await.unwrap();
    let who: String = who.get(0);
    let of = |id, account| insert_trade(&who, id, &[("account_id", account)]);
    rig.admin.batch_execute(&of(MINE, "'VA00000001'")).await.unwrap();
    rig.admin.batch_execute(&of(LEFT, "'VA00000009'")).await.unwrap();
    let open = "SELECT count(*) FROM alarms WHERE kind = 'ACCOUNT_BLIND' AND cleared_at IS NULL";
    reach(&rig.admin, "the alarm about the account that is not watched", open, 1).await;
    let subject = rig.admin.query_one("SELECT subject, message FROM alarms WHERE kind = 'ACCOUNT_BLIND'", &[]).await;
    let subject = subject.unwrap();
    assert_eq!(subject.get::<_, &str>(0), "SIM:VA00000009");
    let message: &str = subject.get(1);
    assert_eq!(message, "no daemon watches the live trades of the SIM account: its token is not stored here any more");
    let end = format!("UPDATE paper_trades SET status = 'CANCELED', close_date = now() WHERE id = '{LEFT}'");
    rig.admin.batch_execute(&end).await.unwrap();
    reach(&rig.admin, "nothing is left to watch there", open, 0).await;
    drop(rig.client);
    rig.daemon.stop().await.unwrap();
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
