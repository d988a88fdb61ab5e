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

pub(super) async fn health(State(api): State<ApiState>, who: Who) -> Json<Health> {
    Json(api.hub.health_for(&who.0.username))
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

/// Everything for whoever runs the daemon; for the others what is nobody's and what is their own.
pub(super) async fn metrics(State(api): State<ApiState>, who: Who) -> impl IntoResponse {
    let pool = api.db.pool_stats();
    let up = f64::from(u8::from(api.db.status().borrow().state == DbState::Ready));
    let pool = [("max", pool.max), ("open", pool.open), ("idle", pool.idle), ("waiting", pool.waiting)];
    api.metrics.database(up, pool);
    api.accounts.limiters().together().iter().for_each(|bucket| api.metrics.broker(&figures(bucket)));
    let text = if api.hub.is_operator(&who.0.username) {
        api.metrics.render()
    } else {
        api.metrics.render_for(who.0.username.as_str())
    };
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
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
