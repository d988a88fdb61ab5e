//! A deed is done in one transaction with its key, its answer and its line in the audit log.

use axum::response::Response;
use blotter_shared::domain::TradeId;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join};
use serde::Serialize;
use serde_json::Value;

use super::super::Api;
use super::super::acting::{Call, Claim, reused};
use super::super::problem::ApiError;
use crate::db::audit::{AuditEntry, audit_append};
use crate::db::commands::command_ready;
use crate::db::{DbError, First, Told, UserTx};
use crate::trades::runtime::desk::DeskError;

/// How often a deed that was overtaken is judged again.
const TRIES: u32 = 5;

/// Something that is judged and written in a transaction.
pub(super) trait Deed: Sync {
    /// What it is judged by.
    type Found: Send;
    type Answer: Serialize + Send;

    /// Takes what it is about for this transaction, and writes nothing. Asked for on the same trip as the key; when
    /// that is not new, nobody needs it.
    fn find(&self, tx: &UserTx) -> impl Future<Output = Result<Self::Found, Stopped>> + Send;

    fn done_in(&self, tx: &UserTx, found: Self::Found) -> impl Future<Output = Result<Self::Answer, Stopped>> + Send;
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
        let first = First { about: &(call, deed), ask: begun };
        let (tx, (claim, found)) = api.db.command_tx_with(&call.who.0.username, first).await?;
        let (id, found) = match (claim, found) {
            (Ok(Claim::New(id)), found) => (id, found),
            (Ok(Claim::Answered(answer)), _) => return Ok(answer),
            (Ok(Claim::Reused), _) => return Err(reused()),
            // What it is about could not be taken, and so the first answer could not be read.
            (Err(echo), Err(Stopped::Desk(cause))) if echo.is_echo() => {
                drop(tx);
                if let Some(answer) = call.known(api).await? {
                    return Ok(answer);
                }
                overtaken = again(cause)?;
                continue;
            }
            (Err(error), _) => return Err(error.into()),
        };
        let done = match found {
            Ok(found) => deed.done_in(&tx, found).await,
            Err(stopped) => Err(stopped),
        };
        match done {
            Ok(value) => return call.finish(api, tx, id, &value).await,
            Err(Stopped::Desk(error)) => overtaken = again(error)?,
            Err(Stopped::Told(error)) => return Err(error),
        }
    }
    Err(overtaken.into())
}

/// The key first: whoever had what the deed is about and waited for the key would wait for its twin, which has the
/// key and waits for that.
fn begun<'t, D: Deed>(tx: &'t UserTx, (call, deed): &'t (&Call, &D)) -> BoxFuture<'t, Begun<D>> {
    async move {
        match command_ready(tx).await {
            Ok(()) => join(call.claim(tx), deed.find(tx)).await,
            Err(error) => (Err(error), Err(DbError::NotFound.into())),
        }
    }
    .boxed()
}

type Begun<D> = (Result<Claim, DbError>, Result<<D as Deed>::Found, Stopped>);

/// An error after which the deed is judged again. A deadlock with the loop, too, ends with the loop's rows written.
fn again(error: DeskError) -> Result<DeskError, ApiError> {
    let overtaken = matches!(error, DeskError::Overtaken(_) | DeskError::Database(DbError::Busy { .. }));
    if overtaken { Ok(error) } else { Err(error.into()) }
}

/// Notes who asked for what: the beginning of a trade's story.
pub(super) async fn note(tx: &UserTx, device: &str, action: &str, about: (TradeId, &Value)) -> Result<(), DbError> {
    let (trade, detail) = about;
    audit_append(tx, &AuditEntry { action, subject: &trade.to_string(), device, detail: detail.clone() }).await
}
