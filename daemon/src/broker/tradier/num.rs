//! Numbers as the broker writes them, read from their text: never through a float.
//!
//! Seen on the wire: `1`, `0.55`, `1.00000000`, `0E-8`, `"128.00"`; for "there is none": absence,
//! `null`, `"null"`, `"NaN"` and an empty string. Anything else is an error, never a zero.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

/// A number, exact.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Num(pub(crate) Decimal);

impl fmt::Debug for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that may be missing in one of the broker's ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OptNum(pub(crate) Option<Decimal>);

impl<'de> Deserialize<'de> for Num {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        parse(unquote(raw)).map(Self).ok_or_else(|| D::Error::custom(format_args!("{} is no number", short(raw))))
    }
}

impl<'de> Deserialize<'de> for OptNum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        match unquote(raw) {
            "null" | "NaN" | "" => Ok(Self(None)),
            text => parse(text)
                .map(|value| Self(Some(value)))
                .ok_or_else(|| D::Error::custom(format_args!("{} is no number", short(raw)))),
        }
    }
}

fn unquote(raw: &str) -> &str {
    raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw)
}

fn short(raw: &str) -> String {
    raw.chars().take(24).collect()
}

/// A decimal from its text; the usual shape (digits, one point) without going through the general
/// parser, because a chain has a hundred thousand of them.
pub(crate) fn parse(text: &str) -> Option<Decimal> {
    match parse_plain(text.as_bytes()) {
        Some(value) => Some(value),
        None => parse_any(text),
    }
}

fn parse_plain(text: &[u8]) -> Option<Decimal> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let (mut mantissa, mut scale, mut point) = (0_i64, 0_u32, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + i64::from(byte - b'0');
                scale += u32::from(point);
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    let bare_point = point && (scale == 0 || digits.first() == Some(&b'.'));
    if bare_point {
        return None;
    }
    Some(Decimal::new(if negative { -mantissa } else { mantissa }, scale))
}

/// Exponents and long numbers. A number with more digits than a decimal holds is refused rather
/// than rounded, unless what is cut off is zeros.
fn parse_any(text: &str) -> Option<Decimal> {
    if text.contains(['e', 'E']) { parse_exponent(text) } else { parse_digits(text) }
}

/// Digits with at most one point that has digits on both sides.
fn parse_digits(text: &str) -> Option<Decimal> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let valid = match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    };
    if valid { Decimal::from_str_exact(text).ok() } else { None }
}

fn parse_exponent(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = text.split_once(['e', 'E'])?;
    let mantissa = parse_digits(mantissa)?;
    let exponent: i32 = exponent.parse().ok()?;
    if mantissa.is_zero() {
        return Some(Decimal::ZERO);
    }
    if !(-28..=28).contains(&exponent) {
        return None;
    }
    let factor = (0..exponent.unsigned_abs()).try_fold(Decimal::ONE, |power, _| power.checked_mul(Decimal::TEN))?;
    if exponent >= 0 {
        return mantissa.checked_mul(factor);
    }
    let value = mantissa.checked_div(factor)?;
    // A division that rounds does not come back.
    (value.checked_mul(factor)? == mantissa).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Result<Decimal, String> {
        serde_json::from_str::<Num>(json).map(|num| num.0).map_err(|error| error.to_string())
    }

    #[test]
    fn every_shape_on_the_wire_is_read_exactly() {
        for (json, value) in [
            ("1", "1"),
            ("-0.55", "-0.55"),
            ("128.00000000", "128"),
            ("0E-8", "0"),
            ("1.5e2", "150"),
            ("25e-1", "2.5"),
            ("\"3.34\"", "3.34"),
            ("0.1000000000000000055511151231", "0.1000000000000000055511151231"),
        ] {
            assert_eq!(read(json), Ok(value.parse().unwrap()), "{json}");
        }
    }

    #[test]
    fn nothing_else_becomes_a_number() {
        for json in
            ["null", "\"null\"", "\"\"", "\"NaN\"", "\"1,000\"", "true", "{}", "\"0x10\"", "1e99", "\"1.\"", "\".5e\""]
        {
            assert!(read(json).is_err(), "{json}");
        }
        assert!(serde_json::from_str::<OptNum>("\"abc\"").is_err());
    }

    #[test]
    fn the_ways_of_saying_none() {
        for json in ["null", "\"null\"", "\"\"", "\"NaN\""] {
            assert_eq!(serde_json::from_str::<OptNum>(json).unwrap(), OptNum(None), "{json}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(mantissa: i64, scale in 0_u32..20) {
            let value = Decimal::new(mantissa, scale);
            prop_assert_eq!(read(&value.to_string()), Ok(value));
            prop_assert_eq!(read(&format!("\"{value}\"")), Ok(value));
        }

        #[test]
        fn the_short_way_agrees_with_the_general_one(text in "-?[0-9.]{1,20}") {
            if let Some(value) = parse_plain(text.as_bytes()) {
                prop_assert_eq!(Decimal::from_str_exact(&text).ok(), Some(value));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            let _ = parse(&text);
        }
    }
}
