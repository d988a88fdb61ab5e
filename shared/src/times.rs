//! Times and dates as JSON has them: what chrono writes, digit by digit. A list of ten thousand trades holds forty
//! thousand of them, and spent a third of its time in the machinery of `fmt`.

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use serde::{Serialize, Serializer};

/// For `#[serde(serialize_with)]` of a time.
pub(crate) fn time<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    Time(at).serialize(serializer)
}

/// The same of one that may be absent.
#[expect(clippy::ref_option, reason = "serde hands over the field as it is")]
pub(crate) fn time_opt<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    at.as_ref().map(Time).serialize(serializer)
}

/// The same of a date.
pub(crate) fn date<S: Serializer>(date: &NaiveDate, serializer: S) -> Result<S::Ok, S::Error> {
    match date_text(*date) {
        Some(text) => written(&text, date, serializer),
        None => date.serialize(serializer),
    }
}

struct Time<'a>(&'a DateTime<Utc>);

impl Serialize for Time<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match time_text(*self.0) {
            Some(text) => written(text.bytes(), self.0, serializer),
            None => self.0.serialize(serializer),
        }
    }
}

/// The digits of a time.
pub(crate) struct Text {
    bytes: [u8; LONGEST],
    length: usize,
}

/// With microseconds.
const LONGEST: usize = 27;

impl Text {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// As many digits as it takes, in threes; years that have not four digits, leap seconds and what is finer than the
/// database stores are left to chrono.
pub(crate) fn time_text(at: DateTime<Utc>) -> Option<Text> {
    let time = at.time();
    let [y1, y2, y3, y4, _, m1, m2, _, d1, d2] = date_text(at.date_naive())?;
    let ([h1, h2], [n1, n2], [s1, s2]) = (two(time.hour()), two(time.minute()), two(time.second()));
    let nanos = time.nanosecond();
    let ([a, b, c], [d, e, f]) = (three(nanos / 1_000_000), three(nanos / 1_000 % 1_000));
    let last = match (nanos, nanos % 1_000_000, nanos % 1_000) {
        (0, ..) => 19,
        (..1_000_000_000, 0, _) => 23,
        (..1_000_000_000, _, 0) => 26,
        _ => return None,
    };
    let mut bytes = [
        y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'.', a, b, c, d, e, f,
        b'Z',
    ];
    *bytes.get_mut(last)? = b'Z';
    Some(Text { bytes, length: last + 1 })
}

/// Of the years that have four digits.
pub(crate) fn date_text(date: NaiveDate) -> Option<[u8; 10]> {
    let year = u32::try_from(date.year()).ok().filter(|year| *year <= 9_999)?;
    let ([y1, y2], [y3, y4]) = (two(year / 100), two(year % 100));
    let ([m1, m2], [d1, d2]) = (two(date.month()), two(date.day()));
    Some([y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2])
}

fn two(number: u32) -> [u8; 2] {
    [digit(number / 10), digit(number)]
}

fn three(number: u32) -> [u8; 3] {
    [digit(number / 100), digit(number / 10), digit(number)]
}

fn digit(number: u32) -> u8 {
    b'0' + u8::try_from(number % 10).unwrap_or_default()
}

fn written<S: Serializer>(text: &[u8], or: &impl Serialize, serializer: S) -> Result<S::Ok, S::Error> {
    match std::str::from_utf8(text) {
        Ok(text) => serializer.serialize_str(text),
        Err(_) => or.serialize(serializer),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Serialize)]
    struct Ours {
        #[serde(serialize_with = "time")]
        time: DateTime<Utc>,
        #[serde(serialize_with = "time_opt")]
        maybe: Option<DateTime<Utc>>,
        #[serde(serialize_with = "date")]
        date: NaiveDate,
    }

    #[derive(Serialize)]
    struct Chronos {
        time: DateTime<Utc>,
        maybe: Option<DateTime<Utc>>,
        date: NaiveDate,
    }

    fn check(time: DateTime<Utc>) {
        let date = time.date_naive();
        for maybe in [None, Some(time)] {
            let ours = serde_json::to_string(&Ours { time, maybe, date }).unwrap();
            assert_eq!(ours, serde_json::to_string(&Chronos { time, maybe, date }).unwrap());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_chrono_writes(
            seconds in -70_000_000_000_i64..300_000_000_000, nanos in 0_u32..1_000_000_000, zeros in 0_u32..4,
        ) {
            let nanos = nanos - nanos % 1_000_u32.pow(zeros);
            check(DateTime::from_timestamp(seconds, nanos).unwrap());
        }
    }

    #[test]
    fn the_edges_are_those_of_chrono() {
        let leap = "2016-12-31T23:59:60.5Z".parse().unwrap();
        let edges = ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2024-02-29T00:00:00.001Z"];
        let edges = edges.map(|text| text.parse().unwrap());
        [leap, DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC].into_iter().chain(edges).for_each(check);
    }
}
