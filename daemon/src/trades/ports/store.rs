//! What lasts. Each call is one transaction of one user; a commit is conditional on the lease, on
//! the transition tables, on the unique live exit and, where the change says so, on the wish.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use thiserror::Error;
use uuid::Uuid;

use super::super::facts::{AlarmChange, Book, Change};
use super::super::tag::Epoch;

/// Who holds a lease: a host and a process on it. A file lock on the host proves that any other
/// process of the same host is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    pub host: Uuid,
    pub process: Uuid,
}

/// What is shown with every write of engine state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    pub holder: Holder,
    pub epoch: Epoch,
    /// The lease is extended to this from the moment of the commit.
    pub ttl: Duration,
}

/// What asking for the lease brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// It was ours and still is.
    Renewed(Epoch),
    /// It is ours now; the one before gave it back or never was.
    Taken(Epoch),
    /// It is ours now; the one before may have requests under way.
    TakenOver(Epoch),
    /// Somebody else has it.
    Held,
}

/// Why the store has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the database did not answer: {0}")]
pub struct StoreError(pub String);

/// Why a commit did not happen, or may not have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommitError {
    /// The lease is somebody else's, or ran out.
    #[error("the lease is lost")]
    LeaseLost,
    /// The wish is another one now, or a unique rule forbids it.
    #[error("it was overtaken: {0}")]
    Overtaken(String),
    /// The transition tables do not allow it: a fault of ours.
    #[error("an illegal change: {0}")]
    Illegal(String),
    /// Nothing is known about it; what was written has an id and can be read again.
    #[error("the answer to the commit was lost: {0}")]
    Unknown(String),
    #[error("the database did not take it: {0}")]
    Unavailable(String),
}

/// The durable truth about one account of one user.
pub trait Store: Send + Sync {
    /// Takes or renews the lease of the account.
    fn lease(&self, holder: Holder, ttl: Duration) -> impl Future<Output = Result<LeaseAnswer, StoreError>> + Send;

    /// Gives the lease back; nothing of ours is under way.
    fn release(&self, fence: &Fence) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Live trades, and ended ones whose orders are still to be watched.
    fn load(&self) -> impl Future<Output = Result<Book, StoreError>> + Send;

    /// Which of these tags were never written down, by nobody of this installation. A store that
    /// keeps every trade in its book knows no more than the book.
    fn lost(&self, tags: BTreeSet<String>) -> impl Future<Output = Result<BTreeSet<String>, StoreError>> + Send {
        async move { Ok(tags) }
    }

    /// All of the changes or none of them.
    fn commit(&self, fence: &Fence, changes: &[Change]) -> impl Future<Output = Result<(), CommitError>> + Send;

    /// Raises or clears alarms. Needs no lease: anybody may see that something is wrong.
    fn alarm(&self, changes: &[AlarmChange]) -> impl Future<Output = Result<(), StoreError>> + Send;
}
