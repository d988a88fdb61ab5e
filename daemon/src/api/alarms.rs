//! `/v1/alarms`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use blotter_shared::domain::AlarmId;
use blotter_shared::protocol::alarms::AlarmList;
use futures_util::FutureExt;

use super::ApiState;
use super::acting::{Act, Answered, Nothing};
use super::extract::{Id, Who};
use super::problem::ApiError;
use crate::db::alarms::{alarm_ack, alarm_list};

pub(super) async fn list(State(api): State<ApiState>, who: Who) -> Answered<AlarmList> {
    let tx = api.db.user_tx(&who.0.username).await?;
    Ok(Json(AlarmList { items: alarm_list(&tx).await? }))
}

pub(super) async fn ack(
    State(api): State<ApiState>,
    Id(id): Id<AlarmId>,
    act: Act<Nothing>,
) -> Result<Response, ApiError> {
    act.call.once(&api, move |tx, device| async move { alarm_ack(tx, id, &device).await }.boxed()).await
}
