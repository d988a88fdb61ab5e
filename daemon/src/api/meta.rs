//! Health, version, metrics, the interface itself.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use blotter_shared::protocol::PROTOCOL_VERSION;
use blotter_shared::protocol::health::{Health, Version};
use http::header;

use super::ApiState;
use super::extract::Who;
use super::openapi;
use crate::db::{DbState, schema_version};

pub(super) async fn health(State(api): State<ApiState>) -> Json<Health> {
    Json(api.health.health())
}

pub(super) async fn version(who: Who) -> Json<Version> {
    Json(Version {
        daemon: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: PROTOCOL_VERSION,
        schema: schema_version(),
        username: who.0.username.to_string(),
    })
}

pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi::document())
}

pub(super) async fn metrics(State(api): State<ApiState>) -> impl IntoResponse {
    let pool = api.db.pool_stats();
    let up = f64::from(u8::from(api.db.status().borrow().state == DbState::Ready));
    let pool = [("max", pool.max), ("open", pool.open), ("idle", pool.idle), ("waiting", pool.waiting)];
    api.metrics.database(up, pool);
    api.accounts.limiters().together().iter().for_each(|bucket| api.metrics.broker(bucket));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], api.metrics.render())
}
