//! Fifty positions, each in a contract of its own, whose brackets vanish in the same second: how long
//! until the broker holds all fifty again, at fifty writes a minute?

use blotter_daemon::trades::facts::Book;
use blotter_daemon::trades::rules::Rules;
use blotter_shared::domain::{BrokerMode, Cash};
use chrono::DateTime;
use rust_decimal::Decimal;

use crate::broker::{Broker, Contract, Temper};
use crate::faults::Streams;
use crate::people::{self, Wanted};
use crate::sim::Sim;
use crate::store::SimStore;
use crate::world::World;

/// Entries come so many seconds apart: reading hundred orders takes twelve reads of fifty a minute.
const APART: u64 = 13;
/// After the last entry everything has come to rest.
const SETTLED: u64 = 180;
/// Longer than it may take.
const PATIENCE: u64 = 300;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Rearmed {
    /// Positions that the broker showed as protected before.
    pub protected: usize,
    /// Seconds until all of them were again.
    pub seconds: Option<u64>,
    pub violations: Vec<String>,
}

#[must_use]
pub fn vanish_at_once(count: usize) -> Rearmed {
    let mut sim = Sim::in_turn(world(count), 1);
    let gone = u64::try_from(count).unwrap_or(0) * APART + SETTLED;
    sim.run_until(gone * 1000);
    let protected = {
        let mut world = sim.world.lock();
        let before = covered(&world);
        (0..count).for_each(|at| people::cancel_outside(&mut world, at));
        before
    };
    let again = (1..=PATIENCE).find(|second| {
        sim.run_until((gone + second) * 1000);
        covered(&sim.world.lock()) == count
    });
    let violations = crate::seed::report(&mut sim.world.lock()).violations;
    Rearmed { protected, seconds: again, violations }
}

/// Contracts whose whole position is on sale by a live order of ours.
fn covered(world: &World) -> usize {
    let contracts = world.broker.contracts.iter().enumerate();
    contracts
        .filter(|(at, contract)| contract.position > 0 && i64::from(world.broker.own_on_sale(*at)) == contract.position)
        .count()
}

/// So many positions, each entered until it is there, at a broker that is well.
#[must_use]
pub fn world(count: usize) -> World {
    let temper = Temper {
        cross_zero: true,
        ledger_lag: 0,
        noise: 0,
        sibling_shrinks: true,
        volatility: 0,
        fill_rate: 1000,
        cancel_delay: 0,
        stalls: false,
    };
    let book = Book::new(BrokerMode::Sandbox, Cash(Decimal::from(100_000)));
    let base = DateTime::from_timestamp(1_772_809_200, 0).unwrap_or_default();
    let store = SimStore::new(book, Rules::ALL);
    let contracts = (0..count).map(|n| Contract::new(&symbol(n), 500)).collect();
    let mut world = World::new(Streams::new(50), Broker::new(temper, contracts), store, Rules::ALL, base);
    for (n, contract) in (0_u64..).zip(0..count) {
        let wanted = Wanted { contract, quantity: 1, stop_below: Some(100), target_above: Some(120), limit: false };
        world.later(2000 + n * APART * 1000, move |world| enter(world, wanted));
    }
    world
}

/// Enters, again and again until there is a position: a command that waits too long for its turn is void.
fn enter(world: &mut World, wanted: Wanted) {
    if world.broker.contracts.get(wanted.contract).is_some_and(|contract| contract.position == 0) {
        people::place(world, &wanted);
        world.later(20_000, move |world| enter(world, wanted));
    }
}

/// A contract for each number: the strikes of one chain.
fn symbol(n: usize) -> String {
    format!("ABC270115C00{:03}000", 100 + n)
}
