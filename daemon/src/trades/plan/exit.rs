//! Exits are at least once, because the broker itself refuses to sell more than is held. One exit
//! is alive at a time: what works is cancelled, its end is seen in the list, what is still held is
//! counted again, and only then is the next one sent.

use std::time::Duration;

use blotter_shared::domain::{IntentRole, IntentState, Quantity};

use super::super::expiry::{self, Stage};
use super::super::facts::absence::since;
use super::super::facts::fold::View;
use super::super::facts::{FlatCause, Intent, Shape, Trade};
use super::super::pricing::{Fit, fit};
use super::super::rules::Rule;
use super::{Action, CancelCause, Place, Scene};

/// A position is held and its entry is done.
pub(super) fn next(trade: &Trade, view: &View, scene: &Scene) -> Option<Action> {
    let live: Vec<&Intent> = trade.live_exits().collect();
    match live.as_slice() {
        [] => place(trade, view, scene),
        [one] => keep_or_cancel(trade, one, view, scene),
        several => thin_out(trade, several, view, scene),
    }
}

/// Contracts that are to go: everything, or what is above the quantity that is kept.
fn surplus(trade: &Trade) -> i64 {
    if trade.wish.is_flat() { trade.marks.held } else { (trade.marks.held - i64::from(trade.wish.keep)).max(0) }
}

/// Ledger and position agree and nobody else has sold them: only then may something be sold, and
/// only then is something that works taken away.
fn may_sell(trade: &Trade, view: &View, scene: &Scene) -> bool {
    let agrees = view.ground.stable && view.ground.agrees && view.available >= trade.marks.held;
    agrees || !scene.rules.has(Rule::PlaceNeedsAgreement)
}

/// One exit is alive. It stays when it is what is wanted; it goes when something else is wanted,
/// can be had, and the market is open to have it in.
fn keep_or_cancel(trade: &Trade, exit: &Intent, view: &View, scene: &Scene) -> Option<Action> {
    if is_hasty(trade, exit, scene) {
        return sell(trade, view, scene);
    }
    if exit.state != IntentState::Working || !view.seen.contains(&exit.id) || exit.role != IntentRole::Bracket {
        return None;
    }
    let open = scene.session.open || !scene.rules.has(Rule::ClosedMarketKeepsBracket);
    if !open || !may_sell(trade, view, scene) {
        return None;
    }
    if surplus(trade) > 0 {
        return super::cancel(trade, exit, CancelCause::ToClose, scene);
    }
    let wanted = trade.wish.shape();
    let fits = i64::from(exit.remaining()) == trade.marks.held || !scene.rules.has(Rule::ExitFitsPosition);
    let shape = exit.order().map(|order| order.shape);
    if fits && shape == wanted {
        return None;
    }
    match wanted.map_or(Fit::Valid, |shape| fit(shape, view.quote)) {
        Fit::Valid => super::cancel(trade, exit, CancelCause::ToReplace, scene),
        Fit::Breached | Fit::Blind if !scene.rules.has(Rule::ValidateBeforeCancel) => {
            super::cancel(trade, exit, CancelCause::ToReplace, scene)
        }
        Fit::Breached | Fit::Blind => dropped(trade, scene),
    }
}

/// The mutant without the wait sells beside a bracket that still works.
fn is_hasty(trade: &Trade, exit: &Intent, scene: &Scene) -> bool {
    !scene.rules.has(Rule::CloseWaitsForFinal)
        && exit.role == IntentRole::Bracket
        && trade.cancel_of(exit.id).is_some()
        && surplus(trade) > 0
}

/// A change of the bracket that did not become possible in time is given up (A1): a wish that
/// waits would fire as a surprise. One that has lost its deadline, by a close that was taken back, has
/// no time left.
fn dropped(trade: &Trade, scene: &Scene) -> Option<Action> {
    let late = trade.wish.until.is_none_or(|until| scene.now > until);
    (late && trade.marks.good.is_some()).then_some(Action::Revert)
}

/// More than one exit is alive: one arrived late. The one that is wanted stays, but nothing that works
/// is given up for one that nobody has seen work.
fn thin_out(trade: &Trade, live: &[&Intent], view: &View, scene: &Scene) -> Option<Action> {
    let wanted = |exit: &&&Intent| {
        let shape = exit.order().map(|order| order.shape);
        if trade.wish.is_flat() { shape == Some(Shape::SellMarket) } else { shape == trade.wish.shape() }
    };
    let works = |exit: &&&Intent| exit.state == IntentState::Working && view.seen.contains(&exit.id);
    let working = || live.iter().filter(works);
    let best = working().filter(wanted).max_by_key(|exit| exit.attempt).or(working().next())?;
    let spare = working().find(|exit| exit.id != best.id)?;
    if scene.rules.has(Rule::OrphanGuard) { super::cancel(trade, spare, CancelCause::Orphan, scene) } else { None }
}

/// Nothing is alive: sell what is to go, then protect what is kept.
fn place(trade: &Trade, view: &View, scene: &Scene) -> Option<Action> {
    let stage = expiry::stage(trade.spec.contract.expiry, &scene.session, scene.now);
    if !scene.session.open || stage == Stage::AwaitsSettlement || !may_sell(trade, view, scene) || pauses(trade, scene)
    {
        return None;
    }
    let absorbed = scene.rules.has(Rule::FlatAbsorbs) || !trade.wish.is_flat();
    if surplus(trade) > 0 && absorbed { sell(trade, view, scene) } else { protect(trade, view, scene) }
}

fn sell(trade: &Trade, view: &View, scene: &Scene) -> Option<Action> {
    let wanted =
        if scene.rules.has(Rule::PlaceNeedsAgreement) { surplus(trade).min(view.available) } else { surplus(trade) };
    let quantity = quantity(wanted)?;
    let role = match trade.wish.flat {
        Some(FlatCause::StopBreached | FlatCause::CannotProtect) => IntentRole::Emergency,
        Some(FlatCause::User | FlatCause::Expiry) | None => IntentRole::Close,
    };
    Some(Action::Place(Place { role, shape: Shape::SellMarket, quantity, again: None }))
}

fn protect(trade: &Trade, view: &View, scene: &Scene) -> Option<Action> {
    let shape = trade.wish.shape()?;
    let good = trade.marks.good.filter(|good| super::super::orphan::differs(good, &trade.wish));
    if refused_in_a_row(trade) >= scene.timing.refusals {
        return give_up(trade, view, good.is_some());
    }
    match fit(shape, view.quote) {
        Fit::Valid | Fit::Blind => {
            let quantity = quantity(trade.marks.held)?;
            Some(Action::Place(Place { role: IntentRole::Bracket, shape, quantity, again: None }))
        }
        Fit::Breached if good.is_some() => Some(Action::Revert),
        Fit::Breached if trade.marks.breaches >= scene.timing.breach_reads => {
            Some(Action::Flatten(FlatCause::StopBreached))
        }
        Fit::Breached => None,
    }
}

/// The broker refuses every bracket: back to the one that worked, else out, where there is a
/// market to get out in.
fn give_up(trade: &Trade, view: &View, has_good: bool) -> Option<Action> {
    if has_good {
        return Some(Action::Revert);
    }
    let market = view.quote.is_some_and(|quote| quote.bid.is_some());
    (market && trade.wish.stop.is_some()).then_some(Action::Flatten(FlatCause::CannotProtect))
}

/// Exits that were refused one after the other for the wish as it is.
#[must_use]
pub fn refused_in_a_row(trade: &Trade) -> u32 {
    let refused = trade.exits().rev().take_while(|exit| {
        exit.state == IntentState::Rejected && exit.executed == 0 && exit.version == trade.wish.version
    });
    u32::try_from(refused.count()).unwrap_or(u32::MAX)
}

/// After a refusal the next attempt waits longer each time: a ledger that lags catches up.
fn pauses(trade: &Trade, scene: &Scene) -> bool {
    let Some(last) = trade.exits().next_back().filter(|exit| exit.state == IntentState::Rejected) else { return false };
    let doubled = Duration::from_secs(1 << refused_in_a_row(trade).clamp(1, 6));
    let pause = doubled.min(scene.timing.refusal_pause).as_secs_f64();
    last.sent_at.is_some_and(|at| since(at, scene.now) < pause)
}

fn quantity(contracts: i64) -> Option<Quantity> {
    u32::try_from(contracts).ok().and_then(|count| Quantity::new(count).ok())
}
