//! `/v1/quotes/stream` and `/v1/trades/{id}/series`.

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use blotter_shared::domain::TradeId;
use blotter_shared::protocol::prices::{Series, SeriesQuery};
use chrono::TimeDelta;
use futures_util::StreamExt;
use http::header;

use super::ApiState;
use super::acting::Answered;
use super::extract::{Id, Params, Peer, Who};
use super::problem::ApiError;
use crate::db::trades::trade_get;
use crate::prices::chart::{Chart, chart};

/// Points when the query does not say, and the most it may ask for.
const WIDTH_DEFAULT: u32 = 80;
const WIDTH_MAX: u32 = 1000;

pub(super) async fn stream(State(api): State<ApiState>, peer: Peer) -> Response {
    let prices = api.board.subscribe(&peer.principal.username, api.stop.clone(), peer.kill);
    let body = Body::from_stream(prices.map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

pub(super) async fn series(
    State(api): State<ApiState>,
    who: Who,
    Id(id): Id<TradeId>,
    Params(query): Params<SeriesQuery>,
) -> Answered<Series> {
    let width = query.width.unwrap_or(WIDTH_DEFAULT);
    if !(2..=WIDTH_MAX).contains(&width) {
        return Err(ApiError::field("width", Some(width.to_string()), format!("between 2 and {WIDTH_MAX}")));
    }
    let tx = api.db.user_tx(&who.0.username).await?;
    let trade = trade_get(&tx, id).await?;
    let from = query.from.unwrap_or(trade.entry_date);
    let to = query.to.unwrap_or(tx.now() + TimeDelta::milliseconds(1));
    if from >= to {
        return Err(ApiError::field("from", Some(from.to_rfc3339()), "before `to`"));
    }
    let width = usize::try_from(width).unwrap_or(usize::MAX);
    let Chart { recorded, points } = chart(&tx, id, (from, to), width).await?;
    Ok(Json(Series { trade_id: id, from, to, recorded, points }))
}
