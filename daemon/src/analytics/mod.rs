//! What closed trades add up to: pure, exact where money is meant.
//!
//! Read: `tally` adds trades up, one after the other or span after span; `groups` says which groups of
//! a breakdown a trade belongs to; `figures` makes of a tally what people look at; `series` what a row
//! of days says (equity, drawdown, Sharpe); `spread` looks at each result where sums are not
//! enough (median, interval, K-ratio), and `paths` at what there was to be had on the way; `answer` puts the answer to a look together.
//!
//! Invariants:
//! * Adding up spans in their order gives what adding up their trades in order gives, so that a year
//!   is made from months and never from trades.
//! * Sums of money are decimals. Floats are for deviations and ratios, and nothing is ordered by them.
//! * No figure divides by zero, and none is made of fewer trades than it needs: it is absent then.

pub mod answer;
mod figures;
mod groups;
pub mod paths;
mod series;
pub mod spread;
mod tally;

pub use figures::{figures, ratios, streaks};
pub use groups::{Dimension, buckets};
pub use series::{Series, series};
pub use tally::{Ending, Fact, R_CLASSES, Tally};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::America::New_York;

/// The trading day of a moment: it begins at 18:00 in New York, the evening before.
#[must_use]
pub fn trading_day(at: DateTime<Utc>) -> NaiveDate {
    (at.with_timezone(&New_York).naive_local() + TimeDelta::hours(6)).date()
}
