//! How closed trades look: pills, a table, and what the shown rows add up to.

use blotter_shared::domain::{Cash, CloseReason};
use blotter_shared::protocol::trades::{Close, Trade};
use ratatui::layout::Rect;
use rust_decimal::Decimal;

use super::model::{FILTERS, filter_name};
use crate::format;
use crate::model::Model;
use crate::panes::open::view::{MARGIN, marker, sign_role};
use crate::panes::{details, empty};
use crate::theme::Role;
use crate::view::layout::{Mode, mode};
use crate::widgets::canvas::{Canvas, Target, below, line};
use crate::widgets::columns::{Align, Column, Drops, Slot, place};
use crate::widgets::text;

/// Lines of the pane that are not rows: pills or search, heading, totals.
pub const FIXED_LINES: u16 = 3;

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model) {
    draw_pills(canvas, line(area, 0), model);
    let trades = model.history.trades();
    if trades.is_empty() {
        return empty::history(canvas, below(area, 1), model);
    }
    let body = Rect { height: area.height.saturating_sub(2), ..below(area, 1) };
    draw_table(canvas, body, model, trades);
    draw_totals(canvas, line(area, area.height.saturating_sub(1)), model, trades);
}

fn draw_pills(canvas: &mut Canvas<'_>, row: Rect, model: &Model) {
    let mut x = 1;
    for filter in FILTERS {
        let name = filter_name(*filter);
        if *filter == model.history.filter {
            x = canvas.put(row, x, &format!("[{name}]"), Role::TabActive) + 1;
        } else {
            x = canvas.put(row, x, &format!(" {name} "), Role::Tab) + 1;
        }
    }
}

/// Lines that a trade takes.
#[must_use]
pub fn height(model: &Model, trade: &Trade) -> u16 {
    let folded = match mode(model.width) {
        Mode::Narrow => 2,
        Mode::Standard | Mode::Wide => 1,
    };
    let is_open = model.history.list.expanded.contains(&trade.id);
    folded + if is_open { details::height(model, trade) } else { 0 }
}

fn draw_table(canvas: &mut Canvas<'_>, area: Rect, model: &Model, trades: &[Trade]) {
    let top = model.history.list.top;
    let rows: Vec<&Trade> = trades.iter().skip(top).take(usize::from(area.height)).collect();
    let is_narrow = mode(model.width) == Mode::Narrow;
    let mut columns = columns();
    for trade in &rows {
        for (column, (words, _)) in columns.iter_mut().zip(cells(model, trade)) {
            column.hold(text::width(&words));
        }
    }
    let slots = place(&columns, area.width.saturating_sub(MARGIN + 1));
    let mut rest = area;
    if !is_narrow {
        for (column, slot) in columns.iter().zip(&slots) {
            put(canvas, line(rest, 0), *slot, column.align, (column.title, Role::Heading));
        }
        rest = below(rest, 1);
    }
    for trade in rows {
        if rest.height == 0 {
            return;
        }
        let row = line(rest, 0);
        canvas.target(row, Target::Row(trade.id));
        draw_marker(canvas, row, model, trade);
        if is_narrow {
            draw_card(canvas, rest, model, trade);
            rest = below(rest, 2);
        } else {
            for ((column, slot), (words, role)) in columns.iter().zip(&slots).zip(cells(model, trade)) {
                put(canvas, row, *slot, column.align, (&words, role));
            }
            rest = below(rest, 1);
        }
        if model.history.list.expanded.contains(&trade.id) {
            let used = details::draw(canvas, rest, model, trade);
            rest = below(rest, used);
        }
    }
}

fn draw_marker(canvas: &mut Canvas<'_>, row: Rect, model: &Model, trade: &Trade) {
    let list = &model.history.list;
    let is_selected = list.selected == Some(trade.id);
    if is_selected {
        canvas.tint(row, Role::Selected);
    }
    canvas.put(row, 1, marker(is_selected, list.expanded.contains(&trade.id)), Role::Accent);
}

fn columns() -> Vec<Column> {
    use Align::{Left, Right};
    let fixed = Column::fixed;
    vec![
        fixed("CLOSED", Left, Drops::Late(2)),
        fixed("SYMBOL", Left, Drops::Never),
        fixed("CONTRACT", Left, Drops::Late(3)),
        fixed("QTY", Right, Drops::Early(5)),
        fixed("ENTRY", Right, Drops::Early(3)),
        fixed("EXIT", Right, Drops::Early(4)),
        fixed("P&L $", Right, Drops::Never),
        fixed("P&L %", Right, Drops::Early(6)),
        fixed("R", Right, Drops::Early(7)),
        fixed("HELD", Right, Drops::Early(2)),
        fixed("REASON", Left, Drops::Late(4)),
        fixed("STRATEGY", Left, Drops::Early(1)),
    ]
}

const STRATEGY_MAX: u16 = 20;

fn cells(model: &Model, trade: &Trade) -> Vec<(String, Role)> {
    let close = trade.close.as_ref();
    let price = |price: Option<blotter_shared::domain::Price>| price.map(|price| format::price(price.value()));
    let unknown = |words: Option<String>| words.unwrap_or_else(|| format::UNKNOWN.to_owned());
    let pnl = close.and_then(|close| close.realized_pnl).map(|cash| cash.0);
    let contract = format!(
        "{} {} {}",
        format::expiry_short(trade.contract.expiry),
        trade.contract.strike.normalize(),
        trade.contract.option_type.letter()
    );
    let strategy = trade.strategy.as_deref().map(text::clean).unwrap_or_default();
    vec![
        (unknown(close.map(|close| format::moment(close.at, model.trading_now()))), Role::Muted),
        (text::clean(&trade.ticker), Role::Strong),
        (contract, Role::Text),
        (trade.qty.to_string(), Role::Text),
        (unknown(price(trade.entry_price)), Role::Muted),
        (unknown(price(close.and_then(|close| close.price))), Role::Text),
        (unknown(pnl.map(format::trend)), pnl.map_or(Role::Muted, sign_role)),
        (
            unknown(close.and_then(|close| close.realized_pnl_pct).map(format::percent)),
            pnl.map_or(Role::Muted, sign_role),
        ),
        (unknown(close.and_then(|close| close.r_multiple).map(format::multiple)), pnl.map_or(Role::Muted, sign_role)),
        (unknown(close.map(|close| format::held(trade.entry_date, close.at))), Role::Muted),
        (reason(trade, close), Role::Text),
        (text::cut(&strategy, STRATEGY_MAX), Role::Muted),
    ]
}

fn reason(trade: &Trade, close: Option<&Close>) -> String {
    let reason = close.and_then(|close| close.reason);
    reason.map_or_else(|| trade.status.as_str().to_owned(), |reason: CloseReason| reason.as_str().to_owned())
}

fn put(canvas: &mut Canvas<'_>, row: Rect, slot: Option<Slot>, align: Align, (words, role): (&str, Role)) {
    let Some(slot) = slot else { return };
    let indent = match align {
        Align::Left => 0,
        Align::Right => slot.width.saturating_sub(text::width(words)),
    };
    canvas.put(row, MARGIN + slot.x + indent, words, role);
}

fn draw_card(canvas: &mut Canvas<'_>, area: Rect, model: &Model, trade: &Trade) {
    let close = trade.close.as_ref();
    let title = format!(
        "{} {} {} ×{}",
        text::clean(&trade.ticker),
        trade.contract.strike.normalize(),
        trade.contract.option_type.letter(),
        trade.qty
    );
    let pnl = close.and_then(|close| close.realized_pnl).map(|cash| cash.0);
    let figure = pnl.map_or_else(|| format::UNKNOWN.to_owned(), format::trend);
    let (first, second) = (line(area, 0), line(area, 1));
    let room = area.width.saturating_sub(text::width(&figure) + 5);
    canvas.put(first, MARGIN, &text::cut(&title, room), Role::Strong);
    let figure_at = first.width.saturating_sub(text::width(&figure) + 1);
    canvas.put(first, figure_at, &figure, pnl.map_or(Role::Muted, sign_role));
    let when = close.map(|close| format::moment(close.at, model.trading_now())).unwrap_or_default();
    canvas.put(second, MARGIN, &format!("{when}  {}", reason(trade, close)), Role::Muted);
    if let Some(multiple) = close.and_then(|close| close.r_multiple) {
        let words = format!("{} R", format::multiple(multiple));
        let at = second.width.saturating_sub(text::width(&words) + 1);
        canvas.put(second, at, &words, pnl.map_or(Role::Muted, sign_role));
    }
}

/// What the loaded rows add up to. It says so while there are more behind them.
fn draw_totals(canvas: &mut Canvas<'_>, row: Rect, model: &Model, trades: &[Trade]) {
    let results: Vec<Cash> = trades.iter().filter_map(|trade| trade.close.as_ref()?.realized_pnl).collect();
    let net = results.iter().fold(Cash::ZERO, |sum, result| sum + *result);
    let wins = results.iter().filter(|result| result.0 > Decimal::ZERO).count();
    let losses = results.iter().filter(|result| result.0 < Decimal::ZERO).count();
    let x = canvas.put(row, 1, "Net ", Role::Muted);
    let x = canvas.put(row, x, &format::trend(net.0), sign_role(net.0));
    let counted = format!(
        "{}  {}  {}",
        counted(trades.len(), "trade", "trades"),
        counted(wins, "win", "wins"),
        counted(losses, "loss", "losses")
    );
    let x = canvas.put(row, x + 3, &counted, Role::Text);
    let first = model.history.list.top + 1;
    let last = (model.history.list.top + usize::from(crate::view::layout::list_lines(model))).min(trades.len());
    let more = if model.history.next_cursor.is_some() { "+" } else { "" };
    let shown = format!("showing {first}–{last} of {}{more}", trades.len());
    if x + text::width(&shown) + 3 < row.width {
        canvas.put(row, row.width.saturating_sub(text::width(&shown) + 1), &shown, Role::Muted);
    }
}

/// A count with its noun.
#[must_use]
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
