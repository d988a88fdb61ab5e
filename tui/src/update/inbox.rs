//! What keys make of the inbox: an alarm is seen off, gone to, or taken as the word about a position that nobody
//! looks after.

use blotter_shared::protocol::alarms::Alarm;

use super::keys::refusal_of_actions;
use super::orders::ask;
use crate::client::orders::Ask;
use crate::effect::Effect;
use crate::model::Model;
use crate::overlays::Overlay;
use crate::overlays::messages::{Inbox, count};
use crate::overlays::notices::Level;
use crate::panes::Pane;
use crate::panes::list::Step;

/// The alarm that is selected, while the inbox is on top.
#[must_use]
pub fn selected(model: &Model) -> Option<&Alarm> {
    match model.overlays.last() {
        Some(Overlay::Messages(inbox)) => inbox.selected(&model.data.alarms),
        Some(_) | None => None,
    }
}

fn change(model: &mut Model, act: impl FnOnce(&mut Inbox, &[Alarm], usize)) {
    let count = count(model);
    let found = model.overlays.iter_mut().find_map(|overlay| match overlay {
        Overlay::Messages(inbox) => Some(inbox),
        Overlay::Help { .. }
        | Overlay::Settings(_)
        | Overlay::Confirm(_)
        | Overlay::Export(_)
        | Overlay::Palette(_)
        | Overlay::Form(_)
        | Overlay::Token(_)
        | Overlay::Chain(_)
        | Overlay::Figures { .. }
        | Overlay::Story(_) => None,
    });
    if let Some(inbox) = found {
        act(inbox, &model.data.alarms, count);
    }
}

pub(super) fn step(model: &mut Model, step: Step) {
    change(model, |inbox, alarms, count| inbox.step(alarms, count, step));
}

/// Keeps the selection on its alarm after any change.
pub(super) fn settle(model: &mut Model) {
    change(model, Inbox::hold_on);
}

/// Somebody has seen the selected alarm.
pub(super) fn ack_one(model: &mut Model) -> Vec<Effect> {
    let Some(alarm) = selected(model) else { return vec![] };
    let id = alarm.id;
    if alarm.acked_at.is_some() || model.pending.acks(id) {
        return vec![];
    }
    if let Some(words) = refusal_of_actions(model) {
        model.notices.say(model.now, Level::Warn, words);
        return vec![];
    }
    ask(model, Ask::Ack(id))
}

/// Somebody has seen all of them, whatever pane is shown.
pub(super) fn ack_all(model: &mut Model) -> Vec<Effect> {
    if let Some(words) = refusal_of_actions(model) {
        model.notices.say(model.now, Level::Warn, words);
        return vec![];
    }
    let is_new = |alarm: &&Alarm| alarm.acked_at.is_none() && !model.pending.acks(alarm.id);
    let open: Vec<_> = model.data.alarms.iter().filter(is_new).map(|alarm| alarm.id).collect();
    if open.is_empty() {
        model.notices.say(model.now, Level::Info, "No alarm waits for you.");
    }
    open.into_iter().flat_map(|id| ask(model, Ask::Ack(id))).collect()
}

/// Whether there is a row to go to.
#[must_use]
pub fn leads_to_row(model: &Model) -> bool {
    let of = selected(model).and_then(|alarm| alarm.trade_id);
    of.is_some_and(|id| model.open_trades().iter().any(|trade| trade.id == id))
}

/// From the selected alarm to the row of its trade.
pub(super) fn go_to_row(model: &mut Model) {
    if !leads_to_row(model) {
        return;
    }
    let Some(id) = selected(model).and_then(|alarm| alarm.trade_id) else { return };
    model.overlays.pop();
    model.pane = Pane::Open;
    model.open.list.search = crate::input::line::LineInput::default();
    model.open.list.selected = Some(id);
}
