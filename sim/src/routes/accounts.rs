//! Section 5 of the reference: profile, balances, positions, gain and loss, history.

use http::StatusCode;
use rust_decimal::Decimal;

use super::{Who, account_of};
use crate::app::Sim;
use crate::calendar;
use crate::core::{AccountId, AccountKind, Balances, HistoryItem, World};
use crate::pipeline::Call;
use crate::time::Ms;
use crate::wire::{Answer, Node, nullable, one_or_many};

pub(crate) fn profile(sim: &mut Sim, _call: &Call, who: Who) -> Result<Answer, Answer> {
    let accounts = sim.accounts_of(who.token);
    let nodes = accounts.iter().filter_map(|id| sim.engine.account(id).ok()).map(|a| {
        let opening = &a.opening;
        Node::Map(vec![
            ("account_number", Node::text(&opening.number.0)),
            ("classification", Node::text("individual")),
            ("date_created", Node::text("2024-01-02T15:04:05.000Z")),
            ("day_trader", Node::Bool(opening.kind == AccountKind::Pdt)),
            ("option_level", Node::Int(i64::from(opening.option_level))),
            ("status", Node::text("active")),
            ("type", Node::text(if opening.kind == AccountKind::Cash { "cash" } else { "margin" })),
            ("last_update_date", Node::text("2024-01-02T15:04:05.000Z")),
        ])
    });
    let nodes = nodes.collect();
    let profile =
        vec![("id", Node::text("id-sim-0001")), ("name", Node::text("Sim Trader")), ("account", one_or_many(nodes))];
    Ok(Answer::tree(Node::wrap("profile", Node::Map(profile))))
}

pub(crate) fn balances(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let account = account_of(sim, call, who)?;
    let found = sim.engine.balances(&account)?;
    Ok(Answer::tree(Node::wrap("balances", balances_node(&account, &found))))
}

pub(crate) fn user_balances(sim: &mut Sim, _call: &Call, who: Who) -> Result<Answer, Answer> {
    let mut nodes = Vec::new();
    for account in sim.accounts_of(who.token) {
        let found = sim.engine.balances(&account)?;
        nodes.push(balances_node(&account, &found));
    }
    Ok(Answer::tree(Node::wrap("accounts", Node::wrap("balances", one_or_many(nodes)))))
}

fn balances_node(account: &AccountId, b: &Balances) -> Node {
    let money = |value: Decimal| Node::Number(value.round_dp(2).normalize());
    let mut fields = vec![
        ("account_number", Node::text(&account.0)),
        ("account_type", Node::text(b.kind.word())),
        ("close_pl", money(b.close_pl)),
        ("current_requirement", money(b.requirement + b.stock_long_value / Decimal::TWO)),
        ("equity", Node::Int(0)),
        ("long_market_value", money(b.long_market_value)),
        ("market_value", money(b.long_market_value + b.short_market_value)),
        ("open_pl", money(b.open_pl)),
        ("option_long_value", money(b.option_long_value)),
        ("option_requirement", money(b.requirement)),
        ("option_short_value", money(b.option_short_value)),
        ("pending_cash", money(b.pending_cash)),
        ("pending_orders_count", Node::Int(i64::try_from(b.pending_orders).unwrap_or(0))),
        ("short_market_value", money(b.short_market_value)),
        ("stock_long_value", money(b.stock_long_value)),
        ("total_cash", money(b.total_cash)),
        ("total_equity", money(b.total_equity)),
        ("uncleared_funds", Node::Int(0)),
    ];
    let power =
        [("option_buying_power", money(b.option_buying_power)), ("stock_buying_power", money(b.stock_buying_power))];
    let calls = [("fed_call", Node::Int(0)), ("maintenance_call", Node::Int(0))];
    let short = ("stock_short_value", money(b.stock_short_value));
    fields.push(match b.kind {
        AccountKind::Margin => {
            ("margin", Node::Map([&calls[..], &power[..], &[short, ("sweep", Node::Int(0))]].concat()))
        }
        AccountKind::Pdt => ("pdt", Node::Map([&calls[..], &power[..], &[short]].concat())),
        AccountKind::Cash => {
            let cash = vec![
                ("cash_available", money(b.option_buying_power)),
                ("sweep", Node::Int(0)),
                ("unsettled_funds", Node::Int(0)),
            ];
            ("cash", Node::Map(cash))
        }
    });
    Node::Map(fields)
}

pub(crate) fn positions(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let account = account_of(sim, call, who)?;
    let now = sim.now();
    let found = sim.engine.account(&account)?.visible_positions(now);
    let nodes = found.iter().map(|(symbol, p)| {
        Node::Map(vec![
            ("cost_basis", Node::Number(p.cost.round_dp(2).normalize())),
            ("date_acquired", Node::Text(p.acquired.iso())),
            ("id", Node::Int(p.id)),
            ("quantity", Node::Eight(Decimal::from(p.quantity))),
            ("symbol", Node::text(symbol.as_str())),
        ])
    });
    Ok(Answer::tree(nullable("positions", "position", nodes.collect())))
}

/// Reports that the broker makes at night show what happened before today.
fn reported(sim: &Sim, at: Ms) -> bool {
    at.date() < sim.now().date()
}

/// The part of a list that a page shows, and the number of pages.
fn page_of<T>(items: Vec<T>, call: &Call, usual: usize) -> (Vec<T>, usize, usize) {
    let limit = call.params.get("limit").and_then(|l| l.parse().ok()).unwrap_or(usual).max(1);
    let page = call.params.get("page").and_then(|p| p.parse().ok()).unwrap_or(1_usize).max(1);
    let pages = items.len().div_ceil(limit).max(1);
    (items.into_iter().skip((page - 1).saturating_mul(limit)).take(limit).collect(), page, pages)
}

/// Whether a moment lies within the `start` and `end` of the request.
fn within(call: &Call, at: Ms) -> bool {
    let date = at.date();
    let bound =
        |name: &str| call.params.get(name).and_then(|d| d.get(..10)).and_then(|d| d.parse::<chrono::NaiveDate>().ok());
    bound("start").is_none_or(|s| date >= s) && bound("end").is_none_or(|e| date <= e)
}

pub(crate) fn gain_loss(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let account = account_of(sim, call, who)?;
    let wanted = call.params.get("symbol").map(str::to_ascii_uppercase);
    let mut lots: Vec<_> = sim
        .engine
        .account(&account)?
        .closed
        .iter()
        .filter(|l| reported(sim, l.closed) && within(call, l.closed))
        .cloned()
        .collect();
    lots.retain(|l| wanted.as_deref().is_none_or(|w| l.symbol.as_str() == w));
    lots.sort_by_key(|l| if call.params.get("sortBy") == Some("openDate") { l.opened } else { l.closed });
    if call.params.get("sort") != Some("asc") {
        lots.reverse();
    }
    let total = lots.len();
    let (lots, page, pages) = page_of(lots, call, 100);
    let nodes: Vec<Node> = lots
        .iter()
        .map(|l| {
            let gain = l.proceeds - l.cost;
            let percent = (gain * Decimal::ONE_HUNDRED).checked_div(l.cost.abs()).unwrap_or_default().round_dp(2);
            let midnight = |at: Ms| Node::Text(format!("{}T00:00:00.000Z", at.date()));
            Node::Map(vec![
                ("close_date", midnight(l.closed)),
                ("cost", Node::Number(l.cost)),
                ("gain_loss", Node::Number(gain)),
                ("gain_loss_percent", Node::Number(percent)),
                ("open_date", midnight(l.opened)),
                ("proceeds", Node::Number(l.proceeds)),
                ("quantity", Node::Number(Decimal::from(l.quantity))),
                ("symbol", Node::text(l.symbol.as_str())),
                ("term", Node::Int((l.closed.date() - l.opened.date()).num_days())),
            ])
        })
        .collect();
    if nodes.is_empty() {
        return Ok(Answer::tree(Node::wrap("gainloss", Node::text("null"))));
    }
    let count = |n: usize| Node::Int(i64::try_from(n).unwrap_or(0));
    let fields = vec![
        ("closed_position", one_or_many(nodes)),
        ("page", count(page)),
        ("total_pages", count(pages)),
        ("total_positions", count(total)),
    ];
    Ok(Answer::tree(Node::wrap("gainloss", Node::Map(fields))))
}

/// Live only. The sandbox has no history; what it says instead is not known, so it gets a 400 in the broker's style.
pub(crate) fn history(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let account = account_of(sim, call, who)?;
    if who.world == World::Sandbox {
        return Err(Answer::bad("Invalid request, history: is not available in sandbox."));
    }
    let kind = call.params.get("type").map(str::to_ascii_lowercase);
    let symbol = call.params.get("symbol").map(str::to_ascii_uppercase);
    let mut items: Vec<HistoryItem> = sim
        .engine
        .account(&account)?
        .history
        .iter()
        .filter(|h| reported(sim, h.at) && within(call, h.at))
        .cloned()
        .collect();
    items.retain(|h| kind.as_deref().is_none_or(|k| h.kind == k));
    let exact = call.params.is_true("exactMatch");
    items.retain(|h| {
        symbol.as_deref().is_none_or(|s| if exact { h.symbol.as_str() == s } else { h.symbol.as_str().starts_with(s) })
    });
    items.reverse();
    let (items, _, _) = page_of(items, call, 25);
    Ok(Answer::tree(nullable("history", "event", items.iter().map(history_node).collect())))
}

fn history_node(item: &HistoryItem) -> Node {
    let quantity = ("quantity", Node::Number(Decimal::from(item.quantity)));
    let description = ("description", Node::text(&item.description));
    let detail = match &item.option_type {
        Some(word) => ("option", Node::Map(vec![("option_type", Node::text(word)), description, quantity])),
        None => {
            let class = if crate::core::Contract::parse(item.symbol.as_str()).is_some() { "option" } else { "equity" };
            let fields = vec![
                ("commission", Node::Number(item.commission)),
                description,
                ("price", Node::Number(item.price)),
                quantity,
                ("symbol", Node::text(item.symbol.as_str())),
                ("trade_type", Node::text(class)),
            ];
            ("trade", Node::Map(fields))
        }
    };
    let date = Node::Text(format!("{}T00:00:00Z", item.at.date()));
    Node::Map(vec![("amount", Node::Number(item.amount)), ("date", date), ("type", Node::text(&item.kind)), detail])
}

/// The equity at each of the last sessions' ends. Before the account's first trade it is its opening cash.
pub(crate) fn historical_balances(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let account = account_of(sim, call, who)?;
    let equity = sim.engine.balances(&account)?.total_equity;
    let holder = sim.engine.account(&account)?;
    let mut session = calendar::previous_session(sim.now().date());
    let mut nodes = Vec::new();
    for _ in 0..22 {
        let later: Decimal = holder.history.iter().filter(|h| h.at > session.close).map(|h| h.amount).sum();
        let value = holder.cash - later;
        nodes.push(Node::Map(vec![("date", Node::Text(session.date.to_string())), ("value", Node::Number(value))]));
        session = calendar::previous_session(session.date);
    }
    nodes.reverse();
    let first = holder.opening.cash;
    let delta = equity - first;
    let percent = (delta * Decimal::ONE_HUNDRED).checked_div(first).unwrap_or_default().round_dp(2);
    let fields = vec![
        ("balances", Node::wrap("balance", Node::List(nodes))),
        ("delta", Node::Number(delta)),
        ("delta_percent", Node::Number(percent)),
    ];
    Ok(Answer::tree(Node::wrap("historical_balances", Node::Map(fields))))
}

/// Nobody makes groups here.
pub(crate) fn position_groups(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    account_of(sim, call, who)?;
    Ok(Answer::tree(nullable("positionGroups", "positionGroup", Vec::new())))
}

/// A 404 in plain text, for what is not there at all.
pub(crate) fn not_found() -> Answer {
    Answer::text(StatusCode::NOT_FOUND, "Not Found")
}
