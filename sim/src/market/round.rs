//! Where a model's number becomes a price: the only door from `f64` to `Decimal`.

use rust_decimal::Decimal;

/// Which way a number that lies between two ticks goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Toward {
    Below,
    Above,
    Nearest,
}

/// `value` in whole ticks of `tick_mils` thousandths of a dollar.
pub(crate) fn to_tick(value: f64, tick_mils: i64, toward: Toward) -> Decimal {
    let ticks = value * 1_000.0 / float(tick_mils.max(1));
    // The fuzz keeps 0.30 / 0.05 = 5.999… at 6.
    let whole = match toward {
        Toward::Below => (ticks + 1e-7).floor(),
        Toward::Above => (ticks - 1e-7).ceil(),
        Toward::Nearest => ticks.round(),
    };
    Decimal::new(int(whole).saturating_mul(tick_mils), 3).round_dp(if tick_mils % 10 == 0 { 2 } else { 3 })
}

/// `value` with `digits` digits behind the point, for figures that are no prices.
pub(crate) fn figure(value: f64, digits: u32) -> Decimal {
    let scale = 10_f64.powi(i32::try_from(digits).unwrap_or(0));
    Decimal::new(int((value * scale).round()), digits)
}

/// The whole number nearest to a float that is one already; 0 for what is none, the ends of `i64` beyond them.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the cast saturates, and NaN becomes 0: both are what is wanted of a model's number"
)]
pub(crate) fn int(value: f64) -> i64 {
    value as i64
}

/// A whole number as a float, for the model.
#[expect(clippy::cast_precision_loss, reason = "counts and milliseconds in the model are far below 2^53")]
pub(crate) fn float(value: i64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_land_on_their_ticks() {
        assert_eq!(to_tick(0.30, 50, Toward::Below).to_string(), "0.30");
        assert_eq!(to_tick(0.3001, 50, Toward::Above).to_string(), "0.35");
        assert_eq!(to_tick(600.126, 10, Toward::Nearest).to_string(), "600.13");
        assert_eq!(to_tick(f64::NAN, 10, Toward::Nearest).to_string(), "0.00");
    }
}
