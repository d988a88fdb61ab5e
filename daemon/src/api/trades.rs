//! `/v1/trades`.

use std::io::Write;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use blotter_shared::domain::TradeId;
use blotter_shared::protocol::context::TradeContext;
use blotter_shared::protocol::timeline::Timeline;
use blotter_shared::protocol::trades::{TotalsQuery, Trade, TradeQuery, TradeTotals};
use http::header;
use serde::Serialize;

use super::ApiState;
use super::acting::Answered;
use super::extract::{Id, Params, Who};
use super::performance::up_to_date;
use super::pieces::Pieces;
use super::problem::ApiError;
use crate::db::DbError;
use crate::db::context::context_get;
use crate::db::timeline::story_rows;
use crate::db::trades::{ListEnd, trade_get, trade_list_each, trade_totals};
use crate::trades::story;

/// A `TradeList`: written trade by trade while the database reads on. Ten thousand would be tens of megabytes
/// at once, as rows and as trades.
pub(super) async fn list(
    State(api): State<ApiState>,
    who: Who,
    Params(query): Params<TradeQuery>,
) -> Result<Response, ApiError> {
    let tx = api.db.user_tx(&who.0.username).await?;
    let mut list = ListText::default();
    let end = trade_list_each(&tx, &query, |trade| list.put(&trade)).await?;
    drop(tx);
    Ok(([(header::CONTENT_TYPE, "application/json")], list.end(&end)?).into_response())
}

/// The text of a `TradeList` while it grows.
#[derive(Default)]
struct ListText {
    pieces: Pieces,
    /// The row that is being written, before it goes to the others at once.
    row: Vec<u8>,
    rows: u32,
}

/// What follows the items of a `TradeList`.
#[derive(Serialize)]
struct Tail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<&'a str>,
    as_of: i64,
}

impl ListText {
    fn put(&mut self, trade: &Trade) -> Result<(), DbError> {
        let before: &[u8] = if self.rows == 0 { b"{\"items\":[" } else { b"," };
        self.rows += 1;
        self.row.clear();
        self.row.extend_from_slice(before);
        trade.push_json(&mut self.row);
        self.pieces.write_all(&self.row).map_err(unwritten)
    }

    fn end(mut self, end: &ListEnd) -> Result<Body, DbError> {
        let before: &[u8] = if self.rows == 0 { b"{\"items\":[]," } else { b"]," };
        let tail = Tail { next_cursor: end.next_cursor.as_deref(), as_of: end.as_of };
        let tail = serde_json::to_vec(&tail).map_err(unwritten)?;
        self.pieces.write_all(before).map_err(unwritten)?;
        // Without its opening brace: the list has one.
        self.pieces.write_all(tail.get(1..).unwrap_or_default()).map_err(unwritten)?;
        Ok(self.pieces.into())
    }
}

fn unwritten(error: impl std::fmt::Display) -> DbError {
    DbError::Internal { message: error.to_string(), source: None }
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
    let (tx, refreshed) = up_to_date(&api, &who).await?;
    let totals = trade_totals(&tx, &query).await?;
    if refreshed.days > 0 {
        tx.commit().await?;
    }
    Ok(Json(totals))
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

#[cfg(test)]
mod tests {
    use blotter_shared::protocol::trades::TradeList;

    use super::*;

    fn trade(number: u32) -> Trade {
        let json = serde_json::json!({
            "id": "01940000-0000-7000-8000-000000000001", "number": number, "version": 3, "account_id": "VA1",
            "broker_mode": "SIM", "ticker": "NVDA", "option_symbol": "NVDA260320C00150000", "multiplier": 100,
            "contract": { "root": "NVDA", "expiry": "2026-03-20", "option_type": "CALL", "strike": "150" },
            "qty": 2, "held_qty": 2, "status": "FILLED", "desired": "HOLD", "protection": "NAKED",
            "entry_date": "2026-02-18T18:40:11Z", "strategy": "a \"quoted\" one",
        });
        serde_json::from_value(json).unwrap()
    }

    #[tokio::test]
    async fn a_list_that_is_written_row_by_row_is_the_list() {
        for (count, next_cursor) in [(0, None), (1, None), (2, Some("o2".to_owned())), (1000, None)] {
            let list = TradeList { items: (1..=count).map(trade).collect(), next_cursor, as_of: 7 };
            let mut text = ListText::default();
            list.items.iter().try_for_each(|trade| text.put(trade)).unwrap();
            let end = ListEnd { next_cursor: list.next_cursor.clone(), as_of: list.as_of };
            let written = axum::body::to_bytes(text.end(&end).unwrap(), usize::MAX).await.unwrap();
            assert_eq!(written, serde_json::to_vec(&list).unwrap(), "{count} rows");
        }
    }
}
