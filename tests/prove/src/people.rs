//! What people do: place, close, adjust, change their minds, press twice, act on an old screen,
//! trade in the broker's own screen at the same time.

use std::collections::BTreeMap;

use blotter_daemon::trades::commands::adjust::Side;
use blotter_daemon::trades::commands::place::NewTrade;
use blotter_daemon::trades::commands::{self, Adjust, Close, Command, Desk, Versioned};
use blotter_daemon::trades::ports::{OrderState, Position, Quote, Symbol};
use blotter_daemon::trades::risk::{Limits, Standing};
use blotter_daemon::trades::timing::Timing;
use blotter_shared::domain::{BrokerMode, Cash, Multiplier, Price, Quantity, TradeId};
use rust_decimal::Decimal;

use crate::broker::{Kind, Leg, SimOrder, end, price};
use crate::faults::Class;
use crate::world::World;

/// Gives a command as the daemon's API does: judged and written in one transaction.
pub fn command(world: &mut World, command: &Command) -> bool {
    if world.now < world.down_until {
        return false;
    }
    let quotes = quotes(world);
    let now = world.second();
    let positions: Vec<Position> = world
        .broker
        .positions(now)
        .iter()
        .map(|(symbol, quantity)| Position {
            symbol: Symbol::new(symbol),
            quantity: *quantity,
            cost: Cash(Decimal::from(500)),
        })
        .collect();
    let book = world.store.book.clone();
    let session = crate::ports::session(world, world.wall());
    let wall = world.wall();
    let desk = Desk {
        book: &book,
        now: wall,
        sessions: &session,
        timing: Timing::PRODUCTION,
        quotes: &quotes,
        positions: &positions,
    };
    let answer = commands::judge(command, &desk);
    let done = match &answer {
        Ok(accepted) => world.store.write(&accepted.changes, world.now).is_ok(),
        Err(_) => false,
    };
    world.note(|| {
        format!(
            "USER {command:?} -> {}",
            answer.as_ref().map_or_else(|no| format!("{:?}: {}", no.code, no.sentence), |_| format!("done {done}"))
        )
    });
    world.oracle.count(if done { "command" } else { "command-refused" });
    world.mark(u64::from(done));
    if done {
        let accepted = world.store.book.trades.values();
        let accepted = accepted.filter_map(|trade| Some((trade.id(), trade.wish.accepts?)));
        world.oracle.accepted.extend(accepted.collect::<Vec<_>>());
        world.wake();
    }
    done
}

fn quotes(world: &World) -> BTreeMap<Symbol, Quote> {
    let at = world.wall();
    let contracts = world.broker.contracts.iter().filter(|contract| contract.quoted);
    contracts
        .map(|contract| {
            let quote = Quote { bid: Some(price(contract.bid)), ask: Some(price(contract.bid + 10)), at };
            (Symbol::new(&contract.symbol), quote)
        })
        .collect()
}

/// The newest trade in a contract.
#[must_use]
pub fn newest(world: &World, at: usize) -> Option<(TradeId, i64)> {
    let symbol = &world.broker.contracts.get(at)?.symbol;
    let trades = world.store.book.trades.values().filter(|trade| trade.spec.symbol.as_str() == symbol);
    trades.max_by_key(|trade| trade.spec.asked_at).map(|trade| (trade.id(), trade.wish.version))
}

/// A price near another, on the five-cent grid.
fn near(cents: u64, below: u64, above: u64) -> Price {
    let raw = (cents + above).saturating_sub(below).max(10);
    price(raw - raw % 5)
}

/// What an order for a contract of the run looks like.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub contract: usize,
    pub quantity: u32,
    pub stop_below: Option<u64>,
    pub target_above: Option<u64>,
    pub limit: bool,
}

pub fn place(world: &mut World, wanted: &Wanted) -> bool {
    let Some(contract) = world.broker.contracts.get(wanted.contract).cloned() else { return false };
    let Ok(occ) = contract.symbol.parse() else { return false };
    let Ok(quantity) = Quantity::new(wanted.quantity) else { return false };
    let id = TradeId(world.fresh_id());
    let trade = NewTrade {
        id,
        contract: occ,
        multiplier: Multiplier::STANDARD,
        quantity,
        limit: wanted.limit.then(|| near(contract.bid, 0, 15)),
        stop: wanted.stop_below.map(|below| near(contract.bid, below, 0)),
        target: wanted.target_above.map(|above| near(contract.bid, 0, above)),
        stop_waived: true,
        limits: open_limits(),
        standing: standing(),
    };
    command(world, &Command::Place(Box::new(trade)))
}

/// Limits that refuse nothing: they have their own tests.
fn open_limits() -> Limits {
    let much = Decimal::from(1_000_000);
    Limits {
        max_positions: 1000,
        daily_loss: Cash(much),
        heat_pct: much,
        trade_risk_pct: much,
        cooldown_losses: 0,
        cooldown: chrono::Duration::zero(),
    }
}

fn standing() -> Standing {
    Standing {
        equity: Cash(Decimal::from(100_000)),
        open_positions: 0,
        day_pnl: Cash::ZERO,
        heat: Cash::ZERO,
        losses_in_a_row: 0,
        last_loss_at: None,
    }
}

pub fn close(world: &mut World, at: usize, quantity: Option<u32>, limit_above: Option<u64>, at_open: bool) -> bool {
    let Some((id, version)) = newest(world, at) else { return false };
    let bid = world.broker.contracts.get(at).map_or(0, |contract| contract.bid);
    let limit = limit_above.map(|above| near(bid, 0, above));
    let quantity = quantity.and_then(|quantity| Quantity::new(quantity).ok());
    command(world, &Command::Close(id, Close { version, quantity, limit, at_open }))
}

/// Moves stop and target around the bid; some of these are refused, as they should be.
pub fn adjust(world: &mut World, at: usize) -> bool {
    let Some((id, version)) = newest(world, at) else { return false };
    let bid = world.broker.contracts.get(at).map_or(0, |contract| contract.bid);
    let below = world.streams.between(Class::People, 0, 120);
    let above = world.streams.between(Class::People, 5, 200);
    let stop = match world.streams.between(Class::People, 0, 9) {
        0 => Side::Keep,
        1 => Side::Remove,
        _ => Side::Set(near(bid, below, 10)),
    };
    let target = match world.streams.between(Class::People, 0, 9) {
        0 | 1 => Side::Keep,
        2 => Side::Remove,
        _ => Side::Set(near(bid, 0, above)),
    };
    let stale = world.streams.chance(Class::People, 100);
    let version = if stale { version - 1 } else { version };
    command(world, &Command::Adjust(id, Adjust { version, stop, target }))
}

/// The commands that carry a version and nothing else.
pub fn versioned(world: &mut World, at: usize, make: fn(TradeId, Versioned) -> Command) -> bool {
    let Some((id, version)) = newest(world, at) else { return false };
    command(world, &make(id, Versioned { version }))
}

/// Somebody sells the position in the broker's own screen, wholly or in part. A broker that checks
/// sales has our exits cancelled first; one that does not may leave them where they are.
pub fn sell_outside(world: &mut World, at: usize, whole: bool, leaves_ours: bool) {
    let now = world.second();
    let day = world.broker.day;
    let Some(contract) = world.broker.contracts.get(at).cloned() else { return };
    if contract.position <= 0 || !world.broker.open {
        return;
    }
    let leaves_ours = leaves_ours && !world.broker.temper.cross_zero;
    let sold = if whole { contract.position } else { 1 };
    mirrored(world, at, sold);
    world.broker.left_ours |= leaves_ours;
    for order in world
        .broker
        .orders
        .iter_mut()
        .filter(|order| order.symbol == at && !order.buys && !order.state.is_final() && !leaves_ours)
    {
        end(order, OrderState::Canceled);
    }
    let quantity = u32::try_from(sold).unwrap_or(0);
    let id = 5_000_000 + i64::try_from(now).unwrap_or(0);
    let value = contract.bid * u64::from(quantity);
    let leg = Leg {
        id,
        kind: Kind::Market,
        state: OrderState::Filled,
        executed: quantity,
        value,
        priced_at: now,
        triggered: false,
    };
    world.broker.orders.push(SimOrder { quantity, ..outside(at, leg, now, day) });
    if let Some(contract) = world.broker.contracts.get_mut(at) {
        contract.position -= sold;
        contract.touched_outside = Some(now);
    }
    world.broker.touch(now);
    world.oracle.excuses.push("outside sale");
    world.oracle.count("outside-sale");
    world.note(|| format!("OUTSIDE somebody sells {sold} of contract {at}"));
}

/// Somebody buys more of what a trade of ours holds.
pub fn buy_outside(world: &mut World, at: usize) {
    let now = world.second();
    let (day, open) = (world.broker.day, world.broker.open);
    let Some(contract) = world.broker.contracts.get_mut(at).filter(|contract| contract.position > 0 && open) else {
        return;
    };
    contract.position += 2;
    contract.touched_outside = Some(now);
    let id = 7_000_000 + i64::try_from(now).unwrap_or(0);
    let value = (contract.bid + 10) * 2;
    let leg =
        Leg { id, kind: Kind::Market, state: OrderState::Filled, executed: 2, value, priced_at: now, triggered: false };
    world.broker.orders.push(SimOrder { buys: true, quantity: 2, ..outside(at, leg, now, day) });
    world.broker.touch(now);
    world.oracle.excuses.push("outside purchase");
    world.oracle.count("outside-purchase");
    world.note(|| format!("OUTSIDE somebody buys 2 of contract {at}"));
}

/// Somebody cancels what works of ours.
pub fn cancel_outside(world: &mut World, at: usize) {
    let now = world.second();
    mirrored(world, at, 0);
    for order in
        world.broker.orders.iter_mut().filter(|order| order.symbol == at && !order.buys && !order.state.is_final())
    {
        end(order, OrderState::Canceled);
    }
    world.broker.touch(now);
    world.oracle.count("outside-cancel");
    world.note(|| format!("OUTSIDE somebody cancels the exits of contract {at}"));
}

/// Somebody has an order of their own on sale.
pub fn order_outside(world: &mut World, at: usize) {
    let now = world.second();
    let day = world.broker.day;
    let free =
        world.broker.contracts.get(at).map_or(0, |contract| contract.position) - i64::from(world.broker.on_sale(at));
    if free <= 0 {
        return;
    }
    // One for each contract: what goes away again in a minute must be this one.
    let id = 6_000_000 + i64::try_from(now * 10).unwrap_or(0) + i64::try_from(at).unwrap_or(0);
    let leg = Leg {
        id,
        kind: Kind::Limit(99_000),
        state: OrderState::Live,
        executed: 0,
        value: 0,
        priced_at: now,
        triggered: false,
    };
    world.broker.orders.push(SimOrder { day_order: false, ..outside(at, leg, now, day) });
    world.broker.touch(now);
    world.oracle.count("outside-order");
    // It goes away again: what it holds up must then go on by itself.
    world.later(60_000, move |world| {
        let now = world.second();
        world.broker.cancel_now(id, now);
    });
}

/// The second broker sees it too.
fn mirrored(world: &mut World, at: usize, sold: i64) {
    let Some(mut mirror) = world.mirror.take() else { return };
    let exits = world.broker.orders.iter().filter(|order| order.symbol == at && !order.buys && !order.state.is_final());
    let exits: Vec<i64> = exits.map(|order| order.id).collect();
    let symbol = world.broker.contracts.get(at).map_or("", |contract| contract.symbol.as_str());
    mirror.outside(&exits, symbol, sold, world.now);
    world.mirror = Some(mirror);
}

/// A sale of one contract by somebody else, in the state of its leg.
fn outside(symbol: usize, leg: Leg, created: u64, day: u64) -> SimOrder {
    SimOrder {
        id: leg.id,
        tag: None,
        own: None,
        symbol,
        buys: false,
        quantity: 1,
        open: true,
        state: leg.state,
        legs: vec![leg],
        day_order: true,
        created,
        day,
        reason: None,
        doomed: false,
        rested: true,
    }
}

/// The sandbox forgets everything.
pub fn wipe(world: &mut World) {
    // Real money is not reset.
    if world.store.book.mode == BrokerMode::Live {
        return;
    }
    let now = world.second();
    world.broker.orders.clear();
    world.broker.temper.noise = 0;
    for contract in &mut world.broker.contracts {
        contract.position = 0;
        contract.moved.clear();
        contract.renamed = 0;
        contract.touched_outside = Some(now);
    }
    world.broker.wiped = true;
    world.broker.touch(now);
    world.oracle.excuses.push("wipe");
    world.oracle.count("wipe");
    world.note(|| "OUTSIDE the sandbox is wiped".to_owned());
}

/// A corporate action: the contract becomes another one, and its orders are cancelled.
pub fn corporate_action(world: &mut World, at: usize) {
    let now = world.second();
    let Some(contract) = world.broker.contracts.get(at).cloned() else { return };
    if contract.position <= 0 {
        return;
    }
    for order in world.broker.orders.iter_mut().filter(|order| order.symbol == at && !order.state.is_final()) {
        end(order, OrderState::Canceled);
    }
    let mut heir = contract.clone();
    heir.symbol = contract.symbol.replacen('2', "12", 1);
    heir.moved.clear();
    let orders = world.broker.orders.len();
    if let Some(old) = world.broker.contracts.get_mut(at) {
        old.position = 0;
        old.renamed = orders;
        old.moved.clear();
        old.touched_outside = Some(now);
    }
    world.broker.contracts.push(heir);
    world.broker.touch(now);
    world.oracle.excuses.push("corporate action");
    world.oracle.count("corporate-action");
    world.note(|| format!("OUTSIDE {} becomes another contract", contract.symbol));
}
