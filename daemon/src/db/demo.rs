//! The history that a demo shows: closed trades of the simulator's account over the last months, the
//! same ones each time. They go through the same guards as every trade.

use chrono::{DateTime, Utc};

use super::{DbError, UserTx};

// Numbers that look like chance and are the same each time: a third loses, and wins are larger.
const BEGIN: &str = "
    INSERT INTO paper_trades (username, id, number, broker_mode, account_id, ticker, option_symbol, option_type, strike,
        expiry, qty, entry_date, desired_qty, initial_sl, initial_tp, sl_price, tp_price, strategy, created_at, updated_at)
    SELECT $1, gen_random_uuid(), n, 'SIM', $2, ticker,
           ticker || to_char(closed + interval '20 days', 'YYMMDD') || side || lpad((100 + n)::text, 5, '0') || '000',
           CASE side WHEN 'C' THEN 'CALL' ELSE 'PUT' END, 100 + n, (closed + interval '20 days')::date, 1 + n % 3,
           opened, 1 + n % 3, entry * 0.7, entry * 1.6, entry * 0.7, entry * 1.6,
           (ARRAY['breakout', 'momentum', 'reversal', 'gap fill'])[1 + n % 4], opened, opened
      FROM (SELECT n, (ARRAY['SPY', 'QQQ', 'NVDA', 'AAPL', 'AMD', 'TSLA'])[1 + n * 7 % 6] AS ticker,
                   CASE WHEN n * 5 % 3 = 0 THEN 'P' ELSE 'C' END AS side,
                   round((2 + n * 37 % 60 / 10.0)::numeric, 2) AS entry,
                   $3::timestamptz - make_interval(days => ($4::int - n) * 3 / 4, mins => n * 53 % 300) AS closed,
                   $3::timestamptz - make_interval(days => ($4::int - n) * 3 / 4, mins => n * 53 % 300 + 20 + n * 91 % 340)
                       AS opened
              FROM generate_series(1, $4::int) AS n) AS made";

const FILL: &str = "
    UPDATE paper_trades SET status = 'FILLED', held_qty = qty, protection = 'NAKED', entry_price = initial_sl / 0.7
     WHERE username = $1 AND status = 'PENDING' AND account_id = $2 AND number <= $3";

const CLOSE: &str = "
    UPDATE paper_trades
       SET status = 'CLOSED', held_qty = 0, protection = 'N/A', desired = 'FLAT', desired_qty = 0, version = 2,
           close_date = closed, close_price = entry_price * part, broker_fill_price = entry_price * part,
           broker_fill_time = closed, updated_at = closed,
           close_reason = CASE WHEN part >= 1.6 THEN 'TP_HIT' WHEN part <= 0.7 THEN 'SL_HIT' ELSE 'MANUAL_CLOSE' END,
           fees = cost, realized_pnl = entry_price * (part - 1) * qty * multiplier - cost,
           realized_pnl_pct = (part - 1) * 100 - cost * 100 / (entry_price * qty * multiplier),
           r_multiple = (part - 1) / 0.3 - cost / (0.3 * entry_price * qty * multiplier), hold_duration_h = extract(epoch FROM closed - entry_date) / 3600
      FROM (SELECT id AS made, 0.70 * qty AS cost, entry_date + make_interval(mins => 20 + number * 91 % 340) AS closed,
                   CASE number * 11 % 10 WHEN 0 THEN 0.7 WHEN 1 THEN 0.7 WHEN 2 THEN 0.7 WHEN 3 THEN 0.85 WHEN 4 THEN 1.6
                        WHEN 5 THEN 1.6 WHEN 6 THEN 1.6 WHEN 7 THEN 1.1 WHEN 8 THEN 1.3 ELSE 0.95 END AS part
              FROM paper_trades WHERE username = $1 AND status = 'FILLED' AND account_id = $2 AND number <= $3) AS ends
     WHERE username = $1 AND id = made";

const COUNTER: &str = "
    INSERT INTO user_heads (username, trade_number) VALUES ($1, $2)
    ON CONFLICT (username) DO UPDATE SET trade_number = $2";

/// Writes `count` closed trades that ended before `until`; nothing when there are trades already.
/// Says whether it did.
///
/// # Errors
/// When the database refuses them.
pub async fn history_put(tx: &UserTx, account: &str, count: i32, until: DateTime<Utc>) -> Result<bool, DbError> {
    let session = tx.session();
    let any = session.query_opt("SELECT 1 FROM paper_trades WHERE username = $1 LIMIT 1", &[&tx.user()]).await?;
    if any.is_some() {
        return Ok(false);
    }
    session.execute(BEGIN, &[&tx.user(), &account, &until, &count]).await?;
    session.execute(FILL, &[&tx.user(), &account, &count]).await?;
    session.execute(CLOSE, &[&tx.user(), &account, &count]).await?;
    session.execute(COUNTER, &[&tx.user(), &count]).await?;
    Ok(true)
}
