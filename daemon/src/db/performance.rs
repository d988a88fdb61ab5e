//! The sums of closed trades: brought up to date, and read for an answer.
//!
//! A trade that is closed leaves a row in `performance_stale`. [`performance_refresh`] takes such rows,
//! writes the sums of their days again from the trades, those of their months from the days, and those of
//! their years from the months. A look reads a year as one row a group, so it costs the same whatever
//! there was.

mod outcomes;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use blotter_shared::domain::{BrokerMode, Cash, OptionType};
use blotter_shared::protocol::performance::{Breakdown, DayResult};
use chrono::{Datelike, Months, NaiveDate};
use rust_decimal::Decimal;
use tokio_postgres::Row;

use super::cells::Cells;
use super::{DbError, UserTx};
use crate::analytics::{Dimension, Ending, Fact, Tally, buckets};
pub use outcomes::{outcomes, sums_version};
pub use store::Groups;
use store::{Place, Span, StoredTally, Touched, groups_of, sums_put};

/// Days that one transaction brings up to date: a look of somebody with a long history is answered in
/// steps, each of which lasts.
const DAYS_AT_ONCE: i64 = 62;

const IS_STALE: &str = "SELECT 1 FROM performance_stale WHERE username = $1 LIMIT 1";

const LOCK: &str = "
    INSERT INTO performance_heads (username, version) VALUES ($1, 1)
    ON CONFLICT (username) DO UPDATE SET version = performance_heads.version + 1";

/// What is taken here was committed before, so the trades behind it are seen below.
const TAKE: &str = "
    WITH days AS (
        SELECT DISTINCT broker_mode, day FROM performance_stale WHERE username = $1 ORDER BY broker_mode, day LIMIT $2),
    taken AS (
        DELETE FROM performance_stale s USING days d
         WHERE s.username = $1 AND s.broker_mode = d.broker_mode AND s.day = d.day RETURNING s.broker_mode, s.day)
    SELECT DISTINCT broker_mode, day FROM taken ORDER BY broker_mode, day";

const FACTS: &str = "
    SELECT trading_day(closed_at) AS day, ticker, option_type, expiry, strategy, verdict, entered_at, ended_as, pnl_e4, r_e4,
           held_e4, fees_e4
      FROM closed_trades
     WHERE username = $1 AND broker_mode = $2
       AND closed_at >= trading_day_begins($3) AND closed_at < trading_day_begins($4::date + 1)
     ORDER BY closed_at, trade_id";

const DAYS: &str = "
    SELECT starts, wins, wins + losses + scratches AS trades, won + lost AS net FROM performance_sums
     WHERE username = $1 AND broker_mode = $2 AND dimension = 'TOTAL' AND span = 'DAY' AND starts >= $3 AND bucket = ''
     ORDER BY starts";

/// Whether the sums of the user are behind.
///
/// # Errors
/// When the database does not answer.
pub async fn performance_is_stale(tx: &UserTx) -> Result<bool, DbError> {
    Ok(tx.session().query_opt(IS_STALE, &[&tx.user()]).await?.is_some())
}

/// Brings the sums of some days up to date; says how many days. To be called until it says zero.
///
/// # Errors
/// When the database does not answer.
pub async fn performance_refresh(tx: &UserTx) -> Result<usize, DbError> {
    if !performance_is_stale(tx).await? {
        return Ok(0);
    }
    tx.session().execute(LOCK, &[&tx.user()]).await?;
    let rows = tx.session().query(TAKE, &[&tx.user(), &DAYS_AT_ONCE]).await?;
    let mut months: BTreeMap<(BrokerMode, NaiveDate), (NaiveDate, NaiveDate)> = BTreeMap::new();
    for row in &rows {
        let mut cells = Cells::of(row);
        let mode: BrokerMode = cells.parsed("broker_mode", "a broker mode")?;
        let day: NaiveDate = cells.next("day")?;
        let range = months.entry((mode, first_of_month(day))).or_insert((day, day));
        *range = (range.0.min(day), range.1.max(day));
    }
    let mut years: BTreeMap<(BrokerMode, NaiveDate), Touched> = BTreeMap::new();
    for ((mode, month), days) in months {
        let touched = days_put(tx, mode, days).await?;
        let place = Place { mode, span: Span::Month, range: (month, next_month(month)) };
        roll_up(tx, Span::Day, place, &touched).await?;
        let year = years.entry((mode, first_of_year(month))).or_insert(Touched::Groups(BTreeSet::new()));
        *year = year.clone().and(&touched);
    }
    for ((mode, year), touched) in years {
        let place = Place { mode, span: Span::Year, range: (year, next_year(year)) };
        roll_up(tx, Span::Month, place, &touched).await?;
    }
    Ok(rows.len())
}

/// The sums of a mode from a day on, by group of each dimension that is wanted.
///
/// # Errors
/// When the database does not answer.
pub async fn performance_sums(
    tx: &UserTx,
    mode: BrokerMode,
    from: Option<NaiveDate>,
    wanted: &[Dimension],
) -> Result<Groups, DbError> {
    // Days up to the end of their month, months up to the end of their year, and then years.
    let from = from.unwrap_or(first_year());
    let month = if from.day() == 1 { from } else { next_month(first_of_month(from)) };
    let year = if month.ordinal() == 1 { month } else { next_year(first_of_year(month)) };
    let words: Vec<&str> = wanted.iter().map(|dimension| dimension.as_str()).collect();
    let params: super::session::Params<'_> = &[&tx.user(), &mode.as_str(), &words, &from, &month, &year];
    groups_of(&tx.session().query(store::SUMS, params).await?)
}

/// The trading days with results, from a day on, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn performance_days(
    tx: &UserTx,
    mode: BrokerMode,
    from: Option<NaiveDate>,
) -> Result<Vec<DayResult>, DbError> {
    let from = from.unwrap_or(first_year());
    let rows = tx.session().query(DAYS, &[&tx.user(), &mode.as_str(), &from]).await?;
    rows.iter().map(day_of).collect()
}

/// The sums of the trades of one list, without going through them: those of one mode, by outcome.
///
/// # Errors
/// When the database does not answer.
pub async fn performance_all(tx: &UserTx, mode: BrokerMode) -> Result<Groups, DbError> {
    performance_sums(tx, mode, None, &[Dimension::Total, Dimension::By(Breakdown::Reason)]).await
}

fn day_of(row: &Row) -> Result<DayResult, DbError> {
    let mut cells = Cells::of(row);
    Ok(DayResult {
        day: cells.next("starts")?,
        wins: cells.held::<i64, u64>("wins", "a count")?,
        trades: cells.held::<i64, u64>("trades", "a count")?,
        net: Cash(cells.next("net")?),
    })
}

/// Writes the sums of the days of a range again; says which groups have changed. Of one day, the usual case, only
/// those are written that differ from what is stored.
async fn days_put(tx: &UserTx, mode: BrokerMode, days: (NaiveDate, NaiveDate)) -> Result<Touched, DbError> {
    let rows = tx.session().query(FACTS, &[&tx.user(), &mode.as_str(), &days.0, &days.1]).await?;
    let mut sums: BTreeMap<(NaiveDate, Dimension, String), Tally> = BTreeMap::new();
    for row in &rows {
        let fact = fact_of(row)?;
        let one = Tally::of(&fact);
        for (dimension, bucket) in buckets(&fact) {
            let sum = sums.entry((fact.day, dimension, bucket)).or_default();
            *sum = sum.then(&one);
        }
    }
    let stored = sums.into_iter().map(|((starts, dimension, bucket), tally)| StoredTally {
        dimension: dimension.as_str().to_owned(),
        starts,
        bucket,
        tally,
    });
    let mut stored: Vec<StoredTally> = stored.collect();
    let next = days.1.succ_opt().unwrap_or(days.1);
    let place = Place { mode, span: Span::Day, range: (days.0, next) };
    let touched = if days.0 == days.1 {
        let before = store::sums_read(tx, place, &Touched::All).await?;
        Touched::Groups(differing(before, &stored))
    } else {
        Touched::All
    };
    stored.retain(|sum| touched.has(&sum.group()));
    if !touched.is_nothing() {
        sums_put(tx, place, &touched, stored).await?;
    }
    Ok(touched)
}

/// Groups that came, went or changed.
fn differing(mut before: Groups, now: &[StoredTally]) -> BTreeSet<(String, String)> {
    let mut differ: BTreeSet<(String, String)> = BTreeSet::new();
    for sum in now {
        let group = sum.group();
        if before.remove(&group).as_ref() != Some(&sum.tally) {
            differ.insert(group);
        }
    }
    // A dimension that this version does not know is somebody else's.
    let ours = |dimension: &str| Dimension::all().any(|known| known.as_str() == dimension);
    differ.extend(before.into_keys().filter(|(dimension, _)| ours(dimension)));
    differ
}

/// Writes the sums of one long span again, from those of the short spans inside.
async fn roll_up(tx: &UserTx, of: Span, place: Place, touched: &Touched) -> Result<(), DbError> {
    if touched.is_nothing() {
        return Ok(());
    }
    let groups = store::sums_read(tx, Place { span: of, ..place }, touched).await?;
    let stored = groups.into_iter().map(|((dimension, bucket), tally)| StoredTally {
        dimension,
        starts: place.range.0,
        bucket,
        tally,
    });
    sums_put(tx, place, touched, stored.collect()).await
}

fn fact_of(row: &Row) -> Result<Fact, DbError> {
    let mut cells = Cells::of(row);
    let day = cells.next("day")?;
    let ticker = cells.next("ticker")?;
    let side: OptionType = cells.parsed("option_type", "an option type")?;
    let expiry = cells.next("expiry")?;
    let strategy = cells.next("strategy")?;
    let verdict = cells.next("verdict")?;
    let entered_at = cells.next("entered_at")?;
    let ended_as: String = cells.next("ended_as")?;
    let exact = |ten_thousandths: Option<i64>| ten_thousandths.map(|units| Decimal::new(units, 4));
    let ending = Ending::of(&ended_as, exact(cells.next("pnl_e4")?));
    let r = exact(cells.next("r_e4")?);
    let held_hours = exact(cells.next("held_e4")?);
    let fees = exact(cells.next("fees_e4")?);
    Ok(Fact { day, ticker, side, expiry, strategy, verdict, entered_at, ended_as, ending, fees, r, held_hours })
}

fn first_of_month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

fn first_of_year(day: NaiveDate) -> NaiveDate {
    day.with_ordinal(1).unwrap_or(day)
}

fn next_month(first: NaiveDate) -> NaiveDate {
    first.checked_add_months(Months::new(1)).unwrap_or(first)
}

fn next_year(first: NaiveDate) -> NaiveDate {
    first.checked_add_months(Months::new(12)).unwrap_or(first)
}

/// Before any trade, and a first of January.
fn first_year() -> NaiveDate {
    NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or(NaiveDate::MIN)
}
