//! What handlers take: parsed, bounded, and refused with the name of the field.

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use blotter_shared::domain::values::UnknownWord;
use blotter_shared::protocol::headers;
use blotter_shared::protocol::problem::{FieldError, Problem, ProblemCode};
use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::ApiState;
use super::problem::ApiError;
use crate::auth::Principal;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) principal: Arc<Principal>,
    /// Cuts the connection.
    pub(super) kill: CancellationToken,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Who(pub(super) Arc<Principal>);

impl Who {
    pub(super) fn of(extensions: &Extensions) -> Result<Self, ApiError> {
        let peer = extensions.get::<Peer>();
        peer.map(|peer| Self(Arc::clone(&peer.principal)))
            .ok_or_else(|| ApiError::internal(&"a request without a peer"))
    }
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Self::of(&parts.extensions)
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ApiError::internal(&"a request without a peer"))
    }
}

/// The device that asks, as it calls itself: for people to read, never for a decision.
#[derive(Clone, Debug)]
pub(super) struct Device(pub(super) String);

impl Device {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let name = headers.get(headers::DEVICE).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let kept: String = name
            .as_deref()
            .unwrap_or_default()
            .trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(headers::DEVICE_MAX_CHARS)
            .collect();
        Self(if kept.is_empty() { "unknown".to_owned() } else { kept })
    }
}

impl<S: Sync> FromRequestParts<S> for Device {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Ok(Self::of(&parts.headers))
    }
}

/// The query of a URL.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(pairs).map(Self).map_err(|error| {
            let field = field_of(&error.path().to_string(), &error.inner().to_string());
            ApiError::field(&field, None, error.inner().to_string())
        })
    }
}

/// The id in a path.
#[derive(Debug)]
pub(super) struct Id<T>(pub(super) T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::new(ProblemCode::Malformed, "the path cannot be read"))?;
        let shown: String = text.chars().take(50).collect();
        text.parse().map(Self).map_err(|_| ApiError::field("id", Some(shown), "a UUID"))
    }
}

/// A word in the path that is one of a closed list, in any case.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: FromStr<Err = UnknownWord>> FromRequestParts<S> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::new(ProblemCode::Malformed, "the path cannot be read"))?;
        let shown: String = text.chars().take(50).collect();
        let found = text.to_ascii_uppercase().parse();
        found.map(Self).map_err(|unknown: UnknownWord| {
            ApiError::field("which", Some(shown), format!("one of {}", unknown.allowed))
        })
    }
}

/// The whole body, if it is not too large.
#[derive(Debug)]
pub(super) struct RawBody(pub(super) Bytes);

impl FromRequest<ApiState> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &ApiState) -> Result<Self, ApiError> {
        let limit = api.limits.body_bytes;
        let bytes = usize::try_from(limit).unwrap_or(usize::MAX);
        // What is announced as too large is not read at all.
        if request.body().size_hint().lower() > u64::from(limit) {
            return Err(too_large(limit));
        }
        match Limited::<Body>::new(request.into_body(), bytes).collect().await {
            Ok(body) => Ok(Self(body.to_bytes())),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large(limit)),
            Err(_) => Err(ApiError::new(ProblemCode::Malformed, "the body broke off or is not framed as HTTP says")),
        }
    }
}

/// Reads JSON: what is no JSON is malformed, what does not fit the type is invalid by its field.
pub(super) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // A list would be taken for the fields of an object, in their order.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::field("body", None, "an object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inner = error.inner();
        let reason = inner.to_string();
        match inner.classify() {
            serde_json::error::Category::Data => {
                ApiError::field(&field_of(&error.path().to_string(), &reason), None, reason)
            }
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => not_json(&reason),
        }
    })?;
    reader.end().map_err(|error| not_json(&error.to_string()))?;
    Ok(value)
}

fn not_json(reason: &str) -> ApiError {
    let errors = vec![FieldError { field: "body".to_owned(), value: None, rule: "JSON".to_owned() }];
    Problem { errors, ..Problem::new(ProblemCode::Malformed, format!("the body is no JSON: {reason}")) }.into()
}

/// The field that a message is about: the path where it happened, or the name in the message when
/// the path ends above it (a field that is missing or unknown).
fn field_of(path: &str, reason: &str) -> String {
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| reason.strip_prefix(start)?.split_once('`').map(|(name, _)| name.to_owned()));
    match named {
        Some(name) if path == "." || path == name => name,
        Some(name) if path.ends_with(&format!(".{name}")) => path.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None if path == "." => "body".to_owned(),
        None => path.to_owned(),
    }
}

fn too_large(limit: u32) -> ApiError {
    let detail = format!("a body has at most {limit} bytes");
    let limit = Some("limits.body_bytes".to_owned());
    Problem { limit, ..Problem::new(ProblemCode::BodyTooLarge, detail) }.into()
}

#[cfg(test)]
mod tests {
    use blotter_shared::protocol::settings::SettingsUpdate;
    use blotter_shared::protocol::sync::SyncRequest;
    use proptest::prelude::*;

    use super::*;

    fn refused<T: DeserializeOwned + std::fmt::Debug>(body: &str) -> (ProblemCode, String) {
        let problem = parse_json::<T>(body.as_bytes()).unwrap_err().0;
        (problem.code, problem.errors[0].field.clone())
    }

    #[test]
    fn a_bad_body_is_refused_by_its_field() {
        use ProblemCode::{Invalid, Malformed};
        assert_eq!(refused::<SettingsUpdate>("{"), (Malformed, "body".to_owned()));
        assert_eq!(refused::<SettingsUpdate>(""), (Malformed, "body".to_owned()));
        assert_eq!(refused::<SettingsUpdate>("{\"version\":1} x"), (Malformed, "body".to_owned()));
        assert_eq!(refused::<SettingsUpdate>("[1]"), (Invalid, "body".to_owned()));
        assert_eq!(refused::<SettingsUpdate>("{}"), (Invalid, "version".to_owned()));
        assert_eq!(refused::<SettingsUpdate>(r#"{"version":"1"}"#), (Invalid, "version".to_owned()));
        assert_eq!(
            refused::<SettingsUpdate>(r#"{"version":1,"max_position":3}"#),
            (Invalid, "max_position".to_owned())
        );
        assert_eq!(
            refused::<SyncRequest>(r#"{"version":1,"holds":[{"trade_id":"x","version":1}]}"#),
            (Invalid, "holds[0].trade_id".to_owned())
        );
    }

    #[test]
    fn a_device_name_is_short_and_printable() {
        let name = |text: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(headers::DEVICE, http::HeaderValue::from_bytes(text).unwrap());
            Device::of(&headers).0
        };
        assert_eq!(name(b"laptop"), "laptop");
        assert_eq!(name("é".repeat(100).as_bytes()).chars().count(), headers::DEVICE_MAX_CHARS);
        assert_eq!(name(b" \t "), "unknown");
        assert_eq!(Device::of(&HeaderMap::new()).0, "unknown");
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_json::<SettingsUpdate>(&body);
        }
    }
}
