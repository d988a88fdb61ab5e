//! A trade's story: what was asked by whom, sent, answered and seen, and what was known at the entry.

use blotter_shared::domain::{TradeId, TradeNumber};
use blotter_shared::protocol::context::TradeContext;
use blotter_shared::protocol::timeline::{Moment, MomentKind, Timeline};
use ratatui::layout::Rect;
use rust_decimal::Decimal;
use serde_json::Value;

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
    /// What was known at the entry, once it is told.
    pub context: Option<TradeContext>,
}

/// The lines at this width.
#[must_use]
pub fn lines(story: &Story, model: &Model, width: u16) -> Vec<(String, Role)> {
    let Some(told) = &story.told else { return vec![("The daemon is asked …".to_owned(), Role::Muted)] };
    let mut lines = Vec::new();
    for moment in &told.moments {
        lines.extend(folded(0, &words(moment, model), width).map(|words| (words, role(moment.kind))));
    }
    if let Some(context) = &story.context {
        for Branch { depth, words, role } in tree(context) {
            lines.extend(folded(depth, &words, width).map(|words| (words, role)));
        }
    }
    lines
}

/// Cells by which a line is set in when it goes on with the one before.
const FOLD: u16 = 4;

/// As many lines as the words need, none wider than it may be.
fn folded(depth: usize, words: &str, width: u16) -> impl Iterator<Item = String> {
    let indent = depth * 2;
    let room = width.saturating_sub(u16::try_from(indent).unwrap_or(u16::MAX));
    text::hang(words, room, FOLD).into_iter().map(move |part| format!("{}{part}", " ".repeat(indent)))
}

/// A line of the tree.
struct Branch {
    depth: usize,
    words: String,
    role: Role,
}

/// What was known at the entry, as a tree: documents as they are kept, and `–` for what could not be had.
fn tree(context: &TradeContext) -> Vec<Branch> {
    let number = |value: Option<Decimal>| value.map(|value| Value::String(value.normalize().to_string()));
    let word = |value: &Option<String>| value.clone().map(Value::String);
    let said = [
        ("card score", number(context.card_score)),
        ("AI score", number(context.ai_score)),
        ("AI verdict", word(&context.ai_verdict)),
        ("gate", word(&context.gate_verdict)),
        ("technical score", number(context.technical_score)),
        ("sentiment score", number(context.sentiment_score)),
        ("mid at submit", number(context.mid_at_submit)),
        ("delta", number(context.delta)),
        ("gamma", number(context.gamma)),
        ("theta", number(context.theta)),
        ("vega", number(context.vega)),
        ("IV", number(context.iv)),
        ("best while open, %", number(context.mfe_pct.or(context.max_gain_pct))),
        ("worst while open, %", number(context.mae_pct.or(context.max_drawdown_pct))),
    ];
    let documents = [
        ("signals", &context.signals),
        ("market", &context.regime),
        ("order book", &context.order_book),
        ("AI reasoning", &context.ai_reasoning),
    ];
    let top = |words: &str, role| Branch { depth: 0, words: words.to_owned(), role };
    let mut lines = vec![top("", Role::Text), top("At the entry", Role::Heading)];
    for (name, value) in said {
        lines.extend(value.map(|value| leaf(name, &value, 1)));
    }
    for (name, document) in documents {
        branch(name, document.as_ref().unwrap_or(&Value::Null), 1, &mut lines);
    }
    lines
}

/// Deeper than this nobody reads, and nothing that we store goes.
const DEPTH_MAX: usize = 8;

fn branch(name: &str, value: &Value, depth: usize, lines: &mut Vec<Branch>) {
    let title = || Branch { depth, words: text::clean(name), role: Role::Strong };
    match value {
        Value::Object(fields) if depth < DEPTH_MAX => {
            lines.push(title());
            for (name, value) in fields {
                branch(name, value, depth + 1, lines);
            }
        }
        Value::Array(items) if depth < DEPTH_MAX => {
            lines.push(title());
            for (index, value) in items.iter().enumerate() {
                branch(&(index + 1).to_string(), value, depth + 1, lines);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) | Value::Array(_) => {
            lines.push(leaf(name, value, depth));
        }
    }
}

fn leaf(name: &str, value: &Value, depth: usize) -> Branch {
    let (words, role) = match value {
        Value::Null => (format::UNKNOWN.to_owned(), Role::Muted),
        Value::String(words) => (words.lines().map(text::clean).collect::<Vec<_>>().join("\n"), Role::Text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            (text::clean(&value.to_string()), Role::Text)
        }
    };
    Branch { depth, words: format!("{}  {words}", text::clean(name)), role }
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
