//! Open trades on a phone: a card of two or three lines each.

use blotter_shared::protocol::trades::Trade;
use ratatui::layout::Rect;

use super::marks::{mark_words, role_of};
use super::view::{
    Bracket, bracket, cover_words, fitting, is_unprotected, marker, note_lines, notes, quantity, sign_role, state_words,
};
use crate::figures::pnl_pct;
use crate::format;
use crate::model::Model;
use crate::panes::details;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, Target, below, line};
use crate::widgets::text;

/// Lines of a folded card with the rule below it.
#[must_use]
pub fn height(model: &Model, trade: &Trade) -> u16 {
    3 + u16::from(has_rail_line(trade))
        + note_lines(model, trade)
        + u16::try_from(needs_lines(trade, model.width).len()).unwrap_or(0)
}

/// What a person has to do, in at most three lines.
fn needs_lines(trade: &Trade, width: u16) -> Vec<String> {
    let Some(reason) = &trade.needs_person else { return Vec::new() };
    let mut lines = text::wrap(&format!("needs you: {}", text::clean(reason)), width.saturating_sub(3));
    lines.truncate(3);
    lines
}

fn has_rail_line(trade: &Trade) -> bool {
    match bracket(trade) {
        Bracket::Missing => false,
        Bracket::Waiting(_) | Bracket::StopOnly(_) | Bracket::Rail { .. } => true,
    }
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model, trades: &[&Trade]) {
    let mut rest = area;
    for trade in trades {
        if rest.height == 0 {
            return;
        }
        let used = draw_card(canvas, rest, model, trade);
        canvas.target(Rect { height: used.min(rest.height), ..rest }, Target::Row(trade.id));
        rest = below(rest, used);
    }
}

fn draw_card(canvas: &mut Canvas<'_>, area: Rect, model: &Model, trade: &Trade) -> u16 {
    let is_selected = model.open.list.selected == Some(trade.id);
    let is_expanded = model.open.list.expanded.contains(&trade.id);
    let mut used = 0;
    let mut next = || {
        used += 1;
        line(area, used - 1)
    };
    draw_title(canvas, next(), model, trade, marker(is_selected, is_expanded));
    if model.flashes.is_lit(model.now.since_start, trade.id) {
        canvas.flash(line(area, 0));
    }
    draw_figures(canvas, next(), model, trade);
    if has_rail_line(trade) {
        draw_rail(canvas, next(), model, trade);
    }
    for (words, role) in notes(model, trade) {
        canvas.put(next(), 2, &words, role);
    }
    for words in needs_lines(trade, area.width) {
        canvas.put(next(), 2, &words, Role::Danger);
    }
    if is_expanded {
        used += details::draw(canvas, below(area, used), model, trade);
    }
    canvas.rule(line(area, used), '─', Role::Rule);
    used + 1
}

fn draw_title(canvas: &mut Canvas<'_>, row: Rect, model: &Model, trade: &Trade, marker: &str) {
    let role = if model.open.list.selected == Some(trade.id) { Role::Selected } else { Role::Strong };
    canvas.put(row, 0, marker, Role::Accent);
    let (strike, right) = (trade.contract.strike.normalize(), trade.contract.option_type.letter());
    let expiry = format::expiry_day(trade.contract.expiry);
    let title = format!("{} {strike} {right} {expiry} ×{}", text::clean(&trade.ticker), quantity(trade));
    let (state, state_role) = state_words(model, trade);
    let alarm = format!(" {} ", cover_words(trade));
    let mut right_edge = row.width.saturating_sub(text::width(&state) + 1);
    canvas.put(row, right_edge, &state, state_role);
    if is_unprotected(trade) {
        right_edge = right_edge.saturating_sub(text::width(&alarm) + 1);
        canvas.put(row, right_edge, &alarm, Role::Alarm);
    }
    canvas.put(row, 1, &text::cut(&title, right_edge.saturating_sub(2)), role);
}

fn draw_figures(canvas: &mut Canvas<'_>, row: Rect, model: &Model, trade: &Trade) {
    let entry = trade.entry_price.map_or_else(|| format::UNKNOWN.to_owned(), |price| format::price(price.value()));
    let (mark, mark_role) = mark_words(model, trade);
    let x = canvas.put(row, 2, &format!("{entry} → "), Role::Muted);
    let x = canvas.put(row, x, &mark, mark_role);
    let Some(pnl) = trade.unrealized_pnl.map(|cash| cash.0) else { return };
    let figures = [Some(format::trend(pnl)), pnl_pct(trade).map(format::percent)];
    let whole = figures.iter().flatten().cloned().collect::<Vec<_>>().join("  ");
    let room = row.width.saturating_sub(x + 3);
    let words = if text::width(&whole) <= room { whole } else { format::trend(pnl) };
    if text::width(&words) <= room {
        canvas.put(
            row,
            row.width.saturating_sub(text::width(&words) + 1),
            &words,
            role_of(model, trade, sign_role(pnl)),
        );
    }
}

fn draw_rail(canvas: &mut Canvas<'_>, row: Rect, model: &Model, trade: &Trade) {
    let days = format!("{}d", trade.contract.days_to_expiry(format::exchange_date(model.trading_now())));
    let x = match bracket(trade) {
        Bracket::Missing => 0,
        Bracket::Waiting(wordings) => canvas.put(row, 2, fitting(&wordings, row.width.saturating_sub(8)), Role::Muted),
        Bracket::StopOnly(stop) => canvas.put(row, 2, &format!("{stop} ├ stop only"), Role::Text),
        Bracket::Rail { stop, target, rail } => {
            let cells = row.width.saturating_sub(text::width(&stop) + text::width(&target) + 11).min(23);
            let x = canvas.put(row, 2, &format!("{stop} "), Role::Text);
            let x = canvas.put(row, x, &rail.draw(cells), rail.role());
            canvas.put(row, x + 1, &target, Role::Text)
        }
    };
    if x + text::width(&days) + 2 < row.width {
        canvas.put(row, row.width.saturating_sub(text::width(&days) + 1), &days, Role::Muted);
    }
}
