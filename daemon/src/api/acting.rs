//! What acts, acts once: the idempotency key, and the answer that is kept with it.

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use blotter_shared::domain::CommandId;
use blotter_shared::protocol::headers::{self, IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_MAX_CHARS};
use blotter_shared::protocol::problem::ProblemCode;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::extract::{Device, RawBody, Who, parse_json};
use super::problem::ApiError;
use super::{Api, ApiState};
use crate::db::commands::{Answer, Begin, Command, command_begin, command_commit, command_look};
use crate::db::{DbError, UserTx};

/// A request that acts: who, from where, under which key, and with which body.
#[derive(Debug)]
pub(super) struct Act<T> {
    pub(super) body: T,
    pub(super) call: Call,
}

/// The request without its body: enough to do it once.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) who: Who,
    pub(super) device: Device,
    key: String,
    /// Method and path.
    kind: String,
    body_hash: [u8; 32],
}

/// A body that says nothing: empty, or an empty object.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl<T: DeserializeOwned> FromRequest<ApiState> for Act<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &ApiState) -> Result<Self, ApiError> {
        let who = Who::of(request.extensions())?;
        let device = Device::of(request.headers());
        let key = key_of(request.headers())?;
        let kind = format!("{} {}", request.method(), request.uri().path());
        let RawBody(bytes) = RawBody::from_request(request, api).await?;
        let mut body_hash = [0; 32];
        body_hash.copy_from_slice(digest(&SHA256, &bytes).as_ref());
        let body = parse_json(if bytes.is_empty() { b"{}" } else { &bytes })?;
        Ok(Self { body, call: Call { who, device, key, kind, body_hash } })
    }
}

impl Call {
    /// The first answer, when the key was used. For a deed that costs something before its
    /// transaction begins.
    pub(super) async fn known(&self, api: &Api) -> Result<Option<Response>, ApiError> {
        let tx = api.db.user_tx(&self.who.0.username).await?;
        let known = command_look(&tx, self.command()).await?;
        tx.commit().await?;
        match known {
            None | Some(Begin::New(_)) => Ok(None),
            Some(Begin::Replay(answer)) => Ok(Some(replayed(answer))),
            Some(Begin::Reused) => Err(reused()),
        }
    }

    fn command(&self) -> Command<'_> {
        Command { key: &self.key, kind: &self.kind, body_hash: self.body_hash, device: &self.device.0 }
    }

    /// Does `deed` in one transaction with the key, unless the key was used: then the first answer
    /// is given again.
    pub(super) async fn once<T, F>(self, api: &Api, deed: F) -> Result<Response, ApiError>
    where
        T: Serialize,
        F: for<'t> FnOnce(&'t UserTx, String) -> BoxFuture<'t, Result<T, DbError>> + Send,
    {
        let tx = api.db.user_tx(&self.who.0.username).await?;
        match self.claim(&tx).await? {
            Claim::Answered(answer) => Ok(answer),
            Claim::Reused => Err(reused()),
            Claim::New(id) => {
                let value = deed(&tx, self.device.0.clone()).await?;
                self.finish(api, tx, id, &value).await
            }
        }
    }

    /// Takes the key for this transaction.
    pub(super) async fn claim(&self, tx: &UserTx) -> Result<Claim, DbError> {
        Ok(match command_begin(tx, self.command()).await? {
            Begin::New(id) => Claim::New(id),
            Begin::Replay(answer) => Claim::Answered(replayed(answer)),
            Begin::Reused => Claim::Reused,
        })
    }

    /// Stores the answer with what was done, and makes both last.
    pub(super) async fn finish<T: Serialize>(
        &self,
        api: &Api,
        tx: UserTx,
        id: CommandId,
        value: &T,
    ) -> Result<Response, ApiError> {
        let body = serde_json::to_string(value).map_err(|error| ApiError::internal(&error))?;
        let answer = Answer { status: StatusCode::OK.as_u16(), body };
        command_commit(tx, id, &answer).await?;
        api.hub.poke(&self.who.0.username);
        Ok(shape(answer))
    }
}

/// Whether a key is new.
#[derive(Debug)]
pub(super) enum Claim {
    New(CommandId),
    /// It was done before, and this is what was answered.
    Answered(Response),
    /// It came with another request before.
    Reused,
}

fn key_of(headers: &HeaderMap) -> Result<String, ApiError> {
    let key = headers.get(IDEMPOTENCY_KEY).ok_or_else(|| {
        ApiError::new(ProblemCode::KeyMissing, "send an Idempotency-Key header with a value of your own, as a UUID")
    })?;
    let text = key.to_str().ok().filter(|text| !text.is_empty() && text.len() <= IDEMPOTENCY_KEY_MAX_CHARS);
    text.map(str::to_owned).ok_or_else(|| {
        ApiError::field(IDEMPOTENCY_KEY, None, format!("1 to {IDEMPOTENCY_KEY_MAX_CHARS} printable ASCII characters"))
    })
}

pub(super) fn reused() -> ApiError {
    ApiError::new(ProblemCode::KeyReused, "this key came with another request; a new deed needs a new key")
}

fn replayed(answer: Answer) -> Response {
    let mut response = shape(answer);
    response.headers_mut().insert(headers::REPLAYED, HeaderValue::from_static("true"));
    response
}

fn shape(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    (status, [(header::CONTENT_TYPE, "application/json")], answer.body).into_response()
}

/// An answer as JSON.
pub(super) type Answered<T> = Result<Json<T>, ApiError>;
