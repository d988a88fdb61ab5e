//! Section 3 of the reference on the wire: list, one, place, preview, change, cancel.

use rust_decimal::Decimal;

use super::{Who, account_of};
use crate::app::Sim;
use crate::core::{Class, Order, OrderId, Preview, Refusal, Ticket};
use crate::pipeline::Call;
use crate::wire::{Answer, Node, one_or_many, order_node, read_change, read_ticket};

/// The application's own number in acknowledgements.
const PARTNER: &str = "3a8bbee1-5184-4ffe-8a0c-294fbad1aee9";

/// Orders on a page, unless the request says.
const PAGE: usize = 25;
/// The most that a page holds.
const PAGE_MAX: usize = 1_500;

pub(crate) fn list(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let account = account_of(sim, call, who)?;
    let filter = call.params.get("status").map(str::to_ascii_lowercase);
    let symbol = call.params.get("symbol").map(str::to_ascii_uppercase);
    let wanted = |o: &&Order| {
        filter.as_deref().is_none_or(|f| f.split(',').any(|w| w.trim() == o.status.word()))
            && symbol.as_deref().is_none_or(|s| o.symbol.as_str() == s)
    };
    let orders: Vec<&Order> = sim.engine.orders(&account).filter(wanted).collect();
    let limit = call.params.get("limit").and_then(|l| l.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let page = call.params.get("page").and_then(|p| p.parse().ok()).unwrap_or(1_usize).max(1);
    let style = (call.params.is_true("includeTags") && !call.without_tags, sim.numbers);
    let shown = orders.iter().skip((page - 1).saturating_mul(limit)).take(limit);
    let nodes: Vec<Node> = shown.map(|o| order_node(&sim.engine, o, style)).collect();
    if nodes.is_empty() {
        return Ok(Answer::tree(Node::wrap("orders", Node::text("null"))));
    }
    let mut fields = vec![("order", one_or_many(nodes))];
    if call.params.get("page").is_some() || call.params.get("limit").is_some() {
        let count = |n: usize| Node::Int(i64::try_from(n).unwrap_or(0));
        fields.extend([
            ("page", count(page)),
            ("total_pages", count(orders.len().div_ceil(limit))),
            ("total_orders", count(orders.len())),
        ]);
    }
    Ok(Answer::tree(Node::wrap("orders", Node::Map(fields))))
}

/// The order's number in the path; what is no number is nobody's order.
fn order_id(call: &Call) -> Result<OrderId, Answer> {
    let account = crate::core::AccountId(call.arg(0).to_owned());
    call.arg(1).parse().map(OrderId).map_err(|_| Refusal::Unauthorized(account).into())
}

pub(crate) fn one(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let account = account_of(sim, call, who)?;
    let order = sim.engine.order(&account, order_id(call)?)?;
    let style = (call.params.is_true("includeTags") && !call.without_tags, sim.numbers);
    Ok(Answer::tree(Node::wrap("order", order_node(&sim.engine, order, style))))
}

fn acknowledged(id: OrderId, partner: bool) -> Answer {
    let mut fields = vec![("id", Node::Int(id.0)), ("status", Node::text("ok"))];
    if partner {
        fields.push(("partner_id", Node::text(PARTNER)));
    }
    Answer::tree(Node::wrap("order", Node::Map(fields)))
}

pub(crate) fn place(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let account = account_of(sim, call, who)?;
    let ticket = read_ticket(&call.params, who.world, sim.now())?;
    if call.params.is_true("preview") {
        let preview = sim.engine.preview(&account, &ticket)?;
        return Ok(Answer::tree(Node::wrap("order", preview_node(sim, &ticket, &preview))));
    }
    let id = sim.engine.place(&account, &ticket)?;
    Ok(acknowledged(id, true))
}

pub(crate) fn change(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let account = account_of(sim, call, who)?;
    let id = order_id(call)?;
    let change = read_change(&call.params, who.world, sim.now())?;
    Ok(acknowledged(sim.engine.change(&account, id, change)?, true))
}

pub(crate) fn cancel(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let account = account_of(sim, call, who)?;
    let id = order_id(call)?;
    Ok(acknowledged(sim.engine.cancel(&account, id)?, false))
}

fn preview_node(sim: &Sim, ticket: &Ticket, p: &Preview) -> Node {
    let number = |value: Decimal| Node::Number(value.normalize());
    let mut fields =
        vec![("status", Node::text("ok")), ("result", Node::Bool(true)), ("class", Node::text(ticket.class.word()))];
    if let Some(leg) = ticket.legs.first() {
        fields.push(("symbol", Node::text(leg.symbol.as_str())));
        if let (Some(contract), Class::Option) = (&leg.contract, ticket.class) {
            fields.push(("option_symbol", Node::text(contract.occ().as_str())));
        }
        fields.extend([
            ("side", Node::text(leg.side.word())),
            ("quantity", Node::Int(leg.quantity)),
            ("type", Node::text(ticket.net.map_or(leg.kind, |n| n.kind).word())),
            ("duration", Node::text(leg.duration.word())),
        ]);
        if let Some(price) = ticket.net.and_then(|n| n.price).or(leg.price) {
            fields.push(("price", number(price)));
        }
        if let Some(stop) = leg.stop {
            fields.push(("stop", number(stop)));
        }
    }
    fields.extend([
        ("commission", number(p.commission)),
        ("fees", Node::Int(0)),
        ("cost", number(p.cost)),
        ("order_cost", number(p.order_cost)),
        ("margin_change", number(p.margin_change)),
        ("option_requirement", number(p.option_requirement)),
        ("day_trades", Node::Int(0)),
        ("strategy", Node::text(strategy(ticket.class))),
        ("extended_hours", Node::Bool(false)),
        ("request_date", Node::Text(sim.now().utc().format("%Y-%m-%dT%H:%M:%S%.3f").to_string())),
    ]);
    Node::Map(fields)
}

fn strategy(class: Class) -> &'static str {
    match class {
        Class::Equity => "equity",
        Class::Option => "option",
        Class::Multileg => "spread",
        Class::Combo => "covered call",
        Class::Oto | Class::Oco | Class::Otoco => "unknown",
    }
}
