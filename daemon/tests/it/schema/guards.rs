//! What the database refuses by itself, whatever a program does.

use crate::support::{Raw, TestDb, insert_trade};

const TRADE: &str = "01940000-0000-7000-8000-000000000001";
const OTHER: &str = "01940000-0000-7000-8000-000000000002";

/// Alice's transaction with one pending trade.
async fn with_trade(db: &TestDb) -> Raw {
    let raw = db.admin().await;
    raw.begin("blotter_app", "alice").await;
    raw.batch_execute(&insert_trade("alice", TRADE, &[])).await.unwrap();
    raw
}

async fn set(raw: &Raw, columns: &str) {
    let sql = format!("UPDATE paper_trades SET {columns} WHERE id = '{TRADE}'");
    raw.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

async fn rule_against(raw: &Raw, columns: &str) -> String {
    raw.refused(&format!("UPDATE paper_trades SET {columns} WHERE id = '{TRADE}'")).await.0
}

const FILL: &str = "status = 'FILLED', held_qty = 5, protection = 'NAKED', entry_price = 4.50, desired_qty = 5";
const CLOSE: &str = "status = 'CLOSED', held_qty = 0, protection = 'N/A', naked_since = NULL, close_date = now(), \
                     close_reason = 'TP_HIT'";

#[tokio::test]
async fn a_status_goes_only_where_the_table_says() {
    let db = TestDb::start().await;
    let raw = with_trade(&db).await;
    assert_eq!(rule_against(&raw, "status = 'CLOSING'").await, "trade_move");
    assert_eq!(rule_against(&raw, CLOSE).await, "trade_move");
    set(&raw, FILL).await;
    assert_eq!(rule_against(&raw, "status = 'PENDING', held_qty = 0, protection = 'N/A'").await, "trade_move");
    set(&raw, CLOSE).await;
    let born_open = insert_trade("alice", OTHER, &[("status", "'OPEN'")]);
    assert_eq!(raw.refused(&born_open).await.0, "paper_trades_begin");
    let steps = "SELECT count(*) FROM trade_events WHERE data ->> 'to' IN ('FILLED', 'CLOSED')";
    assert_eq!(raw.count(steps).await, 2, "each step is on record");
}

#[tokio::test]
async fn a_closed_trade_takes_late_facts_once_and_nothing_else() {
    let db = TestDb::start().await;
    let raw = with_trade(&db).await;
    set(&raw, FILL).await;
    set(&raw, CLOSE).await;
    for columns in [
        "sl_price = 1",
        "desired = 'FLAT', desired_qty = 0",
        "version = version + 1",
        "close_reason = 'MANUAL_CLOSE'",
        "close_date = close_date + interval '1 second'",
        "entry_price = 4.51",
        "current_price = 1, last_updated = now()",
        "quarantine_reason = 'x', quarantine_at = now()",
        "max_gain = 5",
        "signals_snapshot = '{}'",
        "override_count = 1",
    ] {
        let rule = rule_against(&raw, columns).await;
        assert_eq!(rule, "paper_trades_locked", "{columns}");
    }
    // Price, fees, and what follows from them: while they are missing.
    set(&raw, "close_price = 6.30, realized_pnl = 900, realized_pnl_pct = 40").await;
    assert_eq!(rule_against(&raw, "close_price = 6.31").await, "paper_trades_locked");
    assert_eq!(rule_against(&raw, "realized_pnl = 901").await, "paper_trades_locked");
    set(&raw, "fees = 1.05, realized_pnl = 898.95").await;
    assert_eq!(rule_against(&raw, "fees = 2, realized_pnl = 898").await, "paper_trades_locked");
    // What the forensic job finds, as often as it runs.
    set(&raw, "target_mfe_pct = 41, target_coverage_pct = 99, forensic_at = now()").await;
    set(&raw, "target_mfe_pct = 42, target_coverage_pct = 100, forensic_at = now()").await;
    assert_eq!(raw.count("SELECT count(*) FROM trade_events WHERE kind = 'AMENDED'").await, 4, "each is on record");
    assert_eq!(raw.refused(&format!("DELETE FROM paper_trades WHERE id = '{TRADE}'")).await.0, "42501");
}

#[tokio::test]
async fn a_wish_that_changes_without_a_command_is_on_record() {
    let db = TestDb::start().await;
    let raw = with_trade(&db).await;
    set(&raw, FILL).await;
    let policy = "SELECT count(*) FROM trade_events WHERE kind = 'POLICY'";
    set(&raw, "version = version + 1, sl_price = 2").await;
    set(&raw, "current_price = 5, last_updated = now()").await;
    assert_eq!(raw.count(policy).await, 0, "a person's own command, and a price");
    set(&raw, "sl_price = 1").await;
    set(&raw, "desired = 'FLAT', desired_qty = 0").await;
    assert_eq!(raw.count(policy).await, 2);
    let told = "SELECT count(*) FROM trade_events WHERE kind = 'POLICY' AND data -> 'desired' = '[\"HOLD\", \"FLAT\"]'";
    assert_eq!(raw.count(told).await, 1, "from what to what");
}

#[tokio::test]
async fn only_the_late_fill_function_opens_a_closed_trade() {
    let db = TestDb::start().await;
    let raw = with_trade(&db).await;
    set(&raw, "status = 'CANCELED', close_date = now()").await;
    let by_hand = "status = 'FILLED', held_qty = 2, protection = 'NAKED', close_date = NULL";
    assert_eq!(rule_against(&raw, by_hand).await, "trade_reopen");
    let reopen = format!("SELECT count(*) FROM trade_reopen('{TRADE}', 2, now()) AS done WHERE done");
    assert_eq!(raw.count(&reopen).await, 1);
    let open = "SELECT count(*) FROM paper_trades WHERE status = 'FILLED' AND held_qty = 2 AND naked_since IS NOT NULL AND NOT is_locked";
    assert_eq!(raw.count(open).await, 1);
    assert_eq!(raw.count("SELECT count(*) FROM trade_events WHERE kind = 'REOPENED'").await, 1);
    assert_eq!(raw.count(&reopen).await, 0, "it is not closed any more");

    // What was told of the fees was told of another end.
    set(&raw, CLOSE).await;
    set(&raw, "realized_pnl = 10").await;
    set(&raw, "fees = 1.30, realized_pnl = 8.70").await;
    assert_eq!(raw.count(&reopen).await, 1);
    assert_eq!(raw.count("SELECT count(*) FROM paper_trades WHERE fees IS NULL AND realized_pnl IS NULL").await, 1);

    // It is bound to the caller's identity.
    set(&raw, CLOSE).await;
    raw.batch_execute("SELECT set_config('app.username', 'bob', true)").await.unwrap();
    assert_eq!(raw.count(&reopen).await, 0, "not bob's");
    raw.batch_execute("SELECT set_config('app.username', '', true)").await.unwrap();
    assert_eq!(raw.count(&reopen).await, 0, "nobody's");
}

#[tokio::test]
async fn what_was_true_at_entry_stays() {
    let db = TestDb::start().await;
    let raw = with_trade(&db).await;
    for columns in
        ["qty = 6", "account_id = 'VA2'", "option_symbol = 'AMD261218C00000001'", "multiplier = 10", "number = 99"]
    {
        assert_eq!(rule_against(&raw, columns).await, "paper_trades_fixed", "{columns}");
    }
    set(&raw, "initial_sl = 3, mid_at_submit = 4.4, market_regime = '{\"spy\": 1}', delta_at_entry = 0.4").await;
    for columns in
        ["initial_sl = 2", "initial_sl = NULL", "mid_at_submit = 4.5", "market_regime = '{}'", "delta_at_entry = 0.5"]
    {
        assert_eq!(rule_against(&raw, columns).await, "paper_trades_once", "{columns}");
    }
    set(&raw, "version = 2").await;
    assert_eq!(rule_against(&raw, "version = 1").await, "paper_trades_version_guard");
}

#[tokio::test]
async fn a_row_is_never_half_true() {
    let db = TestDb::start().await;
    let raw = with_trade(&db).await;
    for (columns, rule) in [
        ("held_qty = 1", "paper_trades_nothing_held"),
        ("status = 'FILLED', held_qty = 1", "paper_trades_protection"),
        ("quarantine_reason = 'mismatch'", "paper_trades_quarantine"),
        ("quarantine_at = now()", "paper_trades_quarantine"),
        ("sl_price = 5, tp_price = 4", "paper_trades_stop_below_target"),
        ("status = 'VOID'", "paper_trades_end"),
        ("status = 'VOID', close_date = now(), close_reason = 'EXPIRED'", "paper_trades_reason"),
        ("desired = 'FLAT'", "paper_trades_desired_qty"),
        ("desired_qty = 6", "paper_trades_desired_qty"),
        ("current_price = 3", "paper_trades_price_age"),
        ("naked_since = now()", "paper_trades_naked"),
        ("status = 'OPENED'", "trade_move"),
        ("trigger_precision = 'GUESSED'", "paper_trades_trigger_precision_known"),
    ] {
        assert_eq!(rule_against(&raw, columns).await, rule, "{columns}");
    }
}

#[tokio::test]
async fn one_live_trade_for_a_symbol() {
    let db = TestDb::start().await;
    let raw = with_trade(&db).await;
    raw.batch_execute(&format!("CREATE TEMP TABLE s AS SELECT option_symbol FROM paper_trades WHERE id = '{TRADE}'"))
        .await
        .unwrap();
    let same = insert_trade("alice", OTHER, &[("option_symbol", "(SELECT option_symbol FROM s)")]);
    assert_eq!(raw.refused(&same).await.0, "paper_trades_one_live");
    set(&raw, "status = 'REJECTED', close_date = now()").await;
    raw.batch_execute(&same).await.unwrap();
}

fn insert_intent(id: u32, op: &str, role: &str, more: &str) -> String {
    let target = if op == "PLACE" { "NULL" } else { "'01940000-0000-7000-8000-0000000000a1'" };
    format!(
        "INSERT INTO intents (username, intent_id, trade_id, account_id, option_symbol, op, role, attempt, version, tag,
             target_intent_id, params, params_hash, valid_until, epoch, created_at, updated_at)
         VALUES ('alice', '01940000-0000-7000-8000-0000000000{id:02x}', '{TRADE}', 'VA1', 'NVDA261218C00000001', '{op}', '{role}',
             1, 1, 't-{id}', {target}, '{{}}', sha256(''), now(), 1, now(), now()) {more}"
    )
}

#[tokio::test]
async fn an_entry_is_placed_once_and_one_exit_lives_at_a_time() {
    let db = TestDb::start().await;
    let raw = with_trade(&db).await;
    raw.batch_execute(&insert_intent(0xa1, "PLACE", "ENTRY", "")).await.unwrap();
    assert_eq!(raw.refused(&insert_intent(0xa2, "PLACE", "ENTRY", "")).await.0, "intents_one_entry");
    raw.batch_execute("UPDATE intents SET state = 'VOID'").await.unwrap();
    assert_eq!(raw.refused(&insert_intent(0xa2, "PLACE", "ENTRY", "")).await.0, "intents_one_entry", "ever");
    raw.batch_execute(&insert_intent(0xa3, "CANCEL", "ENTRY", "")).await.unwrap();

    raw.batch_execute(&insert_intent(0xb1, "PLACE", "BRACKET", "")).await.unwrap();
    assert_eq!(raw.refused(&insert_intent(0xb2, "PLACE", "CLOSE", "")).await.0, "intents_one_live_exit");
    raw.batch_execute("UPDATE intents SET state = 'VOID' WHERE role = 'BRACKET'").await.unwrap();
    raw.batch_execute(&insert_intent(0xb2, "PLACE", "CLOSE", "")).await.unwrap();
    assert_eq!(raw.refused(&insert_intent(0xb2, "CANCEL", "CLOSE", "")).await.0, "intents_pkey");
}

#[tokio::test]
async fn an_intent_keeps_its_meaning_and_its_fills() {
    let db = TestDb::start().await;
    let raw = with_trade(&db).await;
    raw.batch_execute(&insert_intent(0xa1, "PLACE", "ENTRY", "")).await.unwrap();
    for (columns, rule) in [
        ("params = '{\"qty\": 9}'", "intents_fixed"),
        ("tag = 'other'", "intents_fixed"),
        ("state = 'WORKING'", "intent_move"),
        ("state = 'DONE'", "intent_move"),
        ("state = 'SENDING'", "intents_sent"),
    ] {
        assert_eq!(raw.refused(&format!("UPDATE intents SET {columns}")).await.0, rule, "{columns}");
    }
    raw.batch_execute("UPDATE intents SET state = 'SENDING', sent_at = now(), send_by = now()").await.unwrap();
    assert_eq!(raw.refused("UPDATE intents SET state = 'ACKED'").await.0, "intents_acked");
    raw.batch_execute("UPDATE intents SET state = 'ACKED', broker_order_id = '7', exec_qty = 2").await.unwrap();
    assert_eq!(raw.refused("UPDATE intents SET exec_qty = 1").await.0, "intents_monotone");
    assert_eq!(raw.refused("UPDATE intents SET broker_order_id = '8'").await.0, "intents_order_id");
    assert_eq!(raw.refused("UPDATE intents SET state = 'SENDING'").await.0, "intent_move", "nothing is sent twice");
}

#[tokio::test]
async fn fills_are_booked_once() {
    let db = TestDb::start().await;
    let raw = with_trade(&db).await;
    let fill = |cum: i32| {
        format!(
            "INSERT INTO fills (username, broker_order_id, cum_qty, inc_qty, trade_id, side, observed_at)
             VALUES ('alice', '7', {cum}, 1, '{TRADE}', 'BUY', now())"
        )
    };
    raw.batch_execute(&fill(1)).await.unwrap();
    assert_eq!(raw.refused(&fill(1)).await.0, "fills_pkey");
    raw.batch_execute("UPDATE fills SET inc_px = 4.5").await.unwrap();
    assert_eq!(raw.refused("UPDATE fills SET inc_px = 4.6").await.0, "fills_guard");
    assert_eq!(raw.refused("UPDATE fills SET inc_qty = 2").await.0, "42501");
}

#[tokio::test]
async fn a_lease_epoch_never_returns() {
    let db = TestDb::start().await;
    let raw = with_trade(&db).await;
    let lease = "INSERT INTO leases (username, account_id, holder, epoch, expires_at)
                 VALUES ('alice', 'VA1', '01940000-0000-7000-8000-000000000001', 5, now())";
    raw.batch_execute(lease).await.unwrap();
    for columns in ["epoch = 4", "holder = '01940000-0000-7000-8000-000000000002'", "account_id = 'VA2'"] {
        assert_eq!(raw.refused(&format!("UPDATE leases SET {columns}")).await.0, "leases_guard", "{columns}");
    }
    raw.batch_execute("UPDATE leases SET epoch = 6, holder = '01940000-0000-7000-8000-000000000002'").await.unwrap();
}

/// The daemon raises the base of all epochs, and can do nothing else to the installation.
#[tokio::test]
async fn the_base_of_epochs_only_grows() {
    let db = TestDb::start().await;
    let admin = db.admin().await;
    admin.batch_execute("UPDATE installation SET epoch_base = 7").await.unwrap();
    for columns in ["epoch_base = 6", "id = gen_random_uuid()"] {
        admin.batch_execute("BEGIN").await.unwrap();
        assert_eq!(
            admin.refused(&format!("UPDATE installation SET {columns}")).await.0,
            "installation_guard",
            "{columns}"
        );
        admin.rollback().await;
    }
    let raw = db.admin().await;
    raw.begin("blotter_app", "alice").await;
    assert_eq!(raw.refused("UPDATE installation SET epoch_base = 9").await.0, "42501");
    assert_eq!(raw.count("SELECT epochs_begin_above(1000007)").await, 1_000_007);
    assert_eq!(raw.count("SELECT epochs_begin_above(8)").await, 1_000_007, "it never shrinks");
}

#[tokio::test]
async fn records_are_only_ever_appended() {
    let db = TestDb::start().await;
    let admin = db.admin().await;
    // Even for the superuser, whom no grant and no policy binds.
    admin.batch_execute("BEGIN; SELECT set_config('app.username', 'alice', true)").await.unwrap();
    admin.batch_execute(&insert_trade("alice", TRADE, &[])).await.unwrap();
    admin.batch_execute(&insert_intent(0xa1, "PLACE", "ENTRY", "")).await.unwrap();
    let event = "INSERT INTO intent_events (username, intent_id, seq, event, data, epoch, observed_at)
                 VALUES ('alice', '01940000-0000-7000-8000-0000000000a1', 1, 'PREPARED', '{}', 1, now())";
    admin.batch_execute(event).await.unwrap();
    let audit = "INSERT INTO audit_log (username, action, subject, device, detail, at)
                 VALUES ('alice', 'a', 's', 'd', '{}', now())";
    admin.batch_execute(audit).await.unwrap();
    for table in ["intent_events", "audit_log", "trade_events"] {
        for sql in [
            format!("UPDATE {table} SET username = 'bob'"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
        ] {
            assert_eq!(admin.refused(&sql).await.0, "append_only", "{sql}");
        }
    }
}

#[tokio::test]
async fn a_command_is_stored_with_its_answer() {
    use blotter_daemon::db::commands::{Answer, Begin, Command, command_begin, command_finish};
    let db = TestDb::start().await;
    let alice = crate::support::user("alice");
    let command = Command { key: "k1", kind: "PUT /v1/settings", body_hash: [7; 32], device: "laptop" };

    let tx = db.db.user_tx(&alice).await.unwrap();
    assert!(matches!(command_begin(&tx, command).await.unwrap(), Begin::New(_)));
    let error = tx.commit().await.unwrap_err();
    assert!(
        matches!(&error, blotter_daemon::db::DbError::Refused { rule, .. } if rule == "commands_answered"),
        "{error}"
    );

    let tx = db.db.user_tx(&alice).await.unwrap();
    let Begin::New(id) = command_begin(&tx, command).await.unwrap() else { panic!("it was not stored") };
    let answer = Answer { status: 200, body: "{\"ok\" : true}".to_owned() };
    command_finish(&tx, id, &answer).await.unwrap();
    tx.commit().await.unwrap();

    let tx = db.db.user_tx(&alice).await.unwrap();
    assert_eq!(command_begin(&tx, command).await.unwrap(), Begin::Replay(answer), "byte for byte");
    assert_eq!(command_begin(&tx, Command { body_hash: [8; 32], ..command }).await.unwrap(), Begin::Reused);
    assert_eq!(command_begin(&tx, Command { kind: "POST /v1/sync", ..command }).await.unwrap(), Begin::Reused);
    drop(tx);
    let tx = db.db.user_tx(&crate::support::user("bob")).await.unwrap();
    assert!(matches!(command_begin(&tx, command).await.unwrap(), Begin::New(_)), "keys belong to their user");
}

/// A snapshot says who quoted it, when, and what the quote is worth, in words of a closed list.
#[tokio::test]
async fn a_snapshot_says_how_far_it_can_be_trusted() {
    let db = TestDb::start().await;
    let raw = with_trade(&db).await;
    let snapshot = |at: usize, quality: &str| {
        format!(
            "INSERT INTO price_snapshots (username, trade_id, ts, quoted_at, session_date, mark_price, mark_kind, source, quality)
             VALUES ('alice', '{TRADE}', now() + interval '{at} s', now(), now()::date, 1, 'MID', 'TRADIER', {quality})"
        )
    };
    for (at, quality) in ["'GOOD'", "'DELAYED'", "'STALE'", "'WIDE'", "'CROSSED'"].into_iter().enumerate() {
        raw.batch_execute(&snapshot(at, quality)).await.unwrap_or_else(|error| panic!("{quality}: {error:?}"));
    }
    let aged = "SELECT count(*) FROM price_snapshots WHERE ts - quoted_at >= interval '0 s' AND source = 'TRADIER'";
    assert_eq!(raw.count(aged).await, 5);
    assert_eq!(raw.refused(&snapshot(9, "'LIVE'")).await.0, "price_snapshots_quality_known");
    assert_eq!(raw.refused(&snapshot(9, "NULL")).await.0, "23502", "a snapshot of unknown worth");
}

#[tokio::test]
async fn a_strategy_has_a_name_of_up_to_sixty_letters() {
    let db = TestDb::start().await;
    let raw = db.admin().await;
    raw.begin("blotter_app", "alice").await;
    let named = |length: usize| format!("'{}'", "x".repeat(length));
    assert_eq!(
        raw.refused(&insert_trade("alice", OTHER, &[("strategy", &named(61))])).await.0,
        "paper_trades_strategy"
    );
    raw.batch_execute(&insert_trade("alice", TRADE, &[("strategy", &named(60))])).await.unwrap();
}
