//! `/v1/events`.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use blotter_shared::protocol::headers::LAST_EVENT_ID;
use futures_util::StreamExt;
use http::{HeaderMap, header};

use super::ApiState;
use super::extract::Peer;
use super::problem::ApiError;

pub(super) async fn stream(State(api): State<ApiState>, peer: Peer, headers: HeaderMap) -> Result<Response, ApiError> {
    let last = last_event_id(&headers)?;
    let stream = api.hub.subscribe(&peer.principal.username, last, peer.kill).await;
    let body = Body::from_stream(stream.map(Ok::<_, Infallible>));
    Ok(([(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")], body).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse::<i64>().ok()).filter(|number| *number >= 0);
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(ApiError::field(LAST_EVENT_ID, None, "the number of an event of this daemon")),
    }
}
