//! Rate limits: fixed windows of one minute from the first request, one for each token and kind of endpoint.

use std::collections::BTreeMap;

use http::StatusCode;

use super::answer::Answer;
use super::errors::fault;
use crate::core::World;
use crate::time::{MINUTE, Ms};

/// A kind of endpoint that is counted on its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Bucket {
    /// Accounts, user, watchlists.
    Standard,
    /// Market data.
    Market,
    /// Placing, changing and cancelling orders.
    Trading,
    /// ORATS counts a thousand a minute.
    Orats,
}

impl Bucket {
    fn allowed(self, world: World) -> i64 {
        match (self, world) {
            (Self::Standard | Self::Market, World::Live) => 120,
            (Self::Standard | Self::Market, World::Sandbox) | (Self::Trading, _) => 60,
            (Self::Orats, _) => 1_000,
        }
    }
}

/// What a request did to its window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Count {
    pub(crate) allowed: i64,
    pub(crate) used: i64,
    pub(crate) expires: Ms,
}

/// The windows.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    windows: BTreeMap<(usize, Bucket), Count>,
}

impl Limits {
    /// Counts a request of a token.
    pub(crate) fn count(&mut self, token: usize, bucket: Bucket, world: World, now: Ms) -> Count {
        let fresh = Count { allowed: bucket.allowed(world), used: 0, expires: now.plus(MINUTE) };
        let window = self.windows.entry((token, bucket)).or_insert(fresh);
        if now >= window.expires {
            *window = fresh;
        }
        window.used += 1;
        *window
    }
}

impl Count {
    pub(crate) fn exceeded(&self) -> bool {
        self.used > self.allowed
    }

    /// The same window with nothing left in it, as a fault has it.
    pub(crate) fn exhausted(self) -> Self {
        Self { used: self.allowed, ..self }
    }

    /// The four headers.
    pub(crate) fn headers(&self) -> [(&'static str, String); 4] {
        let used = self.used.min(self.allowed);
        [
            ("x-ratelimit-allowed", self.allowed.to_string()),
            ("x-ratelimit-used", used.to_string()),
            ("x-ratelimit-available", (self.allowed - used).to_string()),
            ("x-ratelimit-expiry", self.expires.0.to_string()),
        ]
    }
}

/// The gateway's stock answer to too many requests. The reference never saw the broker's own.
pub(crate) fn too_many() -> Answer {
    let text = "Rate limit quota violation. Quota limit  exceeded. Identifier : client";
    fault(StatusCode::TOO_MANY_REQUESTS, text, "policies.ratelimit.QuotaViolation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_with_its_first_request_and_ends_a_minute_later() {
        let mut limits = Limits::default();
        let start = Ms(1_000_000);
        for n in 1..=60 {
            let count = limits.count(0, Bucket::Trading, World::Live, start.plus(n));
            assert!(!count.exceeded() && count.used == n);
        }
        let over = limits.count(0, Bucket::Trading, World::Live, start.plus(100));
        assert!(over.exceeded());
        assert_eq!(over.headers()[2], ("x-ratelimit-available", "0".to_owned()));
        assert!(!limits.count(0, Bucket::Standard, World::Live, start).exceeded(), "buckets are apart");
        assert!(!limits.count(1, Bucket::Trading, World::Live, start).exceeded(), "tokens are apart");
        assert!(!limits.count(0, Bucket::Trading, World::Live, start.plus(1 + MINUTE)).exceeded());
    }
}
