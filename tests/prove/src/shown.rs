//! What a read shows of the broker's books: pages behind other people's orders, sometimes a piece short.

use blotter_daemon::trades::ports::{BrokerLeg, BrokerOrder, LegKind, OrderId, OrderState, Side, Symbol};
use rust_decimal::Decimal;

use crate::broker::{Kind, SimOrder, price};
use crate::faults::Class;
use crate::world::World;

/// The list as this read shows it.
pub fn list(world: &mut World, age: u64) -> Vec<BrokerOrder> {
    if world.streams.strikes(Class::EmptyList).is_some() {
        return Vec::new();
    }
    let view = world.broker.view(world.second(), age);
    let foreign = (0..world.broker.temper.noise).map(|n| stranger(world, n));
    let mut listed: Vec<BrokerOrder> = foreign.collect();
    listed.extend(view.0.iter().map(|order| shown(world, order)));
    if let Some(size) = world.streams.strikes(Class::MissingOrder).filter(|_| !view.0.is_empty()) {
        let at = world.broker.temper.noise + usize::try_from(size).unwrap_or(0) % view.0.len();
        listed.remove(at);
    }
    if world.streams.strikes(Class::MissingTag).is_some() {
        listed.iter_mut().for_each(|order| order.tag = None);
    }
    listed
}

/// Somebody else's order, filled long ago.
fn stranger(world: &World, n: usize) -> BrokerOrder {
    let id = OrderId(1 + i64::try_from(n).unwrap_or(0));
    BrokerOrder {
        id,
        tag: None,
        symbol: Symbol::new("OTHR260320C00010000"),
        side: Side::Buy,
        quantity: 1,
        state: OrderState::Filled,
        head: OrderState::Filled,
        legs: vec![BrokerLeg {
            id,
            kind: LegKind::Market,
            state: OrderState::Filled,
            executed: 1,
            average: Some(Decimal::ONE),
        }],
        created_at: world.base,
        reason: None,
    }
}

/// An order as the list shows it.
pub fn shown(world: &World, order: &SimOrder) -> BrokerOrder {
    let now = world.second();
    let told = |state: OrderState| if state == OrderState::Live && !order.open { OrderState::Pending } else { state };
    let legs = order.legs.iter().map(|leg| BrokerLeg {
        id: OrderId(leg.id),
        kind: match leg.kind {
            Kind::Market => LegKind::Market,
            Kind::Limit(cents) => LegKind::Limit(price(cents)),
            Kind::Stop(cents) => LegKind::Stop(price(cents)),
        },
        state: told(leg.state),
        executed: leg.executed,
        average: (leg.executed > 0 && leg.priced_at <= now).then(|| average(leg.value, leg.executed)),
    });
    let symbol = world.broker.contracts.get(order.symbol).map_or("", |contract| contract.symbol.as_str());
    BrokerOrder {
        id: OrderId(order.id),
        tag: order.tag.clone(),
        symbol: Symbol::new(symbol),
        side: if order.buys { Side::Buy } else { Side::Sell },
        quantity: order.quantity,
        state: told(order.state),
        head: told(order.state),
        legs: legs.collect(),
        created_at: world.at_millis(order.created * 1000),
        reason: order.reason.clone(),
    }
}

/// The average as the broker prints it: eight decimals.
#[must_use]
pub fn average(value_cents: u64, contracts: u32) -> Decimal {
    let value = Decimal::new(i64::try_from(value_cents).unwrap_or(0), 2);
    (value / Decimal::from(contracts.max(1))).round_dp(8)
}
