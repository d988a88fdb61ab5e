//! Events: pushed, resumed, replayed, and what happens to those who cannot keep up.

use std::time::Duration;

use blotter_daemon::db::alarms::{Subject, alarm_raise};
use blotter_daemon::db::changes::{Changed, change_append};
use blotter_shared::domain::{AlarmId, AlarmKind};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::daemon::{Client, Daemon, Event, Events};
use super::routes::me;
use crate::support::{DEADLINE, TestDb, user};

/// Changes the settings once; gives the version after it.
async fn change(client: &mut Client, version: i64) -> i64 {
    let body = json!({ "version": version, "max_positions": version % 50 }).to_string();
    let reply = client.act("PUT", "/v1/settings", &format!("change-{version}"), &body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    version + 1
}

async fn head(client: &mut Client) -> i64 {
    client.get("/v1/sync-status?version=0").await.json::<serde_json::Value>()["server_version"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_reaches_every_stream_at_once_and_in_order() {
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut client = daemon.client().await;
    client.get("/v1/settings").await;
    let (mut one, mut two) = (Events::open(&daemon.socket, None).await, Events::open(&daemon.socket, None).await);
    let (hello, before) = one.until("hello").await;
    assert!(before.is_empty(), "{before:?} came before hello");
    assert_eq!(hello.data["seq"], head(&mut client).await);
    two.until("hello").await;
    for name in ["health", "market"] {
        assert_eq!(one.next().await.unwrap().name, name, "the present is told at the beginning");
    }
    let mut version = 1;
    let mut last = hello.data["seq"].as_i64().unwrap();
    for _ in 0..20 {
        version = change(&mut client, version).await;
        for stream in [&mut one, &mut two] {
            let (event, _) = stream.until("settings").await;
            assert_eq!(event.data["version"], version);
            assert!(event.id.unwrap() > last || stream_is_second(&event, last), "{event:?} after {last}");
        }
        last = head(&mut client).await;
    }
    daemon.stop().await.unwrap();
}

/// Both streams hear the same number.
fn stream_is_second(event: &Event, last: i64) -> bool {
    event.id == Some(last)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_another_daemon_is_pushed_too() {
    let db = TestDb::start().await;
    let here = Daemon::start(&db.cluster.url(), |config| config.events.poll_s = Duration::from_secs(3600)).await;
    let there = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut stream = Events::open(&here.socket, None).await;
    stream.until("market").await;
    let mut client = there.client().await;
    client.get("/v1/settings").await;
    change(&mut client, 1).await;
    assert_eq!(stream.until("settings").await.0.data["version"], 2);
    here.stop().await.unwrap();
    there.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_notification_is_lost_is_found_by_looking() {
    // A change as `change_append` writes it, but for the notification.
    const UNTOLD: &str = "
        UPDATE user_settings SET max_positions = 9;
        WITH head AS (
            INSERT INTO user_heads (username, change_seq) SELECT username, 1 FROM user_settings
            ON CONFLICT (username) DO UPDATE SET change_seq = user_heads.change_seq + 1 RETURNING username, change_seq)
        INSERT INTO change_feed (username, seq, entity, changed_at)
        SELECT username, change_seq, 'SETTINGS', now() FROM head";
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |config| config.events.poll_s = Duration::from_secs(1)).await;
    let mut stream = Events::open(&daemon.socket, None).await;
    stream.until("market").await;
    daemon.client().await.get("/v1/settings").await;
    db.admin().await.batch_execute(UNTOLD).await.unwrap();
    assert_eq!(stream.until("settings").await.0.data["max_positions"], 9);
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_replayed_or_must_be_loaded() {
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |config| config.events.replay_changes = 10).await;
    let mut client = daemon.client().await;
    client.get("/v1/settings").await;
    let mut version = 1;
    for _ in 0..5 {
        version = change(&mut client, version).await;
    }
    let seen = head(&mut client).await;
    for _ in 0..3 {
        version = change(&mut client, version).await;
    }
    // Three changes of one thing are one event, under the last number.
    let mut back = Events::open(&daemon.socket, Some(seen)).await;
    let (event, before) = back.until("settings").await;
    assert_eq!(before.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["hello"]);
    assert_eq!((event.id, event.data["version"].as_i64()), (Some(seen + 3), Some(version)));
    assert_eq!(before[0].data["seq"], seen + 3);

    let mut current = Events::open(&daemon.socket, Some(seen + 3)).await;
    let (_, before) = current.until("market").await;
    assert!(before.iter().all(|event| ["hello", "health"].contains(&event.name.as_str())), "{before:?}");

    for _ in 0..11 {
        version = change(&mut client, version).await;
    }
    let mut far = Events::open(&daemon.socket, Some(seen)).await;
    assert_eq!(far.until("reload").await.0.data["reason"], "gap");
    let mut future = Events::open(&daemon.socket, Some(seen + 1_000_000)).await;
    assert_eq!(future.until("reload").await.0.data["reason"], "time_travel");
    // After that it hears what is new.
    version = change(&mut client, version).await;
    assert_eq!(future.until("settings").await.0.data["version"], version);
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_broken_by_heartbeats() {
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |config| config.events.heartbeat_s = Duration::from_millis(50)).await;
    let mut stream = Events::open(&daemon.socket, None).await;
    for _ in 0..3 {
        while !stream.block().await.unwrap().starts_with(':') {}
    }
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_reader_is_dropped_and_slows_nobody() {
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |config| config.events.queue_bytes = 16_384).await;
    let alarm = alarm_of(&db, &"x".repeat(8192)).await;
    let mut stalled = UnixStream::connect(&daemon.socket).await.unwrap();
    stalled.write_all(b"GET /v1/events HTTP/1.1\r\nhost: b\r\n\r\n").await.unwrap();
    let mut reading = Events::open(&daemon.socket, None).await;
    reading.until("market").await;
    // What the kernel holds for it is full first, then the daemon's queue.
    let mut client = daemon.client().await;
    let slow_readers = async |client: &mut Client| {
        let metrics = client.get("/v1/metrics").await;
        std::str::from_utf8(&metrics.body).unwrap().contains("blotter_event_slow_readers_total 1")
    };
    let mut rounds = 0;
    while !slow_readers(&mut client).await {
        rounds += 1;
        assert!(rounds < 1000, "the stalled reader was never dropped");
        touch(&db, alarm).await;
        let told = timeout(DEADLINE, reading.until("alarm")).await.expect("the other reader waits");
        assert_eq!(told.0.data["id"], alarm.to_string());
    }
    // Its last words are why.
    let heard = super::daemon::read_to_end(stalled).await;
    assert!(heard.contains("event: reload\ndata: {\"reason\":\"too_slow\"}"), "…{}", tail(&heard));
    assert!(heard.contains("event: bye\ndata: {\"reason\":\"too_slow\"}"), "…{}", tail(&heard));
    daemon.stop().await.unwrap();
}

/// An alarm of whoever runs the tests, with much to say.
async fn alarm_of(db: &TestDb, message: &str) -> AlarmId {
    let tx = db.db.user_tx(&user(&me())).await.unwrap();
    let raised = alarm_raise(&tx, AlarmKind::BackupFailed, &Subject::General, message).await.unwrap();
    tx.commit().await.unwrap();
    raised.unwrap()
}

/// Has the alarm told once more.
async fn touch(db: &TestDb, alarm: AlarmId) {
    let tx = db.db.user_tx(&user(&me())).await.unwrap();
    change_append(&tx, Changed::Alarm(alarm)).await.unwrap();
    tx.commit().await.unwrap();
}

fn tail(text: &str) -> String {
    text.chars().rev().take(400).collect::<Vec<_>>().into_iter().rev().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hears_of_another_users_changes() {
    let db = TestDb::start().await;
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut stream = Events::open(&daemon.socket, None).await;
    stream.until("market").await;
    let other = blotter_daemon::db::Db::connect(
        crate::support::config(&db.cluster.url()),
        &blotter_daemon::clock::Clock::system(),
    );
    crate::support::reach(&other, blotter_daemon::db::DbState::Ready).await;
    let tx = other.user_tx(&user("somebody-else")).await.unwrap();
    blotter_daemon::db::settings::settings_get(&tx).await.unwrap();
    let update =
        blotter_shared::protocol::settings::SettingsUpdate { version: 1, max_positions: Some(9), ..Default::default() };
    blotter_daemon::db::settings::settings_update(&tx, &update, "elsewhere").await.unwrap();
    tx.commit().await.unwrap();
    // Ours comes after theirs; if theirs were told, it would come first.
    let mut client = daemon.client().await;
    client.get("/v1/settings").await;
    change(&mut client, 1).await;
    let (event, before) = stream.until("settings").await;
    assert!(before.is_empty(), "{} heard {before:?}", me());
    assert_eq!(event.data["max_positions"], 1);
    other.close().await;
    daemon.stop().await.unwrap();
}
