//! The bracket rail: stop at the left end, target at the right, `┼` the entry, `●` the mark, linear
//! in price. It reads without colour; colour says on which side of the entry the mark is.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::theme::Role;

/// The prices that a rail shows. Made only when the two ends make a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rail {
    stop: Decimal,
    target: Decimal,
    entry: Option<Decimal>,
    mark: Option<Decimal>,
}

impl Rail {
    /// A rail from stop to target, unless the two are not a scale.
    #[must_use]
    pub fn new(stop: Decimal, target: Decimal) -> Option<Self> {
        (stop < target).then_some(Self { stop, target, entry: None, mark: None })
    }

    #[must_use]
    pub fn entry(self, entry: Option<Decimal>) -> Self {
        Self { entry, ..self }
    }

    #[must_use]
    pub fn mark(self, mark: Option<Decimal>) -> Self {
        Self { mark, ..self }
    }

    /// The rail in `cells` characters.
    #[must_use]
    pub fn draw(&self, cells: u16) -> String {
        let entry = self.entry.and_then(|price| self.cell(price, cells));
        let mark = self.mark.and_then(|price| self.cell(price, cells));
        (0..cells).map(|cell| glyph(cell, cells, entry, mark)).collect()
    }

    /// Where a price lies: `round((price − stop) / (target − stop) × (cells − 1))`, kept on the rail.
    #[must_use]
    pub fn cell(&self, price: Decimal, cells: u16) -> Option<u16> {
        let last = Decimal::from(cells.checked_sub(1)?);
        let share = (price - self.stop).checked_div(self.target - self.stop)?;
        let place = share.clamp(Decimal::ZERO, Decimal::ONE) * last;
        let place = place.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
        u16::try_from(place.clamp(Decimal::ZERO, last)).ok()
    }

    /// Which side of the entry the mark is on.
    #[must_use]
    pub fn role(&self) -> Role {
        match (self.mark, self.entry) {
            (Some(mark), Some(entry)) if mark > entry => Role::Profit,
            (Some(mark), Some(entry)) if mark < entry => Role::Loss,
            _ => Role::Text,
        }
    }
}

fn glyph(cell: u16, cells: u16, entry: Option<u16>, mark: Option<u16>) -> char {
    if mark == Some(cell) {
        '●'
    } else if cell == 0 {
        '├'
    } else if cell + 1 == cells {
        '┤'
    } else if entry == Some(cell) {
        '┼'
    } else {
        '─'
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rail(stop: i64, entry: i64, mark: i64, target: i64) -> Rail {
        let cents = |cents| Decimal::new(cents, 2);
        Rail::new(cents(stop), cents(target)).unwrap().entry(Some(cents(entry))).mark(Some(cents(mark)))
    }

    #[test]
    fn it_is_linear_in_price() {
        assert_eq!(rail(300, 450, 535, 800).draw(11), "├──┼─●────┤");
        assert_eq!(rail(450, 610, 570, 900).draw(11), "├──●┼─────┤");
        assert_eq!(rail(300, 450, 450, 800).draw(11), "├──●──────┤");
    }

    #[test]
    fn a_mark_beyond_an_end_stays_at_the_end() {
        assert_eq!(rail(300, 450, 100, 800).draw(7), "●─┼───┤");
        assert_eq!(rail(300, 450, 999, 800).draw(7), "├─┼───●");
    }

    #[test]
    fn two_ends_that_are_no_scale_make_no_rail() {
        assert_eq!(Rail::new(Decimal::TWO, Decimal::TWO), None);
        assert_eq!(Rail::new(Decimal::TEN, Decimal::TWO), None);
    }

    #[test]
    fn colour_says_the_side_of_the_entry() {
        assert_eq!(rail(300, 450, 535, 800).role(), Role::Profit);
        assert_eq!(rail(300, 450, 400, 800).role(), Role::Loss);
        assert_eq!(rail(300, 450, 450, 800).role(), Role::Text);
    }

    proptest! {
        #[test]
        fn it_has_its_width_one_mark_and_keeps_order(
            stop in 0_i64..10_000, span in 1_i64..10_000, a in -500_i64..21_000, b in -500_i64..21_000, cells in 2_u16..60,
        ) {
            let rail = rail(stop, a, b, stop + span);
            let drawn = rail.draw(cells);
            prop_assert_eq!(drawn.chars().count(), usize::from(cells));
            prop_assert_eq!(drawn.chars().filter(|c| *c == '●').count(), 1);
            let cell = |cents| rail.cell(Decimal::new(cents, 2), cells).unwrap();
            prop_assert!((a <= b) == (a == b || cell(a) <= cell(b)) || cell(a) == cell(b));
            prop_assert!(cell(a) < cells);
        }

        #[test]
        fn any_price_is_drawn(stop: i64, target: i64, mark: i64, scale in 0_u32..28, cells: u8) {
            if let Some(rail) = Rail::new(Decimal::new(stop / 2, scale), Decimal::new(target / 2, 2)) {
                let drawn = rail.mark(Some(Decimal::new(mark / 2, 4))).draw(u16::from(cells));
                prop_assert_eq!(drawn.chars().count(), usize::from(cells));
            }
        }
    }
}
