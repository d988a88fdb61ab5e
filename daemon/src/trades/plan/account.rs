//! Several trades in one pass (ruling 2): each has at most one action, the most urgent go first,
//! and no more are taken than the trading bucket allows.

use std::collections::BTreeMap;

use blotter_shared::domain::TradeId;

use super::super::facts::Book;
use super::super::facts::fold::View;
use super::super::rules::Rule;
use super::{Action, Priority, Scene};

/// Writes that entries leave alone, so that an exit never waits behind one.
const RESERVED_FOR_EXITS: u32 = 10;

/// The actions of one pass, most urgent first.
#[must_use]
pub fn pass(book: &Book, views: &BTreeMap<TradeId, View>, scene: &Scene, writes: u32) -> Vec<(TradeId, Action)> {
    let waits = book.account.reconciling.is_some() && scene.rules.has(Rule::RestoredWaits);
    let scene = Scene { halted: scene.halted || waits || book.account.halted.is_some(), ..*scene };
    let scene = Scene { entries_wait: scene.entries_wait || book.account.entries_stopped, ..scene };
    let scene = Scene { outage: book.account.outage, ..scene };
    let mut actions: Vec<(TradeId, Action)> = book
        .trades
        .iter()
        .filter_map(|(id, trade)| {
            let view = views.get(id)?;
            let scene = Scene { session: view.session, ..scene };
            let action = super::next(trade, view, &scene).or_else(|| super::first(trade, view, &scene))?;
            Some((*id, action))
        })
        .collect();
    actions.sort_by_key(|(id, action)| (action.priority(), *id));
    within(actions, writes)
}

fn within(actions: Vec<(TradeId, Action)>, writes: u32) -> Vec<(TradeId, Action)> {
    let mut left = writes;
    let fits = |(_, action): &(TradeId, Action)| {
        if !action.is_write() {
            return true;
        }
        let needed = if action.priority() == Priority::Entry { RESERVED_FOR_EXITS + 1 } else { 1 };
        if left < needed {
            return false;
        }
        left -= 1;
        true
    };
    actions.into_iter().filter(fits).collect()
}
