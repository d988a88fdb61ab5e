//! Trades for the tests of the pure parts: two contracts of one call, a stop and a target.

use blotter_shared::domain::{IntentId, IntentRole, IntentState, Multiplier, Price, Quantity, TradeId};
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::facts::{Fill, Intent, Marks, Op, Order, Origin, Shape, Spec, Trade, Wish};
use super::ports::{OrderId, Symbol};
use super::tag::Epoch;

/// The contract of every specimen.
pub(crate) const SYMBOL: &str = "ABC270115C00150000";

pub(crate) fn price(text: &str) -> Price {
    text.parse().unwrap()
}

pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::seconds(seconds)
}

/// Asked for at second 0, with a stop at 4.00 and a target at 6.00.
pub(crate) fn trade(contracts: u32) -> Trade {
    let (stop, target) = (Some(price("4.00")), Some(price("6.00")));
    Trade {
        spec: Spec {
            id: TradeId(Uuid::from_u128(1)),
            symbol: Symbol::new(SYMBOL),
            contract: SYMBOL.parse().unwrap(),
            multiplier: Multiplier::STANDARD,
            quantity: Quantity::new(contracts).unwrap(),
            limit: None,
            initial_stop: stop,
            initial_target: target,
            asked_at: at(0),
        },
        wish: Wish { stop, target, ..Wish::keeping(Quantity::new(contracts).unwrap(), 1, at(0)) },
        marks: Marks::new(),
        intents: Vec::new(),
        fills: Vec::new(),
    }
}

/// An order of the trade, in some state.
pub(crate) fn with_order(mut trade: Trade, role: IntentRole, state: IntentState, shape: Shape) -> Trade {
    let number = u128::try_from(trade.intents.len()).unwrap() + 1;
    let id = IntentId(Uuid::from_u128(number));
    let origin = Origin { id, trade_id: trade.id(), role, attempt: 1, version: 1, epoch: Epoch(1) };
    let order = Order { tag: format!("tag-{number}"), quantity: trade.spec.quantity, shape };
    trade.intents.push(Intent {
        state,
        sent_at: Some(at(0)),
        sent_on: Some(at(0).date_naive()),
        broker_id: Some(OrderId(i64::try_from(number).unwrap() * 10)),
        ..Intent::new(origin, Op::Place(order))
    });
    trade
}

/// The last order executes so many contracts at a price.
pub(crate) fn filled(mut trade: Trade, contracts: u32, at_price: &str, when: DateTime<Utc>) -> Trade {
    let trade_id = trade.id();
    let intent = trade.intents.last_mut().unwrap();
    intent.executed += contracts;
    intent.first_executed_at = intent.first_executed_at.or(Some(when));
    trade.fills.push(Fill {
        trade_id,
        intent_id: intent.id,
        leg: intent.broker_id.unwrap(),
        cumulative: intent.executed,
        quantity: contracts,
        value: decimal(at_price) * Decimal::from(contracts),
        seen_at: when,
    });
    trade
}

/// Bought whole, at a price.
pub(crate) fn bought(contracts: u32, at_price: &str) -> Trade {
    let trade = with_order(trade(contracts), IntentRole::Entry, IntentState::Filled, Shape::BuyMarket);
    filled(trade, contracts, at_price, at(0))
}
