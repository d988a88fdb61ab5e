//! `/v1/trades/export`: the whole list behind a filter, written while it is read. Two pages are held at most:
//! while one is written as text the database reads the next, and goes no further before the client has taken
//! the first. A million trades take no more memory than a thousand, and no transaction outlives its page.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use blotter_shared::protocol::trades::{Book, ExportFormat, ExportQuery, Trade, TradeQuery};
use bytes::Bytes;
use futures_util::stream::{self, TryStreamExt};
use http::header;

use super::ApiState;
use super::extract::{Params, Who};
use super::problem::ApiError;
use crate::auth::Principal;
use crate::db::DbError;
use crate::db::trades::trade_page;
use crate::export;

/// Rows that are read at once: few enough to come soon, enough to be worth the question.
const PAGE: u32 = 2_000;

/// Where an export is.
struct Export {
    api: ApiState,
    who: Arc<Principal>,
    query: TradeQuery,
    next: Next,
}

type Page = (Vec<Trade>, export::Place);

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    First,
    Page,
    Nothing,
}

pub(super) async fn stream(
    State(api): State<ApiState>,
    who: Who,
    Params(query): Params<ExportQuery>,
) -> Result<Response, ApiError> {
    let format = query.format.unwrap_or(ExportFormat::Csv);
    let mut export = Export { api, who: who.0, query: list_of(query), next: Next::First };
    // The first page before the answer's status: what can be refused is refused properly.
    let first = export.page().await?;
    let bytes = stream::try_unfold((export, first), move |(mut export, page)| async move {
        let Some((trades, place)) = page else { return Ok::<_, DbError>(None) };
        let writing = tokio::task::spawn_blocking(move || text(format, &trades, place));
        let (next, text) = futures_util::future::join(export.page(), writing).await;
        let text = text.map_err(|error| DbError::Internal { message: error.to_string(), source: None })?;
        Ok(Some((Bytes::from(text), (export, next?))))
    });
    let media = match format {
        ExportFormat::Csv => "text/csv; charset=utf-8; header=present",
        ExportFormat::Json => "application/json",
    };
    let body = Body::from_stream(bytes.map_err(|error| {
        tracing::warn!(%error, "an export broke off");
        error
    }));
    Ok(([(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "no-store")], body).into_response())
}

fn list_of(query: ExportQuery) -> TradeQuery {
    TradeQuery {
        status: Some(query.status.unwrap_or(Book::Closed)),
        outcome: query.outcome,
        q: query.q,
        mode: query.mode,
        sort: query.sort,
        order: query.order,
        cursor: None,
        limit: None,
    }
}

impl Export {
    /// The next page and its place in the whole, if there is one.
    async fn page(&mut self) -> Result<Option<Page>, DbError> {
        if self.next == Next::Nothing {
            return Ok(None);
        }
        let tx = self.api.db.user_tx(&self.who.username).await?;
        let page = trade_page(&tx, &self.query, PAGE).await?;
        tx.commit().await?;
        let place = export::Place { is_first: self.next == Next::First, is_last: page.next_cursor.is_none() };
        self.next = if place.is_last { Next::Nothing } else { Next::Page };
        self.query.cursor = page.next_cursor;
        Ok(Some((page.items, place)))
    }
}

fn text(format: ExportFormat, trades: &[Trade], place: export::Place) -> Vec<u8> {
    match format {
        ExportFormat::Csv => export::csv(trades, place),
        ExportFormat::Json => export::json(trades, place),
    }
}
