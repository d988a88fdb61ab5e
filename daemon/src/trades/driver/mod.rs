//! The loop, one pass at a time: the only place that writes to the broker.
//!
//! A pass reads a consistent cut, folds it into the facts, records what it learnt, derives at most
//! one action for each trade, and acts: record, send, record. Recovery after a crash is the next
//! pass. It takes no input: a command changes what is wanted, and the loop finds it.
//!
//! Order matters here and is proven in `tests/prove`: the watchdog before any call to the broker,
//! the lease before the facts, the facts before the cut.

mod blind;
mod lost;
pub mod outlook;
mod past;
mod pulse;
pub mod read;
mod record;
pub mod send;
mod sight;

use std::time::Duration;

use blotter_shared::domain::IntentId;
use chrono::{DateTime, Utc};

use self::blind::Blind;
use self::outlook::{Outlook, Wrote, flies};
use self::past::Past;
use self::pulse::Pulse;
use self::sight::Sight;
use super::alarms;
use super::facts::apply::difference;
use super::facts::fold::Context;
use super::facts::{Book, Change, Trade};
use super::facts::{halt, restore};
use super::plan::{Scene, account};
use super::ports::{BrokerPort, Clock, CommitError, Fence, Holder, LeaseAnswer, Rest, Session, Sessions, Store};
use super::rules::{Rule, Rules};
use super::snapshot::Snapshot;
use super::tag::{Epoch, Installation};
use super::timing::{Pace, Timing};

/// What was written may show within this time.
const RECENTLY: Duration = Duration::from_secs(3);
/// Orders twice, positions, quotes.
const SMALLEST_CUT: u32 = 4;
/// Whole cuts that the reads of this minute are still enough for: half of what a minute gives a small account, and so few
/// that at the pace of half of them the minute would end without one.
const PLENTY: u32 = 6;
const SOME: u32 = 3;
/// A cut that takes more than this is begun whatever is left: waiting would not help it.
const LARGEST_CUT: u32 = 40;

/// Who this engine is and by what it acts.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub holder: Holder,
    pub installation: Installation,
    pub timing: Timing,
    pub rules: Rules,
}

/// What an engine works with.
#[derive(Debug)]
pub struct Ports<S, B, C, T> {
    pub store: S,
    pub broker: B,
    pub clock: C,
    pub sessions: T,
}

/// The engine of one account in one process.
#[derive(Debug)]
pub struct Engine<S, B, C, T> {
    pub ports: Ports<S, B, C, T>,
    pub settings: Settings,
    lease: Option<Lease>,
    /// When this process last wrote to the broker, on the boot clock.
    wrote_at: Option<Duration>,
    /// Both clocks as they were last looked at.
    pulse: Option<Pulse>,
    /// Since when it knows what is durable.
    sight: Sight,
    /// Calls that the last cut took, or had taken when it failed; those for earlier days are apart.
    cut_reads: u32,
    /// Calls that a whole cut takes, as the last one did.
    cut_cost: u32,
    /// Earlier days whose orders were asked for.
    past: Past,
    /// Since when no cut was whole.
    blind: Option<Blind>,
}

/// The lease as this process knows it, on the boot clock.
#[derive(Clone, Copy, Debug)]
struct Lease {
    epoch: Epoch,
    /// Measured from before the renewal was asked for.
    until: Duration,
    /// No entry before this: the owner before may have requests under way.
    quiet_until: Duration,
}

/// How a pass ended, for pace and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Somebody else owns the account.
    Standby,
    /// The broker or the database did not answer.
    Troubled,
    /// The lease was lost on the way.
    Deposed,
    Done(Outlook),
}

impl<S: Store, B: BrokerPort, C: Clock, T: Sessions> Engine<S, B, C, T> {
    pub fn new(ports: Ports<S, B, C, T>, settings: Settings) -> Self {
        Self {
            ports,
            settings,
            lease: None,
            wrote_at: None,
            pulse: None,
            sight: Sight::default(),
            cut_reads: 0,
            cut_cost: SMALLEST_CUT,
            past: Past::default(),
            blind: None,
        }
    }

    /// Runs for ever; dropping the future ends it, at any point, safely.
    pub async fn run(&mut self) {
        loop {
            let pass = self.pass().await;
            self.wait(pass).await;
        }
    }

    /// One pass.
    pub async fn pass(&mut self) -> Pass {
        let begun = self.ports.clock.boot();
        let owned = self.keep(begun).await;
        let Ok(book) = self.ports.store.load().await else { return Pass::Troubled };
        if self.settings.rules.has(Rule::Watchdog) {
            self.watch(&book).await;
        }
        let lease = match owned {
            Ok(Some(lease)) => lease,
            Ok(None) => return Pass::Standby,
            Err(Unanswered) => return Pass::Troubled,
        };
        // An entry that is not sent within seconds is never sent.
        let enters = |trade: &Trade| trade.marks.held <= 0;
        self.ports.broker.hurry(book.live_trades().any(|trade| flies(trade) || enters(trade)));
        // Half a cut is worth nothing and uses up what a whole one needs.
        let calls = self.cut_cost.saturating_add(self.past_calls(&book));
        if self.ports.broker.allowance().reads < calls.min(LARGEST_CUT) {
            return Pass::Troubled;
        }
        let read = self.read(&book, begun).await;
        self.cut_cost = self.cut_cost.max(self.cut_reads);
        let snapshot = match read.and_then(|snapshot| self.is_in_time(begun).map(|()| snapshot)) {
            Ok(snapshot) => snapshot,
            Err(why) => {
                self.without_a_cut(&book, &why).await;
                let pass = self.kept(begun).await;
                // What came due while the broker was waited for is told now, not when the next pass begins: by what is
                // durable now, as somebody else may have taken over.
                if self.settings.rules.has(Rule::Watchdog)
                    && let Ok(book) = self.ports.store.load().await
                {
                    self.watch(&book).await;
                }
                return pass;
            }
        };
        (self.cut_cost, self.blind) = (self.cut_reads.max(SMALLEST_CUT), None);
        self.decide(book, &snapshot, lease, begun).await
    }

    /// Gives the lease back: nothing of this process is under way.
    pub async fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            let _answer = self.ports.store.release(&self.fence(lease.epoch)).await;
        }
    }

    /// Folds, records, plans, acts.
    async fn decide(&mut self, before: Book, snapshot: &Snapshot, lease: Lease, begun: Duration) -> Pass {
        let settings = self.settings;
        let pulse = self.beat();
        let now = self.ports.clock.now();
        let session_of = |trade: &Trade| self.session_of(trade, snapshot.at);
        let sessions = before.live_trades().map(|trade| (trade.spec.symbol.clone(), session_of(trade))).collect();
        let context = Context {
            now,
            session: snapshot.session,
            sessions: &sessions,
            epoch: lease.epoch,
            installation: settings.installation,
            rules: settings.rules,
            timing: settings.timing,
            steady: pulse.is_steady(settings.timing.delivery + settings.timing.settle),
            history: &snapshot.history,
            outage: None,
        };
        let Ok(lost) = self.lost(&before, snapshot).await else { return Pass::Troubled };
        let mut book = before.clone();
        let mut views = restore::folded(&mut book, snapshot, &lost, &context);
        let loud_at = pulse.latest();
        let loud = |trade: &Trade| self.session_of(trade, loud_at);
        let mut alarms = alarms::judge(&book, loud, loud_at, &settings.timing);
        alarms.extend(halt::alarm(&book, now));
        alarms.extend(blind::seen(&before, now));
        let mut changes = difference(&before, &book);
        changes.extend(alarms.into_iter().map(Change::Alarm));
        if let Err(error) = self.record(lease.epoch, changes, &book, &mut views).await {
            return self.stopped(&error);
        }
        self.past.recorded();
        let scene = Scene {
            now,
            session: snapshot.session,
            rules: settings.rules,
            timing: settings.timing,
            entries_wait: settings.rules.has(Rule::QuietForEntries) && self.ports.clock.boot() < lease.quiet_until,
            halted: false,
            outage: None,
        };
        let writes = self.ports.broker.allowance().writes;
        let actions = account::pass(&book, &views, &scene, writes);
        for (trade, action) in actions {
            // A cut that has grown old decides nothing: what is left waits for the next pass.
            if self.ports.clock.boot().saturating_sub(begun) > settings.timing.pass {
                break;
            }
            let Some(trade) = book.trades.get(&trade) else { continue };
            match self.act(trade, &action, lease.epoch).await {
                Ok(()) => {}
                Err(error) => return self.stopped(&error),
            }
        }
        Pass::Done(self.outlook(&book, snapshot, begun))
    }

    /// Looks at both clocks.
    fn beat(&mut self) -> Pulse {
        let (wall, boot) = (self.ports.clock.now(), self.ports.clock.boot());
        let pulse = self.pulse.map_or(Pulse::begin(wall, boot), |was| was.beat(wall, boot));
        self.pulse = Some(pulse);
        pulse
    }

    /// What becomes of a pass whose commit failed.
    fn stopped(&mut self, error: &CommitError) -> Pass {
        match error {
            CommitError::LeaseLost => {
                self.lease = None;
                Pass::Deposed
            }
            CommitError::Overtaken(_) => Pass::Done(Outlook::Flying),
            CommitError::Illegal(_) | CommitError::Unknown(_) | CommitError::Unavailable(_) => Pass::Troubled,
        }
    }

    fn outlook(&self, book: &Book, snapshot: &Snapshot, begun: Duration) -> Outlook {
        let wrote = match self.wrote_at {
            // The book is that of before it was sent.
            Some(at) if at >= begun => Wrote::InThisPass,
            Some(at) if self.ports.clock.boot().saturating_sub(at) < RECENTLY => Wrote::Recently,
            Some(_) | None => Wrote::LongAgo,
        };
        let (now, timing) = (self.ports.clock.now(), &self.settings.timing);
        // By the hours of its contract: a quarter past four some still trade. A pass that began before the open and ends
        // after it is not followed by the sleep of a night.
        let trades = |trade: &Trade| {
            snapshot.session.open || [snapshot.at, now].iter().any(|at| self.session_of(trade, *at).open)
        };
        outlook::of(book, trades, wrote, (now, timing))
    }

    /// The session that a trade's contract is traded in.
    fn session_of(&self, trade: &Trade, at: DateTime<Utc>) -> Session {
        self.ports.sessions.of(&trade.spec.contract.root, at)
    }

    /// Raises what anybody must raise; that it cannot be stored is noticed by the next pass.
    async fn watch(&mut self, book: &Book) {
        let now = self.beat().latest();
        let boot = self.ports.clock.boot();
        self.sight.look(book, boot);
        let known = |trade: &Trade| (self.session_of(trade, now), self.sight.of(trade, now, boot));
        let alarms = alarms::watchdog(book, known, now, &self.settings.timing);
        if !alarms.is_empty() {
            let _answer = self.ports.store.alarm(&alarms).await;
        }
    }

    /// The lease for this pass: renewed as it begins.
    async fn keep(&mut self, begun: Duration) -> Result<Option<Lease>, Unanswered> {
        match self.lease.filter(|lease| begun <= lease.until) {
            Some(lease) if !self.settings.rules.has(Rule::LeaseIsRenewed) => Ok(Some(lease)),
            Some(_) | None => self.own(begun).await,
        }
    }

    /// After a pass without a cut that took long: the next one begins when the lease could have run out, and a broker that
    /// is slow is no reason to lose it.
    async fn kept(&mut self, begun: Duration) -> Pass {
        let asked = self.ports.clock.boot();
        let long = asked.saturating_sub(begun) >= self.settings.timing.renew;
        if long && self.settings.rules.has(Rule::LeaseIsRenewed) && matches!(self.own(asked).await, Ok(None)) {
            return Pass::Standby;
        }
        Pass::Troubled
    }

    /// Takes or renews the lease. Deadlines count from before it was asked for.
    async fn own(&mut self, asked: Duration) -> Result<Option<Lease>, Unanswered> {
        let Settings { holder, timing, .. } = self.settings;
        let answer = self.ports.store.lease(holder, timing.lease).await.map_err(|_| Unanswered)?;
        let quiet = |span: Duration| self.lease.map_or(asked + span, |lease| lease.quiet_until);
        let until = asked + timing.lease;
        self.lease = match answer {
            LeaseAnswer::Renewed(epoch) => Some(Lease { epoch, until, quiet_until: quiet(Duration::ZERO) }),
            LeaseAnswer::Taken(epoch) => Some(Lease { epoch, until, quiet_until: asked }),
            LeaseAnswer::TakenOver(epoch) => Some(Lease { epoch, until, quiet_until: asked + timing.delivery }),
            LeaseAnswer::Held => None,
        };
        // What an owner could not read before is the next one's to find out.
        self.blind = self.blind.filter(|_| matches!(answer, LeaseAnswer::Renewed(_)));
        Ok(self.lease)
    }

    fn fence(&self, epoch: Epoch) -> Fence {
        Fence { holder: self.settings.holder, epoch, ttl: self.settings.timing.lease }
    }

    /// Records; a commit of the owner renews the lease.
    async fn commit(&mut self, epoch: Epoch, changes: &[Change]) -> Result<(), CommitError> {
        if changes.is_empty() {
            return Ok(());
        }
        let asked = self.ports.clock.boot();
        let fence = self.fence(epoch);
        self.ports.store.commit(&fence, changes).await?;
        if let Some(lease) = self.lease.as_mut().filter(|_| self.settings.rules.has(Rule::LeaseIsRenewed)) {
            lease.until = asked + self.settings.timing.lease;
        }
        Ok(())
    }

    /// Sleeps until the next pass is due or somebody calls, and renews the lease on the way. A process that stood
    /// still in its sleep does not make up for it.
    pub async fn wait(&mut self, pass: Pass) {
        let mut left = self.pause(pass).min(self.until_the_open());
        let due = self.ports.clock.boot() + left;
        while left > self.settings.timing.renew {
            if self.ports.clock.sleep(self.settings.timing.renew).await == Rest::Roused {
                return;
            }
            left -= self.settings.timing.renew;
            if self.lease.is_some() && self.settings.rules.has(Rule::LeaseIsRenewed) {
                let asked = self.ports.clock.boot();
                // Lost in its sleep: from now on it watches, at the pace of one that may take over.
                if matches!(self.own(asked).await, Ok(None)) {
                    return;
                }
            }
            if self.ports.clock.boot() >= due {
                return;
            }
        }
        let _rest = self.ports.clock.sleep(left).await;
    }

    /// The pace (ruling 1), slowed down when the reads of this minute run out.
    fn pause(&self, pass: Pass) -> Duration {
        let cuts = self.ports.broker.allowance().reads / self.cut_cost.max(SMALLEST_CUT);
        let (plenty, some) = (cuts >= PLENTY, cuts >= SOME);
        match pass {
            Pass::Standby | Pass::Deposed => Pace::STANDBY,
            Pass::Troubled => Pace::TROUBLED,
            Pass::Done(Outlook::Wrote) if plenty => Pace::after_write(self.since_write()),
            Pass::Done(Outlook::Wrote | Outlook::Flying) if plenty => Pace::FLYING,
            Pass::Done(Outlook::Wrote) => Pace::FLYING_SLOW,
            Pass::Done(Outlook::Flying) if some => Pace::FLYING_SLOW,
            Pass::Done(Outlook::Flying) => Pace::flying_last(self.cut_cost),
            Pass::Done(Outlook::Holding) => Pace::HOLDING,
            Pass::Done(Outlook::Flat) => Pace::FLAT,
        }
    }

    /// How long ago this process last wrote to the broker.
    fn since_write(&self) -> Duration {
        self.wrote_at.map_or(Duration::ZERO, |at| self.ports.clock.boot().saturating_sub(at))
    }

    /// What waits for the open is not to wait longer: what became of the brackets over night is seen in
    /// its first second.
    fn until_the_open(&self) -> Duration {
        let now = self.ports.clock.now();
        let session = self.ports.sessions.at(now);
        let left = (session.opens - now).to_std().ok().filter(|_| !session.open);
        left.map_or(Pace::FLAT, |left| left + Pace::AT_ONCE)
    }

    fn new_intent_id(&self) -> IntentId {
        IntentId(self.ports.clock.fresh_id())
    }
}

/// The store did not answer.
#[derive(Clone, Copy, Debug)]
struct Unanswered;
