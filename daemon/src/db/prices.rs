//! Prices of positions over time: the last days row by row, what is older packed by day.

use blotter_shared::domain::{BrokerMode, OptionContract, TradeId};
use blotter_shared::protocol::prices::{Bookend, MarkKind, QuoteQuality, QuoteSource};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use super::cells::{Cells, unreadable};
use super::{DbError, SystemTx, UserTx};

/// A position whose price is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    pub id: TradeId,
    pub mode: BrokerMode,
    pub ticker: String,
    pub symbol: String,
    pub contract: OptionContract,
    pub multiplier: u32,
    /// Nothing once it is closed: then its price alone is recorded, for what was left on the table.
    pub held: u32,
    pub entry_price: Option<Decimal>,
}

/// One recorded price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceRow {
    pub trade: TradeId,
    pub ts: DateTime<Utc>,
    pub quoted_at: Option<DateTime<Utc>>,
    pub session_date: NaiveDate,
    pub mark: Option<Decimal>,
    pub kind: MarkKind,
    pub bid: Option<Decimal>,
    pub ask: Option<Decimal>,
    pub delta: Option<Decimal>,
    pub gamma: Option<Decimal>,
    pub theta: Option<Decimal>,
    pub vega: Option<Decimal>,
    pub iv: Option<Decimal>,
    pub underlying: Option<Decimal>,
    pub source: QuoteSource,
    pub quality: QuoteQuality,
    pub bookend: Option<Bookend>,
}

/// What a chart needs of a recorded price: a year has tens of thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub at: DateTime<Utc>,
    /// In 1/10000.
    pub price_e4: i64,
    pub quality: QuoteQuality,
}

/// A packed day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayRow {
    pub trade: TradeId,
    pub session_date: NaiveDate,
    pub first: DateTime<Utc>,
    pub last: DateTime<Utc>,
    pub points: i32,
    pub thinned: bool,
    pub packed: Vec<u8>,
    /// None of a day that was packed before there were outlines.
    pub outline: Option<Vec<u8>>,
}

/// What a chart of many days reads of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlineRow {
    pub session_date: NaiveDate,
    pub outline: Option<Vec<u8>>,
    /// Of a day that has no outline, or lies in the span with a part of it.
    pub packed: Option<Vec<u8>>,
}

const WATCHED: &str = "
    SELECT id, broker_mode, ticker, option_symbol, multiplier, held_qty, entry_price FROM paper_trades
     WHERE username = $1 AND status IN ('PENDING', 'OPEN', 'PARTIAL', 'FILLED', 'CLOSING') AND held_qty > 0
    UNION ALL
    SELECT id, broker_mode, ticker, option_symbol, multiplier, held_qty, entry_price FROM paper_trades
     WHERE username = $1 AND status = 'CLOSED' AND close_date > $2";

const INSERT: &str = "
    INSERT INTO price_snapshots (username, trade_id, ts, quoted_at, session_date, mark_price, mark_kind, bid, ask, delta, gamma,
                                 theta, vega, iv, underlying, source, quality, bookend)
    SELECT $1, u.* FROM unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::date[], $6::numeric[], $7::text[],
        $8::numeric[], $9::numeric[], $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[], $14::numeric[],
        $15::numeric[], $16::text[], $17::text[], $18::text[]) AS u
    ON CONFLICT DO NOTHING";

// Only what is held has a worth that changes; a closed trade is locked. $5 says which marks are sound
// enough to be a best or a worst one.
const VALUE: &str = "
    UPDATE paper_trades t
       SET current_price = m.mark, last_updated = m.ts, unrealized_pnl = (m.mark - t.entry_price) * t.held_qty * t.multiplier,
           max_gain = CASE WHEN m.sound AND t.entry_price > 0
                           THEN greatest(coalesce(t.max_gain, 0), (m.mark - t.entry_price) * 100 / t.entry_price)
                           ELSE t.max_gain END,
           max_drawdown = CASE WHEN m.sound AND t.entry_price > 0
                               THEN least(coalesce(t.max_drawdown, 0), (m.mark - t.entry_price) * 100 / t.entry_price)
                               ELSE t.max_drawdown END
      FROM unnest($2::uuid[], $3::timestamptz[], $4::numeric[], $5::bool[]) AS m (id, ts, mark, sound)
     WHERE t.username = $1 AND t.id = m.id AND t.held_qty > 0 AND NOT t.is_locked
       AND (t.last_updated IS NULL OR t.last_updated < m.ts)";

// A look into the index for each trade, whatever the statistics of a day that has just begun say.
const ROWS: &str = "
    SELECT r.* FROM unnest($2::uuid[]) AS t (id) CROSS JOIN LATERAL (
        SELECT trade_id, ts, quoted_at, session_date, mark_price, mark_kind, bid, ask, delta, gamma, theta, vega, iv, underlying,
               source, quality, bookend
          FROM price_snapshots WHERE username = $1 AND trade_id = t.id AND ts >= $3 AND ts < $4 ORDER BY ts OFFSET 0) AS r";

const MARKS: &str = "
    SELECT session_date, ts, (mark_price * 10000)::bigint AS mark, quality FROM price_snapshots
     WHERE username = $1 AND trade_id = $2 AND ts >= $3 AND ts < $4 AND mark_price IS NOT NULL ORDER BY ts";

const DAYS: &str = "
    SELECT trade_id, session_date, first_ts, last_ts, points, thinned, packed, outline FROM price_days
     WHERE username = $1 AND trade_id = ANY($2) AND first_ts < $4 AND last_ts >= $3 ORDER BY trade_id, session_date";

const OUTLINES: &str = "
    SELECT session_date, outline, CASE WHEN outline IS NULL OR first_ts < $3 OR last_ts >= $4 THEN packed END AS packed
      FROM price_days
     WHERE username = $1 AND trade_id = $2 AND first_ts < $4 AND last_ts >= $3 ORDER BY session_date";

// Every trade on every day between that has rows and is not packed. Each look is a look into an index.
const UNPACKED: &str = "
    SELECT t.id AS trade_id, d.day::date AS session_date
      FROM paper_trades t CROSS JOIN generate_series($2::date, $3::date, interval '1 day') AS d (day)
     WHERE t.username = $1 AND t.entry_date < d.day + interval '2 days' AND coalesce(t.close_date, d.day) > d.day - interval '1 day'
       AND NOT EXISTS (SELECT FROM price_days p
                        WHERE p.username = t.username AND p.trade_id = t.id AND p.session_date = d.day::date)
       AND EXISTS (SELECT FROM price_snapshots s
                    WHERE s.username = t.username AND s.trade_id = t.id AND s.ts >= d.day AND s.ts < d.day + interval '2 days'
                      AND s.session_date = d.day::date)
     ORDER BY 2, 1 LIMIT $4";

const PUT_DAY: &str = "
    INSERT INTO price_days (username, trade_id, session_date, first_ts, last_ts, points, thinned, packed, outline)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (username, trade_id, session_date)
    DO UPDATE SET first_ts = excluded.first_ts, last_ts = excluded.last_ts, points = excluded.points,
                  thinned = excluded.thinned, packed = excluded.packed, outline = excluded.outline";

const TO_THIN: &str = "
    SELECT trade_id, session_date, first_ts, last_ts, points, thinned, packed, outline FROM price_days
     WHERE username = $1 AND NOT thinned AND session_date < $2 ORDER BY session_date, trade_id LIMIT $3";

const TO_OUTLINE: &str = "
    SELECT trade_id, session_date, first_ts, last_ts, points, thinned, packed, outline FROM price_days
     WHERE username = $1 AND outline IS NULL AND ($2::date IS NULL OR (session_date, trade_id) > ($2, $3))
     ORDER BY session_date, trade_id LIMIT $4";

/// What is held, and what was closed after an instant.
///
/// # Errors
/// When the database does not answer.
pub async fn watched(tx: &UserTx, closed_after: DateTime<Utc>) -> Result<Vec<Watched>, DbError> {
    let rows = tx.session().query(WATCHED, &[&tx.user(), &closed_after]).await?;
    rows.iter().map(watched_of).collect()
}

/// Stores prices in one statement; what is stored already stays as it is. Returns how many were new.
///
/// # Errors
/// When the database does not answer.
pub async fn prices_put(tx: &UserTx, rows: &[PriceRow]) -> Result<u64, DbError> {
    macro_rules! column {
        ($field:ident) => {
            rows.iter().map(|row| row.$field).collect::<Vec<_>>()
        };
        ($field:ident as str) => {
            rows.iter().map(|row| row.$field.as_str()).collect::<Vec<_>>()
        };
    }
    let bookends: Vec<Option<&str>> = rows.iter().map(|row| row.bookend.map(Bookend::as_str)).collect();
    let trades: Vec<Uuid> = rows.iter().map(|row| row.trade.0).collect();
    let params: super::session::Params<'_> = &[
        &tx.user(),
        &trades,
        &column!(ts),
        &column!(quoted_at),
        &column!(session_date),
        &column!(mark),
        &column!(kind as str),
        &column!(bid),
        &column!(ask),
        &column!(delta),
        &column!(gamma),
        &column!(theta),
        &column!(vega),
        &column!(iv),
        &column!(underlying),
        &column!(source as str),
        &column!(quality as str),
        &bookends,
    ];
    tx.session().execute(INSERT, params).await
}

/// Values what is held at these prices, where they are fit to be shown. Returns how many trades have
/// a new price.
///
/// # Errors
/// When the database does not answer.
pub async fn trades_value(tx: &UserTx, rows: &[PriceRow]) -> Result<u64, DbError> {
    let shown: Vec<&PriceRow> = rows.iter().filter(|row| row.mark.is_some() && row.quality.is_shown()).collect();
    let trades: Vec<Uuid> = shown.iter().map(|row| row.trade.0).collect();
    let times: Vec<DateTime<Utc>> = shown.iter().map(|row| row.ts).collect();
    let marks: Vec<Option<Decimal>> = shown.iter().map(|row| row.mark).collect();
    let sound: Vec<bool> = shown.iter().map(|row| row.quality.is_sound()).collect();
    tx.session().execute(VALUE, &[&tx.user(), &trades, &times, &marks, &sound]).await
}

/// The rows of trades that are not packed, of each in the order of time.
///
/// # Errors
/// When the database does not answer.
pub async fn price_rows(
    tx: &UserTx,
    trades: &[Uuid],
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<PriceRow>, DbError> {
    let rows = tx.session().query(ROWS, &[&tx.user(), &trades, &from, &to]).await?;
    rows.iter().map(price_of).collect()
}

/// The marks of a trade that are not packed, with their sessions, in the order of time.
///
/// # Errors
/// When the database does not answer.
pub async fn price_marks(
    tx: &UserTx,
    trade: TradeId,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<(NaiveDate, Mark)>, DbError> {
    let rows = tx.session().query(MARKS, &[&tx.user(), &trade.0, &from, &to]).await?;
    rows.iter().map(mark_of).collect()
}

/// The packed days of trades that touch a span of time.
///
/// # Errors
/// When the database does not answer.
pub async fn price_days(
    tx: &UserTx,
    trades: &[Uuid],
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<DayRow>, DbError> {
    let rows = tx.session().query(DAYS, &[&tx.user(), &trades, &from, &to]).await?;
    rows.iter().map(day_of).collect()
}

/// The outlines of a trade's packed days that touch a span of time.
///
/// # Errors
/// When the database does not answer.
pub async fn day_outlines(
    tx: &UserTx,
    trade: TradeId,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<OutlineRow>, DbError> {
    let rows = tx.session().query(OUTLINES, &[&tx.user(), &trade.0, &from, &to]).await?;
    let of = |row: &Row| {
        let mut cells = Cells::of(row);
        Ok(OutlineRow {
            session_date: cells.next("session_date")?,
            outline: cells.next("outline")?,
            packed: cells.next("packed")?,
        })
    };
    rows.iter().map(of).collect()
}

/// Trades and days before `until` that are to be packed, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn days_unpacked(
    tx: &UserTx,
    (from, until): (NaiveDate, NaiveDate),
    limit: i64,
) -> Result<Vec<(TradeId, NaiveDate)>, DbError> {
    let rows = tx.session().query(UNPACKED, &[&tx.user(), &from, &until, &limit]).await?;
    let of = |row: &Row| {
        let mut cells = Cells::of(row);
        Ok((TradeId(cells.next("trade_id")?), cells.next("session_date")?))
    };
    rows.iter().map(of).collect()
}

/// Packed days before `before` that are whole.
///
/// # Errors
/// When the database does not answer.
pub async fn days_to_thin(tx: &UserTx, before: NaiveDate, limit: i64) -> Result<Vec<DayRow>, DbError> {
    let rows = tx.session().query(TO_THIN, &[&tx.user(), &before, &limit]).await?;
    rows.iter().map(day_of).collect()
}

/// Packed days without an outline, those after a day of a trade.
///
/// # Errors
/// When the database does not answer.
pub async fn days_to_outline(
    tx: &UserTx,
    after: Option<(NaiveDate, TradeId)>,
    limit: i64,
) -> Result<Vec<DayRow>, DbError> {
    let (day, trade) = (after.map(|(day, _)| day), after.map(|(_, trade)| trade.0));
    let rows = tx.session().query(TO_OUTLINE, &[&tx.user(), &day, &trade, &limit]).await?;
    rows.iter().map(day_of).collect()
}

/// Stores a packed day in place of the one that is there.
///
/// # Errors
/// When the database does not answer.
pub async fn day_put(tx: &UserTx, day: &DayRow) -> Result<(), DbError> {
    let params: super::session::Params<'_> = &[
        &tx.user(),
        &day.trade.0,
        &day.session_date,
        &day.first,
        &day.last,
        &day.points,
        &day.thinned,
        &day.packed,
        &day.outline,
    ];
    tx.session().execute(PUT_DAY, params).await?;
    Ok(())
}

/// Drops the partitions of months before `before` that are packed; tells how many.
///
/// # Errors
/// When the database does not answer.
pub async fn months_drop(tx: &SystemTx, before: NaiveDate) -> Result<u32, DbError> {
    let row = tx.session().query_one("SELECT snapshot_partitions_drop($1) AS dropped", &[&before]).await?;
    let dropped: i32 = row.try_get("dropped")?;
    u32::try_from(dropped).map_err(|_| unreadable("dropped", "a count"))
}

/// What the prices take up, and how many positions there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PriceStorage {
    pub positions: u64,
    pub bytes: u64,
}

const STORAGE: &str = "
    SELECT (SELECT count(*) FROM paper_trades WHERE held_qty > 0) AS positions,
           (SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
             WHERE c.relnamespace = 'blotter'::regnamespace AND c.relkind = 'r'
               AND (c.relname = 'price_days' OR c.relname LIKE 'price\\_snapshots\\_%')) AS bytes";

/// Everybody's prices together.
///
/// # Errors
/// When the database does not answer.
pub async fn price_storage(tx: &SystemTx) -> Result<PriceStorage, DbError> {
    let row = tx.session().query_one(STORAGE, &[]).await?;
    let mut cells = Cells::of(&row);
    Ok(PriceStorage {
        positions: cells.held::<i64, u64>("positions", "a count")?,
        bytes: cells.held::<i64, u64>("bytes", "a size")?,
    })
}

/// A session's day ends no later than this after it began, in UTC.
pub const DAY_SPAN: TimeDelta = TimeDelta::hours(48);

fn watched_of(row: &Row) -> Result<Watched, DbError> {
    let mut cells = Cells::of(row);
    let id = TradeId(cells.next("id")?);
    let mode = cells.parsed("broker_mode", "a broker mode")?;
    let ticker = cells.next("ticker")?;
    let symbol: String = cells.next("option_symbol")?;
    let contract = symbol.parse().map_err(|_| unreadable("option_symbol", "an OCC symbol"))?;
    Ok(Watched {
        id,
        mode,
        ticker,
        symbol,
        contract,
        multiplier: cells.held::<i32, u32>("multiplier", "a multiplier")?,
        held: cells.held::<i32, u32>("held_qty", "a count")?,
        entry_price: cells.next("entry_price")?,
    })
}

fn price_of(row: &Row) -> Result<PriceRow, DbError> {
    let mut cells = Cells::of(row);
    Ok(PriceRow {
        trade: TradeId(cells.next("trade_id")?),
        ts: cells.next("ts")?,
        quoted_at: cells.next("quoted_at")?,
        session_date: cells.next("session_date")?,
        mark: cells.next("mark_price")?,
        kind: cells.parsed("mark_kind", "a kind of mark")?,
        bid: cells.next("bid")?,
        ask: cells.next("ask")?,
        delta: cells.next("delta")?,
        gamma: cells.next("gamma")?,
        theta: cells.next("theta")?,
        vega: cells.next("vega")?,
        iv: cells.next("iv")?,
        underlying: cells.next("underlying")?,
        source: cells.parsed("source", "a source of quotes")?,
        quality: cells.parsed("quality", "a quality")?,
        bookend: cells.parsed_opt("bookend", "a bookend")?,
    })
}

fn mark_of(row: &Row) -> Result<(NaiveDate, Mark), DbError> {
    let mut cells = Cells::of(row);
    let session = cells.next("session_date")?;
    let (at, price_e4) = (cells.next("ts")?, cells.next("mark")?);
    Ok((session, Mark { at, price_e4, quality: cells.parsed("quality", "a quality")? }))
}

fn day_of(row: &Row) -> Result<DayRow, DbError> {
    let mut cells = Cells::of(row);
    Ok(DayRow {
        trade: TradeId(cells.next("trade_id")?),
        session_date: cells.next("session_date")?,
        first: cells.next("first_ts")?,
        last: cells.next("last_ts")?,
        points: cells.next("points")?,
        thinned: cells.next("thinned")?,
        packed: cells.next("packed")?,
        outline: cells.next("outline")?,
    })
}
