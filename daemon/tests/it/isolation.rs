//! Nobody reads, writes or counts another user's rows: every table, every role, every verb.
//!
//! The tables come from the catalog: one that is added later must be seeded here, or the tests fail.

use std::collections::BTreeSet;

use blotter_daemon::clock::Clock;
use blotter_daemon::db::settings::{settings_get, settings_update};
use blotter_daemon::db::{Db, DbError, DbState};
use blotter_shared::protocol::settings::SettingsUpdate;
use futures_util::StreamExt;

use crate::support::{Raw, TestDb, config, insert_trade, reach, user};

/// What a row may not do: no privilege, or a policy against it.
const DENIED: &str = "42501";

fn trade_of(username: &str) -> String {
    format!("01940000-0000-7000-8000-00000000000{}", if username == "alice" { 1 } else { 2 })
}

/// One row or more for a user in every table, written by the superuser.
async fn seed(admin: &Raw, name: &str) {
    let trade = trade_of(name);
    let intent = trade.replace("7000", "7001");
    let mut sql = format!(
        "INSERT INTO user_heads VALUES ('{name}', 1, 1);
         INSERT INTO user_settings (username, created_date, updated_date) VALUES ('{name}', now(), now());
         INSERT INTO device_sync VALUES ('{name}', 'laptop', now(), 1);
         INSERT INTO commands VALUES ('{name}', '{trade}', 'key', 'kind', sha256(''), 'laptop', now(), 200, '{{}}');"
    );
    sql += &insert_trade(name, &trade, &[]);
    sql += &format!(
        ";INSERT INTO leases VALUES ('{name}', 'VA1', '{trade}', 1, now());
         INSERT INTO intents (username, intent_id, trade_id, account_id, option_symbol, op, role, attempt, version, tag,
             params, params_hash, valid_until, epoch, created_at, updated_at)
         VALUES ('{name}', '{intent}', '{trade}', 'VA1', 'NVDA261218C00000001', 'PLACE', 'ENTRY', 1, 1, 't', '{{}}', sha256(''),
             now(), 1, now(), now());
         INSERT INTO intent_events (username, intent_id, seq, event, data, epoch, observed_at)
         VALUES ('{name}', '{intent}', 1, 'PREPARED', '{{}}', 1, now());
         INSERT INTO fills (username, broker_order_id, cum_qty, inc_qty, trade_id, side, observed_at)
         VALUES ('{name}', '7', 1, 1, '{trade}', 'BUY', now());
         INSERT INTO trade_facts (username, trade_id, spec, wish, marks) VALUES ('{name}', '{trade}', '{{}}', '{{}}', '{{}}');
         INSERT INTO account_facts (username, account, facts, updated_at) VALUES ('{name}', 'SIM:VA1', '{{}}', now());
         INSERT INTO price_snapshots (username, trade_id, ts, session_date, mark_price, mark_kind, source, quality)
         SELECT '{name}', '{trade}', at, at::date, 1, 'MID', 'SIM', 'GOOD'
           FROM unnest(ARRAY[now(), now() + interval '1 month', now() + interval '2 months', now() - interval '1 year']) AS at;
         INSERT INTO trade_forensics (username, trade_id, version, own_points, bar_points) VALUES ('{name}', '{trade}', 1, 0, 0);
         INSERT INTO price_days (username, trade_id, session_date, first_ts, last_ts, points, packed)
         VALUES ('{name}', '{trade}', '2026-01-05', now(), now(), 1, '\\x0100');
         INSERT INTO closed_trades (username, trade_id, number, broker_mode, ticker, option_symbol, option_type, expiry, strategy,
             verdict, entered_at, closed_at, ended_as)
         VALUES ('{name}', '{trade}', 1, 'SIM', 'NVDA', 'NVDA261218C00000001', 'CALL', '2026-12-18', '', '', now(), now(), 'VOID');
         INSERT INTO performance_stale (username, broker_mode, day) VALUES ('{name}', 'SIM', '2026-11-20');
         INSERT INTO performance_heads VALUES ('{name}', 1);
         INSERT INTO performance_sums SELECT '{name}', 'SIM', 'TOTAL', 'DAY', '2026-11-20', '', 1, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL,
             0, 0, 0, 0, array_fill(0, ARRAY[8]), 0, 0, 0, array_fill(0, ARRAY[3]), 0, 0, 0, 0, 0, 0, 0, 0, 0;
         INSERT INTO alarms (username, alarm_id, kind, message, raised_at) VALUES ('{name}', '{trade}', 'NAKED', 'm', now());
         INSERT INTO change_feed VALUES ('{name}', 1, 'TRADE', '{trade}', now());
         INSERT INTO audit_log (username, action, subject, device, detail, at) VALUES ('{name}', 'a', 's', 'd', '{{}}', now());"
    );
    admin.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
}

struct Seeded {
    db: TestDb,
    admin: Raw,
    /// Tables of users that are addressed by name.
    tables: Vec<String>,
    leaves: Vec<String>,
}

impl Seeded {
    async fn start() -> Self {
        let db = TestDb::start().await;
        let admin = db.admin().await;
        seed(&admin, "alice").await;
        seed(&admin, "bob").await;
        let sql = "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'blotter'::regnamespace AND c.relkind IN ('r', 'p')
                      AND c.relispartition = $1
                      AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'username') ORDER BY 1";
        let names = async |leaves: bool| {
            admin.query(sql, &[&leaves]).await.unwrap().iter().map(|row| row.get(0)).collect::<Vec<String>>()
        };
        let (tables, leaves) = (names(false).await, names(true).await);
        assert!(tables.len() >= 14 && leaves.len() == 4, "{tables:?} {leaves:?}");
        for table in tables.iter().chain(&leaves) {
            for name in ["alice", "bob"] {
                let rows = admin.count(&format!("SELECT count(*) FROM {table} WHERE username = '{name}'")).await;
                assert!(rows > 0, "seed {table} for {name}");
            }
        }
        Self { db, admin, tables, leaves }
    }

    fn everything(&self) -> impl Iterator<Item = &String> {
        self.tables.iter().chain(&self.leaves)
    }

    /// Statements that would write a row of `name`, one for each verb.
    async fn writes(&self, table: &str, name: &str) -> Vec<String> {
        let columns: String = self
            .admin
            .query_one(
                "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
                  WHERE attrelid = $1::text::regclass AND attnum > 0 AND attgenerated = ''",
                &[&table],
            )
            .await
            .unwrap()
            .get(0);
        let row: String = self
            .admin
            .query_one(&format!("SELECT to_jsonb(t)::text FROM {table} t WHERE username = '{name}' LIMIT 1"), &[])
            .await
            .unwrap()
            .get(0);
        let row = row.replace('\'', "''");
        vec![
            format!(
                "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, '{row}')"
            ),
            format!("UPDATE {table} SET username = username WHERE username = '{name}'"),
            format!("DELETE FROM {table} WHERE username = '{name}'"),
        ]
    }
}

/// How many rows of `name` a connection can find, by every way of reading.
async fn rows_seen(raw: &Raw, table: &str, name: &str) -> Result<i64, String> {
    let probe = format!("SELECT count(*) FROM {table} WHERE username = '{name}'");
    if let Some((code, message)) = raw.refusal(&probe).await {
        assert_eq!(code, DENIED, "{table}: {message}");
        return Err(code);
    }
    let counted = raw.count(&probe).await;
    let listed = raw.query(&format!("SELECT username FROM {table}"), &[]).await.unwrap();
    let listed = listed.iter().filter(|row| row.get::<_, &str>(0) == name).count();
    assert_eq!(counted, i64::try_from(listed).unwrap(), "{table}");
    Ok(counted)
}

/// Lines of `name` in a COPY, by which a dump reads.
async fn rows_copied(raw: &Raw, source: &str, name: &str) -> usize {
    let mut copy = std::pin::pin!(raw.copy_out(&format!("COPY {source} TO STDOUT")).await.unwrap());
    let mut text = Vec::new();
    while let Some(chunk) = copy.next().await {
        text.extend_from_slice(&chunk.unwrap());
    }
    String::from_utf8(text).unwrap().lines().filter(|line| line.split('\t').any(|cell| cell == name)).count()
}

#[tokio::test]
async fn alice_sees_her_rows_and_not_bobs() {
    let seeded = Seeded::start().await;
    // Once as the daemon comes, once logged in as the role itself.
    for raw in [seeded.db.admin().await, seeded.db.login("blotter_app").await] {
        raw.begin("blotter_app", "alice").await;
        for table in &seeded.tables {
            assert!(rows_seen(&raw, table, "alice").await.unwrap() > 0, "{table}: her own");
            assert_eq!(rows_seen(&raw, table, "bob").await, Ok(0), "{table}");
            assert_eq!(
                raw.count(&format!("SELECT count(*) FROM {table}")).await,
                raw.count(&format!("SELECT count(*) FROM {table} WHERE username = 'alice'")).await
            );
            assert_eq!(rows_copied(&raw, &format!("(SELECT * FROM {table})"), "bob").await, 0, "{table}");
            assert!(rows_copied(&raw, &format!("(SELECT * FROM {table})"), "alice").await > 0, "{table}");
        }
        for leaf in &seeded.leaves {
            assert_eq!(
                rows_seen(&raw, leaf, "alice").await,
                Err(DENIED.to_owned()),
                "{leaf} is not addressed directly"
            );
        }
        assert_eq!(raw.count("SELECT count(*) FROM alarm_rows").await, 1, "a view keeps to the caller's policies");
    }
}

#[tokio::test]
async fn alice_writes_nothing_of_bobs() {
    let seeded = Seeded::start().await;
    let raw = seeded.db.admin().await;
    raw.begin("blotter_app", "alice").await;
    for table in seeded.everything() {
        for sql in seeded.writes(table, "bob").await {
            match raw.refusal(&sql).await {
                Some((code, message)) => assert_eq!(code, DENIED, "{sql}: {message}"),
                // A WHERE that finds nothing is no error, and changes nothing.
                None => assert!(!sql.starts_with("INSERT"), "{sql}"),
            }
        }
        let (code, message) = raw.refused(&format!("UPDATE {table} SET username = 'bob'")).await;
        assert!(
            [
                DENIED,
                "user_heads_guard",
                "paper_trades_fixed",
                "commands_guard",
                "leases_guard",
                "intents_fixed",
                "alarms_guard"
            ]
            .contains(&code.as_str()),
            "{table}: {code} {message}"
        );
        assert_eq!(raw.refused(&format!("TRUNCATE {table} CASCADE")).await.0, DENIED, "{table}");
        let (code, _) = raw.refused(&format!("COPY {table} FROM STDIN")).await;
        assert!(code == DENIED || code == "0A000", "{table}: COPY FROM goes around policies: {code}");
    }
    raw.batch_execute("COMMIT").await.unwrap();
    for table in seeded.everything() {
        let rows = seeded.admin.count(&format!("SELECT count(*) FROM {table} WHERE username = 'bob'")).await;
        assert!(rows > 0, "{table}: bob's rows are still there");
    }
}

#[tokio::test]
async fn a_statement_without_identity_sees_nothing_and_writes_nothing() {
    let seeded = Seeded::start().await;
    let raw = seeded.db.login("blotter_app").await;
    // Never set, and set in a transaction before: NULL and the empty text.
    for before in ["BEGIN", "BEGIN; SELECT set_config('app.username', 'alice', true); COMMIT; BEGIN"] {
        raw.batch_execute(before).await.unwrap();
        for table in &seeded.tables {
            assert_eq!(rows_seen(&raw, table, "alice").await, Ok(0), "{table}");
            for sql in seeded.writes(table, "alice").await {
                match raw.refusal(&sql).await {
                    Some((code, message)) => assert_eq!(code, DENIED, "{sql}: {message}"),
                    None => assert!(!sql.starts_with("INSERT"), "{sql}"),
                }
            }
        }
        for table in &seeded.tables {
            assert!(
                seeded.admin.count(&format!("SELECT count(*) FROM {table} WHERE username = 'alice'")).await > 0,
                "{table}"
            );
        }
        raw.rollback().await;
    }
}

#[tokio::test]
async fn blotter_app_becomes_nobody_more_powerful() {
    let seeded = Seeded::start().await;
    let raw = seeded.db.login("blotter_app").await;
    raw.batch_execute("BEGIN").await.unwrap();
    for role in ["blotter_owner", "blotter_backup", "postgres"] {
        assert_eq!(raw.refused(&format!("SET LOCAL ROLE {role}")).await.0, DENIED, "{role}");
    }
    for sql in [
        "ALTER TABLE paper_trades DISABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON paper_trades USING (true)",
        "DROP TABLE paper_trades",
        "CREATE TABLE blotter.mine (x int)",
        "SET LOCAL session_replication_role = replica",
        "SELECT snapshot_leaf_secure('price_snapshots_default')",
        "SELECT snapshot_partitions_ensure(current_date, 1)",
    ] {
        assert_eq!(raw.refused(sql).await.0, DENIED, "{sql}");
    }
    let (_, message) = raw.refused("SET LOCAL row_security = off; SELECT * FROM paper_trades").await;
    assert!(message.contains("row-level security"), "{message}");
}

#[tokio::test]
async fn the_system_has_exactly_these_rights() {
    let seeded = Seeded::start().await;
    let expected = [
        "change_feed DELETE",
        "change_feed SELECT",
        "commands DELETE",
        "commands SELECT",
        "installation INSERT",
        "installation SELECT",
        "intents SELECT",
        "leases SELECT",
        "paper_trades SELECT",
        "refinery_schema_history SELECT",
        "task_runs INSERT",
        "task_runs SELECT",
        "task_runs UPDATE",
        "user_settings SELECT",
    ];
    let sql = "SELECT c.relname || ' ' || verb FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS verb
                WHERE c.relnamespace = 'blotter'::regnamespace AND c.relkind IN ('r', 'p', 'v')
                  AND CASE WHEN verb IN ('DELETE', 'TRUNCATE') THEN has_table_privilege('blotter_system', c.oid, verb)
                           ELSE has_any_column_privilege('blotter_system', c.oid, verb) END";
    let rights: BTreeSet<String> = seeded.admin.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(rights, expected.map(str::to_owned).into());

    let raw = seeded.db.admin().await;
    raw.begin("blotter_system", "").await;
    assert_eq!(raw.count("SELECT count(DISTINCT username) FROM paper_trades").await, 2);
    for sql in [
        "SELECT entry_price FROM paper_trades",
        "SELECT tradier_live_token FROM user_settings",
        "SELECT params FROM intents",
    ] {
        assert_eq!(raw.refused(sql).await.0, DENIED, "{sql}");
    }
    for table in &seeded.tables {
        for sql in seeded.writes(table, "alice").await {
            let may = sql.starts_with("DELETE") && ["change_feed", "commands"].contains(&table.as_str());
            assert_eq!(raw.refusal(&sql).await.map(|(code, _)| code), (!may).then(|| DENIED.to_owned()), "{sql}");
        }
    }
}

#[tokio::test]
async fn the_backup_reads_everything_and_writes_nothing() {
    let seeded = Seeded::start().await;
    let raw = seeded.db.login("blotter_backup").await;
    raw.batch_execute("BEGIN").await.unwrap();
    for table in seeded.everything() {
        for name in ["alice", "bob"] {
            assert!(rows_seen(&raw, table, name).await.unwrap() > 0, "{table}: {name}");
            for sql in seeded.writes(table, name).await {
                assert_eq!(raw.refused(&sql).await.0, DENIED, "{sql}");
            }
        }
        // pg_dump reads leaf by leaf; the parent's COPY would read nothing.
        let is_parent = table == "price_snapshots";
        let source = if is_parent { format!("(SELECT * FROM {table})") } else { table.clone() };
        assert!(rows_copied(&raw, &source, "bob").await > 0, "{table}");
    }
}

#[tokio::test]
async fn the_owner_is_bound_by_policies_too() {
    let seeded = Seeded::start().await;
    let raw = seeded.db.admin().await;
    raw.begin("blotter_owner", "").await;
    for table in seeded.everything() {
        assert_eq!(rows_seen(&raw, table, "alice").await, Ok(0), "{table}");
    }
}

#[tokio::test]
async fn a_pooled_connection_carries_nothing_over() {
    let db = TestDb::start().await;
    let mut one = config(&db.cluster.url());
    one.limits.connections = 1;
    let db_of_one = Db::connect(one, &Clock::system());
    reach(&db_of_one, DbState::Ready).await;
    for round in 0..50 {
        for (name, positions) in [("alice", 3), ("bob", 8), ("o'hara; --", 13)] {
            let tx = db_of_one.user_tx(&user(&name.replace("; ", ";"))).await.unwrap();
            let settings = settings_get(&tx).await.unwrap();
            if round == 0 {
                assert_eq!(settings.max_positions, 5, "{name} starts with the defaults");
                let update = SettingsUpdate {
                    version: settings.version,
                    max_positions: Some(positions),
                    ..SettingsUpdate::default()
                };
                settings_update(&tx, &update, "laptop").await.unwrap();
                tx.commit().await.unwrap();
            } else {
                assert_eq!(settings.max_positions, positions, "{name} in round {round}");
                // Dropped: rolled back, and the connection goes on.
            }
        }
        drop(db_of_one.system_tx().await.unwrap());
    }
}

#[tokio::test]
async fn a_dropped_or_failed_transaction_stores_nothing() {
    let db = TestDb::start().await;
    let alice = user("alice");
    let tx = db.db.user_tx(&alice).await.unwrap();
    let settings = settings_get(&tx).await.unwrap();
    drop(tx);
    let raw = db.admin().await;
    assert_eq!(raw.count("SELECT count(*) FROM user_settings").await, 0, "dropped");

    // A statement fails; the commit after it must not look like a success.
    let tx = db.db.user_tx(&alice).await.unwrap();
    settings_get(&tx).await.unwrap();
    let broken = SettingsUpdate { version: settings.version, max_positions: Some(-1), ..SettingsUpdate::default() };
    let error = settings_update(&tx, &broken, "laptop").await.unwrap_err();
    assert!(matches!(&error, DbError::Refused { rule, .. } if rule == "user_settings_max_positions"), "{error}");
    assert!(tx.commit().await.is_err());
    assert_eq!(raw.count("SELECT count(*) FROM user_settings").await, 0, "failed");
}

/// A harm, its cure, and what the refusal says.
type Harm = (&'static str, &'static str, &'static str);

/// What an administrator's hand can break.
const HARMS: &[Harm] = &[
    ("ALTER ROLE blotter_app SUPERUSER", "ALTER ROLE blotter_app NOSUPERUSER", "blotter_app is a superuser"),
    ("ALTER ROLE blotter_system BYPASSRLS", "ALTER ROLE blotter_system NOBYPASSRLS", "blotter_system bypasses"),
    ("ALTER TABLE fills OWNER TO blotter_app", "ALTER TABLE fills OWNER TO blotter_owner", "blotter_app owns fills"),
    (
        "ALTER TABLE alarms NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE alarms FORCE ROW LEVEL SECURITY",
        "alarms has no forced",
    ),
    (
        "ALTER TABLE price_snapshots_default DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE price_snapshots_default ENABLE ROW LEVEL SECURITY",
        "price_snapshots_default has no forced",
    ),
    (
        "GRANT SELECT ON price_snapshots_default TO blotter_app",
        "REVOKE SELECT ON price_snapshots_default FROM blotter_app",
        "blotter_app may use the partition",
    ),
    (
        "ALTER VIEW alarm_rows RESET (security_invoker)",
        "ALTER VIEW alarm_rows SET (security_invoker = true)",
        "alarm_rows reads with its owner's rights",
    ),
    (
        "ALTER FUNCTION trade_reopen RESET search_path",
        "ALTER FUNCTION trade_reopen SET search_path = pg_catalog, pg_temp",
        "trade_reopen",
    ),
    (
        "GRANT EXECUTE ON FUNCTION trade_reopen TO PUBLIC",
        "REVOKE EXECUTE ON FUNCTION trade_reopen FROM PUBLIC",
        "everybody may call trade_reopen",
    ),
    (
        "GRANT blotter_backup TO blotter_app",
        "REVOKE blotter_backup FROM blotter_app",
        "blotter_app may become blotter_backup",
    ),
];

#[tokio::test]
async fn a_database_that_does_not_keep_users_apart_is_refused() {
    let db = TestDb::start().await;
    db.db.close().await;
    let admin = db.admin().await;
    // From PostgreSQL 16 on it is the membership that inherits, and not the role.
    let by_membership = admin.count("SELECT current_setting('server_version_num')::bigint").await >= 160_000;
    let inheriting = if by_membership {
        (
            "GRANT blotter_system TO blotter_app WITH INHERIT TRUE",
            "GRANT blotter_system TO blotter_app WITH INHERIT FALSE",
        )
    } else {
        ("ALTER ROLE blotter_app INHERIT", "ALTER ROLE blotter_app NOINHERIT")
    };
    let inheriting = (inheriting.0, inheriting.1, "rights of blotter_system without asking");
    for &(harm, cure, named) in HARMS.iter().chain([&inheriting]) {
        admin.batch_execute(harm).await.unwrap_or_else(|error| panic!("{harm}: {error:?}"));
        let daemon = Db::connect(config(&db.cluster.url()), &Clock::system());
        let sentence = reach(&daemon, DbState::Refused).await.detail.unwrap();
        assert!(sentence.contains("does not keep its users apart") && sentence.contains(named), "{harm}: {sentence}");
        assert!(matches!(daemon.user_tx(&user("alice")).await, Err(DbError::Unavailable { .. })));
        daemon.close().await;
        admin.batch_execute(cure).await.unwrap_or_else(|error| panic!("{cure}: {error:?}"));
    }
    let daemon = Db::connect(config(&db.cluster.url()), &Clock::system());
    reach(&daemon, DbState::Ready).await;
}
