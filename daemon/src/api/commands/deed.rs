//! A deed is done in one transaction with its key, its answer and its line in the audit log.

use axum::response::Response;
use blotter_shared::domain::TradeId;
use serde::Serialize;
use serde_json::Value;

use super::super::Api;
use super::super::acting::{Call, Claim};
use super::super::problem::ApiError;
use crate::db::audit::{AuditEntry, audit_append};
use crate::db::{DbError, UserTx};
use crate::trades::runtime::desk::DeskError;

/// How often a deed that was overtaken is judged again.
const TRIES: u32 = 5;

/// Something that is judged and written in a transaction.
pub(super) trait Deed: Sync {
    type Answer: Serialize + Send;

    fn done_in(&self, tx: &UserTx) -> impl Future<Output = Result<Self::Answer, Stopped>> + Send;
}

/// Why a deed was not done.
#[derive(Debug)]
pub(super) enum Stopped {
    Desk(DeskError),
    Told(ApiError),
}

impl From<DeskError> for Stopped {
    fn from(error: DeskError) -> Self {
        Self::Desk(error)
    }
}

impl From<DbError> for Stopped {
    fn from(error: DbError) -> Self {
        Self::Desk(error.into())
    }
}

impl From<ApiError> for Stopped {
    fn from(error: ApiError) -> Self {
        Self::Told(error)
    }
}

/// Does a deed once under its key; one that was overtaken is judged again on what is there now.
pub(super) async fn under_key<D: Deed>(api: &Api, call: &Call, deed: &D) -> Result<Response, ApiError> {
    let mut overtaken = DeskError::Overtaken(String::new());
    for _ in 0..TRIES {
        let tx = api.db.command_tx(&call.who.0.username).await?;
        let id = match call.claim(&tx).await? {
            Claim::New(id) => id,
            Claim::Answered(answer) => return Ok(answer),
        };
        match deed.done_in(&tx).await {
            Ok(value) => return call.finish(api, tx, id, &value).await,
            // A deadlock with the loop, too, ends with the loop's rows written.
            Err(Stopped::Desk(again @ (DeskError::Overtaken(_) | DeskError::Database(DbError::Busy { .. })))) => {
                overtaken = again;
            }
            Err(Stopped::Desk(error)) => return Err(error.into()),
            Err(Stopped::Told(error)) => return Err(error),
        }
    }
    Err(overtaken.into())
}

/// Notes who asked for what: the beginning of a trade's story.
pub(super) async fn note(tx: &UserTx, device: &str, action: &str, about: (TradeId, &Value)) -> Result<(), DbError> {
    let (trade, detail) = about;
    audit_append(tx, &AuditEntry { action, subject: &trade.to_string(), device, detail: detail.clone() }).await
}
