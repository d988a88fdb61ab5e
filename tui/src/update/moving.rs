//! What moving makes of whatever is on top: a list's selection, a form's field, an overlay's text.

use super::settings_form::{self, Turn};
use super::{chain, inbox};
use crate::effect::Effect;
use crate::model::Model;
use crate::overlays::Overlay;
use crate::overlays::{figures, help, story};
use crate::panes::list::Step;
use crate::panes::settings::model::Field;
use crate::panes::{Pane, history, performance};
use crate::view::layout;

/// Rows that a page key passes.
pub(super) fn page(model: &Model) -> usize {
    usize::from(layout::list_lines(model)).saturating_sub(1).max(1)
}

pub(super) fn scroll(model: &mut Model, step: Step) -> Vec<Effect> {
    let longest = u16::try_from(text_lines(model).saturating_sub(3)).unwrap_or(u16::MAX);
    match model.overlays.last_mut() {
        Some(Overlay::Chain(_)) => chain::step(model, step),
        Some(Overlay::Messages(_)) => inbox::step(model, step),
        Some(Overlay::Help { top } | Overlay::Figures { top }) => *top = moved(*top, longest, step),
        Some(Overlay::Story(story)) => story.top = moved(story.top, longest, step),
        Some(Overlay::Settings(form)) => {
            form.selected = match step {
                Step::Up(count) => form.selected.saturating_sub(count),
                Step::Down(count) => form.selected.saturating_add(count).min(Field::ALL.len() - 1),
                Step::First => 0,
                Step::Last => Field::ALL.len() - 1,
            };
        }
        Some(Overlay::Confirm(_) | Overlay::Form(_) | Overlay::Export(_) | Overlay::Palette(_) | Overlay::Token(_)) => {
        }
        None => return scroll_list(model, step),
    }
    vec![]
}

fn moved(top: u16, longest: u16, step: Step) -> u16 {
    let by = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    match step {
        Step::Up(count) => top.saturating_sub(by(count)),
        Step::Down(count) => top.saturating_add(by(count)).min(longest),
        Step::First => 0,
        Step::Last => longest,
    }
}

/// Lines that the overlay on top could scroll through, less what its window shows.
fn text_lines(model: &Model) -> usize {
    let window = usize::from(layout::frame(model).overlay.height.saturating_sub(2));
    let lines = match model.overlays.last() {
        Some(Overlay::Help { .. }) => help::lines(&model.keymap, help::width(model.width)).len(),
        Some(Overlay::Story(told)) => story::lines(told, model, 96.min(model.width).saturating_sub(4)).len(),
        Some(Overlay::Figures { .. }) => figures::lines(model, figures::width(model.width)).len(),
        Some(
            Overlay::Settings(_)
            | Overlay::Messages(_)
            | Overlay::Chain(_)
            | Overlay::Confirm(_)
            | Overlay::Form(_)
            | Overlay::Export(_)
            | Overlay::Token(_)
            | Overlay::Palette(_),
        )
        | None => 0,
    };
    lines.saturating_sub(window) + 3
}

fn scroll_list(model: &mut Model, step: Step) -> Vec<Effect> {
    match model.pane {
        Pane::Open => {
            model.open.step(step);
            vec![]
        }
        Pane::History => {
            let rows = model.history.rows();
            model.history.list.step(&rows, step);
            model.history.ask_for_more()
        }
        Pane::Performance => {
            let hidden = performance::view::hidden_rows(model);
            let top = &mut model.performance.top;
            *top = match step {
                Step::Up(count) => top.saturating_sub(count),
                Step::Down(count) => top.saturating_add(count).min(hidden),
                Step::First => 0,
                Step::Last => hidden,
            };
            vec![]
        }
    }
}

pub(super) fn sideways(model: &mut Model, turn: Turn) -> Vec<Effect> {
    match (model.overlays.last(), model.pane) {
        (Some(Overlay::Settings(_)), _) => settings_form::turn(model, turn),
        (Some(Overlay::Chain(_)), _) => chain::turn_side(model),
        (Some(_), _) => {}
        (None, Pane::Performance) => {
            let count = performance::model::PERIODS.len();
            return model.performance.turn_period(if turn == Turn::Right { 1 } else { count - 1 });
        }
        (None, Pane::History) => {
            let count = history::model::FILTERS.len();
            return model.history.turn_filter(if turn == Turn::Right { 1 } else { count - 1 });
        }
        (None, Pane::Open) => {
            let list = &mut model.open.list;
            if let Some(id) = list.selected {
                match turn {
                    Turn::Left => list.expanded.remove(&id),
                    Turn::Right => list.expanded.insert(id),
                };
            }
        }
    }
    vec![]
}
