//! Rows of `performance_sums`.

use std::collections::{BTreeMap, BTreeSet};

use blotter_shared::domain::BrokerMode;
use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::Row;

use super::curve::Curve;
use super::spans::Span;
use crate::analytics::{Dimension, R_CLASSES, Tally};
use crate::db::cells::{Cells, unreadable};
use crate::db::session::Params;
use crate::db::{DbError, UserTx};

/// Tallies by dimension and group.
pub type Groups = BTreeMap<(String, String), Tally>;

/// The figures of a row, in the order in which [`stored_of`] reads them.
macro_rules! figures {
    () => {
        "ended, wins, losses, scratches, estimated, unknown, won, lost, fees, best, worst, squares, r_trades, r_sum, r_squares, \
         r_classes, held, held_won, held_lost, held_trades, peak, low, fall, fall_peak, first_streak, last_streak, \
         longest_win, longest_loss, streaks, coalesce(fees_untold, '{0,0,0}') AS fees_untold, \
         coalesce(fees_won, 0) AS fees_won"
    };
}

// A range of the key for each dimension and stretch, whatever the statistics say: one condition over all of them
// would walk through every day.
pub(super) const SUMS: &str = concat!(
    "SELECT part.* FROM unnest($3::text[]) AS wanted (dimension)
      CROSS JOIN unnest($4::text[], $5::date[], $6::date[]) AS stretch (span, begins, ends)
      CROSS JOIN LATERAL (
         SELECT dimension, bucket, starts, ",
    figures!(),
    "      FROM performance_sums
          WHERE username = $1 AND broker_mode = $2 AND dimension = wanted.dimension AND span = stretch.span
            AND starts >= stretch.begins AND starts < stretch.ends OFFSET 0) AS part
      ORDER BY starts"
);

const PARTS: &str = concat!(
    "SELECT dimension, bucket, starts, ",
    figures!(),
    " FROM performance_sums
      WHERE username = $1 AND broker_mode = $2 AND span = $3 AND starts >= $4 AND starts < $5 AND dimension = ANY($6)
      ORDER BY starts"
);

// A look into the key for each group, whatever the statistics say.
const PARTS_OF: &str = concat!(
    "SELECT part.* FROM unnest($6::text[], $7::text[]) AS touched (dimension, bucket) CROSS JOIN LATERAL (
         SELECT dimension, bucket, starts, ",
    figures!(),
    "      FROM performance_sums
          WHERE username = $1 AND broker_mode = $2 AND span = $3 AND starts >= $4 AND starts < $5
            AND dimension = touched.dimension AND bucket = touched.bucket OFFSET 0) AS part
      ORDER BY starts"
);

const CLEAR: &str = "
    DELETE FROM performance_sums
     WHERE username = $1 AND broker_mode = $2 AND dimension = ANY($6) AND span = $3 AND starts >= $4 AND starts < $5";

const CLEAR_OF: &str = "
    DELETE FROM performance_sums s USING unnest($6::text[], $7::text[]) AS touched (dimension, bucket)
     WHERE s.username = $1 AND s.broker_mode = $2 AND s.span = $3 AND s.starts >= $4 AND s.starts < $5
       AND s.dimension = touched.dimension AND s.bucket = touched.bucket";

const PUT: &str = "INSERT INTO performance_sums SELECT * FROM jsonb_populate_recordset(NULL::performance_sums, $1)";

/// A tally with its place.
#[derive(Clone, Debug)]
pub(super) struct StoredTally {
    pub dimension: String,
    pub starts: NaiveDate,
    pub bucket: String,
    pub tally: Tally,
    /// The days inside, of the whole of a month.
    pub curve: Option<Curve>,
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
    #[serde(flatten)]
    curve: Option<&'a Curve>,
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

/// Every dimension that this version knows.
fn known() -> Vec<&'static str> {
    Dimension::all().map(Dimension::as_str).collect()
}

/// What is stored of these groups, in the order of time.
pub(super) async fn parts(tx: &UserTx, place: Place, touched: &Touched) -> Result<Vec<StoredTally>, DbError> {
    let Place { mode, span, range } = place;
    let rows = match touched {
        Touched::All => {
            let params: Params<'_> = &[&tx.user(), &mode.as_str(), &span.as_str(), &range.0, &range.1, &known()];
            tx.session().query(PARTS, params).await?
        }
        Touched::Groups(groups) => {
            let (dimensions, buckets) = names(groups);
            let params: Params<'_> =
                &[&tx.user(), &mode.as_str(), &span.as_str(), &range.0, &range.1, &dimensions, &buckets];
            tx.session().query(PARTS_OF, params).await?
        }
    };
    rows.iter().map(stored_of).collect()
}

/// Puts these in the place of whatever was stored of the groups for the range. A row is written anew and not
/// changed: a column that only a later version knows is null then, and not left over.
pub(super) async fn put(tx: &UserTx, place: Place, touched: &Touched, sums: &[StoredTally]) -> Result<(), DbError> {
    let Place { mode, span, range } = place;
    let record = |sum: &StoredTally| {
        json!(Record {
            username: tx.user(),
            broker_mode: mode.as_str(),
            dimension: &sum.dimension,
            span: span.as_str(),
            starts: sum.starts,
            bucket: &sum.bucket,
            tally: &sum.tally,
            curve: sum.curve.as_ref(),
        })
    };
    let records = Value::Array(sums.iter().map(record).collect());
    let clear =
        async |sql: &str, params: Params<'_>| tx.session().execute_both((sql, params), (PUT, &[&records])).await;
    match touched {
        Touched::All => clear(CLEAR, &[&tx.user(), &mode.as_str(), &span.as_str(), &range.0, &range.1, &known()]).await,
        Touched::Groups(groups) => {
            let (dimensions, buckets) = names(groups);
            let params: Params<'_> =
                &[&tx.user(), &mode.as_str(), &span.as_str(), &range.0, &range.1, &dimensions, &buckets];
            clear(CLEAR_OF, params).await
        }
    }
}

/// Adds up what comes in the order of time.
pub(super) fn added_up(parts: Vec<StoredTally>) -> Groups {
    let mut groups = Groups::new();
    for part in parts {
        let sum = groups.entry((part.dimension, part.bucket)).or_default();
        *sum = sum.then(&part.tally);
    }
    groups
}

/// As [`added_up`], of rows.
pub(super) fn groups_of(rows: &[Row]) -> Result<Groups, DbError> {
    Ok(added_up(rows.iter().map(stored_of).collect::<Result<_, _>>()?))
}

fn stored_of(row: &Row) -> Result<StoredTally, DbError> {
    let mut cells = Cells::of(row);
    let (dimension, bucket, starts) = (cells.next("dimension")?, cells.next("bucket")?, cells.next("starts")?);
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
        fees_won: cells.next("fees_won")?,
    };
    Ok(StoredTally { dimension, starts, bucket, tally, curve: None })
}

fn counts<const N: usize>(cells: &mut Cells<'_>, name: &'static str) -> Result<[i64; N], DbError> {
    cells.next::<Vec<i64>>(name)?.try_into().map_err(|_| unreadable(name, "as many counts as there are classes"))
}
