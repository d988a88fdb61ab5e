//! The history that a demo shows: closed trades of the simulator's account, the same ones each time. They go
//! through the same guards as every trade; when each of them was, the caller knows.

use chrono::{DateTime, NaiveDate, Utc};

use super::{DbError, UserTx};

/// When a trade began and ended, and until when its contract lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub opened: DateTime<Utc>,
    pub closed: DateTime<Utc>,
    pub expiry: NaiveDate,
}

// Numbers that look like chance and are the same each time: three of ten are stopped out, and wins are
// larger. Every price lies on a grid of five cents; no contract comes twice.
const BEGIN: &str = "
    INSERT INTO paper_trades (username, id, number, broker_mode, account_id, ticker, option_symbol, option_type, strike,
        expiry, qty, entry_date, desired_qty, initial_sl, initial_tp, sl_price, tp_price, strategy, created_at, updated_at)
    SELECT $1, gen_random_uuid(), n, 'SIM', $2, ticker,
           ticker || to_char(expiry, 'YYMMDD') || side || lpad(strike::text, 5, '0') || '000',
           CASE side WHEN 'C' THEN 'CALL' ELSE 'PUT' END, strike, expiry, 1 + n % 3,
           opened, 1 + n % 3, entry * 0.7, entry * 1.6, entry * 0.7, entry * 1.6,
           (ARRAY['breakout', 'momentum', 'reversal', 'gap fill'])[1 + n % 4], opened, opened
      FROM (SELECT n, opened, expiry, (ARRAY['SPY', 'QQQ', 'NVDA', 'AAPL', 'AMD', 'TSLA'])[1 + n * 7 % 6] AS ticker,
                   (ARRAY[602, 520, 142, 232, 141, 335])[1 + n * 7 % 6] + n / 6 - 10 AS strike,
                   CASE WHEN n * 5 % 3 = 0 THEN 'P' ELSE 'C' END AS side,
                   2 + n * 37 % 13 * 0.5 AS entry
              FROM (SELECT ordinality::int AS n, opened, expiry
                      FROM unnest($3::timestamptz[], $4::date[]) WITH ORDINALITY AS given (opened, expiry)) AS given) AS made";

const FILL: &str = "
    UPDATE paper_trades SET status = 'FILLED', held_qty = qty, protection = 'NAKED', entry_price = initial_sl / 0.7
     WHERE username = $1 AND status = 'PENDING' AND account_id = $2 AND number <= $3";

const CLOSE: &str = "
    UPDATE paper_trades
       SET status = 'CLOSED', held_qty = 0, protection = 'N/A', desired = 'FLAT', desired_qty = 0, version = 2,
           close_date = closed, close_price = entry_price * part, broker_fill_price = entry_price * part,
           broker_fill_time = closed, updated_at = closed,
           close_reason = CASE WHEN part >= 1.6 THEN 'TP_HIT' WHEN part <= 0.7 THEN 'SL_HIT' ELSE 'MANUAL_CLOSE' END,
           fees = 0.70 * qty, realized_pnl = entry_price * (part - 1) * qty * multiplier - 0.70 * qty,
           realized_pnl_pct = (part - 1) * 100 - 70 / (entry_price * multiplier),
           r_multiple = (part - 1) / 0.3 - 0.70 / (0.3 * entry_price * multiplier),
           hold_duration_h = extract(epoch FROM closed - entry_date) / 3600
      FROM (SELECT ordinality::int AS made, closed,
                   CASE ordinality * 11 % 10 WHEN 0 THEN 0.7 WHEN 1 THEN 0.7 WHEN 2 THEN 0.7 WHEN 3 THEN 0.8 WHEN 4 THEN 1.6
                        WHEN 5 THEN 1.6 WHEN 6 THEN 1.6 WHEN 7 THEN 1.1 WHEN 8 THEN 1.3 ELSE 0.9 END AS part
              FROM unnest($3::timestamptz[]) WITH ORDINALITY AS given (closed)) AS ends
     WHERE username = $1 AND status = 'FILLED' AND account_id = $2 AND number = made";

const COUNTER: &str = "
    INSERT INTO user_heads (username, trade_number) VALUES ($1, $2)
    ON CONFLICT (username) DO UPDATE SET trade_number = $2";

/// Writes one closed trade for each span, the oldest first; nothing when there are trades already. Says
/// whether it did.
///
/// # Errors
/// When the database refuses them.
pub async fn history_put(tx: &UserTx, account: &str, spans: &[Span]) -> Result<bool, DbError> {
    let session = tx.session();
    let any = session.query_opt("SELECT 1 FROM paper_trades WHERE username = $1 LIMIT 1", &[&tx.user()]).await?;
    if any.is_some() {
        return Ok(false);
    }
    let count = i32::try_from(spans.len()).unwrap_or(i32::MAX);
    let opened: Vec<_> = spans.iter().map(|span| span.opened).collect();
    let closed: Vec<_> = spans.iter().map(|span| span.closed).collect();
    let expiries: Vec<_> = spans.iter().map(|span| span.expiry).collect();
    session.execute(BEGIN, &[&tx.user(), &account, &opened, &expiries]).await?;
    session.execute(FILL, &[&tx.user(), &account, &count]).await?;
    session.execute(CLOSE, &[&tx.user(), &account, &closed]).await?;
    session.execute(COUNTER, &[&tx.user(), &count]).await?;
    Ok(true)
}
