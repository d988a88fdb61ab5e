//! A line in braille: two points a column, four a row. Columns between points are joined, so that a
//! fall is seen as one.

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::theme::glyphs::Glyphs;

/// A picture of `width` by `height` characters with the scale that it is drawn to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub rows: Vec<Vec<char>>,
    pub high: Decimal,
    pub low: Decimal,
}

/// Draws values from left to right, between their lowest and highest and `keep`, which is always on the
/// picture. None while there is nothing to draw.
#[must_use]
pub fn line(values: &[Decimal], keep: &[Decimal], size: (u16, u16), glyphs: Glyphs) -> Option<Picture> {
    let (width, height) = (usize::from(size.0), usize::from(size.1));
    let all = || values.iter().chain(keep);
    let (high, low) = (*all().max()?, *all().min()?);
    if width == 0 || height == 0 || values.is_empty() {
        return None;
    }
    let dots = Dots { columns: width * 2, lines: height * 4 };
    let heights: Vec<usize> =
        (0..dots.columns).map(|x| place(sample(values, x, dots.columns), low, high, dots.lines)).collect();
    let mut cells = vec![vec![0_u8; width]; height];
    let mut before = heights.first().copied().unwrap_or(0);
    for (x, y) in heights.iter().copied().enumerate() {
        let (from, to) = if before < y { (before + 1, y) } else { (y, before.saturating_sub(1).max(y)) };
        for dot in from.min(y)..=to.max(y) {
            set(&mut cells, x, dots.lines - 1 - dot);
        }
        before = y;
    }
    let rows = cells.into_iter().map(|row| row.into_iter().map(|dots| glyph(dots, glyphs)).collect()).collect();
    Some(Picture { rows, high, low })
}

struct Dots {
    columns: usize,
    lines: usize,
}

/// The value at a column: the nearest of those that there are.
fn sample(values: &[Decimal], x: usize, columns: usize) -> Decimal {
    let last = values.len() - 1;
    let index = (x * last + (columns - 1) / 2).checked_div(columns - 1).unwrap_or(0);
    values.get(index.min(last)).copied().unwrap_or_default()
}

/// How many dots above the floor a value lies.
fn place(value: Decimal, low: Decimal, high: Decimal, lines: usize) -> usize {
    let span = high - low;
    let top = Decimal::from(lines - 1);
    let share = if span.is_zero() { Decimal::new(5, 1) } else { (value - low).checked_div(span).unwrap_or_default() };
    (share * top)
        .round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)
        .to_usize()
        .unwrap_or(0)
        .min(lines - 1)
}

/// The row of characters on which a value lies.
#[must_use]
pub fn row_of(value: Decimal, picture: &Picture) -> usize {
    let lines = picture.rows.len() * 4;
    let last = picture.rows.len().saturating_sub(1);
    if lines == 0 { 0 } else { (lines - 1 - place(value, picture.low, picture.high, lines)) / 4 }.min(last)
}

/// Bits of a braille character, by column and line.
const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

fn set(cells: &mut [Vec<u8>], x: usize, y: usize) {
    let bit = BITS.get(x % 2).and_then(|bits| bits.get(y % 4)).copied().unwrap_or(0);
    if let Some(cell) = cells.get_mut(y / 4).and_then(|row| row.get_mut(x / 2)) {
        *cell |= bit;
    }
}

fn glyph(dots: u8, glyphs: Glyphs) -> char {
    match (dots, glyphs) {
        (0, _) => ' ',
        (_, Glyphs::Ascii) => '*',
        (dots, Glyphs::Unicode) => char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' '),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimals(values: &[i64]) -> Vec<Decimal> {
        values.iter().map(|value| Decimal::from(*value)).collect()
    }

    fn drawn(values: &[i64], size: (u16, u16)) -> Vec<String> {
        let picture = line(&decimals(values), &[], size, Glyphs::Unicode).unwrap();
        picture.rows.iter().map(|row| row.iter().collect()).collect()
    }

    #[test]
    fn a_rise_goes_up_and_a_fall_is_joined() {
        assert_eq!(drawn(&[0, 7], (4, 2)), ["  ⡏⠉", "⣀⣀⠇ "]);
        assert_eq!(drawn(&[7, 0], (4, 2)), ["⠉⠉⡆ ", "  ⣇⣀"]);
    }

    #[test]
    fn a_flat_line_lies_in_the_middle_and_nothing_is_no_picture() {
        assert_eq!(drawn(&[5, 5, 5], (3, 1)), ["⠒⠒⠒"]);
        assert_eq!(line(&[], &[], (3, 3), Glyphs::Unicode), None);
        assert_eq!(line(&decimals(&[1]), &[], (0, 3), Glyphs::Unicode), None);
    }

    #[test]
    fn what_is_kept_is_on_the_scale() {
        let picture = line(&decimals(&[3, 4]), &[Decimal::ZERO], (4, 4), Glyphs::Ascii).unwrap();
        assert_eq!(
            (picture.low, row_of(Decimal::ZERO, &picture), row_of(Decimal::from(4), &picture)),
            (Decimal::ZERO, 3, 0)
        );
        assert!(picture.rows.iter().flatten().all(char::is_ascii));
    }

    proptest! {
        #[test]
        fn every_column_has_a_point(values in proptest::collection::vec(-1_000_000_i64..1_000_000, 1..500), width in 1_u16..120, height in 1_u16..20) {
            let picture = line(&decimals(&values), &[], (width, height), Glyphs::Unicode).unwrap();
            prop_assert_eq!((picture.rows.len(), picture.rows[0].len()), (usize::from(height), usize::from(width)));
            for x in 0..usize::from(width) {
                prop_assert!(picture.rows.iter().any(|row| row[x] != ' '), "column {}", x);
            }
        }
    }
}
