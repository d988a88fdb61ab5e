//! How pages, filters and pushed changes become the History pane's rows.

use blotter_shared::domain::{BrokerMode, Outcome};
use blotter_shared::protocol::trades::{Order, Sort, Trade, TradeList};

use super::model::{FILTERS, HistoryPane, PAGES_HELD, Pages, Sorting};
use crate::client::calls::{Call, HistoryQuery};
use crate::effect::Effect;

/// Rows left between the selection and the edge of what is held when the next page is asked for.
const AHEAD: usize = 40;

impl HistoryPane {
    /// Takes a page: another list's first, one that is held already, or one at either edge. One that was read before a trade
    /// ended whose end is known by now is asked for again: it would take the trade off the list.
    pub fn take(&mut self, query: &HistoryQuery, page: TradeList) -> Vec<Effect> {
        let wanted = HistoryQuery { cursor: None, ..query.clone() };
        if wanted != self.query() {
            return vec![];
        }
        let is_overtaken = page.as_of < self.ended_seq;
        self.place(query, wanted, page);
        if !is_overtaken {
            return vec![];
        }
        // Once for each end, whatever the daemon says then.
        self.ended_seq = 0;
        vec![Effect::Call(Call::History(query.clone())), self.add_up()]
    }

    fn place(&mut self, query: &HistoryQuery, wanted: HistoryQuery, page: TradeList) {
        let is_new = self.items.is_none() || self.loaded != wanted;
        let place = self.pages.starts.iter().position(|(cursor, _)| *cursor == query.cursor);
        match place {
            _ if is_new && query.cursor.is_none() => self.begin(wanted, page),
            _ if is_new => return,
            Some(number) if number < self.pages.first => self.prepend(number, page),
            Some(number) if number < self.pages.first + self.pages.lengths.len() => self.replace(number, page),
            Some(number) => self.append(number, page),
            None => return,
        }
        self.is_loading_more = false;
        let rows = self.rows();
        self.list.hold_on(&rows);
    }

    fn begin(&mut self, query: HistoryQuery, page: TradeList) {
        self.loaded = query;
        self.pages = Pages { starts: vec![(None, 0)], first: 0, lengths: [page.items.len()].into() };
        self.pages.starts.extend(page.next_cursor.map(|cursor| (Some(cursor), page.items.len())));
        self.items = Some(page.items);
    }

    /// A page that is held, as it is now. When it ends elsewhere, what followed it is let go.
    fn replace(&mut self, number: usize, page: TradeList) {
        let index = number - self.pages.first;
        let from: usize = self.pages.lengths.iter().take(index).sum();
        let old = self.pages.lengths.get(index).copied().unwrap_or(0);
        let next = self.pages.starts.get(number + 1).and_then(|(cursor, _)| cursor.clone());
        let items = self.items.get_or_insert_default();
        let same_end = next == page.next_cursor && old == page.items.len();
        if same_end {
            items.splice(from..from + old, page.items);
            return;
        }
        items.truncate(from);
        self.pages.lengths.truncate(index);
        self.pages.starts.truncate(number + 1);
        self.append(number, page);
    }

    fn append(&mut self, number: usize, page: TradeList) {
        if number != self.pages.first + self.pages.lengths.len() {
            return;
        }
        let row = self.pages.starts.get(number).map_or(0, |(_, row)| *row) + page.items.len();
        self.pages.lengths.push_back(page.items.len());
        if self.pages.starts.len() == number + 1 {
            self.pages.starts.extend(page.next_cursor.map(|cursor| (Some(cursor), row)));
        }
        let items = self.items.get_or_insert_default();
        items.extend(page.items);
        if self.pages.lengths.len() > PAGES_HELD {
            let gone = self.pages.lengths.pop_front().unwrap_or(0);
            items.drain(..gone.min(items.len()));
            self.pages.first += 1;
            self.list.top = self.list.top.saturating_sub(gone);
        }
    }

    fn prepend(&mut self, number: usize, page: TradeList) {
        if number + 1 != self.pages.first {
            return;
        }
        let items = self.items.get_or_insert_default();
        let count = page.items.len();
        items.splice(..0, page.items);
        self.pages.first = number;
        self.pages.lengths.push_front(count);
        self.list.top += count;
        if self.pages.lengths.len() > PAGES_HELD {
            let gone = self.pages.lengths.pop_back().unwrap_or(0);
            items.truncate(items.len().saturating_sub(gone));
        }
    }

    /// The page beyond the edge that the selection has come near.
    pub fn ask_for_more(&mut self) -> Vec<Effect> {
        if self.is_loading_more {
            return vec![];
        }
        let index = self.list.index();
        let number = if index + AHEAD >= self.trades().len() && self.has_more() {
            self.pages.first + self.pages.lengths.len()
        } else if index < AHEAD && self.pages.first > 0 {
            self.pages.first - 1
        } else {
            return vec![];
        };
        let Some((cursor, _)) = self.pages.starts.get(number) else { return vec![] };
        let query = HistoryQuery { cursor: cursor.clone(), ..self.query() };
        self.is_loading_more = true;
        vec![Effect::Call(Call::History(query))]
    }

    /// The page that the selection is on, to be seen again: a refresh moves nobody.
    #[must_use]
    pub fn refresh(&self) -> HistoryQuery {
        let query = self.query();
        if self.items.is_none() || self.loaded != query {
            return query;
        }
        let mut end = 0;
        let page = self.pages.lengths.iter().position(|length| {
            end += length;
            self.list.index() < end
        });
        let start = self.pages.starts.get(self.pages.first + page.unwrap_or(0));
        HistoryQuery { cursor: start.and_then(|(cursor, _)| cursor.clone()), ..query }
    }

    /// Asks for the first page of another list, and for what it adds up to.
    #[must_use]
    pub fn reload(&self) -> Vec<Effect> {
        vec![Effect::Call(Call::History(self.query())), self.add_up()]
    }

    #[must_use]
    pub fn add_up(&self) -> Effect {
        Effect::Call(Call::Totals(self.query().totals()))
    }

    /// Chooses the pill that lies so many to the right.
    pub fn turn_filter(&mut self, by: usize) -> Vec<Effect> {
        let at = FILTERS.iter().position(|filter| *filter == self.filter).unwrap_or(0);
        self.choose_filter(FILTERS.get((at + by) % FILTERS.len()).copied().flatten())
    }

    pub fn choose_filter(&mut self, filter: Option<Outcome>) -> Vec<Effect> {
        self.filter = filter;
        self.begin_again()
    }

    /// Sorts by the next column, the best or newest first.
    pub fn sort_next(&mut self) -> Vec<Effect> {
        let at = Sort::ALL.iter().position(|sort| *sort == self.sort.by).unwrap_or(0);
        let by = Sort::ALL.get((at + 1) % Sort::ALL.len()).copied().unwrap_or(Sort::Closed);
        let order = match by {
            Sort::Symbol | Sort::Reason | Sort::Strategy => Order::Ascending,
            Sort::Closed | Sort::Pnl | Sort::PnlPct | Sort::R | Sort::Held => Order::Descending,
        };
        self.sort = Sorting { by, order };
        self.begin_again()
    }

    pub fn reverse(&mut self) -> Vec<Effect> {
        self.sort.order = match self.sort.order {
            Order::Ascending => Order::Descending,
            Order::Descending => Order::Ascending,
        };
        self.begin_again()
    }

    /// Shows the trades of another mode.
    pub fn choose_mode(&mut self, mode: Option<BrokerMode>) -> Vec<Effect> {
        if self.mode == mode {
            return vec![];
        }
        self.mode = mode;
        self.begin_again()
    }

    fn begin_again(&mut self) -> Vec<Effect> {
        self.is_loading_more = false;
        self.list.select(&self.rows(), 0);
        self.reload()
    }

    /// A trade was pushed: it replaces its row, or comes in at the top when it has just ended. Behind a
    /// filter, a search or another order only the daemon knows where it belongs.
    pub fn note(&mut self, trade: &Trade) -> Vec<Effect> {
        let is_plain = self.shows_all() && self.loaded.sorted.is_none() && self.first_row() == 0;
        let is_ours = self.loaded.mode.is_none_or(|mode| mode == trade.broker_mode);
        let Some(items) = &mut self.items else { return vec![] };
        let is_closed = trade.status.is_terminal();
        let known = items.iter().position(|item| item.id == trade.id);
        match known {
            Some(index) if is_closed => {
                let changed = items.get_mut(index).is_some_and(|row| {
                    let changed = row != trade;
                    row.clone_from(trade);
                    changed
                });
                return if changed { vec![self.add_up()] } else { vec![] };
            }
            Some(index) => {
                items.remove(index);
                self.pages.resize(index, Change::Gone);
                return vec![self.add_up()];
            }
            None if !is_closed || !is_ours => return vec![],
            None => {}
        }
        if !is_plain {
            return vec![Effect::Call(Call::History(self.refresh())), self.add_up()];
        }
        let at = items.iter().position(|item| ended(item) <= ended(trade)).unwrap_or(items.len());
        items.insert(at, trade.clone());
        self.pages.resize(at, Change::Come);
        vec![self.add_up()]
    }
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Come,
    Gone,
}

impl Pages {
    /// A row came or went: its page is longer or shorter, and those behind begin elsewhere.
    fn resize(&mut self, index: usize, change: Change) {
        let mut end = 0;
        let last = self.lengths.len().saturating_sub(1);
        for (number, length) in self.lengths.iter_mut().enumerate() {
            end += *length;
            if index < end || number == last {
                *length = moved(*length, change);
                for (_, row) in self.starts.iter_mut().skip(self.first + number + 1) {
                    *row = moved(*row, change);
                }
                return;
            }
        }
    }
}

fn moved(count: usize, change: Change) -> usize {
    match change {
        Change::Come => count + 1,
        Change::Gone => count.saturating_sub(1),
    }
}

fn ended(trade: &Trade) -> chrono::DateTime<chrono::Utc> {
    trade.close.as_ref().map_or(trade.entry_date, |close| close.at)
}
