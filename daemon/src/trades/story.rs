//! The story of a trade in its order, each moment with a sentence: what was asked by whom, sent,
//! answered, seen.

use blotter_shared::domain::{Desired, IntentOp, IntentRole, IntentState};
use blotter_shared::protocol::timeline::{Moment, MomentKind};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::facts::{Op, Shape};
use crate::db::timeline::{AlarmRow, AskedRow, ExecutionRow, IntentEventRow, StateRow, StoryRows};

/// Puts the sources together: by time, and at one moment causes before effects.
#[must_use]
pub fn told(rows: StoryRows) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    moments.extend(rows.asked.into_iter().map(asked));
    moments.extend(rows.intents.iter().map(intent));
    moments.extend(rows.executions.iter().map(execution));
    moments.extend(rows.states.into_iter().map(state));
    moments.extend(rows.alarms.into_iter().flat_map(alarm));
    // Stable: each source stays in its own order.
    moments.sort_by_key(|moment| (moment.at, moment.kind));
    moments
}

fn asked(row: AskedRow) -> Moment {
    let what = match row.action.as_str() {
        "trade.place" => "asked to buy",
        "trade.adopt" => "asked to take the position up",
        "trade.close" => "asked to close",
        "trade.withdraw" => "took the close back",
        "trade.adjust" => "asked for another bracket",
        "trade.protect" => "asked to protect it again",
        "trade.cancel" => "asked to cancel the entry",
        "trade.flatten" => "asked to be out of everything",
        other => other,
    };
    let what = match wording(&row.detail) {
        words if words.is_empty() => what.to_owned(),
        words => format!("{what}: {words}"),
    };
    Moment { at: row.at, kind: MomentKind::Asked, device: Some(row.device), what, detail: row.detail }
}

/// The request's fields, as people say them.
fn wording(detail: &Value) -> String {
    let Some(fields) = detail.as_object() else { return String::new() };
    let said = |(name, value): (&String, &Value)| {
        let is_count = name == "qty";
        let name = match name.as_str() {
            "new_sl" | "sl_price" => "stop",
            "new_tp" | "tp_price" => "target",
            "qty" => "contracts",
            "limit" => "limit",
            "at_open" => return Some("at the open".to_owned()),
            "break_even" => return Some("stop at the entry price".to_owned()),
            "no_stop" => return Some("without a stop".to_owned()),
            _ => return None,
        };
        Some(match value {
            Value::Null => format!("no {name}"),
            Value::String(text) if is_count => format!("{name} {text}"),
            Value::String(text) => format!("{name} {}", text.parse().map_or_else(|_| text.clone(), in_cents)),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                format!("{name} {other}")
            }
        })
    };
    fields.iter().filter_map(said).collect::<Vec<_>>().join(", ")
}

fn intent(row: &IntentEventRow) -> Moment {
    let name = name_of(row);
    let word = |field: &str| row.data.get(field).and_then(Value::as_str);
    let order = word("order").map(|order| format!(" as order {order}")).unwrap_or_default();
    let reason = word("refusal").unwrap_or("no reason given");
    let executed = row.data.get("executed").and_then(Value::as_i64).unwrap_or_default();
    let (kind, what) = match row.state {
        IntentState::Prepared => (MomentKind::Recorded, format!("{name} is written down")),
        IntentState::Sending => (MomentKind::Sent, format!("{name} is sent")),
        IntentState::Acked => (MomentKind::Answered, format!("{name} was taken by the broker{order}")),
        IntentState::Unknown => (MomentKind::Answered, format!("{name}: no answer came, it is looked for")),
        IntentState::Rejected => (MomentKind::Answered, format!("{name} was refused: {reason}")),
        IntentState::Working => (MomentKind::Seen, format!("{name} works{order}, {executed} executed")),
        IntentState::Filled => (MomentKind::Seen, format!("{name} is filled")),
        IntentState::Canceled => (MomentKind::Seen, format!("{name} is cancelled at the broker")),
        IntentState::Expired => (MomentKind::Seen, format!("{name} has run out at the broker")),
        IntentState::Void => (MomentKind::Seen, format!("{name} was never sent")),
        IntentState::Absent => (MomentKind::Seen, format!("{name} is proven not to be there")),
        IntentState::Lost => (MomentKind::Seen, format!("{name} is gone from the broker's lists")),
        IntentState::Done => (MomentKind::Seen, format!("{name} had its effect")),
    };
    let detail = json!({ "op": row.op, "role": row.role, "state": row.state, "params": row.params, "seen": row.data });
    Moment { at: row.at, kind, device: None, what, detail }
}

/// What the intent is called, with its prices.
fn name_of(row: &IntentEventRow) -> String {
    let role = match row.role {
        IntentRole::Entry => "the entry",
        IntentRole::Bracket => "the bracket",
        IntentRole::Close => "the sale",
        IntentRole::Emergency => "the emergency sale",
    };
    match row.op {
        IntentOp::Cancel => return format!("the cancel of {role}"),
        IntentOp::Modify => return format!("the change of {role}"),
        IntentOp::Place => {}
    }
    match serde_json::from_value(row.params.clone()) {
        Ok(Op::Place(order)) => format!("{role} ({} {})", order.quantity, shape(order.shape)),
        Ok(Op::Cancel { .. }) | Err(_) => role.to_owned(),
    }
}

fn shape(shape: Shape) -> String {
    match shape {
        Shape::BuyMarket | Shape::SellMarket => "at the market".to_owned(),
        Shape::BuyLimit(limit) | Shape::Limit(limit) => format!("at {}", in_cents(limit.value())),
        Shape::Stop(stop) => format!("with a stop at {}", in_cents(stop.value())),
        Shape::Oco { stop, target } => {
            format!("with stop {} and target {}", in_cents(stop.value()), in_cents(target.value()))
        }
    }
}

fn execution(row: &ExecutionRow) -> Moment {
    let side = if row.side == "BUY" { "bought" } else { "sold" };
    let price = row.price.map_or_else(|| "a price that is not told yet".to_owned(), in_cents);
    let what = format!("{} {side} at {price}", row.quantity);
    let detail = json!({ "side": row.side, "qty": row.quantity, "price": row.price, "order": row.order });
    Moment { at: row.at, kind: MomentKind::Filled, device: None, what, detail }
}

/// A price with two decimals at least.
fn in_cents(price: Decimal) -> String {
    let exact = price.normalize();
    if exact.scale() < 2 { format!("{exact:.2}") } else { exact.to_string() }
}

fn state(row: StateRow) -> Moment {
    let told = |field: &str| row.data.get(field).and_then(Value::as_str);
    let word = |field: &str| told(field).unwrap_or("?");
    let what = match row.kind.as_str() {
        "CREATED" => "the trade begins".to_owned(),
        "STATUS" => match told("reason") {
            Some(reason) => format!("{} → {} ({reason})", word("from"), word("to")),
            None => format!("{} → {}", word("from"), word("to")),
        },
        "REOPENED" => "it filled after its end: it is open again".to_owned(),
        "RESTORED" => restored(&row.data),
        "POLICY" => by_policy(&row.data),
        _ => fees_told(&row.data).unwrap_or_else(|| "figures that were missing came in".to_owned()),
    };
    Moment { at: row.at, kind: MomentKind::State, device: None, what, detail: row.data }
}

/// A change of the fees is one from nothing to what the broker charged.
fn fees_told(data: &Value) -> Option<String> {
    let fees: Decimal = data.pointer("/fees/1")?.to_string().parse().ok()?;
    let digits = usize::try_from(fees.normalize().scale().max(2)).unwrap_or(2);
    Some(format!("fees told: ${fees:.digits$}"))
}

/// What the engine wants from then on, without a command.
fn by_policy(data: &Value) -> String {
    let becomes = |field: &str| data.get(field).and_then(|change| change.get(1)).filter(|value| !value.is_null());
    if becomes("desired").and_then(Value::as_str) == Some(Desired::Flat.as_str()) {
        return "the position cannot be protected: it is to be sold".to_owned();
    }
    let side = |name: &str, field: &str| match becomes(field).and_then(|price| price.to_string().parse().ok()) {
        Some(price) => format!("{name} {}", in_cents(price)),
        None => format!("no {name}"),
    };
    format!("the bracket that was asked for cannot be had: back to {}, {}", side("stop", "sl"), side("target", "tp"))
}

/// Which orders were taken up by their tags.
fn restored(data: &Value) -> String {
    let orders = data.get("orders").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let orders: Vec<String> = orders.iter().map(Value::to_string).collect();
    format!("a backup was brought back that does not know these orders, taken up by their tags: {}", orders.join(", "))
}

fn alarm(row: AlarmRow) -> Vec<Moment> {
    let moment = |at, device, what| Moment {
        at,
        kind: MomentKind::Alarm,
        device,
        what,
        detail: json!({ "kind": row.kind, "message": row.message }),
    };
    let mut moments = vec![moment(row.raised_at, None, format!("alarm {}: {}", row.kind, row.message))];
    if let Some((at, by)) = row.acked {
        moments.push(moment(at, Some(by), format!("alarm {}: somebody has seen it", row.kind)));
    }
    moments.extend(row.cleared_at.map(|at| moment(at, None, format!("alarm {}: its cause is gone", row.kind))));
    moments
}

#[cfg(test)]
mod tests {
    use blotter_shared::domain::AlarmKind;
    use chrono::{DateTime, TimeDelta, Utc};

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn fees_are_told_in_money() {
        let amended = |data| state(StateRow { at: at(0), kind: "AMENDED".to_owned(), data }).what;
        assert_eq!(amended(json!({ "fees": [null, 1.3], "realized_pnl": [10, 8.7] })), "fees told: $1.30");
        assert_eq!(amended(json!({ "fees": [null, 0] })), "fees told: $0.00");
        assert_eq!(amended(json!({ "fees": [null, 0.1255] })), "fees told: $0.1255");
        assert_eq!(amended(json!({ "close_price": [null, 4] })), "figures that were missing came in");
    }

    #[test]
    fn what_the_engine_changes_by_itself_is_told_as_that() {
        let changed = |data| state(StateRow { at: at(0), kind: "POLICY".to_owned(), data }).what;
        let kept = json!({ "desired": ["HOLD", "HOLD"], "sl": [4.5, 4], "tp": [null, 7.25], "version": 2 });
        assert_eq!(changed(kept), "the bracket that was asked for cannot be had: back to stop 4.00, target 7.25");
        let one_sided = json!({ "desired": ["HOLD", "HOLD"], "sl": [4.5, 4], "tp": [7, null], "version": 2 });
        assert_eq!(changed(one_sided), "the bracket that was asked for cannot be had: back to stop 4.00, no target");
        let sold = json!({ "desired": ["HOLD", "FLAT"], "sl": [4, 4], "tp": [7, 7], "version": 1 });
        assert_eq!(changed(sold), "the position cannot be protected: it is to be sold");
    }

    #[test]
    fn causes_come_before_effects() {
        let rows = StoryRows {
            asked: vec![AskedRow {
                at: at(1),
                action: "trade.adjust".to_owned(),
                device: "phone".to_owned(),
                detail: json!({ "version": 1, "new_sl": "4.5", "new_tp": null }),
            }],
            intents: vec![IntentEventRow {
                at: at(1),
                op: IntentOp::Cancel,
                role: IntentRole::Bracket,
                state: IntentState::Sending,
                params: json!({}),
                data: json!({ "order": "12", "executed": 0 }),
            }],
            states: vec![StateRow { at: at(0), kind: "CREATED".to_owned(), data: json!({}) }],
            alarms: vec![AlarmRow {
                kind: AlarmKind::Naked,
                message: "bare".to_owned(),
                raised_at: at(2),
                acked: Some((at(4), "laptop".to_owned())),
                cleared_at: Some(at(3)),
            }],
            executions: vec![ExecutionRow {
                at: at(0),
                side: "BUY".to_owned(),
                quantity: 2,
                price: Some("5.1000".parse().unwrap()),
                order: "11".to_owned(),
            }],
        };
        let told: Vec<_> = told(rows).into_iter().map(|moment| moment.what).collect();
        assert_eq!(
            told,
            [
                "2 bought at 5.10",
                "the trade begins",
                "asked for another bracket: stop 4.50, no target",
                "the cancel of the bracket is sent",
                "alarm NAKED: bare",
                "alarm NAKED: its cause is gone",
                "alarm NAKED: somebody has seen it",
            ]
        );
    }
}
