//! What the History pane remembers.

use blotter_shared::domain::{Outcome, TradeId};
use blotter_shared::protocol::trades::Trade;

use crate::client::calls::HistoryQuery;
use crate::panes::list::ListState;

#[derive(Clone, Debug, Default)]
pub struct HistoryPane {
    pub list: ListState,
    pub filter: Option<Outcome>,
    /// The pages so far, the newest trade first. `None` until the first has come.
    pub items: Option<Vec<Trade>>,
    pub next_cursor: Option<String>,
    /// The query whose answer `items` is.
    pub loaded: HistoryQuery,
    pub is_loading_more: bool,
}

/// The filters in the order of their pills.
pub const FILTERS: &[Option<Outcome>] = &[None, Some(Outcome::Win), Some(Outcome::Loss), Some(Outcome::Expired)];

/// What a pill says.
#[must_use]
pub fn filter_name(filter: Option<Outcome>) -> &'static str {
    match filter {
        None => "All",
        Some(Outcome::Win) => "Wins",
        Some(Outcome::Loss) => "Losses",
        Some(Outcome::Expired) => "Expired",
    }
}

impl HistoryPane {
    /// The first page of what filter and search ask for.
    #[must_use]
    pub fn query(&self) -> HistoryQuery {
        HistoryQuery { outcome: self.filter, search: self.list.search.text().to_owned(), cursor: None }
    }

    #[must_use]
    pub fn shows_all(&self) -> bool {
        self.loaded.outcome.is_none() && self.loaded.search.is_empty()
    }

    #[must_use]
    pub fn trades(&self) -> &[Trade] {
        self.items.as_deref().unwrap_or_default()
    }

    #[must_use]
    pub fn rows(&self) -> Vec<TradeId> {
        self.trades().iter().map(|trade| trade.id).collect()
    }
}
