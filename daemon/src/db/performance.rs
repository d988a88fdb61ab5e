//! The sums of closed trades: brought up to date, and read for an answer.
//!
//! A trade that is closed leaves a row in `performance_stale`. [`performance_refresh`] takes such rows,
//! writes the sums of their days again from the trades, those of their months from the days, and those of
//! their years from the months. A look reads a year as one row a group, so it costs the same whatever
//! there was.
//!
//! While trades are closed on the newest day alone, nothing has to be written for a look: [`performance_standing`]
//! says so, and the answer is what is stored of the days before, and then that day from its trades
//! ([`performance_of_day`]).

mod curve;
mod outcomes;
mod spans;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use blotter_shared::domain::{BrokerMode, Cash, OptionType};
use blotter_shared::protocol::performance::{Breakdown, DayResult};
use chrono::NaiveDate;
use futures_util::future::try_join;
use rust_decimal::Decimal;
use tokio_postgres::Row;

use super::cells::Cells;
use super::session::Params;
use super::{DbError, UserTx};
use crate::analytics::{Dimension, Ending, Fact, Tally, buckets, trading_day};
use curve::Curve;
pub use outcomes::{outcomes, sums_advance, sums_version};
use spans::{Span, first_of_month, first_of_year, next_month, next_year, stretches};
pub use store::Groups;
use store::{Place, StoredTally, Touched, added_up, groups_of};

/// Days that one transaction brings up to date: a look of somebody with a long history is answered in
/// steps, each of which lasts.
const DAYS_AT_ONCE: i64 = 62;

const IS_STALE: &str = "SELECT 1 FROM performance_stale WHERE username = $1 LIMIT 1";

const STANDING: &str = "
    SELECT coalesce((SELECT version FROM performance_heads WHERE username = $1), 0) AS version,
           min(day) AS first, max(day) AS last FROM performance_stale WHERE username = $1 AND broker_mode = $2";

/// A version is a moment and not a count: one that a failing server lost does not come again with other sums. The
/// commit does not wait for the disk: the sums and what asks for them are lost together, and are made again.
const LOCK: &str = "
    INSERT INTO performance_heads AS head (username, version) VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
    ON CONFLICT (username) DO UPDATE SET version = greatest(head.version + 1, excluded.version)
    RETURNING version, set_config('synchronous_commit', 'off', true) AS until_the_commit";

/// What is taken here was committed before, so the trades behind it are seen below.
const TAKE: &str = "
    WITH days AS (
        SELECT DISTINCT broker_mode, day FROM performance_stale WHERE username = $1 ORDER BY broker_mode, day LIMIT $2),
    taken AS (
        DELETE FROM performance_stale s USING days d
         WHERE s.username = $1 AND s.broker_mode = d.broker_mode AND s.day = d.day RETURNING s.broker_mode, s.day)
    SELECT DISTINCT broker_mode, day FROM taken ORDER BY broker_mode, day";

const FACTS: &str = "
    SELECT closed_at, ticker, option_type, expiry, strategy, verdict, entered_at, ended_as, pnl_e4, r_e4, held_e4, fees_e4,
           turn, delta_e4
      FROM closed_trades
     WHERE username = $1 AND broker_mode = $2
       AND closed_at >= trading_day_begins($3) AND closed_at < trading_day_begins($4::date + 1)
     ORDER BY closed_at, trade_id";

/// How the sums of a mode stand to its trades. As long as the version stays, so does what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They are those of the trades.
    Settled { version: i64 },
    /// They are, but for one day.
    Open { version: i64, day: NaiveDate },
    /// Several days are out of date.
    Behind,
}

/// What a refresh has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// Days whose sums were written: above zero the transaction is to be committed.
    pub days: usize,
    /// There may be more to do, in another transaction.
    pub is_behind: bool,
}

/// How the sums of a mode stand.
///
/// # Errors
/// When the database does not answer.
pub async fn performance_standing(tx: &UserTx, mode: BrokerMode) -> Result<Standing, DbError> {
    let row = tx.session().query_one(STANDING, &[&tx.user(), &mode.as_str()]).await?;
    let mut cells = Cells::of(&row);
    let version = cells.next("version")?;
    let (first, last): (Option<NaiveDate>, Option<NaiveDate>) = (cells.next("first")?, cells.next("last")?);
    Ok(match (first, last) {
        (None, _) | (_, None) => Standing::Settled { version },
        (Some(first), Some(last)) if first == last => Standing::Open { version, day: first },
        (Some(_), Some(_)) => Standing::Behind,
    })
}

/// Brings the sums of some days up to date. To be called until it is not behind.
///
/// # Errors
/// When the database does not answer.
pub async fn performance_refresh(tx: &UserTx) -> Result<Refreshed, DbError> {
    if tx.session().query_opt(IS_STALE, &[&tx.user()]).await?.is_none() {
        return Ok(Refreshed { days: 0, is_behind: false });
    }
    tx.session().query_one(LOCK, &[&tx.user()]).await?;
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
    Ok(Refreshed { days: rows.len(), is_behind: i64::try_from(rows.len()).is_ok_and(|days| days >= DAYS_AT_ONCE) })
}

/// The sums of a mode, by group of each dimension that is wanted: from a day on, and up to another that is not in them.
///
/// # Errors
/// When the database does not answer.
pub async fn performance_sums(
    tx: &UserTx,
    mode: BrokerMode,
    (from, until): (Option<NaiveDate>, Option<NaiveDate>),
    wanted: &[Dimension],
) -> Result<Groups, DbError> {
    let stretches = stretches(from.unwrap_or(first_year()), until.unwrap_or(last_year()));
    let words: BTreeSet<&str> = wanted.iter().map(|dimension| dimension.as_str()).collect();
    let words: Vec<&str> = words.into_iter().collect();
    let spans: Vec<&str> = stretches.iter().map(|stretch| stretch.span.as_str()).collect();
    let begins: Vec<NaiveDate> = stretches.iter().map(|stretch| stretch.begins).collect();
    let ends: Vec<NaiveDate> = stretches.iter().map(|stretch| stretch.ends).collect();
    let params: Params<'_> = &[&tx.user(), &mode.as_str(), &words, &spans, &begins, &ends];
    groups_of(&tx.session().query(store::SUMS, params).await?)
}

/// The sums of one day, from its trades; and the day itself, if any trade ended on it.
///
/// # Errors
/// When the database does not answer.
pub async fn performance_of_day(
    tx: &UserTx,
    mode: BrokerMode,
    day: NaiveDate,
    wanted: &[Dimension],
) -> Result<(Groups, Option<DayResult>), DbError> {
    let rows = tx.session().query(FACTS, &[&tx.user(), &mode.as_str(), &day, &day]).await?;
    let groups = added_up(sums_of_days(&rows, wanted)?);
    let result = groups.get(&(Dimension::Total.as_str().to_owned(), String::new())).map(|total| DayResult {
        day,
        wins: u64::try_from(total.wins).unwrap_or_default(),
        trades: u64::try_from(total.trades()).unwrap_or_default(),
        net: Cash(total.net()),
    });
    Ok((groups, result))
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
    curve::days(tx, mode, from.unwrap_or(first_year())).await
}

/// The sums of the trades of one list, without going through them: those of one mode, by outcome.
///
/// # Errors
/// When the database does not answer.
pub async fn performance_all(tx: &UserTx, mode: BrokerMode) -> Result<Groups, DbError> {
    performance_sums(tx, mode, (None, None), &[Dimension::Total, Dimension::By(Breakdown::Reason)]).await
}

/// Writes the sums of the days of a range again; says which groups have changed. Of one day, the usual case, only
/// those are written that differ from what is stored.
async fn days_put(tx: &UserTx, mode: BrokerMode, days: (NaiveDate, NaiveDate)) -> Result<Touched, DbError> {
    let next = days.1.succ_opt().unwrap_or(days.1);
    let place = Place { mode, span: Span::Day, range: (days.0, next) };
    let all: Vec<Dimension> = Dimension::all().collect();
    let (user, mode) = (tx.user(), mode.as_str());
    let params: Params<'_> = &[&user, &mode, &days.0, &days.1];
    let facts = tx.session().query(FACTS, params);
    if days.0 != days.1 {
        store::put(tx, place, &Touched::All, &sums_of_days(&facts.await?, &all)?).await?;
        return Ok(Touched::All);
    }
    let (facts, before) = try_join(facts, store::parts(tx, place, &Touched::All)).await?;
    let mut now = sums_of_days(&facts, &all)?;
    let differing = differing(added_up(before), &now);
    now.retain(|sum| differing.contains(&sum.group()));
    let touched = Touched::Groups(differing);
    if !touched.is_nothing() {
        store::put(tx, place, &touched, &now).await?;
    }
    Ok(touched)
}

/// The sums of each day and group that is wanted, of trades in the order of their closes.
fn sums_of_days(rows: &[Row], wanted: &[Dimension]) -> Result<Vec<StoredTally>, DbError> {
    let mut sums: BTreeMap<(NaiveDate, Dimension, String), Tally> = BTreeMap::new();
    for row in rows {
        let fact = fact_of(row)?;
        let one = Tally::of(&fact);
        for (dimension, bucket) in buckets(&fact, wanted) {
            let sum = sums.entry((fact.day, dimension, bucket)).or_default();
            *sum = sum.then(&one);
        }
    }
    let stored = sums.into_iter().map(|((starts, dimension, bucket), tally)| StoredTally {
        dimension: dimension.as_str().to_owned(),
        starts,
        bucket,
        tally,
        curve: None,
    });
    Ok(stored.collect())
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
    differ.extend(before.into_keys());
    differ
}

/// Writes the sums of one long span again, from those of the short spans inside.
async fn roll_up(tx: &UserTx, of: Span, place: Place, touched: &Touched) -> Result<(), DbError> {
    if touched.is_nothing() {
        return Ok(());
    }
    let parts = store::parts(tx, Place { span: of, ..place }, touched).await?;
    let mut curve = if place.span == Span::Month { Curve::of(&parts) } else { None };
    let stored = added_up(parts).into_iter().map(|((dimension, bucket), tally)| StoredTally {
        curve: if dimension == Dimension::Total.as_str() { curve.take() } else { None },
        dimension,
        starts: place.range.0,
        bucket,
        tally,
    });
    store::put(tx, place, touched, &stored.collect::<Vec<_>>()).await
}

fn fact_of(row: &Row) -> Result<Fact, DbError> {
    let mut cells = Cells::of(row);
    let closed_at = cells.next("closed_at")?;
    let day = trading_day(closed_at);
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
    let turn = cells.parsed_opt("turn", "a turn")?;
    let delta = exact(cells.next("delta_e4")?);
    Ok(Fact {
        day,
        closed_at,
        ticker,
        side,
        expiry,
        strategy,
        verdict,
        entered_at,
        ended_as,
        ending,
        fees,
        r,
        held_hours,
        turn,
        delta,
    })
}

/// Before any trade, and a first of January.
fn first_year() -> NaiveDate {
    NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or(NaiveDate::MIN)
}

/// After every trade, and a first of January.
fn last_year() -> NaiveDate {
    NaiveDate::from_ymd_opt(9999, 1, 1).unwrap_or(NaiveDate::MAX)
}
