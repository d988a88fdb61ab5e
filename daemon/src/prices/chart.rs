//! What is read for a chart. One of many days is drawn from their outlines, which is enough while a column is no
//! narrower than two of their marks; one of few days from everything that is recorded.

use std::collections::{BTreeMap, HashSet};

use blotter_shared::domain::TradeId;
use blotter_shared::protocol::prices::SeriesPoint;
use chrono::{DateTime, NaiveDate, Utc};
use futures_util::future::try_join;

use super::outline::Outline;
use super::pack::{Unpackable, unpack_marks};
use super::series::decimate;
use crate::db::prices::{DayRow, Mark, OutlineRow, day_outlines, price_days, price_marks};
use crate::db::{DbError, UserTx};

/// A chart's points, and how many marks they stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    pub recorded: u64,
    pub points: Vec<SeriesPoint>,
}

type Span = (DateTime<Utc>, DateTime<Utc>);

/// A trade's marks in a span of time, cut down to `width` points.
///
/// # Errors
/// When the database does not answer, or a packed day cannot be read.
pub async fn chart(tx: &UserTx, trade: TradeId, span: Span, width: usize) -> Result<Chart, DbError> {
    let ids = [trade.0];
    // The packed days are read while the database looks for the others.
    let outlined = async {
        let days = day_outlines(tx, trade, span).await?;
        days.iter().map(|day| Ok((day.session_date, outline(day, span)?))).collect::<Result<BTreeMap<_, _>, DbError>>()
    };
    let (mut days, whole) = try_join(outlined, price_marks(tx, trade, span)).await?;
    let whole = unpacked(whole, &days);
    days.extend(whole.iter().map(|(session, marks)| (*session, Outline::of(marks))));
    let drawn: usize = days.values().map(|day| day.marks.len()).sum();
    let recorded = days.values().map(|day| day.recorded).sum();
    let marks = if drawn >= 2 * width {
        days.into_values().flat_map(|day| day.marks).collect()
    } else {
        everything(price_days(tx, &ids, span).await?, whole, span)?
    };
    Ok(Chart { recorded, points: decimate(&marks, width) })
}

/// The outline that is stored, or that of a day which has none or lies in the span with a part of it.
fn outline(day: &OutlineRow, span: Span) -> Result<Outline, DbError> {
    match (&day.outline, &day.packed) {
        (_, Some(packed)) => Ok(Outline::of(&inside(unpack_marks(packed).map_err(unreadable)?, span))),
        (Some(outline), None) => Outline::unpack(outline).map_err(unreadable),
        (None, None) => Ok(Outline::default()),
    }
}

/// The marks of days that are not packed.
fn unpacked<T>(whole: Vec<(NaiveDate, Mark)>, packed: &BTreeMap<NaiveDate, T>) -> BTreeMap<NaiveDate, Vec<Mark>> {
    let mut days: BTreeMap<NaiveDate, Vec<Mark>> = BTreeMap::new();
    for (session, mark) in whole {
        if mark.quality.is_shown() && !packed.contains_key(&session) {
            days.entry(session).or_default().push(mark);
        }
    }
    days
}

fn everything(packed: Vec<DayRow>, whole: BTreeMap<NaiveDate, Vec<Mark>>, span: Span) -> Result<Vec<Mark>, DbError> {
    // A day that was packed since it was read as a whole one is here twice.
    let sessions: HashSet<NaiveDate> = packed.iter().map(|day| day.session_date).collect();
    let mut marks: Vec<Mark> =
        whole.into_iter().filter(|(session, _)| !sessions.contains(session)).flat_map(|(_, marks)| marks).collect();
    for day in packed {
        marks.extend(inside(unpack_marks(&day.packed).map_err(unreadable)?, span));
    }
    marks.sort_by_key(|mark| mark.at);
    Ok(marks)
}

fn inside(mut marks: Vec<Mark>, span: Span) -> Vec<Mark> {
    marks.retain(|mark| mark.at >= span.0 && mark.at < span.1);
    marks
}

pub(super) fn unreadable(why: Unpackable) -> DbError {
    tracing::error!("{why}");
    DbError::Unreadable { column: "packed".to_owned(), expected: "packed prices of this version" }
}
