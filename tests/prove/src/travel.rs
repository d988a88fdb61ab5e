//! The database goes back to an earlier state, as when a backup is brought back: what was sent in between is
//! at the broker and in no intent. The daemons are down for longer than a request may be under way.
//!
//! These worlds have one calendar day and lists that leave nothing out: an order that no list shows is
//! known to nobody.

use blotter_daemon::trades::rules::Rule;

use crate::broker::SimOrder;
use crate::faults::Class;
use crate::mutants::Mutant;
use crate::seed::STORMY;
use crate::world::{Event, World};

/// Rules that only such a world can miss.
pub const MUTANTS: &[Mutant] = &[lacking(&[Rule::TakesUpLost]), lacking(&[Rule::RestoredWaits])];

const fn lacking(without: &'static [Rule]) -> Mutant {
    Mutant { without, family: None, travels: true, from: 0, seeds: 200 }
}

/// Seconds that bringing a backup back takes at least.
const DOWN: u64 = 60;

/// The backup is taken at some moment and brought back at a later one.
pub fn schedule(world: &mut World) {
    // Whose stop was moved while nobody knew its order: no list tells it from a wish.
    world.streams.set_rate(Class::LegDies, 0);
    for class in [Class::EmptyList, Class::MissingOrder, Class::MissingTag, Class::RequestVeryLate, Class::ClockJump] {
        world.streams.set_rate(class, 0);
    }
    world.gaps.clear();
    let taken = world.streams.between(Class::Setup, 2, 200);
    let back = world.streams.between(Class::Setup, taken + 5, STORMY - DOWN - 60);
    world.later(taken * 1000, move |world| {
        let kept = world.store.clone();
        world.note(|| "a backup is taken".to_owned());
        world.later((back - taken) * 1000, move |world| travel(world, kept));
    });
}

fn travel(world: &mut World, kept: crate::store::SimStore) {
    let now = world.now;
    world.down_until = now + DOWN * 1000;
    // By then copies of the books have caught up: what neither they nor the backup know is known to nobody.
    world.broker.spell = None;
    for daemon in 0..world.processes.len() {
        let Some(process) = world.processes.get_mut(daemon) else { continue };
        process.alive = false;
        process.life += 1;
        (process.asleep, process.called, process.doomed) = (None, false, false);
        process.disturbed_at = now;
        let after = world.streams.between(Class::Delays, DOWN * 1000, DOWN * 1000 + 20_000);
        world.push(after, Event::Start { daemon });
    }
    let asked = world.store.book.trades.values().map(|trade| (trade.id(), trade.spec.quantity.get()));
    world.asked_before = asked.collect();
    // By then every request has arrived, and no daemon is up.
    world.later(DOWN * 1000 - 1, |world| world.broker.know_listed_epochs());
    let steps = std::mem::take(&mut world.store.steps);
    world.store = crate::store::SimStore { steps, ..kept };
    world.oracle.excuses.push("travel");
    world.oracle.count("travel");
    let lost = world.broker.orders.iter().filter(|order| order.own.is_some() && !has_intent(world, order));
    let lost = lost.filter(|order| !order.state.is_final()).count();
    if lost > 0 {
        world.oracle.count("travel-lost-orders");
    }
    world.note(|| format!("THE BACKUP IS BROUGHT BACK, it does not know {lost} orders that live"));
}

fn has_intent(world: &World, order: &SimOrder) -> bool {
    order.tag.as_deref().is_some_and(|tag| world.store.trade_of_tag(tag).is_some())
}

/// The daemons were down, and nobody could tell anybody anything.
#[must_use]
pub fn has_travelled(world: &World) -> bool {
    world.oracle.excuses.contains(&"travel")
}

/// An order that came to its end before the backup was brought back, with nothing to show for it, or of a
/// trade whose symbol another one has by now.
#[must_use]
pub fn is_forgotten(world: &World, order: &SimOrder) -> bool {
    let symbol = world.broker.contracts.get(order.symbol).map(|contract| contract.symbol.as_str());
    let mut live = world.store.book.live_trades().filter(|trade| Some(trade.spec.symbol.as_str()) == symbol);
    let waits = live.next().is_some();
    has_travelled(world) && order.state.is_final() && (order.executed() == 0 || waits)
}

/// I20: whenever something is sent, every order of ours that lives has its intent.
pub fn matched(world: &mut World) {
    let live = world.broker.orders.iter().filter(|order| order.own.is_some() && !order.state.is_final());
    let unmatched = live.filter(|order| !order.doomed && !has_intent(world, order)).map(|order| order.id).next();
    if let Some(id) = unmatched {
        world.oracle.violations.push(format!("I20 something is sent while the order {id} of ours has no intent"));
    }
}

/// At rest: the account sends again, and what it holds is some trade's, or a person is called.
pub fn last(world: &mut World) {
    if !has_travelled(world) || world.broker.wiped {
        return;
    }
    let book = &world.store.book;
    let mut broken = Vec::new();
    if let Some(reconciling) = book.account.reconciling.as_ref() {
        broken.push(format!("L5 the account is not reconciled at rest: {reconciling:?}"));
    }
    // What traded a moment ago is not known yet, as everywhere at rest.
    let quiet = !crate::oracle::is_settling(world);
    let held = world.broker.contracts.iter().enumerate().filter(|(_, contract)| quiet && contract.position > 0);
    for (at, contract) in held {
        // What a corporate action made of it, nobody ever bought.
        if !world.broker.orders.iter().any(|order| order.symbol == at && order.own.is_some()) {
            continue;
        }
        let trades = book.trades.values().filter(|trade| trade.spec.symbol.as_str() == contract.symbol);
        let held: i64 = trades.clone().map(|trade| trade.marks.held).sum();
        let called = trades.clone().any(|trade| {
            trade.marks.quarantine.is_some() || book.alarms.iter().any(|alarm| alarm.trade == Some(trade.id()))
        });
        let outside = contract.touched_outside.is_some();
        if held != contract.position && !called && !outside {
            broken.push(format!("L5 {} are held, the trades know of {held}", contract.position));
        }
    }
    world.oracle.violations.extend(broken);
}
