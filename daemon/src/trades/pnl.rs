//! What a trade brought: sums over fills, exact to the cent, with the multiplier and fees counted.
//! Nothing here is estimated without saying so.

use blotter_shared::domain::{Cash, CloseReason, Price};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::facts::Trade;

/// Where the prices of a close come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Every contract left through a fill that the broker reported.
    BrokerFill,
    /// Some left by another door, at a price that is worked out.
    Estimated,
}

/// The figures of a closed trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Realized {
    pub pnl: Cash,
    /// Of the entry cost.
    pub pnl_pct: Option<Decimal>,
    /// In multiples of the risk at entry.
    pub r_multiple: Option<Decimal>,
    pub entry_price: Decimal,
    pub close_price: Decimal,
    pub hold_hours: Option<Decimal>,
    pub precision: Precision,
}

/// Contracts and their value, in price units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turnover {
    pub contracts: u32,
    pub value: Decimal,
}

impl Turnover {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { contracts: self.contracts + other.contracts, value: self.value + other.value }
    }
}

/// What was there when the trade began, at what the broker says that it cost; none when nobody knows.
#[must_use]
pub fn came(trade: &Trade) -> Option<Turnover> {
    moved(trade.marks.adopted, trade.marks.adopted_value)
}

/// What was bought and what was sold through orders of ours.
#[must_use]
pub fn turnover(trade: &Trade) -> (Turnover, Turnover) {
    let mut bought = Turnover::default();
    let mut sold = Turnover::default();
    for fill in &trade.fills {
        let entry = trade.intent(fill.intent_id).is_some_and(super::facts::Intent::is_entry);
        let side = if entry { &mut bought } else { &mut sold };
        side.contracts += fill.quantity;
        side.value += fill.value;
    }
    (bought, sold)
}

/// The result, once every contract that came has left and every price is known.
#[must_use]
pub fn realized(trade: &Trade, fees: Cash) -> Option<Realized> {
    let (bought, sold) = turnover(trade);
    let (came, went) = outside(trade)?;
    let cost = bought.value + came.value;
    let brought = sold.value + went.value;
    let contracts = bought.contracts + came.contracts;
    if contracts == 0 || contracts != sold.contracts + went.contracts {
        return None;
    }
    let multiplier = Decimal::from(trade.spec.multiplier.get());
    let pnl = (brought - cost) * multiplier - fees.0;
    let count = Decimal::from(contracts);
    let risk = trade.spec.initial_stop.map(|stop| (cost / count - stop.value()) * count * multiplier);
    Some(Realized {
        pnl: Cash(pnl),
        pnl_pct: ratio(pnl * Decimal::ONE_HUNDRED, cost * multiplier),
        r_multiple: risk.filter(|risk| *risk > Decimal::ZERO).and_then(|risk| ratio(pnl, risk)),
        entry_price: cost / count,
        close_price: brought / count,
        hold_hours: held_for(trade),
        precision: if went.contracts == 0 { Precision::BrokerFill } else { Precision::Estimated },
    })
}

/// Contracts that came and went without an order of ours; none when their price is unknown.
fn outside(trade: &Trade) -> Option<(Turnover, Turnover)> {
    let marks = &trade.marks;
    let unpriced = matches!(marks.outside_reason, Some(CloseReason::SandboxReset | CloseReason::ExternalUnexplained));
    let went = moved(marks.outside, marks.outside_value.filter(|_| !unpriced))?;
    Some((came(trade)?, went))
}

fn moved(contracts: i64, value: Option<Decimal>) -> Option<Turnover> {
    match u32::try_from(contracts).ok()? {
        0 => Some(Turnover::default()),
        contracts => value.map(|value| Turnover { contracts, value }),
    }
}

fn ratio(part: Decimal, whole: Decimal) -> Option<Decimal> {
    (!whole.is_zero()).then(|| (part / whole).round_dp(4))
}

fn held_for(trade: &Trade) -> Option<Decimal> {
    let first: Option<DateTime<Utc>> = trade.entries().filter_map(|entry| entry.first_executed_at).min();
    let seconds = (trade.marks.closed_at? - first?).num_seconds();
    Some((Decimal::from(seconds) / Decimal::from(3600)).round_dp(4))
}

/// The best and the worst that a position was worth, in percent of its entry cost (ruling 18).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Excursion {
    pub max_gain_pct: Decimal,
    pub max_drawdown_pct: Decimal,
}

impl Excursion {
    /// Takes one mark in; the order of marks does not matter.
    #[must_use]
    pub fn with(self, entry: Decimal, mark: Price) -> Self {
        let Some(percent) = ratio((mark.value() - entry) * Decimal::ONE_HUNDRED, entry) else { return self };
        Self { max_gain_pct: self.max_gain_pct.max(percent), max_drawdown_pct: self.max_drawdown_pct.min(percent) }
    }
}

#[cfg(test)]
mod tests {
    use blotter_shared::domain::{IntentRole, IntentState};

    use super::super::facts::Shape;
    use super::super::specimen::{at, bought, decimal, filled, price, with_order};
    use super::*;

    fn sold(trade: Trade, contracts: u32, at_price: &str) -> Trade {
        let trade = with_order(trade, IntentRole::Close, IntentState::Filled, Shape::SellMarket);
        filled(trade, contracts, at_price, at(5400))
    }

    #[test]
    fn multiplier_and_fees_are_counted() {
        let mut trade = sold(bought(2, "5.00"), 2, "6.50");
        trade.marks.closed_at = Some(at(5400));
        let result = realized(&trade, Cash(decimal("2.60"))).unwrap();
        assert_eq!(result.pnl, Cash(decimal("297.40")), "(6.50 - 5.00) x 2 x 100 - 2.60");
        assert_eq!(result.pnl_pct, Some(decimal("29.74")), "of a cost of 1000");
        assert_eq!(result.r_multiple, Some(decimal("1.487")), "at a risk of 200");
        assert_eq!(result.hold_hours, Some(decimal("1.5")));
        assert_eq!(result.precision, Precision::BrokerFill);
    }

    #[test]
    fn fills_at_several_prices_add_up_to_the_cent() {
        let trade = sold(sold(sold(bought(3, "1.10"), 1, "1.05"), 1, "1.15"), 1, "1.21");
        assert_eq!(realized(&trade, Cash::ZERO).unwrap().pnl, Cash(decimal("11.00")));
    }

    #[test]
    fn there_is_no_result_before_everything_has_left_at_a_known_price() {
        assert_eq!(realized(&bought(2, "5.00"), Cash::ZERO), None);
        assert_eq!(realized(&sold(bought(2, "5.00"), 1, "6.00"), Cash::ZERO), None, "one is still there");
        let mut gone = bought(2, "5.00");
        gone.marks.outside = 2;
        gone.marks.outside_reason = Some(CloseReason::ExternalUnexplained);
        assert_eq!(realized(&gone, Cash::ZERO), None, "nobody knows what it brought");
    }

    #[test]
    fn a_sale_by_somebody_else_counts_at_its_price_and_says_so() {
        let mut trade = bought(2, "5.00");
        trade.marks.outside = 2;
        trade.marks.outside_reason = Some(CloseReason::External);
        trade.marks.outside_value = Some(decimal("9.00"));
        let result = realized(&trade, Cash::ZERO).unwrap();
        assert_eq!((result.pnl, result.precision), (Cash(decimal("-100")), Precision::Estimated));
        assert_eq!(result.close_price, decimal("4.50"));
    }

    #[test]
    fn an_adopted_position_that_somebody_else_sells_counts_both_ways() {
        let mut trade = super::super::specimen::trade(2);
        (trade.marks.adopted, trade.marks.adopted_value) = (2, Some(decimal("10.00")));
        (trade.marks.outside, trade.marks.outside_value) = (2, Some(decimal("13.00")));
        trade.marks.outside_reason = Some(CloseReason::External);
        assert_eq!(realized(&trade, Cash::ZERO).unwrap().pnl, Cash(decimal("300")));
        trade.marks.adopted_value = None;
        assert_eq!(realized(&trade, Cash::ZERO), None, "nobody knows what it had cost");
    }

    #[test]
    fn marks_in_any_order_give_the_same_excursion() {
        let marks = ["5.50", "4.00", "6.00", "5.00"];
        let forth = marks.iter().fold(Excursion::default(), |all, mark| all.with(decimal("5"), price(mark)));
        let back = marks.iter().rev().fold(Excursion::default(), |all, mark| all.with(decimal("5"), price(mark)));
        assert_eq!(forth, back);
        assert_eq!((forth.max_gain_pct, forth.max_drawdown_pct), (decimal("20"), decimal("-20")));
        assert_eq!(forth.with(Decimal::ZERO, price("1")), forth, "a free entry has no percentage");
    }
}
