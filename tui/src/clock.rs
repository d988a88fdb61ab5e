//! Time as a value. The clock is asked in one place, once for each message, and travels with it.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A moment: wall time to show to people, time since the start to wait by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    pub wall: DateTime<Utc>,
    /// Never jumps, whatever happens to the wall clock.
    pub since_start: Duration,
}

impl Now {
    /// How long ago `then` was; zero when it lies ahead.
    #[must_use]
    pub fn since(self, then: Duration) -> Duration {
        self.since_start.saturating_sub(then)
    }

    /// The wall time of a moment given as time since the start.
    #[must_use]
    pub fn wall_at(self, then: Duration) -> DateTime<Utc> {
        let ago = chrono::Duration::from_std(self.since(then)).unwrap_or_default();
        self.wall - ago
    }
}

/// The real clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is handed")]
    pub fn now(self) -> Now {
        Now { wall: Utc::now(), since_start: self.started.elapsed() }
    }
}
