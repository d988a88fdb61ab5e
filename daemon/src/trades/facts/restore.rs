//! A restored database is older than the broker. It is known by an order of ours that no intent
//! knows, or whose epoch is newer than any that the database gave out: everything that was ever
//! sent was durable first. (The epoch alone does not suffice: a daemon may run for weeks under one.)
//!
//! From then on the account only reconciles. Nothing is sent, exits neither; lost orders are taken
//! up (`readopt`); epochs begin anew, far above all that were seen. It ends after as many clean
//! cuts as a differing position needs to be believed, in which every order of ours that lives has its
//! intent and every live trade agrees with its position or is in quarantine.
//!
//! Taking up has no mode: it happens on each fold, and the mode follows from it.

use std::collections::{BTreeMap, BTreeSet};

use blotter_shared::domain::{IntentState, TradeId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::ports::{BrokerOrder, OrderId};
use super::super::rules::Rule;
use super::super::snapshot::Snapshot;
use super::super::tag::{Epoch, Installation};
use super::absence::since;
use super::apply::was_sent;
use super::fold::{Context, View, fold, own_tag};
use super::intent::Intent;
use super::readopt::{TakenUp, take_up};
use super::trade::{Agreement, Marks, Trade};
use super::{Book, Change};

/// Epochs begin anew this far above the newest that was seen.
const EPOCH_STEP: i64 = 1_000_000;
/// No installation ever gets here: what claims more is no epoch of ours.
const EPOCH_MOST: i64 = 1 << 50;

/// Of a trade: orders that were taken up by their tags, for its story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    pub at: DateTime<Utc>,
    pub orders: Vec<OrderId>,
}

/// Of an account: its database was brought back from a backup, and nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciling {
    pub since: DateTime<Utc>,
    /// Epochs begin above it.
    pub base: i64,
    /// Clean cuts in a row in which everything had its place.
    pub agreed: Option<Agreement>,
}

/// Tags of this installation in the list that no intent of the book has. Whoever asks looks them up
/// where ended trades and other users' trades are kept, too.
#[must_use]
pub fn strangers(book: &Book, snapshot: &Snapshot, installation: Installation) -> BTreeSet<String> {
    let known = known_tags(book);
    let ours = both(snapshot).filter(|order| own_tag(order, installation).is_some());
    ours.filter_map(|order| order.tag.clone()).filter(|tag| !known.contains(tag.as_str())).collect()
}

/// Both lists of a cut: what one of them leaves out is not gone.
fn both(snapshot: &Snapshot) -> impl Iterator<Item = &BrokerOrder> {
    snapshot.before.iter().chain(&snapshot.orders)
}

/// Folds a cut, with the orders of ours that the database does not know.
#[must_use]
pub fn folded(
    book: &mut Book,
    snapshot: &Snapshot,
    lost: &BTreeSet<String>,
    context: &Context<'_>,
) -> BTreeMap<TradeId, View> {
    let takes = context.rules.has(Rule::TakesUpLost);
    let taken = if takes { take_up(book, snapshot, lost, context) } else { TakenUp::default() };
    let mut views = fold(book, snapshot, context);
    let kept = retract(book, &mut views, &taken);
    let cut = Cut { snapshot, lost, news: kept };
    settle(book, &views, &cut, context);
    views
}

/// A cut as the end of the reconciling is judged by it.
struct Cut<'a> {
    snapshot: &'a Snapshot,
    lost: &'a BTreeSet<String>,
    /// Something was taken up just now.
    news: bool,
}

/// A trade that is taken up while another one still has its symbol waits for that one's end, and of
/// two that are taken up the older one goes first; whether anything that was taken up stays.
fn retract(book: &mut Book, views: &mut BTreeMap<TradeId, View>, taken: &TakenUp) -> bool {
    let mut orders = taken.orders;
    for id in &taken.begun {
        let Some(trade) = book.trades.get(id).filter(|trade| !trade.is_ended()) else { continue };
        let first = |other: &Trade| other.id() < *id || !taken.begun.contains(&other.id());
        let others = book.live_trades().filter(|other| other.id() != *id && first(other));
        if !others.map(|other| &other.spec.symbol).any(|symbol| *symbol == trade.spec.symbol) {
            continue;
        }
        orders = orders.saturating_sub(trade.intents.len());
        book.trades.remove(id);
        views.remove(id);
    }
    orders > 0
}

/// Whether the account is reconciled, and for how long it has been.
fn settle(book: &mut Book, views: &BTreeMap<TradeId, View>, cut: &Cut<'_>, context: &Context<'_>) {
    let newest = newest_epoch(book, cut, context);
    let unmatched = unmatched(book, cut);
    let older = cut.news || unmatched || newest > context.epoch;
    if book.account.reconciling.is_none() && !older {
        return;
    }
    let floor = newest.max(context.epoch).0.saturating_add(EPOCH_STEP);
    let known = book.account.reconciling.take();
    let mut state = known.unwrap_or(Reconciling { since: context.now, base: floor, agreed: None });
    if newest.0 > state.base {
        state.base = floor;
    }
    let clean = !older && context.epoch.0 > state.base && book.live_trades().all(|trade| has_its_place(trade, views));
    let agreed = state.agreed.unwrap_or(Agreement { reads: 0, since: context.now });
    state.agreed = clean.then_some(Agreement { reads: agreed.reads.saturating_add(1), ..agreed });
    let over = state.agreed.is_some_and(|agreed| is_enough(agreed, context));
    book.account.reconciling = (!over).then_some(state);
}

/// As many reads over as long a time as a differing position needs to be believed.
pub(super) fn is_enough(agreed: Agreement, context: &Context<'_>) -> bool {
    let timing = &context.timing;
    agreed.reads >= timing.mismatch_reads && since(agreed.since, context.now) >= timing.mismatch.as_secs_f64()
}

/// Nothing is known of the trade that this cut does not show as well, or a person has been called.
pub(super) fn has_its_place(trade: &Trade, views: &BTreeMap<TradeId, View>) -> bool {
    views
        .get(&trade.id())
        .is_some_and(|view| view.ground.is_clean() && (view.ground.agrees || trade.marks.quarantine.is_some()))
}

fn known_tags(book: &Book) -> BTreeSet<&str> {
    let intents = book.trades.values().flat_map(|trade| &trade.intents);
    intents.filter_map(Intent::order).map(|order| order.tag.as_str()).collect()
}

/// Orders of ours that live, or have traded, and still have no intent. What is over waits where another
/// trade has the symbol by now: whether it left anything is seen in that trade's position.
fn unmatched(book: &Book, cut: &Cut<'_>) -> bool {
    let known = known_tags(book);
    let lost = |order: &&BrokerOrder| {
        order.tag.as_ref().is_some_and(|tag| cut.lost.contains(tag) && !known.contains(tag.as_str()))
    };
    let waits = |order: &BrokerOrder| book.live_trades().any(|trade| trade.spec.symbol == order.symbol);
    let matters = |order: &BrokerOrder| !order.state.is_final() || (order.executed() > 0 && !waits(order));
    both(cut.snapshot).filter(lost).any(matters)
}

/// Of this account's own orders, those that were lost among them: another user's epochs are counted by
/// themselves, also where two share an account at the broker.
fn newest_epoch(book: &Book, cut: &Cut<'_>, context: &Context<'_>) -> Epoch {
    let known = known_tags(book);
    let own =
        |order: &&BrokerOrder| order.tag.as_deref().is_some_and(|tag| known.contains(tag) || cut.lost.contains(tag));
    let tags = both(cut.snapshot).filter(own).filter_map(|order| own_tag(order, context.installation));
    tags.map(|tag| tag.epoch).filter(|epoch| epoch.0 < EPOCH_MOST).max().unwrap_or_default()
}

/// What a person is told while it lasts.
pub(super) fn sentence(book: &Book) -> Option<String> {
    book.account.reconciling.as_ref()?;
    let text = "the database is older than the broker: a backup was brought back. Nothing is sent for this account, \
                exits neither, until every order of ours there is matched and the positions agree. Until then act in \
                the broker's own screen";
    Some(text.to_owned())
}

/// A trade that was taken up and whose stop nobody knows any more: the tag does not tell it.
#[must_use]
pub fn without_a_stop(trade: &Trade) -> Option<String> {
    let entry = trade.marks.restored.is_some() && trade.spec.initial_stop.is_none() && !trade.is_ended();
    let bare = entry && trade.wish.stop.is_none() && !trade.wish.is_flat();
    bare.then(|| {
        format!(
            "{} was taken up from the broker after a backup was brought back, and nobody knows its stop: give it one",
            trade.spec.symbol
        )
    })
}

/// How a trade that is new to the book becomes durable: it begins bare, like any other, and its
/// intents, fills and marks follow in the same commit.
#[must_use]
pub fn beginning(trade: &Trade) -> Vec<Change> {
    if trade.intents.is_empty() {
        return vec![Change::Begin(Box::new(trade.clone()))];
    }
    let known = Marks { adopted: trade.marks.adopted, adopted_value: trade.marks.adopted_value, ..Marks::new() };
    let bare = Trade { marks: known, intents: Vec::new(), fills: Vec::new(), ..trade.clone() };
    let mut changes = vec![Change::Begin(Box::new(bare))];
    let mut intents: Vec<&Intent> = trade.intents.iter().collect();
    intents.sort_by_key(|intent| intent.is_live());
    changes.extend(intents.into_iter().flat_map(walk));
    changes.extend(trade.fills.iter().map(|fill| Change::Fill(fill.clone())));
    changes.push(Change::Marks { trade: trade.id(), becomes: Box::new(trade.marks.clone()) });
    changes
}

/// An intent that is new to the book, in legal steps: it was sent, and what is known of it follows.
pub fn walk(intent: &Intent) -> Vec<Change> {
    let last = Change::Intent(Box::new(intent.clone()));
    if intent.state == IntentState::Sending || !was_sent(intent.state) {
        return vec![last];
    }
    vec![Change::Intent(Box::new(intent.at_the_gate())), last]
}
