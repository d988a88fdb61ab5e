//! How pages, filters and pushed changes become the History pane's rows.

use blotter_shared::domain::Outcome;
use blotter_shared::protocol::trades::{Trade, TradeList};

use super::model::{FILTERS, HistoryPane};
use crate::client::calls::{Call, HistoryQuery};
use crate::effect::Effect;

/// Rows left below the selection when the next page is asked for.
const AHEAD: usize = 40;

impl HistoryPane {
    /// Takes a page: the first replaces, a further one is added where it belongs.
    pub fn take(&mut self, query: &HistoryQuery, page: TradeList) {
        let wanted = HistoryQuery { cursor: None, ..query.clone() };
        if wanted != self.query() {
            return;
        }
        if query.cursor.is_none() {
            self.is_loading_more = false;
            self.items = Some(page.items);
            self.next_cursor = page.next_cursor;
            self.loaded = wanted;
        } else if query.cursor == self.next_cursor {
            self.is_loading_more = false;
            self.items.get_or_insert_default().extend(page.items);
            self.next_cursor = page.next_cursor;
        }
        let rows = self.rows();
        self.list.hold_on(&rows);
    }

    /// The next page, when the selection comes near the end of what is there.
    pub fn ask_for_more(&mut self) -> Vec<Effect> {
        let Some(cursor) = self.next_cursor.clone() else { return vec![] };
        let is_near_the_end = self.list.index() + AHEAD >= self.trades().len();
        if !is_near_the_end || self.is_loading_more {
            return vec![];
        }
        self.is_loading_more = true;
        vec![Effect::Call(Call::History(HistoryQuery { cursor: Some(cursor), ..self.query() }))]
    }

    /// Asks for the first page again.
    #[must_use]
    pub fn reload(&self) -> Effect {
        Effect::Call(Call::History(self.query()))
    }

    /// Chooses the pill that lies so many to the right.
    pub fn turn_filter(&mut self, by: usize) -> Vec<Effect> {
        let at = FILTERS.iter().position(|filter| *filter == self.filter).unwrap_or(0);
        self.choose_filter(FILTERS.get((at + by) % FILTERS.len()).copied().flatten())
    }

    pub fn choose_filter(&mut self, filter: Option<Outcome>) -> Vec<Effect> {
        self.filter = filter;
        self.is_loading_more = false;
        self.list.select(&self.rows(), 0);
        vec![self.reload()]
    }

    /// A trade was pushed: it replaces its row, or comes in at the top when it has just ended.
    /// Behind a filter or a search only the daemon knows whether it belongs here.
    pub fn note(&mut self, trade: &Trade) -> Vec<Effect> {
        let shows_all = self.shows_all();
        let Some(items) = &mut self.items else { return vec![] };
        let is_closed = trade.status.is_terminal();
        if let Some(index) = items.iter().position(|item| item.id == trade.id) {
            if let Some(row) = items.get_mut(index).filter(|_| is_closed) {
                row.clone_from(trade);
            } else {
                items.remove(index);
            }
            return vec![];
        }
        if !is_closed {
            return vec![];
        }
        if shows_all {
            let at = items.iter().position(|item| ended(item) <= ended(trade)).unwrap_or(items.len());
            items.insert(at, trade.clone());
            return vec![];
        }
        vec![self.reload()]
    }
}

fn ended(trade: &Trade) -> chrono::DateTime<chrono::Utc> {
    trade.close.as_ref().map_or(trade.entry_date, |close| close.at)
}
