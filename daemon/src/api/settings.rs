//! `/v1/settings`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_shared::protocol::settings::{Settings, SettingsUpdate};
use futures_util::FutureExt;

use super::acting::{Act, Answered};
use super::extract::Who;
use super::problem::ApiError;
use super::{ApiState, LiveTrading, Policy};
use crate::db::settings::{settings_get, settings_update};

pub(super) async fn show(State(api): State<ApiState>, who: Who) -> Answered<Settings> {
    let tx = api.db.user_tx(&who.0.username).await?;
    let settings = settings_get(&tx).await?;
    tx.commit().await?;
    Ok(Json(settings))
}

pub(super) async fn update(State(api): State<ApiState>, act: Act<SettingsUpdate>) -> Result<Response, ApiError> {
    let update = check(act.body, api.policy)?;
    act.call.once(&api, |tx, device| async move { settings_update(tx, &update, &device).await }.boxed()).await
}

fn check(update: SettingsUpdate, policy: Policy) -> Result<SettingsUpdate, ApiError> {
    update.validate().map_err(Problem::invalid)?;
    match (update.broker_mode, policy.live) {
        (Some(BrokerMode::Live), LiveTrading::Locked) => {
            let detail = "real money is locked on this machine: the operator sets broker.allow_live";
            let limit = Some("broker.allow_live".to_owned());
            Err(Problem { limit, ..Problem::new(ProblemCode::Forbidden, detail) }.into())
        }
        (Some(BrokerMode::Live), LiveTrading::Allowed)
        | (Some(BrokerMode::Sim | BrokerMode::Sandbox) | None, LiveTrading::Locked | LiveTrading::Allowed) => {
            Ok(update)
        }
    }
}
