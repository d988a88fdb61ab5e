//! The steps in which options are quoted: where a stop or a target may lie.

use rust_decimal::Decimal;

use super::Price;

/// Options trade on a finer grid below this price.
const GRID_CHANGE: Decimal = Decimal::from_parts(3, 0, 0, false, 0);
/// Less than any step.
const LITTLE: Decimal = Decimal::from_parts(1, 0, 0, false, 4);

/// The steps in which a contract is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickGrid {
    /// A cent at every price.
    Penny,
    /// A cent below 3, five above.
    PennyNickel,
    /// Five cents below 3, ten above.
    NickelDime,
}

impl TickGrid {
    /// The grid of a root, as the exchanges' lists have the classes that everybody trades. Most
    /// single names with active options are in the penny programme.
    #[must_use]
    pub fn of_root(root: &str) -> Self {
        match root {
            "SPY" | "QQQ" | "IWM" => Self::Penny,
            "SPX" | "SPXW" | "NDX" | "NDXP" | "RUT" | "RUTW" | "VIX" | "VIXW" | "XSP" => Self::NickelDime,
            _ => Self::PennyNickel,
        }
    }

    /// The step at a price.
    #[must_use]
    pub fn step(self, price: Price) -> Decimal {
        let cents = match (self, price.value() < GRID_CHANGE) {
            (Self::Penny, _) | (Self::PennyNickel, true) => 1,
            (Self::PennyNickel, false) | (Self::NickelDime, true) => 5,
            (Self::NickelDime, false) => 10,
        };
        Decimal::new(cents, 2)
    }

    #[must_use]
    pub fn holds(self, price: Price) -> bool {
        (price.value() % self.step(price)).is_zero()
    }

    /// The nearest price on the grid that is not above.
    #[must_use]
    pub fn floor(self, price: Price) -> Price {
        let step = self.step(price);
        Price::new((price.value() / step).floor() * step).unwrap_or(price)
    }

    /// The next price of the grid above; the same one where prices end.
    #[must_use]
    pub fn above(self, price: Price) -> Price {
        let floor = self.floor(price);
        Price::new(floor.value() + self.step(floor)).unwrap_or(price)
    }

    /// The next price of the grid below; the lowest one stays.
    #[must_use]
    pub fn below(self, price: Price) -> Price {
        let under = Price::new(price.value() - LITTLE).map(|under| self.floor(under));
        under.ok().filter(|under| *under > Price::ZERO).unwrap_or(price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_change_at_three_in_both_directions() {
        let price = |text: &str| text.parse::<Price>().unwrap();
        for (grid, low, high) in [
            (TickGrid::Penny, "2.99", "3.00"),
            (TickGrid::Penny, "3.00", "3.01"),
            (TickGrid::PennyNickel, "2.99", "3.00"),
            (TickGrid::PennyNickel, "3.00", "3.05"),
            (TickGrid::NickelDime, "2.95", "3.00"),
            (TickGrid::NickelDime, "3.00", "3.10"),
        ] {
            assert_eq!(grid.above(price(low)), price(high), "{grid:?}");
            assert_eq!(grid.below(price(high)), price(low), "{grid:?}");
        }
        let off = price("3.02");
        assert_eq!(TickGrid::PennyNickel.above(off), price("3.05"));
        assert_eq!(TickGrid::PennyNickel.below(off), price("3.00"));
        assert_eq!(TickGrid::Penny.below(price("0.01")), price("0.01"), "the lowest price is above zero");
    }
}
