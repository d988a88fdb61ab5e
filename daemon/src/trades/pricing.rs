//! Where a stop and a target may lie: on the tick grid, on the right side of the market, far
//! enough apart. Judged before anything that works is cancelled for it.

use blotter_shared::domain::Price;
pub use blotter_shared::domain::TickGrid;
use rust_decimal::Decimal;
use thiserror::Error;

use super::facts::Shape;
use super::ports::Quote;

/// Least distance between the two legs of an option OCO.
const LEG_GAP: Decimal = Decimal::from_parts(10, 0, 0, false, 2);
/// An exit on the coarsest grid that any option has: the stop not above what was asked for, the
/// target not below. For a broker that knows a coarser grid than we do.
#[must_use]
pub fn coarse(shape: Shape) -> Shape {
    let down = |price: Price| TickGrid::NickelDime.floor(price);
    let up = |price: Price| {
        let floor = down(price);
        let above = Price::new(floor.value() + TickGrid::NickelDime.step(price)).unwrap_or(price);
        if floor == price { price } else { above }
    };
    match shape {
        Shape::Stop(stop) => Shape::Stop(down(stop)),
        Shape::Limit(target) => Shape::Limit(up(target)),
        Shape::Oco { stop, target } => Shape::Oco { stop: down(stop), target: up(target) },
        Shape::BuyMarket | Shape::BuyLimit(_) | Shape::SellMarket => shape,
    }
}

/// Why a bracket would be refused, or would be a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadBracket {
    #[error("the {side} {price} is not on the price grid: the step is {step}")]
    OffGrid { side: &'static str, price: Price, step: Decimal },
    #[error("the {0} must be above zero")]
    Zero(&'static str),
    #[error("the stop {stop} is not below the bid {bid}: it would sell at once")]
    StopNotBelowBid { stop: Price, bid: Price },
    #[error("the target {target} is not above the bid {bid}: it would sell at once")]
    TargetNotAboveBid { target: Price, bid: Price },
    #[error("stop {stop} and target {target} must be at least 0.10 apart, the stop below")]
    TooNear { stop: Price, target: Price },
}

/// The two sides as they are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    pub stop: Option<Price>,
    pub target: Option<Price>,
}

/// Every rule that needs no quote.
///
/// # Errors
/// The first rule that is broken.
pub fn check_grid(sides: Sides, grid: TickGrid) -> Result<(), BadBracket> {
    for (side, price) in [("stop", sides.stop), ("target", sides.target)] {
        let Some(price) = price else { continue };
        if price == Price::ZERO {
            return Err(BadBracket::Zero(side));
        }
        if !grid.holds(price) {
            return Err(BadBracket::OffGrid { side, price, step: grid.step(price) });
        }
    }
    match (sides.stop, sides.target) {
        (Some(stop), Some(target)) if target.value() - stop.value() < LEG_GAP => {
            Err(BadBracket::TooNear { stop, target })
        }
        (_, _) => Ok(()),
    }
}

/// The rules against the bid (ruling 11).
///
/// # Errors
/// The first rule that is broken.
pub fn check_market(sides: Sides, bid: Price) -> Result<(), BadBracket> {
    match (sides.stop, sides.target) {
        (Some(stop), _) if stop >= bid => Err(BadBracket::StopNotBelowBid { stop, bid }),
        (_, Some(target)) if target <= bid => Err(BadBracket::TargetNotAboveBid { target, bid }),
        (_, _) => Ok(()),
    }
}

/// What a quote says about a bracket that is about to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The broker will take it.
    Valid,
    /// The stop is at or above the bid: it would have fired.
    Breached,
    /// There is no bid to judge by.
    Blind,
}

#[must_use]
pub fn fit(shape: Shape, quote: Option<Quote>) -> Fit {
    let Some(bid) = quote.and_then(|quote| quote.bid) else { return Fit::Blind };
    match shape.stop() {
        Some(stop) if stop >= bid => Fit::Breached,
        Some(_) | None => Fit::Valid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn sides(stop: &str, target: &str) -> Sides {
        let side = |text: &str| (!text.is_empty()).then(|| price(text));
        Sides { stop: side(stop), target: side(target) }
    }

    #[test]
    fn each_grid_changes_at_three() {
        for (grid, good, bad) in [
            (TickGrid::Penny, ["2.99", "7.01"], None),
            (TickGrid::PennyNickel, ["2.99", "3.05"], Some("3.01")),
            (TickGrid::NickelDime, ["2.95", "3.10"], Some("3.05")),
        ] {
            assert!(good.iter().all(|text| grid.holds(price(text))), "{grid:?}");
            assert!(bad.is_none_or(|text| !grid.holds(price(text))), "{grid:?}");
        }
        assert_eq!(TickGrid::of_root("SPXW").floor(price("3.19")), price("3.10"));
    }

    #[test]
    fn a_coarse_bracket_lies_around_the_one_that_was_asked_for() {
        let oco = |stop: &str, target: &str| Shape::Oco { stop: price(stop), target: price(target) };
        assert_eq!(coarse(oco("2.93", "5.05")), oco("2.90", "5.10"));
        assert_eq!(coarse(oco("4.05", "6.00")), oco("4.00", "6.00"));
        assert_eq!(coarse(oco("2.90", "2.98")), oco("2.90", "3.00"));
        assert_eq!(coarse(Shape::SellMarket), Shape::SellMarket);
    }

    #[test]
    fn each_bad_bracket_has_its_own_sentence() {
        let grid = TickGrid::PennyNickel;
        let cases = [
            (check_grid(sides("3.01", ""), grid), "the stop 3.01 is not on the price grid: the step is 0.05"),
            (check_grid(sides("0", ""), grid), "the stop must be above zero"),
            (
                check_grid(sides("2.00", "2.09"), grid),
                "stop 2.00 and target 2.09 must be at least 0.10 apart, the stop below",
            ),
            (
                check_market(sides("4.50", ""), price("4.50")),
                "the stop 4.50 is not below the bid 4.50: it would sell at once",
            ),
            (
                check_market(sides("", "4.50"), price("4.50")),
                "the target 4.50 is not above the bid 4.50: it would sell at once",
            ),
        ];
        for (result, sentence) in cases {
            assert_eq!(result.unwrap_err().to_string(), sentence);
        }
        assert_eq!(check_grid(sides("2.00", "2.10"), grid), Ok(()));
        assert_eq!(check_market(sides("4.45", "4.55"), price("4.50")), Ok(()));
        assert_eq!(check_grid(sides("", ""), grid), Ok(()), "both sides may be left out");
    }
}
