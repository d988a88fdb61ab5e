//! Which streams are open, per user, and how far each user's are told.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use blotter_shared::protocol::events::{ByeReason, Event, Hello};
use blotter_shared::protocol::health::Health;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::frame::{Frame, Mark};
use super::pump::{self, Pump, Replay};
use super::queue::{Pushed, Queue};
use super::stream::EventStream;
use crate::auth::{self, Username};
use crate::calendar::MarketClock;
use crate::clock::Clock;
use crate::config::EventsConfig;
use crate::db::{ChangeHint, ChangeListener, Db, changes};
use crate::health::{self, HealthBoard};
use crate::telemetry::Metrics;

/// How long a client that was dropped has to read its last words.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// Longest between two looks at the market, so that a suspend or a stepped clock is noticed.
const MARKET_LOOK: Duration = Duration::from_secs(60);

/// What the hub is made of.
#[derive(Debug)]
pub struct HubParts {
    pub db: Db,
    pub clock: Clock,
    pub health: HealthBoard,
    pub market: MarketClock,
    pub metrics: Metrics,
    pub config: EventsConfig,
    /// Owns every task of the hub.
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}

/// A cheap handle on all streams.
#[derive(Clone, Debug)]
pub struct Hub {
    pub(super) parts: Arc<HubParts>,
    feeds: Arc<Mutex<HashMap<Username, Arc<Feed>>>>,
    /// Who is told everything about the daemon.
    operator: Option<Username>,
}

/// The streams of one user.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) username: Username,
    pub(super) state: Mutex<FeedState>,
}

#[derive(Debug, Default)]
pub(super) struct FeedState {
    /// Every reader has been told everything up to here; unknown while the database is away.
    pub(super) head: Option<i64>,
    pub(super) readers: Vec<Arc<Reader>>,
    pub(super) pump: Pump,
}

/// One open stream.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) queue: Queue,
    /// It began while the database was away: nobody knows what its client has missed.
    pub(super) blind: AtomicBool,
    /// Cuts the connection of a client that does not even read its last words.
    kill: CancellationToken,
}

impl Feed {
    pub(super) fn lock(&self) -> MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Starts to listen; `parts.stop` ends it and every stream.
    #[must_use]
    pub fn start(parts: HubParts) -> Self {
        let hub = Self { parts: Arc::new(parts), feeds: Arc::default(), operator: auth::operator() };
        let listener = ChangeListener::start(&hub.parts.db);
        hub.parts.tasks.spawn(hub.clone().listen(listener));
        hub.parts.tasks.spawn(hub.clone().tell_the_present());
        hub
    }

    /// Opens a stream for a user who has seen everything up to `last_event_id`, if they say so.
    /// `kill` cuts the connection that will carry it.
    pub async fn subscribe(
        &self,
        username: &Username,
        last_event_id: Option<i64>,
        kill: CancellationToken,
    ) -> EventStream {
        let (feed, reader) = self.register(username, kill);
        let live = feed.lock().head.filter(|head| last_event_id.is_none_or(|last| last == *head));
        // A feed that is being kept up to date needs no look at the database.
        let replay = match live {
            Some(head) => Replay { seq: head, frames: Vec::new() },
            None => pump::replay(self, &feed, &reader, last_event_id).await,
        };
        let hello = Hello {
            seq: replay.seq,
            heartbeat_s: self.parts.config.heartbeat_s.as_secs(),
            now: self.parts.clock.now(),
        };
        let mut first = vec![Frame::event(Mark::Present, &Event::Hello(hello))];
        first.extend(replay.frames);
        first.extend(self.present(username));
        EventStream::new(self.clone(), feed, reader, first, replay.seq)
    }

    /// How far this user's streams have been told of the change feed; absent where none is open, or nobody knows.
    #[must_use]
    pub fn told(&self, username: &Username) -> Option<i64> {
        self.feeds().get(username)?.lock().head
    }

    /// Hands on what was read of the feed with a commit. Where that is not what comes next for every stream, the feed is
    /// looked at.
    pub fn tell(&self, username: &Username, news: Option<changes::Feed>) {
        let feed = self.feeds().get(username).cloned();
        if let Some(feed) = feed
            && !news.is_some_and(|news| pump::hand_on(self, &feed, news))
        {
            pump::wake(self, &feed);
        }
    }

    /// Something of this user's has changed: look now instead of waiting for the hint.
    pub fn poke(&self, username: &Username) {
        let feed = self.feeds().get(username).cloned();
        if let Some(feed) = feed {
            pump::wake(self, &feed);
        }
    }

    fn register(&self, username: &Username, kill: CancellationToken) -> (Arc<Feed>, Arc<Reader>) {
        let capacity = usize::try_from(self.parts.config.queue_bytes).unwrap_or(usize::MAX);
        let reader = Arc::new(Reader { queue: Queue::new(capacity), blind: AtomicBool::new(false), kill });
        let mut feeds = self.feeds();
        let feed = feeds
            .entry(username.clone())
            .or_insert_with(|| Arc::new(Feed { username: username.clone(), state: Mutex::default() }));
        feed.lock().readers.push(Arc::clone(&reader));
        if self.parts.stop.is_cancelled() {
            reader.queue.end(ByeReason::Shutdown);
        }
        self.parts.metrics.stream_opened();
        (Arc::clone(feed), reader)
    }

    pub(super) fn unregister(&self, feed: &Arc<Feed>, reader: &Arc<Reader>) {
        let mut feeds = self.feeds();
        let mut state = feed.lock();
        state.readers.retain(|other| !Arc::ptr_eq(other, reader));
        if state.readers.is_empty() && feeds.get(&feed.username).is_some_and(|known| Arc::ptr_eq(known, feed)) {
            feeds.remove(&feed.username);
        }
        self.parts.metrics.stream_closed();
    }

    /// Hands the same frames to every stream of a user.
    pub(super) fn fan_out(&self, state: &FeedState, frames: &[Frame]) {
        for reader in &state.readers {
            match reader.queue.push(frames) {
                Pushed::Stored | Pushed::Ended => {}
                Pushed::Overflowed => self.give_up_on(reader),
            }
        }
        let sent = u64::try_from(frames.len().saturating_mul(state.readers.len())).unwrap_or(u64::MAX);
        self.parts.metrics.events_sent(sent);
    }

    fn give_up_on(&self, reader: &Arc<Reader>) {
        self.parts.metrics.slow_reader();
        tracing::info!("an event stream was dropped: its reader is too slow");
        let kill = reader.kill.clone();
        self.parts.tasks.spawn(async move {
            let _ = tokio::time::timeout(LAST_WORDS, kill.cancelled()).await;
            kill.cancel();
        });
    }

    fn broadcast(&self, frame: &Frame) {
        for feed in self.all() {
            self.fan_out(&feed.lock(), std::slice::from_ref(frame));
        }
    }

    fn broadcast_health(&self) {
        let full = self.parts.health.health();
        let frame = |health| Frame::event(Mark::Present, &Event::Health(Box::new(health)));
        let (full, public) = (frame(full.clone()), frame(health::for_others(full)));
        for feed in self.all() {
            let frame = if self.is_operator(&feed.username) { &full } else { &public };
            self.fan_out(&feed.lock(), std::slice::from_ref(frame));
        }
    }

    /// Whether this user looks after the daemon.
    #[must_use]
    pub fn is_operator(&self, username: &Username) -> bool {
        self.operator.as_ref() == Some(username)
    }

    /// How everything is, as far as this user is told.
    #[must_use]
    pub fn health_for(&self, username: &Username) -> Health {
        let health = self.parts.health.health();
        if self.is_operator(username) { health } else { health::for_others(health) }
    }

    /// What is true now and has no number: health and market.
    fn present(&self, username: &Username) -> Vec<Frame> {
        let health = Event::Health(Box::new(self.health_for(username)));
        let market = self.parts.market.market().ok().map(Event::Market);
        std::iter::once(health).chain(market).map(|event| Frame::event(Mark::Present, &event)).collect()
    }

    /// Turns hints into looks at the feed, and looks now and then without one.
    async fn listen(self, mut listener: ChangeListener) {
        let poll = self.parts.config.poll_s;
        let mut tick = interval_at(Instant::now() + poll, poll);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.parts.stop.cancelled() => return self.say_goodbye(),
                hint = listener.next() => match hint {
                    Some(ChangeHint::Changed { username, seq }) => self.hear(&username, seq),
                    Some(ChangeHint::Gap) => self.look_everywhere(),
                    // The database handle is closed: only the end is left to wait for.
                    None => {
                        self.parts.stop.cancelled().await;
                        return self.say_goodbye();
                    }
                },
                _ = tick.tick() => self.look_everywhere(),
            }
        }
    }

    /// Heartbeats, and what changes about the present.
    async fn tell_the_present(self) {
        let beat = self.parts.config.heartbeat_s;
        let mut heartbeat = interval_at(Instant::now() + beat, beat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut health = self.parts.health.watch();
        let mut market = self.parts.market.market().ok();
        loop {
            tokio::select! {
                () = self.parts.stop.cancelled() => return,
                _ = heartbeat.tick() => self.all().iter().for_each(|feed| heartbeat_to(feed)),
                () = health.changed() => self.broadcast_health(),
                () = sleep_until(self.next_market_look(market.as_ref().map(|market| market.next_change))) => {
                    let now = self.parts.market.market().ok();
                    if let Some(told) = now.clone().filter(|now| market.as_ref().map(|was| was.phase) != Some(now.phase)) {
                        self.broadcast(&Frame::event(Mark::Present, &Event::Market(told)));
                    }
                    market = now;
                }
            }
        }
    }

    fn next_market_look(&self, change: Option<chrono::DateTime<chrono::Utc>>) -> Instant {
        let wait = change.and_then(|at| (at - self.parts.clock.now()).to_std().ok()).unwrap_or(MARKET_LOOK);
        Instant::now() + wait.clamp(Duration::from_millis(10), MARKET_LOOK)
    }

    fn hear(&self, username: &Username, seq: i64) {
        let feed = self.feeds().get(username).cloned();
        if let Some(feed) = feed
            && feed.lock().head.is_none_or(|head| head < seq)
        {
            pump::wake(self, &feed);
        }
    }

    fn look_everywhere(&self) {
        for feed in self.all() {
            pump::wake(self, &feed);
        }
    }

    fn say_goodbye(&self) {
        for feed in self.all() {
            feed.lock().readers.iter().for_each(|reader| reader.queue.end(ByeReason::Shutdown));
        }
    }

    fn all(&self) -> Vec<Arc<Feed>> {
        self.feeds().values().cloned().collect()
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<Username, Arc<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn heartbeat_to(feed: &Feed) {
    let frame = Frame::heartbeat();
    feed.lock().readers.iter().for_each(|reader| reader.queue.push_if_empty(&frame));
}
