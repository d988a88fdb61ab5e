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
use crate::broker::rate_limit::BucketSnapshot;
use crate::db::{DbState, schema_version};
use crate::telemetry::CallFigures;

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
    api.accounts.limiters().together().iter().for_each(|bucket| api.metrics.broker(&figures(bucket)));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], api.metrics.render())
}

fn figures(bucket: &BucketSnapshot) -> CallFigures {
    CallFigures {
        bucket: bucket.kind.as_str(),
        used: bucket.used,
        limit: bucket.limit,
        waiting: u32::try_from(bucket.waiting).unwrap_or(u32::MAX),
        room: bucket.room.map(|(priority, calls)| (priority.as_str(), calls)),
        totals: [
            ("granted", bucket.granted),
            ("held", bucket.held),
            ("throttled", bucket.throttled),
            ("unsaved", bucket.unsaved),
        ],
    }
}
