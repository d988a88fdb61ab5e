//! Equity as a line with its drawdowns, and days as a calendar.

use blotter_shared::protocol::performance::Performance;
use ratatui::layout::Rect;
use rust_decimal::Decimal;

use crate::charts::calendar::{Day, LABEL_WIDTH, Size, WEEK_WIDTH, calendar};
use crate::charts::line::{self, Picture};
use crate::format;
use crate::model::Model;
use crate::panes::open::view::sign_role;
use crate::theme::Role;
use crate::view::layout::{Mode, mode};
use crate::widgets::canvas::{Canvas, below, line};
use crate::widgets::text;

/// Side by side where there is room, else the one that tells more.
pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model, performance: &Performance) {
    if mode(model.width) == Mode::Narrow {
        if area.height >= BOTH_NARROW {
            let calendar = if area.height >= BOTH_NARROW + 4 { CALENDAR_LINES } else { CALENDAR_LINES - 1 };
            let upper = Rect { height: area.height - calendar, ..area };
            draw_equity(canvas, upper, model, performance);
            return draw_days(canvas, below(area, upper.height), performance);
        }
        return draw_equity(canvas, area, model, performance);
    }
    let left = area.width * 3 / 5;
    draw_equity(canvas, Rect { width: left, ..area }, model, performance);
    draw_days(canvas, Rect { x: area.x + left, width: area.width - left, ..area }, performance);
}

/// Lines in which both fit one above the other: a low curve, and the calendar.
pub(super) const BOTH_NARROW: u16 = 12;
/// Title, months, five weekdays, and a line between.
const CALENDAR_LINES: u16 = 8;

fn titled(canvas: &mut Canvas<'_>, area: Rect, title: &str) -> Rect {
    let row = Rect { width: area.width.saturating_sub(1), ..line(area, 0) };
    canvas.rule(row, '─', Role::Rule);
    canvas.put(row, 2, &format!(" {title} "), Role::Strong);
    below(area, 1)
}

fn draw_equity(canvas: &mut Canvas<'_>, area: Rect, model: &Model, performance: &Performance) {
    let inner = titled(canvas, area, "Equity");
    // Both begin with nothing won and nothing lost: a losing start is a fall.
    let from_zero = |path: Vec<Decimal>| -> Vec<Decimal> { [Decimal::ZERO].into_iter().chain(path).collect() };
    let values = from_zero(performance.equity.iter().map(|point| point.net.0).collect());
    let peaks = from_zero(performance.equity.iter().map(|point| point.peak.0).collect());
    let label = |value: Decimal| format::signed_money(value.round());
    let extremes = values.iter().chain(&peaks).copied().chain([Decimal::ZERO]);
    let gutter = extremes.map(|value| text::width(&label(value))).max().unwrap_or(0) + 3;
    let plot = Rect {
        x: inner.x + gutter,
        width: inner.width.saturating_sub(gutter + 2),
        height: inner.height.saturating_sub(1),
        ..inner
    };
    let keep: Vec<Decimal> = peaks.iter().copied().max().into_iter().chain([Decimal::ZERO]).collect();
    let size = (plot.width, plot.height);
    let glyphs = model.surroundings.glyphs;
    let Some(picture) = line::line(&values, &keep, size, glyphs) else { return };
    draw_shade(canvas, plot, &picture, (&values, &peaks));
    let zero = line::row_of(Decimal::ZERO, &picture);
    let role = values.last().map_or(Role::Text, |net| sign_role(*net));
    for (y, row) in (0..plot.height).zip(&picture.rows) {
        for (x, glyph) in (0..plot.width).zip(row) {
            if *glyph != ' ' {
                canvas.put(line(plot, y), x, glyph.encode_utf8(&mut [0; 4]), role);
            } else if usize::from(y) == zero {
                put_if_blank(canvas, line(plot, y), x, "┄");
            }
        }
    }
    draw_scale(canvas, inner, gutter, &picture);
    draw_ends(canvas, line(inner, inner.height.saturating_sub(1)), gutter, performance);
}

fn put_if_blank(canvas: &mut Canvas<'_>, row: Rect, x: u16, glyph: &str) {
    let is_blank = canvas.buffer.cell((row.x + x, row.y)).is_some_and(|cell| cell.symbol() == " ");
    if is_blank {
        canvas.put(row, x, glyph, Role::Rule);
    }
}

/// What lies between the highest so far and the line.
fn draw_shade(canvas: &mut Canvas<'_>, plot: Rect, picture: &Picture, (values, peaks): (&[Decimal], &[Decimal])) {
    let last = values.len().saturating_sub(1);
    let columns = usize::from(plot.width).saturating_sub(1).max(1);
    for x in 0..plot.width {
        let index = (usize::from(x) * last + columns / 2) / columns;
        let (Some(value), Some(peak)) = (values.get(index), peaks.get(index)) else { continue };
        let (from, to) = (line::row_of(*peak, picture), line::row_of(*value, picture));
        for y in from + 1..to {
            if let Ok(y) = u16::try_from(y) {
                canvas.put(line(plot, y), x, "░", Role::Rule);
            }
        }
    }
}

/// Highest, zero and lowest at the left; one that would lie on another is left out.
fn draw_scale(canvas: &mut Canvas<'_>, inner: Rect, gutter: u16, picture: &Picture) {
    let mut taken: Vec<usize> = Vec::new();
    for value in [Decimal::ZERO, picture.high, picture.low] {
        let at = line::row_of(value, picture);
        if taken.contains(&at) {
            continue;
        }
        taken.push(at);
        let words = format::signed_money(value.round());
        let Ok(y) = u16::try_from(at) else { continue };
        let x = gutter.saturating_sub(text::width(&words) + 2);
        canvas.put(line(inner, y), x, &words, Role::Muted);
        canvas.put(line(inner, y), gutter.saturating_sub(1), "┤", Role::Rule);
    }
}

fn draw_ends(canvas: &mut Canvas<'_>, row: Rect, gutter: u16, performance: &Performance) {
    let (Some(first), Some(last)) = (performance.equity.first(), performance.equity.last()) else { return };
    let day = |day: chrono::NaiveDate| day.format("%b %d '%y").to_string();
    let (begin, end) = (day(first.day), day(last.day));
    let x = canvas.put(row, gutter, &begin, Role::Muted);
    let end_at = row.width.saturating_sub(text::width(&end) + 2);
    if end_at > x + 1 {
        canvas.put(row, end_at, &end, Role::Muted);
    }
}

fn draw_days(canvas: &mut Canvas<'_>, area: Rect, performance: &Performance) {
    let inner = titled(canvas, area, "Daily P&L");
    let calendar = calendar(&performance.days, performance.from, performance.today, inner.width.saturating_sub(2));
    let mut free = 0;
    for (week, month) in (0..).zip(&calendar.months) {
        let x = LABEL_WIDTH + week * WEEK_WIDTH;
        if let Some(month) = month.as_ref().filter(|_| x >= free) {
            free = canvas.put(line(inner, 0), x + 1, month, Role::Muted) + 1;
        }
    }
    for (y, (weekday, days)) in (1..inner.height).zip(&calendar.rows) {
        let row = line(inner, y);
        canvas.put(row, 1, &weekday.to_string(), Role::Muted);
        for (week, day) in (0..).zip(days) {
            canvas.put(row, LABEL_WIDTH + 1 + week * WEEK_WIDTH, day.text(), role(*day));
        }
    }
    let legend = line(inner, u16::try_from(calendar.rows.len()).unwrap_or(0) + 2);
    let words = "+ - result   ++ -- large   · no close";
    if text::width(words) < legend.width {
        canvas.put(legend, 1, words, Role::Muted);
    }
}

fn role(day: Day) -> Role {
    match day {
        Day::Outside | Day::Quiet => Role::Muted,
        Day::Result(net, Size::Common | Size::Large) => sign_role(net),
    }
}
