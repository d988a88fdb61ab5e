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
use crate::mirror::Mirror;
use crate::people::{self, Wanted};
use crate::sim::Sim;
use crate::store::SimStore;
use crate::world::{Gap, World};

mod rates;

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
    /// Reads come from copies that stay behind, and for a minute from nowhere.
    Copies,
    /// Processes die while their requests are under way and are back at once.
    Restarts,
    /// Entries stall, executions are reported after the cancel, others trade the same contract.
    Reports,
    /// Anything at all, also what came later.
    Wild,
    /// A second broker by another hand runs in step, and must agree.
    Mirrored,
    /// The broker's books disagree with each other for longer than a moment.
    Books,
    /// Real money, and an account that looks for a while as if nothing had ever been in it.
    Live,
    /// Reads that are refused for the token, or that all together take longer than a pass, for a while.
    Refused,
}

impl Family {
    pub const EVERY: &'static [Self] = &[
        Self::Swarm,
        Self::Zombies,
        Self::Blind,
        Self::Lost,
        Self::Midnight,
        Self::Late,
        Self::Copies,
        Self::Restarts,
        Self::Reports,
        Self::Wild,
        Self::Mirrored,
        Self::Books,
        Self::Live,
        Self::Refused,
    ];

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
            Self::Copies => "copies",
            Self::Restarts => "restarts",
            Self::Reports => "reports",
            Self::Wild => "wild",
            Self::Mirrored => "mirrored",
            Self::Live => "live",
            Self::Refused => "refused",
        }
    }

    /// The family that a seed of an ordinary run belongs to.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        match seed % 20 {
            0 | 10 => Self::Zombies,
            1 | 11 => Self::Blind,
            2 | 12 => Self::Lost,
            3 | 13 => Self::Midnight,
            4 | 14 => Self::Late,
            5 => Self::Copies,
            15 => Self::Restarts,
            18 => Self::Mirrored,
            6 | 16 => Self::Reports,
            7 | 17 => Self::Wild,
            8 | 9 | 19 => Self::Books,
            _ => Self::Swarm,
        }
    }

    /// Whether everything that came to the worlds later is in it.
    fn is_wide(self) -> bool {
        match self {
            Self::Copies | Self::Restarts | Self::Reports | Self::Wild => true,
            Self::Swarm
            | Self::Zombies
            | Self::Blind
            | Self::Lost
            | Self::Midnight
            | Self::Late
            | Self::Mirrored
            | Self::Books
            | Self::Live
            | Self::Refused => false,
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
    schedule(&mut world, plan.family);
    if plan.travels {
        crate::travel::schedule(&mut world);
    }
    let mut sim = Sim::new(world, 2);
    finish(&mut sim)
}

/// The stormy part, the calm part, the last judgement.
pub fn finish(sim: &mut Sim) -> Report {
    sim.run_until(STORMY * 1000);
    calm(&mut sim.world.lock(), STORMY);
    sim.run_until((STORMY + CALM) * 1000);
    let mut world = sim.world.lock();
    if !world.is_violated() {
        crate::oracle::last(&mut world);
        crate::travel::last(&mut world);
    }
    report(&mut world)
}

/// Faults end; what runs must now come to rest by itself.
pub fn calm(world: &mut World, since: u64) {
    world.streams.armed = false;
    world.crash_at = None;
    (world.gone_until, world.unwell_until) = (0, 0);
    world.outage_until = 0;
    (world.blank_until, world.refused_until, world.slow_until) = (0, 0, 0);
    world.broker.spell = None;
    world.rouse();
    world.oracle.calm_since = Some(since);
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

/// A Friday at ten in New York.
fn friday() -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_809_200, 0).unwrap_or_default()
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
    let contract = |symbol: &&str| Contract::new(symbol, bid);
    names.iter().take(count).map(contract).collect()
}

fn draw(mut streams: Streams, plan: &Plan) -> World {
    rates::draw(&mut streams, plan.family);
    let temper = temper(&mut streams, plan.family);
    let count = usize::try_from(streams.pick(Class::Setup, &[1, 1, 1, 2, 3]).unwrap_or(1)).unwrap_or(1);
    let count = if plan.family == Family::Restarts { 3 } else { count };
    let mirrored = plan.family == Family::Mirrored;
    let base = if mirrored { friday() } else { base(&mut streams) };
    let (sandbox, live) = ((BrokerMode::Sandbox, Cash(Decimal::from(100_000))), (BrokerMode::Live, Cash::ZERO));
    let (mode, worth) = if plan.family == Family::Live { live } else { sandbox };
    let book = Book::new(mode, worth);
    let armed_from = streams.pick(Class::Setup, &[0, 0, 60, 100]).unwrap_or(0);
    let gaps = gaps(&mut streams, plan.family);
    streams.armed = armed_from == 0;
    let store = SimStore::new(book, plan.rules);
    let mut world = World::new(streams, Broker::new(temper, contracts(count, 500)), store, plan.rules, base);
    world.gaps = gaps;
    if plan.family == Family::Restarts {
        world.back_within = 3000;
    }
    world.panics = plan.family == Family::Copies;
    if mirrored {
        world.mirror = Some(Mirror::new(base, world.broker.temper.sibling_shrinks));
        let size = world.size;
        world.mirror.iter().for_each(|mirror| mirror.quote(&world.broker.contracts, size));
    }
    world.log = plan.log.then(Vec::new);
    if armed_from > 0 {
        world.later(armed_from * 1000, |world| world.streams.armed = true);
    }
    world
}

fn temper(streams: &mut Streams, family: Family) -> Temper {
    let lax = family == Family::Copies && streams.chance(Class::Manner, 500);
    let mut one_of = |choices: &[u64]| streams.pick(Class::Setup, choices).unwrap_or(0);
    let zombies = family == Family::Zombies;
    let cross_zero = one_of(&[1, 1, 1, 1, 1, 0]) == 1 && !zombies && !lax;
    let cross_zero = cross_zero || matches!(family, Family::Late | Family::Mirrored);
    let mirrored = family == Family::Mirrored;
    let lags: &[u64] = if family == Family::Books { &[0, 9, 25, 45] } else { &[0, 0, 0, 4, 9] };
    Temper {
        cross_zero,
        ledger_lag: if zombies || mirrored { 0 } else { one_of(lags) },
        noise: usize::try_from(one_of(&[0, 0, 30])).unwrap_or(0),
        sibling_shrinks: one_of(&[0, 1]) == 1,
        volatility: if zombies { 2 } else { one_of(&[1, 3, 8]) },
        fill_rate: u32::try_from(one_of(&[100, 400, 900])).unwrap_or(400),
        cancel_delay: if zombies { 40 } else { one_of(&[1, 3, 12, 40]) },
        stalls: family.is_wide() && streams.chance(Class::Manner, 300),
    }
}

fn gaps(streams: &mut Streams, family: Family) -> Vec<Gap> {
    let closes = match family {
        Family::Midnight => true,
        Family::Swarm | Family::Wild | Family::Books => streams.chance(Class::Setup, 250),
        Family::Zombies
        | Family::Blind
        | Family::Lost
        | Family::Late
        | Family::Copies
        | Family::Restarts
        | Family::Reports
        | Family::Live
        | Family::Refused
        | Family::Mirrored => false,
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
fn schedule(world: &mut World, family: Family) {
    // An exit that arrives after it was proven absent cannot be fenced off by anything but the
    // broker's own check: without that check it is not part of the promise.
    if !world.broker.temper.cross_zero {
        world.streams.set_rate(Class::RequestVeryLate, 0);
    }
    // The order of epochs rests on the longest delivery time, which these requests exceed.
    world.broker.checks_epochs = world.streams.rate(Class::RequestVeryLate) == 0;
    for at in 0..world.broker.contracts.len() {
        life(world, at, family);
    }
}

fn pick(world: &mut World, low: u64, high: u64) -> u64 {
    world.streams.between(Class::People, low, high)
}

/// One contract's story.
fn life(world: &mut World, at: usize, family: Family) {
    let spread = if family == Family::Restarts { 25 } else { 200 };
    let first = if at == 0 { pick(world, 0, 4) } else { pick(world, 0, spread) };
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
    if family == Family::Mirrored {
        return outsiders_of_both(world, at, first);
    }
    outsiders(world, at, first);
    if family.is_wide() {
        more_outsiders(world, at, first);
    }
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

/// What two brokers can be told alike.
fn outsiders_of_both(world: &mut World, at: usize, first: u64) {
    let when = pick(world, first + 25, STORMY - 60) * 1000;
    match pick(world, 0, 99) {
        0..=9 => world.later(when, move |world| people::sell_outside(world, at, true, false)),
        10..=19 => world.later(when, move |world| people::sell_outside(world, at, false, false)),
        20..=44 => world.later(when, move |world| people::cancel_outside(world, at)),
        _ => {}
    }
}

fn outsiders(world: &mut World, at: usize, first: u64) {
    let when = pick(world, first + 25, STORMY - 60) * 1000;
    match pick(world, 0, 99) {
        0..=9 => world.later(when, move |world| people::sell_outside(world, at, true, false)),
        10..=13 => world.later(when, move |world| people::sell_outside(world, at, false, false)),
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

/// Others who do not mind what works of ours, and a person who takes what they left for the truth.
fn more_outsiders(world: &mut World, at: usize, first: u64) {
    let when = world.streams.between(Class::Manner, first + 25, STORMY - 120) * 1000;
    match world.streams.between(Class::Manner, 0, 99) {
        0..=7 => world.later(when, move |world| people::sell_outside(world, at, true, true)),
        8..=17 => {
            world.later(when, move |world| people::sell_outside(world, at, false, true));
            world.later(when + 70_000, move |world| {
                people::versioned(world, at, Command::Protect);
            });
        }
        18..=22 => world.later(when, move |world| people::buy_outside(world, at)),
        _ => {}
    }
}
