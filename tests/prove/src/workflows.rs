//! Thirteen workflows, each cut at every await of the daemon that carries it out: once before the call
//! has any effect, once after it and before its answer is used; once with another daemon that takes
//! over, once with nobody but the process itself, started again. Exhaustive, not random.
//!
//! A person gives each command again until it is accepted. An entry that nobody could send in time
//! is void, and that is right; everything else must end as if nobody had died.

use std::fmt;

use blotter_daemon::trades::commands::adjust::Side;
use blotter_daemon::trades::commands::{Adjust, Command};
use blotter_daemon::trades::facts::{Book, Trade};
use blotter_daemon::trades::rules::Rules;
use blotter_shared::domain::{BrokerMode, Cash, CloseReason, TradeStatus};
use chrono::DateTime;
use rust_decimal::Decimal;

use crate::broker::{Broker, Temper, price};
use crate::faults::Streams;
use crate::people::{self, Wanted};
use crate::seed::{contracts, report};
use crate::sim::Sim;
use crate::store::SimStore;
use crate::world::{CrashPoint, Gap, Side as When, World};

/// Seconds in which a workflow is carried out, and in which it must come to rest.
const ACTS: u64 = 110;
const RESTS: u64 = 220;
/// How often a command is given before the person gives up.
const PATIENCE: u32 = 90;

/// Something that a person or the world does; false when it could not be done yet.
type Deed = fn(&mut World) -> bool;

/// A workflow and how it must end.
#[derive(Clone, Copy)]
pub struct Workflow {
    pub name: &'static str,
    limit: bool,
    stalls: bool,
    /// The market closes for a while.
    night: Option<Gap>,
    acts: &'static [(u64, Deed)],
    ends: fn(&Trade) -> bool,
    position: i64,
}

impl fmt::Debug for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Who carries on after a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heir {
    /// The same process, started again.
    Itself,
    /// A second daemon, when the lease has run out.
    Another,
}

/// Where the first daemon dies, if it does, and who carries on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    pub crash: Option<CrashPoint>,
    pub heir: Heir,
}

const PLAIN: Workflow = Workflow {
    name: "an entry is protected",
    limit: false,
    stalls: false,
    night: None,
    acts: &[],
    ends: held,
    position: 3,
};

pub const ALL: &[Workflow] = &[
    PLAIN,
    Workflow { name: "half an entry is cut and protected", limit: true, stalls: true, position: 1, ..PLAIN },
    Workflow {
        name: "a working entry is cancelled",
        limit: true,
        acts: &[(0, |world| bid(world, 600)), (12, |world| people::versioned(world, 0, Command::Cancel))],
        ends: |trade| trade.marks.status == TradeStatus::Canceled,
        position: 0,
        ..PLAIN
    },
    Workflow {
        name: "all of it is closed",
        acts: &[(12, |world| people::close(world, 0, None, None, false))],
        ends: |trade| closed(trade, CloseReason::Manual),
        position: 0,
        ..PLAIN
    },
    Workflow {
        name: "a part of it is closed",
        acts: &[(12, |world| people::close(world, 0, Some(1), None, false))],
        position: 2,
        ..PLAIN
    },
    Workflow {
        name: "it is closed at a limit",
        acts: &[(12, |world| people::close(world, 0, None, Some(30), false)), (90, |world| bid(world, 560))],
        ends: |trade| closed(trade, CloseReason::Manual),
        position: 0,
        ..PLAIN
    },
    Workflow {
        name: "it is closed at the open",
        night: Some(Gap { from: 15, to: 60, new_day: true }),
        acts: &[(20, |world| people::close(world, 0, None, None, true))],
        ends: |trade| closed(trade, CloseReason::Manual),
        position: 0,
        ..PLAIN
    },
    Workflow {
        name: "stop and target are moved",
        acts: &[(12, |world| adjust(world, Side::Set(price(460)), Side::Set(price(590))))],
        ends: |trade| held(trade) && trade.wish.stop == Some(price(460)) && trade.wish.target == Some(price(590)),
        ..PLAIN
    },
    Workflow {
        name: "the target is taken away",
        acts: &[(12, |world| adjust(world, Side::Keep, Side::Remove))],
        ends: |trade| held(trade) && trade.wish.target.is_none(),
        ..PLAIN
    },
    Workflow {
        name: "the stop is hit",
        acts: &[(12, is_protected), (12, |world| bid(world, 380))],
        ends: |trade| closed(trade, CloseReason::StopHit) || closed(trade, CloseReason::Emergency),
        position: 0,
        ..PLAIN
    },
    Workflow { name: "the bracket vanishes and comes back", acts: &[(12, is_protected), (13, vanish)], ..PLAIN },
    Workflow {
        name: "the stop is passed while nothing works",
        acts: &[(12, is_protected), (13, vanish), (13, |world| bid(world, 380))],
        ends: |trade| closed(trade, CloseReason::Emergency),
        position: 0,
        ..PLAIN
    },
    Workflow {
        name: "what somebody sold is accepted",
        acts: &[(12, sell_one_by_hand), (60, accept)],
        ends: |trade| held(trade) && trade.marks.quarantine.is_none() && trade.marks.held == 2,
        position: 2,
        ..PLAIN
    },
];

fn held(trade: &Trade) -> bool {
    trade.marks.status == TradeStatus::Filled
}

fn closed(trade: &Trade, reason: CloseReason) -> bool {
    trade.marks.status == TradeStatus::Closed && trade.marks.close_reason == Some(reason)
}

fn bid(world: &mut World, cents: u64) -> bool {
    if let Some(contract) = world.broker.contracts.first_mut() {
        contract.bid = cents;
    }
    true
}

/// Waits until the broker has a bracket of ours.
fn is_protected(world: &mut World) -> bool {
    world.broker.orders.iter().any(|order| !order.buys && order.open && !order.state.is_final())
}

fn vanish(world: &mut World) -> bool {
    people::cancel_outside(world, 0);
    true
}

/// Once they are protected.
fn sell_one_by_hand(world: &mut World) -> bool {
    let there = is_protected(world);
    if there {
        people::sell_outside(world, 0, false, false);
    }
    there
}

/// What the broker shows is taken for the truth, once it has been asked about.
fn accept(world: &mut World) -> bool {
    let asked = world.store.book.live_trades().any(|trade| trade.marks.quarantine.is_some());
    asked && people::versioned(world, 0, Command::Protect)
}

fn adjust(world: &mut World, stop: Side, target: Side) -> bool {
    let Some((id, version)) = people::newest(world, 0) else { return false };
    people::command(world, &Command::Adjust(id, Adjust { version, stop, target }))
}

/// What came of one run of a workflow.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Calls that the first daemon made while it was carried out: its await points.
    pub awaits: u64,
    pub violations: Vec<String>,
    pub log: Vec<String>,
}

impl Workflow {
    /// Carries it out; the first daemon dies where it is said.
    #[must_use]
    pub fn run(&self, death: Death, rules: Rules) -> Outcome {
        let world = self.world(death.crash, rules);
        let mut sim = Sim::in_turn(world, if death.heir == Heir::Another { 2 } else { 1 });
        sim.run_until(ACTS * 1000);
        let awaits = sim.world.lock().processes.first().map_or(0, |process| process.awaits);
        crate::seed::calm(&mut sim.world.lock(), ACTS);
        sim.run_until((ACTS + RESTS) * 1000);
        let mut world = sim.world.lock();
        if !world.is_violated() {
            crate::oracle::last(&mut world);
            self.judge(&mut world);
        }
        let report = report(&mut world);
        Outcome { awaits, violations: report.violations, log: report.log }
    }

    fn world(&self, crash: Option<CrashPoint>, rules: Rules) -> World {
        let temper = Temper {
            cross_zero: true,
            ledger_lag: 0,
            noise: 0,
            sibling_shrinks: true,
            volatility: 0,
            fill_rate: 1000,
            cancel_delay: 1,
            stalls: self.stalls,
        };
        let book = Book::new(BrokerMode::Sandbox, Cash(Decimal::from(100_000)));
        let base = DateTime::from_timestamp(1_772_809_200, 0).unwrap_or_default();
        let store = SimStore::new(book, rules);
        let mut world = World::new(Streams::new(7), Broker::new(temper, contracts(1, 500)), store, rules, base);
        world.log = Some(Vec::new());
        world.gaps = self.night.into_iter().collect();
        world.crash_at = crash;
        world.back_within = 2000;
        let wanted =
            Wanted { contract: 0, quantity: 3, stop_below: Some(100), target_above: Some(120), limit: self.limit };
        world.later(1500, move |world| {
            people::place(world, &wanted);
        });
        let first = if self.limit { 1600 } else { 0 };
        for (second, deed) in self.acts {
            let (at, deed) = ((second * 1000).max(first), *deed);
            world.later(at, move |world| again(world, deed, PATIENCE));
        }
        world
    }

    fn judge(&self, world: &mut World) {
        let Some(trade) = world.store.book.trades.values().next().cloned() else {
            return world.oracle.violations.push("there is no trade".to_owned());
        };
        let position = world.broker.contracts.first().map_or(0, |contract| contract.position);
        let never_sent = trade.marks.status == TradeStatus::Void && position == 0;
        let as_meant = (self.ends)(&trade) && position == self.position;
        if !never_sent && !as_meant {
            let (status, reason) = (trade.marks.status, trade.marks.close_reason);
            world.oracle.violations.push(format!("{}: ends as {status} {reason:?}, position {position}", self.name));
        }
    }
}

/// Does it, or tries again in a second.
fn again(world: &mut World, deed: Deed, left: u32) {
    if !deed(world) && left > 0 {
        world.later(1000, move |world| again(world, deed, left - 1));
    }
}

/// A death after which a workflow did not end as it should.
#[derive(Clone, Debug)]
pub struct Failure {
    pub workflow: &'static str,
    pub death: Death,
    pub violations: Vec<String>,
    pub log: Vec<String>,
}

/// How many deaths were tried, and the first that ended badly.
#[derive(Clone, Debug, Default)]
pub struct Deaths {
    pub tried: u64,
    pub bad: u64,
    pub first: Option<Failure>,
}

/// Every await of one workflow, both sides, both heirs; and once without a death.
#[must_use]
pub fn every_death(workflow: &Workflow, rules: Rules) -> Deaths {
    let mut deaths = Deaths::default();
    for heir in [Heir::Itself, Heir::Another] {
        let unhurt = workflow.run(Death { crash: None, heir }, rules);
        let points = (1..=unhurt.awaits).flat_map(|call| [When::Before, When::After].map(|side| (call, side)));
        let crashes = points.map(|(call, side)| Some(CrashPoint { call, side }));
        for crash in std::iter::once(None).chain(crashes) {
            deaths.tried += u64::from(crash.is_some());
            let death = Death { crash, heir };
            let Outcome { violations, log, .. } = workflow.run(death, rules);
            if !violations.is_empty() {
                deaths.bad += 1;
                deaths.first.get_or_insert(Failure { workflow: workflow.name, death, violations, log });
            }
        }
    }
    deaths
}
