//! A second of trading: prices move, sessions end and begin, orders are matched.

use blotter_daemon::trades::ports::OrderState;

use crate::broker::{Execution, Kind, SimOrder, end};
use crate::faults::Class;
use crate::mirror::Mirror;
use crate::world::World;

/// Seconds of bids that are remembered: the longest pass, and a little.
const BIDS: usize = 25;

pub fn second(world: &mut World) {
    sessions(world);
    prices(world);
    if let Some(mirror) = world.mirror.take() {
        return in_step(world, mirror);
    }
    if world.broker.open {
        match_orders(world);
    }
}

/// Both brokers meet the same market with the same size behind each side.
fn in_step(world: &mut World, mut mirror: Mirror) {
    let size = world.streams.pick(Class::Manner, &[1, 2, 1000]).unwrap_or(1000);
    world.size = size;
    mirror.quote(&world.broker.contracts, size);
    mirror.tick(world.now);
    world.mirror = Some(mirror);
    let ids: Vec<i64> = world.broker.orders.iter().filter(|order| is_on_book(order)).map(|order| order.id).collect();
    for id in ids {
        meet(world, id);
    }
    let differs = world.mirror.as_ref().and_then(|mirror| mirror.disagreement(&world.broker));
    world.oracle.violations.extend(differs.map(|what| format!("B1 {what}")));
}

/// An order has come in: it takes what is there.
pub fn arrived(world: &mut World, id: i64) {
    if let Some(order) = world.broker.order_mut(id) {
        order.rested = false;
    }
    meet(world, id);
    if let Some(order) = world.broker.order_mut(id) {
        order.rested = true;
    }
}

/// One order meets the market for certain, as far as there is size.
fn meet(world: &mut World, id: i64) {
    let now = world.second();
    world.broker.trigger(id);
    let Some(order) = world.broker.order(id).filter(|order| is_on_book(order)).cloned() else { return };
    let Some(bid) = world.broker.contracts.get(order.symbol).map(|contract| contract.bid) else { return };
    let Some(chance) = chance(&order, bid, 1000) else { return };
    let contracts = order.remaining().min(world.size);
    if contracts < order.remaining() {
        world.oracle.count("partial-fill");
    }
    if !short_sale(world, &order, contracts) {
        world.note(|| format!("fills {contracts} of {id} at {}", chance.price));
        let execution = Execution { leg: chance.leg, contracts, price: chance.price, priced_at: now };
        world.broker.fill(id, execution, now);
    }
}

/// Orders of which something was reported after their end that nobody has read by the end of the day: the list of
/// the next day has neither. The position differs then, and only a person can say why.
fn forgotten(world: &World) -> Vec<i64> {
    let intents = world.store.book.trades.values().flat_map(|trade| &trade.intents).filter(|intent| !intent.is_live());
    let executed = intents.filter_map(|intent| Some((intent.order()?.tag.as_str(), intent.executed)));
    let orders = executed.filter_map(|(tag, executed)| {
        let order = world.broker.orders.iter().find(|order| order.tag.as_deref() == Some(tag))?;
        (order.executed() > executed).then_some(order.id)
    });
    orders.collect()
}

fn sessions(world: &mut World) {
    let now = world.second();
    let gap = world.gaps.iter().find(|gap| (gap.from..gap.to).contains(&now)).copied();
    let day = world.gaps.iter().filter(|gap| gap.new_day && now >= (gap.from + gap.to) / 2).count() as u64;
    if day != world.broker.day {
        let forgotten = forgotten(world);
        if !forgotten.is_empty() {
            world.oracle.excuses.push("an execution that no list shows any more");
            world.oracle.forgotten.extend(forgotten);
        }
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
        contract.bids.push_back(contract.bid);
        if contract.bids.len() > BIDS {
            contract.bids.pop_front();
        }
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
        world.broker.trigger(id);
        let Some(order) = world.broker.order(id).cloned() else { continue };
        let Some(bid) = world.broker.contracts.get(order.symbol).map(|contract| contract.bid) else { continue };
        if world.broker.temper.stalls && order.buys && order.executed() > 0 {
            continue;
        }
        let Some(chance) = chance(&order, bid, world.broker.temper.fill_rate) else { continue };
        if !world.streams.chance(Class::Fills, chance.per_mille) {
            continue;
        }
        let whole = order.remaining();
        let part = world.streams.chance(Class::Fills, 400) || (world.broker.temper.stalls && order.buys);
        let contracts = if part { 1 } else { whole };
        if short_sale(world, &order, contracts) {
            continue;
        }
        let late = world.streams.strikes(Class::LatePrice).map_or(0, |size| 1 + size % 5);
        if contracts < whole {
            world.oracle.count("partial-fill");
        }
        world.note(|| format!("fills {} of {id} at {}", contracts, chance.price));
        if world.panics && !order.buys && world.streams.chance(Class::Manner, 300) {
            let from = world.second();
            crate::sim::spell(world, from);
        }
        let execution = Execution { leg: chance.leg, contracts, price: chance.price, priced_at: now + late };
        world.broker.fill(id, execution, now);
        world.mark(u64::try_from(id).unwrap_or(0) ^ chance.price);
        if world.panics && order.own.is_some() && !order.buys && world.streams.chance(Class::Manner, 500) {
            let (at, after) = (order.symbol, world.streams.between(Class::Manner, 50, 1500));
            world.later(after, move |world| {
                crate::people::close(world, at, None, None, true);
            });
        }
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
            let price = if order.rested { limit } else { bid + 10 };
            (bid + 10 <= limit).then_some(Chance { leg, price, per_mille: fill_rate })
        }
        Kind::Limit(limit) => {
            let price = if order.rested { limit } else { bid };
            (bid >= limit).then_some(Chance { leg, price, per_mille: 700 })
        }
        Kind::Stop(_) => kind.triggered.then_some(Chance { leg, price: bid, per_mille: 700 }),
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
