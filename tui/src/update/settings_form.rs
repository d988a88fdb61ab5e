//! What keys, answers and refusals make of the settings form.

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::problem::FieldError;
use blotter_shared::protocol::settings::{Settings, SettingsUpdate};

use super::answers::{RELOAD_AFTER, is_conflict};
use super::keys::refusal_of_actions;
use crate::client::calls::{Call, CallError};
use crate::effect::Effect;
use crate::model::Model;
use crate::overlays::Overlay;
use crate::overlays::confirm::{Confirm, Deed};
use crate::overlays::notices::Level;
use crate::panes::settings::model::{Field, SettingsForm, to_update};
use crate::widgets::text;

/// The form on top of the stack, and the settings that it is over.
pub(super) fn with_form<T>(model: &mut Model, act: impl FnOnce(&mut SettingsForm, &Settings) -> T) -> Option<T> {
    let settings = model.data.settings.as_ref()?;
    match model.overlays.last_mut()? {
        Overlay::Settings(form) => Some(act(form, settings)),
        Overlay::Help { .. }
        | Overlay::Messages(_)
        | Overlay::Token(_)
        | Overlay::Confirm(_)
        | Overlay::Export(_)
        | Overlay::Palette(_)
        | Overlay::Form(_)
        | Overlay::Chain(_)
        | Overlay::Figures { .. }
        | Overlay::Story(_) => None,
    }
}

/// Enter on a row: begin to type, or turn the choice.
pub(super) fn edit(model: &mut Model) {
    if let Some(words) = refusal_of_actions(model) {
        return model.notices.say(model.now, Level::Warn, words);
    }
    with_form(model, |form, settings| {
        let field = form.field();
        if field.choices().is_empty() {
            form.editing = Some(crate::input::line::LineInput::offering(form.text(field, settings)));
        } else {
            form.turn(settings, 1);
        }
    });
}

/// Sideways: turn the choice of the selected row.
pub(super) fn turn(model: &mut Model, forward: Turn) {
    if refusal_of_actions(model).is_some() {
        return;
    }
    with_form(model, |form, settings| {
        let count = form.field().choices().len();
        if count > 0 {
            form.turn(settings, if forward == Turn::Right { 1 } else { count - 1 });
        }
    });
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Left,
    Right,
}

/// Enter while typing: the text becomes a draft.
pub(super) fn accept(model: &mut Model) {
    with_form(model, |form, settings| {
        if let Some(input) = form.editing.take() {
            form.draft(form.field(), input.text(), settings);
        }
    });
}

/// Sends the drafts, after a question where they are grave.
pub(super) fn save(model: &mut Model) -> Vec<Effect> {
    if let Some(words) = refusal_of_actions(model) {
        model.notices.say(model.now, Level::Warn, words);
        return vec![];
    }
    let now = model.now;
    let question = with_form(model, |form, settings| {
        if form.drafts.is_empty() || form.is_saving {
            return Ok(None);
        }
        let update = to_update(form.version, &form.drafts);
        let update = update.and_then(|update| has_account(update, settings));
        let update = update.inspect_err(|errors| form.errors.clone_from(errors)).map_err(|_| ())?;
        Ok(Some((grave(now, &update, settings), update)))
    });
    match question {
        Some(Ok(Some((Some(dialog), _)))) => {
            model.overlays.push(Overlay::Confirm(dialog));
            vec![]
        }
        Some(Ok(Some((None, update)))) => send(model, update),
        Some(Err(())) => {
            model.notices.say(model.now, Level::Warn, "Not saved: a value is not allowed.");
            vec![]
        }
        Some(Ok(None)) | None => vec![],
    }
}

fn goes_live(update: &SettingsUpdate, settings: &Settings) -> bool {
    update.broker_mode == Some(BrokerMode::Live) && settings.broker_mode != BrokerMode::Live
}

/// Without a live account there is no number to type.
fn has_account(update: SettingsUpdate, settings: &Settings) -> Result<SettingsUpdate, Vec<FieldError>> {
    if settings.live_account_id.is_some() || !goes_live(&update, settings) {
        return Ok(update);
    }
    let rule = "no live token is stored: press T in the settings to enter one".to_owned();
    Err(vec![FieldError { field: Field::BrokerMode.key().to_owned(), value: Some("LIVE".to_owned()), rule }])
}

/// Real money wants the number of its account typed.
fn grave(now: crate::clock::Now, update: &SettingsUpdate, settings: &Settings) -> Option<Confirm> {
    let account = settings.live_account_id.as_deref().filter(|_| goes_live(update, settings))?;
    let account = text::clean(account);
    let body = vec![
        format!("From now on new entries go to LIVE ({account}): orders with real money."),
        format!("Positions that are open in {} stay managed there.", settings.broker_mode),
    ];
    let dialog = Confirm::new(now, "Trade with real money", body, Deed::SaveSettings(update.clone()));
    Some(dialog.buttons("Keep as it is", "Go LIVE").wants_word(account))
}

/// Sends an update.
pub(super) fn send(model: &mut Model, update: SettingsUpdate) -> Vec<Effect> {
    with_form(model, |form, _| form.is_saving = true);
    let key = model.new_id();
    model.in_flight += 1;
    vec![Effect::Call(Call::PutSettings { update, key })]
}

fn every_form(model: &mut Model, act: impl Fn(&mut SettingsForm)) {
    for overlay in &mut model.overlays {
        if let Overlay::Settings(form) = overlay {
            act(form);
        }
    }
}

pub(super) fn saved(model: &mut Model, settings: &Settings) {
    let version = settings.version;
    every_form(model, |form| form.start_over(version));
    model.notices.say(model.now, Level::Info, format!("Settings saved (version {version})."));
}

pub(super) fn refused(model: &mut Model, error: &CallError) {
    every_form(model, |form| form.is_saving = false);
    if is_conflict(error) {
        model.reload_at = Some(model.now.since_start + RELOAD_AFTER);
        let words = "Sync alert: the settings were updated on another device";
        return model.notices.say(model.now, Level::Warn, words);
    }
    if let CallError::Refused(problem) = error {
        every_form(model, |form| form.errors.clone_from(&problem.errors));
        return model.notices.say(model.now, Level::Error, format!("Settings not saved: {}", problem.detail));
    }
    let doubt = match error {
        CallError::Unreachable(_) => "They were not sent.",
        CallError::Broken | CallError::TimedOut { .. } => "They may have been saved: the next refresh shows it.",
        CallError::Refused(_) | CallError::Garbled(_) => "",
    };
    model.notices.say(model.now, Level::Error, format!("Settings not saved: {error} {doubt}"));
}

/// Throws the drafts away and shows what the daemon has.
pub(super) fn refresh(model: &mut Model) {
    with_form(model, |form, settings| form.start_over(settings.version));
}

/// The drafts as text on the clipboard.
pub(super) fn copy_work(model: &mut Model) -> Vec<Effect> {
    let text = with_form(model, |form, _| form.as_text()).filter(|text| !text.is_empty());
    let Some(text) = text else { return vec![] };
    model.notices.say(model.now, Level::Info, format!("Copied: {text}"));
    vec![Effect::Copy(text)]
}

/// Esc: close, or ask when something would be lost.
pub(super) fn leave(model: &mut Model) {
    let has_work = with_form(model, |form, _| !form.drafts.is_empty()).unwrap_or(false);
    if !has_work {
        model.overlays.pop();
        return;
    }
    let body = vec!["The changes here are not saved.".to_owned()];
    let dialog = Confirm::new(model.now, "Leave the settings", body, Deed::DropSettingsEdits);
    model.overlays.push(Overlay::Confirm(dialog.buttons("Keep editing", "Drop changes")));
}
