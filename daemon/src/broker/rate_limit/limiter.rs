//! The queue in front of the buckets: the most urgent first, then first come, first served.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use thiserror::Error;
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::{Bucket, BucketKind, BudgetStore, Decision, Limits, NoStore, Priority, RateHeaders};
use crate::broker::world::Fingerprint;
use crate::clock::Clock;

/// Most calls that may wait at one bucket.
const LONGEST_QUEUE: usize = 256;
/// Longest sleep before the queue is looked at again, in case the clock was set.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Longest that writing a claim down may take before the call goes on without it.
const SAVE_PATIENCE: Duration = Duration::from_millis(250);

/// There was no room in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the rate limit leaves no room before {until}")]
pub struct Held {
    pub until: DateTime<Utc>,
}

/// A cheap handle on one token's limits, shared by everybody who uses the token.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    token: Fingerprint,
    clock: Clock,
    store: Arc<dyn BudgetStore>,
    accounts: Gate,
    market_data: Gate,
    trading: Gate,
}

#[derive(Debug)]
struct Gate {
    kind: BucketKind,
    state: Mutex<State>,
    changed: Notify,
    /// Held while a claim is written down, so that an older one never replaces a newer one.
    saving: AsyncMutex<()>,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    queue: BTreeSet<(Priority, u64)>,
    next_ticket: u64,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    granted: u64,
    held: u64,
    throttled: u64,
    unsaved: u64,
}

/// One bucket as the health page and the metrics show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketSnapshot {
    pub kind: BucketKind,
    /// Most calls in a minute.
    pub limit: u32,
    pub used: u32,
    pub in_flight: u32,
    pub waiting: usize,
    pub paused_until: Option<DateTime<Utc>>,
    /// The broker's own count, when it told.
    pub broker: Option<RateHeaders>,
    /// Calls that each urgency may still make now.
    pub room: [(Priority, u32); 6],
    /// Since the start: calls let through, turned away, refused by the broker, not written down.
    pub granted: u64,
    pub held: u64,
    pub throttled: u64,
    pub unsaved: u64,
}

impl RateLimiter {
    /// Opens the limits of a token with what is known of the minute before.
    pub async fn open(token: Fingerprint, limits: Limits, store: Arc<dyn BudgetStore>, clock: Clock) -> Self {
        let accounts = Gate::open(&token, BucketKind::Accounts, limits, store.as_ref()).await;
        let market_data = Gate::open(&token, BucketKind::MarketData, limits, store.as_ref()).await;
        let trading = Gate::open(&token, BucketKind::Trading, limits, store.as_ref()).await;
        Self { inner: Arc::new(Inner { token, clock, store, accounts, market_data, trading }) }
    }

    /// Waits for leave to make one call, until `by` at the latest.
    ///
    /// # Errors
    /// As soon as it is certain that there is no room before `by`, or when the queue is too long.
    pub async fn acquire(&self, kind: BucketKind, priority: Priority, by: DateTime<Utc>) -> Result<Permit, Held> {
        let patience = (by - self.inner.clock.now()).to_std().unwrap_or(Duration::ZERO);
        let gate = self.inner.gate(kind);
        let result = match Ticket::take(gate, priority) {
            Some(ticket) => match tokio::time::timeout(patience, self.wait(gate, &ticket, by)).await {
                Ok(result) => result,
                Err(_) => Err(Held { until: by }),
            },
            None => Err(Held { until: by }),
        };
        if result.is_err() {
            gate.lock().counts.held += 1;
        }
        result
    }

    async fn wait(&self, gate: &Gate, ticket: &Ticket<'_>, by: DateTime<Utc>) -> Result<Permit, Held> {
        loop {
            let changed = gate.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = self.inner.clock.now();
            let until = match gate.decide(ticket, now) {
                Some(Decision::Granted) => return Ok(Permit { limiter: self.clone(), kind: gate.kind }),
                Some(Decision::NeedsClaim) => {
                    self.claim(gate, now).await;
                    continue;
                }
                Some(Decision::Wait(until)) if until > by => return Err(Held { until }),
                Some(Decision::Wait(until)) => until,
                None => by,
            };
            let sleep = (until - now).to_std().unwrap_or(Duration::ZERO).min(LONGEST_SLEEP);
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Writes down that some calls may be made, before they are.
    async fn claim(&self, gate: &Gate, now: DateTime<Utc>) {
        let _turn = gate.saving.lock().await;
        let saved = gate.lock().bucket.to_save(now);
        let save = self.inner.store.save(&self.inner.token, gate.kind, &saved);
        let written = tokio::time::timeout(SAVE_PATIENCE, save).await;
        let mut state = gate.lock();
        if !matches!(written, Ok(Ok(()))) {
            state.counts.unsaved += 1;
        }
        state.bucket.claimed(now);
    }

    /// Every bucket, for the health page and the metrics.
    #[must_use]
    pub fn snapshot(&self) -> [BucketSnapshot; 3] {
        let now = self.inner.clock.now();
        BucketKind::ALL.map(|kind| self.inner.gate(kind).snapshot(now))
    }

    /// How many calls of this urgency could go now.
    #[must_use]
    pub fn left(&self, kind: BucketKind, priority: Priority) -> u32 {
        self.inner.gate(kind).lock().bucket.left(priority, self.inner.clock.now())
    }

    #[must_use]
    pub fn token(&self) -> &Fingerprint {
        &self.inner.token
    }
}

impl Inner {
    fn gate(&self, kind: BucketKind) -> &Gate {
        match kind {
            BucketKind::Accounts => &self.accounts,
            BucketKind::MarketData => &self.market_data,
            BucketKind::Trading => &self.trading,
        }
    }
}

impl Gate {
    async fn open(token: &Fingerprint, kind: BucketKind, limits: Limits, store: &dyn BudgetStore) -> Self {
        let (saved, unsaved) = match store.load(token, kind).await {
            Ok(saved) => (saved, 0),
            Err(_) => (super::SavedBucket::default(), 1),
        };
        let state = State {
            bucket: Bucket::restored(kind, limits, &saved),
            queue: BTreeSet::new(),
            next_ticket: 0,
            counts: Counts { unsaved, ..Counts::default() },
        };
        Self { kind, state: Mutex::new(state), changed: Notify::new(), saving: AsyncMutex::new(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bucket's word for the head of the queue; nothing for anybody behind it.
    fn decide(&self, ticket: &Ticket<'_>, now: DateTime<Utc>) -> Option<Decision> {
        let mut state = self.lock();
        if state.queue.first() != Some(&ticket.place) {
            return None;
        }
        let decision = state.bucket.try_acquire(ticket.place.0, now);
        if decision == Decision::Granted {
            state.counts.granted += 1;
        }
        Some(decision)
    }

    fn snapshot(&self, now: DateTime<Utc>) -> BucketSnapshot {
        let state = self.lock();
        let used = state.bucket.used(now);
        let paused = state.bucket.paused_until().is_some_and(|until| until > now);
        let room = |priority| if paused { 0 } else { state.bucket.share(priority).saturating_sub(used) };
        BucketSnapshot {
            kind: self.kind,
            limit: state.bucket.limit(),
            used,
            room: Priority::ALL.map(|priority| (priority, room(priority))),
            in_flight: state.bucket.in_flight(),
            waiting: state.queue.len(),
            paused_until: state.bucket.paused_until().filter(|until| *until > now),
            broker: state.bucket.broker(),
            granted: state.counts.granted,
            held: state.counts.held,
            throttled: state.counts.throttled,
            unsaved: state.counts.unsaved,
        }
    }
}

impl BucketSnapshot {
    /// The fullest decides what is used and left; counts add up.
    #[must_use]
    fn with(self, other: Self) -> Self {
        let fuller = if other.used > self.used { other } else { self };
        let room = self.room.iter().zip(other.room).map(|((priority, a), (_, b))| (*priority, *a.min(&b)));
        let mut least = self.room;
        for (place, value) in least.iter_mut().zip(room) {
            *place = value;
        }
        Self {
            kind: self.kind,
            limit: self.limit.min(other.limit),
            used: fuller.used,
            in_flight: self.in_flight + other.in_flight,
            waiting: self.waiting + other.waiting,
            paused_until: self.paused_until.max(other.paused_until),
            broker: fuller.broker,
            room: least,
            granted: self.granted + other.granted,
            held: self.held + other.held,
            throttled: self.throttled + other.throttled,
            unsaved: self.unsaved + other.unsaved,
        }
    }
}

/// A place in the queue; given up when dropped, so a cancelled call never blocks another.
struct Ticket<'a> {
    gate: &'a Gate,
    place: (Priority, u64),
}

impl<'a> Ticket<'a> {
    fn take(gate: &'a Gate, priority: Priority) -> Option<Self> {
        let mut state = gate.lock();
        if state.queue.len() >= LONGEST_QUEUE {
            return None;
        }
        let place = (priority, state.next_ticket);
        state.next_ticket += 1;
        state.queue.insert(place);
        Some(Self { gate, place })
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.gate.lock().queue.remove(&self.place);
        self.gate.changed.notify_waiters();
    }
}

/// Leave to make one call. It counts from when it was given, used or not.
#[derive(Debug)]
pub struct Permit {
    limiter: RateLimiter,
    kind: BucketKind,
}

impl Permit {
    /// The call was answered, with these words about the broker's count.
    pub fn answered(&self, headers: Option<RateHeaders>) {
        self.gate().lock().bucket.heard(headers);
    }

    /// The call was refused for the rate; everybody waits.
    pub fn throttled(&self, until: Option<DateTime<Utc>>) -> DateTime<Utc> {
        let now = self.limiter.inner.clock.now();
        let mut state = self.gate().lock();
        state.counts.throttled += 1;
        state.bucket.throttled(until, now);
        state.bucket.paused_until().unwrap_or(now)
    }

    fn gate(&self) -> &Gate {
        self.limiter.inner.gate(self.kind)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate().lock().bucket.ended();
        self.gate().changed.notify_waiters();
    }
}

/// All limiters of the daemon: whoever uses the same token gets the same one.
#[derive(Debug)]
pub struct Limiters {
    limits: Limits,
    store: Arc<dyn BudgetStore>,
    clock: Clock,
    open: AsyncMutex<HashMap<Fingerprint, RateLimiter>>,
    /// The same ones, for who only looks.
    seen: Mutex<Vec<RateLimiter>>,
}

impl Limiters {
    #[must_use]
    pub fn new(limits: Limits, store: Arc<dyn BudgetStore>, clock: Clock) -> Self {
        Self { limits, store, clock, open: AsyncMutex::new(HashMap::new()), seen: Mutex::default() }
    }

    /// The limiter of a token.
    pub async fn of(&self, token: Fingerprint) -> RateLimiter {
        let mut open = self.open.lock().await;
        if let Some(limiter) = open.get(&token) {
            return limiter.clone();
        }
        let limiter = RateLimiter::open(token.clone(), self.limits, Arc::clone(&self.store), self.clock.clone()).await;
        open.insert(token, limiter.clone());
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(limiter.clone());
        limiter
    }

    /// A limiter for a token that is only looked at, and may be anything that somebody typed: the
    /// one in use if there is one, else one that is neither kept nor written down.
    pub async fn passing(&self, token: Fingerprint) -> RateLimiter {
        if let Some(limiter) = self.open.lock().await.get(&token) {
            return limiter.clone();
        }
        RateLimiter::open(token, self.limits, Arc::new(NoStore), self.clock.clone()).await
    }

    /// Every limiter that is in use, for the health page and the metrics.
    #[must_use]
    pub fn all(&self) -> Vec<RateLimiter> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The buckets of all tokens together.
    #[must_use]
    pub fn together(&self) -> Vec<BucketSnapshot> {
        let all = self.all().into_iter().map(|limiter| limiter.snapshot());
        let sums = all.reduce(|sum, one| {
            let [a, b, c] = sum;
            let [d, e, f] = one;
            [a.with(d), b.with(e), c.with(f)]
        });
        sums.into_iter().flatten().collect()
    }
}
