//! `/v1/sync-status` and `/v1/sync`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use blotter_shared::protocol::sync::{SyncQuery, SyncRequest, SyncStatus};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::ApiState;
use super::acting::{Act, Answered};
use super::extract::{Params, Who};
use super::problem::ApiError;
use crate::db::changes::change_head;
use crate::db::devices::{device_synced, held_conflicts, last_sync};
use crate::db::{DbError, UserTx};

pub(super) async fn status(
    State(api): State<ApiState>,
    who: Who,
    Params(query): Params<SyncQuery>,
) -> Answered<SyncStatus> {
    let tx = api.db.user_tx(&who.0.username).await?;
    Ok(Json(compare(&tx, &SyncRequest { version: query.version, holds: Vec::new() }).await?))
}

pub(super) async fn sync(State(api): State<ApiState>, act: Act<SyncRequest>) -> Result<Response, ApiError> {
    let started = Instant::now();
    let answer = act.call.once(&api, |tx, device| async move { note(tx, &act.body, &device).await }.boxed()).await;
    api.metrics.synced(started.elapsed());
    answer
}

/// Notes that the device is here, and what it holds.
async fn note(tx: &UserTx, request: &SyncRequest, device: &str) -> Result<SyncStatus, DbError> {
    let head = change_head(tx).await?;
    device_synced(tx, device, request.version.clamp(0, head)).await?;
    compare(tx, request).await
}

/// What a device holds, against what there is. A number that is newer than the feed is one from
/// before a backup was restored: it needs everything.
async fn compare(tx: &UserTx, request: &SyncRequest) -> Result<SyncStatus, DbError> {
    let head = change_head(tx).await?;
    let conflicts = held_conflicts(tx, &request.holds).await?;
    let last = last_sync(tx).await?;
    Ok(SyncStatus {
        needs_sync: request.version != head,
        has_conflicts: !conflicts.is_empty(),
        server_version: head,
        last_sync_at: last.as_ref().map(|last| last.at),
        last_sync_device: last.map(|last| last.device),
    })
}
