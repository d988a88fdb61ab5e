//! Migrations: fresh equals upgraded, two daemons at once, and a database from the future.

use std::collections::BTreeMap;

use blotter_daemon::clock::Clock;
use blotter_daemon::db::{Db, DbState, schema_version};
use blotter_shared::domain::Turn;
use blotter_testkit::Cluster;
use uuid::Uuid;

use crate::support::{Raw, config, insert_trade, reach};

mod files {
    refinery::embed_migrations!("../migrations");
}

/// Everything about the schema that can be asked of the catalog.
async fn description(url: &str) -> BTreeMap<String, String> {
    let raw = Raw::connect(url).await;
    let sql = "
        SELECT 'column ' || c.relname || '.' || a.attname AS what, concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull,
               a.attgenerated, pg_get_expr(d.adbin, d.adrelid), a.attcollation, a.attacl::text) AS how
          FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
         WHERE c.relnamespace = 'blotter'::regnamespace AND a.attnum > 0 AND c.relkind IN ('r', 'p', 'v')
        UNION ALL SELECT 'relation ' || relname, concat_ws(' ', relkind, relacl::text, relrowsecurity, relforcerowsecurity,
               reloptions::text, relowner::regrole) FROM pg_class WHERE relnamespace = 'blotter'::regnamespace
        UNION ALL SELECT 'constraint ' || conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint
         WHERE connamespace = 'blotter'::regnamespace
        UNION ALL SELECT 'index ' || indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
         WHERE c.relnamespace = 'blotter'::regnamespace
        UNION ALL SELECT 'policy ' || tablename || '.' || policyname, concat_ws(' ', cmd, roles::text, qual, with_check)
          FROM pg_policies WHERE schemaname = 'blotter'
        UNION ALL SELECT 'trigger ' || tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'function ' || oid::regprocedure, pg_get_functiondef(oid) || coalesce(proacl::text, '') || proowner::regrole
          FROM pg_proc WHERE pronamespace = 'blotter'::regnamespace AND prokind <> 'a'
        UNION ALL SELECT 'aggregate ' || p.oid::regprocedure, concat_ws(' ', aggtransfn, agginitval, proacl::text, proowner::regrole)
          FROM pg_proc p JOIN pg_aggregate a ON a.aggfnoid = p.oid WHERE pronamespace = 'blotter'::regnamespace
        UNION ALL SELECT 'migration ' || version, name || checksum FROM refinery_schema_history";
    raw.query(sql, &[]).await.unwrap().iter().map(|row| (row.get("what"), row.get("how"))).collect()
}

/// Brings a database up to one version, as a daemon of that time would have.
pub(super) async fn migrate_to(url: &str, version: i32) {
    let (mut client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(async move { connection.await.unwrap() });
    client.batch_execute("SET search_path = blotter, pg_temp; SET ROLE blotter_owner").await.unwrap();
    let runner = files::migrations::runner().set_target(refinery::Target::Version(version));
    runner.run_async(&mut client).await.unwrap();
}

const BOOTSTRAP: &str = include_str!("../../../src/db/sql/bootstrap.sql");

pub(super) async fn bootstrap(url: &str) {
    let raw = Raw::connect(url).await;
    raw.batch_execute(&format!("SET blotter.work_role = 'postgres'; {BOOTSTRAP}")).await.unwrap();
}

#[tokio::test]
async fn fresh_equals_upgraded_step_by_step() {
    let (fresh, upgraded) = (Cluster::start().unwrap(), Cluster::start().unwrap());
    let db = Db::connect(config(&fresh.url()), &Clock::system());
    reach(&db, DbState::Ready).await;

    bootstrap(&upgraded.url()).await;
    for version in 1..=schema_version() {
        migrate_to(&upgraded.url(), version).await;
    }
    let db = Db::connect(config(&upgraded.url()), &Clock::system());
    reach(&db, DbState::Ready).await;

    let (fresh, upgraded) = (description(&fresh.url()).await, description(&upgraded.url()).await);
    assert!(fresh.len() > 500, "the description describes: {}", fresh.len());
    for (what, how) in &fresh {
        assert_eq!(Some(how), upgraded.get(what), "{what}");
    }
    assert_eq!(fresh.len(), upgraded.len());
}

/// Every state that a database can be in when two daemons meet at it.
#[tokio::test]
async fn two_daemons_migrate_at_once() {
    let cluster = Cluster::start().unwrap();
    let admin = Raw::connect(&cluster.url()).await;
    // Numbers may have gaps; whoever starts with nothing runs them all.
    let mut all = None;
    for version in 0..=schema_version() {
        admin.batch_execute(&format!("CREATE DATABASE at_{version}")).await.unwrap();
        let url = cluster.url().replace("/blotter?", &format!("/at_{version}?"));
        if version > 0 {
            bootstrap(&url).await;
            migrate_to(&url, version).await;
        }
        let daemons: Vec<Db> = (0..2).map(|_| Db::connect(config(&url), &Clock::system())).collect();
        for db in &daemons {
            let status = reach(db, DbState::Ready).await;
            assert_eq!(status.detail, None, "from version {version}");
        }
        let raw = Raw::connect(&url).await;
        let applied = raw.count("SELECT count(*) FROM refinery_schema_history").await;
        let newest = raw.count("SELECT max(version)::bigint FROM refinery_schema_history").await;
        assert_eq!(
            (applied, newest),
            (*all.get_or_insert(applied), i64::from(schema_version())),
            "from version {version}"
        );
    }
}

#[tokio::test]
async fn a_database_from_the_future_is_refused() {
    let cluster = Cluster::start().unwrap();
    let db = Db::connect(config(&cluster.url()), &Clock::system());
    reach(&db, DbState::Ready).await;
    db.close().await;
    let raw = Raw::connect(&cluster.url()).await;
    let future = schema_version() + 1;
    let sql = format!("INSERT INTO refinery_schema_history VALUES ({future}, 'future', '2030-01-01T00:00:00Z', '1')");
    raw.batch_execute(&sql).await.unwrap();

    let db = Db::connect(config(&cluster.url()), &Clock::system());
    let status = reach(&db, DbState::Refused).await;
    let sentence = status.detail.unwrap();
    assert!(
        sentence.contains(&format!("version {future}")) && sentence.contains("install a newer blotterd"),
        "{sentence}"
    );
    assert!(status.next_try.is_some());
    assert!(db.user_tx(&crate::support::user("alice")).await.is_err());
}

#[tokio::test]
async fn a_migration_that_was_edited_is_refused() {
    let cluster = Cluster::start().unwrap();
    let db = Db::connect(config(&cluster.url()), &Clock::system());
    reach(&db, DbState::Ready).await;
    db.close().await;
    let raw = Raw::connect(&cluster.url()).await;
    raw.batch_execute("UPDATE refinery_schema_history SET checksum = '1' WHERE version = 3").await.unwrap();
    let db = Db::connect(config(&cluster.url()), &Clock::system());
    let sentence = reach(&db, DbState::Refused).await.detail.unwrap();
    assert!(sentence.contains("V3__commands"), "{sentence}");
}

/// Trades of two modes over some days, in no order, some at the same moment; past the guards.
const MANY: &str = "
    SET session_replication_role = replica;
    INSERT INTO paper_trades (username, id, number, broker_mode, account_id, ticker, option_symbol, option_type, strike, expiry, qty,
                              entry_date, desired, desired_qty, status, close_date, close_reason, realized_pnl, created_at, updated_at)
    SELECT 'bob', gen_random_uuid(), n, CASE n % 5 WHEN 0 THEN 'LIVE' ELSE 'SIM' END, 'VA1', 'SPY',
           'SPY260101C' || lpad(n::text, 8, '0'), 'CALL', 100, '2026-02-01', 1, asked, 'FLAT', 0,
           CASE n % 7 WHEN 0 THEN 'VOID' ELSE 'CLOSED' END, asked + n * 61 % 240 * interval '1 minute',
           CASE WHEN n % 7 = 0 THEN NULL WHEN n % 11 = 0 THEN 'SANDBOX_RESET' WHEN n % 13 = 0 THEN 'EXTERNAL_UNEXPLAINED' ELSE 'TP_HIT' END,
           CASE WHEN n % 7 = 0 OR n % 13 = 0 THEN NULL ELSE n % 3 - 1 END, asked, asked
      FROM (SELECT n, timestamptz '2026-01-05 14:30+00' + n * 7919 % 1440 * interval '5 minutes' AS asked
              FROM generate_series(1, 400) AS n) AS made;
    INSERT INTO closed_trades (username, trade_id, number, broker_mode, ticker, option_symbol, option_type, expiry, strategy, verdict,
                               entered_at, closed_at, ended_as, pnl_e4)
    SELECT username, id, number, broker_mode, ticker, option_symbol, option_type, expiry, '', '', entry_date, close_date,
           coalesce(close_reason, status), realized_pnl * 10000 FROM paper_trades WHERE username = 'bob';
    SET session_replication_role = origin";

/// The order in which trades ended before anybody noted it is in the trades.
#[tokio::test]
async fn what_was_closed_before_there_were_turns_gets_its_own() {
    let cluster = Cluster::start().unwrap();
    bootstrap(&cluster.url()).await;
    migrate_to(&cluster.url(), 28).await;
    let raw = Raw::connect(&cluster.url()).await;
    raw.begin("blotter_app", "alice").await;
    let day = [("15:00", "15:30", -50), ("15:10", "16:00", 20), ("15:40", "16:10", 5), ("16:05", "16:20", 5)];
    for (n, (asked, closed, pnl)) in (1..).zip(day) {
        let (id, asked) = (Uuid::from_u128(n).to_string(), format!("'2026-01-06 {asked}+00'"));
        let begun = insert_trade("alice", &id, &[("entry_date", &asked)]);
        let sql = format!(
            "{begun};
             UPDATE paper_trades SET status = 'FILLED', held_qty = 5, protection = 'NAKED', delta_at_entry = -0.4512 WHERE id = '{id}';
             UPDATE paper_trades SET status = 'CLOSED', held_qty = 0, protection = 'N/A', close_date = '2026-01-06 {closed}+00',
                    close_reason = 'TP_HIT', realized_pnl = {pnl} WHERE id = '{id}'"
        );
        raw.batch_execute(&sql).await.unwrap();
    }
    raw.batch_execute("DELETE FROM performance_stale; COMMIT").await.unwrap();
    raw.batch_execute(MANY).await.unwrap();
    migrate_to(&cluster.url(), 29).await;

    let raw = Raw::connect(&cluster.url()).await;
    let turns = raw.query("SELECT DISTINCT turn FROM closed_trades WHERE username = 'bob'", &[]).await.unwrap();
    assert_eq!(turns.len(), Turn::ALL.len(), "each of them is among them");
    let other =
        "SELECT count(*) FROM closed_trades c JOIN paper_trades p ON p.username = c.username AND p.id = c.trade_id
                  WHERE c.turn IS DISTINCT FROM trade_turn(p.username, p.broker_mode, p.id, p.entry_date)";
    assert_eq!(raw.count(other).await, 0, "all at once as one by one");
    let sql = "SELECT turn, delta_e4 FROM closed_trades WHERE username = 'alice' ORDER BY trade_id";
    let rows = raw.query(sql, &[]).await.unwrap();
    let found: Vec<(&str, i64)> = rows.iter().map(|row| (row.get("turn"), row.get("delta_e4"))).collect();
    let expected = ["FIRST", "AMID", "AFTER_LOSS", "AFTER_WIN"].map(|turn| (turn, 4512));
    assert_eq!(found, expected);
    let stale = "SELECT count(*) FROM performance_stale WHERE username = 'alice'";
    assert_eq!(raw.count(stale).await, 1, "the day is added up again");
}
