//! Where everything lies at the model's size.

use blotter_shared::domain::BrokerMode;
use ratatui::layout::Rect;

use crate::model::Model;
use crate::overlays::banners::{self, Banner};
use crate::panes::{Pane, history, open};
use crate::theme::Role;

/// Below this the client says so in one line.
pub const MIN_WIDTH: u16 = 40;
pub const MIN_HEIGHT: u16 = 12;

/// The three layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Cards: a phone's SSH client.
    Narrow,
    /// 80x24, what SSH gives by default.
    Standard,
    Wide,
}

#[must_use]
pub fn mode(width: u16) -> Mode {
    match width {
        0..64 => Mode::Narrow,
        64..110 => Mode::Standard,
        110.. => Mode::Wide,
    }
}

/// The parts of the screen.
#[derive(Clone, Debug)]
pub struct FrameLayout {
    pub header: Rect,
    pub tabs: Rect,
    pub upper_rule: Rect,
    pub banners: Rect,
    pub banner_lines: Vec<Banner>,
    pub body: Rect,
    pub lower_rule: Rect,
    pub hints: Rect,
    /// Where dialogs may lie: between the header and the hint line.
    pub overlay: Rect,
}

/// Divides the screen.
#[must_use]
pub fn frame(model: &Model) -> FrameLayout {
    let (width, height) = (model.width, model.height);
    let banner_lines = banners::lines(model, width);
    let banners = u16::try_from(banner_lines.len()).unwrap_or(0).min(height.saturating_sub(MIN_HEIGHT - 2));
    let row = |y: u16, rows: u16| Rect { x: 0, y: y.min(height), width, height: rows.min(height.saturating_sub(y)) };
    let body_top = 3 + banners;
    FrameLayout {
        header: row(0, 1),
        tabs: row(1, 1),
        upper_rule: row(2, 1),
        banners: row(3, banners),
        banner_lines,
        body: row(body_top, height.saturating_sub(body_top + 2)),
        lower_rule: row(height.saturating_sub(2), 1),
        hints: row(height.saturating_sub(1), 1),
        overlay: row(2, height.saturating_sub(3)),
    }
}

/// Lines for the rows of the pane that is shown.
#[must_use]
pub fn list_lines(model: &Model) -> u16 {
    let body = frame(model).body.height;
    match (model.pane, mode(model.width)) {
        (Pane::Open, _) => body.saturating_sub(open::view::heading_lines(model)),
        (Pane::History, Mode::Narrow) => body.saturating_sub(history::view::FIXED_LINES - 1),
        (Pane::History, Mode::Standard | Mode::Wide) => body.saturating_sub(history::view::FIXED_LINES),
        (Pane::Performance, _) => body,
    }
}

/// The mode in which new entries are made, once it is known.
#[must_use]
pub fn broker_mode(model: &Model) -> Option<BrokerMode> {
    model.data.settings.as_ref().map(|settings| settings.broker_mode)
}

/// A LIVE session has heavy red rules: another shape, not only another colour.
#[must_use]
pub fn rule_style(model: &Model) -> (char, Role) {
    match broker_mode(model) {
        Some(BrokerMode::Live) => ('━', Role::RuleLive),
        Some(BrokerMode::Sim | BrokerMode::Sandbox) | None => ('─', Role::Rule),
    }
}
