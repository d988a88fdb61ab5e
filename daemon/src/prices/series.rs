//! A chart's points: as many as it has columns, chosen so that its shape stays.
//!
//! Largest triangle three buckets: of each bucket the point that spans the largest triangle with the point
//! before and the middle of the bucket after. First and last stay. Whole numbers only: prices in 1/10000,
//! times in milliseconds.

use blotter_shared::protocol::prices::SeriesPoint;
use rust_decimal::Decimal;

use crate::db::prices::Mark;

/// A point in whole numbers.
#[derive(Clone, Copy, Debug)]
struct Whole {
    x: i128,
    y: i128,
}

/// At most `width` of the marks, in their order.
#[must_use]
pub fn decimate(marks: &[Mark], width: usize) -> Vec<SeriesPoint> {
    chosen(marks, width).into_iter().map(point).collect()
}

fn point(mark: Mark) -> SeriesPoint {
    SeriesPoint { at: mark.at, mark: Decimal::new(mark.price_e4, 4), quality: mark.quality }
}

/// As [`decimate`], of marks.
pub(super) fn chosen(points: &[Mark], width: usize) -> Vec<Mark> {
    let width = width.max(2);
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    if points.len() <= width {
        return points.to_vec();
    }
    let whole: Vec<Whole> = points.iter().map(whole).collect();
    let mut chosen = vec![*first];
    let mut before = whole_at(&whole, 0);
    // The points between first and last, in `width - 2` buckets as even as they can be.
    let (inner, buckets) = (points.len() - 2, width - 2);
    let edge = |bucket: usize| 1 + inner * bucket / buckets.max(1);
    for bucket in 0..buckets {
        let here = edge(bucket)..edge(bucket + 1);
        let after = middle(&whole, edge(bucket + 1)..edge((bucket + 2).min(buckets)).max(edge(bucket + 1) + 1));
        let best = here.max_by_key(|index| (area(before, whole_at(&whole, *index), after), std::cmp::Reverse(*index)));
        if let Some(point) = best.and_then(|index| points.get(index).map(|point| (index, point))) {
            before = whole_at(&whole, point.0);
            chosen.push(*point.1);
        }
    }
    chosen.push(*last);
    chosen
}

fn whole(mark: &Mark) -> Whole {
    Whole { x: mark.at.timestamp_millis().into(), y: mark.price_e4.into() }
}

fn whole_at(points: &[Whole], index: usize) -> Whole {
    points.get(index).copied().unwrap_or(Whole { x: 0, y: 0 })
}

/// The middle of a stretch of points; of the last one alone at the end.
fn middle(points: &[Whole], range: std::ops::Range<usize>) -> Whole {
    let stretch = points.get(range.start..range.end.min(points.len())).unwrap_or_default();
    let count = i128::try_from(stretch.len()).unwrap_or(1);
    if count == 0 {
        return points.last().copied().unwrap_or(Whole { x: 0, y: 0 });
    }
    let sum = stretch.iter().fold((0, 0), |(x, y), point| (x + point.x, y + point.y));
    Whole { x: sum.0 / count, y: sum.1 / count }
}

/// Twice the area of a triangle.
fn area(a: Whole, b: Whole, c: Whole) -> i128 {
    ((a.x - c.x) * (b.y - a.y) - (a.x - b.x) * (c.y - a.y)).abs()
}

#[cfg(test)]
mod tests {
    use blotter_shared::protocol::prices::QuoteQuality;
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn line(cents: &[i64]) -> Vec<Mark> {
        let mark = |(index, cents): (usize, &i64)| Mark {
            at: DateTime::from_timestamp(1_789_050_000 + 40 * i64::try_from(index).unwrap(), 0).unwrap(),
            price_e4: cents * 100,
            quality: QuoteQuality::Good,
        };
        cents.iter().enumerate().map(mark).collect()
    }

    #[test]
    fn a_spike_in_a_flat_day_is_on_the_chart() {
        let mut marks = vec![500; 600];
        marks[311] = 900;
        let chart = decimate(&line(&marks), 40);
        assert_eq!(chart.len(), 40);
        assert!(chart.iter().any(|point| point.mark == Decimal::from(9)), "the spike is lost");
    }

    proptest! {
        #[test]
        fn a_chart_is_a_part_of_what_was_recorded_in_its_order(
            marks in prop::collection::vec(0_i64..1_000_000, 0..700), width in 0_usize..200,
        ) {
            let points = line(&marks);
            let chart = decimate(&points, width);
            let points: Vec<SeriesPoint> = points.into_iter().map(point).collect();
            prop_assert_eq!(chart.len(), points.len().min(width.max(2)));
            prop_assert!(chart.windows(2).all(|pair| pair[0].at < pair[1].at));
            prop_assert!(chart.iter().all(|point| points.contains(point)));
            prop_assert_eq!((chart.first(), chart.last()), (points.first(), points.last()));
        }
    }
}
