//! What the Open pane remembers.

use std::cmp::Ordering;

use blotter_shared::domain::TradeId;
use blotter_shared::protocol::trades::Trade;

use crate::figures::pnl_pct;
use crate::panes::list::ListState;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenPane {
    pub list: ListState,
    pub sort: OpenSort,
    pub is_reversed: bool,
}

/// What open trades are sorted by; the number, which is the order of entry, decides between equals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenSort {
    #[default]
    Number,
    Symbol,
    Quantity,
    Entry,
    Mark,
    Pnl,
    PnlPct,
    DaysToExpiry,
    Age,
    State,
}

impl OpenSort {
    pub const ALL: &'static [Self] = &[
        Self::Number,
        Self::Symbol,
        Self::Quantity,
        Self::Entry,
        Self::Mark,
        Self::Pnl,
        Self::PnlPct,
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
            Self::Quantity => "QTY",
            Self::Entry => "ENTRY",
            Self::Mark => "MARK",
            Self::Pnl => "P&L $",
            Self::PnlPct => "P&L %",
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
            Self::Quantity => b.qty.cmp(&a.qty),
            Self::Entry => b.entry_price.cmp(&a.entry_price),
            Self::Mark => b.current_price.cmp(&a.current_price),
            Self::Pnl => b.unrealized_pnl.cmp(&a.unrealized_pnl),
            Self::PnlPct => pnl_pct(b).cmp(&pnl_pct(a)),
            Self::DaysToExpiry => a.contract.expiry.cmp(&b.contract.expiry),
            Self::Age => a.entry_date.cmp(&b.entry_date),
            Self::State => a.status.cmp(&b.status),
        }
    }
}

/// The open trades that the search finds, in the order of the screen.
#[must_use]
pub fn visible<'a>(pane: &OpenPane, trades: &'a [Trade]) -> Vec<&'a Trade> {
    let term = pane.list.search.text().to_lowercase();
    let mut found: Vec<&Trade> = trades.iter().filter(|trade| term.is_empty() || matches(trade, &term)).collect();
    if pane.sort != OpenSort::Number {
        found.sort_by(|a, b| pane.sort.compare(a, b));
    }
    if pane.is_reversed {
        found.reverse();
    }
    found
}

/// Their ids, in the order of the screen.
#[must_use]
pub fn rows(pane: &OpenPane, trades: &[Trade]) -> Vec<TradeId> {
    visible(pane, trades).into_iter().map(|trade| trade.id).collect()
}

fn matches(trade: &Trade, term: &str) -> bool {
    let contains = |text: &str| text.to_lowercase().contains(term);
    contains(&trade.ticker)
        || trade.strategy.as_deref().is_some_and(contains)
        || contains(&trade.number.to_string())
        || contains(trade.status.as_str())
}
