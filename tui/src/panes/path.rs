//! The path of a trade's price, with lines at its entry, exit, stop and target. Every line is named at the
//! left, so that the picture reads without colour.

use blotter_shared::domain::Price;
use blotter_shared::protocol::prices::Series;
use blotter_shared::protocol::trades::Trade;
use chrono::{DateTime, Utc};
use ratatui::layout::Rect;
use rust_decimal::Decimal;

use crate::charts::line::{self, Picture};
use crate::format;
use crate::model::Model;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, line as row_of_area};
use crate::widgets::text;

/// Rows of the picture, and the one below it for the times.
pub const HEIGHT: u16 = 8;

/// Whether it is known that there is nothing to draw.
#[must_use]
pub fn is_empty(model: &Model, trade: &Trade) -> bool {
    let series = model.looked.get(&trade.id).and_then(|looked| looked.series.as_ref());
    series.is_some_and(|series| series.points.is_empty())
}

/// Draws it; what was not recorded is said instead.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model, trade: &Trade) {
    let looked = model.looked.get(&trade.id);
    let said = match looked {
        Some(looked) => match (&looked.series, &looked.trouble) {
            (Some(series), _) if !series.points.is_empty() => return draw_path(canvas, area, model, (trade, series)),
            (Some(_), _) => "No price was recorded.".to_owned(),
            (None, Some(trouble)) => format!("The prices did not come: {}", text::clean(trouble)),
            (None, None) => "The recorded prices are asked for …".to_owned(),
        },
        None => "The recorded prices come when the daemon is there.".to_owned(),
    };
    for (row, words) in (0..area.height).zip(text::wrap(&said, area.width)) {
        canvas.put(row_of_area(area, row), 0, &words, Role::Muted);
    }
}

fn draw_path(canvas: &mut Canvas<'_>, area: Rect, model: &Model, (trade, series): (&Trade, &Series)) {
    let levels = levels(trade);
    let (values, until) = values(trade, series);
    let keep: Vec<Decimal> = levels.iter().map(|level| level.price).collect();
    let gutter = gutter(&levels, &values);
    let plot = Rect {
        x: area.x + gutter,
        width: area.width.saturating_sub(gutter),
        height: area.height.saturating_sub(1),
        ..area
    };
    let Some(picture) = line::line(&values, &keep, (plot.width, plot.height), model.surroundings.glyphs) else {
        return;
    };
    let is_above = values.last().zip(trade.entry_price).map(|(last, entry)| *last >= entry.value());
    let role = match is_above {
        Some(true) => Role::Profit,
        Some(false) => Role::Loss,
        None => Role::Text,
    };
    for (y, glyphs) in (0..plot.height).zip(&picture.rows) {
        for (x, glyph) in (0..plot.width).zip(glyphs) {
            if *glyph != ' ' {
                canvas.put(row_of_area(plot, y), x, glyph.encode_utf8(&mut [0; 4]), role);
            }
        }
    }
    draw_levels(canvas, (area, plot), &picture, &levels);
    draw_times(canvas, row_of_area(area, area.height.saturating_sub(1)), gutter, (series.from, until, model));
}

/// A price that is drawn as a line, by its letter.
struct Level {
    letter: char,
    price: Decimal,
    role: Role,
}

/// The more a level matters, the earlier it comes: of two on one row the first is named.
fn levels(trade: &Trade) -> Vec<Level> {
    let level = |letter, price: Option<Decimal>, role| price.map(|price| Level { letter, price, role });
    let stop = level('S', trade.sl_price.map(Price::value), Role::Loss);
    let target = level('T', trade.tp_price.map(Price::value), Role::Profit);
    let exit = level('X', trade.close.as_ref().and_then(|close| close.price).map(Price::value), Role::Strong);
    let entry = level('E', trade.entry_price.map(Price::value), Role::Text);
    [exit, stop, target, entry].into_iter().flatten().collect()
}

/// The recorded prices and, for an open trade, the newest one behind them.
fn values(trade: &Trade, series: &Series) -> (Vec<Decimal>, DateTime<Utc>) {
    let mut values: Vec<Decimal> = series.points.iter().map(|point| point.mark).collect();
    let mut until = series.points.last().map_or(series.to, |point| point.at);
    let newest = trade.current_price.zip(trade.last_updated).filter(|_| trade.close.is_none());
    if let Some((price, at)) = newest.filter(|(_, at)| *at > until) {
        values.push(price.value());
        until = at;
    }
    (values, until)
}

fn gutter(levels: &[Level], values: &[Decimal]) -> u16 {
    let widths = levels.iter().map(|level| level.price).chain(values.iter().copied());
    widths.map(|price| text::width(&format::price(price))).max().unwrap_or(0) + 4
}

fn draw_levels(canvas: &mut Canvas<'_>, (area, plot): (Rect, Rect), picture: &Picture, levels: &[Level]) {
    let gutter = plot.x - area.x;
    let mut named = vec![false; picture.rows.len()];
    for level in levels {
        let at = line::row_of(level.price, picture);
        let Some(is_named) = named.get_mut(at) else { continue };
        let Ok(y) = u16::try_from(at) else { continue };
        if std::mem::replace(is_named, true) {
            continue;
        }
        for x in 0..plot.width {
            put_if_blank(canvas, row_of_area(plot, y), x, level.role);
        }
        let words = format!("{} {}", level.letter, format::price(level.price));
        let x = gutter.saturating_sub(text::width(&words) + 2);
        canvas.put(row_of_area(area, y), x, &words, level.role);
    }
    for (y, is_named) in (0..plot.height).zip(named) {
        canvas.put(row_of_area(area, y), gutter.saturating_sub(1), if is_named { "┤" } else { "│" }, Role::Rule);
    }
}

fn put_if_blank(canvas: &mut Canvas<'_>, row: Rect, x: u16, role: Role) {
    let is_blank = canvas.buffer.cell((row.x + x, row.y)).is_some_and(|cell| cell.symbol() == " ");
    if is_blank && x.is_multiple_of(2) {
        canvas.put(row, x, "┄", role);
    }
}

/// From when to when; of a path longer than a day the dates.
fn draw_times(
    canvas: &mut Canvas<'_>,
    row: Rect,
    gutter: u16,
    (from, until, model): (DateTime<Utc>, DateTime<Utc>, &Model),
) {
    let now = model.trading_now();
    let (from, until) = (format::moment(from, now), format::moment(until, now));
    canvas.put(row, gutter.saturating_sub(1), "└", Role::Rule);
    let x = canvas.put(row, gutter, &from, Role::Muted);
    let end = row.width.saturating_sub(text::width(&until));
    if end > x + 1 {
        canvas.put(row, end, &until, Role::Muted);
    }
}
