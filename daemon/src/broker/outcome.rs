//! How a call can end. A read fails or answers; a write has four ends, and none of them is an
//! error that `?` could carry away.
//!
//! The two types share nothing: there is no conversion between them, in either direction, and
//! neither implements the other's traits. A lost write is therefore never mistaken for a read that
//! may be tried again:
//!
//! ```compile_fail
//! use blotter_daemon::broker::{ReadError, WriteOutcome};
//! fn lost(error: ReadError) -> WriteOutcome {
//!     error.into()
//! }
//! ```
//!
//! ```compile_fail
//! use blotter_daemon::broker::{ReadError, WriteOutcome};
//! fn place() -> WriteOutcome { unimplemented!() }
//! fn careless() -> Result<(), ReadError> {
//!     place()?;
//!     Ok(())
//! }
//! ```

use std::fmt;

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::order::{AckStatus, OrderId, OrderStatus};

/// Why a read has no answer. Nothing follows from it about the account: a failed read never means
/// flat, filled or cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// No connection, or it broke, or nothing came in time.
    #[error("the broker cannot be reached: {why}")]
    Unreachable { why: Unreachable },
    /// The broker answered that it cannot answer: 5xx, a maintenance page, a passing gateway fault.
    #[error("the broker is unavailable ({status}): {reason}")]
    Unavailable { status: u16, reason: String },
    /// Too many requests: ours were held back, or the broker refused one.
    #[error("the rate limit of this token is used up until {until}")]
    RateLimited { until: DateTime<Utc> },
    /// The token is not accepted.
    #[error("the token is not accepted: {why}")]
    Reauthenticate { why: AuthTrouble },
    /// The token is good, the act is not allowed.
    #[error("the broker does not allow it: {reason}")]
    Blocked { reason: String },
    /// The broker did not like the question.
    #[error("the broker refused the request: {reason}")]
    BadRequest { reason: String },
    /// No such order, or not in this account: the broker says the same for both.
    #[error("the broker knows no such thing in this account")]
    NotThere,
    /// An answer came and could not be understood. It is not known to be empty.
    #[error("the broker's answer about {what} could not be read: {why}")]
    Undecodable { what: &'static str, why: String },
    /// An answer was longer, or had more pages, than anything reasonable.
    #[error("the broker's answer about {what} has no end")]
    TooMuch { what: &'static str },
    /// This source has no such thing.
    #[error("{source_name} has no {what}")]
    Unsupported { source_name: &'static str, what: &'static str },
}

/// Where a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// Refused, no such name, or TLS failed.
    NoConnection,
    TimedOut,
    /// Connected, and then it broke.
    Broken,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoConnection => "no connection",
            Self::TimedOut => "no answer in time",
            Self::Broken => "the connection broke",
        })
    }
}

/// Why a token was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthTrouble {
    /// A sandbox token at the live host, or the other way round.
    WrongEnvironment,
    /// Expired, revoked or mistyped.
    Invalid,
    /// The token is good, the account is not one of its accounts.
    WrongAccount,
}

impl fmt::Display for AuthTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongEnvironment => "it belongs to the other environment (sandbox and live tokens differ)",
            Self::Invalid => "it is expired, revoked or mistyped",
            Self::WrongAccount => "the account is not one of its accounts",
        })
    }
}

/// How a write ended. There is no fifth end, and no way to drop one unseen.
///
/// | end | what is known | what may be done |
/// | --- | --- | --- |
/// | `Accepted` | the broker took the request and gave an id | read the order: an id is not a working order |
/// | `Refused` | there is proof that nothing came of it | nothing is in flight |
/// | `NotSent` | there is proof that no byte of it left | it may be sent again while it is still wanted |
/// | `Unknown` | nothing | ask, by tag and by id; never send it again |
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a write that nobody looks at is a lost order"]
pub enum WriteOutcome {
    Accepted { id: OrderId, status: AckStatus },
    Refused { proof: Refusal, code: Option<String>, reason: String },
    NotSent { proof: NotSent },
    Unknown { why: Doubt },
}

/// Proof that the broker turned a write down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A success status whose body has `errors` and no order.
    ErrorsInAnswer,
    /// 400 with a sentence that says which parameter is wrong.
    Validation,
    /// The order that was to be cancelled or changed is already at an end: this one. It may well
    /// be `filled`.
    AlreadyFinal(OrderStatus),
    /// 401: no such order, or not in this account.
    NotYours,
    /// 401: the token itself was turned away.
    Token(AuthTrouble),
    /// 403.
    Forbidden,
}

/// Proof that a write never left this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// Refused, no such name, TLS failed, or the time ran out before there was a connection.
    NeverConnected(Unreachable),
    /// Its time was over before a byte was written.
    TooLate { by: DateTime<Utc> },
    /// The rate limit left no room in time.
    RateLimited { until: DateTime<Utc> },
    /// The request could not even be built.
    Unsendable(String),
    /// It would open a position where live trading is locked.
    Locked,
}

/// Why nobody knows what became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The connection was there and then no answer came: reset, closed, or out of time.
    NoAnswer(Unreachable),
    /// An answer that proves nothing: 5xx, 404, 429, a redirect, anything not listed as proof.
    Status { status: u16, reason: String },
    /// A success status with a body that is empty, HTML, cut off or otherwise unreadable.
    Unreadable { status: u16, why: String },
    /// The answer says two things at once: an id and errors, or the id of another order.
    Contradiction { id: Option<OrderId>, reason: String },
}

impl WriteOutcome {
    /// Whether it is proven that no order came of this write.
    #[must_use]
    pub fn is_proven_void(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::NotSent { .. } => true,
            Self::Accepted { .. } | Self::Unknown { .. } => false,
        }
    }
}

impl fmt::Display for WriteOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { id, status } => write!(f, "the broker took it as order {id} ({status})"),
            Self::Refused { reason, .. } => write!(f, "the broker refused it: {reason}"),
            Self::NotSent { proof } => write!(f, "it was not sent: {proof}"),
            Self::Unknown { why } => write!(f, "it is not known whether the broker has it: {why}"),
        }
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverConnected(why) => write!(f, "{why}"),
            Self::TooLate { by } => write!(f, "it was meant to leave by {by}"),
            Self::RateLimited { until } => write!(f, "the rate limit is used up until {until}"),
            Self::Unsendable(why) => write!(f, "the request could not be built: {why}"),
            Self::Locked => f.write_str("live trading is locked (broker.allow_live)"),
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(why) => write!(f, "{why}"),
            Self::Status { status, reason } => write!(f, "the answer was {status}: {reason}"),
            Self::Unreadable { status, why } => write!(f, "the answer ({status}) could not be read: {why}"),
            Self::Contradiction { reason, .. } => write!(f, "the answer contradicts itself: {reason}"),
        }
    }
}
