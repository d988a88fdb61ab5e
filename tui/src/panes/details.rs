//! What a row shows when it is opened: the path of its price, everything that is known of it as facts that
//! flow into lines, what happened last, and what the market was like. A fact is never cut; one that fits
//! nowhere has a line of its own.

use blotter_shared::domain::{BrokerMode, Cash, Protection};
use blotter_shared::protocol::context::TradeContext;
use blotter_shared::protocol::prices::{LivePrice, QuoteQuality};
use blotter_shared::protocol::timeline::Moment;
use blotter_shared::protocol::trades::Trade;
use ratatui::layout::Rect;
use rust_decimal::Decimal;

use super::open::marks::is_old;
use super::{Pane, brackets, history, open, path};
use crate::figures::{Cover, cover};
use crate::format;
use crate::model::Model;
use crate::theme::Role;
use crate::view::layout;
use crate::widgets::canvas::{Canvas, below, line};
use crate::widgets::facts::{Fact, flow, put_facts};
use crate::widgets::text;

const INDENT: u16 = 3;
/// From here on the path lies beside the facts, and below this height there is no room for one.
const WIDE_ENOUGH: u16 = 72;
const HIGH_ENOUGH: u16 = 20;

/// Points of a price path that a screen of this width can show: two a column.
#[must_use]
pub fn path_width(width: u16) -> u16 {
    (path_cells(width) * 2).clamp(2, 1000)
}

fn path_cells(width: u16) -> u16 {
    let room = width.saturating_sub(INDENT + 3);
    if width >= WIDE_ENOUGH { (room * 2 / 5).min(48) } else { room }
}

/// One line.
enum Line {
    Facts(Vec<Fact>),
    Words(String, Role),
}

/// Everything that is shown, in its place.
struct Sheet {
    path: Option<u16>,
    beside: Vec<Line>,
    below: Vec<Line>,
}

impl Sheet {
    /// Lines of the upper part: path and facts, side by side or one above the other.
    fn upper(&self, width: u16) -> u16 {
        let (path, facts) = (self.path.unwrap_or(0), count(&self.beside));
        if width >= WIDE_ENOUGH { path.max(facts) } else { path + facts }
    }
}

/// Lines that the details of a trade take at the model's width.
#[must_use]
pub fn height(model: &Model, trade: &Trade) -> u16 {
    let sheet = sheet(model, trade, model.width);
    sheet.upper(model.width) + count(&sheet.below)
}

/// Draws them and gives the lines used.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model, trade: &Trade) -> u16 {
    let sheet = sheet(model, trade, area.width);
    let upper = sheet.upper(area.width);
    let lines = upper + count(&sheet.below);
    for row in 0..area.height.min(lines) {
        canvas.put(line(area, row), INDENT, "│", Role::Rule);
    }
    let inner = Rect { x: area.x + INDENT + 2, width: area.width.saturating_sub(INDENT + 3), ..area };
    let is_wide = area.width >= WIDE_ENOUGH;
    let mut facts = inner;
    if let Some(height) = sheet.path {
        let cells = path_cells(area.width);
        path::draw(canvas, Rect { width: cells, height: height.min(inner.height), ..inner }, model, trade);
        facts = if is_wide {
            Rect { x: inner.x + cells + 2, width: inner.width.saturating_sub(cells + 2), ..inner }
        } else {
            below(inner, height)
        };
    }
    put_lines(canvas, facts, &sheet.beside);
    put_lines(canvas, below(inner, upper), &sheet.below);
    lines
}

fn put_lines(canvas: &mut Canvas<'_>, area: Rect, lines: &[Line]) {
    for (row, content) in (0..area.height).zip(lines) {
        match content {
            Line::Facts(facts) => put_facts(canvas, line(area, row), 0, facts),
            Line::Words(words, role) => {
                canvas.put(line(area, row), 0, words, *role);
            }
        }
    }
}

fn count<T>(lines: &[T]) -> u16 {
    u16::try_from(lines.len()).unwrap_or(u16::MAX)
}

fn sheet(model: &Model, trade: &Trade, width: u16) -> Sheet {
    let room = width.saturating_sub(INDENT + 3);
    let fits = model.height >= HIGH_ENOUGH && trade.entry_price.is_some();
    let is_empty = path::is_empty(model, trade);
    let path = (fits && !is_empty).then_some(path::HEIGHT);
    let beside_path = path.is_some() && width >= WIDE_ENOUGH;
    let fact_room = if beside_path { room.saturating_sub(path_cells(width) + 2) } else { room };
    let context = model.looked.get(&trade.id).and_then(|looked| looked.context.as_ref());
    let moments = model.looked.get(&trade.id).and_then(|looked| looked.moments.as_deref());
    let groups = [
        price_facts(model, trade),
        quote_facts(model, trade, context),
        risk_facts(trade, context),
        bracket_facts(model, trade, moments),
        close_facts(model, trade),
        identity_facts(trade, context),
    ];
    let nothing = (fits && is_empty).then(|| Line::Words("No price was recorded.".to_owned(), Role::Muted));
    let facts = groups.into_iter().flat_map(|group| flow(group, fact_room)).map(Line::Facts);
    let facts = nothing.into_iter().chain(facts).collect();
    let mut below: Vec<Line> = excursions(trade, context, room).into_iter().collect();
    below.extend(market_facts(context, room));
    let sheet = Sheet { path, beside: facts, below };
    let used = sheet.upper(width) + count(&sheet.below);
    let tail = moments.map(|moments| story(moments, model, (room, tail_lines(model, used)))).unwrap_or_default();
    Sheet { below: sheet.below.into_iter().chain(tail).collect(), ..sheet }
}

/// Lines of the story that are there however full the screen is.
const TAIL_LEAST: u16 = 2;

/// How many lines of the story fit, when the details have so many already and every row stays on the screen.
fn tail_lines(model: &Model, used: u16) -> u16 {
    let viewport = layout::list_lines(model);
    let (expanded, rows) = match model.pane {
        Pane::Open => (&model.open.list.expanded, model.open.rows().len()),
        Pane::History => (&model.history.list.expanded, model.history.trades().len()),
        Pane::Performance => return TAIL_LEAST,
    };
    // More rows than lines: they scroll, and what is opened takes no more of the screen than it has to.
    if expanded.len() > 1 || rows > usize::from(viewport) {
        return TAIL_LEAST;
    }
    let folded: u16 = match model.pane {
        Pane::Open => model.open_trades().iter().map(|trade| open::view::folded_height(model, trade)).sum(),
        Pane::History => model.history.trades().iter().map(|_| history::view::folded_height(model)).sum(),
        Pane::Performance => 0,
    };
    viewport.saturating_sub(folded.saturating_add(used)).max(TAIL_LEAST)
}

/// The newest of what happened, in at most so many lines. One that is wider than a line goes on in the next: it is
/// broken between words, and not in the middle of a figure.
fn story(moments: &[Moment], model: &Model, (room, most): (u16, u16)) -> Vec<Line> {
    let today = format::exchange_date(model.trading_now());
    let most = usize::from(most);
    let mut lines: Vec<String> = Vec::new();
    for moment in moments.iter().rev() {
        let at = format::clock_s(moment.at);
        let day = format::exchange_date(moment.at);
        let day = if day == today { String::new() } else { format!("{} ", day.format("%b %d")) };
        let words = format!("{day}{} {}", at.trim_end_matches(" ET"), text::clean(&moment.what));
        let joined = match lines.first() {
            Some(line) => format!("{words} · {line}"),
            None => words.clone(),
        };
        if text::width(&joined) <= room {
            lines.splice(..lines.len().min(1), [joined]);
            continue;
        }
        let mut parts = text::hang(&words, room, 2);
        if lines.is_empty() {
            parts.truncate(most);
        }
        if lines.len() + parts.len() > most {
            break;
        }
        lines.splice(..0, parts);
    }
    lines.into_iter().map(|words| Line::Words(words, Role::Muted)).collect()
}

/// How far the price went for and against the trade, as two bars from one middle.
fn excursions(trade: &Trade, context: Option<&TradeContext>, room: u16) -> Option<Line> {
    let close = trade.close.as_ref()?;
    let context = context?;
    let best = context.mfe_pct.or(context.max_gain_pct)?.max(Decimal::ZERO);
    let worst = context.mae_pct.or(context.max_drawdown_pct)?.min(Decimal::ZERO);
    let kept = close.realized_pnl_pct.filter(|_| best > Decimal::ZERO);
    let kept = kept.and_then(|kept| kept.max(Decimal::ZERO).checked_mul(Decimal::ONE_HUNDRED)?.checked_div(best));
    let kept = kept.map(|kept| format!("   kept {} %", kept.round())).unwrap_or_default();
    let drawn = [(10, kept.as_str()), (10, ""), (5, ""), (2, "")].map(|(cells, kept)| {
        let (against, of) = (bar(-worst, best.max(-worst), cells), bar(best, best.max(-worst), cells));
        format!("MAE {} {against:>cells$}┼{of:<cells$} {} MFE{kept}", format::percent(worst), format::percent(best))
    });
    drawn.into_iter().find(|words| text::width(words) <= room).map(|words| Line::Words(words, Role::Text))
}

fn bar(value: Decimal, most: Decimal, cells: usize) -> String {
    let share = value.checked_div(most).unwrap_or_default() * Decimal::from(cells);
    "█".repeat(usize::try_from(share.round()).unwrap_or(0).min(cells))
}

/// What the market was like at the entry, in a line; all of it is in the story.
fn market_facts(context: Option<&TradeContext>, room: u16) -> Vec<Line> {
    let Some(context) = context else { return Vec::new() };
    let at = |document: &Option<serde_json::Value>, path: &str| {
        document.as_ref().and_then(|value| value.pointer(path)).and_then(plain)
    };
    let named = [
        ("SPY", at(&context.regime, "/spy/pct_change").map(|change| signed_percent(&change))),
        ("VIX", at(&context.regime, "/spy/vix")),
        ("RSI 1m", at(&context.signals, "/1m/rsi")),
        ("1h", at(&context.signals, "/1h/trend")),
        ("Daily", at(&context.signals, "/daily/trend")),
        ("Spread at entry", at(&context.order_book, "/spread_pct").map(|spread| format!("{spread} %"))),
    ];
    let facts: Vec<Fact> = named.into_iter().filter_map(|(label, value)| Some(fact(label, value?))).collect();
    flow(facts, room).into_iter().map(Line::Facts).collect()
}

/// A change, with the sign of one that goes up.
fn signed_percent(change: &str) -> String {
    let goes_up = change.parse().is_ok_and(|change: Decimal| change > Decimal::ZERO);
    format!("{}{change} %", if goes_up { "+" } else { "" })
}

/// A value of the context as people read it; nothing that is null.
fn plain(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(words) => Some(text::clean(words)),
        serde_json::Value::Number(number) => {
            let exact = number.to_string().parse::<Decimal>();
            Some(exact.map_or_else(|_| number.to_string(), |value| format::plain(value, 2)))
        }
        serde_json::Value::Bool(flag) => Some(flag.to_string()),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    }
}

fn fact(label: &'static str, value: impl Into<String>) -> Fact {
    Fact::new(label, value)
}

fn price_facts(model: &Model, trade: &Trade) -> Vec<Fact> {
    let now = model.trading_now();
    let mut facts = Vec::new();
    if let Some(entry) = trade.entry_price {
        facts.push(fact(
            "Entry",
            format!("{}  {} ET", format::price(entry.value()), format::moment(trade.entry_date, now)),
        ));
    } else {
        facts.push(fact("Wanted since", format!("{} ET", format::moment(trade.entry_date, now))));
    }
    if let Some(mark) = trade.current_price.filter(|_| trade.close.is_none()) {
        let seen = trade.last_updated.map_or("age unknown".to_owned(), |at| format!("as of {}", format::clock(at)));
        let (role, old) = if is_old(model, trade) { (Role::Warn, ", old") } else { (Role::Text, "") };
        facts.push(Fact { role, ..fact("Mark", format!("{} {seen}{old}", format::price(mark.value()))) });
    }
    facts
}

/// The newest quote: both sides, how far it can be trusted, and the greeks from entry to now.
fn quote_facts(model: &Model, trade: &Trade, context: Option<&TradeContext>) -> Vec<Fact> {
    let live = model.quotes.of(trade.id).filter(|_| trade.close.is_none());
    let mut facts: Vec<Fact> = live.map(sides).unwrap_or_default();
    let change = |then: Option<Decimal>, now: Option<Decimal>| match (then, now) {
        (Some(then), Some(now)) => Some(format!("{} → {}", format::plain(then, 2), format::plain(now, 2))),
        (Some(then), None) => Some(format!("{} at entry", format::plain(then, 2))),
        (None, Some(now)) => Some(format::plain(now, 2)),
        (None, None) => None,
    };
    let percent = |share: Option<Decimal>| share.map(|share| (share * Decimal::ONE_HUNDRED).round_dp(1));
    let then = |of: fn(&TradeContext) -> Option<Decimal>| context.and_then(of);
    facts.extend(change(then(|of| of.delta), live.and_then(|price| price.delta)).map(|words| fact("Delta", words)));
    facts.extend(
        change(percent(then(|of| of.iv)), percent(live.and_then(|price| price.iv))).map(|words| fact("IV", words)),
    );
    facts.extend(live.and_then(|price| price.underlying).map(|price| fact("Underlying", format::price(price))));
    facts
}

/// Both sides of a quote, and what is wrong with it.
#[must_use]
pub fn sides(price: &LivePrice) -> Vec<Fact> {
    let shown = |side: Option<Decimal>| side.map_or("none".to_owned(), format::price);
    let spread = price.bid.zip(price.ask).and_then(|(bid, ask)| {
        let middle = (bid + ask) / Decimal::TWO;
        (ask - bid).checked_mul(Decimal::ONE_HUNDRED)?.checked_div(middle)
    });
    let is_wide = spread.is_some_and(|spread| spread > Decimal::TEN);
    let spread = spread.map(|spread| format!("  {:.1} %", spread.round_dp(1))).unwrap_or_default();
    let role = if is_wide { Role::Warn } else { Role::Text };
    let mut facts =
        vec![Fact { role, ..fact("Bid/Ask", format!("{} / {}{spread}", shown(price.bid), shown(price.ask))) }];
    let quality = match price.quality {
        QuoteQuality::Good => None,
        QuoteQuality::Delayed => Some("15 min behind"),
        QuoteQuality::Stale => Some("stale"),
        QuoteQuality::Wide => Some("wide or one-sided"),
        QuoteQuality::Crossed => Some("crossed: no mark"),
    };
    facts.extend(quality.map(|words| Fact { role: Role::Warn, ..fact("Quote", words) }));
    facts
}

fn risk_facts(trade: &Trade, context: Option<&TradeContext>) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(context) = context.filter(|_| trade.close.is_none()) {
        facts.extend(context.max_gain_pct.map(|gain| fact("Max gain", format::percent(gain))));
        facts.extend(context.max_drawdown_pct.map(|fall| fact("Max drawdown", format::percent(fall))));
    }
    if let Some(risk) = risk(trade) {
        facts.push(fact("Risk", format::money(risk)));
        if let Some(reward) = reward(trade).and_then(|reward| reward.checked_div(risk)) {
            facts.push(fact("To target", format!("{} R", format::multiple(reward))));
        }
    }
    facts
}

/// What the stop leaves to lose, in dollars.
fn risk(trade: &Trade) -> Option<Decimal> {
    let distance = trade.entry_price?.value() - trade.sl_price?.value();
    (distance > Decimal::ZERO).then(|| distance.checked_mul(units(trade))).flatten()
}

fn reward(trade: &Trade) -> Option<Decimal> {
    (trade.tp_price?.value() - trade.entry_price?.value()).checked_mul(units(trade))
}

fn units(trade: &Trade) -> Decimal {
    Decimal::from(trade.qty) * Decimal::from(trade.multiplier.get())
}

fn bracket_facts(model: &Model, trade: &Trade, moments: Option<&[Moment]>) -> Vec<Fact> {
    if trade.close.is_some() {
        return Vec::new();
    }
    let shown = |price: Option<blotter_shared::domain::Price>| {
        price.map_or("none".to_owned(), |price| format::price(price.value()))
    };
    let (words, role) = match (cover(trade), trade.protection) {
        (Cover::Stop, _) => ("seen working at the broker", Role::Good),
        (Cover::NoStop, Protection::Confirmed) => ("target only: no stop protects it", Role::Alarm),
        (Cover::NoStop, _) => ("not protected", Role::Alarm),
        (Cover::Unverified, _) => ("not known to be protected", Role::Alarm),
        (Cover::Nothing, _) => ("nothing is held", Role::Muted),
    };
    let mut facts = vec![
        fact("Stop", shown(trade.sl_price)),
        fact("Target", shown(trade.tp_price)),
        Fact { label: "Bracket", value: words.to_owned(), role },
    ];
    if let Some(at) = trade.last_verified_at {
        facts.push(fact("Last verified", format!("{} ET", format::moment(at, model.trading_now()))));
    }
    let Some(moments) = moments else { return facts };
    let order = brackets::newest(moments);
    facts.extend(
        order.map(|order| fact("Order", format!("#{} {}", text::clean(order.number), brackets::word(order.state)))),
    );
    let times = brackets::times_adjusted(moments);
    facts.extend((times > 0).then(|| fact("Adjusted", format!("{times}×"))));
    facts
}

fn close_facts(model: &Model, trade: &Trade) -> Vec<Fact> {
    let Some(close) = &trade.close else { return Vec::new() };
    let mut facts = vec![fact("Closed", format!("{} ET", format::moment(close.at, model.trading_now())))];
    facts.extend(close.price.map(|price| fact("Exit", format::price(price.value()))));
    facts.extend(close.reason.map(|reason| fact("Reason", reason.as_str())));
    facts.extend(close.realized_pnl.map(|_| fees_fact(trade, close.fees)));
    facts.push(fact("Stop", trade.sl_price.map_or("none".to_owned(), |price| format::price(price.value()))));
    facts.push(fact("Target", trade.tp_price.map_or("none".to_owned(), |price| format::price(price.value()))));
    facts
}

/// Until the broker tells them the result is one before fees, and its sandbox never does.
fn fees_fact(trade: &Trade, fees: Option<Cash>) -> Fact {
    match (fees, trade.broker_mode) {
        (Some(fees), _) => fact("Fees", format::money(fees.0)),
        (None, BrokerMode::Sandbox) => Fact { role: Role::Muted, ..fact("Fees", "never told") },
        (None, BrokerMode::Sim | BrokerMode::Live) => Fact { role: Role::Warn, ..fact("Fees", "not told yet") },
    }
}

fn identity_facts(trade: &Trade, context: Option<&TradeContext>) -> Vec<Fact> {
    let strategy = trade.strategy.as_deref().map(text::clean);
    let mut facts = vec![fact("Trade", format!("{}  v{}", trade.number, trade.version))];
    facts.extend(strategy.map(|name| fact("Strategy", name)));
    if let Some(context) = context {
        facts.extend(context.card_score.map(|score| fact("Card", format::plain(score, 1))));
        let verdict = context.ai_verdict.as_deref().map(text::clean);
        let score = context.ai_score.map(|score| format::plain(score, 2));
        let said: Vec<String> = score.into_iter().chain(verdict).collect();
        facts.extend((!said.is_empty()).then(|| fact("AI", said.join(" "))));
        facts.extend(context.gate_verdict.as_deref().map(|verdict| fact("Gate", text::clean(verdict))));
    }
    facts.push(fact("Account", format!("{} {}", trade.broker_mode, text::clean(&trade.account_id))));
    facts.push(fact("Symbol", text::clean(&trade.option_symbol)));
    facts
}
