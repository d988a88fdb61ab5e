//! What the History pane remembers: a window of a few pages around the selection, whatever the length of
//! the list behind it, and where each page begins, so that any page can be had again.

use std::collections::VecDeque;

use blotter_shared::domain::{BrokerMode, Outcome, TradeId};
use blotter_shared::protocol::trades::{Order, Sort, TotalsQuery, Trade, TradeTotals};

use crate::client::calls::HistoryQuery;
use crate::panes::list::ListState;

#[derive(Clone, Debug, Default)]
pub struct HistoryPane {
    pub list: ListState,
    pub filter: Option<Outcome>,
    /// Only trades of this mode; none while it is not known which is shown.
    pub mode: Option<BrokerMode>,
    pub sort: Sorting,
    /// The pages that are held, one after the other. `None` until the first has come.
    pub items: Option<Vec<Trade>>,
    /// The query whose answer `items` is.
    pub loaded: HistoryQuery,
    /// What the whole list adds up to, with the query it was asked for.
    pub totals: Option<(TotalsQuery, TradeTotals)>,
    pub is_loading_more: bool,
    /// Where the feed stood when the newest end of a trade was pushed, or the open trades were listed without it: a page from
    /// before does not have it.
    pub ended_seq: i64,
    pub(super) pages: Pages,
}

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sorting {
    pub by: Sort,
    pub order: Order,
}

impl Default for Sorting {
    fn default() -> Self {
        Self { by: Sort::Closed, order: Order::Descending }
    }
}

/// Where pages begin, and which are held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pages {
    /// For each page that is known of: the cursor that asks for it, and its first row.
    pub(super) starts: Vec<(Option<String>, usize)>,
    /// The first page that is held, and the lengths of those that are.
    pub(super) first: usize,
    pub(super) lengths: VecDeque<usize>,
}

/// Pages that are held at most: more than any screen shows, and as much memory after a hundred thousand
/// rows as after six hundred.
pub const PAGES_HELD: usize = 6;

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
    /// The first page of what filter, search and sorting ask for.
    #[must_use]
    pub fn query(&self) -> HistoryQuery {
        let is_default = self.sort == Sorting::default();
        HistoryQuery {
            outcome: self.filter,
            search: self.list.search.text().to_owned(),
            mode: self.mode,
            sorted: (!is_default).then_some((self.sort.by, self.sort.order)),
            cursor: None,
        }
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

    /// The place in the whole list of the first trade that is held.
    #[must_use]
    pub fn first_row(&self) -> usize {
        self.pages.starts.get(self.pages.first).map_or(0, |(_, row)| *row)
    }

    /// Whether the daemon has more behind what is held.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.pages.starts.len() > self.pages.first + self.pages.lengths.len()
    }

    /// What the list adds up to, while that is the list that is shown.
    #[must_use]
    pub fn totals(&self) -> Option<&TradeTotals> {
        self.totals.as_ref().filter(|(query, _)| *query == self.loaded.totals()).map(|(_, totals)| totals)
    }

    /// How many rows there are: exactly, or at least so many.
    #[must_use]
    pub fn count(&self) -> (usize, bool) {
        let held = self.first_row() + self.trades().len();
        match self.totals().and_then(|totals| usize::try_from(totals.rows).ok()) {
            Some(rows) => (rows.max(held), true),
            None => (held, !self.has_more()),
        }
    }
}
