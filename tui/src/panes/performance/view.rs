//! How performance looks: periods, figures, equity, the calendar of days, and a breakdown. A figure that
//! needs more trades than there are is `–`; a profit factor without a loss is `∞`.

use blotter_shared::domain::Cash;
use blotter_shared::protocol::performance::{BreakdownRow, Figures, Performance};
use ratatui::layout::Rect;
use rust_decimal::Decimal;

use super::model::{PERIODS, breakdown_name, period_name};
use super::pictures;
use crate::charts::bars::bars;
use crate::format;
use crate::model::Model;
use crate::panes::empty;
use crate::panes::open::view::sign_role;
use crate::theme::Role;
use crate::view::layout::{self, Mode, mode};
use crate::widgets::canvas::{Canvas, below, line};
use crate::widgets::columns::{Align, Column, Drops, Slot, place};
use crate::widgets::facts::{Fact, flow, put_facts};
use crate::widgets::text;

/// Cells at the left of everything.
const MARGIN: u16 = 1;

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model) {
    let Some(performance) = &model.performance.data else { return empty::performance(canvas, area, model) };
    draw_pills(canvas, line(area, 0), model, performance);
    if performance.figures.trades == 0 && performance.figures.unknown == 0 {
        return empty::performance(canvas, below(area, 1), model);
    }
    let parts = parts(model, area, performance);
    for (row, facts) in (0..).zip(&parts.facts) {
        put_facts(canvas, line(below(area, 1), row), MARGIN, facts);
    }
    if parts.pictures.height > 0 {
        pictures::draw(canvas, parts.pictures, model, performance);
    }
    draw_breakdown(canvas, parts.table, model, performance);
}

/// Rows of the breakdown that do not fit.
#[must_use]
pub fn hidden_rows(model: &Model) -> usize {
    let Some(performance) = &model.performance.data else { return 0 };
    let parts = parts(model, layout::frame(model).body, performance);
    performance.rows.len().saturating_sub(usize::from(parts.table.height.saturating_sub(2)))
}

/// Where everything lies.
struct Parts {
    facts: Vec<Vec<Fact>>,
    pictures: Rect,
    table: Rect,
}

/// Least lines of the breakdown: title, heading, three rows; and of the pictures.
const TABLE_LEAST: u16 = 5;
const PICTURES_LEAST: u16 = 7;

fn parts(model: &Model, area: Rect, performance: &Performance) -> Parts {
    let facts = facts(model, performance, area.width);
    let used = u16::try_from(facts.len()).unwrap_or(u16::MAX).saturating_add(1);
    let rest = below(area, used.min(area.height));
    let rows = u16::try_from(performance.rows.len()).unwrap_or(u16::MAX).saturating_add(2);
    let table = rows.clamp(TABLE_LEAST.min(rest.height), (rest.height / 2).max(TABLE_LEAST)).min(rest.height);
    let both = TABLE_LEAST + pictures::BOTH_NARROW;
    let table = if mode(model.width) == Mode::Narrow && rest.height >= both {
        // Rows that do not fit are scrolled to; a picture that is not there is nowhere.
        table.min(rest.height - pictures::BOTH_NARROW)
    } else {
        table
    };
    let mut pictures = rest.height - table;
    if pictures < PICTURES_LEAST {
        pictures = 0;
    }
    Parts { facts, pictures: Rect { height: pictures, ..rest }, table: below(rest, pictures) }
}

fn draw_pills(canvas: &mut Canvas<'_>, row: Rect, model: &Model, performance: &Performance) {
    let mut x = MARGIN;
    for period in PERIODS {
        let name = period_name(*period);
        x = if *period == model.performance.period {
            canvas.put(row, x, &format!("[{name}]"), Role::TabActive) + 1
        } else {
            canvas.put(row, x, &format!(" {name} "), Role::Tab) + 1
        };
    }
    let since =
        performance.from.map_or("since the first trade".to_owned(), |day| format!("since {}", day.format("%b %d")));
    let trades = super::super::history::view::counted(count(performance.figures.trades), "trade", "trades");
    let wordings =
        [format!("{}  {trades}  {since}", performance.mode), format!("{}  {trades}", performance.mode), trades];
    let room = row.width.saturating_sub(x + 2);
    if let Some(words) = wordings.iter().find(|words| text::width(words) <= room) {
        canvas.put_right(Rect { width: row.width.saturating_sub(1), ..row }, words, Role::Muted);
    }
}

fn count(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The figures, the most important first, as many lines as the screen has room for.
fn facts(model: &Model, performance: &Performance, width: u16) -> Vec<Vec<Fact>> {
    let mut groups = vec![first_facts(performance), sizes(performance)];
    if mode(model.width) != Mode::Narrow && model.height >= 28 {
        groups.push(risk_facts(performance));
    }
    groups.into_iter().flat_map(|group| flow(group, width.saturating_sub(MARGIN + 1))).collect()
}

fn first_facts(performance: &Performance) -> Vec<Fact> {
    let figures = &performance.figures;
    let mut facts = vec![
        Fact { label: "Net P&L", value: format::trend(figures.net.0), role: sign_role(figures.net.0) },
        Fact::new("Win rate", share(figures.win_rate)),
        Fact::new("Profit factor", factor(figures)),
    ];
    let expectancy = match (figures.expectancy, figures.expectancy_r) {
        (Some(cash), Some(r)) => format!("{} / trade ({} R)", format::signed_money(cash.0), fine(r)),
        (Some(cash), None) => format!("{} / trade", format::signed_money(cash.0)),
        (None, _) => format::UNKNOWN.to_owned(),
    };
    facts.push(Fact::new("Expectancy", expectancy));
    if figures.estimated > 0 {
        facts.push(Fact { label: "estimated", value: figures.estimated.to_string(), role: Role::Warn });
    }
    if figures.unknown > 0 {
        facts.push(Fact { label: "price unknown", value: figures.unknown.to_string(), role: Role::Warn });
    }
    facts
}

fn sizes(performance: &Performance) -> Vec<Fact> {
    let figures = &performance.figures;
    let drawdown = &performance.drawdown;
    let fall = format::signed_money(-drawdown.deepest.0);
    let fall = drawdown.deepest_pct.map_or(fall.clone(), |part| format!("{fall} ({})", format::percent(-part)));
    vec![
        Fact::new("Avg win", cash(figures.average_win)),
        Fact::new("Avg loss", cash(figures.average_loss)),
        Fact::new("Best", cash(figures.best)),
        Fact::new("Worst", cash(figures.worst)),
        Fact::new("Max drawdown", fall),
    ]
}

fn risk_facts(performance: &Performance) -> Vec<Fact> {
    let (ratios, streaks) = (&performance.ratios, &performance.streaks);
    let now = match streaks.current {
        0 => format::UNKNOWN.to_owned(),
        wins @ 1.. => format!("{wins} won"),
        losses => format!("{} lost", losses.unsigned_abs()),
    };
    vec![
        Fact::new("Payoff", number(performance.figures.payoff)),
        Fact::new("Sharpe", number(ratios.sharpe)),
        Fact::new("Sortino", number(ratios.sortino)),
        Fact::new("SQN", number(ratios.sqn)),
        Fact::new("In a row", format!("{now}, most {} won {} lost", streaks.longest_win, streaks.longest_loss)),
        fees(&performance.figures),
    ]
}

/// What nobody has told is no zero.
fn fees(figures: &Figures) -> Fact {
    let told = format::money(figures.fees.0);
    match figures.fees_untold {
        0 => Fact::new("Fees", told),
        all if all == figures.trades => Fact { role: Role::Warn, ..Fact::new("Fees", "not told") },
        some => Fact { role: Role::Warn, ..Fact::new("Fees", format!("{told}, {some} not told")) },
    }
}

fn cash(value: Option<Cash>) -> String {
    value.map_or_else(|| format::UNKNOWN.to_owned(), |cash| format::signed_money(cash.0))
}

fn number(value: Option<Decimal>) -> String {
    value.map_or_else(|| format::UNKNOWN.to_owned(), |value| format!("{:.2}", value.round_dp(2)))
}

/// A small multiple of risk, with its sign and two decimals.
fn fine(value: Decimal) -> String {
    let rounded = value.round_dp(2);
    if rounded > Decimal::ZERO { format!("+{rounded:.2}") } else { format!("{rounded:.2}") }
}

/// A share of a whole has no sign.
fn share(value: Option<Decimal>) -> String {
    value.map_or_else(|| format::UNKNOWN.to_owned(), |value| format!("{:.1} %", value.round_dp(1)))
}

fn factor(figures: &Figures) -> String {
    match figures.profit_factor {
        Some(factor) => format!("{:.2}", factor.round_dp(2)),
        None if figures.wins > 0 => "∞".to_owned(),
        None => format::UNKNOWN.to_owned(),
    }
}

fn draw_breakdown(canvas: &mut Canvas<'_>, area: Rect, model: &Model, performance: &Performance) {
    let title = title(performance);
    canvas.rule(line(area, 0), '─', Role::Rule);
    let fitting = title.iter().find(|words| text::width(words) + 4 <= area.width);
    canvas.put(line(area, 0), 2, &fitting.map(|words| format!(" {words} ")).unwrap_or_default(), Role::Strong);
    let (top, height) = (model.performance.top, usize::from(area.height.saturating_sub(2)));
    let rows: Vec<&BreakdownRow> = performance.rows.iter().skip(top).take(height).collect();
    let mut columns = columns();
    for row in &rows {
        for (column, (words, _)) in columns.iter_mut().zip(cells(model, row)) {
            column.hold(text::width(&words));
        }
    }
    let slots = place(&columns, area.width.saturating_sub(MARGIN + 1));
    for (column, slot) in columns.iter().zip(&slots) {
        put(canvas, line(area, 1), *slot, column.align, (column.title, Role::Heading));
    }
    for (index, row) in (2..area.height).zip(rows) {
        for ((column, slot), (words, role)) in columns.iter().zip(&slots).zip(cells(model, row)) {
            put(canvas, line(area, index), *slot, column.align, (&words, role));
        }
    }
    draw_position(canvas, line(area, 0), performance, (top, height));
}

fn title(performance: &Performance) -> Vec<String> {
    let by = format!("By {}", breakdown_name(performance.by));
    let best = performance.best_strategy.as_ref().map(|best| {
        format!("{by}   ★ best: {} {}", text::cut(&text::clean(&best.strategy), 24), format::signed_money(best.net.0))
    });
    best.into_iter().chain([by]).collect()
}

/// Which rows are seen, when not all are.
fn draw_position(canvas: &mut Canvas<'_>, row: Rect, performance: &Performance, (top, height): (usize, usize)) {
    let count = performance.rows.len();
    let all = count + usize::try_from(performance.rows_left_out).unwrap_or(0);
    if all > height && count > 0 {
        let words = format!(" {}–{} of {all} ", top + 1, (top + height).min(count));
        canvas.put_right(Rect { width: row.width.saturating_sub(2), ..row }, &words, Role::Muted);
    }
}

fn columns() -> Vec<Column> {
    use Align::{Left, Right};
    let fixed = Column::fixed;
    vec![
        fixed("GROUP", Left, Drops::Never),
        fixed("TRADES", Right, Drops::Late(3)),
        fixed("WIN %", Right, Drops::Late(2)),
        fixed("PF", Right, Drops::Early(3)),
        fixed("AVG R", Right, Drops::Early(4)),
        fixed("AVG $", Right, Drops::Early(2)),
        fixed("NET $", Right, Drops::Never),
        fixed("-2R…+2R", Left, Drops::Early(1)),
    ]
}

/// Longest name of a group, where there is room and where there is not.
const GROUP_MAX: u16 = 24;
const GROUP_MAX_NARROW: u16 = 12;

fn cells(model: &Model, row: &BreakdownRow) -> Vec<(String, Role)> {
    let figures = &row.figures;
    let net = figures.net.0;
    let name = if row.bucket.is_empty() { "(none)".to_owned() } else { text::clean(&row.bucket) };
    let longest = if mode(model.width) == Mode::Narrow { GROUP_MAX_NARROW } else { GROUP_MAX };
    let distribution = bars(&figures.r_distribution, model.surroundings.glyphs);
    let distribution = if figures.r_trades == 0 { format::UNKNOWN.to_owned() } else { distribution };
    vec![
        (text::cut(&name, longest), Role::Strong),
        (figures.trades.to_string(), Role::Text),
        (
            figures.win_rate.map_or_else(|| format::UNKNOWN.to_owned(), |rate| format!("{:.1}", rate.round_dp(1))),
            Role::Text,
        ),
        (factor(figures), Role::Text),
        (
            figures.expectancy_r.map_or_else(|| format::UNKNOWN.to_owned(), fine),
            figures.expectancy_r.map_or(Role::Muted, sign_role),
        ),
        (cash(figures.expectancy), Role::Muted),
        (format::trend(net), sign_role(net)),
        (distribution, Role::Accent),
    ]
}

fn put(canvas: &mut Canvas<'_>, row: Rect, slot: Option<Slot>, align: Align, (words, role): (&str, Role)) {
    let Some(slot) = slot else { return };
    let indent = match align {
        Align::Left => 0,
        Align::Right => slot.width.saturating_sub(text::width(words)),
    };
    canvas.put(row, MARGIN + slot.x + indent, words, role);
}
