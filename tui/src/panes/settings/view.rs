//! How the settings look.

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::settings::Settings;
use ratatui::layout::Rect;

use super::model::{Field, SettingsForm};
use crate::format;
use crate::input::keymap::Action;
use crate::model::{Access, Model};
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, centred, line};
use crate::widgets::text;

const WIDTH: u16 = 74;
const HEIGHT: u16 = 22;
/// Where the values begin.
const VALUES: u16 = 27;
/// Where the facts begin when a line is too short for both of them under the values.
const FACTS_NARROW: u16 = 12;

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model, form: &SettingsForm) {
    let area = centred(area, WIDTH, HEIGHT);
    let key = |action| model.keymap.key_of(action).map(|chord| chord.to_string()).unwrap_or_default();
    let save = if form.drafts.is_empty() { String::new() } else { format!("{} save · ", key(Action::SaveSettings)) };
    let (edit, token, back) = (key(Action::Details), key(Action::EnterToken), key(Action::Back));
    canvas.frame(area, "Settings", &format!("{edit} edit · {save}{token} token · {back} back"));
    let inner = Rect {
        x: area.x + 2,
        y: area.y + 1,
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(2),
    };
    let Some(settings) = &model.data.settings else {
        canvas.put(line(inner, 1), 0, "The daemon has not told the settings yet.", Role::Muted);
        return;
    };
    let mut row = draw_stale(canvas, inner, settings, form);
    for (index, field) in Field::ALL.iter().enumerate() {
        draw_field(canvas, line(inner, row), settings, form, (*field, index == form.selected));
        row += 1;
    }
    row = draw_explanation(canvas, inner, row + 1, form);
    draw_facts(canvas, inner, row + 1, model, settings);
}

fn draw_stale(canvas: &mut Canvas<'_>, inner: Rect, settings: &Settings, form: &SettingsForm) -> u16 {
    if !form.is_stale(settings) {
        return 0;
    }
    let words = format!(
        "Your view is out of date (you have v{}, now v{}).  [R] refresh  [Y] copy my work",
        form.version, settings.version
    );
    let lines = text::wrap(&words, inner.width);
    let mut row = 0;
    for words in &lines {
        canvas.clear(line(inner, row), Role::BannerWarn);
        canvas.put(line(inner, row), 0, words, Role::BannerWarn);
        row += 1;
    }
    row
}

fn draw_field(
    canvas: &mut Canvas<'_>,
    row: Rect,
    settings: &Settings,
    form: &SettingsForm,
    (field, is_selected): (Field, bool),
) {
    if is_selected {
        canvas.put(row, 0, "▸", Role::Accent);
    }
    let values = VALUES.min(row.width.saturating_sub(14));
    let label = text::cut(field.label(), values.saturating_sub(3));
    canvas.put(row, 2, &label, if is_selected { Role::Selected } else { Role::Text });
    let x = match (&form.editing, is_selected) {
        (Some(input), true) => {
            let cursor = row.x + values + text::width(input.before_cursor());
            canvas.cursor = (cursor < row.right()).then_some((cursor, row.y).into());
            canvas.put(row, values, &format!("{:<14}", input.text()), Role::Input)
        }
        _ => draw_value(canvas, (row, values), settings, form, field),
    };
    if let Some(rule) = form.error(field) {
        let room = row.width.saturating_sub(x + 2);
        canvas.put(row, x + 2, &text::cut(rule, room), Role::Danger);
    }
}

fn draw_value(
    canvas: &mut Canvas<'_>,
    (row, x): (Rect, u16),
    settings: &Settings,
    form: &SettingsForm,
    field: Field,
) -> u16 {
    match form.drafts.get(&field) {
        None => canvas.put(row, x, &field.shown(settings), Role::Strong),
        Some(draft) => {
            let before = format!("{} → ", field.shown(settings));
            let room = row.width.saturating_sub(x);
            // The new value is what will be saved: it is whole before the old one is there at all.
            let before = if text::width(&before) + text::width(draft) <= room { before } else { "→ ".to_owned() };
            let x = canvas.put(row, x, &before, Role::Muted);
            let role = if form.error(field).is_some() { Role::InputError } else { Role::Warn };
            canvas.put(row, x, &text::cut(draft, row.width.saturating_sub(x)), role)
        }
    }
}

fn draw_explanation(canvas: &mut Canvas<'_>, inner: Rect, from: u16, form: &SettingsForm) -> u16 {
    let mut row = from;
    for words in text::wrap(form.field().explanation(), inner.width.saturating_sub(2)) {
        canvas.put(line(inner, row), 2, &words, Role::Muted);
        row += 1;
    }
    // The facts below stay where they are while fields with short explanations are passed.
    row.max(from + 2)
}

fn draw_facts(canvas: &mut Canvas<'_>, inner: Rect, from: u16, model: &Model, settings: &Settings) {
    let stored = |is_stored: bool| if is_stored { "token stored" } else { "no token" };
    let account = |account: &Option<String>| account.as_deref().map_or("no account".to_owned(), text::clean);
    let tokens = settings.tokens;
    let sim = ("Sim", format!("{}, {}", stored(tokens.sim), account(&settings.sim_account_id)));
    let has_sim = tokens.sim || settings.sim_account_id.is_some() || settings.broker_mode == BrokerMode::Sim;
    let rows = [
        ("Sandbox", format!("{}, {}", stored(tokens.sandbox), account(&settings.sandbox_account_id))),
        ("Live", format!("{}, {}", stored(tokens.live), account(&settings.live_account_id))),
        ("ORATS", stored(tokens.orats).to_owned()),
        (
            "Version",
            format!("{}, changed {} ET", settings.version, format::moment(settings.updated_at, model.now.wall)),
        ),
    ];
    let values = if inner.width < 2 * VALUES { FACTS_NARROW } else { VALUES };
    let mut row = from;
    for (label, words) in has_sim.then_some(sim).into_iter().chain(rows) {
        canvas.put(line(inner, row), 2, label, Role::Muted);
        canvas.put(line(inner, row), values, &text::cut(&words, inner.width.saturating_sub(values)), Role::Text);
        row += 1;
    }
    if model.surroundings.access == Access::ReadOnly {
        canvas.put(line(inner, row), 2, "This client is read-only: nothing can be changed here.", Role::Warn);
    }
}
