//! Exits are at least once, because the broker itself refuses to sell more than is held. One exit
//! is alive at a time: what works is cancelled, its end is seen in the list, what is still held is
//! counted again, and only then is the next one sent.

use std::time::Duration;

use blotter_shared::domain::{IntentRole, IntentState, Quantity};
use chrono::{DateTime, Utc};

use super::super::expiry::{self, Stage};
use super::super::facts::absence::since;
use super::super::facts::derive::is_as_wished;
use super::super::facts::fold::View;
use super::super::facts::{Fill, FlatCause, Intent, Outage, Shape, Standing, Trade};
use super::super::orphan::differs;
use super::super::ports::RefusalKind;
use super::super::pricing::{Fit, coarse, fit};
use super::super::rules::Rule;
use super::{Action, CancelCause, Place, Scene};

/// After so many refusals the bracket is asked for on a coarser grid.
const COARSE_AFTER: u32 = 2;

/// A position is held and its entry is done.
pub(super) fn next(trade: &Trade, view: &View, scene: &Scene) -> Option<Action> {
    let live: Vec<&Intent> = trade.live_exits().collect();
    match live.as_slice() {
        [] => place(trade, view, scene),
        [one] => keep_or_cancel(trade, one, view, scene),
        several => thin_out(trade, several, view, scene),
    }
}

/// The ledger and the account disagree, and a person wants out all the same: what both show is sold.
/// What works is cancelled for nothing else.
pub(super) fn in_quarantine(trade: &Trade, view: &View, scene: &Scene) -> Option<Action> {
    let ordered = trade.wish.flat == Some(FlatCause::User) && scene.session.open && view.ground.stable;
    if !ordered || view.available <= 0 {
        return None;
    }
    let mut live = trade.live_exits();
    match (live.next(), live.next()) {
        (None, _) if !pauses(trade, scene) && !trade.has_doubt() && !has_just_sold(trade, scene) => {
            sell(trade, view, scene)
        }
        (Some(exit), None) if exit.role == IntentRole::Bracket && view.seen.contains_key(&exit.id) => {
            super::cancel(trade, exit, CancelCause::ToClose, scene)
        }
        (_, _) => None,
    }
}

/// The position may be behind a sale of ours, and then agrees with the ledger by chance: behind the last part of it, which
/// may come a minute after the first.
fn has_just_sold(trade: &Trade, scene: &Scene) -> bool {
    let lag = scene.timing.ledger.as_secs_f64();
    let first = trade.exits().filter_map(|exit| exit.first_executed_at);
    let is_sale = |fill: &&Fill| trade.intent(fill.intent_id).is_some_and(Intent::is_exit);
    let sales = trade.fills.iter().filter(is_sale).map(|fill| fill.seen_at).chain(first);
    sales.max().is_some_and(|at| (0.0..lag).contains(&Outage::read_between(scene.outage, at, scene.now)))
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
    if exit.state != IntentState::Working || !view.seen.contains_key(&exit.id) || exit.role != IntentRole::Bracket {
        return None;
    }
    let open = scene.session.open || !scene.rules.has(Rule::ClosedMarketKeepsBracket);
    if !open || !may_sell(trade, view, scene) {
        return None;
    }
    if surplus(trade) > 0 {
        return super::cancel(trade, exit, CancelCause::ToClose, scene);
    }
    let standing = view.seen.get(&exit.id).filter(|_| scene.rules.has(Rule::CoverIsSeen));
    if standing == Some(&Standing::Hollow) {
        // It protects nothing: whatever the market says, it is in the way of one that does.
        return super::cancel(trade, exit, CancelCause::ToReplace, scene);
    }
    let wanted = trade.wish.shape();
    let fits = i64::from(exit.remaining()) == trade.marks.held || !scene.rules.has(Rule::ExitFitsPosition);
    if fits && is_as_wished(trade, exit) && standing != Some(&Standing::Bent) {
        return None;
    }
    match wanted.map_or(Fit::Valid, |shape| fit(shape, view.quote)) {
        Fit::Valid => super::cancel(trade, exit, CancelCause::ToReplace, scene),
        Fit::Breached | Fit::Blind if !scene.rules.has(Rule::ValidateBeforeCancel) => {
            super::cancel(trade, exit, CancelCause::ToReplace, scene)
        }
        // What is missing of what was wanted is put right when that is possible: no change waits.
        Fit::Breached | Fit::Blind if is_as_wished(trade, exit) => None,
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
    let other = trade.last_good().is_some_and(|good| differs(&good, &trade.wish));
    (late && other).then_some(Action::Revert)
}

/// More than one exit is alive: one arrived late. The one that is wanted stays, but nothing that works
/// is given up for one that nobody has seen work.
fn thin_out(trade: &Trade, live: &[&Intent], view: &View, scene: &Scene) -> Option<Action> {
    let wanted = |exit: &&&Intent| {
        let shape = exit.order().map(|order| order.shape);
        if trade.wish.is_flat() { shape == Some(Shape::SellMarket) } else { shape == trade.wish.shape() }
    };
    let works = |exit: &&&Intent| exit.state == IntentState::Working && view.seen.contains_key(&exit.id);
    let working = || live.iter().filter(works);
    let best = working().filter(wanted).max_by_key(|exit| exit.attempt).or(working().next())?;
    let spare = working().find(|exit| exit.id != best.id)?;
    if scene.rules.has(Rule::OrphanGuard) { super::cancel(trade, spare, CancelCause::Orphan, scene) } else { None }
}

/// Nothing is alive: sell what is to go, then protect what is kept.
fn place(trade: &Trade, view: &View, scene: &Scene) -> Option<Action> {
    let stage = expiry::stage(&trade.spec.contract, &scene.session, scene.now);
    if stage == Stage::AwaitsSettlement || !may_sell(trade, view, scene) || pauses(trade, scene) {
        return None;
    }
    if !scene.session.open {
        return by_night(trade, view);
    }
    let absorbed = scene.rules.has(Rule::FlatAbsorbs) || !trade.wish.is_flat();
    if surplus(trade) > 0 && absorbed { sell(trade, view, scene) } else { protect(trade, view, scene) }
}

/// A position that lost its bracket, or never had one, after the close: a bracket that is good till
/// cancelled is offered at once and works from the first second of the open. Nothing is sold and no
/// wish is changed by prices of the night.
fn by_night(trade: &Trade, view: &View) -> Option<Action> {
    let shape = trade.wish.shape().filter(|shape| !trade.wish.is_flat() && fit(*shape, view.quote) != Fit::Breached)?;
    let quantity = quantity(trade.marks.held)?;
    Some(Action::Place(Place { role: IntentRole::Bracket, shape, quantity, again: None }))
}

fn sell(trade: &Trade, view: &View, scene: &Scene) -> Option<Action> {
    let wanted =
        if scene.rules.has(Rule::PlaceNeedsAgreement) { surplus(trade).min(view.available) } else { surplus(trade) };
    let quantity = quantity(wanted)?;
    let role = match trade.wish.flat {
        Some(FlatCause::StopBreached | FlatCause::CannotProtect) => IntentRole::Emergency,
        Some(FlatCause::User) | None => IntentRole::Close,
    };
    Some(Action::Place(Place { role, shape: Shape::SellMarket, quantity, again: None }))
}

fn protect(trade: &Trade, view: &View, scene: &Scene) -> Option<Action> {
    let shape = trade.wish.shape()?;
    let good = trade.marks.good.filter(|good| differs(good, &trade.wish));
    let no = refusals(trade, shape, scene);
    // The position is bare for as long as something else is tried: what is known to be taken comes first.
    if no.count > 0 && good.is_some() {
        return Some(Action::Revert);
    }
    if let Some(out) = give_up(trade, view).filter(|_| no.is_final(scene)) {
        return Some(out);
    }
    match fit(shape, view.quote) {
        Fit::Valid | Fit::Blind => {
            let shape = if no.count >= COARSE_AFTER { coarse(shape) } else { shape };
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

/// The broker refuses every bracket, and there is none to go back to: out, where there is a market to get out in. Who
/// wants no stop stays in; and whoever stays in goes on asking.
fn give_up(trade: &Trade, view: &View) -> Option<Action> {
    let market = view.quote.is_some_and(|quote| quote.bid.is_some());
    (market && trade.wish.stop.is_some()).then_some(Action::Flatten(FlatCause::CannotProtect))
}

/// Refusals of a bracket that say something about it, in this session.
struct Refusals {
    count: u32,
    first_at: Option<DateTime<Utc>>,
}

impl Refusals {
    /// They are enough, and they have gone on for long enough.
    fn is_final(&self, scene: &Scene) -> bool {
        let lasts = self.first_at.is_some_and(|at| since(at, scene.now) >= scene.timing.refusal_span.as_secs_f64());
        self.count >= scene.timing.refusals && (lasts || !scene.rules.has(Rule::RefusalsNeedPatience))
    }
}

/// Those of the bracket that is wanted now: one that was given up has left its refusals behind.
fn refusals(trade: &Trade, wanted: Shape, scene: &Scene) -> Refusals {
    let patient = scene.rules.has(Rule::RefusalsNeedPatience);
    let about = |exit: &&Intent| exit.refused.is_none_or(RefusalKind::is_about_the_order) || !patient;
    let sent_here = |exit: &Intent| exit.sent_at.filter(|at| *at >= scene.session.opens);
    let same = |exit: &&Intent| exit.order().is_some_and(|order| coarse(order.shape) == coarse(wanted));
    let hard: Vec<DateTime<Utc>> = refused_exits(trade).take_while(same).filter(about).filter_map(sent_here).collect();
    Refusals { count: u32::try_from(hard.len()).unwrap_or(u32::MAX), first_at: hard.last().copied() }
}

/// Exits that were refused one after the other under the wish as it is, the newest first.
fn refused_exits(trade: &Trade) -> impl Iterator<Item = &Intent> {
    trade.exits().rev().take_while(|exit| is_refused(exit) && exit.version == trade.wish.version)
}

/// How many exits were refused one after the other under the wish as it is.
#[must_use]
pub fn refused_in_a_row(trade: &Trade) -> u32 {
    u32::try_from(refused_exits(trade).count()).unwrap_or(u32::MAX)
}

/// The broker said no to it, or kept a part of it that protects nothing.
fn is_refused(exit: &Intent) -> bool {
    let parted = exit.state == IntentState::Canceled && exit.refusal.is_some();
    (exit.state == IntentState::Rejected || parted) && exit.executed == 0
}

/// After a refusal the next attempt waits longer each time: a ledger that lags catches up. By night
/// nothing changes for hours; the open begins anew.
fn pauses(trade: &Trade, scene: &Scene) -> bool {
    let Some(last) = trade.exits().next_back().filter(|exit| is_refused(exit)) else { return false };
    let count = refused_in_a_row(trade);
    let doubled = Duration::from_secs(1 << count.clamp(1, 6)).min(scene.timing.refusal_pause);
    let pause = if scene.session.open || count < 3 { doubled } else { scene.timing.night_pause };
    let before = |at: DateTime<Utc>| scene.session.open && at < scene.session.opens;
    // A clock that was set back has not waited for ever: it does not wait at all.
    last.sent_at.is_some_and(|at| !before(at) && (0.0..pause.as_secs_f64()).contains(&since(at, scene.now)))
}

fn quantity(contracts: i64) -> Option<Quantity> {
    u32::try_from(contracts).ok().and_then(|count| Quantity::new(count).ok())
}
