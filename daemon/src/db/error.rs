//! What can go wrong between a query and its rows, in the words that a caller chooses by.

use blotter_shared::protocol::problem::FieldError;
use thiserror::Error;
use tokio_postgres::error::SqlState;

/// Why a database call did not do what was asked. No variant carries a password or a row.
#[derive(Debug, Error)]
pub enum DbError {
    /// There is no database right now; `Db::status` says since when and when the next try is.
    #[error("{sentence}")]
    Unavailable { sentence: String },
    /// Somebody else held the row, or the pool was full, for longer than we wait. Try again.
    #[error("the database was busy: {what}")]
    Busy { what: String },
    /// The COMMIT's answer was lost: it may or may not have happened. Look before doing it again.
    #[error("the connection broke during the commit; whether it was stored is unknown")]
    CommitUnknown,
    /// The caller acted on `local`, the row is at `remote`.
    #[error("the row has version {remote}, not {local}")]
    Conflict { local: i64, remote: i64 },
    /// No such row for this user.
    #[error("there is no such row")]
    NotFound,
    /// A value breaks a rule that the caller could have kept.
    #[error("{}: {}", .0.field, .0.rule)]
    Invalid(FieldError),
    /// A rule of the database itself said no: a check, a guard, a policy. A fault of ours.
    #[error("the database refused it: {message} (rule `{rule}`)")]
    Refused { rule: String, message: String },
    /// A stored value that this build cannot read.
    #[error("column `{column}` holds something that is not {expected}")]
    Unreadable { column: String, expected: &'static str },
    /// Anything else. A fault of ours.
    #[error("the database reported an error: {message}")]
    Internal { message: String, source: Option<tokio_postgres::Error> },
}

impl DbError {
    /// Whether the same call may succeed a moment later without anything being changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Busy { .. } => true,
            Self::CommitUnknown
            | Self::Conflict { .. }
            | Self::NotFound
            | Self::Invalid(_)
            | Self::Refused { .. }
            | Self::Unreadable { .. }
            | Self::Internal { .. } => false,
        }
    }

    /// Whether it only says that another statement of the transaction had failed.
    pub(super) fn follows_another(&self) -> bool {
        match self {
            Self::Internal { source, .. } => {
                source.as_ref().and_then(tokio_postgres::Error::code) == Some(&SqlState::IN_FAILED_SQL_TRANSACTION)
            }
            Self::Unavailable { .. }
            | Self::Busy { .. }
            | Self::CommitUnknown
            | Self::Conflict { .. }
            | Self::NotFound
            | Self::Invalid(_)
            | Self::Refused { .. }
            | Self::Unreadable { .. } => false,
        }
    }

    pub(super) fn unavailable(sentence: impl Into<String>) -> Self {
        Self::Unavailable { sentence: sentence.into() }
    }
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(report) = error.as_db_error() else {
            if is_gone(&error) {
                return Self::unavailable("the connection to the database broke");
            }
            return Self::Internal { message: error.to_string(), source: Some(error) };
        };
        let message = report.message().to_owned();
        match kind_of(report.code()) {
            Kind::Gone => Self::Unavailable { sentence: format!("the database ended the session: {message}") },
            Kind::Busy => Self::Busy { what: message },
            Kind::Rule => {
                Self::Refused { rule: report.constraint().unwrap_or(report.code().code()).to_owned(), message }
            }
            Kind::Other => Self::Internal { message, source: Some(error) },
        }
    }
}

enum Kind {
    Gone,
    Busy,
    Rule,
    Other,
}

/// Sorts by SQLSTATE: the class (first two characters), except where one code stands apart.
fn kind_of(code: &SqlState) -> Kind {
    if *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE {
        return Kind::Busy;
    }
    match code.code().get(..2) {
        // 57: operator intervention, 08: connection, 53: resources. 25P03 ends an idle transaction.
        Some("57" | "08" | "53") => Kind::Gone,
        _ if *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => Kind::Gone,
        // 40: serialization failure and deadlock.
        Some("40") => Kind::Busy,
        // 23: constraints, 42501: policies and grants, P0001: RAISE in a guard.
        Some("23") => Kind::Rule,
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE || *code == SqlState::RAISE_EXCEPTION => Kind::Rule,
        _ => Kind::Other,
    }
}

/// Whether the server ended the session with this report.
pub(super) fn ends_session(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|report| matches!(kind_of(report.code()), Kind::Gone))
}

/// Whether this connection is of no more use.
pub(super) fn is_gone(error: &tokio_postgres::Error) -> bool {
    error.is_closed() || is_io(error) || ends_session(error)
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}
