//! Panes with nothing in them: why, and what to do next. Never a blank screen, never a guess.

use blotter_shared::protocol::health::{Component, ComponentState};
use blotter_shared::protocol::market::SessionPhase;
use ratatui::layout::Rect;

use crate::client::session::Link;
use crate::format;
use crate::input::keymap::Action;
use crate::model::Model;
use crate::panes::history::model::filter_name;
use crate::theme::Role;
use crate::update::errands::Errand;
use crate::widgets::canvas::{Canvas, centred, line};
use crate::widgets::text;

/// One line of the list of what works.
struct Check {
    mark: &'static str,
    role: Role,
    name: &'static str,
    words: String,
}

/// The Open pane without a trade.
pub fn open(canvas: &mut Canvas<'_>, area: Rect, model: &Model) {
    let search = model.open.list.search.text();
    if !search.is_empty() && !model.open_trades().is_empty() {
        let sentence = format!("Nothing open matches \"{}\".", text::clean(search));
        return say(canvas, area, &[(sentence, Role::Strong), ("Esc clears the search.".to_owned(), Role::Muted)]);
    }
    if model.data.open.is_none() {
        return waiting(canvas, area, model, Wanted::Positions);
    }
    draw_checks(canvas, area, "No open positions", &checks(model), &next_step(model));
}

/// The History pane without a trade.
pub fn history(canvas: &mut Canvas<'_>, area: Rect, model: &Model) {
    if model.history.items.is_none() {
        return waiting(canvas, area, model, Wanted::History);
    }
    let search = model.history.list.search.text();
    let lines = match (model.history.filter, search.is_empty()) {
        (None, true) => [
            ("No closed trades yet".to_owned(), Role::Strong),
            (
                "A trade comes here when its target or stop is hit, when you close it, or when it expires.".to_owned(),
                Role::Muted,
            ),
        ],
        (Some(filter), true) => [
            (format!("No {} among the closed trades.", filter_name(Some(filter)).to_lowercase()), Role::Strong),
            ("Esc shows all of them.".to_owned(), Role::Muted),
        ],
        (_, false) => [
            (format!("No closed trade matches \"{}\".", text::clean(search)), Role::Strong),
            ("Esc clears the search.".to_owned(), Role::Muted),
        ],
    };
    say(canvas, area, &lines);
}

/// The Performance pane while there is nothing to compute from.
pub fn performance(canvas: &mut Canvas<'_>, area: Rect, model: &Model) {
    let lines = match (&model.performance.data, &model.performance.refusal) {
        (Some(_), _) => [
            ("No figures yet".to_owned(), Role::Strong),
            (
                "Win rate, profit factor, expectancy and the equity curve are computed from closed trades of this period and mode: the first close begins them.".to_owned(),
                Role::Muted,
            ),
        ],
        (None, Some(reason)) => [
            ("No figures from this daemon".to_owned(), Role::Strong),
            (text::clean(reason), Role::Muted),
        ],
        (None, None) => return waiting(canvas, area, model, Wanted::Figures),
    };
    say(canvas, area, &lines);
}

/// What a pane waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Positions,
    History,
    Figures,
}

/// Nothing is known yet.
fn waiting(canvas: &mut Canvas<'_>, area: Rect, model: &Model, wanted: Wanted) {
    let (title, detail) = match model.session.link() {
        Link::Connecting if model.data.version.is_none() => {
            ("Connecting to the daemon", "The first answer fills this pane.".to_owned())
        }
        Link::Connecting | Link::Live => loading(model, wanted),
        Link::Stale | Link::Retrying => {
            ("No connection to the daemon", "`blotter doctor` in another terminal says what is missing.".to_owned())
        }
        Link::Refused => {
            ("The daemon refuses this client", "`blotter doctor` in another terminal says why.".to_owned())
        }
    };
    say(canvas, area, &[(title.to_owned(), Role::Strong), (text::clean(&detail), Role::Muted)]);
}

/// The daemon is there, and this has not come yet.
fn loading(model: &Model, wanted: Wanted) -> (&'static str, String) {
    let comes = "The daemon is there; its answer fills this pane.";
    let (errand, titles, patience) = match (wanted, model.session.link()) {
        (Wanted::Positions, Link::Live) => {
            return ("Waiting for the daemon's data", "It is there and cannot say yet; see above why.".to_owned());
        }
        (Wanted::Positions, _) => return ("Loading the open positions", comes.to_owned()),
        (Wanted::History, _) => (
            Errand::History,
            ["Loading the history", "The history has not come yet", "The history did not come"],
            comes,
        ),
        (Wanted::Figures, _) => (
            Errand::Performance,
            ["Loading the figures", "The figures have not come yet", "The figures did not come"],
            "The daemon adds up what was closed. The first look at a long history takes a while; nothing else waits for it.",
        ),
    };
    let [loads, comes_later, failed] = titles;
    let progress = model.errands.of(errand);
    match progress.trouble() {
        None => (loads, patience.to_owned()),
        Some(trouble) if progress.goes_on() => (comes_later, format!("Tried again by itself. The reason: {trouble}")),
        Some(trouble) => {
            let sync =
                model.keymap.key_of(Action::Sync).map(|chord| format!("{chord} tries again. ")).unwrap_or_default();
            (failed, format!("{sync}The reason: {trouble}"))
        }
    }
}

/// Sentences in the middle of the pane.
fn say(canvas: &mut Canvas<'_>, area: Rect, sentences: &[(String, Role)]) {
    let width = area.width.saturating_sub(4).min(64);
    let mut lines = Vec::new();
    for (index, (sentence, role)) in sentences.iter().enumerate() {
        if index > 0 {
            lines.push((String::new(), Role::Text));
        }
        lines.extend(text::wrap(sentence, width).into_iter().map(|words| (words, *role)));
    }
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let middle = centred(area, area.width, height);
    for (row, (words, role)) in (0..middle.height).zip(&lines) {
        canvas.put_centred(line(middle, row), words, *role);
    }
}

fn draw_checks(canvas: &mut Canvas<'_>, area: Rect, title: &str, checks: &[Check], next: &str) {
    let words_at = 13;
    let widest = checks.iter().map(|check| text::width(&check.words)).max().unwrap_or(0) + words_at;
    let width = widest.min(area.width.saturating_sub(4)).min(72);
    let next_lines = text::wrap(next, area.width.saturating_sub(4).min(64));
    let rows = u16::try_from(checks.len() + next_lines.len()).unwrap_or(u16::MAX);
    let middle = centred(area, area.width, rows.saturating_add(3));
    canvas.put_centred(line(middle, 0), title, Role::Strong);
    let block = centred(middle, width, middle.height);
    let mut row = 2;
    for check in checks {
        let place = line(block, row);
        canvas.put(place, 0, check.mark, check.role);
        canvas.put(place, 2, check.name, Role::Text);
        canvas.put(place, words_at, &text::cut(&check.words, width.saturating_sub(words_at)), Role::Muted);
        row += 1;
    }
    for words in next_lines {
        row += 1;
        canvas.put_centred(line(middle, row), &words, Role::Text);
    }
}

fn checks(model: &Model) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(version) = &model.data.version {
        let words = format!("blotterd {}, serving {}", text::clean(&version.daemon), text::clean(&version.username));
        checks.push(Check { mark: "✓", role: Role::Good, name: "Daemon", words });
    }
    if let Some(heard) = &model.data.health {
        checks.push(component("Database", &heard.value.database, "answers"));
        checks.push(component("Broker", &heard.value.broker, "answers"));
    }
    if let Some(heard) = &model.data.market {
        let (now, next) = (model.trading_now(), heard.value.next_change);
        let left = format::until(now, next, format::Spacing::Airy);
        let words = match heard.value.phase {
            SessionPhase::Open => format!("open, closes in {left}"),
            SessionPhase::Closed => format!("closed, opens {} (in {left})", format::opening(next, now)),
        };
        checks.push(Check { mark: "·", role: Role::Muted, name: "Market", words });
    }
    checks
}

fn component(name: &'static str, part: &Component, fine: &str) -> Check {
    let (mark, role, state) = match part.state {
        ComponentState::Ok => ("✓", Role::Good, fine),
        ComponentState::Starting => ("·", Role::Muted, "is starting"),
        ComponentState::Degraded => ("!", Role::Warn, "needs attention"),
        ComponentState::Unavailable => ("✗", Role::Danger, "does not answer"),
        ComponentState::NotConfigured => ("·", Role::Muted, "is not set up yet"),
    };
    let words = match part.detail.as_deref().filter(|detail| !detail.is_empty()) {
        Some(detail) => format!("{state}: {}", text::clean(detail)),
        None => state.to_owned(),
    };
    Check { mark, role, name, words }
}

fn next_step(model: &Model) -> String {
    let key = |action| model.keymap.key_of(action).map(|chord| chord.to_string()).unwrap_or_default();
    let broker = model.data.health.as_ref().map(|heard| heard.value.broker.state);
    let keys = format!("Press {} for settings, {} for every key.", key(Action::Settings), key(Action::Help));
    match broker {
        Some(ComponentState::NotConfigured) => {
            format!("Positions appear here once a broker is set up: `blotter doctor` lists what is missing. {keys}")
        }
        Some(
            ComponentState::Ok | ComponentState::Starting | ComponentState::Degraded | ComponentState::Unavailable,
        )
        | None => {
            format!("A position appears here the moment the daemon knows of it, with its stop and target. {keys}")
        }
    }
}
