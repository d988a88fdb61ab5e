//! Errors on their way to the client: always a problem document.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use blotter_shared::protocol::headers;
use blotter_shared::protocol::problem::{BrokenLimit, FieldError, Problem, ProblemCode};
use http::{HeaderValue, StatusCode, header};

use crate::calendar::OutsideCalendar;
use crate::db::DbError;
use crate::trades::commands::{RefusalCode, Refused};
use crate::trades::risk::Breach;
use crate::trades::runtime::desk::DeskError;

pub(super) const CONTENT_TYPE: &str = "application/problem+json";

const UNAVAILABLE: &str = "the database is not available at the moment; the daemon keeps trying";

/// Why a request was not answered as it wished.
#[derive(Debug)]
pub(super) struct ApiError(pub(super) Box<Problem>);

impl ApiError {
    pub(super) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(code, detail)))
    }

    /// One field that breaks a rule.
    pub(super) fn field(field: &str, value: Option<String>, rule: impl Into<String>) -> Self {
        Self(Box::new(Problem::invalid(vec![FieldError { field: field.to_owned(), value, rule: rule.into() }])))
    }

    /// A fault of ours: the log has the reason, the client has not.
    pub(super) fn internal(reason: &dyn std::fmt::Display) -> Self {
        tracing::error!("a request failed: {reason}");
        Self::new(ProblemCode::Internal, "the daemon's log has the reason under this request's id")
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        let retry = |detail: String| Problem {
            retry_after_s: Some(1),
            ..Problem::new(ProblemCode::DatabaseUnavailable, detail)
        };
        match error {
            // Who asks may be anybody who is admitted; the sentence names roles and hosts.
            DbError::Unavailable { sentence } => {
                tracing::debug!("a request found no database: {sentence}");
                retry(UNAVAILABLE.to_owned()).into()
            }
            DbError::Busy { .. } => retry(error.to_string()).into(),
            DbError::CommitUnknown => {
                retry(format!("{error}; send it again with the same idempotency key: it is done once")).into()
            }
            DbError::Conflict { local, remote } => Problem::stale(local, remote).into(),
            DbError::NotFound => Self::new(ProblemCode::NotFound, error.to_string()),
            DbError::Invalid(field) => Problem::invalid(vec![field]).into(),
            DbError::Refused { .. } | DbError::Unreadable { .. } | DbError::Internal { .. } => Self::internal(&error),
        }
    }
}

impl From<DeskError> for ApiError {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Refused(refused) => refusal(*refused),
            DeskError::Overtaken(why) => {
                let problem = Problem::new(ProblemCode::DatabaseUnavailable, format!("too many at once: {why}"));
                Problem { retry_after_s: Some(1), ..problem }.into()
            }
            DeskError::Broker(error) => Self::new(ProblemCode::BrokerUnavailable, format!("nothing was done: {error}")),
            DeskError::Account(error) => error.into(),
            DeskError::Database(error) => error.into(),
        }
    }
}

/// A refusal of a command has a code of its own, and what it is judged by.
fn refusal(refused: Refused) -> ApiError {
    let broken_limits: Vec<BrokenLimit> = refused.breaches.into_iter().map(broken).collect();
    Problem {
        local_version: refused.versions.map(|(local, _)| local),
        remote_version: refused.versions.map(|(_, remote)| remote),
        limit: broken_limits.first().map(|broken| broken.limit.clone()),
        broken_limits,
        ..Problem::new(code_of(refused.code), refused.sentence)
    }
    .into()
}

fn broken(breach: Breach) -> BrokenLimit {
    BrokenLimit { limit: breach.limit.to_owned(), setting: breach.setting, value: breach.value }
}

fn code_of(code: RefusalCode) -> ProblemCode {
    match code {
        RefusalCode::NotFound => ProblemCode::NotFound,
        RefusalCode::StaleVersion => ProblemCode::StaleVersion,
        RefusalCode::AlreadyClosing => ProblemCode::AlreadyClosing,
        RefusalCode::Ended => ProblemCode::Ended,
        RefusalCode::NothingHeld => ProblemCode::NothingHeld,
        RefusalCode::EntryWorking => ProblemCode::EntryWorking,
        RefusalCode::QuantityTooLarge => ProblemCode::QuantityTooLarge,
        RefusalCode::PartWithLimit => ProblemCode::PartWithLimit,
        RefusalCode::MarketClosed => ProblemCode::MarketClosed,
        RefusalCode::NoQuote => ProblemCode::NoQuote,
        RefusalCode::Expired => ProblemCode::Expired,
        RefusalCode::OffGrid => ProblemCode::OffGrid,
        RefusalCode::StopNotBelowBid => ProblemCode::StopNotBelowBid,
        RefusalCode::TargetNotAboveBid => ProblemCode::TargetNotAboveBid,
        RefusalCode::LegsTooNear => ProblemCode::LegsTooNear,
        RefusalCode::NothingToChange => ProblemCode::NothingToChange,
        RefusalCode::AlreadyBegun => ProblemCode::AlreadyBegun,
        RefusalCode::SymbolTaken => ProblemCode::SymbolTaken,
        RefusalCode::EntriesStopped => ProblemCode::EntriesStopped,
        RefusalCode::Halted => ProblemCode::Halted,
        RefusalCode::Limit => ProblemCode::LimitBroken,
        RefusalCode::NoPosition => ProblemCode::NoPosition,
    }
}

impl From<OutsideCalendar> for ApiError {
    fn from(error: OutsideCalendar) -> Self {
        Self::internal(&error)
    }
}

/// Leaves the document to `layers`, which knows the request's id.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        response.extensions_mut().insert(std::sync::Arc::new(*self.0));
        response
    }
}

/// Writes the document into an answer that was left without.
pub(super) fn write_document(response: &mut Response, problem: &Problem) {
    let retry_after = problem.retry_after_s.map(HeaderValue::from);
    *response.body_mut() = Body::from(encode(problem));
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds);
    }
}

/// A whole HTTP answer, for those who are turned away before there is a request.
pub(super) fn raw_response(problem: &Problem) -> Vec<u8> {
    let reason = StatusCode::from_u16(problem.status).ok().and_then(|status| status.canonical_reason()).unwrap_or("");
    let body = encode(problem);
    let mut response = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: {CONTENT_TYPE}\r\ncontent-length: {}\r\n{}: {}\r\nconnection: close\r\n\r\n",
        problem.status,
        body.len(),
        headers::VERSION,
        env!("CARGO_PKG_VERSION"),
    )
    .into_bytes();
    response.extend(body);
    response
}

fn encode(problem: &Problem) -> Vec<u8> {
    serde_json::to_vec(problem).unwrap_or_else(|_| b"{}".to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_database_error_has_its_code() {
        let field = FieldError { field: "cursor".to_owned(), value: None, rule: "one of ours".to_owned() };
        for (error, code) in [
            (
                DbError::Unavailable { sentence: "no answer from joe@secret".to_owned() },
                ProblemCode::DatabaseUnavailable,
            ),
            (DbError::Busy { what: "lock".to_owned() }, ProblemCode::DatabaseUnavailable),
            (DbError::CommitUnknown, ProblemCode::DatabaseUnavailable),
            (DbError::Conflict { local: 1, remote: 2 }, ProblemCode::StaleVersion),
            (DbError::NotFound, ProblemCode::NotFound),
            (DbError::Invalid(field), ProblemCode::Invalid),
            (DbError::Refused { rule: "guard".to_owned(), message: "row of ann".to_owned() }, ProblemCode::Internal),
            (DbError::Unreadable { column: "x".to_owned(), expected: "a word" }, ProblemCode::Internal),
            (DbError::Internal { message: "secret".to_owned(), source: None }, ProblemCode::Internal),
        ] {
            let problem = ApiError::from(error).0;
            assert_eq!(problem.code, code);
            assert!(!problem.detail.contains("secret") && !problem.detail.contains("ann"), "{}", problem.detail);
        }
    }
}
