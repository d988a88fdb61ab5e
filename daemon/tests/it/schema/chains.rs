//! Chains of hashes: what was altered, removed or cut off behind the daemon's back is seen.

use std::process::Command;

use blotter_daemon::clock::Clock;
use blotter_daemon::db::audit::{AuditEntry, audit_append, chains_walk};
use blotter_daemon::db::settings::settings_get;
use blotter_daemon::db::{Db, DbState};
use blotter_testkit::Cluster;
use serde_json::{Value, json};

use super::migrations::{bootstrap, migrate_to};
use crate::support::{Raw, TestDb, config, insert_trade, reach, user};

#[tokio::test]
async fn a_chain_shows_what_was_altered_or_removed() {
    let db = TestDb::start().await;
    let alice = user("alice");
    let tx = db.db.user_tx(&alice).await.unwrap();
    for number in 0..5 {
        let detail = json!({ "number": number });
        let entry = AuditEntry { action: "test", subject: "chain", device: "laptop", detail };
        audit_append(&tx, &entry).await.unwrap();
    }
    tx.commit().await.unwrap();
    let broken = async || {
        let tx = db.db.user_tx(&alice).await.unwrap();
        let [audit, intents, stories] = chains_walk(&tx).await.unwrap().try_into().unwrap();
        assert_eq!((intents.rows, intents.broken, stories.rows, stories.broken), (0, None, 0, None));
        audit.broken
    };
    assert_eq!(broken().await, None);

    let admin = db.admin().await;
    let tamper = async |sql: &str| {
        let sql = format!("SET session_replication_role = replica; {sql}; SET session_replication_role = origin");
        admin.batch_execute(&sql).await.unwrap();
    };
    tamper("UPDATE audit_log SET detail = '{\"number\": 9}' WHERE seq = 3").await;
    assert_eq!(broken().await, Some(3), "altered");
    tamper("UPDATE audit_log SET detail = '{\"number\": 2}' WHERE seq = 3").await;
    assert_eq!(broken().await, None, "as it was");
    tamper(
        "UPDATE audit_log a SET device = 'phone', hash = audit_hash((a.username, a.seq, a.action, a.subject, 'phone',
            a.detail, a.at, a.prev_hash, a.hash)::audit_log) WHERE seq = 4",
    )
    .await;
    assert_eq!(broken().await, Some(5), "altered and hashed again: the next one does not follow");
    tamper("DELETE FROM audit_log WHERE seq = 2").await;
    assert_eq!(broken().await, Some(3), "removed");
}

#[tokio::test]
async fn the_daemons_own_word_about_its_chains() {
    let db = TestDb::start().await;
    let alice = user("alice");
    let tx = db.db.user_tx(&alice).await.unwrap();
    settings_get(&tx).await.unwrap();
    for number in 0..3 {
        let detail = json!({ "number": number });
        let entry = AuditEntry { action: "test", subject: "chain", device: "laptop", detail };
        audit_append(&tx, &entry).await.unwrap();
    }
    tx.commit().await.unwrap();
    let admin = db.admin().await;
    let url = db.cluster.url();
    let verify = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_blotterd"));
        let output = program.env_clear().env("DATABASE_URL", &url).args(["audit", "verify"]).args(arguments).output();
        let output = output.unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), told, String::from_utf8(output.stderr).unwrap())
    };
    let (whole, told, why) = verify(&[]);
    assert!(whole && told.contains("alice") && told.contains("3 rows  whole"), "{told}{why}");
    admin
        .batch_execute(
            "SET session_replication_role = replica; UPDATE audit_log SET device = 'phone' WHERE seq = 2;
             SET session_replication_role = origin",
        )
        .await
        .unwrap();
    let (whole, told, why) = verify(&["--json"]);
    let first: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!((whole, &first["table"], &first["broken"]), (false, &"audit_log".into(), &2.into()), "{told}");
    assert!(why.contains("rows of 1 chain(s)"), "{why}");
}

/// Alice's trades, each with a fill and an end behind it: three events.
async fn tell(raw: &Raw, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        let id = trade(number);
        // A number of its own: what is found out is told by it.
        let place = number.to_string();
        raw.batch_execute(&insert_trade("alice", &id, &[("number", &place)])).await.unwrap();
        for columns in [
            "status = 'FILLED', held_qty = 5, protection = 'NAKED', entry_price = 4.50, desired_qty = 5",
            "status = 'CLOSED', held_qty = 0, protection = 'N/A', naked_since = NULL, close_date = now(), close_reason = 'TP_HIT'",
        ] {
            raw.batch_execute(&format!("UPDATE paper_trades SET {columns} WHERE id = '{id}'")).await.unwrap();
        }
    }
}

fn trade(number: u32) -> String {
    format!("01940000-0000-7000-8000-{number:012}")
}

/// How many events there are, and the number of the first trade whose story is not whole.
async fn stories(db: &Db) -> (i64, Option<i64>) {
    let tx = db.user_tx(&user("alice")).await.unwrap();
    let [.., stories] = <[_; 3]>::try_from(chains_walk(&tx).await.unwrap()).unwrap();
    (stories.rows, stories.broken)
}

/// Behind everybody's back, and taken back again.
async fn tampered(db: &TestDb, sql: &str) -> Option<i64> {
    let admin = db.admin().await;
    let dropped = "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS TABLE trade_events";
    let back = "DELETE FROM trade_events; INSERT INTO trade_events TABLE kept";
    let unseen = async |sql: &str| {
        let sql = format!("SET session_replication_role = replica; {sql}; SET session_replication_role = origin");
        admin.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    };
    unseen(&format!("{dropped}; {sql}")).await;
    let (_, broken) = stories(&db.db).await;
    unseen(back).await;
    assert_eq!(stories(&db.db).await, (9, None), "as it was: {sql}");
    broken
}

#[tokio::test]
async fn a_story_shows_what_was_altered_removed_or_cut_off() {
    let db = TestDb::start().await;
    let raw = db.admin().await;
    raw.begin("blotter_app", "alice").await;
    tell(&raw, 1..=3).await;
    raw.batch_execute("COMMIT").await.unwrap();
    assert_eq!(stories(&db.db).await, (9, None));

    let second = trade(2);
    let of_the_second = |deed: &str, which: &str| format!("{deed} WHERE trade_id = '{second}' AND {which}");
    for (what, sql) in [
        ("altered", of_the_second("UPDATE trade_events SET data = data || '{\"held\": 4}'", "seq = 2")),
        ("another time", of_the_second("UPDATE trade_events SET at = at + interval '1 ms'", "seq = 1")),
        ("removed", of_the_second("DELETE FROM trade_events", "seq = 2")),
        ("its end is cut off", of_the_second("DELETE FROM trade_events", "seq = 3")),
        ("all of it is gone", of_the_second("DELETE FROM trade_events", "true")),
        (
            "altered and hashed again: the next one does not follow",
            of_the_second(
                "UPDATE trade_events e SET kind = 'AMENDED',
                        hash = (SELECT hash_on(b.hash, trade_event_said((e.username, e.trade_id, e.seq, 'AMENDED', e.data, e.at,
                                                                         e.hash)::trade_events))
                                  FROM trade_events b WHERE b.trade_id = e.trade_id AND b.seq = 1)",
                "seq = 2",
            ),
        ),
    ] {
        assert_eq!(tampered(&db, &sql).await, Some(2), "{what}");
    }
}

#[tokio::test]
async fn stories_from_before_there_were_chains_are_taken_at_their_word_and_go_on() {
    let cluster = Cluster::start().unwrap();
    bootstrap(&cluster.url()).await;
    migrate_to(&cluster.url(), 25).await;
    let raw = Raw::connect(&cluster.url()).await;
    raw.begin("blotter_app", "alice").await;
    tell(&raw, 1..=3).await;
    raw.batch_execute("COMMIT").await.unwrap();

    let db = Db::connect(config(&cluster.url()), &Clock::system());
    reach(&db, DbState::Ready).await;
    assert_eq!(stories(&db).await, (9, None));
    raw.begin("blotter_app", "alice").await;
    raw.batch_execute(&format!("UPDATE paper_trades SET fees = 1.25 WHERE id = '{}'", trade(1))).await.unwrap();
    tell(&raw, 4..=4).await;
    raw.batch_execute("COMMIT").await.unwrap();
    assert_eq!(stories(&db).await, (13, None));
}
