//! What the broker says about its own count, in `X-Ratelimit-*` headers.

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;

/// The broker's count of one bucket at the time of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateHeaders {
    pub allowed: u32,
    pub available: u32,
    pub expires_at: DateTime<Utc>,
}

/// A window is a minute; an expiry farther away than this is not a time.
const FARTHEST: TimeDelta = TimeDelta::minutes(5);

/// Numbers from here on are milliseconds, below they are seconds: the documents show both.
const FIRST_MILLISECOND: i64 = 100_000_000_000;

impl RateHeaders {
    /// The headers of an answer, if they are all there and make sense.
    #[must_use]
    pub fn read(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Self> {
        let allowed: u32 = number(headers, "x-ratelimit-allowed")?;
        let available: u32 = number(headers, "x-ratelimit-available")?;
        let expires_at = expiry(headers, now)?;
        (allowed > 0 && available <= allowed).then_some(Self { allowed, available, expires_at })
    }
}

/// When the broker's window ends, if it says so and it is near.
pub(crate) fn expiry(headers: &HeaderMap, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let raw: i64 = number(headers, "x-ratelimit-expiry")?;
    let at = if raw >= FIRST_MILLISECOND {
        DateTime::from_timestamp_millis(raw)?
    } else {
        DateTime::from_timestamp(raw, 0)?
    };
    (at - now).abs().le(&FARTHEST).then_some(at)
}

fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_789_051_500, 0).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
    }

    #[test]
    fn seconds_and_milliseconds_are_told_apart() {
        for expiry in ["1789051530", "1789051530000"] {
            let read = RateHeaders::read(
                &headers(&[
                    ("X-Ratelimit-Allowed", "60"),
                    ("X-Ratelimit-Used", "2"),
                    ("X-Ratelimit-Available", "58"),
                    ("X-Ratelimit-Expiry", expiry),
                ]),
                now(),
            );
            let expires_at = now() + TimeDelta::seconds(30);
            assert_eq!(read, Some(RateHeaders { allowed: 60, available: 58, expires_at }), "{expiry}");
        }
    }

    #[test]
    fn nonsense_is_not_believed() {
        for (allowed, available, expiry) in [
            ("60", "61", "1789051530"),
            ("0", "0", "1789051530"),
            ("60", "-1", "1789051530"),
            ("sixty", "1", "1789051530"),
            ("60", "58", "1369168800001"),
            ("60", "58", "99999999999999999999"),
        ] {
            let map = headers(&[
                ("x-ratelimit-allowed", allowed),
                ("x-ratelimit-available", available),
                ("x-ratelimit-expiry", expiry),
            ]);
            assert_eq!(RateHeaders::read(&map, now()), None, "{allowed} {available} {expiry}");
        }
        assert_eq!(RateHeaders::read(&HeaderMap::new(), now()), None);
    }
}
