//! Entries are at most once: one intent for a trade, one send for an intent.

use blotter_shared::domain::{IntentRole, IntentState};

use super::super::facts::absence::since;
use super::super::facts::fold::View;
use super::super::facts::{Intent, Shape, Trade};
use super::super::rules::Rule;
use super::{Action, CancelCause, Place, Scene};

/// Seconds that two clocks of one installation may differ.
const CLOCK_STEP: f64 = 2.0;

/// An entry that is alive: send what is prepared, cut what is not wanted any more, or wait.
pub(super) fn next(trade: &Trade, entry: &Intent, view: &View, scene: &Scene) -> Option<Action> {
    match entry.state {
        IntentState::Prepared => send(trade, Some(entry), view, scene),
        IntentState::Working if view.seen.contains_key(&entry.id) => {
            let wanted = !trade.wish.is_flat() && !trade.wish.cut;
            let stays = wanted && !trade.is_ended() && !is_half_done(entry, scene);
            if stays { None } else { super::cancel(trade, entry, CancelCause::EntryRest, scene) }
        }
        IntentState::Working | IntentState::Sending | IntentState::Unknown | IntentState::Acked => None,
        IntentState::Filled
        | IntentState::Canceled
        | IntentState::Expired
        | IntentState::Rejected
        | IntentState::Void
        | IntentState::Absent
        | IntentState::Lost
        | IntentState::Done => None,
    }
}

/// It has filled in part and the rest takes too long: what is held cannot be protected until then. A
/// fill in the future was seen by a clock that has been set back: nobody knows how long it takes.
fn is_half_done(entry: &Intent, scene: &Scene) -> bool {
    let waited = entry.first_executed_at.map(|at| since(at, scene.now));
    scene.rules.has(Rule::PartialEntryIsCut)
        && waited.is_some_and(|waited| !(0.0..scene.timing.partial.as_secs_f64()).contains(&waited))
}

/// The one send, while it is still wanted and the account says what the ledger says.
pub(super) fn send(trade: &Trade, prepared: Option<&Intent>, view: &View, scene: &Scene) -> Option<Action> {
    // A command from the future means that the clock was set back: then nothing is known of its age.
    let age = since(trade.spec.asked_at, scene.now);
    let in_time =
        (-CLOCK_STEP..=scene.timing.entry_valid.as_secs_f64()).contains(&age) || !scene.rules.has(Rule::EntryDeadline);
    let agreed = view.ground.stable && view.position == 0 || !scene.rules.has(Rule::PlaceNeedsAgreement);
    if trade.wish.is_flat() || trade.wish.cut || !in_time || !agreed || !scene.session.open || scene.entries_wait {
        return None;
    }
    let shape = trade.spec.limit.map_or(Shape::BuyMarket, Shape::BuyLimit);
    let again = prepared.map(|intent| intent.id);
    Some(Action::Place(Place { role: IntentRole::Entry, shape, quantity: trade.spec.quantity, again }))
}
