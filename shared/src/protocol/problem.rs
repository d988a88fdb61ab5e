//! The one shape of every error: RFC 9457 problem details with a stable code.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::values::words;

words! {
    /// The code that programs may match on. Codes are never renamed.
    ProblemCode {
        /// The request could not be read.
        Malformed = "malformed",
        /// A field is missing, unknown or out of bounds; `errors` names each.
        Invalid = "invalid",
        BodyTooLarge = "body_too_large",
        /// No user of this daemon.
        NotAdmitted = "not_admitted",
        /// This client asked to be read-only, or the user may not do this.
        Forbidden = "forbidden",
        /// No such thing, or not yours.
        NotFound = "not_found",
        MethodNotAllowed = "method_not_allowed",
        /// Somebody changed it since you looked; `local_version` and `remote_version` say how far.
        StaleVersion = "stale_version",
        /// The same idempotency key came with another body.
        KeyReused = "key_reused",
        /// An `Idempotency-Key` header is required here.
        KeyMissing = "key_missing",
        /// The trade is on its way out; `detail` says how far.
        AlreadyClosing = "already_closing",
        /// The trade is at its end.
        Ended = "ended",
        /// Nothing is held that could be closed or protected.
        NothingHeld = "nothing_held",
        /// The entry still works: its rest is cancelled first.
        EntryWorking = "entry_working",
        /// More than is held.
        QuantityTooLarge = "quantity_too_large",
        /// A part is closed at the market only.
        PartWithLimit = "part_with_limit",
        MarketClosed = "market_closed",
        /// There is no price to judge by.
        NoQuote = "no_quote",
        /// The contract has expired.
        Expired = "expired",
        /// A price that the exchange does not quote in.
        OffGrid = "off_grid",
        StopNotBelowBid = "stop_not_below_bid",
        TargetNotAboveBid = "target_not_above_bid",
        LegsTooNear = "legs_too_near",
        /// It is so already.
        NothingToChange = "nothing_to_change",
        /// It has begun and cannot be taken back.
        AlreadyBegun = "already_begun",
        /// A trade of this contract is alive.
        SymbolTaken = "symbol_taken",
        /// The kill switch is set: no entries.
        EntriesStopped = "entries_stopped",
        /// Sending has stopped for this account until a person has looked.
        Halted = "halted",
        /// A risk limit; `broken_limits` names each with its setting and value.
        LimitBroken = "limit_broken",
        /// The account holds more than the ledger explains.
        /// The account holds no such position.
        NoPosition = "no_position",
        /// The two programs speak different protocols.
        ProtocolMismatch = "protocol_mismatch",
        /// Too many connections or requests from this user.
        TooMany = "too_many",
        /// It took longer than a request may take.
        TimedOut = "timed_out",
        DatabaseUnavailable = "database_unavailable",
        BrokerUnavailable = "broker_unavailable",
        /// The daemon is stopping.
        ShuttingDown = "shutting_down",
        /// A fault of ours; the log has it under the same `request_id`.
        Internal = "internal",
    }
}

impl ProblemCode {
    /// The HTTP status that carries it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NotAdmitted | Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TimedOut => 408,
            Self::StaleVersion | Self::KeyReused | Self::AlreadyClosing | Self::Ended | Self::NothingHeld => 409,
            Self::EntryWorking | Self::MarketClosed | Self::NoQuote | Self::NothingToChange | Self::AlreadyBegun => 409,
            Self::SymbolTaken | Self::EntriesStopped | Self::Halted | Self::NoPosition => 409,
            Self::BodyTooLarge => 413,
            Self::Invalid | Self::QuantityTooLarge | Self::PartWithLimit | Self::Expired | Self::OffGrid => 422,
            Self::StopNotBelowBid | Self::TargetNotAboveBid | Self::LegsTooNear | Self::LimitBroken => 422,
            Self::ProtocolMismatch => 426,
            Self::KeyMissing => 428,
            Self::TooMany => 429,
            Self::Internal => 500,
            Self::DatabaseUnavailable | Self::BrokerUnavailable | Self::ShuttingDown => 503,
        }
    }

    /// The short sentence that is the same for every problem of this code.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The request could not be read",
            Self::Invalid => "The request has values that are not allowed",
            Self::BodyTooLarge => "The request body is too large",
            Self::NotAdmitted => "This user is not admitted",
            Self::Forbidden => "This is not allowed",
            Self::NotFound => "There is no such thing",
            Self::MethodNotAllowed => "This path does not take that method",
            Self::StaleVersion => "It was changed on another device",
            Self::KeyReused => "This idempotency key was used for another request",
            Self::KeyMissing => "An Idempotency-Key header is required",
            Self::AlreadyClosing => "It is closing already",
            Self::Ended => "The trade is at its end",
            Self::NothingHeld => "Nothing is held",
            Self::EntryWorking => "The entry still works",
            Self::QuantityTooLarge => "It is more than is held",
            Self::PartWithLimit => "A part is closed at the market",
            Self::MarketClosed => "The market is closed",
            Self::NoQuote => "There is no quote",
            Self::Expired => "The contract has expired",
            Self::OffGrid => "The price is not on the price grid",
            Self::StopNotBelowBid => "The stop is not below the bid",
            Self::TargetNotAboveBid => "The target is not above the bid",
            Self::LegsTooNear => "Stop and target are too near to each other",
            Self::NothingToChange => "There is nothing to change",
            Self::AlreadyBegun => "It has begun already",
            Self::SymbolTaken => "A trade in this contract is alive already",
            Self::EntriesStopped => "Entries are stopped",
            Self::Halted => "Sending has stopped for this account",
            Self::LimitBroken => "A risk limit forbids it",
            Self::NoPosition => "The account holds no such position",
            Self::ProtocolMismatch => "Client and daemon speak different protocols",
            Self::TooMany => "Too many at once",
            Self::TimedOut => "It took too long",
            Self::DatabaseUnavailable => "The database is not available",
            Self::BrokerUnavailable => "The broker is not available",
            Self::ShuttingDown => "The daemon is stopping",
            Self::Internal => "The daemon made a mistake",
        }
    }
}

/// A field that was refused, with the bound that refused it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldError {
    /// Path of the field, as in `heat_limit_pct`.
    pub field: String,
    /// What was sent, shortened; absent when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The rule in words, as in `between 0 and 100`.
    pub rule: String,
}

/// A risk limit that refuses an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BrokenLimit {
    /// The limit's name, as in `heat_limit_pct`.
    pub limit: String,
    /// What the user allows.
    pub setting: String,
    /// What it would be.
    pub value: String,
}

/// `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `urn:blotter:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    pub code: ProblemCode,
    pub title: String,
    pub status: u16,
    /// What happened this time, as a sentence for people.
    pub detail: String,
    /// The id of the request in the daemon's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The version that the client acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_version: Option<i64>,
    /// The version that the daemon has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_version: Option<i64>,
    /// The setting or bound that refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Every risk limit that the entry would break.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken_limits: Vec<BrokenLimit>,
    /// Seconds after which a retry makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

impl Problem {
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:blotter:problem:{code}"),
            code,
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            request_id: None,
            errors: Vec::new(),
            local_version: None,
            remote_version: None,
            limit: None,
            broken_limits: Vec::new(),
            retry_after_s: None,
        }
    }

    /// A refused update: the version that the client had and the one that is current.
    #[must_use]
    pub fn stale(local: i64, remote: i64) -> Self {
        Self {
            local_version: Some(local),
            remote_version: Some(remote),
            ..Self::new(ProblemCode::StaleVersion, format!("you have version {local}, it is now version {remote}"))
        }
    }

    /// Fields that break a rule, all of them at once.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail =
            errors.iter().map(|error| format!("{}: {}", error.field, error.rule)).collect::<Vec<_>>().join("; ");
        Self { errors, ..Self::new(ProblemCode::Invalid, detail) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl std::error::Error for Problem {}
