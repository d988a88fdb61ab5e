//! Statements that are sent together, and the rehearsal of what a connection is there for.

use std::time::Duration;

use blotter_daemon::clock::Clock;
use blotter_daemon::db::audit::AuditEntry;
use blotter_daemon::db::commands::{Answer, Begin, Command, command_begin, command_commit, command_finish};
use blotter_daemon::db::engine::WishRow;
use blotter_daemon::db::trades::{Overrides, WishSaid, trade_get, wish_say};
use blotter_daemon::db::{Db, DbError, DbState, UserTx};
use blotter_shared::domain::{BrokerMode, CommandId, Desired, TradeId};
use rust_decimal::Decimal;
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::queries::claimed_by_one_of_many;
use crate::support::{TestDb, config, insert_trade, looks, reach, user};

const TRADE: TradeId = TradeId(Uuid::from_u128(7));

fn wish(version: i64, stop: i64) -> WishRow {
    let (stop, target) = (Some(Decimal::from(stop)), Some(Decimal::from(9)));
    WishRow { version, desired: "HOLD", keep: 5, stop, target, limit: None, at_open: false, facts: json!({}) }
}

fn said<'a>(wish: &'a WishRow, was: i64) -> WishSaid<'a> {
    WishSaid {
        trade: TRADE,
        was: (was, "HOLD"),
        wish,
        step: Some("BRACKET_NEXT"),
        overrides: Overrides::Plan,
        work: (BrokerMode::Sim, Uuid::nil()),
        audit: AuditEntry { action: "trade.adjust", subject: "it", device: "laptop", detail: json!({}) },
    }
}

#[tokio::test]
async fn of_statements_that_are_sent_together_the_first_error_is_told() {
    let test = TestDb::start().await;
    let (raw, alice) = (test.admin().await, user("alice"));
    raw.batch_execute(&insert_trade("alice", &TRADE.to_string(), &[])).await.unwrap();
    // On connections that have never heard any of it, and again on those that have.
    for round in 0..6 {
        let tx = test.db.command_tx(&alice).await.unwrap();
        let error = wish_say(&tx, &said(&wish(2, 10), 1)).await.unwrap_err();
        let DbError::Refused { rule, .. } = &error else { panic!("round {round}: {error}") };
        assert_eq!(rule, "paper_trades_stop_below_target", "round {round}: {error}");
        let error = tx.commit().await.unwrap_err();
        assert!(matches!(error, DbError::Internal { .. }), "round {round}: {error}");
    }
    assert_eq!(raw.count("SELECT count(*) FROM change_feed").await, 0);
    assert_eq!(raw.count("SELECT count(*) FROM audit_log").await, 0);
}

#[tokio::test]
async fn a_wish_is_said_with_all_that_goes_with_it_and_only_in_the_place_of_the_one_that_was_seen() {
    let test = TestDb::start().await;
    let (raw, alice) = (test.admin().await, user("alice"));
    raw.batch_execute(&insert_trade("alice", &TRADE.to_string(), &[])).await.unwrap();
    let tx = test.db.command_tx(&alice).await.unwrap();
    let told = wish_say(&tx, &said(&wish(2, 3), 1)).await.unwrap().unwrap();
    assert_eq!((told.version, told.desired), (2, Desired::Hold));
    assert_eq!(told, trade_get(&tx, TRADE).await.unwrap(), "it is told as it is read");
    tx.commit().await.unwrap();
    for (what, sql) in [
        ("counted", "SELECT override_count::bigint FROM paper_trades"),
        ("told to devices", "SELECT count(*) FROM change_feed WHERE entity = 'TRADE'"),
        ("noted", "SELECT count(*) FROM audit_log WHERE action = 'trade.adjust'"),
    ] {
        assert_eq!(raw.count(sql).await, 1, "{what}");
    }
    let tx = test.db.command_tx(&alice).await.unwrap();
    assert_eq!(wish_say(&tx, &said(&wish(3, 4), 1)).await.unwrap(), None, "another wish is there by now");
    drop(tx);
    assert_eq!(raw.count("SELECT version FROM paper_trades").await, 2);
    assert_eq!(raw.count("SELECT count(*) FROM audit_log").await, 1);
}

const COMMAND: Command<'static> = Command { key: "k", kind: "POST /v1/trades", body_hash: [1; 32], device: "laptop" };

async fn begun(db: &Db) -> (UserTx, CommandId) {
    let tx = db.command_tx(&user("alice")).await.unwrap();
    let Begin::New(id) = command_begin(&tx, COMMAND).await.unwrap() else { panic!("nothing of it was kept before") };
    (tx, id)
}

/// The server answers the commit of a transaction in which something failed as if nothing were the matter.
#[tokio::test]
async fn an_answer_that_is_refused_takes_its_command_with_it() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    let answer = |status| Answer { status, body: "{}".to_owned() };
    // On connections that have never heard any of it, and again on those that have.
    for round in 0..4 {
        let (tx, id) = begun(&test.db).await;
        let error = command_commit(tx, id, &answer(999)).await.unwrap_err();
        let DbError::Refused { rule, .. } = &error else { panic!("round {round}: {error}") };
        assert_eq!(rule, "commands_answer_status", "round {round}: {error}");
        let (tx, _) = begun(&test.db).await;
        let error = command_commit(tx, CommandId(Uuid::nil()), &answer(200)).await.unwrap_err();
        let DbError::Refused { rule, .. } = &error else { panic!("round {round}: {error}") };
        assert_eq!(rule, "commands_answered", "round {round}: {error}");
        assert_eq!(raw.count("SELECT count(*) FROM commands").await, 0, "round {round}");
    }
    let (tx, id) = begun(&test.db).await;
    command_commit(tx, id, &answer(200)).await.unwrap();
    assert_eq!(raw.count("SELECT count(*) FROM commands WHERE answer_status = 200").await, 1);
}

#[tokio::test]
async fn a_key_of_long_ago_is_claimed_by_one_of_many() {
    let test = TestDb::start().await;
    let alice = user("alice");
    let (tx, id) = begun(&test.db).await;
    command_finish(&tx, id, &Answer { status: 200, body: "{}".to_owned() }).await.unwrap();
    tx.commit().await.unwrap();

    let later = Clock::from_fn(|| Clock::system().now() + chrono::TimeDelta::days(8));
    let db = Db::connect(config(&test.cluster.url()), &later);
    reach(&db, DbState::Ready).await;
    let answer = claimed_by_one_of_many(&db, &alice, COMMAND).await;
    assert_ne!(answer, 200, "not that of long ago");
}

#[tokio::test]
async fn a_connection_rehearses_after_its_first_work_and_leaves_nothing() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    drop(test.db.user_tx(&user("alice")).await.unwrap());
    // Rows that were taken back are counted as well: the feed is the last that both rehearsals write.
    let played = "SELECT count(*) FROM pg_stat_user_tables
                   WHERE (relname = 'commands' AND n_tup_upd > 0) OR (relname = 'fills' AND n_tup_ins > 0)
                      OR (relname = 'closed_trades' AND n_tup_ins > 0) OR (relname = 'change_feed' AND n_tup_ins > 1)";
    let (mut looks, deadline) = (looks(), Instant::now() + Duration::from_secs(60));
    while raw.count(played).await < 4 {
        let seen = "SELECT string_agg(relname || ' ' || n_tup_ins || '/' || n_tup_upd, ', ') FROM pg_stat_user_tables
                     WHERE n_tup_ins > 0";
        let seen: Option<String> = raw.query_one(seen, &[]).await.unwrap().get(0);
        assert!(Instant::now() < deadline, "one connection of each lane rehearses; written were: {seen:?}");
        looks.tick().await;
    }
    let written = ["commands", "paper_trades", "trade_facts", "trade_events", "intents", "fills", "closed_trades"];
    for table in written.iter().chain(&["change_feed", "audit_log", "leases", "performance_stale"]) {
        let left = raw.count(&format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(left, 0, "{table}");
    }
}
