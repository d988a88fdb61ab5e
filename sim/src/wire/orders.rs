//! How an order looks: alone, as a parent with legs, as an event.

use rust_decimal::Decimal;

use super::node::{Node, one_or_many};
use crate::core::{Class, Engine, Notice, Order, Role};
use crate::time::Ms;

/// How quantities are spelled: the broker has been seen with all of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NumberStyle {
    /// `1.00000000` and `0.00000000`.
    #[default]
    Eight,
    /// The same with `0E-8` for nothing.
    Exponent,
    /// `1.0`.
    Short,
}

impl NumberStyle {
    fn node(self, value: Decimal) -> Node {
        match self {
            Self::Exponent if value.is_zero() => Node::Raw("0E-8"),
            Self::Eight | Self::Exponent => Node::Eight(value),
            Self::Short => Node::Number(value.normalize()),
        }
    }

    fn count(self, value: i64) -> Node {
        self.node(Decimal::from(value))
    }
}

/// An order as GET shows it. Tags only when they are asked for.
pub(crate) fn order_node(engine: &Engine, order: &Order, (tags, style): (bool, NumberStyle)) -> Node {
    let mut fields = match (order.role, order.class.is_contingent()) {
        (Role::Parent, true) => parent_fields(order),
        (Role::Parent, false) => {
            let mut fields = own_fields(order, engine.now(), style);
            fields.push(("num_legs", Node::Int(i64::try_from(order.legs.len()).unwrap_or(0))));
            fields.push(("strategy", Node::text(strategy(order.class))));
            fields
        }
        (Role::Single | Role::Leg { .. }, _) => own_fields(order, engine.now(), style),
    };
    if tags && let Some(tag) = &order.tag {
        fields.push(("tag", Node::text(tag)));
    }
    if order.role == Role::Parent {
        let legs = order.legs.iter().filter_map(|id| engine.order(&order.account, *id).ok());
        fields.push(("leg", one_or_many(legs.map(|leg| order_node(engine, leg, (false, style))).collect())));
    }
    Node::Map(fields)
}

/// A contingent parent has no symbol, side, type, quantity, duration, price or fills of its own.
fn parent_fields(order: &Order) -> Vec<(&'static str, Node)> {
    let mut fields = vec![
        ("id", Node::Int(order.id.0)),
        ("status", Node::text(order.status.word())),
        ("create_date", Node::Text(order.created.iso())),
        ("transaction_date", Node::Text(order.changed.iso())),
        ("class", Node::text(order.class.word())),
    ];
    if let Some(reason) = &order.reason {
        fields.push(("reason_description", Node::text(reason)));
    }
    fields
}

fn own_fields(order: &Order, now: Ms, style: NumberStyle) -> Vec<(&'static str, Node)> {
    let visible = order.price_visible(now);
    let shown = |value: Decimal| style.node(if visible { value } else { Decimal::ZERO });
    let shown_count = |value: i64| style.count(if visible { value } else { 0 });
    let remaining = if order.status.is_final() { 0 } else { order.unfilled() };
    let mut fields = vec![
        ("id", Node::Int(order.id.0)),
        ("type", Node::text(order.kind.map_or("market", crate::core::Kind::word))),
        ("symbol", Node::text(order.symbol.as_str())),
        ("side", Node::text(order.side.map_or("buy", crate::core::Side::word))),
        ("quantity", style.count(order.quantity)),
        ("status", Node::text(order.status.word())),
        ("duration", Node::text(order.duration.word())),
    ];
    if let Some(price) = order.price {
        fields.push(("price", style.node(price)));
    }
    if let Some(stop) = order.stop {
        fields.push(("stop_price", style.node(stop)));
    }
    fields.extend([
        ("avg_fill_price", shown(order.average())),
        ("exec_quantity", shown_count(order.executed)),
        ("last_fill_price", shown(order.last_price)),
        ("last_fill_quantity", shown_count(order.last_quantity)),
        ("remaining_quantity", style.count(remaining)),
        ("create_date", Node::Text(order.created.iso())),
        ("transaction_date", Node::Text(order.changed.iso())),
        ("class", Node::text(order.class.word())),
    ]);
    if order.contract.is_some() {
        fields.push(("option_symbol", Node::text(order.instrument.as_str())));
    }
    if let Some(reason) = &order.reason {
        fields.push(("reason_description", Node::text(reason)));
    }
    fields
}

fn strategy(class: Class) -> &'static str {
    if class == Class::Combo { "covered call" } else { "spread" }
}

/// An event of the account stream. It has no symbol, side, quantity or class.
pub(crate) fn notice_node(notice: &Notice) -> Node {
    let number = |value: Decimal| Node::Number(value.normalize());
    let count = |value: i64| Node::Number(Decimal::from(value));
    Node::Map(vec![
        ("id", Node::Int(notice.id.0)),
        ("event", Node::text("order")),
        ("parent_id", Node::Int(notice.parent.map_or(0, |p| p.0))),
        ("account", Node::text(&notice.account.0)),
        ("status", Node::text(notice.status.word())),
        ("type", Node::text(notice.kind.map_or("market", crate::core::Kind::word))),
        ("tag", notice.tag.as_deref().map_or(Node::Null, Node::text)),
        ("price", number(notice.price.unwrap_or_default())),
        ("stop_price", number(notice.stop.unwrap_or_default())),
        ("avg_fill_price", number(notice.average)),
        ("executed_quantity", count(notice.executed)),
        ("last_fill_quantity", count(notice.last_quantity)),
        ("remaining_quantity", count(notice.remaining)),
        ("create_date", Node::Text(notice.created.iso())),
        ("transaction_date", Node::Text(notice.changed.iso())),
    ])
}
