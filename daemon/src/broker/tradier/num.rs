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
        Self::read(unquote(raw)).ok_or_else(|| D::Error::custom(format_args!("{} is no number", short(raw))))
    }
}

impl OptNum {
    /// From what stands between quotes, or without any.
    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            "null" | "NaN" | "" => Some(Self(None)),
            text => parse(text).map(|value| Self(Some(value))),
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
    match Short::by_one(text.as_bytes()) {
        Some((short, [])) => Some(short.value()),
        _ => parse_any(text),
    }
}

/// Whether there is a minus, and what follows.
#[inline(always)]
fn unsigned(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    }
}

/// The powers of ten up to the seventh: a step of eight digits may have more behind it.
const POWERS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Eight characters: the digit in each byte that has one, and the high bit of each that has none; what stands above the
/// first of those means nothing.
#[inline(always)]
fn chunk(text: &[u8]) -> Option<(u64, u64)> {
    const fn all(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let digits = u64::from_le_bytes(*text.first_chunk()?) ^ all(b'0');
    Some((digits, (digits.wrapping_add(all(0x76)) | digits) & all(0x80)))
}

/// What the first `count` digits say: two neighbours together, then four, then eight.
#[inline(always)]
fn number_of(digits: u64, count: u32) -> u64 {
    let front = digits.checked_shl(64 - 8 * count).unwrap_or(0);
    let pairs = (front.wrapping_mul(10 * 256 + 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 * 65_536 + 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 * 4_294_967_296 + 1) >> 32
}

/// The digits that a text begins with, up to eight: their value, how many, and what follows.
#[inline(always)]
fn eight(text: &[u8]) -> Option<(u64, usize, &[u8])> {
    let (digits, others) = chunk(text)?;
    let count = others.trailing_zeros() / 8;
    let length = usize::try_from(count).ok()?;
    Some((number_of(digits, count), length, text.get(length..)?))
}

/// A number of the usual shape, still in two machine words: built where it goes, it is not moved again.
struct Short {
    negative: bool,
    mantissa: u64,
    scale: u32,
}

impl Short {
    /// Most characters of one; more might not fit.
    const LONGEST: usize = 18;

    /// Digits, with at most one point that has digits on both sides, and what follows: up to seven characters, in one
    /// step. Most numbers are no longer.
    #[inline(always)]
    fn by_seven(text: &[u8]) -> Option<(Self, &[u8])> {
        let (negative, text) = unsigned(text);
        let (digits, others) = chunk(text)?;
        let whole = others.trailing_zeros() / 8;
        let end = (others & others.wrapping_sub(1)).trailing_zeros() / 8;
        let has_point = whole < 8 && text.get(usize::try_from(whole).ok()?)? == &b'.';
        let (mantissa, scale, length) = if has_point {
            let before = (1_u64 << (8 * whole)) - 1;
            let joined = (digits & before) | ((digits >> 8) & !before);
            (number_of(joined, end - 1), end - whole - 1, end)
        } else {
            (number_of(digits, whole), 0, whole)
        };
        let fits = whole > 0 && length < 8 && (!has_point || scale > 0);
        let rest = text.get(usize::try_from(length).ok()?..)?;
        fits.then_some((Self { negative, mantissa, scale }, rest))
    }

    /// The same in two or three steps of eight digits each.
    #[inline(always)]
    fn by_eight(text: &[u8]) -> Option<(Self, &[u8])> {
        let (negative, text) = unsigned(text);
        let (mut mantissa, mut length, mut rest) = eight(text)?;
        if length == 8 {
            let (more, count, after) = eight(rest)?;
            mantissa = mantissa * POWERS.get(count)? + more;
            (length, rest) = (8 + count, after);
        }
        let [b'.', fraction @ ..] = rest else {
            return (length > 0).then_some((Self { negative, mantissa, scale: 0 }, rest));
        };
        let (value, count, rest) = eight(fraction)?;
        if length == 0 || count == 0 || length + count > Self::LONGEST {
            return None;
        }
        let mantissa = mantissa * POWERS.get(count)? + value;
        Some((Self { negative, mantissa, scale: u32::try_from(count).ok()? }, rest))
    }

    /// The same for any text, digit by digit.
    fn by_one(text: &[u8]) -> Option<(Self, &[u8])> {
        let (negative, digits) = unsigned(text);
        let (mut mantissa, mut scale, mut point, mut length) = (0_u64, 0_u32, false, 0_usize);
        for byte in digits {
            match byte {
                b'0'..=b'9' => {
                    mantissa = mantissa * 10 + u64::from(byte - b'0');
                    scale += u32::from(point);
                }
                b'.' if !point && length > 0 => point = true,
                _ => break,
            }
            length += 1;
            if length > Self::LONGEST {
                return None;
            }
        }
        let is_whole = length > 0 && (!point || scale > 0);
        let rest = digits.get(length..)?;
        is_whole.then_some((Self { negative, mantissa, scale }, rest))
    }

    #[inline(always)]
    fn value(&self) -> Decimal {
        let [a, b, c, d, e, f, g, h] = self.mantissa.to_le_bytes();
        let (low, middle) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        Decimal::from_parts(low, middle, 0, self.negative, self.scale)
    }
}

impl OptNum {
    /// From the number that a JSON text begins with; the rest of the text.
    #[inline]
    pub(super) fn take<'a>(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let short = match Short::by_seven(text) {
            None => Short::by_eight(text),
            short => short,
        };
        let leading_zero = matches!(text, [b'0', b'0'..=b'9', ..] | [b'-', b'0', b'0'..=b'9', ..]);
        match short {
            Some((short, rest)) if !leading_zero && !matches!(rest, [b'0'..=b'9' | b'e' | b'E' | b'.', ..]) => {
                self.0 = Some(short.value());
                Some(rest)
            }
            _ => self.take_any(text),
        }
    }

    /// The same for any number of JSON's.
    fn take_any<'a>(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let rest = pass(text)?;
        let number = text.get(..text.len() - rest.len())?;
        self.0 = Some(parse(std::str::from_utf8(number).ok()?)?);
        Some(rest)
    }
}

/// What follows after the number that a JSON text begins with, by JSON's own rules of spelling.
pub(super) fn pass(text: &[u8]) -> Option<&[u8]> {
    let (_, unsigned) = unsigned(text);
    let mut rest = match unsigned {
        [b'0', rest @ ..] => rest,
        _ => pass_digits(unsigned)?,
    };
    if let [b'.', fraction @ ..] = rest {
        rest = pass_digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let digits = match exponent {
            [b'+' | b'-', digits @ ..] => digits,
            _ => exponent,
        };
        rest = pass_digits(digits)?;
    }
    Some(rest)
}

/// At least one digit.
fn pass_digits(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 { None } else { text.get(length..) }
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
        fn the_short_ways_agree_with_the_general_one(text in "-?[0-9.]{1,20}") {
            let whole = format!("{text},,,,,,,,");
            if let Some((short, [])) = Short::by_one(text.as_bytes()) {
                prop_assert_eq!(Decimal::from_str_exact(&text).ok(), Some(short.value()));
            }
            for read in [Short::by_seven, Short::by_eight] {
                if let Some((short, b",,,,,,,,")) = read(whole.as_bytes()) {
                    prop_assert_eq!(Decimal::from_str_exact(&text).ok(), Some(short.value()));
                }
            }
        }

        #[test]
        fn most_numbers_take_one_step(whole in 0_u32..10_000, cents in 0_u32..100) {
            let text = format!("{whole}.{cents:02},        ");
            let (short, rest) = Short::by_seven(text.as_bytes()).unwrap();
            prop_assert_eq!((short.value().to_string(), rest), (format!("{whole}.{cents:02}"), &b",        "[..]));
        }

        #[test]
        fn a_number_is_taken_from_the_front_of_a_text_as_the_general_way_reads_it(
            text in "-?[0-9]{0,20}[.]?[0-9]{0,20}([eE][+-]?[0-9]{0,2})?",
            after in "[,}\\] \n]? {0,16}",
        ) {
            let whole = format!("{text}{after}");
            let mut number = OptNum::default();
            let taken = number.take(whole.as_bytes()).map(|rest| (number.0.unwrap(), rest.to_vec()));
            let is_json = serde_json::from_str::<&RawValue>(&text).is_ok();
            let general = if is_json { parse(&text) } else { None };
            // A text that is no number may begin with one: what follows then is no mark, which ends the reader.
            let is_partial = taken.as_ref().is_some_and(|(_, rest)| rest.len() > after.len());
            if !is_partial {
                prop_assert_eq!(taken.as_ref().map(|(value, _)| value.scale()), general.map(|value| value.scale()));
                prop_assert_eq!(taken, general.map(|value| (value, after.into_bytes())));
            } else {
                prop_assert!(!is_json, "{} was cut", text);
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            let _ = parse(&text);
        }
    }
}
