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
    let mut config = Config::new();
    config.host_path(socket_dir).dbname("blotter").user("blotter_app").options("-c search_path=blotter");
    let (client, connection) = config.connect(NoTls).await.context("connecting to the private server")?;
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
