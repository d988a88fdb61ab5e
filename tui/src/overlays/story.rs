//! A trade's story: what was asked by whom, sent, answered and seen.

use blotter_shared::domain::{TradeId, TradeNumber};
use blotter_shared::protocol::timeline::{Moment, MomentKind, Timeline};
use ratatui::layout::Rect;

use crate::format;
use crate::model::Model;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, centred, line};
use crate::widgets::text;

/// The window over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    pub trade: TradeId,
    pub number: TradeNumber,
    /// Scrolled by so many lines.
    pub top: u16,
    /// Absent until the daemon has told it.
    pub told: Option<Timeline>,
}

/// The lines at this width.
#[must_use]
pub fn lines(story: &Story, model: &Model, width: u16) -> Vec<(String, Role)> {
    let Some(told) = &story.told else { return vec![("The daemon is asked …".to_owned(), Role::Muted)] };
    let mut lines = Vec::new();
    for moment in &told.moments {
        for (index, part) in text::wrap(&words(moment, model), width.saturating_sub(4)).into_iter().enumerate() {
            let indent = if index == 0 { "" } else { "    " };
            lines.push((format!("{indent}{part}"), role(moment.kind)));
        }
    }
    lines
}

fn words(moment: &Moment, model: &Model) -> String {
    let date = format::exchange_date(moment.at);
    let day = if date == format::exchange_date(model.trading_now()) {
        String::new()
    } else {
        format!("{} ", date.format("%b %d"))
    };
    let at = format!("{day}{}", format::clock_s(moment.at));
    let device = moment.device.as_deref().map(|device| format!("{}: ", text::clean(device))).unwrap_or_default();
    format!("{at}  {device}{}", text::clean(&moment.what))
}

fn role(kind: MomentKind) -> Role {
    match kind {
        MomentKind::Asked => Role::Accent,
        MomentKind::Recorded => Role::Muted,
        MomentKind::Sent | MomentKind::Answered | MomentKind::Seen => Role::Text,
        MomentKind::Filled | MomentKind::State => Role::Strong,
        MomentKind::Alarm => Role::Danger,
    }
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model, story: &Story) {
    let width = 96.min(area.width);
    let lines = lines(story, model, width.saturating_sub(4));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = centred(area, width, height.max(5));
    canvas.frame(area, &format!("The story of {}", story.number), "↑↓ scroll · Esc back");
    let top = story.top.min(height.saturating_sub(area.height));
    for (row, (words, role)) in (1..area.height.saturating_sub(1)).zip(lines.iter().skip(usize::from(top))) {
        let row = line(area, row);
        canvas.put(Rect { width: row.width.saturating_sub(2), ..row }, 2, words, *role);
    }
}
