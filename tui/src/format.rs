//! Figures and times as text. A figure keeps its sign in characters as well as in colour, and an
//! unknown one is `–`, never `NaN`.

use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use chrono_tz::America::New_York;
use rust_decimal::{Decimal, RoundingStrategy};

/// What stands for a figure that is not known.
pub const UNKNOWN: &str = "–";

/// Dollars with two decimals and grouped thousands, as in `1,842.50` or `-310.00`.
#[must_use]
pub fn money(value: Decimal) -> String {
    let rounded = round(value, 2);
    let sign = if rounded.is_sign_negative() && !rounded.is_zero() { "-" } else { "" };
    let digits = format!("{:.2}", rounded.abs());
    let (whole, cents) = digits.split_once('.').unwrap_or((digits.as_str(), "00"));
    format!("{sign}{}.{cents}", grouped(whole))
}

/// Dollars that always show a sign, except at zero: `+412.00`.
#[must_use]
pub fn signed_money(value: Decimal) -> String {
    with_plus(money(value), round(value, 2))
}

/// The same with the arrow that says the direction without colour: `▲ +412.00`.
#[must_use]
pub fn trend(value: Decimal) -> String {
    let rounded = round(value, 2);
    let arrow = if rounded.is_zero() {
        ""
    } else if rounded.is_sign_negative() {
        "▼ "
    } else {
        "▲ "
    };
    format!("{arrow}{}", signed_money(value))
}

/// A price: two decimals at least, four at most.
#[must_use]
pub fn price(value: Decimal) -> String {
    let exact = round(value, 4).normalize();
    if exact.scale() <= 2 { format!("{exact:.2}") } else { exact.to_string() }
}

/// A percentage with its sign: `+18.9 %`; from a hundred on without decimals.
#[must_use]
pub fn percent(value: Decimal) -> String {
    let decimals = if value.abs() >= Decimal::ONE_HUNDRED { 0 } else { 1 };
    let rounded = round(value, decimals);
    let digits = usize::try_from(decimals).unwrap_or(0);
    with_plus(format!("{rounded:.digits$} %"), rounded)
}

/// A multiple of the risk at entry: `+2.1`.
#[must_use]
pub fn multiple(value: Decimal) -> String {
    let rounded = round(value, 1);
    with_plus(format!("{rounded:.1}"), rounded)
}

/// A plain figure with at most `decimals` decimals and no trailing zeros.
#[must_use]
pub fn plain(value: Decimal, decimals: u32) -> String {
    round(value, decimals).normalize().to_string()
}

/// How large a file is: `812 B`, `1.2 MB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let in_units = |unit: u64| format!("{:.1}", (Decimal::from(bytes) / Decimal::from(unit)).round_dp(1));
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", in_units(1_000)),
        _ => format!("{} MB", in_units(1_000_000)),
    }
}

fn with_plus(text: String, value: Decimal) -> String {
    if value > Decimal::ZERO { format!("+{text}") } else { text }
}

/// Halves away from zero, as a broker's statement rounds; never `-0`.
fn round(value: Decimal, decimals: u32) -> Decimal {
    let rounded = value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero);
    if rounded.is_zero() { Decimal::ZERO } else { rounded }
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How long ago, for a thing that is refreshed every `interval`: `now` until one interval has
/// passed, then in steps of at most 15 seconds, then of minutes and hours, so that a screen on
/// which nothing happens is not written to.
#[must_use]
pub fn age(age: Duration, interval: Duration) -> String {
    if age < interval {
        return "now".to_owned();
    }
    let seconds = age.as_secs();
    match seconds {
        0..60 => format!("{}s ago", seconds / age_step_s(interval) * age_step_s(interval)),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..86_400 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}

fn age_step_s(interval: Duration) -> u64 {
    interval.as_secs().clamp(1, 15)
}

/// When the text of [`age`] changes next, counted from the moment the age was zero.
#[must_use]
pub fn next_age_change(age: Duration, interval: Duration) -> Duration {
    if age < interval {
        return interval;
    }
    let (step, until) = match age.as_secs() {
        0..60 => (age_step_s(interval), 60),
        60..3600 => (60, 3600),
        3600..86_400 => (3600, 86_400),
        _ => (86_400, u64::MAX),
    };
    Duration::from_secs(((age.as_secs() / step + 1) * step).min(until))
}

/// How long a position has been held, in its largest unit: `4h`, `2d`.
#[must_use]
pub fn held(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let minutes = (to - from).num_minutes().max(0);
    match minutes {
        0 => "<1m".to_owned(),
        1..60 => format!("{minutes}m"),
        60..1440 => format!("{}h", minutes / 60),
        _ => format!("{}d", minutes / 1440),
    }
}

/// How a length of time is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// `2h 14m`
    Airy,
    /// `2h14m`
    Tight,
}

/// Time left until `then` in its two largest units, to the minute.
#[must_use]
pub fn until(now: DateTime<Utc>, then: DateTime<Utc>, spacing: Spacing) -> String {
    let minutes = ((then - now).num_seconds().max(0) + 59) / 60;
    let gap = match spacing {
        Spacing::Airy => " ",
        Spacing::Tight => "",
    };
    let (days, hours, rest) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    if days > 0 {
        format!("{days}d{gap}{hours}h")
    } else if hours > 0 {
        format!("{hours}h{gap}{rest:02}m")
    } else {
        format!("{rest}m")
    }
}

/// The exchange's clock: `13:46 ET`.
#[must_use]
pub fn clock(at: DateTime<Utc>) -> String {
    format!("{} ET", at.with_timezone(&New_York).format("%H:%M"))
}

/// The exchange's clock to the second, for moments that are named in a sentence: `13:40:02 ET`.
#[must_use]
pub fn clock_s(at: DateTime<Utc>) -> String {
    format!("{} ET", at.with_timezone(&New_York).format("%H:%M:%S"))
}

/// The exchange's date and time: `Feb 18 15:12`, with the year when it is not this one.
#[must_use]
pub fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let (local, today) = (at.with_timezone(&New_York), now.with_timezone(&New_York));
    if local.year() == today.year() {
        local.format("%b %d %H:%M").to_string()
    } else {
        local.format("%b %d '%y").to_string()
    }
}

/// A weekday and time at the exchange: `Mon 09:30 ET`, with the date once it is a week away.
#[must_use]
pub fn opening(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let local = at.with_timezone(&New_York);
    let form = if (at - now).num_days() < 6 { "%a %H:%M ET" } else { "%a %b %d %H:%M ET" };
    local.format(form).to_string()
}

/// The date at the exchange.
#[must_use]
pub fn exchange_date(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&New_York).date_naive()
}

/// The trading session that a moment belongs to: it begins at 18:00 of the evening before.
#[must_use]
pub fn trading_date(at: DateTime<Utc>) -> NaiveDate {
    let local = at.with_timezone(&New_York);
    let date = local.date_naive();
    if local.hour() >= SESSION_BEGINS_HOUR { date.succ_opt().unwrap_or(date) } else { date }
}

const SESSION_BEGINS_HOUR: u32 = 18;

/// A date as `Mar 20 '26`.
#[must_use]
pub fn expiry_long(date: NaiveDate) -> String {
    date.format("%b %d '%y").to_string()
}

/// A date as `03/20/26`.
#[must_use]
pub fn expiry_short(date: NaiveDate) -> String {
    date.format("%m/%d/%y").to_string()
}

/// A date as `03/20`.
#[must_use]
pub fn expiry_day(date: NaiveDate) -> String {
    date.format("%m/%d").to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn money_is_grouped_signed_and_rounded_away_from_zero() {
        for (value, plain, with_arrow) in [
            ("0", "0.00", "0.00"),
            ("-0.004", "0.00", "0.00"),
            ("0.005", "0.01", "▲ +0.01"),
            ("412", "412.00", "▲ +412.00"),
            ("-40", "-40.00", "▼ -40.00"),
            ("1234567.891", "1,234,567.89", "▲ +1,234,567.89"),
            ("-999999999999", "-999,999,999,999.00", "▼ -999,999,999,999.00"),
        ] {
            let value: Decimal = value.parse().unwrap();
            assert_eq!(money(value), plain);
            assert_eq!(trend(value), with_arrow);
        }
    }

    #[test]
    fn a_price_keeps_its_fourth_decimal_and_no_more() {
        for (value, shown) in [("4.5", "4.50"), ("0.0125", "0.0125"), ("12.300", "12.30"), ("0.12345", "0.1235")] {
            assert_eq!(price(value.parse().unwrap()), shown);
        }
    }

    #[test]
    fn a_size_has_one_decimal() {
        for (bytes, shown) in [(0, "0 B"), (999, "999 B"), (1_234, "1.2 kB"), (12_345_678, "12.3 MB")] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn percentages_lose_their_decimals_from_a_hundred_on() {
        for (value, shown) in [("18.94", "+18.9 %"), ("-100", "-100 %"), ("0.04", "0.0 %"), ("1234.5", "+1235 %")] {
            assert_eq!(percent(value.parse().unwrap()), shown);
        }
    }

    #[test]
    fn an_age_is_now_for_one_interval_and_then_steps() {
        let interval = Duration::from_secs(15);
        for (seconds, shown) in
            [(0, "now"), (14, "now"), (15, "15s ago"), (44, "30s ago"), (61, "1m ago"), (7200, "2h ago")]
        {
            assert_eq!(age(Duration::from_secs(seconds), interval), shown);
        }
        assert_eq!(age(Duration::from_secs(44), Duration::from_secs(1)), "44s ago");
    }

    #[test]
    fn time_left_counts_minutes_up_so_that_it_never_reads_zero_early() {
        let now = utc("2026-02-20T18:46:30Z");
        for (then, airy, tight) in [
            ("2026-02-20T21:00:00Z", "2h 14m", "2h14m"),
            ("2026-02-20T18:46:31Z", "1m", "1m"),
            ("2026-02-23T14:30:00Z", "2d 19h", "2d19h"),
            ("2026-02-20T18:00:00Z", "0m", "0m"),
        ] {
            assert_eq!(until(now, utc(then), Spacing::Airy), airy);
            assert_eq!(until(now, utc(then), Spacing::Tight), tight);
        }
    }

    #[test]
    fn the_exchange_clock_follows_daylight_saving() {
        assert_eq!(clock(utc("2026-02-20T18:46:05Z")), "13:46 ET");
        assert_eq!(clock(utc("2026-07-20T18:46:05Z")), "14:46 ET");
        assert_eq!(clock_s(utc("2026-07-20T18:46:05Z")), "14:46:05 ET");
    }

    #[test]
    fn a_trading_session_begins_in_the_evening_before() {
        assert_eq!(trading_date(utc("2026-02-19T22:59:00Z")), NaiveDate::from_ymd_opt(2026, 2, 19).unwrap());
        assert_eq!(trading_date(utc("2026-02-19T23:00:00Z")), NaiveDate::from_ymd_opt(2026, 2, 20).unwrap());
    }

    proptest! {
        #[test]
        fn money_reads_back(cents in -9_999_999_999_999_i64..=9_999_999_999_999) {
            let value = Decimal::new(cents, 2);
            let back: Decimal = money(value).replace(',', "").parse().unwrap();
            prop_assert_eq!(back, value);
            prop_assert_eq!(trend(value).contains('▼'), cents < 0);
            prop_assert_eq!(trend(value).contains('+'), cents > 0);
        }

        #[test]
        fn a_price_reads_back(ten_thousandths in 0_i64..=9_999_999_999) {
            let value = Decimal::new(ten_thousandths, 4);
            prop_assert_eq!(price(value).parse::<Decimal>().unwrap(), value);
            prop_assert!(price(value).split_once('.').unwrap().1.len() >= 2);
        }

        #[test]
        fn an_age_changes_exactly_when_it_says(seconds in 0_u64..400_000, interval in 1_u64..60) {
            let (now, interval) = (Duration::from_secs(seconds), Duration::from_secs(interval));
            let next = next_age_change(now, interval);
            prop_assert!(next > now);
            let just_before = next.checked_sub(Duration::from_millis(1)).unwrap();
            if just_before >= now {
                prop_assert_eq!(age(just_before, interval), age(now, interval));
            }
            prop_assert_ne!(age(next, interval), age(now, interval));
        }
    }
}
