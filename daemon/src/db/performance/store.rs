//! Rows of `performance_sums`.

use std::collections::{BTreeMap, BTreeSet};

use blotter_shared::domain::BrokerMode;
use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::Row;

use crate::analytics::{Dimension, R_CLASSES, Tally};
use crate::db::cells::{Cells, unreadable};
use crate::db::session::Params;
use crate::db::{DbError, UserTx};

/// Tallies by dimension and group.
pub type Groups = BTreeMap<(String, String), Tally>;

/// What one row sums up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    Day,
    Month,
    Year,
}

impl Span {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Month => "MONTH",
            Self::Year => "YEAR",
        }
    }
}

/// What [`tally_of`] reads, in its order.
macro_rules! columns {
    () => {
        "dimension, bucket, ended, wins, losses, scratches, estimated, unknown, won, lost, fees, best, worst, squares, \
         r_trades, r_sum, r_squares, r_classes, held, held_won, held_lost, held_trades, peak, low, fall, fall_peak, \
         first_streak, last_streak, longest_win, longest_loss, streaks, \
         coalesce(fees_untold, '{0,0,0}') AS fees_untold"
    };
}

pub(super) const SUMS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM performance_sums
      WHERE username = $1 AND broker_mode = $2 AND dimension = ANY($3)
        AND ((span = 'DAY' AND starts >= $4 AND starts < $5)
          OR (span = 'MONTH' AND starts >= $5 AND starts < $6)
          OR (span = 'YEAR' AND starts >= $6))
      ORDER BY dimension, bucket, starts"
);

const PARTS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM performance_sums
      WHERE username = $1 AND broker_mode = $2 AND span = $3 AND starts >= $4 AND starts < $5
      ORDER BY dimension, bucket, starts"
);

const PARTS_OF: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM performance_sums JOIN unnest($6::text[], $7::text[]) AS touched (dimension, bucket) USING (dimension, bucket)
      WHERE username = $1 AND broker_mode = $2 AND span = $3 AND starts >= $4 AND starts < $5
      ORDER BY dimension, bucket, starts"
);

const CLEAR: &str = "
    DELETE FROM performance_sums
     WHERE username = $1 AND broker_mode = $2 AND dimension = ANY($6) AND span = $3 AND starts >= $4 AND starts < $5";

const CLEAR_OF: &str = "
    DELETE FROM performance_sums
     WHERE username = $1 AND broker_mode = $2 AND span = $3 AND starts >= $4 AND starts < $5
       AND (dimension, bucket) IN (SELECT * FROM unnest($6::text[], $7::text[]))";

const PUT: &str = "INSERT INTO performance_sums SELECT * FROM jsonb_populate_recordset(NULL::performance_sums, $1)";

/// A tally with its place.
#[derive(Clone, Debug)]
pub(super) struct StoredTally {
    pub dimension: String,
    pub starts: NaiveDate,
    pub bucket: String,
    pub tally: Tally,
}

impl StoredTally {
    pub(super) fn group(&self) -> (String, String) {
        (self.dimension.clone(), self.bucket.clone())
    }
}

/// A row as the database takes it.
#[derive(Serialize)]
struct Record<'a> {
    username: &'a str,
    broker_mode: &'a str,
    dimension: &'a str,
    span: &'a str,
    starts: NaiveDate,
    bucket: &'a str,
    #[serde(flatten)]
    tally: &'a Tally,
}

/// Rows of one span in a range of days.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub mode: BrokerMode,
    pub span: Span,
    pub range: (NaiveDate, NaiveDate),
}

/// Which groups are written again: a close touches one of each dimension, and the rest stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    All,
    Groups(BTreeSet<(String, String)>),
}

impl Touched {
    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Self::All => false,
            Self::Groups(groups) => groups.is_empty(),
        }
    }

    pub(super) fn has(&self, group: &(String, String)) -> bool {
        match self {
            Self::All => true,
            Self::Groups(groups) => groups.contains(group),
        }
    }

    /// These and those.
    pub(super) fn and(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Groups(ours), Self::Groups(theirs)) => Self::Groups(ours.union(theirs).cloned().collect()),
            (Self::All, _) | (_, Self::All) => Self::All,
        }
    }
}

fn names(groups: &BTreeSet<(String, String)>) -> (Vec<&str>, Vec<&str>) {
    groups.iter().map(|(dimension, bucket)| (dimension.as_str(), bucket.as_str())).unzip()
}

/// What is stored of these groups, added up.
pub(super) async fn sums_read(tx: &UserTx, place: Place, touched: &Touched) -> Result<Groups, DbError> {
    let Place { mode, span, range } = place;
    let rows = match touched {
        Touched::All => {
            let params: Params<'_> = &[&tx.user(), &mode.as_str(), &span.as_str(), &range.0, &range.1];
            tx.session().query(PARTS, params).await?
        }
        Touched::Groups(groups) => {
            let (dimensions, buckets) = names(groups);
            let params: Params<'_> =
                &[&tx.user(), &mode.as_str(), &span.as_str(), &range.0, &range.1, &dimensions, &buckets];
            tx.session().query(PARTS_OF, params).await?
        }
    };
    groups_of(&rows)
}

/// Puts these in the place of whatever was stored of the groups for the range.
pub(super) async fn sums_put(
    tx: &UserTx,
    place: Place,
    touched: &Touched,
    sums: Vec<StoredTally>,
) -> Result<(), DbError> {
    let Place { mode, span, range } = place;
    match touched {
        Touched::All => {
            let dimensions: Vec<&str> = Dimension::all().map(Dimension::as_str).collect();
            let params: Params<'_> = &[&tx.user(), &mode.as_str(), &span.as_str(), &range.0, &range.1, &dimensions];
            tx.session().execute(CLEAR, params).await?;
        }
        Touched::Groups(groups) => {
            let (dimensions, buckets) = names(groups);
            let params: Params<'_> =
                &[&tx.user(), &mode.as_str(), &span.as_str(), &range.0, &range.1, &dimensions, &buckets];
            tx.session().execute(CLEAR_OF, params).await?;
        }
    }
    if sums.is_empty() {
        return Ok(());
    }
    let record = |sum: &StoredTally| {
        json!(Record {
            username: tx.user(),
            broker_mode: mode.as_str(),
            dimension: &sum.dimension,
            span: span.as_str(),
            starts: sum.starts,
            bucket: &sum.bucket,
            tally: &sum.tally,
        })
    };
    let records = Value::Array(sums.iter().map(record).collect());
    tx.session().execute(PUT, &[&records]).await?;
    Ok(())
}

/// Adds up rows that come in the order of their spans.
pub(super) fn groups_of(rows: &[Row]) -> Result<Groups, DbError> {
    let mut groups = Groups::new();
    for row in rows {
        let (group, tally) = tally_of(row)?;
        let sum = groups.entry(group).or_default();
        *sum = sum.then(&tally);
    }
    Ok(groups)
}

fn tally_of(row: &Row) -> Result<((String, String), Tally), DbError> {
    let mut cells = Cells::of(row);
    let group = (cells.next("dimension")?, cells.next("bucket")?);
    let tally = Tally {
        ended: cells.next("ended")?,
        wins: cells.next("wins")?,
        losses: cells.next("losses")?,
        scratches: cells.next("scratches")?,
        estimated: cells.next("estimated")?,
        unknown: cells.next("unknown")?,
        won: cells.next("won")?,
        lost: cells.next("lost")?,
        fees: cells.next("fees")?,
        best: cells.next("best")?,
        worst: cells.next("worst")?,
        squares: cells.next("squares")?,
        r_trades: cells.next("r_trades")?,
        r_sum: cells.next("r_sum")?,
        r_squares: cells.next("r_squares")?,
        r_classes: counts::<R_CLASSES>(&mut cells, "r_classes")?,
        held: cells.next("held")?,
        held_won: cells.next("held_won")?,
        held_lost: cells.next("held_lost")?,
        held_trades: counts::<3>(&mut cells, "held_trades")?,
        peak: cells.next("peak")?,
        low: cells.next("low")?,
        fall: cells.next("fall")?,
        fall_peak: cells.next("fall_peak")?,
        first_streak: cells.next("first_streak")?,
        last_streak: cells.next("last_streak")?,
        longest_win: cells.next("longest_win")?,
        longest_loss: cells.next("longest_loss")?,
        streaks: cells.next("streaks")?,
        fees_untold: counts::<3>(&mut cells, "fees_untold")?,
    };
    Ok((group, tally))
}

fn counts<const N: usize>(cells: &mut Cells<'_>, name: &'static str) -> Result<[i64; N], DbError> {
    cells.next::<Vec<i64>>(name)?.try_into().map_err(|_| unreadable(name, "as many counts as there are classes"))
}
