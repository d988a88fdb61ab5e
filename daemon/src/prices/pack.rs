//! A day's prices of one trade as a few kilobytes. Pure; what goes in comes out.
//!
//! Each row is a varint that says which fields differ from the row before, then their differences:
//! 0 for a null, else one more than the zigzag of the difference. Prices count in 1/10000, greeks in
//! 1/1000000, times in milliseconds. A mark in the middle is not stored: it follows from bid and ask.
//! Of a quiet contract a row costs a few bytes, of a lively one a dozen.
//!
//! The first byte is the version of the format: a reader that does not know it says so.

use blotter_shared::domain::TradeId;
use blotter_shared::protocol::prices::{Bookend, MarkKind, QuoteQuality, QuoteSource};
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use thiserror::Error;

use crate::db::prices::{Mark, PriceRow};

const VERSION: u8 = 1;
/// Digits after the point.
const PRICE: u32 = 4;
const GREEK: u32 = 6;

/// The fields of a row, in the order of their bits.
const FIELDS: usize = 12;

/// Why packed prices cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unpackable {
    #[error("packed prices of version {0}, which this program does not know")]
    Version(u8),
    #[error("packed prices that end too early or hold what cannot be")]
    Broken,
}

/// Packs rows of one trade and day, in the order of time.
#[must_use]
pub fn pack(rows: &[PriceRow]) -> Vec<u8> {
    let mut out = vec![VERSION];
    put(&mut out, u64::try_from(rows.len()).unwrap_or(u64::MAX));
    let mut before = [Some(0); FIELDS];
    for row in rows {
        let fields = fields_of(row);
        let differs = fields.iter().zip(before).enumerate().filter(|(_, (now, was))| **now != *was);
        put(&mut out, differs.clone().fold(0, |bits, (index, _)| bits | (1 << index)));
        for (_, (now, was)) in differs {
            put(&mut out, now.map_or(0, |now| zigzag(now.wrapping_sub(was.unwrap_or(0))).saturating_add(1)));
        }
        before = fields;
    }
    out
}

/// Reads them back.
///
/// # Errors
/// When the bytes are of a later version, or are not what [`pack`] makes.
pub fn unpack(trade: TradeId, session_date: NaiveDate, bytes: &[u8]) -> Result<Vec<PriceRow>, Unpackable> {
    let mut rows = Vec::new();
    each_row(bytes, |fields| {
        rows.push(row_of(trade, session_date, fields)?);
        Some(())
    })?;
    Ok(rows)
}

/// Reads no more than a chart needs, of the marks that are fit to be shown.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_marks(bytes: &[u8]) -> Result<Vec<Mark>, Unpackable> {
    let mut marks = Vec::new();
    // The words are nearly always those of the row before.
    let mut read = (None, (MarkKind::None, QuoteQuality::Good));
    each_row(bytes, |[ts, _, words, mark, bid, ask, ..]| {
        let words = words?;
        if read.0 != Some(words) {
            let (kind, _, quality, _) = words_from(words)?;
            read = (Some(words), (kind, quality));
        }
        let (kind, quality) = read.1;
        let price = if kind == MarkKind::Mid { Some(middle_e4(bid?, ask?)?) } else { mark };
        if let Some(price_e4) = price.filter(|_| quality.is_shown()) {
            marks.push(Mark { at: instant(ts?)?, price_e4, quality });
        }
        Some(())
    })?;
    Ok(marks)
}

/// Hands out the fields of each row; stops at a row that cannot be.
fn each_row(bytes: &[u8], mut take_row: impl FnMut([Option<i64>; FIELDS]) -> Option<()>) -> Result<(), Unpackable> {
    let mut rest = bytes;
    match take_byte(&mut rest)? {
        VERSION => {}
        other => return Err(Unpackable::Version(other)),
    }
    let count = take(&mut rest)?;
    let mut fields = [Some(0_i64); FIELDS];
    for _ in 0..count {
        let mut bits = take(&mut rest)?;
        while bits != 0 {
            let index = usize::try_from(bits.trailing_zeros()).map_err(|_| Unpackable::Broken)?;
            let field = fields.get_mut(index).ok_or(Unpackable::Broken)?;
            *field = match take(&mut rest)? {
                0 => None,
                more => Some(field.unwrap_or(0).wrapping_add(unzigzag(more - 1))),
            };
            bits &= bits - 1;
        }
        take_row(fields).ok_or(Unpackable::Broken)?;
    }
    if rest.is_empty() { Ok(()) } else { Err(Unpackable::Broken) }
}

fn fields_of(row: &PriceRow) -> [Option<i64>; FIELDS] {
    let ts = row.ts.timestamp_millis();
    let stored_mark = if row.kind == MarkKind::Mid { None } else { row.mark };
    [
        Some(ts),
        row.quoted_at.map(|at| ts - at.timestamp_millis()),
        Some(words_of(row)),
        scaled(stored_mark, PRICE),
        scaled(row.bid, PRICE),
        scaled(row.ask, PRICE),
        scaled(row.underlying, PRICE),
        scaled(row.delta, GREEK),
        scaled(row.gamma, GREEK),
        scaled(row.theta, GREEK),
        scaled(row.vega, GREEK),
        scaled(row.iv, GREEK),
    ]
}

fn row_of(trade: TradeId, session_date: NaiveDate, fields: [Option<i64>; FIELDS]) -> Option<PriceRow> {
    let [ts, age, words, mark, bid, ask, underlying, delta, gamma, theta, vega, iv] = fields;
    let ts = ts?;
    let (kind, source, quality, bookend) = words_from(words?)?;
    let (bid, ask) = (unscaled(bid, PRICE), unscaled(ask, PRICE));
    let mark = if kind == MarkKind::Mid { Some(middle(bid?, ask?)) } else { unscaled(mark, PRICE) };
    Some(PriceRow {
        trade,
        ts: DateTime::from_timestamp_millis(ts)?,
        quoted_at: match age {
            None => None,
            Some(age) => Some(instant(ts.checked_sub(age)?)?),
        },
        session_date,
        mark,
        kind,
        bid,
        ask,
        delta: unscaled(delta, GREEK),
        gamma: unscaled(gamma, GREEK),
        theta: unscaled(theta, GREEK),
        vega: unscaled(vega, GREEK),
        iv: unscaled(iv, GREEK),
        underlying: unscaled(underlying, PRICE),
        source,
        quality,
        bookend,
    })
}

fn instant(milliseconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(milliseconds)
}

/// The middle of two prices, as it is stored.
#[must_use]
pub fn middle(bid: Decimal, ask: Decimal) -> Decimal {
    ((bid + ask) / Decimal::TWO).round_dp(PRICE)
}

/// As [`middle`], in the whole numbers that are stored: a half goes to the even neighbour.
fn middle_e4(bid: i64, ask: i64) -> Option<i64> {
    let sum = bid.checked_add(ask)?;
    let below = sum.div_euclid(2);
    Some(if sum.rem_euclid(2) == 1 && below.rem_euclid(2) == 1 { below + 1 } else { below })
}

/// The four words in one number: their places in their lists.
fn words_of(row: &PriceRow) -> i64 {
    fn place<T: PartialEq>(all: &[T], word: &T) -> i64 {
        all.iter().position(|other| other == word).and_then(|place| i64::try_from(place).ok()).unwrap_or_default()
    }
    let bookend = row.bookend.map_or(0, |bookend| place(Bookend::ALL, &bookend) + 1);
    place(MarkKind::ALL, &row.kind)
        + 8 * (place(QuoteSource::ALL, &row.source) + 8 * (place(QuoteQuality::ALL, &row.quality) + 8 * bookend))
}

fn words_from(words: i64) -> Option<(MarkKind, QuoteSource, QuoteQuality, Option<Bookend>)> {
    let at = |shift: u32| usize::try_from((words >> shift) & 7).ok().filter(|_| words < 8 * 8 * 8 * 8);
    let bookend = match at(9)? {
        0 => None,
        place => Some(*Bookend::ALL.get(place - 1)?),
    };
    Some((*MarkKind::ALL.get(at(0)?)?, *QuoteSource::ALL.get(at(3)?)?, *QuoteQuality::ALL.get(at(6)?)?, bookend))
}

fn scaled(value: Option<Decimal>, digits: u32) -> Option<i64> {
    let mut value = value?.round_dp(digits);
    value.rescale(digits);
    i64::try_from(value.mantissa()).ok()
}

fn unscaled(value: Option<i64>, digits: u32) -> Option<Decimal> {
    value.map(|value| Decimal::new(value, digits))
}

pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// Seven bits a byte, the lowest first; the high bit says that more follow.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7F).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

pub(super) fn take(rest: &mut &[u8]) -> Result<u64, Unpackable> {
    // Most differences are small.
    if let Some((first, others)) = rest.split_first().filter(|(first, _)| **first < 0x80) {
        *rest = others;
        return Ok(u64::from(*first));
    }
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(rest)?;
        let bits = u64::from(byte & 0x7F);
        if (bits << shift) >> shift != bits {
            return Err(Unpackable::Broken);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Unpackable::Broken)
}

pub(super) fn take_byte(rest: &mut &[u8]) -> Result<u8, Unpackable> {
    let (first, others) = rest.split_first().ok_or(Unpackable::Broken)?;
    *rest = others;
    Ok(*first)
}

#[cfg(test)]
pub(crate) mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn trade() -> TradeId {
        TradeId(uuid::Uuid::from_u128(7))
    }

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 20).unwrap()
    }

    /// A row as the recorder makes it.
    pub(crate) fn row(ts: i64, bid: Decimal, ask: Decimal) -> PriceRow {
        let ts = DateTime::from_timestamp_millis(ts).unwrap();
        PriceRow {
            trade: trade(),
            ts,
            quoted_at: Some(ts - TimeDelta::milliseconds(1500)),
            session_date: day(),
            mark: Some(middle(bid, ask)),
            kind: MarkKind::Mid,
            bid: Some(bid),
            ask: Some(ask),
            delta: Some(Decimal::new(530_123, 6)),
            gamma: None,
            theta: Some(Decimal::new(-41_000, 6)),
            vega: None,
            iv: Some(Decimal::new(213_400, 6)),
            underlying: Some(Decimal::new(6_502_100, 4)),
            source: QuoteSource::Tradier,
            quality: QuoteQuality::Good,
            bookend: None,
        }
    }

    prop_compose! {
        fn any_row()(
            ts in 0_i64..4_000_000_000_000, age in prop::option::of(-100_000_i64..100_000_000),
            words in (0_usize..5, 0_usize..3, 0_usize..5, 0_usize..3),
            prices in prop::array::uniform4(prop::option::of(0_i64..9_999_999_999)),
            greeks in prop::array::uniform5(prop::option::of(-99_999_999_999_i64..99_999_999_999)),
        ) -> PriceRow {
            let ts = DateTime::from_timestamp_millis(ts).unwrap();
            let price = |index: usize| prices[index].map(|value| Decimal::new(value, 4));
            let greek = |index: usize| greeks[index].map(|value| Decimal::new(value, 6));
            let (bid, ask) = (price(0), price(1));
            let mut kind = MarkKind::ALL[words.0];
            let mark = match (kind, bid, ask) {
                (MarkKind::Mid, Some(bid), Some(ask)) => Some(middle(bid, ask)),
                (MarkKind::None, ..) => None,
                _ => price(2),
            };
            if mark.is_none() || (kind == MarkKind::Mid && (bid.is_none() || ask.is_none())) { kind = MarkKind::None; }
            PriceRow {
                trade: trade(), ts, quoted_at: age.map(|age| ts - TimeDelta::milliseconds(age)), session_date: day(),
                mark: mark.filter(|_| kind != MarkKind::None), kind, bid, ask, delta: greek(0), gamma: greek(1),
                theta: greek(2), vega: greek(3), iv: greek(4), underlying: price(3), source: QuoteSource::ALL[words.1],
                quality: QuoteQuality::ALL[words.2], bookend: words.3.checked_sub(1).map(|place| Bookend::ALL[place]),
            }
        }
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(rows in prop::collection::vec(any_row(), 0..50)) {
            prop_assert_eq!(unpack(trade(), day(), &pack(&rows)), Ok(rows));
        }

        #[test]
        fn a_chart_reads_the_same_marks(rows in prop::collection::vec(any_row(), 0..50)) {
            let shown = rows.iter().filter(|row| row.quality.is_shown());
            let marks: Vec<_> = shown.filter_map(|row| Some((row.ts, row.mark?, row.quality))).collect();
            let read = unpack_marks(&pack(&rows)).unwrap();
            let read: Vec<_> = read.iter().map(|mark| (mark.at, Decimal::new(mark.price_e4, 4), mark.quality)).collect();
            prop_assert_eq!(read, marks);
        }

        #[test]
        fn bytes_that_are_cut_or_changed_are_refused_or_read_and_never_panic(
            rows in prop::collection::vec(any_row(), 1..10), cut: prop::sample::Index, flip: prop::sample::Index, bit in 0_u8..8,
        ) {
            let packed = pack(&rows);
            prop_assert!(unpack(trade(), day(), &packed[..cut.index(packed.len())]).is_err());
            let mut changed = packed.clone();
            changed[flip.index(packed.len())] ^= 1 << bit;
            let (_, _) = (unpack(trade(), day(), &changed), unpack_marks(&changed));
        }
    }

    #[test]
    fn a_day_costs_a_few_kilobytes() {
        let mut rows = Vec::new();
        for turn in 0..608_i64 {
            let wave = turn * 7919 % 23 - 11;
            let bid = Decimal::new(500 + wave, 2);
            let mut row = row(1_789_050_000_000 + turn * 40_000 + turn * 31 % 90, bid, bid + Decimal::new(10, 2));
            row.underlying = Some(Decimal::new(6_502_100 + wave * 100, 4));
            row.quoted_at = Some(row.ts - TimeDelta::milliseconds(turn * 577 % 3000));
            rows.push(row);
        }
        let bytes = pack(&rows).len();
        assert!(bytes < 608 * 13, "{bytes} bytes for 608 rows");
    }

    #[test]
    fn a_later_version_is_named() {
        assert_eq!(unpack(trade(), day(), &[9, 0]), Err(Unpackable::Version(9)));
        assert_eq!(unpack(trade(), day(), &[]), Err(Unpackable::Broken));
        assert_eq!(unpack(trade(), day(), &[VERSION, 0]), Ok(Vec::new()));
        assert_eq!(unpack(trade(), day(), &[VERSION, 1, 0xFF]), Err(Unpackable::Broken));
    }
}
