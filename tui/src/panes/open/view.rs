//! How open trades look: a table whose signature is the bracket rail.

use blotter_shared::domain::{Desired, Step, TradeStatus};
use blotter_shared::protocol::trades::Trade;
use ratatui::layout::Rect;

use super::cards;
use super::marks::{mark_words, role_of};
use crate::figures::{Cover, cover, pnl_pct};
use crate::format;
use crate::model::Model;
use crate::panes::{details, empty};
use crate::pending;
use crate::theme::Role;
use crate::theme::glyphs::SPINNER;
use crate::view::layout::{Mode, mode};
use crate::widgets::canvas::{Canvas, Target, below, line};
use crate::widgets::columns::{Align, Column, Drops, Slot, Width, place};
use crate::widgets::rail::Rail;
use crate::widgets::text;

/// Cells left of the first column: the selection's mark.
pub const MARGIN: u16 = 3;

/// Draws the pane.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model) {
    let trades = model.open.shown(model.open_trades(), area.height);
    if trades.is_empty() {
        return empty::open(canvas, area, model);
    }
    match mode(model.width) {
        Mode::Narrow => cards::draw(canvas, area, model, &trades),
        Mode::Standard | Mode::Wide => draw_table(canvas, area, model, &trades),
    }
}

/// Lines that a trade takes.
#[must_use]
pub fn height(model: &Model, trade: &Trade) -> u16 {
    let is_open = model.open.list.expanded.contains(&trade.id);
    folded_height(model, trade) + if is_open { details::height(model, trade) } else { 0 }
}

/// The same without what it shows when it is opened.
#[must_use]
pub fn folded_height(model: &Model, trade: &Trade) -> u16 {
    match mode(model.width) {
        Mode::Narrow => cards::height(model, trade),
        Mode::Standard | Mode::Wide => 1 + u16::from(trade.needs_person.is_some()) + note_lines(model, trade),
    }
}

/// Lines of the pane that are not rows.
#[must_use]
pub fn heading_lines(model: &Model) -> u16 {
    match mode(model.width) {
        Mode::Narrow => 0,
        Mode::Standard | Mode::Wide => 1,
    }
}

fn draw_table(canvas: &mut Canvas<'_>, area: Rect, model: &Model, trades: &[&Trade]) {
    let table = Table::new(model, trades, area.width.saturating_sub(MARGIN + 1));
    table.draw_heading(canvas, line(area, 0));
    let mut rest = below(area, 1);
    for trade in trades {
        if rest.height == 0 {
            return;
        }
        let row = line(rest, 0);
        canvas.target(row, Target::Row(trade.id));
        table.draw_row(canvas, row, trade);
        if model.flashes.is_lit(model.now.since_start, trade.id) {
            canvas.flash(row);
        }
        rest = below(rest, 1);
        for (words, role) in notes(model, trade) {
            canvas.put(line(rest, 0), MARGIN, &words, role);
            rest = below(rest, 1);
        }
        if let Some(reason) = &trade.needs_person {
            let words = format!("needs you: {}", text::clean(reason));
            let room = rest.width.saturating_sub(MARGIN + 1);
            canvas.put(line(rest, 0), MARGIN, &text::cut(&words, room), Role::Danger);
            rest = below(rest, 1);
        }
        if model.open.list.expanded.contains(&trade.id) {
            let used = details::draw(canvas, rest, model, trade);
            rest = below(rest, used);
        }
    }
}

/// The lines below a row: what was asked of the trade and is not answered yet, whole because it has prices in it,
/// and how far the engine has got with it.
#[must_use]
pub fn notes(model: &Model, trade: &Trade) -> Vec<(String, Role)> {
    let room = note_room(model);
    let asked = asked_lines(model, trade, room).into_iter().map(|words| (words, Role::Warn));
    let step = trade.step.map(|step| text::cut(&format!("{} {}", spinner(model), step.sentence()), room));
    asked.chain(step.map(|words| (words, Role::Accent))).collect()
}

/// How many lines [`notes`] takes.
#[must_use]
pub fn note_lines(model: &Model, trade: &Trade) -> u16 {
    let asked = asked_lines(model, trade, note_room(model)).len();
    u16::try_from(asked).unwrap_or(u16::MAX).saturating_add(u16::from(trade.step.is_some()))
}

fn asked_lines(model: &Model, trade: &Trade, room: u16) -> Vec<String> {
    let Some(ask) = model.pending.of(trade) else { return Vec::new() };
    let words = format!("{} {}", spinner(model), pending::sentence(trade, ask));
    text::hang(&words, room, 2)
}

fn note_room(model: &Model) -> u16 {
    match mode(model.width) {
        Mode::Narrow => model.width.saturating_sub(3),
        Mode::Standard | Mode::Wide => model.width.saturating_sub(MARGIN + 1),
    }
}

/// The selection's mark and whether the row is open, in the margin.
#[must_use]
pub fn marker(is_selected: bool, is_expanded: bool) -> &'static str {
    match (is_selected, is_expanded) {
        (_, true) => "▾",
        (true, false) => "▸",
        (false, false) => " ",
    }
}

/// A cell with its meaning.
struct Cell {
    text: String,
    role: Role,
}

fn cell(text: impl Into<String>, role: Role) -> Cell {
    Cell { text: text.into(), role }
}

struct Table<'a> {
    model: &'a Model,
    columns: Vec<Column>,
    slots: Vec<Option<Slot>>,
    /// Widest stop and target, so that all rails begin in one column.
    stop_width: u16,
    target_width: u16,
}

const BRACKET: usize = 7;
const STATE: usize = 10;

impl<'a> Table<'a> {
    fn new(model: &'a Model, rows: &[&Trade], width: u16) -> Self {
        let widest = |prices: &dyn Fn(&Trade) -> Option<String>| {
            rows.iter().filter_map(|trade| prices(trade)).map(|words| text::width(&words)).max().unwrap_or(0).max(4)
        };
        let heading = |title: &'static str| text::width(&sorted_title(model, title));
        let stop_width = widest(&|trade| trade.sl_price.map(|price| format::price(price.value()))).max(heading("STOP"));
        let target_width = widest(&|trade| trade.tp_price.map(|price| format::price(price.value())));
        let target_width = target_width.max(heading("TARGET"));
        let mut table =
            Self { model, columns: columns(stop_width + target_width), slots: Vec::new(), stop_width, target_width };
        for column in &mut table.columns {
            column.hold(text::width(&sorted_title(model, column.title)));
        }
        for trade in rows {
            let cells = table.cells(trade);
            for (column, cell) in table.columns.iter_mut().zip(cells) {
                column.hold(text::width(&cell.text));
            }
        }
        table.slots = place(&table.columns, width);
        table
    }

    fn draw_heading(&self, canvas: &mut Canvas<'_>, row: Rect) {
        for (index, (column, slot)) in self.columns.iter().zip(&self.slots).enumerate() {
            let Some(slot) = slot else { continue };
            if index == BRACKET {
                let words = self.bracket_heading(slot.width);
                canvas.put(row, MARGIN + slot.x, &words, Role::Heading);
            } else {
                let words = sorted_title(self.model, column.title);
                put_aligned(canvas, row, *slot, column.align, &cell(words, Role::Heading));
            }
        }
    }

    fn bracket_heading(&self, width: u16) -> String {
        let stop = format!("{:>width$}", sorted_title(self.model, "STOP"), width = usize::from(self.stop_width));
        let target = sorted_title(self.model, "TARGET");
        let used = text::width(&stop) + 2 + self.target_width;
        let room = width.saturating_sub(used);
        let name = if room >= 15 { " BRACKET " } else { " RAIL " };
        let bars = usize::from(room.saturating_sub(text::width(name)));
        let (left, right) = ("─".repeat(bars / 2), "─".repeat(bars - bars / 2));
        format!("{stop} {left}{name}{right} {target}")
    }

    fn draw_row(&self, canvas: &mut Canvas<'_>, row: Rect, trade: &Trade) {
        let is_selected = self.model.open.list.selected == Some(trade.id);
        if is_selected {
            canvas.tint(row, Role::Selected);
        }
        let is_expanded = self.model.open.list.expanded.contains(&trade.id);
        canvas.put(row, 1, marker(is_selected, is_expanded), Role::Accent);
        let has_bracket = self.slots.get(BRACKET).is_some_and(Option::is_some);
        for (index, ((column, slot), words)) in self.columns.iter().zip(&self.slots).zip(self.cells(trade)).enumerate()
        {
            let Some(slot) = slot else { continue };
            if index == BRACKET {
                self.draw_bracket(canvas, row, *slot, trade);
            } else if index == STATE && !has_bracket && is_unprotected(trade) {
                put_aligned(canvas, row, *slot, column.align, &cell(cover_words(trade), Role::Alarm));
            } else {
                put_aligned(canvas, row, *slot, column.align, &words);
            }
        }
    }

    fn cells(&self, trade: &Trade) -> Vec<Cell> {
        let now = self.model.trading_now();
        let pnl = trade.unrealized_pnl.map(|cash| cash.0);
        let percent = pnl_pct(trade);
        let dte = trade.contract.days_to_expiry(format::exchange_date(now));
        vec![
            cell(text::clean(&trade.ticker), Role::Strong),
            cell(contract(self.model, trade), Role::Text),
            cell(quantity(trade), Role::Text),
            cell(or_unknown(trade.entry_price.map(|price| format::price(price.value()))), Role::Muted),
            mark_cell(self.model, trade),
            cell(or_unknown(pnl.map(format::trend)), role_of(self.model, trade, pnl.map_or(Role::Muted, sign_role))),
            cell(
                or_unknown(percent.map(format::percent)),
                role_of(self.model, trade, percent.map_or(Role::Muted, sign_role)),
            ),
            cell("", Role::Text),
            cell(dte.to_string(), if dte <= 1 { Role::Warn } else { Role::Muted }),
            cell(format::held(trade.entry_date, now), Role::Muted),
            state_cell(self.model, trade),
        ]
    }

    fn draw_bracket(&self, canvas: &mut Canvas<'_>, row: Rect, slot: Slot, trade: &Trade) {
        let row = Rect {
            x: row.x + MARGIN + slot.x,
            width: slot.width.min(row.width.saturating_sub(MARGIN + slot.x)),
            ..row
        };
        match bracket(trade) {
            Bracket::Missing => {
                canvas.put(row, 0, &format!(" {} ", cover_words(trade)), Role::Alarm);
                let target = trade.tp_price.map(|price| format!("target {} only", format::price(price.value())));
                if let Some(words) =
                    target.filter(|_| trade.protection == blotter_shared::domain::Protection::Confirmed)
                {
                    canvas.put(row, 10, fitting(&[words], row.width.saturating_sub(10)), Role::Muted);
                }
            }
            Bracket::Waiting(wordings) => {
                canvas.put(row, 0, fitting(&wordings, row.width), Role::Muted);
            }
            Bracket::StopOnly(stop) => {
                let words = format!("{stop:>width$} ├ stop only", width = usize::from(self.stop_width));
                canvas.put(row, 0, &words, Role::Text);
            }
            Bracket::Rail { stop, target, rail } => {
                let cells = slot.width.saturating_sub(self.stop_width + self.target_width + 2);
                let x =
                    canvas.put(row, 0, &format!("{stop:>width$} ", width = usize::from(self.stop_width)), Role::Text);
                let x = canvas.put(row, x, &rail.draw(cells), rail.role());
                canvas.put(row, x + 1, &target, Role::Text);
            }
        }
    }
}

/// A column's title; the one that is sorted by has an arrow that says in which direction.
fn sorted_title(model: &Model, title: &'static str) -> String {
    let (sort, is_reversed) = (model.open.sort, model.open.is_reversed);
    let arrow = if is_reversed { "↑" } else { "↓" };
    if sort.title() == title { format!("{title}{arrow}") } else { title.to_owned() }
}

fn columns(bracket_ends: u16) -> Vec<Column> {
    use Align::{Left, Right};
    let fixed = Column::fixed;
    let ends = bracket_ends.max(10) + 2;
    let bracket = Width::Flexible { least: ends + 11, wanted: ends + 15, most: ends + 33 };
    vec![
        fixed("SYMBOL", Left, Drops::Never),
        fixed("CONTRACT", Left, Drops::Late(5)),
        fixed("QTY", Right, Drops::Late(4)),
        fixed("ENTRY", Right, Drops::Early(3)),
        fixed("MARK", Right, Drops::Late(3)),
        fixed("P&L $", Right, Drops::Never),
        fixed("P&L %", Right, Drops::Early(2)),
        Column { width: bracket, ..fixed("BRACKET", Left, Drops::Late(2)) },
        fixed("DTE", Right, Drops::Early(4)),
        fixed("AGE", Right, Drops::Early(1)),
        fixed("STATE", Left, Drops::Never),
    ]
}

fn put_aligned(canvas: &mut Canvas<'_>, row: Rect, slot: Slot, align: Align, cell: &Cell) {
    let indent = match align {
        Align::Left => 0,
        Align::Right => slot.width.saturating_sub(text::width(&cell.text)),
    };
    canvas.put(row, MARGIN + slot.x + indent, &cell.text, cell.role);
}

/// What to show of a bracket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bracket {
    /// Held without a stop that is known to work.
    Missing,
    /// Nothing is held yet.
    Waiting(Vec<String>),
    StopOnly(String),
    Rail {
        stop: String,
        target: String,
        rail: Rail,
    },
}

/// Decides it. Only a bracket that was seen working is drawn as one.
#[must_use]
pub fn bracket(trade: &Trade) -> Bracket {
    let shown = |price: Option<blotter_shared::domain::Price>| price.map(|price| format::price(price.value()));
    match cover(trade) {
        Cover::NoStop | Cover::Unverified => Bracket::Missing,
        Cover::Nothing => Bracket::Waiting(planned(match (shown(trade.sl_price), shown(trade.tp_price)) {
            (Some(stop), Some(target)) => format!("{stop} – {target}"),
            (Some(stop), None) => format!("stop {stop}"),
            (None, Some(target)) => format!("target {target}"),
            (None, None) => "no bracket".to_owned(),
        })),
        Cover::Stop => {
            let stop = shown(trade.sl_price).unwrap_or_default();
            let scale =
                trade.sl_price.zip(trade.tp_price).and_then(|(stop, target)| Rail::new(stop.value(), target.value()));
            match (scale, shown(trade.tp_price)) {
                (Some(rail), Some(target)) => {
                    let rail = rail.entry(trade.entry_price.map(Into::into)).mark(trade.current_price.map(Into::into));
                    Bracket::Rail { stop, target, rail }
                }
                (None | Some(_), _) => Bracket::StopOnly(stop),
            }
        }
    }
}

/// What comes after the fill, in ever shorter words.
fn planned(prices: String) -> Vec<String> {
    vec![format!("after the fill: {prices}"), format!("planned {prices}"), prices, "planned".to_owned()]
}

/// The longest wording that fits.
#[must_use]
pub fn fitting(wordings: &[String], room: u16) -> &str {
    wordings.iter().find(|words| text::width(words) <= room).map_or("", String::as_str)
}

/// Whether it is held without a stop that is known to work.
#[must_use]
pub fn is_unprotected(trade: &Trade) -> bool {
    match cover(trade) {
        Cover::NoStop | Cover::Unverified => true,
        Cover::Nothing | Cover::Stop => false,
    }
}

/// The words for a missing stop.
#[must_use]
pub fn cover_words(trade: &Trade) -> &'static str {
    match cover(trade) {
        Cover::Unverified => "UNVERIFIED",
        Cover::NoStop | Cover::Nothing | Cover::Stop => "NO STOP",
    }
}

fn contract(model: &Model, trade: &Trade) -> String {
    let strike = trade.contract.strike.normalize();
    let right = trade.contract.option_type.letter();
    let date = match mode(model.width) {
        Mode::Wide => format::expiry_long(trade.contract.expiry),
        Mode::Standard | Mode::Narrow => format::expiry_short(trade.contract.expiry),
    };
    format!("{date} {strike} {right}")
}

/// Held of wanted, while the two differ.
#[must_use]
pub fn quantity(trade: &Trade) -> String {
    if trade.held_qty == trade.qty { trade.qty.to_string() } else { format!("{}/{}", trade.held_qty, trade.qty) }
}

fn or_unknown(text: Option<String>) -> String {
    text.unwrap_or_else(|| format::UNKNOWN.to_owned())
}

fn mark_cell(model: &Model, trade: &Trade) -> Cell {
    let (words, role) = mark_words(model, trade);
    cell(words, role)
}

/// The role of a figure by its sign.
#[must_use]
pub fn sign_role(value: rust_decimal::Decimal) -> Role {
    if value.is_zero() {
        Role::Text
    } else if value.is_sign_negative() {
        Role::Loss
    } else {
        Role::Profit
    }
}

/// The state, with a spinner while it is on its way out, or while what was asked is not confirmed.
#[must_use]
pub fn state_words(model: &Model, trade: &Trade) -> (String, Role) {
    if let Some(ask) = model.pending.of(trade) {
        return (format!("{} {}", spinner(model), pending::state(ask)), Role::Warn);
    }
    let is_leaving = trade.status == TradeStatus::Closing || trade.desired == Desired::Flat;
    if trade.step == Some(Step::CloseAtOpen) {
        return ("CLOSE AT OPEN".to_owned(), Role::Accent);
    }
    if is_leaving {
        return (format!("{} CLOSING", spinner(model)), Role::Accent);
    }
    let role = match trade.status {
        TradeStatus::Pending | TradeStatus::Open | TradeStatus::Partial => Role::Accent,
        TradeStatus::Filled | TradeStatus::Closing => Role::Text,
        TradeStatus::Closed | TradeStatus::Void | TradeStatus::Rejected | TradeStatus::Canceled => Role::Muted,
    };
    (trade.status.as_str().to_owned(), role)
}

fn state_cell(model: &Model, trade: &Trade) -> Cell {
    let (words, role) = state_words(model, trade);
    cell(words, role)
}

/// The spinner's present frame.
#[must_use]
pub fn spinner(model: &Model) -> char {
    let frame = model.now.since_start.as_millis() / crate::model::SPINNER_FRAME.as_millis();
    let count = u128::try_from(SPINNER.len()).unwrap_or(1);
    let index = if model.is_spinning() { usize::try_from(frame % count).unwrap_or(0) } else { 0 };
    SPINNER.get(index).copied().unwrap_or('·')
}
