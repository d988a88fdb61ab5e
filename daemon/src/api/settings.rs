//! `/v1/settings`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_shared::protocol::settings::{KillSwitch, Settings, SettingsUpdate};
use futures_util::FutureExt;

use super::acting::{Act, Answered};
use super::extract::Who;
use super::problem::ApiError;
use super::{ApiState, LiveTrading};
use crate::broker::AccountId;
use crate::broker::factory::LiveConsent;
use crate::db::settings::{kill_switch, settings_get, settings_update};
use crate::trades::runtime::limits;

pub(super) async fn show(State(api): State<ApiState>, who: Who) -> Answered<Settings> {
    let tx = api.db.user_tx(&who.0.username).await?;
    let settings = settings_get(&tx).await?;
    tx.commit().await?;
    Ok(Json(settings))
}

pub(super) async fn update(State(api): State<ApiState>, act: Act<SettingsUpdate>) -> Result<Response, ApiError> {
    let update = act.body;
    update.validate().map_err(Problem::invalid)?;
    if update.broker_mode == Some(BrokerMode::Live) {
        may_go_live(&api, &act.call.who, update.typed_live_account.as_deref()).await?;
    }
    let now = api.counter.now();
    let saved = act.call.once(&api, |tx, device| {
        async move {
            if update.changes_limits() {
                let before = settings_get(tx).await?;
                limits::remember(tx, &before, now).await?;
            }
            settings_update(tx, &update, &device).await
        }
        .boxed()
    });
    saved.await
}

/// The kill switch: entries stop, exits are left alone.
pub(super) async fn stop_entries(State(api): State<ApiState>, act: Act<KillSwitch>) -> Result<Response, ApiError> {
    let KillSwitch { stopped } = act.body;
    act.call.once(&api, move |tx, device| async move { kill_switch(tx, stopped, &device).await }.boxed()).await
}

/// Real money wants the operator's leave and the number of the account, typed. The account cannot
/// become another one between this look and the update: that changes the settings' version.
async fn may_go_live(api: &ApiState, who: &Who, typed: Option<&str>) -> Result<(), ApiError> {
    if api.policy.live == LiveTrading::Locked {
        let detail = "real money is locked on this machine: the operator sets broker.allow_live";
        let limit = Some("broker.allow_live".to_owned());
        return Err(Problem { limit, ..Problem::new(ProblemCode::Forbidden, detail) }.into());
    }
    let tx = api.db.user_tx(&who.0.username).await?;
    let settings = settings_get(&tx).await?;
    tx.commit().await?;
    if settings.broker_mode == BrokerMode::Live {
        return Ok(());
    }
    let account: Option<AccountId> = settings.live_account_id.and_then(|number| number.parse().ok());
    let account = account.ok_or_else(|| ApiError::field("broker_mode", None, "LIVE, once a live token is stored"))?;
    LiveConsent::from_typed(&account, typed.unwrap_or_default()).map_err(|none| {
        let rule = format!("the number of the live account ({none})");
        ApiError::field("typed_live_account", typed.map(str::to_owned), rule)
    })?;
    Ok(())
}
