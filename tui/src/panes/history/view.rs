//! How closed trades look: pills, a table, and what the shown rows add up to.

use blotter_shared::domain::CloseReason;
use blotter_shared::protocol::trades::{Close, Order, Sort, Trade};
use ratatui::layout::Rect;

use super::model::{FILTERS, Sorting, filter_name};
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
    draw_totals(canvas, line(area, area.height.saturating_sub(1)), model);
}

/// Lines of a row that is not opened.
#[must_use]
pub fn folded_height(model: &Model) -> u16 {
    match mode(model.width) {
        Mode::Narrow => 2,
        Mode::Standard | Mode::Wide => 1,
    }
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
    // The one that is not in the header must be said here.
    if let Some(mode) = model.history.mode.filter(|mode| Some(*mode) != crate::view::layout::broker_mode(model)) {
        canvas.put(row, x + 1, &format!("{mode} trades"), Role::Warn);
    }
}

/// Lines that a trade takes.
#[must_use]
pub fn height(model: &Model, trade: &Trade) -> u16 {
    let is_open = model.history.list.expanded.contains(&trade.id);
    folded_height(model) + if is_open { details::height(model, trade) } else { 0 }
}

fn draw_table(canvas: &mut Canvas<'_>, area: Rect, model: &Model, trades: &[Trade]) {
    let top = model.history.list.top;
    let rows: Vec<&Trade> = trades.iter().skip(top).take(usize::from(area.height)).collect();
    let is_narrow = mode(model.width) == Mode::Narrow;
    let mut columns = columns();
    for column in &mut columns {
        column.hold(text::width(&heading(model, column.title)));
    }
    for trade in &rows {
        for (column, (words, _)) in columns.iter_mut().zip(cells(model, trade)) {
            column.hold(text::width(&words));
        }
    }
    let slots = place(&columns, area.width.saturating_sub(MARGIN + 1));
    let mut rest = area;
    if !is_narrow {
        for (column, slot) in columns.iter().zip(&slots) {
            let words = heading(model, column.title);
            put(canvas, line(rest, 0), *slot, column.align, (&words, Role::Heading));
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
        let is_lit = model.flashes.is_lit(model.now.since_start, trade.id);
        if is_narrow {
            draw_card(canvas, rest, model, trade);
            rest = below(rest, 2);
        } else {
            for ((column, slot), (words, role)) in columns.iter().zip(&slots).zip(cells(model, trade)) {
                put(canvas, row, *slot, column.align, (&words, role));
            }
            rest = below(rest, 1);
        }
        if is_lit {
            canvas.flash(row);
        }
        if model.history.list.expanded.contains(&trade.id) {
            let used = details::draw(canvas, rest, model, trade);
            rest = below(rest, used);
        }
    }
}

/// A column's title; the one that is sorted by has an arrow that says in which direction.
fn heading(model: &Model, title: &str) -> String {
    let sorting = model.history.sort;
    let sorted = match sorting.by {
        Sort::Closed => "CLOSED",
        Sort::Symbol => "SYMBOL",
        Sort::Pnl => "P&L $",
        Sort::PnlPct => "P&L %",
        Sort::R => "R",
        Sort::Held => "HELD",
        Sort::Reason => "REASON",
        Sort::Strategy => "STRATEGY",
    };
    match sorting.order {
        _ if sorted != title || sorting == Sorting::default() => title.to_owned(),
        Order::Descending => format!("{title}↓"),
        Order::Ascending => format!("{title}↑"),
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

/// What the whole list adds up to, not only the rows that are held.
fn draw_totals(canvas: &mut Canvas<'_>, row: Rect, model: &Model) {
    let history = &model.history;
    let mut x = 1;
    if let Some(totals) = history.totals() {
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        x = canvas.put(row, x, "Net ", Role::Muted);
        x = canvas.put(row, x, &format::trend(totals.net.0), sign_role(totals.net.0));
        let untold = match totals.fees_untold {
            0 => String::new(),
            all if all == totals.trades => " before fees".to_owned(),
            some => format!(" before fees of {some}"),
        };
        x = canvas.put(row, x, &untold, Role::Muted);
        let wordings = [
            format!(
                "{}  {}  {}",
                counted(count(totals.trades), "trade", "trades"),
                counted(count(totals.wins), "win", "wins"),
                counted(count(totals.losses), "loss", "losses")
            ),
            counted(count(totals.trades), "trade", "trades"),
        ];
        let room = row.width.saturating_sub(x + 4);
        if let Some(words) = wordings.iter().find(|words| text::width(words) <= room) {
            x = canvas.put(row, x + 3, words, Role::Text);
        }
    }
    let first = history.first_row() + history.list.top + 1;
    let shown = usize::from(crate::view::layout::list_lines(model));
    let last = (first + shown - 1).min(history.first_row() + history.trades().len());
    let (rows, is_exact) = history.count();
    let shown = format!("showing {first}–{last} of {rows}{}", if is_exact { "" } else { "+" });
    if x + text::width(&shown) + 3 < row.width {
        canvas.put(row, row.width.saturating_sub(text::width(&shown) + 1), &shown, Role::Muted);
    }
}

/// A count with its noun.
#[must_use]
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
