//! The world that the engine runs in: one thread, virtual time, an ordered queue of events.
//!
//! A call of a port is a future. When it is first polled it puts its request on the queue; when
//! the answer's time has come the scheduler decides whether the daemon lives to see it. Between
//! two events nothing happens, so that every run of a seed is the same run.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blotter_daemon::trades::ports::{Holder, Rest};
use blotter_daemon::trades::rules::Rules;
use chrono::{DateTime, NaiveDate, Utc};

use crate::broker::Broker;
use crate::faults::Streams;
use crate::mirror::Mirror;
use crate::oracle::Oracle;
use crate::store::SimStore;

/// Milliseconds since the start of the run.
pub type Millis = u64;

/// Something that happens to the world.
pub type Deed = Box<dyn FnOnce(&mut World) + Send>;

/// What the queue holds.
pub enum Event {
    World(Deed),
    /// The answer of a call is there.
    Resume {
        daemon: usize,
        life: u64,
        call: u64,
    },
    /// As above, after a pause that was decided before.
    Wake {
        daemon: usize,
        life: u64,
        call: u64,
    },
    Start {
        daemon: usize,
    },
}

struct Queued {
    at: Millis,
    order: u64,
    event: Event,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// What the world knows of a daemon's process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Grows with each start; what belongs to an older life is ignored.
    pub life: u64,
    pub alive: bool,
    /// Calls begun in all lives: the await points.
    pub awaits: u64,
    /// The scheduler kills it as soon as its poll returns.
    pub doomed: bool,
    /// The call that it sleeps in, to be woken early.
    pub asleep: Option<u64>,
    /// Somebody called it while it worked.
    pub called: bool,
    /// Milliseconds by which its wall clock is off.
    pub skew: i64,
    /// Until then it is gone, stands still, or its database fails.
    pub disturbed_at: Millis,
    /// The call in which it stands still.
    pub stands: Option<u64>,
    /// The second whose positions it last read.
    pub read_at: u64,
    /// The positions that it last read.
    pub shown: BTreeMap<String, i64>,
    /// As what it asks for the lease.
    pub holder: Option<Holder>,
}

/// Trading hours of a run, in seconds: outside the gaps the market is open.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    pub from: u64,
    pub to: u64,
    /// The calendar date changes in it.
    pub new_day: bool,
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::World(_) => f.write_str("World"),
            Self::Resume { daemon, life, call } => write!(f, "Resume {daemon} {life} {call}"),
            Self::Wake { daemon, life, call } => write!(f, "Wake {daemon} {life} {call}"),
            Self::Start { daemon } => write!(f, "Start {daemon}"),
        }
    }
}

/// Everything there is in a run.
pub struct World {
    pub now: Millis,
    queue: BinaryHeap<Reverse<Queued>>,
    order: u64,
    next_call: u64,
    replies: BTreeMap<u64, Box<dyn Any + Send>>,
    pub base: DateTime<Utc>,
    pub streams: Streams,
    pub broker: Broker,
    pub store: SimStore,
    pub oracle: Oracle,
    /// A second broker in step with the first.
    pub mirror: Option<Mirror>,
    pub processes: Vec<Process>,
    pub rules: Rules,
    pub gaps: Vec<Gap>,
    /// Requests of the token: reads and writes, by when they were sent.
    pub reads: VecDeque<Millis>,
    pub writes: VecDeque<Millis>,
    pub next_id: u128,
    /// Everything that happened, as one number: two runs of a seed have the same.
    pub trace: u64,
    pub log: Option<Vec<String>>,
    /// A crash is planned at this await of the first daemon.
    pub crash_at: Option<CrashPoint>,
    pub seconds: u64,
    /// The list of positions is empty until then.
    pub gone_until: Millis,
    /// How often in a row it was read and empty by mistake, and since when.
    pub empty_reads: Option<(u32, Millis)>,
    /// The row that a list which was not empty has ended, until the cut of this daemon is whole.
    pub empty_before: Option<(usize, (u32, Millis))>,
    /// No sale is taken until then.
    pub unwell_until: Millis,
    /// A process that died is back within so many milliseconds.
    pub back_within: Millis,
    /// Contracts behind each side of the market in this second, where two brokers are in step.
    pub size: u32,
    /// Somebody closes by hand in the moment in which an exit fills.
    pub panics: bool,
    /// No read is answered before then.
    pub outage_until: Millis,
    /// The account looks as if nothing had ever been in it, until then.
    pub blank_until: Millis,
    /// No read is accepted under the token before then.
    pub refused_until: Millis,
    /// Each read takes seconds until then.
    pub slow_until: Millis,
    /// The database is being restored until then: no daemon runs.
    pub down_until: Millis,
    /// What was asked for in trades that the restored database does not know.
    pub asked_before: BTreeMap<blotter_shared::domain::TradeId, u32>,
}

/// One await point and the side on which the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    pub call: u64,
    pub side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// A handle on the world that every port holds.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World")
    }
}

impl Shared {
    #[must_use]
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// The world; nobody holds it across an await, and there is one thread.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("now", &self.now).field("trace", &self.trace).finish_non_exhaustive()
    }
}

impl World {
    #[must_use]
    pub fn new(streams: Streams, broker: Broker, store: SimStore, rules: Rules, base: DateTime<Utc>) -> Self {
        Self {
            now: 0,
            queue: BinaryHeap::new(),
            order: 0,
            next_call: 0,
            replies: BTreeMap::new(),
            base,
            streams,
            broker,
            store,
            oracle: Oracle::default(),
            mirror: None,
            processes: Vec::new(),
            rules,
            gaps: Vec::new(),
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            next_id: 0x0190_0000_0000_7000_8000_0000_0000_0000,
            trace: 0,
            log: None,
            crash_at: None,
            seconds: 0,
            gone_until: 0,
            empty_reads: None,
            empty_before: None,
            unwell_until: 0,
            back_within: 40_000,
            size: 1000,
            panics: false,
            outage_until: 0,
            blank_until: 0,
            refused_until: 0,
            slow_until: 0,
            down_until: 0,
            asked_before: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn second(&self) -> u64 {
        self.now / 1000
    }

    /// The true time.
    #[must_use]
    pub fn wall(&self) -> DateTime<Utc> {
        self.at_millis(self.now)
    }

    #[must_use]
    pub fn at_millis(&self, millis: Millis) -> DateTime<Utc> {
        self.base + chrono::Duration::milliseconds(i64::try_from(millis).unwrap_or(0))
    }

    /// The date of a day of the run.
    #[must_use]
    pub fn date(&self, day: u64) -> NaiveDate {
        self.base.date_naive() + chrono::Days::new(day)
    }

    pub fn fresh_id(&mut self) -> uuid::Uuid {
        self.next_id += 1;
        uuid::Uuid::from_u128(self.next_id)
    }

    pub fn push(&mut self, after: Millis, event: Event) {
        self.order += 1;
        let queued = Queued { at: self.now + after, order: self.order, event };
        self.queue.push(Reverse(queued));
    }

    pub fn later(&mut self, after: Millis, deed: impl FnOnce(&mut World) + Send + 'static) {
        self.push(after, Event::World(Box::new(deed)));
    }

    /// The next event, if it happens before `until`; time moves to it.
    pub fn next_event(&mut self, until: Millis) -> Option<Event> {
        if self.queue.peek().is_none_or(|Reverse(queued)| queued.at > until) {
            self.now = until;
            return None;
        }
        let Reverse(queued) = self.queue.pop()?;
        self.now = queued.at;
        Some(queued.event)
    }

    /// Begins a call of a daemon; its number.
    pub fn begin_call(&mut self, daemon: usize) -> u64 {
        self.next_call += 1;
        if let Some(process) = self.processes.get_mut(daemon) {
            process.awaits += 1;
        }
        self.next_call
    }

    /// Answers a call after some time. The first answer counts.
    pub fn reply<T: Send + 'static>(&mut self, daemon: usize, call: u64, after: Millis, value: T) {
        let life = self.processes.get(daemon).map_or(0, |process| process.life);
        self.later(after, move |world| {
            if world.replies.contains_key(&call) {
                return;
            }
            world.replies.insert(call, Box::new(value));
            world.push(0, Event::Resume { daemon, life, call });
        });
    }

    /// Takes the answer of a call.
    pub fn take_reply<T: 'static>(&mut self, call: u64) -> Option<T> {
        let ready = self.replies.get(&call).is_some_and(|value| value.is::<T>());
        if !ready {
            return None;
        }
        // A mark stays behind so that a second answer is not taken for the first.
        let value = self.replies.insert(call, Box::new(()))?;
        value.downcast().ok().map(|value| *value)
    }

    /// Calls every daemon: a command was accepted. One that works finds it out when it next sleeps.
    pub fn wake(&mut self) {
        for daemon in 0..self.processes.len() {
            let Some(process) = self.processes.get_mut(daemon).filter(|process| process.alive) else { continue };
            match process.asleep.take() {
                Some(call) => self.reply(daemon, call, 20, Rest::Roused),
                None => process.called = true,
            }
        }
    }

    /// A daemon is not to be relied on until then.
    pub fn disturb(&mut self, daemon: usize, span: Millis) {
        let until = self.now + span;
        if let Some(process) = self.processes.get_mut(daemon) {
            process.disturbed_at = process.disturbed_at.max(until);
        }
    }

    /// Every process that stands still goes on.
    pub fn rouse(&mut self) {
        for daemon in 0..self.processes.len() {
            let now = self.now;
            let Some(process) = self.processes.get_mut(daemon).filter(|process| process.alive) else { continue };
            process.disturbed_at = process.disturbed_at.min(now);
            let life = process.life;
            if let Some(call) = process.stands.take() {
                self.push(0, Event::Wake { daemon, life, call });
            }
        }
    }

    /// Notes what happened, in the trace and, when somebody reads along, in words.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        let Some(log) = self.log.as_mut() else { return };
        let line = format!("{:>9.3} {}", self.now as f64 / 1000.0, what());
        log.push(line);
    }

    /// Mixes something into the trace.
    pub fn mark(&mut self, value: u64) {
        self.trace = crate::faults::mix(self.trace ^ value ^ self.now.rotate_left(32));
    }

    #[must_use]
    pub fn is_violated(&self) -> bool {
        !self.oracle.violations.is_empty() || !self.broker.violations.is_empty()
    }
}
