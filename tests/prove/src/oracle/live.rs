//! Liveness: doubts end, closes end, an owner that died is replaced, and a lease does not run out
//! under a loop that is well, an account that was halted or could not be read goes on. L1 and L2 are judged once the
//! faults are off, the others always.

use blotter_daemon::trades::facts::{FlatCause, Trade};
use blotter_daemon::trades::ports::LeaseAnswer;
use blotter_daemon::trades::timing::Timing;
use blotter_shared::domain::{AlarmKind, IntentState};

use crate::broker::SimOrder;
use crate::store::LeaseRow;
use crate::world::{Millis, World};

/// Seconds of calm after which nothing is in doubt any more (L1).
const DOUBT: u64 = 120;
/// A call that is under way is no doubt yet.
const CALL: Millis = 10_000;
/// Seconds of calm after which an account is neither halted nor unread (L6): the longest sleep, and the looks.
const STANDSTILL: u64 = 120;
/// Seconds of calm trading in which a close ends and what is held is protected (L2).
const UNSETTLED: u64 = 180;
/// Seconds after the end of a lease in which somebody takes it (L3): the longest delivery time.
const VACANT: u64 = 30;

/// L4: leases change hands only when their holder is gone or was stopped.
pub fn lease_moved(world: &mut World, before: Option<LeaseRow>, answer: LeaseAnswer) {
    if !matches!(answer, LeaseAnswer::TakenOver(_)) {
        return;
    }
    world.oracle.count("takeover");
    let ttl = u64::try_from(Timing::PRODUCTION.lease.as_millis()).unwrap_or(0);
    let healthy = |row: &LeaseRow| {
        let holder = world.processes.iter().find(|process| process.holder == Some(row.holder));
        holder.is_some_and(|process| process.alive && process.disturbed_at + ttl < world.now)
    };
    if before.as_ref().is_some_and(healthy) {
        world.oracle.fail("L4 a lease ran out under a healthy loop".to_owned());
    }
}

/// L3, every second.
pub(super) fn vacancy(world: &mut World) {
    let held = world.store.lease.is_some_and(|row| !row.released && row.expires >= world.now);
    if held {
        world.oracle.vacant = 0;
    } else if is_watched(world) {
        world.oracle.vacant += 1;
    }
    if world.oracle.vacant > VACANT {
        let vacant = world.oracle.vacant;
        world.oracle.fail(format!("L3 nobody has taken the lease for {vacant} s"));
    }
}

/// L6, every second: an account that is halted says so, and both are over after so many seconds of calm. What could not be
/// read is over by then as well.
pub(super) fn standstill(world: &mut World) {
    let book = &world.store.book;
    let about = |kind| book.alarms.iter().any(|alarm| alarm.kind == kind && alarm.trade.is_none());
    let halted = book.account.halted.is_some();
    let (paged, blind, slow) =
        (about(AlarmKind::NeedsPerson), about(AlarmKind::AccountBlind), about(AlarmKind::CutTooSlow));
    for (mark, _) in [("halted", halted), ("account-blind", blind), ("cut-too-slow", slow)].iter().filter(|it| it.1) {
        world.oracle.count(mark);
    }
    if halted && !paged {
        world.oracle.fail("L6 the account is halted and nobody is told".to_owned());
    }
    let calm = world.oracle.calm_since.is_some_and(|since| world.second() > since + STANDSTILL);
    if calm && (halted || blind || slow) {
        world.oracle.fail(format!("L6 in calm the account is halted {halted}, blind {blind}, too slow {slow}"));
    }
}

/// Somebody is up whose database answers: what nobody could see, nobody could tell.
pub(super) fn is_watched(world: &World) -> bool {
    world.processes.iter().any(|process| process.alive && process.disturbed_at <= world.now)
}

/// L1 and L2, every second once the faults are off.
pub(super) fn after(world: &mut World, calm_since: u64) {
    let calm_for = world.second().saturating_sub(calm_since);
    // A doubt that began by a clock that was ahead lasts until this one is there.
    if calm_for > DOUBT + world.oracle.jumped {
        doubts(world, calm_for);
    }
    if world.broker.open {
        unsettled(world);
    }
}

fn doubts(world: &mut World, calm_for: u64) {
    let doubt = world.store.book.trades.values().flat_map(|trade| &trade.intents).find(|intent| {
        let gate = world.store.gated.get(&intent.id).copied().unwrap_or(0);
        let waits = matches!(intent.state, IntentState::Sending | IntentState::Unknown);
        waits && intent.order().is_some() && world.now > gate + CALL
    });
    if let Some(intent) = doubt {
        let state = intent.state;
        world.oracle.fail(format!("L1 an intent is still {state} after {calm_for} s of calm"));
    }
}

fn unsettled(world: &mut World) {
    let trades: Vec<Trade> = world.store.book.trades.values().cloned().collect();
    // What was asked for by a clock that is ahead of the owner's begins when that one is there.
    let limit = UNSETTLED + world.oracle.jumped;
    for trade in &trades {
        let what = super::rest::unsettled(world, trade);
        // A stop that is breached while it could not be placed asks for something new.
        let breached = trade.wish.flat == Some(FlatCause::StopBreached);
        // So does each execution: the list of positions may be behind every one of them.
        let sold = executed(world, trade);
        let (known, seconds) = world.oracle.unsettled.entry((trade.id(), breached)).or_insert((sold, 0));
        *seconds = if what.is_some() && *known == sold { *seconds + 1 } else { 0 };
        *known = sold;
        if let Some(what) = what.filter(|_| *seconds > limit) {
            world.oracle.fail(format!("L2 {what} for {limit} s of calm"));
        }
    }
}

/// Contracts that orders of a trade have bought and sold.
fn executed(world: &World, trade: &Trade) -> u32 {
    let is_its = |order: &&SimOrder| order.own.is_some_and(|tag| tag.trade == trade.id());
    world.broker.orders.iter().filter(is_its).map(SimOrder::executed).sum()
}
