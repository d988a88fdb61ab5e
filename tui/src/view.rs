//! The screen as a pure function of the model: `draw` reads, and changes nothing.

mod header;
mod hint_line;
pub mod layout;
mod tabs;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;

use crate::model::Model;
use crate::overlays::{Overlay, banners, figures, help, messages, notices, story};
use crate::panes::{Pane, history, open, performance, settings};
use crate::theme::glyphs::{Glyphs, to_ascii};
use crate::theme::{Role, Theme};
use crate::update::exit_form::{below, below_question};
use crate::widgets::canvas::{Canvas, Target};
use layout::{FrameLayout, MIN_HEIGHT, MIN_WIDTH, rule_style};

/// A drawn screen.
#[derive(Clone, Debug)]
pub struct Drawing {
    pub buffer: Buffer,
    pub cursor: Option<Position>,
}

/// Draws the whole screen.
#[must_use]
pub fn draw(model: &Model) -> Drawing {
    let mut buffer = Buffer::empty(Rect::new(0, 0, model.width, model.height));
    let mut canvas = Canvas::new(&mut buffer, &model.theme);
    draw_on(&mut canvas, model);
    let cursor = canvas.cursor;
    if model.surroundings.glyphs == Glyphs::Ascii {
        to_ascii(&mut buffer);
    }
    Drawing { buffer, cursor }
}

/// What a click at this place means on the screen as it is now.
#[must_use]
pub fn hit(model: &Model, x: u16, y: u16) -> Option<Target> {
    let mut buffer = Buffer::empty(Rect::new(0, 0, model.width, model.height));
    let theme: &Theme = &model.theme;
    let mut canvas = Canvas::new(&mut buffer, theme);
    draw_on(&mut canvas, model);
    canvas.hit(x, y)
}

fn draw_on(canvas: &mut Canvas<'_>, model: &Model) {
    let screen = canvas.area();
    if screen.is_empty() {
        return;
    }
    canvas.clear(screen, Role::Text);
    if screen.width < MIN_WIDTH || screen.height < MIN_HEIGHT {
        return draw_too_small(canvas, screen, model);
    }
    let layout = layout::frame(model);
    draw_frame(canvas, model, &layout);
    let is_covered = !model.overlays.is_empty();
    if is_covered {
        dim(canvas, layout.body);
    }
    for overlay in &model.overlays {
        draw_overlay(canvas, layout.overlay, model, overlay);
    }
    notices::draw(canvas, layout.body, &model.notices);
}

fn draw_frame(canvas: &mut Canvas<'_>, model: &Model, layout: &FrameLayout) {
    header::draw(canvas, layout.header, model);
    tabs::draw(canvas, layout.tabs, model);
    let (glyph, role) = rule_style(model);
    canvas.rule(layout.upper_rule, glyph, role);
    match model.pane {
        Pane::Open => open::view::draw(canvas, layout.body, model),
        Pane::History => history::view::draw(canvas, layout.body, model),
        Pane::Performance => performance::view::draw(canvas, layout.body, model),
    }
    if model.is_cut_off() {
        dim(canvas, layout.body);
    }
    banners::draw(canvas, layout.banners, &layout.banner_lines);
    canvas.rule(layout.lower_rule, glyph, role);
    hint_line::draw(canvas, layout.hints, model);
}

fn draw_overlay(canvas: &mut Canvas<'_>, area: Rect, model: &Model, overlay: &Overlay) {
    match overlay {
        Overlay::Help { top } => help::draw(canvas, area, &model.keymap, *top),
        Overlay::Messages(inbox) => messages::draw(canvas, area, model, *inbox),
        Overlay::Settings(form) => settings::view::draw(canvas, area, model, form),
        Overlay::Confirm(dialog) => dialog.draw(canvas, area, below_question(model, dialog)),
        Overlay::Export(dialog) => dialog.draw(canvas, area),
        Overlay::Palette(palette) => palette.draw(canvas, area, model),
        Overlay::Form(form) => form.draw(canvas, area, below(model, form)),
        Overlay::Chain(picker) => picker.draw(canvas, area, model),
        Overlay::Figures { top } => figures::draw(canvas, area, model, *top),
        Overlay::Token(form) => form.draw(canvas, area, model.surroundings.glyphs),
        Overlay::Story(told) => story::draw(canvas, area, model, told),
    }
}

/// What lies behind something, or is no longer sure, is drawn without colour and dim; what is
/// reversed, such as `NO STOP`, stays readable.
fn dim(canvas: &mut Canvas<'_>, area: Rect) {
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            if let Some(cell) = canvas.buffer.cell_mut((x, y)) {
                let keeps = cell.modifier & Modifier::REVERSED;
                cell.fg = ratatui::style::Color::Reset;
                cell.bg = ratatui::style::Color::Reset;
                cell.modifier = keeps | Modifier::DIM;
            }
        }
    }
}

fn draw_too_small(canvas: &mut Canvas<'_>, screen: Rect, model: &Model) {
    let wordings = [
        format!("blotter needs {MIN_WIDTH}x{MIN_HEIGHT}, this is {}x{}; q quits", model.width, model.height),
        format!("needs {MIN_WIDTH}x{MIN_HEIGHT}, q quits"),
        format!("{MIN_WIDTH}x{MIN_HEIGHT}!"),
    ];
    let fits = wordings.iter().find(|words| crate::widgets::text::width(words) <= screen.width);
    if let Some(words) = fits {
        canvas.put(screen, 0, words, Role::Warn);
    }
}
