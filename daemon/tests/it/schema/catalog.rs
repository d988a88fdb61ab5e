//! Lints over the catalog: a table that is added later and forgets a rule fails here.

use crate::support::TestDb;

/// Every row of `sql` is a fault.
async fn faults(db: &TestDb, sql: &str) -> Vec<String> {
    let admin = db.admin().await;
    admin
        .query(sql, &[])
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// Tables that belong to no user, and why they may.
const NOT_OF_USERS: &str = "'installation', 'task_runs', 'refinery_schema_history'";

#[tokio::test]
async fn every_table_is_of_users_or_is_listed_here() {
    let db = TestDb::start().await;
    let sql = format!(
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'blotter'::regnamespace AND c.relkind IN ('r', 'p')
            AND c.relname NOT IN ({NOT_OF_USERS})
            AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'username')"
    );
    assert_eq!(faults(&db, &sql).await, Vec::<String>::new());
}

#[tokio::test]
async fn keys_begin_with_username() {
    let db = TestDb::start().await;
    let indexes = format!(
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
          WHERE c.relnamespace = 'blotter'::regnamespace AND c.relname NOT IN ({NOT_OF_USERS}) AND i.indisunique
            AND (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[0])
                IS DISTINCT FROM 'username'"
    );
    assert_eq!(faults(&db, &indexes).await, Vec::<String>::new(), "unique indexes");
    let foreign = "
        SELECT conname::text FROM pg_constraint k
         WHERE k.connamespace = 'blotter'::regnamespace AND k.contype = 'f' AND (
               (SELECT attname FROM pg_attribute WHERE attrelid = k.conrelid AND attnum = k.conkey[1]) <> 'username'
            OR (SELECT attname FROM pg_attribute WHERE attrelid = k.confrelid AND attnum = k.confkey[1]) <> 'username')";
    assert_eq!(faults(&db, foreign).await, Vec::<String>::new(), "foreign keys");
}

#[tokio::test]
async fn keys_have_one_type_and_one_collation() {
    let db = TestDb::start().await;
    let sql = "
        SELECT format('%s.%s', c.relname, a.attname) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE c.relnamespace = 'blotter'::regnamespace AND c.relkind IN ('r', 'p')
           AND a.attname IN ('username', 'account_id', 'option_symbol', 'tag', 'broker_order_id', 'idempotency_key', 'device')
           AND a.attname || c.relname NOT IN ('devicecommands', 'deviceaudit_log')
           AND (a.atttypid <> 'text'::regtype OR a.attcollation <> '\"C\"'::regcollation)";
    assert_eq!(faults(&db, sql).await, Vec::<String>::new());
}

#[tokio::test]
async fn every_table_of_users_is_forced_has_a_policy_and_refuses_an_empty_name() {
    let db = TestDb::start().await;
    let of_users = "c.relnamespace = 'blotter'::regnamespace AND c.relkind IN ('r', 'p')
        AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'username')";
    let unforced = format!(
        "SELECT c.relname::text FROM pg_class c WHERE {of_users} AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"
    );
    assert_eq!(faults(&db, &unforced).await, Vec::<String>::new(), "not forced");
    // A leaf has none on purpose: it shows nothing to anybody.
    let identity = "(username = NULLIF(current_setting(''app.username''::text, true), ''''::text))";
    let without = format!(
        "SELECT c.relname::text FROM pg_class c WHERE {of_users} AND NOT c.relispartition AND NOT EXISTS (
            SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*' AND p.polpermissive
               AND 'blotter_app'::regrole = ANY (p.polroles)
               AND pg_get_expr(p.polqual, c.oid) = '{identity}' AND pg_get_expr(p.polwithcheck, c.oid) = '{identity}')"
    );
    assert_eq!(faults(&db, &without).await, Vec::<String>::new(), "no policy of their own rows");
    let leaf_policies =
        "SELECT c.relname::text FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relispartition";
    assert_eq!(faults(&db, leaf_policies).await, Vec::<String>::new(), "a leaf with a policy");
    let wider = "
        SELECT format('%s on %s', p.polname, c.relname) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
         WHERE 'blotter_app'::regrole = ANY (p.polroles) AND p.polname <> 'own_rows' OR 0 = ANY (p.polroles)";
    assert_eq!(faults(&db, wider).await, Vec::<String>::new(), "another policy lets blotter_app in");
    let nameless = format!(
        "SELECT c.relname::text FROM pg_class c WHERE {of_users} AND NOT EXISTS (
            SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'
               AND pg_get_constraintdef(k.oid) LIKE '%username <> ''''%')"
    );
    assert_eq!(faults(&db, &nameless).await, Vec::<String>::new(), "an empty name is possible");
}

#[tokio::test]
async fn functions_are_pinned_and_not_for_everybody() {
    let db = TestDb::start().await;
    let of_ours = "p.pronamespace = 'blotter'::regnamespace";
    // An aggregate has no settings; the function that it is made of has. A body that was bound to what it names when it was
    // created looks for nothing.
    let unpinned = format!(
        "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE {of_ours} AND p.prokind <> 'a' AND (p.prosqlbody IS NULL OR p.prosecdef)
            AND NOT 'search_path=pg_catalog, pg_temp' = ANY (coalesce(p.proconfig, '{{}}'))"
    );
    assert_eq!(faults(&db, &unpinned).await, Vec::<String>::new(), "an open search_path");
    let public = format!(
        "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE {of_ours}
            AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0))"
    );
    assert_eq!(faults(&db, &public).await, Vec::<String>::new(), "everybody may call it");
    let definers = format!("SELECT p.proname::text FROM pg_proc p WHERE {of_ours} AND p.prosecdef ORDER BY 1");
    assert_eq!(
        faults(&db, &definers).await,
        [
            "epochs_begin_above",
            "snapshot_partitions_drop",
            "snapshot_partitions_ensure",
            "snapshot_strays",
            "trade_reopen",
        ],
        "with the owner's rights"
    );
}

/// Sums of squares are for deviations: no money, and nothing is decided by them.
#[tokio::test]
async fn money_is_numeric_and_time_has_a_zone() {
    let db = TestDb::start().await;
    let sql = "
        SELECT format('%s.%s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
          FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE c.relnamespace = 'blotter'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
           AND c.relname || '.' || a.attname NOT IN ('performance_sums.squares', 'performance_sums.r_squares')
           AND (a.atttypid IN ('float4'::regtype, 'float8'::regtype, 'money'::regtype, 'timestamp'::regtype, 'json'::regtype)
                OR (a.atttypid = 'numeric'::regtype AND a.atttypmod = -1))";
    assert_eq!(faults(&db, sql).await, Vec::<String>::new());
}

/// The columns that the design papers list, under their names.
#[tokio::test]
async fn the_tables_have_every_column_of_the_papers() {
    let db = TestDb::start().await;
    for (table, columns) in [
        (
            "paper_trades",
            "id username idempotency_key ticker option_type strike expiry entry_price entry_date qty sl_price tp_price strategy \
             card_score ai_score ai_verdict gate_verdict technical_score sentiment_score delta_at_entry iv_at_entry \
             current_price last_updated unrealized_pnl status close_price close_date close_reason realized_pnl \
             realized_pnl_pct max_drawdown max_gain hold_duration_h override_count broker_mode tradier_order_id \
             tradier_sl_order_id tradier_tp_order_id trigger_precision broker_fill_price broker_fill_time version is_locked \
             signals_snapshot market_regime order_book_state ai_reasoning_log target_pnl_15m target_pnl_1h target_mfe_pct \
             target_mae_pct",
        ),
        ("price_snapshots", "trade_id ts quoted_at mark_price bid ask delta iv underlying source quality"),
        (
            "user_settings",
            "username broker_mode tradier_sim_token tradier_sandbox_token tradier_live_token tradier_account_id account_balance max_positions \
             daily_loss_limit heat_limit_pct auto_refresh created_date updated_date",
        ),
    ] {
        for column in columns.split_whitespace() {
            let sql = format!(
                "SELECT 'found' FROM information_schema.columns WHERE table_schema = 'blotter' AND table_name = '{table}'
                    AND column_name = '{column}'"
            );
            assert_eq!(faults(&db, &sql).await.len(), 1, "{table}.{column}");
        }
    }
}

#[tokio::test]
async fn partitions_are_made_ahead_and_secured() {
    let db = TestDb::start().await;
    let sql = "SELECT c.relname::text FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
                WHERE inhparent = 'price_snapshots'::regclass ORDER BY 1";
    let leaves = faults(&db, sql).await;
    let first = chrono::DateTime::<chrono::Utc>::from(std::time::UNIX_EPOCH + db_age(&db).await)
        .format("price_snapshots_%Y_%m");
    assert!(
        leaves.len() == 4 && leaves.contains(&first.to_string()),
        "{leaves:?}: this month, two more, and the default"
    );
    let granted = "
        SELECT format('%s: %s', c.relname, a.grantee::regrole) FROM pg_class c CROSS JOIN aclexplode(c.relacl) a
         WHERE c.relispartition AND c.relkind = 'r' AND a.grantee NOT IN ('blotter_owner'::regrole, 'blotter_backup'::regrole)";
    assert_eq!(faults(&db, granted).await, Vec::<String>::new());
}

/// The server's present, since 1970.
async fn db_age(db: &TestDb) -> std::time::Duration {
    let admin = db.admin().await;
    let seconds = admin.count("SELECT extract(epoch FROM clock_timestamp())::bigint").await;
    std::time::Duration::from_secs(u64::try_from(seconds).unwrap())
}
