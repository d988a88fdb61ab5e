//! The database goes away, comes back, hangs, is full.

use std::time::{Duration, Instant};

use blotter_daemon::clock::Clock;
use blotter_daemon::db::commands::{Answer, Begin, Command, command_begin, command_commit};
use blotter_daemon::db::settings::settings_get;
use blotter_daemon::db::{ChangeHint, ChangeListener, Db, DbError, DbState, First, UserTx};
use blotter_shared::protocol::settings::Settings;
use blotter_testkit::Cluster;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{DEADLINE, TestDb, config, reach, user};

#[tokio::test]
async fn a_database_that_is_down_at_the_start_is_waited_for() {
    let mut cluster = Cluster::start().unwrap();
    cluster.stop_server().unwrap();
    let db = Db::connect(config(&cluster.url()), &Clock::system());
    let status = reach(&db, DbState::Unavailable).await;
    let sentence = status.detail.unwrap();
    assert!(sentence.contains("no answer from the database at postgres@"), "{sentence}");
    assert!(status.next_try.unwrap() >= status.checked_at);
    let refused = db.user_tx(&user("alice")).await.unwrap_err();
    assert!(matches!(refused, DbError::Unavailable { .. }), "{refused}");

    cluster.start_server().unwrap();
    let status = reach(&db, DbState::Ready).await;
    assert_eq!((status.detail, status.next_try), (None, None));
    settings_get(&db.user_tx(&user("alice")).await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_database_that_goes_away_comes_back_by_itself() {
    let mut test = TestDb::start().await;
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    settings_get(&tx).await.unwrap();
    for _ in 0..3 {
        test.cluster.stop_server().unwrap();
        reach(&test.db, DbState::Unavailable).await;
        test.cluster.start_server().unwrap();
        reach(&test.db, DbState::Ready).await;
        settings_get(&test.db.user_tx(&user("bob")).await.unwrap()).await.unwrap();
    }
    let lost = settings_get(&tx).await.unwrap_err();
    assert!(matches!(lost, DbError::Unavailable { .. }), "{lost}");
    assert!(tx.commit().await.is_err(), "nothing of it was stored");
}

/// A suspended computer or a firewall ends connections that lie in the pool; nobody should notice.
#[tokio::test]
async fn connections_that_broke_in_the_pool_are_passed_over() {
    let test = TestDb::start().await;
    let admin = test.admin().await;
    for round in 0..5 {
        // One user holds half of the pool at most.
        let users = ["alice", "bob"].map(user);
        let begun = (0..8).map(|number| test.db.user_tx(&users[number % 2]));
        let held: Vec<_> = futures_util::future::join_all(begun).await;
        assert!(held.iter().all(Result::is_ok), "round {round}");
        drop(held);
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'blotterd'";
        assert!(admin.count(sql).await >= 8);
        if round % 2 == 0 {
            let tx = test.db.user_tx(&user("alice")).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
            settings_get(&tx).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
        } else {
            let first = First { about: &(), ask: settings };
            let told = test.db.command_tx_with(&user("alice"), first).await;
            let (_, told) = told.unwrap_or_else(|error| panic!("round {round}: {error}"));
            told.unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
    }
}

fn settings<'t>(tx: &'t UserTx, (): &'t ()) -> BoxFuture<'t, Result<Settings, DbError>> {
    settings_get(tx).boxed()
}

#[tokio::test]
async fn the_fate_of_a_commit_whose_answer_is_lost_is_unknown() {
    let mut test = TestDb::start().await;
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    settings_get(&tx).await.unwrap();
    test.cluster.stop_server().unwrap();
    let outcome = tx.commit().await.unwrap_err();
    assert!(matches!(outcome, DbError::CommitUnknown), "{outcome}");
}

/// The last statement went out with the commit: that it was not answered says nothing.
#[tokio::test]
async fn the_fate_of_a_command_whose_answer_is_lost_is_unknown() {
    let mut cluster = Cluster::start().unwrap();
    let mut small = config(&cluster.url());
    // Both commands are said on the same connection: it knows the statement by then.
    small.limits.connections = 1;
    let db = Db::connect(small, &Clock::system());
    reach(&db, DbState::Ready).await;
    for key in ["first", "second"] {
        let tx = db.command_tx(&user("alice")).await.unwrap();
        let command = Command { key, kind: "POST /v1/trades", body_hash: [1; 32], device: "laptop" };
        let Begin::New(id) = command_begin(&tx, command).await.unwrap() else { panic!("nobody had it before") };
        let answer = Answer { status: 200, body: "{}".to_owned() };
        if key == "first" {
            command_commit(tx, id, &answer).await.unwrap();
            continue;
        }
        cluster.stop_server().unwrap();
        let outcome = command_commit(tx, id, &answer).await.unwrap_err();
        assert!(matches!(outcome, DbError::CommitUnknown), "{outcome}");
    }
}

#[tokio::test]
async fn a_connection_that_does_not_answer_is_given_up() {
    let cluster = Cluster::start().unwrap();
    let mut impatient = config(&cluster.url());
    impatient.limits.statement = Duration::from_secs(1);
    impatient.limits.lock = Duration::from_millis(500);
    impatient.limits.connections = 1;
    let db = Db::connect(impatient, &Clock::system());
    reach(&db, DbState::Ready).await;
    let tx = db.user_tx(&user("alice")).await.unwrap();
    settings_get(&tx).await.unwrap();
    let admin = crate::support::Raw::connect(&cluster.url()).await;
    // Another connection may be rehearsing; it does not read all settings.
    let sql = "SELECT pid::bigint FROM pg_stat_activity
                WHERE application_name = 'blotterd' AND state = 'idle in transaction' AND query LIKE '%heat_limit_pct%'";
    let backend = Pid::from_raw(i32::try_from(admin.count(sql).await).unwrap());
    kill(backend, Signal::SIGSTOP).unwrap();
    let begun = Instant::now();
    let error = settings_get(&tx).await.unwrap_err();
    assert!(matches!(error, DbError::Unavailable { .. }) && begun.elapsed() < DEADLINE, "{error}");
    drop(tx);
    // Its place in the pool is free again, and the next connection works.
    let again = tokio::time::timeout(DEADLINE, async {
        let mut status = db.status();
        loop {
            // Alice's row is still locked by the session that hangs.
            if let Ok(tx) = db.user_tx(&user("bob")).await {
                return settings_get(&tx).await;
            }
            let _ = status.changed().await;
        }
    });
    again.await.expect("another connection").unwrap();
    kill(backend, Signal::SIGCONT).unwrap();
}

#[tokio::test]
async fn a_full_pool_is_busy_and_not_for_ever() {
    let cluster = Cluster::start().unwrap();
    let mut small = config(&cluster.url());
    small.limits.connections = 2;
    small.limits.wait = Duration::from_secs(1);
    let db = Db::connect(small, &Clock::system());
    reach(&db, DbState::Ready).await;
    let alice = user("alice");
    let held = [db.user_tx(&alice).await.unwrap(), db.user_tx(&alice).await.unwrap()];
    assert_eq!(db.pool_stats().idle, 0);
    let busy = db.user_tx(&alice).await.unwrap_err();
    assert!(matches!(busy, DbError::Busy { .. }), "{busy}");
    assert_eq!(db.status().borrow().state, DbState::Ready, "a full pool is no outage");
    drop(held);
    db.user_tx(&alice).await.unwrap();
}

/// A client that asks without end waits for itself; nobody else's requests do, and no bracket.
#[tokio::test]
async fn one_user_takes_neither_the_others_connections_nor_the_engines() {
    let cluster = Cluster::start().unwrap();
    let mut small = config(&cluster.url());
    small.limits.connections = 4;
    small.limits.wait = Duration::from_secs(1);
    let db = Db::connect(small, &Clock::system());
    reach(&db, DbState::Ready).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let _hers = [db.user_tx(&alice).await.unwrap(), db.user_tx(&alice).await.unwrap()];
    let busy = db.user_tx(&alice).await.unwrap_err().to_string();
    assert!(busy.contains("alice uses all 2 connections that one user may have"), "{busy}");
    let _his = [db.user_tx(&bob).await.unwrap(), db.user_tx(&bob).await.unwrap()];
    let busy = db.user_tx(&user("carl")).await.unwrap_err().to_string();
    assert!(busy.contains("all 4 connections are in use"), "{busy}");

    let engine = db.engine_tx(&alice).await.unwrap();
    settings_get(&engine).await.unwrap();
    engine.commit().await.unwrap();
    db.system_tx().await.unwrap();
    assert_eq!(db.status().borrow().state, DbState::Ready);
}

#[tokio::test]
async fn locks_statements_and_idle_transactions_have_an_end() {
    let cluster = Cluster::start().unwrap();
    let mut impatient = config(&cluster.url());
    impatient.limits.lock = Duration::from_millis(150);
    impatient.limits.idle_in_transaction = Duration::from_secs(1);
    let db = Db::connect(impatient, &Clock::system());
    reach(&db, DbState::Ready).await;
    let alice = user("alice");
    let tx = db.user_tx(&alice).await.unwrap();
    settings_get(&tx).await.unwrap();
    tx.commit().await.unwrap();

    let admin = crate::support::Raw::connect(&cluster.url()).await;
    admin.batch_execute("BEGIN; SELECT * FROM user_settings FOR UPDATE").await.unwrap();
    let tx = db.user_tx(&alice).await.unwrap();
    let update = blotter_shared::protocol::settings::SettingsUpdate { version: 1, ..Default::default() };
    let busy = blotter_daemon::db::settings::settings_update(&tx, &update, "laptop").await.unwrap_err();
    assert!(matches!(busy, DbError::Busy { .. }), "{busy}");
    admin.rollback().await;

    let idle = db.user_tx(&alice).await.unwrap();
    settings_get(&idle).await.unwrap();
    // The server ends it; the sign of that is that its process is gone.
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'blotterd' AND state LIKE 'idle in%'";
    let deadline = Instant::now() + DEADLINE;
    while admin.count(gone).await > 0 {
        assert!(Instant::now() < deadline, "an idle transaction is ended");
    }
    let error = settings_get(&idle).await.unwrap_err();
    assert!(matches!(error, DbError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_listener_hears_of_changes_and_of_gaps() {
    let mut test = TestDb::start().await;
    let mut listener = ChangeListener::start(&test.db);
    let mut hear = async || tokio::time::timeout(DEADLINE, listener.next()).await.expect("a hint").expect("a listener");
    assert_eq!(hear().await, ChangeHint::Gap, "whatever happened before");

    let change = async |db: &Db| {
        let tx = db.user_tx(&user("alice")).await.unwrap();
        let version = settings_get(&tx).await.unwrap().version;
        let update = blotter_shared::protocol::settings::SettingsUpdate { version, ..Default::default() };
        blotter_daemon::db::settings::settings_update(&tx, &update, "laptop").await.unwrap();
        tx
    };
    // Rolled back: not told. Committed: told once.
    drop(change(&test.db).await);
    change(&test.db).await.commit().await.unwrap();
    assert_eq!(hear().await, ChangeHint::Changed { username: user("alice"), seq: 1 });
    // A stranger's notification is skipped.
    let admin = test.admin().await;
    admin.batch_execute("SELECT pg_notify('blotter_changes', 'nonsense')").await.unwrap();
    drop(admin);

    test.cluster.stop_server().unwrap();
    reach(&test.db, DbState::Unavailable).await;
    test.cluster.start_server().unwrap();
    reach(&test.db, DbState::Ready).await;
    assert_eq!(hear().await, ChangeHint::Gap, "it was away");
    change(&test.db).await.commit().await.unwrap();
    assert_eq!(hear().await, ChangeHint::Changed { username: user("alice"), seq: 2 });
    test.db.close().await;
    assert_eq!(listener.next().await, None);
}

#[tokio::test]
async fn closing_ends_everything_even_under_a_transaction() {
    let test = TestDb::start().await;
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    tokio::time::timeout(DEADLINE, test.db.close()).await.expect("close() ends");
    assert!(settings_get(&tx).await.is_err());
    let admin = test.admin().await;
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'blotterd'";
    let deadline = Instant::now() + DEADLINE;
    while admin.count(sessions).await > 0 {
        assert!(Instant::now() < deadline, "no session is left");
    }
}
