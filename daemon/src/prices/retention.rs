//! What becomes of recorded prices: whole rows for a week, then a packed row a trade and day, then a
//! thinned one. Each step may be cut off and begun again.

use std::collections::{BTreeSet, HashMap, HashSet};

use blotter_shared::domain::TradeId;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::America::New_York;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::chart::unreadable;
use super::outline::Outline;
use super::pack::{pack, unpack, unpack_marks};
use crate::auth::Username;
use crate::clock::Clock;
use crate::db::prices::{
    DAY_SPAN, DayRow, PriceRow, day_put, days_to_outline, days_to_thin, days_unpacked, months_drop, price_days,
    price_rows,
};
use crate::db::settings::settings_users;
use crate::db::{Db, DbError, UserTx};

/// Days back that are looked through for what was never packed: an outage may last.
const LOOK_BACK: u64 = 100;
/// Between two points of a thinned day.
const APART: TimeDelta = TimeDelta::minutes(5);
/// Days packed in one transaction.
const BATCH: i64 = 50;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    pub packed: usize,
    pub thinned: usize,
    /// Days that had been packed without an outline.
    pub outlined: usize,
    pub dropped: u32,
}

/// For how many days what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Every row.
    pub whole: u32,
    /// Packed days, as they were.
    pub packed: u32,
}

impl Default for Keep {
    fn default() -> Self {
        Self { whole: 7, packed: 90 }
    }
}

/// Keeps the prices small.
#[derive(Clone, Debug)]
pub struct Retention {
    pub db: Db,
    pub clock: Clock,
    pub keep: Keep,
}

impl Retention {
    /// Packs, thins and drops whatever is old enough.
    ///
    /// # Errors
    /// When the database does not answer. What was done by then stays done.
    pub async fn tidy(&self) -> Result<Tidied, DbError> {
        let today = self.clock.now().with_timezone(&New_York).date_naive();
        let mut done = Tidied::default();
        let tx = self.db.system_tx().await?;
        let users = settings_users(&tx).await?;
        tx.commit().await?;
        for user in &users {
            done.packed += self.pack_all(user, today).await?;
            done.thinned += self.thin_all(user, today).await?;
            done.outlined += self.outline_all(user).await?;
        }
        let tx = self.db.system_tx().await?;
        done.dropped = months_drop(&tx, before(today, self.keep.whole.into())).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn pack_all(&self, who: &Username, today: NaiveDate) -> Result<usize, DbError> {
        let span = (before(today, LOOK_BACK), before(today, u64::from(self.keep.whole) + 1));
        let mut packed = 0;
        loop {
            let tx = self.db.user_tx(who).await?;
            let days = days_unpacked(&tx, span, BATCH).await?;
            for (trade, day) in &days {
                pack_day(&tx, *trade, *day).await?;
            }
            tx.commit().await?;
            packed += days.len();
            if days.is_empty() {
                return Ok(packed);
            }
        }
    }

    async fn thin_all(&self, who: &Username, today: NaiveDate) -> Result<usize, DbError> {
        let mut thinned = 0;
        loop {
            let tx = self.db.user_tx(who).await?;
            let days = days_to_thin(&tx, before(today, self.keep.packed.into()), BATCH).await?;
            for day in &days {
                let rows = match unpack(day.trade, day.session_date, &day.packed) {
                    Ok(rows) => thin(&rows),
                    Err(why) => {
                        // What cannot be read is left as it is, and not looked at again.
                        tracing::error!(trade = %day.trade, day = %day.session_date, "{why}");
                        day_put(&tx, &DayRow { thinned: true, ..day.clone() }).await?;
                        continue;
                    }
                };
                if let Some(row) = packed_day(day.trade, day.session_date, &rows) {
                    day_put(&tx, &DayRow { thinned: true, ..row }).await?;
                }
            }
            tx.commit().await?;
            thinned += days.len();
            if days.is_empty() {
                return Ok(thinned);
            }
        }
    }

    /// Gives an outline to the days that were packed before there were any. What cannot be read gets none: a chart of
    /// it says so.
    async fn outline_all(&self, who: &Username) -> Result<usize, DbError> {
        let (mut outlined, mut last) = (0, None);
        loop {
            let tx = self.db.user_tx(who).await?;
            let days = days_to_outline(&tx, last, BATCH).await?;
            last = days.last().map(|day| (day.session_date, day.trade));
            for day in days {
                match outline_of(&day.packed) {
                    Some(outline) => {
                        day_put(&tx, &DayRow { outline: Some(outline), ..day }).await?;
                        outlined += 1;
                    }
                    None => {
                        tracing::error!(trade = %day.trade, day = %day.session_date, "packed prices that cannot be read");
                    }
                }
            }
            tx.commit().await?;
            if last.is_none() {
                return Ok(outlined);
            }
        }
    }
}

async fn pack_day(tx: &UserTx, trade: TradeId, day: NaiveDate) -> Result<(), DbError> {
    let from = day.and_time(NaiveTime::MIN).and_utc();
    let rows = price_rows(tx, &[trade.0], (from, from + DAY_SPAN)).await?;
    let rows: Vec<PriceRow> = rows.into_iter().filter(|row| row.session_date == day).collect();
    match packed_day(trade, day, &rows) {
        Some(packed) => day_put(tx, &packed).await,
        None => Ok(()),
    }
}

fn packed_day(trade: TradeId, session_date: NaiveDate, rows: &[PriceRow]) -> Option<DayRow> {
    let (first, last) = (rows.first()?.ts, rows.last()?.ts);
    let points = i32::try_from(rows.len()).ok()?;
    let packed = pack(rows);
    let outline = outline_of(&packed);
    Some(DayRow { trade, session_date, first, last, points, thinned: false, packed, outline })
}

fn outline_of(packed: &[u8]) -> Option<Vec<u8>> {
    Some(Outline::of(&unpack_marks(packed).ok()?).pack())
}

/// Of each five minutes the last row, the bookends, and the day's best and worst sound mark on either
/// side: what was possible stays known exactly.
#[must_use]
pub fn thin(rows: &[PriceRow]) -> Vec<PriceRow> {
    let slot = |row: &PriceRow| row.ts.timestamp().div_euclid(APART.num_seconds().max(1));
    let mut keep = BTreeSet::new();
    for (index, row) in rows.iter().enumerate() {
        let is_last = rows.get(index + 1).is_none_or(|next| slot(next) != slot(row));
        if is_last || row.bookend.is_some() {
            keep.insert(index);
        }
    }
    let sound = |of: fn(&PriceRow) -> Option<Decimal>| {
        rows.iter()
            .enumerate()
            .filter(|(_, row)| row.quality.is_sound())
            .filter_map(move |(index, row)| of(row).map(|value| (value, index)))
    };
    for of in [(|row| row.mark) as fn(&PriceRow) -> Option<Decimal>, |row| row.bid] {
        // The earliest of several equal ones.
        keep.extend(sound(of).min_by_key(|(value, index)| (*value, *index)).map(|(_, index)| index));
        keep.extend(sound(of).max_by_key(|(value, index)| (*value, std::cmp::Reverse(*index))).map(|(_, index)| index));
    }
    keep.into_iter().filter_map(|index| rows.get(index).cloned()).collect()
}

/// Everything that is recorded of a trade in a span of time, packed or not, in the order of time.
///
/// # Errors
/// When the database does not answer, or a packed day cannot be read.
pub async fn history(
    tx: &UserTx,
    trade: TradeId,
    span: (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<PriceRow>, DbError> {
    Ok(histories(tx, &[trade.0], span).await?.remove(&trade).unwrap_or_default())
}

/// As [`history`], of several trades at once.
///
/// # Errors
/// As [`history`].
pub async fn histories(
    tx: &UserTx,
    trades: &[Uuid],
    span: (DateTime<Utc>, DateTime<Utc>),
) -> Result<HashMap<TradeId, Vec<PriceRow>>, DbError> {
    let mut all: HashMap<TradeId, Vec<PriceRow>> = HashMap::new();
    let mut packed = HashSet::new();
    for day in price_days(tx, trades, span).await? {
        packed.insert((day.trade, day.session_date));
        let rows = unpack(day.trade, day.session_date, &day.packed).map_err(unreadable)?;
        all.entry(day.trade).or_default().extend(rows.into_iter().filter(|row| row.ts >= span.0 && row.ts < span.1));
    }
    for row in price_rows(tx, trades, span).await? {
        if !packed.contains(&(row.trade, row.session_date)) {
            all.entry(row.trade).or_default().push(row);
        }
    }
    all.values_mut().for_each(|rows| rows.sort_by_key(|row| row.ts));
    Ok(all)
}

fn before(today: NaiveDate, days: u64) -> NaiveDate {
    today.checked_sub_days(Days::new(days)).unwrap_or(today)
}

#[cfg(test)]
mod tests {
    use super::super::pack::tests::row;
    use super::*;

    #[test]
    fn a_thinned_day_keeps_its_best_its_worst_and_its_frame() {
        use blotter_shared::protocol::prices::{Bookend, QuoteQuality};
        let mut rows: Vec<PriceRow> = (0..600_i64)
            .map(|turn| {
                let bid = Decimal::new(500 + (turn * 37) % 101, 2);
                row(1_789_050_000_000 + turn * 40_000, bid, bid + Decimal::new(10, 2))
            })
            .collect();
        rows[0].bookend = Some(Bookend::PreMarket);
        rows[599].bookend = Some(Bookend::PostMarket);
        // A wild mark that nobody trusts is no best one.
        rows[300].mark = Some(Decimal::new(9_900, 2));
        rows[300].quality = QuoteQuality::Crossed;
        let thinned = thin(&rows);
        assert!(thinned.len() < 90, "{} rows of 600", thinned.len());
        let best =
            |rows: &[PriceRow]| rows.iter().filter(|row| row.quality.is_sound()).filter_map(|row| row.mark).max();
        let worst =
            |rows: &[PriceRow]| rows.iter().filter(|row| row.quality.is_sound()).filter_map(|row| row.bid).min();
        assert_eq!((best(&thinned), worst(&thinned)), (best(&rows), worst(&rows)));
        assert_eq!((&thinned[0], thinned.last()), (&rows[0], rows.last()));
        assert_eq!(thin(&thinned), thinned, "it is thin");
        assert!(thin(&[]).is_empty());
    }
}
