//! Amounts. A price, a sum of money and a count are three types, so that none can be passed for
//! another, and all are exact.

use std::fmt;
use std::ops::{Add, Neg, Sub};
use std::str::FromStr;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a number is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AmountError {
    #[error("`{0}` is not a decimal number")]
    NotANumber(String),
    #[error("{0} is below zero")]
    Negative(Decimal),
    #[error("{value} is above {max}")]
    TooLarge { value: Decimal, max: Decimal },
    #[error("{value} has more than {max} decimals")]
    TooFine { value: Decimal, max: u32 },
    #[error("a quantity is at least 1")]
    ZeroQuantity,
}

/// Decimals that a price keeps; the database column has as many.
const PRICE_SCALE: u32 = 4;
/// Largest price that the database column holds.
const PRICE_MAX: Decimal = Decimal::from_parts(99_999_999, 0, 0, false, 0);

/// What one unit of an instrument costs: never negative, at most four decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Decimal", into = "Decimal")]
#[schemars(with = "Decimal")]
pub struct Price(Decimal);

impl Price {
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// # Errors
    /// When the number is negative, above 99,999,999 or finer than four decimals.
    pub fn new(value: Decimal) -> Result<Self, AmountError> {
        if value.is_sign_negative() && !value.is_zero() {
            return Err(AmountError::Negative(value));
        }
        if value > PRICE_MAX {
            return Err(AmountError::TooLarge { value, max: PRICE_MAX });
        }
        // Zeros at the end only count where there are more digits than a price has.
        if value.scale() > PRICE_SCALE && value.normalize().scale() > PRICE_SCALE {
            return Err(AmountError::TooFine { value, max: PRICE_SCALE });
        }
        Ok(Self(value))
    }

    #[must_use]
    pub fn value(self) -> Decimal {
        self.0
    }

    /// What `quantity` contracts of this price cost. The ranges of the three types keep the
    /// product far inside what a decimal holds.
    #[must_use]
    pub fn times(self, quantity: Quantity, multiplier: Multiplier) -> Cash {
        Cash(self.0 * Decimal::from(quantity.get()) * Decimal::from(multiplier.get()))
    }
}

impl TryFrom<Decimal> for Price {
    type Error = AmountError;

    fn try_from(value: Decimal) -> Result<Self, Self::Error> {
        Self::new(value)
    }
}

impl From<Price> for Decimal {
    fn from(price: Price) -> Self {
        price.0
    }
}

impl FromStr for Price {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value = Decimal::from_str_exact(text.trim()).map_err(|_| AmountError::NotANumber(text.to_owned()))?;
        Self::new(value)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A sum of money in dollars; may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(with = "Decimal")]
pub struct Cash(pub Decimal);

impl Cash {
    pub const ZERO: Self = Self(Decimal::ZERO);
}

impl Add for Cash {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Cash {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Cash {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl fmt::Display for Cash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Largest number of contracts one trade may hold.
const QUANTITY_MAX: u32 = 100_000;

/// A number of contracts: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quantity(u32);

impl Quantity {
    pub const ONE: Self = Self(1);

    /// # Errors
    /// When the count is zero or above 100,000.
    pub fn new(count: u32) -> Result<Self, AmountError> {
        if count == 0 {
            return Err(AmountError::ZeroQuantity);
        }
        if count > QUANTITY_MAX {
            return Err(AmountError::TooLarge { value: count.into(), max: QUANTITY_MAX.into() });
        }
        Ok(Self(count))
    }

    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Quantity {
    type Error = AmountError;

    fn try_from(count: u32) -> Result<Self, Self::Error> {
        Self::new(count)
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many units of the underlying one contract stands for; 100 unless the contract was adjusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32", into = "u32")]
pub struct Multiplier(u32);

impl Multiplier {
    pub const STANDARD: Self = Self(100);

    /// # Errors
    /// When the multiplier is zero or above 10,000.
    pub fn new(units: u32) -> Result<Self, AmountError> {
        match units {
            0 => Err(AmountError::ZeroQuantity),
            1..=10_000 => Ok(Self(units)),
            _ => Err(AmountError::TooLarge { value: units.into(), max: 10_000.into() }),
        }
    }

    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Multiplier {
    type Error = AmountError;

    fn try_from(units: u32) -> Result<Self, Self::Error> {
        Self::new(units)
    }
}

impl From<Multiplier> for u32 {
    fn from(multiplier: Multiplier) -> Self {
        multiplier.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_price_is_neither_negative_nor_too_fine_nor_too_large() {
        assert_eq!("-0.01".parse::<Price>(), Err(AmountError::Negative(Decimal::new(-1, 2))));
        assert_eq!("1.23456".parse::<Price>(), Err(AmountError::TooFine { value: Decimal::new(123_456, 5), max: 4 }));
        assert!(matches!("100000000".parse::<Price>(), Err(AmountError::TooLarge { .. })));
        assert!(matches!("NaN".parse::<Price>(), Err(AmountError::NotANumber(_))));
        assert_eq!("1.230000".parse::<Price>().unwrap().value(), Decimal::new(123, 2));
    }

    #[test]
    fn the_multiplier_counts() {
        let price: Price = "4.50".parse().unwrap();
        let cost = price.times(Quantity::new(2).unwrap(), Multiplier::STANDARD);
        assert_eq!(cost, Cash(Decimal::from(900)));
    }

    proptest! {
        #[test]
        fn the_largest_cost_fits(cents in 0_i64..=9_999_999_900, count in 1_u32..=100_000, units in 1_u32..=10_000) {
            let price = Price::new(Decimal::new(cents, 2)).unwrap();
            let cost = price.times(Quantity::new(count).unwrap(), Multiplier::new(units).unwrap());
            prop_assert_eq!(cost.0 / Decimal::from(count) / Decimal::from(units), price.value());
        }

        #[test]
        fn a_price_survives_json(cents in 0_i64..=9_999_999_900) {
            let price = Price::new(Decimal::new(cents, 2)).unwrap();
            let text = serde_json::to_string(&price).unwrap();
            prop_assert!(text.starts_with('"'), "money travels as a string");
            prop_assert_eq!(serde_json::from_str::<Price>(&text).unwrap(), price);
        }
    }
}
