//! The days of a month as they stand in its own row: what the curve of results is made of. Years of
//! them are read as one row for each month.

use blotter_shared::domain::{BrokerMode, Cash};
use blotter_shared::protocol::performance::DayResult;
use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;
use serde::Serialize;
use tokio_postgres::Row;

use super::store::StoredTally;
use crate::analytics::Dimension;
use crate::db::cells::{Cells, unreadable};
use crate::db::session::Params;
use crate::db::{DbError, UserTx};

/// Decimals of a result as it is stored.
const SCALE: u32 = 4;

const CURVES: &str = "
    SELECT days, day_wins, day_trades, day_nets_e4 FROM performance_sums
     WHERE username = $1 AND broker_mode = $2 AND dimension = 'TOTAL' AND span = 'MONTH' AND starts >= $3 AND bucket = ''
     ORDER BY starts";

/// Each day from its own row: for months that were written by a daemon of a version before.
const DAYS: &str = "
    SELECT starts, wins, wins + losses + scratches AS trades, won + lost AS net FROM performance_sums
     WHERE username = $1 AND broker_mode = $2 AND dimension = 'TOTAL' AND span = 'DAY' AND starts >= $3 AND bucket = ''
     ORDER BY starts";

/// The days with results of one month, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Curve {
    days: Vec<NaiveDate>,
    day_wins: Vec<i64>,
    day_trades: Vec<i64>,
    day_nets_e4: Vec<i64>,
}

impl Curve {
    /// Of the sums of a month's days, in their order; none when one of them is too large to be kept so.
    pub(super) fn of(days: &[StoredTally]) -> Option<Self> {
        let mut curve = Self::default();
        for day in days.iter().filter(|day| day.dimension == Dimension::Total.as_str()) {
            let mut net = day.tally.net();
            net.rescale(SCALE);
            curve.days.push(day.starts);
            curve.day_wins.push(day.tally.wins);
            curve.day_trades.push(day.tally.trades());
            curve.day_nets_e4.push(i64::try_from(net.mantissa()).ok().filter(|_| net.scale() == SCALE)?);
        }
        Some(curve)
    }

    /// What a row holds; none when its month was written without.
    fn read(row: &Row) -> Result<Option<Self>, DbError> {
        let mut cells = Cells::of(row);
        let Some(days) = cells.next("days")? else { return Ok(None) };
        Ok(Some(Self {
            days,
            day_wins: cells.next("day_wins")?,
            day_trades: cells.next("day_trades")?,
            day_nets_e4: cells.next("day_nets_e4")?,
        }))
    }

    fn results(self) -> impl Iterator<Item = Result<DayResult, DbError>> {
        let counts = self.day_wins.into_iter().zip(self.day_trades);
        let days = self.days.into_iter().zip(counts).zip(self.day_nets_e4);
        days.map(|((day, (wins, trades)), net_e4)| {
            let count = |value: i64, name| u64::try_from(value).map_err(|_| unreadable(name, "counts"));
            let (wins, trades) = (count(wins, "day_wins")?, count(trades, "day_trades")?);
            Ok(DayResult { day, wins, trades, net: Cash(Decimal::new(net_e4, SCALE)) })
        })
    }
}

/// The trading days with results, from a day on, oldest first.
pub(super) async fn days(tx: &UserTx, mode: BrokerMode, from: NaiveDate) -> Result<Vec<DayResult>, DbError> {
    let month = from.with_day(1).unwrap_or(from);
    let params: Params<'_> = &[&tx.user(), &mode.as_str(), &month];
    let rows = tx.session().query(CURVES, params).await?;
    let mut days = Vec::with_capacity(rows.len() * 31);
    for row in &rows {
        let Some(curve) = Curve::read(row)? else { return days_one_by_one(tx, mode, from).await };
        for day in curve.results() {
            days.push(day?);
        }
    }
    days.drain(..days.partition_point(|day| day.day < from));
    Ok(days)
}

async fn days_one_by_one(tx: &UserTx, mode: BrokerMode, from: NaiveDate) -> Result<Vec<DayResult>, DbError> {
    let rows = tx.session().query(DAYS, &[&tx.user(), &mode.as_str(), &from]).await?;
    let day_of = |row: &Row| {
        let mut cells = Cells::of(row);
        Ok(DayResult {
            day: cells.next("starts")?,
            wins: cells.held::<i64, u64>("wins", "a count")?,
            trades: cells.held::<i64, u64>("trades", "a count")?,
            net: Cash(cells.next("net")?),
        })
    };
    rows.iter().map(day_of).collect()
}
