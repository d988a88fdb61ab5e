//! `/v1/trades/export`: the whole list behind a filter, written while it is read. One page is read ahead while the
//! client takes the one before, and the next not until it has. A million trades take no more memory than a
//! thousand, no transaction outlives its page, and a client that goes away takes the reading with it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use blotter_shared::protocol::trades::{Book, ExportFormat, ExportQuery, Trade, TradeQuery};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use http::header;
use tokio::task::JoinSet;

use super::ApiState;
use super::extract::{Params, Who};
use super::problem::ApiError;
use crate::auth::Principal;
use crate::db::DbError;
use crate::db::trades::{is_straight, straight_lines, straight_trades, trade_page};
use crate::export;

/// Rows that are read at once: few enough to come soon, enough to be worth the question.
const PAGE: u32 = 4_000;

/// Bytes of a line, about.
const LINE: usize = 220;

/// Where an export is.
struct Export {
    api: ApiState,
    who: Arc<Principal>,
    format: ExportFormat,
    query: TradeQuery,
    is_first: bool,
}

/// A page as bytes, and what comes behind it.
type Page = (Bytes, Option<Export>);

pub(super) async fn stream(
    State(api): State<ApiState>,
    who: Who,
    Params(query): Params<ExportQuery>,
) -> Result<Response, ApiError> {
    let format = query.format.unwrap_or(ExportFormat::Csv);
    let export = Export { api, who: who.0, format, query: list_of(query), is_first: true };
    // The first page before the answer's status: what can be refused is refused properly.
    let (first, rest) = export.page().await?;
    let pages = stream::try_unfold(ahead(rest), |mut ahead| async move {
        let Some(page) = ahead.join_next().await else { return Ok::<_, DbError>(None) };
        let (bytes, rest) = page.map_err(|error| broke(&error))??;
        Ok(Some((bytes, self::ahead(rest))))
    });
    let media = match format {
        ExportFormat::Csv => "text/csv; charset=utf-8; header=present",
        ExportFormat::Json => "application/json",
    };
    let body = Body::from_stream(stream::once(async { Ok(first) }).chain(pages).map_err(|error: DbError| {
        tracing::warn!(%error, "an export broke off");
        error
    }));
    Ok(([(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "no-store")], body).into_response())
}

/// Begins to read the next page. It ends with whoever waits for it.
fn ahead(export: Option<Export>) -> JoinSet<Result<Page, DbError>> {
    let mut ahead = JoinSet::new();
    if let Some(export) = export {
        ahead.spawn(export.page());
    }
    ahead
}

fn broke(error: &tokio::task::JoinError) -> DbError {
    DbError::Internal { message: error.to_string(), source: None }
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
    async fn page(self) -> Result<Page, DbError> {
        let tx = self.api.db.user_tx(&self.who.username).await?;
        let (bytes, next) = if is_straight(&self.query) && self.format == ExportFormat::Csv {
            let mut text = String::with_capacity(usize::try_from(PAGE).unwrap_or_default() * LINE);
            if self.is_first {
                export::push_headings(&mut text);
            }
            let next = straight_lines(&tx, &self.query, PAGE, |line| export::push_line(&mut text, line)).await?;
            tx.commit().await?;
            (text.into_bytes(), next)
        } else {
            let (trades, next) = if is_straight(&self.query) {
                straight_trades(&tx, &self.query, PAGE).await?
            } else {
                let page = trade_page(&tx, &self.query, PAGE).await?;
                (page.items, page.next_cursor)
            };
            tx.commit().await?;
            let (format, place) = (self.format, export::Place { is_first: self.is_first, is_last: next.is_none() });
            (
                tokio::task::spawn_blocking(move || text(format, &trades, place))
                    .await
                    .map_err(|error| broke(&error))?,
                next,
            )
        };
        let rest = next.map(|cursor| Self {
            query: TradeQuery { cursor: Some(cursor), ..self.query },
            is_first: false,
            ..self
        });
        Ok((Bytes::from(bytes), rest))
    }
}

fn text(format: ExportFormat, trades: &[Trade], place: export::Place) -> Vec<u8> {
    match format {
        ExportFormat::Csv => export::csv(trades, place),
        ExportFormat::Json => export::json(trades, place),
    }
}
