//! `/v1/market`.

use axum::Json;
use axum::extract::State;
use blotter_shared::protocol::market::Market;

use super::ApiState;
use super::acting::Answered;

pub(super) async fn show(State(api): State<ApiState>) -> Answered<Market> {
    Ok(Json(api.market.market()?))
}
