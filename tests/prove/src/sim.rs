//! The scheduler: polls daemons one at a time and decides at each await whether they live on.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use blotter_daemon::trades::driver::{Engine, Ports, Settings};
use blotter_daemon::trades::ports::Holder;
use blotter_daemon::trades::tag::Installation;
use blotter_daemon::trades::timing::Timing;
use uuid::Uuid;

use crate::faults::Class;
use crate::ports::Port;
use crate::world::{CrashPoint, Event, Millis, Process, Shared, Side, World};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One run.
pub struct Sim {
    pub world: Shared,
    tasks: Vec<Option<Task>>,
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("daemons", &self.tasks.len()).finish_non_exhaustive()
    }
}

/// The installation that all daemons of a run belong to.
#[must_use]
pub fn installation() -> Installation {
    Installation::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0bad_cafe))
}

impl Sim {
    /// Daemons that start when the seed says.
    #[must_use]
    pub fn new(mut world: World, daemons: usize) -> Self {
        let starts: Vec<Millis> = (0..daemons).map(|_| world.streams.between(Class::Setup, 0, 3000)).collect();
        Self::starting(world, &starts)
    }

    /// Daemons that start one after the other: the first becomes the owner.
    #[must_use]
    pub fn in_turn(world: World, daemons: u64) -> Self {
        let starts: Vec<Millis> = (0..daemons).map(|daemon| daemon * 1000).collect();
        Self::starting(world, &starts)
    }

    fn starting(mut world: World, starts: &[Millis]) -> Self {
        for (daemon, after) in starts.iter().enumerate() {
            let process = Process {
                life: 0,
                alive: false,
                awaits: 0,
                doomed: false,
                asleep: None,
                called: false,
                skew: 0,
                disturbed_at: 0,
                stands: None,
                read_at: 0,
                shown: std::collections::BTreeMap::new(),
                holder: None,
            };
            world.processes.push(process);
            world.push(*after, Event::Start { daemon });
        }
        world.later(0, tick);
        Self { world: Shared::new(world), tasks: starts.iter().map(|_| None).collect() }
    }

    /// Runs until then, or until an invariant breaks.
    pub fn run_until(&mut self, until: Millis) {
        loop {
            let event = {
                let mut world = self.world.lock();
                if world.is_violated() {
                    return;
                }
                world.next_event(until)
            };
            match event {
                None => return,
                Some(Event::World(deed)) => deed(&mut self.world.lock()),
                Some(Event::Start { daemon }) => self.start(daemon),
                Some(Event::Resume { daemon, life, call }) => self.resume(daemon, life, call),
                Some(Event::Wake { daemon, life, call }) => self.poll(daemon, life, call),
            }
        }
    }

    fn start(&mut self, daemon: usize) {
        let life = {
            let mut world = self.world.lock();
            if world.now < world.down_until {
                let left = world.down_until - world.now;
                return world.push(left, Event::Start { daemon });
            }
            let Some(process) = world.processes.get_mut(daemon) else { return };
            if process.alive {
                return;
            }
            process.life += 1;
            process.alive = true;
            let life = process.life;
            world.note(|| format!("D{daemon} starts, life {life}"));
            life
        };
        let port = Port { world: self.world.clone(), daemon };
        let number = u128::try_from(daemon).unwrap_or(0);
        let holder = Holder {
            host: Uuid::from_u128(number + 1),
            process: Uuid::from_u128((number + 1) << 64 | u128::from(life)),
        };
        let rules = {
            let mut world = self.world.lock();
            if let Some(process) = world.processes.get_mut(daemon) {
                process.holder = Some(holder);
            }
            world.rules
        };
        let settings = Settings { holder, installation: installation(), timing: Timing::PRODUCTION, rules };
        let ports = Ports { store: port.clone(), broker: port.clone(), clock: port.clone(), sessions: port };
        let task: Task = Box::pin(async move { Engine::new(ports, settings).run().await });
        if let Some(slot) = self.tasks.get_mut(daemon) {
            *slot = Some(task);
        }
        self.poll(daemon, life, 0);
    }

    /// An answer is there: does the daemon live to see it, and when?
    fn resume(&mut self, daemon: usize, life: u64, call: u64) {
        let fate = {
            let mut world = self.world.lock();
            let Some(process) = world.processes.get_mut(daemon).filter(|process| process.life == life && process.alive)
            else {
                return;
            };
            process.asleep = None;
            let awaits = process.awaits;
            let planned = daemon == 0 && world.crash_at == Some(CrashPoint { call: awaits, side: Side::After });
            let struck = world.streams.strikes(Class::CrashAfter).is_some();
            if planned || struck { Fate::Dies } else { pause(&mut world) }
        };
        match fate {
            Fate::Dies => self.crash(daemon),
            Fate::Pauses(span) => {
                let mut world = self.world.lock();
                world.note(|| format!("D{daemon} stands still for {} s", span / 1000));
                world.disturb(daemon, span);
                if let Some(process) = world.processes.get_mut(daemon) {
                    process.stands = Some(call);
                }
                world.push(span, Event::Wake { daemon, life, call });
            }
            Fate::GoesOn => self.poll(daemon, life, call),
        }
    }

    fn poll(&mut self, daemon: usize, life: u64, call: u64) {
        {
            let mut world = self.world.lock();
            let known = world.processes.get(daemon).is_some_and(|process| process.life == life && process.alive);
            if !known {
                return;
            }
            world.mark(call);
            if let Some(process) = world.processes.get_mut(daemon) {
                process.stands = None;
            }
        }
        let Some(Some(task)) = self.tasks.get_mut(daemon) else { return };
        let _never = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let doomed =
            self.world.lock().processes.get_mut(daemon).is_some_and(|process| std::mem::take(&mut process.doomed));
        if doomed {
            self.crash(daemon);
        }
    }

    /// The process is gone; what it sent is not.
    fn crash(&mut self, daemon: usize) {
        if let Some(slot) = self.tasks.get_mut(daemon) {
            *slot = None;
        }
        let mut world = self.world.lock();
        let longest = world.back_within;
        let after = world.streams.between(Class::Delays, 500, longest);
        world.disturb(daemon, after);
        if let Some(process) = world.processes.get_mut(daemon) {
            process.alive = false;
            process.life += 1;
            process.asleep = None;
            process.called = false;
            process.stands = None;
        }
        world.oracle.count("crash");
        world.note(|| format!("D{daemon} DIES"));
        world.push(after, Event::Start { daemon });
    }
}

enum Fate {
    Dies,
    Pauses(Millis),
    GoesOn,
}

/// A pause may be longer than a lease and an absence proof together.
fn pause(world: &mut World) -> Fate {
    match world.streams.strikes(Class::Pause) {
        Some(size) if size % 2 == 0 => Fate::Pauses(1000 + size % 40_000),
        Some(size) => Fate::Pauses(40_000 + size % 140_000),
        None => Fate::GoesOn,
    }
}

/// One second of the world.
fn tick(world: &mut World) {
    world.seconds += 1;
    crate::market::second(world);
    let now = world.second();
    world.broker.remember(now);
    if world.streams.strikes(Class::Spell).is_some() {
        let from = world.second();
        spell(world, from);
    }
    crate::oracle::check(world);
    if let Some(size) = world.streams.strikes(Class::ClockJump) {
        let daemon = usize::try_from(size % 2).unwrap_or(0);
        let by = i64::try_from(size % 180_000).unwrap_or(0) - 90_000;
        if let Some(process) = world.processes.get_mut(daemon) {
            process.skew += by;
            world.oracle.jumped += by.unsigned_abs().div_ceil(1000);
        }
        world.note(|| format!("the clock of D{daemon} jumps by {by} ms"));
    }
    world.later(1000, tick);
}

/// From then on all reads come from a copy of the present, for some seconds.
pub fn spell(world: &mut World, from: u64) {
    let now = world.second();
    if world.broker.spell.as_ref().is_some_and(|spell| now < spell.until) {
        return;
    }
    let until = from + world.streams.between(Class::Manner, 4, 8);
    let view = world.broker.view(now, 0);
    world.note(|| format!("from second {from} to {until} reads show the present of second {now}"));
    world.broker.spell = Some(crate::broker::Spell { from, until, of: now, view });
}
