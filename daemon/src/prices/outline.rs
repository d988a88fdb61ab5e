//! The outline of a trade's day: the few marks that a chart of many days draws of it. Pure.
//!
//! It is made when the day is packed and lies beside it, so that a chart of a year reads a few hundred bytes a day and
//! not every price of it. It holds the day's first and last mark, its lowest and its highest, and between them those that
//! keep the shape; and it says how many marks fit to be shown the day has.
//!
//! Packed: a version, that count, the number of marks, then of each the difference from the one before in milliseconds
//! and in 1/10000, and its quality.

use blotter_shared::protocol::prices::QuoteQuality;
use chrono::DateTime;

use super::pack::{Unpackable, put, take, take_byte, unzigzag, zigzag};
use super::series::chosen;
use crate::db::prices::Mark;

/// Marks of an outline, at most.
pub const MARKS: usize = 24;

const VERSION: u8 = 1;

/// What a chart of many days draws of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// How many marks the day has that are fit to be shown.
    pub recorded: u64,
    /// Some of them, in the order of time.
    pub marks: Vec<Mark>,
}

impl Outline {
    /// Of all marks of a day that are fit to be shown, in the order of time.
    #[must_use]
    pub fn of(day: &[Mark]) -> Self {
        let recorded = u64::try_from(day.len()).unwrap_or(u64::MAX);
        if day.len() <= MARKS {
            return Self { recorded, marks: day.to_vec() };
        }
        let mut marks = chosen(day, MARKS - 2);
        // The earliest of several equal ones.
        let lowest = day.iter().min_by_key(|mark| mark.price_e4);
        let highest = day.iter().min_by_key(|mark| std::cmp::Reverse(mark.price_e4));
        for extreme in [lowest, highest].into_iter().flatten() {
            if !marks.contains(extreme) {
                let place = marks.partition_point(|mark| mark.at <= extreme.at);
                marks.insert(place, *extreme);
            }
        }
        Self { recorded, marks }
    }

    /// As it is stored.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put(&mut out, self.recorded);
        put(&mut out, u64::try_from(self.marks.len()).unwrap_or(u64::MAX));
        let mut before = (0, 0);
        for Mark { at, price_e4, quality } in &self.marks {
            let now = (at.timestamp_millis(), *price_e4);
            put(&mut out, zigzag(now.0.wrapping_sub(before.0)));
            put(&mut out, zigzag(now.1.wrapping_sub(before.1)));
            let place = QuoteQuality::ALL.iter().position(|other| other == quality);
            out.push(place.and_then(|place| u8::try_from(place).ok()).unwrap_or_default());
            before = now;
        }
        out
    }

    /// Reads it back.
    ///
    /// # Errors
    /// When the bytes are of a later version, or are not what [`Self::pack`] makes.
    pub fn unpack(bytes: &[u8]) -> Result<Self, Unpackable> {
        let mut rest = bytes;
        match take_byte(&mut rest)? {
            VERSION => {}
            other => return Err(Unpackable::Version(other)),
        }
        let (recorded, count) = (take(&mut rest)?, take(&mut rest)?);
        let (mut marks, mut before) = (Vec::with_capacity(MARKS), (0_i64, 0_i64));
        for _ in 0..count {
            before.0 = before.0.wrapping_add(unzigzag(take(&mut rest)?));
            before.1 = before.1.wrapping_add(unzigzag(take(&mut rest)?));
            let quality = QuoteQuality::ALL.get(usize::from(take_byte(&mut rest)?));
            let at = DateTime::from_timestamp_millis(before.0);
            let (Some(at), Some(quality)) = (at, quality) else { return Err(Unpackable::Broken) };
            marks.push(Mark { at, price_e4: before.1, quality: *quality });
        }
        if rest.is_empty() { Ok(Self { recorded, marks }) } else { Err(Unpackable::Broken) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn any_day()(marks in prop::collection::vec((1_i64..90_000, 0_i64..9_999_999, 0_usize..3), 0..700)) -> Vec<Mark> {
            let shown = [QuoteQuality::Good, QuoteQuality::Delayed, QuoteQuality::Wide];
            let mut ms = 1_789_050_000_000;
            let mark = |(apart, price_e4, quality): (i64, i64, usize)| {
                ms += apart;
                Mark { at: DateTime::from_timestamp_millis(ms).unwrap(), price_e4, quality: shown[quality] }
            };
            marks.into_iter().map(mark).collect()
        }
    }

    proptest! {
        #[test]
        fn an_outline_is_a_part_of_the_day_with_its_frame_and_its_extremes(day in any_day()) {
            let Outline { recorded, marks } = Outline::of(&day);
            prop_assert_eq!(usize::try_from(recorded).unwrap(), day.len());
            prop_assert!(marks.len() <= MARKS && marks.len() >= day.len().min(MARKS - 2));
            prop_assert!(marks.windows(2).all(|pair| pair[0].at < pair[1].at));
            prop_assert!(marks.iter().all(|mark| day.contains(mark)));
            prop_assert_eq!((marks.first(), marks.last()), (day.first(), day.last()));
            let prices = |marks: &[Mark]| {
                let prices = marks.iter().map(|mark| mark.price_e4);
                (prices.clone().min(), prices.max())
            };
            prop_assert_eq!(prices(&marks), prices(&day));
        }

        #[test]
        fn what_goes_in_comes_out(day in any_day()) {
            let outline = Outline::of(&day);
            prop_assert_eq!(Outline::unpack(&outline.pack()), Ok(outline));
        }

        #[test]
        fn bytes_that_are_cut_or_changed_are_refused_or_read_and_never_panic(
            day in any_day(), cut: prop::sample::Index, flip: prop::sample::Index, bit in 0_u8..8,
        ) {
            let packed = Outline::of(&day).pack();
            prop_assert!(Outline::unpack(&packed[..cut.index(packed.len())]).is_err());
            let mut changed = packed.clone();
            changed[flip.index(packed.len())] ^= 1 << bit;
            let _ = Outline::unpack(&changed);
        }
    }

    #[test]
    fn a_later_version_is_named() {
        assert_eq!(Outline::unpack(&[2, 0, 0]), Err(Unpackable::Version(2)));
        assert_eq!(Outline::unpack(&[VERSION, 3, 1, 2, 2, 9]), Err(Unpackable::Broken), "no such quality");
    }
}
