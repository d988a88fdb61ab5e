//! `/v1/trades`.

use axum::Json;
use axum::extract::State;
use blotter_shared::domain::TradeId;
use blotter_shared::protocol::context::TradeContext;
use blotter_shared::protocol::timeline::Timeline;
use blotter_shared::protocol::trades::{TotalsQuery, Trade, TradeList, TradeQuery, TradeTotals};

use super::ApiState;
use super::acting::Answered;
use super::extract::{Id, Params, Who};
use super::performance::bring_up;
use crate::db::context::context_get;
use crate::db::timeline::story_rows;
use crate::db::trades::{trade_get, trade_list, trade_totals};
use crate::trades::story;

pub(super) async fn list(
    State(api): State<ApiState>,
    who: Who,
    Params(query): Params<TradeQuery>,
) -> Answered<TradeList> {
    let tx = api.db.user_tx(&who.0.username).await?;
    Ok(Json(trade_list(&tx, &query).await?))
}

pub(super) async fn show(State(api): State<ApiState>, who: Who, Id(id): Id<TradeId>) -> Answered<Trade> {
    let tx = api.db.user_tx(&who.0.username).await?;
    Ok(Json(trade_get(&tx, id).await?))
}

pub(super) async fn totals(
    State(api): State<ApiState>,
    who: Who,
    Params(query): Params<TotalsQuery>,
) -> Answered<TradeTotals> {
    bring_up(&api, &who).await?;
    let tx = api.db.user_tx(&who.0.username).await?;
    Ok(Json(trade_totals(&tx, &query).await?))
}

pub(super) async fn timeline(State(api): State<ApiState>, who: Who, Id(id): Id<TradeId>) -> Answered<Timeline> {
    let tx = api.db.user_tx(&who.0.username).await?;
    let trade = trade_get(&tx, id).await?;
    Ok(Json(Timeline { trade, moments: story::told(story_rows(&tx, id).await?) }))
}

pub(super) async fn context(State(api): State<ApiState>, who: Who, Id(id): Id<TradeId>) -> Answered<TradeContext> {
    let tx = api.db.user_tx(&who.0.username).await?;
    Ok(Json(context_get(&tx, id).await?))
}
