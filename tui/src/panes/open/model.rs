//! What the Open pane remembers.

use std::cmp::Ordering;

use blotter_shared::domain::TradeId;
use blotter_shared::protocol::trades::Trade;
use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::figures::pnl_pct;
use crate::open_book::OpenBook;
use crate::panes::list::{ListState, Step};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenPane {
    pub list: ListState,
    pub sort: OpenSort,
    pub is_reversed: bool,
    arranged: Arranged,
}

/// What open trades are sorted by; the number, which is the order of entry, decides between equals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenSort {
    #[default]
    Number,
    Symbol,
    Contract,
    Quantity,
    Entry,
    Mark,
    Pnl,
    PnlPct,
    Stop,
    Target,
    DaysToExpiry,
    Age,
    State,
}

impl OpenSort {
    pub const ALL: &'static [Self] = &[
        Self::Number,
        Self::Symbol,
        Self::Contract,
        Self::Quantity,
        Self::Entry,
        Self::Mark,
        Self::Pnl,
        Self::PnlPct,
        Self::Stop,
        Self::Target,
        Self::DaysToExpiry,
        Self::Age,
        Self::State,
    ];

    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|sort| *sort == self).unwrap_or(0);
        Self::ALL.get((at + 1) % Self::ALL.len()).copied().unwrap_or_default()
    }

    /// The heading of its column; the number has none.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Number => "",
            Self::Symbol => "SYMBOL",
            Self::Contract => "CONTRACT",
            Self::Quantity => "QTY",
            Self::Entry => "ENTRY",
            Self::Mark => "MARK",
            Self::Pnl => "P&L $",
            Self::PnlPct => "P&L %",
            Self::Stop => "STOP",
            Self::Target => "TARGET",
            Self::DaysToExpiry => "DTE",
            Self::Age => "AGE",
            Self::State => "STATE",
        }
    }

    /// What is not known is below everything.
    fn compare(self, a: &Trade, b: &Trade) -> Ordering {
        match self {
            Self::Number => Ordering::Equal,
            Self::Symbol => a.option_symbol.cmp(&b.option_symbol),
            Self::Contract => contract(a).cmp(&contract(b)),
            Self::Quantity => b.qty.cmp(&a.qty),
            Self::Entry => b.entry_price.cmp(&a.entry_price),
            Self::Mark => b.current_price.cmp(&a.current_price),
            Self::Pnl => b.unrealized_pnl.cmp(&a.unrealized_pnl),
            Self::PnlPct => pnl_pct(b).cmp(&pnl_pct(a)),
            Self::Stop => b.sl_price.cmp(&a.sl_price),
            Self::Target => b.tp_price.cmp(&a.tp_price),
            Self::DaysToExpiry => a.contract.expiry.cmp(&b.contract.expiry),
            Self::Age => a.entry_date.cmp(&b.entry_date),
            Self::State => a.status.cmp(&b.status),
        }
    }
}

/// As the column reads: expiry, strike, right.
fn contract(trade: &Trade) -> (NaiveDate, Decimal, &'static str) {
    let contract = &trade.contract;
    (contract.expiry, contract.strike, contract.option_type.as_str())
}

impl OpenPane {
    /// Finds and sorts anew, if anything is different from the last time.
    pub fn arrange(&mut self, book: Option<&OpenBook>) {
        let Some(book) = book else { return };
        let asked = Asked {
            changes: book.changes(),
            sort: self.sort,
            is_reversed: self.is_reversed,
            term: self.list.search.text().to_owned(),
        };
        if self.arranged.asked.as_ref() == Some(&asked) {
            return;
        }
        let mut found: Vec<(usize, &Trade)> =
            book.found(&asked.term).into_iter().filter_map(|place| Some((place, book.get(place)?))).collect();
        if self.sort != OpenSort::Number {
            found.sort_by(|(_, a), (_, b)| self.sort.compare(a, b));
        }
        if self.is_reversed {
            found.reverse();
        }
        let (places, rows) = found.into_iter().map(|(place, trade)| (place, trade.id)).unzip();
        self.arranged = Arranged { asked: Some(asked), places, rows };
    }

    /// The trades that the search finds, in the order of the screen.
    #[must_use]
    pub fn rows(&self) -> &[TradeId] {
        &self.arranged.rows
    }

    /// The trade of a row.
    #[must_use]
    pub fn trade<'a>(&self, trades: &'a [Trade], row: usize) -> Option<&'a Trade> {
        trades.get(*self.arranged.places.get(row)?)
    }

    /// As many as a screen of some lines can show, from the first one on it.
    #[must_use]
    pub fn shown<'a>(&self, trades: &'a [Trade], lines: u16) -> Vec<&'a Trade> {
        let rows = self.list.top..self.list.top.saturating_add(usize::from(lines));
        rows.map_while(|row| self.trade(trades, row)).collect()
    }

    pub fn step(&mut self, step: Step) {
        self.list.step(&self.arranged.rows, step);
    }
}

/// The rows as they were last put in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Arranged {
    asked: Option<Asked>,
    places: Vec<usize>,
    rows: Vec<TradeId>,
}

/// What the order depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    changes: u64,
    sort: OpenSort,
    is_reversed: bool,
    term: String,
}
