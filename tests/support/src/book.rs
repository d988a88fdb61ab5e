//! Trades for a screen to show, written straight into the database of a running daemon.
//!
//! They go through the database's own guards: a row that these refuse cannot be made here either.

use std::path::Path;

use anyhow::{Context, Result};
use tokio_postgres::{Client, Config, NoTls};

/// A connection as the daemon's own role to the private server behind `socket_dir`.
///
/// # Errors
/// When nobody answers.
pub async fn connect(socket_dir: &Path) -> Result<Client> {
    connect_as(socket_dir, "blotter_app").await
}

/// The same as another role: `blotter_admin` on a private server and `postgres` on a test's own are bound by no guard.
///
/// # Errors
/// When nobody answers.
pub async fn connect_as(socket_dir: &Path, role: &str) -> Result<Client> {
    let mut config = Config::new();
    config.host_path(socket_dir).dbname("blotter").user(role).options("-c search_path=blotter");
    let (client, connection) = config.connect(NoTls).await.with_context(|| format!("connecting as {role}"))?;
    #[expect(clippy::disallowed_methods, reason = "ends with the client")]
    tokio::spawn(connection);
    Ok(client)
}

/// Writes `count` protected positions for a user who has none.
///
/// # Errors
/// When the database refuses them.
pub async fn write_open_trades(client: &mut Client, username: &str, count: i32) -> Result<()> {
    let tx = client.transaction().await?;
    tx.execute("SELECT set_config('app.username', $1, true)", &[&username]).await?;
    tx.execute(OPEN_TRADES, &[&username, &count]).await.context("writing trades")?;
    tx.execute(FILLED, &[&username]).await.context("filling trades")?;
    tx.execute(COUNTER, &[&username, &count]).await?;
    Ok(tx.commit().await?)
}

const OPEN_TRADES: &str = "
    INSERT INTO paper_trades (username, id, number, broker_mode, account_id, ticker, option_symbol, option_type, strike,
                              expiry, qty, entry_date, desired_qty, sl_price, tp_price, strategy, created_at, updated_at)
    SELECT $1, gen_random_uuid(), n + 1, 'SIM', 'VA00000001', 'SYM' || n % 1000,
           'SYM' || n % 1000 || to_char(current_date + 30, 'YYMMDD') || 'C' || lpad((100 + n / 1000)::text, 5, '0') || '000',
           'CALL', 100 + n / 1000, current_date + 30, 2, now() - interval '1 hour', 2, 3.00, 8.00, 'momentum', now(), now()
      FROM generate_series(0, $2::int - 1) AS n";

const FILLED: &str = "
    UPDATE paper_trades
       SET status = 'FILLED', held_qty = qty, protection = 'CONFIRMED', good_version = version, good_sl = sl_price,
           good_tp = tp_price, entry_price = 4.50, current_price = 5.35, last_updated = now(), unrealized_pnl = 170,
           last_verified_at = now()
     WHERE username = $1 AND status = 'PENDING'";

const COUNTER: &str = "
    INSERT INTO user_heads (username, trade_number) VALUES ($1, $2)
    ON CONFLICT (username) DO UPDATE SET trade_number = excluded.trade_number";

/// A connection as the private server's own administrator, whom no guard binds.
///
/// # Errors
/// When nobody answers.
pub async fn connect_admin(socket_dir: &Path) -> Result<Client> {
    connect_as(socket_dir, "blotter_admin").await
}

/// Writes `count` closed trades of one mode over ten years, past the guards: these would take an hour.
/// Numbers begin after `first`.
///
/// # Errors
/// When the database refuses them.
pub async fn write_closed_trades(
    client: &Client,
    username: &str,
    mode: &str,
    (first, count): (i32, i32),
) -> Result<()> {
    client.batch_execute("SET session_replication_role = replica").await?;
    client.execute(CLOSED_TRADES, &[&username, &mode, &first, &count]).await.context("writing closed trades")?;
    client.execute(CLOSED_FACTS, &[&username, &mode]).await.context("writing their facts")?;
    client.execute(STALE_DAYS, &[&username, &mode]).await?;
    client.batch_execute("SET session_replication_role = origin").await?;
    // A history that grew trade by trade was vacuumed and analysed by the server itself, again and again.
    for table in ["closed_trades", "paper_trades"] {
        client.batch_execute(&format!("VACUUM (ANALYZE) {table}")).await?;
    }
    Ok(())
}

const CLOSED_TRADES: &str = "
    INSERT INTO paper_trades (username, id, number, broker_mode, account_id, ticker, option_symbol, option_type, strike, expiry, qty,
                              entry_date, entry_price, desired, desired_qty, status, close_date, close_reason, close_price, realized_pnl,
                              realized_pnl_pct, r_multiple, hold_duration_h, fees, strategy, created_at, updated_at)
    SELECT $1, gen_random_uuid(), $3 + n, $2, 'VA00000001', 'SYM' || n % 50, 'SYM' || n % 50 || '260101C' || lpad((1 + n % 1000)::text, 8, '0'),
           CASE n % 3 WHEN 0 THEN 'PUT' ELSE 'CALL' END, 100, ended::date + 5, 1, ended - interval '3 hours', 4.50, 'FLAT', 0, 'CLOSED', ended,
           CASE n % 4 WHEN 0 THEN 'SL_HIT' WHEN 1 THEN 'EXPIRED' ELSE 'TP_HIT' END, 5, pnl, pnl / 4.5, pnl / 150.0, 3, 1.30,
           'strategy ' || n % 7, ended, ended
      FROM (SELECT n, now() - interval '10 years' * (1 - n::double precision / $4) AS ended,
                   ((n::bigint * 7919) % 1001 - 480)::numeric AS pnl FROM generate_series(1, $4::int) AS n) AS made";

const CLOSED_FACTS: &str = "
    INSERT INTO closed_trades (username, trade_id, number, broker_mode, ticker, option_symbol, option_type, expiry, strategy, verdict,
                               entered_at, closed_at, ended_as, pnl_e4, pnl_pct_e4, r_e4, held_e4, fees_e4, turn, delta_e4)
    SELECT username, id, number, broker_mode, ticker, option_symbol, option_type, expiry, strategy, '', entry_date, close_date, close_reason,
           realized_pnl * 10000, realized_pnl_pct * 10000, r_multiple * 10000, hold_duration_h * 10000, fees * 10000,
           (ARRAY['FIRST', 'AFTER_WIN', 'AFTER_LOSS', 'AMID'])[1 + number % 4], 1500 + number % 6 * 1000
      FROM paper_trades WHERE username = $1 AND broker_mode = $2 AND status = 'CLOSED'";

const STALE_DAYS: &str = "
    INSERT INTO performance_stale (username, broker_mode, day)
    SELECT DISTINCT username, broker_mode, trading_day(closed_at) FROM closed_trades WHERE username = $1 AND broker_mode = $2";
