//! What a read shows of the broker's books: pages behind other people's orders, sometimes a piece short.

use blotter_daemon::trades::ports::{BrokerLeg, BrokerOrder, LegKind, OrderId, OrderState, Side, Symbol};
use rust_decimal::Decimal;

use crate::broker::{Kind, SimOrder, price};
use crate::faults::Class;
use crate::world::{Millis, World};

/// What a slow read takes more: each is answered, and four are too many for a pass.
const SLOW: Millis = 6_500;

/// The list as this read shows it.
pub fn list(world: &mut World, age: u64) -> Vec<BrokerOrder> {
    if world.streams.strikes(Class::EmptyList).is_some() || begins_blank(world) {
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

/// For a while the account looks as if nothing had ever been in it: no orders, no positions, nothing of value.
fn begins_blank(world: &mut World) -> bool {
    if !is_blank(world)
        && let Some(size) = world.streams.strikes(Class::Blank)
    {
        let span = 15_000 + size % 90_000;
        world.blank_until = world.now + span;
        world.oracle.excuses.push("blank");
        world.oracle.count("blank");
        world.note(|| format!("the account looks empty for {} s", span / 1000));
    }
    is_blank(world)
}

#[must_use]
pub fn is_blank(world: &World) -> bool {
    world.now < world.blank_until
}

/// Whether this read shows an empty list of positions, whatever is held.
pub fn shows_no_positions(world: &mut World, daemon: usize) -> bool {
    if is_blank(world) {
        return true;
    }
    let empty = world.streams.strikes(Class::EmptyList).is_some() || positions_gone(world);
    empty_in_a_row(world, daemon, empty);
    empty
}

/// So many lists of positions in a row that were empty, over so long, look like a position that is gone. (What five cuts
/// in 20 s have read was read in 12 s, when the last of them waited for a quote.)
const EMPTY: u32 = 5;
const EMPTY_FOR: Millis = 12_000;

/// Lists that are empty by mistake, each by itself, are believed when there are too many of them.
fn empty_in_a_row(world: &mut World, daemon: usize, empty: bool) {
    let (reads, since) = world.empty_reads.unwrap_or((0, world.now));
    if !empty {
        world.empty_before = world.empty_reads.map(|row| (daemon, row));
    }
    world.empty_reads = empty.then_some((reads + 1, since));
    let believed = reads + 1 >= EMPTY && world.now >= since + EMPTY_FOR;
    if empty && believed && !world.oracle.excuses.contains(&"empty in a row") {
        world.oracle.excuses.push("empty in a row");
        world.oracle.count("empty-in-a-row");
    }
}

/// Another read of the same cut has failed: what its list of positions showed was looked at by nobody.
pub fn cut_failed(world: &mut World, daemon: usize) {
    if let Some((_, row)) = world.empty_before.take_if(|(of, _)| *of == daemon) {
        world.empty_reads = Some(row);
    }
}

/// A new pass begins: the cut before it was whole, or has failed.
pub fn pass_begins(world: &mut World, daemon: usize) {
    let _row = world.empty_before.take_if(|(of, _)| *of == daemon);
}

/// The list of positions is empty for longer than a flap, and the orders are all there.
fn positions_gone(world: &mut World) -> bool {
    if world.now >= world.gone_until
        && let Some(size) = world.streams.strikes(Class::PositionsGone)
    {
        let span = 25_000 + size % 65_000;
        world.gone_until = world.now + span;
        world.oracle.excuses.push("positions gone");
        world.oracle.count("positions-gone");
        world.note(|| format!("the list of positions is empty for {} s", span / 1000));
    }
    world.now < world.gone_until
}

/// The broker does not know the token for a while.
pub fn is_refused(world: &mut World) -> bool {
    if world.now >= world.refused_until
        && let Some(size) = world.streams.strikes(Class::Refused)
    {
        let span = 10_000 + size % 80_000;
        world.refused_until = world.now + span;
        world.oracle.count("refused-reads");
        world.note(|| format!("no read is accepted for {} s", span / 1000));
    }
    world.now < world.refused_until
}

/// Each read takes seconds for a while: all of them together longer than a pass.
pub fn slowness(world: &mut World) -> Millis {
    if world.now >= world.slow_until
        && let Some(size) = world.streams.strikes(Class::SlowRead)
    {
        let span = 20_000 + size % 70_000;
        world.slow_until = world.now + span;
        world.oracle.count("slow-reads");
        world.note(|| format!("reads take seconds for {} s", span / 1000));
    }
    if world.now < world.slow_until { SLOW } else { 0 }
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
