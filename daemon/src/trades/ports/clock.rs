//! Time, sleep and fresh ids, and the exchange's sessions.

use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

/// The present, twice: what the wall says, and a clock that never jumps and does not stop while
/// the machine sleeps (`CLOCK_BOOTTIME`). Deadlines of sends and leases are measured on the second.
pub trait Clock: Send + Sync {
    fn now(&self) -> DateTime<Utc>;

    /// Time since some fixed point; counts suspension.
    fn boot(&self) -> Duration;

    /// A fresh id in the order of time.
    fn fresh_id(&self) -> Uuid;

    /// Ends after `span`, or earlier when somebody rouses the loop. Who rouses it while it works
    /// is not forgotten: the next sleep ends at once.
    fn sleep(&self, span: Duration) -> impl Future<Output = Rest> + Send;
}

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The time is over.
    Over,
    /// There is something to do: a command was accepted.
    Roused,
}

/// The session that a moment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Orders of regular options are matched now.
    pub open: bool,
    /// The New York calendar date: what the broker's list of orders is about.
    pub date: NaiveDate,
    /// When the next session opens, or the present one opened.
    pub opens: DateTime<Utc>,
    /// When that session closes.
    pub closes: DateTime<Utc>,
}

/// The exchange's calendar: a pure function of time.
pub trait Sessions: std::fmt::Debug + Send + Sync {
    fn at(&self, now: DateTime<Utc>) -> Session;

    /// As above, of the contracts of one root: some trade for longer than the exchange.
    fn of(&self, _root: &str, now: DateTime<Utc>) -> Session {
        self.at(now)
    }
}

/// Whoever judges one moment needs no more.
impl Sessions for Session {
    fn at(&self, _: DateTime<Utc>) -> Session {
        *self
    }
}
