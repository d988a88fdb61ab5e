//! What keys, answers and refusals make of a token that is typed.

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::accounts::{AccountState, TokenKind, TokenText, TokenUpdate};
use blotter_shared::protocol::settings::Settings;

use super::keys::refusal_of_actions;
use crate::client::calls::{Call, CallError};
use crate::effect::Effect;
use crate::input::chord::Chord;
use crate::input::keymap::Action;
use crate::model::Model;
use crate::overlays::Overlay;
use crate::overlays::notices::Level;
use crate::overlays::token::{Outcome, TokenForm};
use crate::widgets::text;

/// Opens the window, for the account whose token is refused if there is one.
pub(super) fn begin(model: &mut Model) {
    if model.overlays.iter().any(|overlay| matches!(overlay, Overlay::Token(_))) {
        return;
    }
    if let Some(words) = refusal_of_actions(model) {
        return model.notices.say(model.now, Level::Warn, words);
    }
    let refused = model.data.accounts.iter().find(|account| account.state == AccountState::Reauthenticate);
    let mode = model.data.settings.as_ref().map_or(BrokerMode::Sandbox, |settings| settings.broker_mode);
    let kind = TokenKind::from(refused.map_or(mode, |account| account.mode));
    model.overlays.push(Overlay::Token(Box::new(TokenForm::new(model.now, kind))));
}

fn with(model: &mut Model, act: impl FnOnce(&mut TokenForm)) -> bool {
    model.overlays.iter_mut().rev().find_map(Overlay::token_mut).map(act).is_some()
}

/// A key while the window is on top.
pub(super) fn key(model: &mut Model, action: Option<Action>, chord: Chord) -> Vec<Effect> {
    let now = model.now;
    let Some(Overlay::Token(form)) = model.overlays.last_mut() else { return vec![] };
    match form.on_key(now, action, chord) {
        Outcome::Open => vec![],
        Outcome::Kept => {
            model.overlays.pop();
            vec![]
        }
        Outcome::Stores => store(model),
    }
}

fn store(model: &mut Model) -> Vec<Effect> {
    if let Some(words) = refusal_of_actions(model) {
        with(model, |form| form.error = Some(words.to_owned()));
        return vec![];
    }
    let key = model.new_id();
    let Some(Overlay::Token(form)) = model.overlays.last_mut() else { return vec![] };
    form.is_sending = true;
    let account_id = Some(form.account.text().trim().to_owned()).filter(|number| !number.is_empty());
    let update = TokenUpdate { mode: form.kind, token: TokenText(form.token.reveal().to_owned()), account_id };
    model.in_flight += 1;
    vec![Effect::Call(Call::PutToken { update, key })]
}

/// The broker has accepted it, and the daemon has it.
pub(super) fn stored(model: &mut Model, kind: TokenKind, settings: &Settings) -> Vec<Effect> {
    let is_its = |overlay: &Overlay| matches!(overlay, Overlay::Token(form) if form.is_sending && form.kind == kind);
    model.overlays.retain(|overlay| !is_its(overlay));
    let account = match kind {
        TokenKind::Sim => settings.sim_account_id.as_deref(),
        TokenKind::Sandbox => settings.sandbox_account_id.as_deref(),
        TokenKind::Live => settings.live_account_id.as_deref(),
        TokenKind::Orats => None,
    };
    let account = account.map(|number| format!("; account {}", text::clean(number))).unwrap_or_default();
    model.notices.say(model.now, Level::Info, format!("{kind}: the token is accepted and stored{account}."));
    vec![Effect::Call(Call::Accounts)]
}

/// It was refused, or nobody knows. What was typed stays, so that a missing account number can be added.
pub(super) fn refused(model: &mut Model, kind: TokenKind, error: &CallError) {
    let mut words = format!("Not stored: {}", text::clean(&error.to_string()));
    if let CallError::Broken | CallError::TimedOut { .. } = error {
        words.push_str(" It may have been stored: the settings show it.");
    }
    if let CallError::Refused(problem) = error {
        let rules = problem.errors.iter().map(|error| format!(" {}: {}.", error.field, text::clean(&error.rule)));
        words.extend(rules);
    }
    let is_there = with(model, |form| {
        if form.kind == kind {
            (form.is_sending, form.error) = (false, Some(words.clone()));
        }
    });
    if !is_there {
        model.notices.say(model.now, Level::Warn, format!("{kind} token: {words}"));
    }
}
