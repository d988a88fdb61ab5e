//! A second of trading: prices move, sessions end and begin, orders are matched.

use blotter_daemon::trades::ports::OrderState;

use crate::broker::{Execution, Kind, SimOrder, end};
use crate::faults::Class;
use crate::world::World;

pub fn second(world: &mut World) {
    sessions(world);
    prices(world);
    if world.broker.open {
        match_orders(world);
    }
}

fn sessions(world: &mut World) {
    let now = world.second();
    let gap = world.gaps.iter().find(|gap| (gap.from..gap.to).contains(&now)).copied();
    let day = world.gaps.iter().filter(|gap| gap.new_day && now >= (gap.from + gap.to) / 2).count() as u64;
    if day != world.broker.day {
        world.broker.day = day;
        world.broker.touch(now);
        world.oracle.count("new-day");
    }
    match (gap, world.broker.open) {
        (Some(_), true) => {
            world.note(|| "the market closes".to_owned());
            world.broker.close(now);
        }
        (None, false) => {
            world.note(|| "the market opens".to_owned());
            world.broker.begin_session(now);
        }
        _ => {}
    }
}

fn prices(world: &mut World) {
    let reach = world.broker.temper.volatility;
    for at in 0..world.broker.contracts.len() {
        let step = world.streams.between(Class::Market, 0, 2 * reach);
        let Some(contract) = world.broker.contracts.get_mut(at) else { continue };
        // Cents on a grid of five, never below thirty.
        let raw = (contract.bid + step).saturating_sub(reach);
        contract.bid = raw.max(30);
    }
}

/// What an order may do in this second.
struct Chance {
    leg: usize,
    price: u64,
    per_mille: u32,
}

fn match_orders(world: &mut World) {
    let now = world.second();
    let ids: Vec<i64> = world.broker.orders.iter().filter(|order| is_on_book(order)).map(|order| order.id).collect();
    for id in ids {
        let Some(order) = world.broker.order(id).cloned() else { continue };
        let Some(bid) = world.broker.contracts.get(order.symbol).map(|contract| contract.bid) else { continue };
        let Some(chance) = chance(&order, bid, world.broker.temper.fill_rate) else { continue };
        if !world.streams.chance(Class::Fills, chance.per_mille) {
            continue;
        }
        let whole = order.remaining();
        let contracts = if world.streams.chance(Class::Fills, 400) { 1 } else { whole };
        if short_sale(world, &order, contracts) {
            continue;
        }
        let late = world.streams.strikes(Class::LatePrice).map_or(0, |size| 1 + size % 5);
        if contracts < whole {
            world.oracle.count("partial-fill");
        }
        world.note(|| format!("fills {} of {id} at {}", contracts, chance.price));
        let execution = Execution { leg: chance.leg, contracts, price: chance.price, priced_at: now + late };
        world.broker.fill(id, execution, now);
        world.mark(u64::try_from(id).unwrap_or(0) ^ chance.price);
    }
}

fn is_on_book(order: &SimOrder) -> bool {
    order.open && !order.state.is_final()
}

fn chance(order: &SimOrder, bid: u64, fill_rate: u32) -> Option<Chance> {
    order.legs.iter().enumerate().filter(|(_, leg)| !leg.state.is_final()).find_map(|(leg, kind)| match kind.kind {
        Kind::Market if order.buys => Some(Chance { leg, price: bid + 10, per_mille: fill_rate }),
        Kind::Market => Some(Chance { leg, price: bid, per_mille: 300 }),
        Kind::Limit(limit) if order.buys => {
            (bid + 10 <= limit).then_some(Chance { leg, price: bid + 10, per_mille: fill_rate })
        }
        Kind::Limit(limit) => (bid >= limit).then_some(Chance { leg, price: limit, per_mille: 700 }),
        Kind::Stop(stop) => (bid <= stop).then_some(Chance { leg, price: bid, per_mille: 700 }),
    })
}

/// A broker that checks sells what is there; one that does not makes a short position of it, and
/// that is the engine's fault (I1).
fn short_sale(world: &mut World, order: &SimOrder, contracts: u32) -> bool {
    let position = world.broker.contracts.get(order.symbol).map_or(0, |contract| contract.position);
    if order.buys || position >= i64::from(contracts) || !world.broker.temper.cross_zero {
        return false;
    }
    let now = world.second();
    if let Some(order) = world.broker.order_mut(order.id) {
        end(order, OrderState::Rejected);
        order.reason = Some("UnexpectedSellOrderOption".to_owned());
    }
    world.broker.touch(now);
    true
}
