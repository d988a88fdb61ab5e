//! Reading the cut: orders to the last page, positions, orders again. One of these fails and there is
//! no cut; nothing is ever decided on half of one. Quotes and the lists of earlier days are extras:
//! without them less can be decided, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use blotter_shared::domain::{Cash, IntentState};

use super::super::facts::{Book, Intent, Trade};
use super::super::ports::{
    BrokerOrder, BrokerPort, Clock, Lookup, OrderId, Position, Quote, ReadFailure, Sessions, Store, Symbol,
};
use super::super::rules::Rule;
use super::super::snapshot::Snapshot;
use super::Engine;
use super::blind::NoCut;

/// More pages than any account has; the list then has no end.
const PAGES: u32 = 400;
/// Orders asked for by number in one pass.
const LOOKUPS: usize = 4;

impl<S: Store, B: BrokerPort, C: Clock, T: Sessions> Engine<S, B, C, T> {
    pub(super) async fn read(&mut self, book: &Book, begun: Duration) -> Result<Snapshot, NoCut> {
        match self.cut(book, begun).await {
            Err(_) if !self.settings.rules.has(Rule::SilenceIsNoEvidence) => Ok(self.nothing(book)),
            answer => answer,
        }
    }

    async fn cut(&mut self, book: &Book, begun: Duration) -> Result<Snapshot, NoCut> {
        self.cut_reads = 0;
        let before = self.orders(begun).await?;
        self.cut_reads += 1;
        self.is_in_time(begun)?;
        let positions = self.ports.broker.positions().await?;
        let at = self.ports.clock.now();
        self.is_in_time(begun)?;
        let orders = self.orders(begun).await?;
        self.is_in_time(begun)?;
        let symbols: BTreeSet<Symbol> = book.live_trades().map(|trade| trade.spec.symbol.clone()).collect();
        let symbols: Vec<Symbol> = symbols.into_iter().collect();
        self.cut_reads += u32::from(!symbols.is_empty());
        let quotes = self.quotes(&symbols).await;
        let session = self.ports.sessions.at(at);
        self.is_in_time(begun)?;
        let lookups = self.lookups(book, &orders, begun).await?;
        self.is_in_time(begun)?;
        let history = self.history(book, session.date, begun).await;
        self.is_in_time(begun)?;
        let equity = self.equity(book, &orders, &positions).await?;
        Ok(Snapshot { mode: book.mode, at, session, before, orders, positions, quotes, lookups, history, equity })
    }

    /// A pass that is too old decides nothing, so the rest of its cut is not read either.
    pub(super) fn is_in_time(&self, begun: Duration) -> Result<(), NoCut> {
        let late = self.ports.clock.boot().saturating_sub(begun) > self.settings.timing.pass;
        if late { Err(NoCut::TooSlow) } else { Ok(()) }
    }

    /// What the mutant makes of a read that failed.
    fn nothing(&self, book: &Book) -> Snapshot {
        let at = self.ports.clock.now();
        Snapshot {
            mode: book.mode,
            at,
            session: self.ports.sessions.at(at),
            before: Vec::new(),
            orders: Vec::new(),
            positions: Vec::new(),
            quotes: BTreeMap::new(),
            lookups: BTreeMap::new(),
            history: BTreeMap::new(),
            equity: None,
        }
    }

    /// All pages. A page without anything new ends it, whatever the broker says about more.
    async fn orders(&mut self, begun: Duration) -> Result<Vec<BrokerOrder>, NoCut> {
        let mut all: Vec<BrokerOrder> = Vec::new();
        let mut known = BTreeSet::new();
        for page in 1..=PAGES {
            self.cut_reads += 1;
            let answer = self.ports.broker.orders(page).await?;
            let before = known.len();
            all.extend(answer.orders.into_iter().filter(|order| known.insert(order.id)));
            let last = !answer.more || known.len() == before || !self.settings.rules.has(Rule::AllPages);
            if last {
                return Ok(all);
            }
            self.is_in_time(begun)?;
        }
        Err(NoCut::Unread(ReadFailure::Unavailable("the list of orders has no end".to_owned())))
    }

    /// Prices as far as they are to be had. A market that cannot be seen is no reason to leave a
    /// position alone: what needs a price waits for one, the rest is decided without.
    async fn quotes(&self, symbols: &[Symbol]) -> BTreeMap<Symbol, Quote> {
        if symbols.is_empty() { BTreeMap::new() } else { self.ports.broker.quotes(symbols).await.unwrap_or_default() }
    }

    /// Asks by number for orders that should be in the list and were not, several reads in a row.
    async fn lookups(
        &mut self,
        book: &Book,
        shown: &[BrokerOrder],
        begun: Duration,
    ) -> Result<BTreeMap<OrderId, Lookup>, NoCut> {
        let enough = self.settings.timing.missing_reads.saturating_sub(1);
        // A position that differs makes it urgent: the order may have filled. One that is being cancelled has come to its
        // end, most likely: of an earlier day's, no list of today shows it.
        let patience = |trade: &Trade, intent: &Intent| {
            let urgent = trade.marks.mismatch.is_some() || trade.cancel_of(intent.id).is_some();
            if urgent { 1 } else { enough }
        };
        let missing: Vec<OrderId> = book
            .trades
            .values()
            .flat_map(|trade| trade.intents.iter().map(move |intent| (intent, patience(trade, intent))))
            .filter(|(intent, _)| matches!(intent.state, IntentState::Acked | IntentState::Working))
            .filter(|(intent, patience)| intent.missing_reads >= *patience)
            .filter_map(|(intent, _)| intent.broker_id)
            .filter(|id| !shown.iter().any(|order| order.id == *id))
            .take(LOOKUPS)
            .collect();
        let mut found = BTreeMap::new();
        for id in missing {
            self.is_in_time(begun)?;
            self.cut_reads += 1;
            found.insert(id, self.ports.broker.order(id).await?);
        }
        Ok(found)
    }

    /// Only an account that looks empty is asked what it is worth.
    async fn equity(
        &mut self,
        book: &Book,
        orders: &[BrokerOrder],
        positions: &[Position],
    ) -> Result<Option<Cash>, ReadFailure> {
        let empty = orders.is_empty() && positions.is_empty();
        let suspicious =
            empty && book.live_trades().any(|trade| trade.intents.iter().any(|intent| intent.broker_id.is_some()));
        if !suspicious {
            return Ok(None);
        }
        // Counted like the rest: a cut that is begun with one call too few fails at its end, and the next one like it.
        self.cut_reads += 1;
        self.ports.broker.equity().await.map(Some)
    }
}
