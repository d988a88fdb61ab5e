//! Who may call the broker when. One limiter per token, because the broker counts per token; three
//! buckets in it, because the broker has three.
//!
//! Read `bucket` first: the whole decision, pure, with the time passed in. `limiter` adds the
//! queue (urgent first), `store` what survives a restart, `headers` what the broker says itself.
//!
//! Invariants, each a property test:
//! * In no stretch of 60 seconds does a bucket grant more than its ceiling, over restarts too.
//! * The broker's own count, when it is higher than ours, is the one that counts: another program
//!   may use the same token.
//! * Who is more urgent is never refused while who is less urgent is granted.
//! * Every wait ends: with a permit, at its deadline, or when its future is dropped.

mod bucket;
mod headers;
mod limiter;
mod store;

pub use bucket::{Bucket, Decision, Limits, SavedBucket};
pub use headers::RateHeaders;
pub(crate) use headers::expiry;
pub use limiter::{BucketSnapshot, Held, Limiters, Permit, RateLimiter};
pub use store::{BudgetStore, FileStore, MemoryStore, NoStore, StoreError};

/// What a call is for. The order is the urgency, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A position cannot be protected and has to go.
    Emergency,
    Cancel,
    Close,
    Bracket,
    Entry,
    /// Looking, with nothing in flight.
    Read,
}

impl Priority {
    pub const ALL: [Self; 6] = [Self::Emergency, Self::Cancel, Self::Close, Self::Bracket, Self::Entry, Self::Read];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Cancel => "cancel",
            Self::Close => "close",
            Self::Bracket => "bracket",
            Self::Entry => "entry",
            Self::Read => "read",
        }
    }
}

/// What the broker counts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BucketKind {
    /// `/accounts` (the order lists too), `/user`.
    Accounts,
    /// `/markets`.
    MarketData,
    /// Whatever changes an order.
    Trading,
}

impl BucketKind {
    pub const ALL: [Self; 3] = [Self::Accounts, Self::MarketData, Self::Trading];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::MarketData => "market_data",
            Self::Trading => "trading",
        }
    }

    /// How many calls of fifty are kept for whoever is more urgent than `priority`.
    ///
    /// Trading keeps its shares for exits: entries stop at 20 a minute, brackets at 36, and the
    /// last six are for emergencies alone. Reads for a trade in flight carry that trade's
    /// priority, so the twelve that plain reads leave are theirs.
    fn kept_of_fifty(self, priority: Priority) -> u32 {
        match (self, priority) {
            (_, Priority::Emergency) => 0,
            (Self::Trading, Priority::Cancel) => 6,
            (Self::Trading, Priority::Close) => 10,
            (Self::Trading, Priority::Bracket) => 14,
            (Self::Trading, Priority::Entry) => 30,
            (Self::Trading, Priority::Read) => 34,
            (Self::Accounts | Self::MarketData, Priority::Cancel) => 2,
            (Self::Accounts | Self::MarketData, Priority::Close) => 4,
            (Self::Accounts | Self::MarketData, Priority::Bracket) => 6,
            (Self::Accounts | Self::MarketData, Priority::Entry) => 8,
            (Self::Accounts | Self::MarketData, Priority::Read) => 12,
        }
    }
}
