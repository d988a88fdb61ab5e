//! A seed: which world, which faults, what people do. Everything is drawn from the seed's own
//! streams before anything runs, except what people answer to what they see.

use std::collections::BTreeSet;

use blotter_daemon::trades::commands::Command;
use blotter_daemon::trades::facts::Book;
use blotter_daemon::trades::rules::Rules;
use blotter_shared::domain::{BrokerMode, Cash};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::broker::{Broker, Contract, Temper};
use crate::faults::{Class, Fired, Streams};
use crate::people::{self, Wanted};
use crate::sim::Sim;
use crate::store::SimStore;
use crate::world::{Gap, World};

/// Seconds with faults, and without.
pub const STORMY: u64 = 480;
pub const CALM: u64 = 420;

/// Which family of worlds a seed is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Anything may be on, most of it off.
    Swarm,
    /// No check against overselling, slow cancels, long pauses, late delivery: what a lease, a
    /// fence and a deadline are for.
    Zombies,
    /// Lists that flap, lag and leave out.
    Blind,
    /// Answers that do not come.
    Lost,
    /// The day ends while something is in doubt.
    Midnight,
    /// Requests that arrive after the longest delivery time, when they were proven absent.
    Late,
    /// The broker's books disagree with each other for longer than a moment.
    Books,
}

impl Family {
    pub const EVERY: &'static [Self] =
        &[Self::Swarm, Self::Zombies, Self::Blind, Self::Lost, Self::Midnight, Self::Late, Self::Books];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Swarm => "swarm",
            Self::Zombies => "zombies",
            Self::Blind => "blind",
            Self::Lost => "lost",
            Self::Midnight => "midnight",
            Self::Late => "late",
            Self::Books => "books",
        }
    }

    /// The family that a seed of an ordinary run belongs to: most are swarm.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        match seed % 10 {
            0 => Self::Zombies,
            1 => Self::Blind,
            2 => Self::Lost,
            3 => Self::Midnight,
            4 => Self::Late,
            8 | 9 => Self::Books,
            _ => Self::Swarm,
        }
    }
}

/// How a run is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub family: Family,
    pub rules: Rules,
    /// When shrinking: the faults that may happen.
    pub only: Option<BTreeSet<Fired>>,
    pub log: bool,
    /// The database is brought back from a backup once.
    pub travels: bool,
}

impl Plan {
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let travels = seed % 50 == 7;
        Self { seed, family: Family::of(seed), rules: Rules::ALL, only: None, log: false, travels }
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    pub violations: Vec<String>,
    pub marks: std::collections::BTreeMap<&'static str, u64>,
    pub fired: Vec<Fired>,
    pub trace: u64,
    pub seconds: u64,
    pub log: Vec<String>,
}

/// Runs one seed.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let mut streams = Streams::new(plan.seed);
    streams.only.clone_from(&plan.only);
    let mut world = draw(streams, plan);
    schedule(&mut world);
    if plan.travels {
        crate::travel::schedule(&mut world);
    }
    let mut sim = Sim::new(world, 2);
    finish(&mut sim)
}

/// The stormy part, the calm part, the last judgement.
pub fn finish(sim: &mut Sim) -> Report {
    sim.run_until(STORMY * 1000);
    calm(&mut sim.world.lock());
    sim.run_until((STORMY + CALM) * 1000);
    let mut world = sim.world.lock();
    if !world.is_violated() {
        crate::oracle::last(&mut world);
        crate::travel::last(&mut world);
    }
    report(&mut world)
}

/// Faults end; what runs must now come to rest by itself.
fn calm(world: &mut World) {
    world.streams.armed = false;
    world.crash_at = None;
    (world.gone_until, world.unwell_until) = (0, 0);
    world.oracle.calm_since = Some(STORMY);
    world.note(|| "--- faults are off".to_owned());
}

pub fn report(world: &mut World) -> Report {
    let mut violations = std::mem::take(&mut world.oracle.violations);
    violations.append(&mut world.broker.violations);
    violations.append(&mut world.store.violations);
    Report {
        violations,
        marks: std::mem::take(&mut world.oracle.marks),
        fired: std::mem::take(&mut world.streams.fired),
        trace: world.trace,
        seconds: world.seconds,
        log: world.log.take().unwrap_or_default(),
    }
}

/// A Friday before the clocks change, among others: nothing may hang on the day.
fn base(streams: &mut Streams) -> DateTime<Utc> {
    let days = [1_772_809_200, 1_793_368_800, 1_795_532_400, 1_798_729_200, 1_772_323_200, 1_774_623_600];
    let stamp = streams.pick(Class::Setup, &days).unwrap_or(1_772_809_200);
    DateTime::from_timestamp(stamp, 0).unwrap_or_default()
}

/// The contracts of a run; they expire long after it.
#[must_use]
pub fn contracts(count: usize, bid: u64) -> Vec<Contract> {
    let names = ["ABC270115C00150000", "DEF270115P00090000", "GHI270115C00045000"];
    let contract = |symbol: &&str| Contract {
        symbol: (*symbol).to_owned(),
        bid,
        quoted: true,
        position: 0,
        moved: std::collections::VecDeque::new(),
        touched_outside: None,
        sold_outside: false,
    };
    names.iter().take(count).map(contract).collect()
}

fn draw(mut streams: Streams, plan: &Plan) -> World {
    rates(&mut streams, plan.family);
    let temper = temper(&mut streams, plan.family);
    let count = usize::try_from(streams.pick(Class::Setup, &[1, 1, 1, 2, 3]).unwrap_or(1)).unwrap_or(1);
    let base = base(&mut streams);
    let book = Book::new(BrokerMode::Sandbox, Cash(Decimal::from(100_000)));
    let armed_from = streams.pick(Class::Setup, &[0, 0, 60, 100]).unwrap_or(0);
    let gaps = gaps(&mut streams, plan.family);
    streams.armed = armed_from == 0;
    let store = SimStore::new(book, plan.rules);
    let mut world = World::new(streams, Broker::new(temper, contracts(count, 500)), store, plan.rules, base);
    world.gaps = gaps;
    world.log = plan.log.then(Vec::new);
    if armed_from > 0 {
        world.later(armed_from * 1000, |world| world.streams.armed = true);
    }
    world
}

/// A little of everything.
const SWARM: &[(Class, &[u32])] = &[
    (Class::RequestLost, &[0, 0, 60, 200]),
    (Class::AnswerLost, &[0, 0, 100, 300]),
    (Class::RequestLate, &[0, 0, 150]),
    (Class::Gateway, &[0, 0, 100]),
    (Class::NoConnection, &[0, 0, 100]),
    (Class::StaleRead, &[0, 0, 250]),
    (Class::EmptyList, &[0, 0, 60]),
    (Class::MissingOrder, &[0, 0, 60]),
    (Class::MissingTag, &[0, 0, 60]),
    (Class::AsyncReject, &[0, 0, 0, 250]),
    (Class::LatePrice, &[0, 300]),
    (Class::CrashBefore, &[0, 0, 3, 12]),
    (Class::CrashAfter, &[0, 0, 3, 12]),
    (Class::Pause, &[0, 0, 8]),
    (Class::CommitLost, &[0, 0, 40]),
    (Class::StoreDown, &[0, 0, 40]),
    (Class::StoreSlow, &[0, 0, 60]),
    (Class::ClockJump, &[0, 0, 0, 8]),
    (Class::RequestVeryLate, &[0, 0, 0, 0, 0, 40]),
];

/// The rates at which each class of fault strikes.
fn rates(streams: &mut Streams, family: Family) {
    let table: &[(Class, &[u32])] = match family {
        Family::Swarm => SWARM,
        Family::Zombies => &[
            (Class::Pause, &[25, 50]),
            (Class::RequestLate, &[250, 350]),
            (Class::RequestLost, &[30]),
            (Class::AnswerLost, &[80]),
            (Class::StaleRead, &[0, 250]),
            (Class::CrashAfter, &[3]),
            (Class::StoreSlow, &[0, 60]),
        ],
        Family::Blind => &[
            (Class::StaleRead, &[200, 400]),
            (Class::EmptyList, &[40, 120]),
            (Class::MissingOrder, &[40, 150]),
            (Class::MissingTag, &[0, 100]),
            (Class::Gateway, &[0, 80]),
            (Class::LatePrice, &[300]),
        ],
        Family::Lost => &[
            (Class::RequestLost, &[100, 300]),
            (Class::AnswerLost, &[200, 400]),
            (Class::RequestLate, &[0, 300]),
            (Class::CommitLost, &[0, 60]),
            (Class::CrashBefore, &[0, 10]),
            (Class::CrashAfter, &[0, 10]),
        ],
        Family::Late => &[
            (Class::RequestVeryLate, &[60, 150]),
            (Class::AnswerLost, &[0, 100]),
            (Class::RequestLost, &[0, 60]),
            (Class::CrashAfter, &[0, 3]),
        ],
        Family::Books => &[
            (Class::PositionsGone, &[0, 8, 25]),
            (Class::AsyncReject, &[0, 150]),
            (Class::SlowOpen, &[0, 150, 400]),
            (Class::LegDies, &[0, 400, 700]),
            (Class::Unwell, &[0, 100, 300]),
            (Class::AnswerLost, &[0, 60]),
            (Class::StaleRead, &[0, 100]),
            (Class::LatePrice, &[0, 300]),
        ],
        Family::Midnight => &[
            (Class::RequestLost, &[0, 200]),
            (Class::AnswerLost, &[0, 300]),
            (Class::CrashAfter, &[0, 10]),
            (Class::StaleRead, &[0, 100]),
        ],
    };
    for (class, choices) in table {
        let rate = streams.pick(Class::Setup, choices).unwrap_or(0);
        streams.set_rate(*class, rate);
    }
}

fn temper(streams: &mut Streams, family: Family) -> Temper {
    let mut one_of = |choices: &[u64]| streams.pick(Class::Setup, choices).unwrap_or(0);
    let zombies = family == Family::Zombies;
    let cross_zero = (one_of(&[1, 1, 1, 1, 1, 0]) == 1 && !zombies) || family == Family::Late;
    Temper {
        cross_zero,
        ledger_lag: match family {
            Family::Zombies => 0,
            Family::Books => one_of(&[0, 9, 25, 45]),
            Family::Swarm | Family::Blind | Family::Lost | Family::Midnight | Family::Late => one_of(&[0, 0, 0, 4, 9]),
        },
        noise: usize::try_from(one_of(&[0, 0, 30])).unwrap_or(0),
        sibling_shrinks: one_of(&[0, 1]) == 1,
        volatility: if zombies { 2 } else { one_of(&[1, 3, 8]) },
        fill_rate: u32::try_from(one_of(&[100, 400, 900])).unwrap_or(400),
        cancel_delay: if zombies { 40 } else { one_of(&[1, 3, 12, 40]) },
    }
}

fn gaps(streams: &mut Streams, family: Family) -> Vec<Gap> {
    let closes = match family {
        Family::Midnight => true,
        Family::Swarm | Family::Books => streams.chance(Class::Setup, 250),
        Family::Zombies | Family::Blind | Family::Lost | Family::Late => false,
    };
    if !closes {
        return Vec::new();
    }
    let from = if family == Family::Midnight {
        streams.between(Class::Setup, 2, 90)
    } else {
        streams.between(Class::Setup, 60, 250)
    };
    let to = (from + streams.between(Class::Setup, 40, 200)).min(STORMY - 20);
    let new_day = family == Family::Midnight || streams.chance(Class::Setup, 500);
    vec![Gap { from, to, new_day }]
}

/// What people will do, and when.
fn schedule(world: &mut World) {
    // An exit that arrives after it was proven absent cannot be fenced off by anything but the
    // broker's own check: without that check it is not part of the promise.
    if !world.broker.temper.cross_zero {
        world.streams.set_rate(Class::RequestVeryLate, 0);
    }
    // The order of epochs rests on the longest delivery time, which these requests exceed.
    world.broker.checks_epochs = world.streams.rate(Class::RequestVeryLate) == 0;
    for at in 0..world.broker.contracts.len() {
        life(world, at);
    }
}

fn pick(world: &mut World, low: u64, high: u64) -> u64 {
    world.streams.between(Class::People, low, high)
}

/// One contract's story.
fn life(world: &mut World, at: usize) {
    let first = if at == 0 { pick(world, 0, 4) } else { pick(world, 0, 200) };
    enter(world, at, first);
    for _ in 0..pick(world, 0, 4) {
        let when = pick(world, first + 5, STORMY - 40);
        world.later(when * 1000, move |world| {
            people::adjust(world, at);
        });
    }
    match pick(world, 0, 99) {
        0..=59 => close_sometime(world, at, first),
        60..=69 => {
            let when = pick(world, first + 30, STORMY - 60);
            world.later(when * 1000, move |world| {
                people::close(world, at, None, Some(30), true);
            });
        }
        _ => {}
    }
    if world.streams.chance(Class::People, 200) {
        let when = pick(world, first + 20, STORMY - 60);
        world.later(when * 1000, move |world| {
            people::close(world, at, Some(1), None, true);
        });
    }
    outsiders(world, at, first);
}

fn enter(world: &mut World, at: usize, when: u64) {
    let quantity = world.streams.pick(Class::People, &[1, 2, 3, 5]).unwrap_or(1);
    let stop_below = world.streams.pick(Class::People, &[Some(40), Some(100), Some(200), Some(100), None]).flatten();
    let target_above = world.streams.pick(Class::People, &[Some(60), Some(120), Some(300), None]).flatten();
    let limit = world.streams.chance(Class::People, 300);
    let deed = move |world: &mut World| {
        let wanted = Wanted { contract: at, quantity, stop_below, target_above, limit };
        let placed = people::place(world, &wanted);
        // A second trade in the same contract, once the first is over.
        if placed && world.streams.chance(Class::People, 150) {
            let again = pick(world, 200, 320);
            world.later(again * 1000, move |world| {
                people::place(world, &wanted);
            });
        }
    };
    world.later(when * 1000, deed);
}

fn close_sometime(world: &mut World, at: usize, first: u64) {
    let early = world.streams.chance(Class::People, 350);
    let when = if early { pick(world, first + 1, first + 40) } else { pick(world, first + 40, STORMY - 30) };
    let clicks = pick(world, 1, 2);
    for click in 0..clicks {
        world.later(when * 1000 + click * 150, move |world| {
            people::close(world, at, None, None, true);
        });
    }
    if world.streams.chance(Class::People, 200) {
        let back = pick(world, 50, 3000);
        world.later(when * 1000 + 300 + back, move |world| {
            people::versioned(world, at, Command::Withdraw);
        });
    }
    if world.streams.chance(Class::People, 100) {
        world.later((first + 3) * 1000, move |world| {
            people::versioned(world, at, Command::Cancel);
        });
    }
}

fn outsiders(world: &mut World, at: usize, first: u64) {
    let when = pick(world, first + 25, STORMY - 60) * 1000;
    match pick(world, 0, 99) {
        0..=9 => world.later(when, move |world| people::sell_outside(world, at, true)),
        10..=13 => world.later(when, move |world| people::sell_outside(world, at, false)),
        14..=23 => world.later(when, move |world| people::cancel_outside(world, at)),
        24..=29 => world.later(when, move |world| people::order_outside(world, at)),
        30..=34 if at == 0 => world.later(when, people::wipe),
        35..=38 => world.later(when, move |world| people::corporate_action(world, at)),
        39..=42 => world.later(when, move |world| {
            people::versioned(world, at, Command::Protect);
        }),
        43 => world.later(when, |world| {
            people::command(world, &Command::Flatten);
        }),
        _ => {}
    }
}
