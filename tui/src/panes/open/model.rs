//! What the Open pane remembers.

use blotter_shared::domain::TradeId;
use blotter_shared::protocol::trades::Trade;

use crate::panes::list::ListState;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenPane {
    pub list: ListState,
}

/// The open trades that the search finds.
#[must_use]
pub fn visible<'a>(pane: &OpenPane, trades: &'a [Trade]) -> Vec<&'a Trade> {
    let term = pane.list.search.text().to_lowercase();
    trades.iter().filter(|trade| term.is_empty() || matches(trade, &term)).collect()
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
