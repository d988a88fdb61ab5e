//! How the daemon and what it depends on are, from whoever knows it first hand.

use std::sync::{Arc, OnceLock};

use blotter_shared::protocol::health::{BucketRate, Component, ComponentState, Health};
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::db::{DbState, DbStatus};

/// Collects reports and turns them into the answer. A cheap handle.
#[derive(Clone, Debug)]
pub struct HealthBoard {
    clock: Clock,
    started_at: DateTime<Utc>,
    database: watch::Receiver<DbStatus>,
    scheduler: Arc<watch::Sender<Report>>,
    broker: Arc<watch::Sender<Report>>,
    events: Arc<watch::Sender<Report>>,
    rates: Arc<OnceLock<Rates>>,
}

/// What a part says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub state: ComponentState,
    pub since: DateTime<Utc>,
    pub checked_at: DateTime<Utc>,
    pub detail: Option<String>,
    pub next_try: Option<DateTime<Utc>>,
}

/// Tells how full the broker's limits are.
struct Rates(Box<dyn Fn() -> Vec<BucketRate> + Send + Sync>);

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rates")
    }
}

/// States and reasons, without ages.
type Essence = [(ComponentState, Option<String>); 4];

/// What a user is told who does not look after the daemon: that the database is away or a task fails, and
/// neither where the database is nor as whom it is spoken to.
#[must_use]
pub fn for_others(mut health: Health) -> Health {
    let details = [&mut health.database.detail, &mut health.scheduler.detail];
    for detail in details.into_iter().flatten() {
        "the daemon's log has the reason".clone_into(detail);
    }
    health
}

/// Tells when something worth pushing has changed.
#[derive(Debug)]
pub struct HealthWatch {
    board: HealthBoard,
    database: watch::Receiver<DbStatus>,
    scheduler: watch::Receiver<Report>,
    broker: watch::Receiver<Report>,
    events: watch::Receiver<Report>,
    seen: Essence,
}

impl HealthBoard {
    #[must_use]
    pub fn new(clock: Clock, database: watch::Receiver<DbStatus>) -> Self {
        let now = clock.now();
        let first =
            |state| watch::Sender::new(Report { state, since: now, checked_at: now, detail: None, next_try: None });
        let scheduler = Arc::new(first(ComponentState::Starting));
        let broker = Arc::new(first(ComponentState::NotConfigured));
        let events = Arc::new(first(ComponentState::NotConfigured));
        Self { clock, started_at: now, database, scheduler, broker, events, rates: Arc::default() }
    }

    /// Who tells how full the broker's limits are. The first word counts.
    pub fn show_rates(&self, rates: impl Fn() -> Vec<BucketRate> + Send + Sync + 'static) {
        let _ = self.rates.set(Rates(Box::new(rates)));
    }

    /// The scheduler's word; `since` is kept while the state stays the same.
    pub fn report_scheduler(&self, state: ComponentState, detail: Option<String>, next_try: Option<DateTime<Utc>>) {
        update(
            &self.scheduler,
            Report { state, since: self.clock.now(), checked_at: self.clock.now(), detail, next_try },
        );
    }

    /// How the accounts at the broker are, all together.
    pub fn report_broker(&self, state: ComponentState, detail: Option<String>, next_try: Option<DateTime<Utc>>) {
        update(&self.broker, Report { state, since: self.clock.now(), checked_at: self.clock.now(), detail, next_try });
    }

    /// How the accounts' event streams are, all together.
    pub fn report_events(&self, state: ComponentState, detail: Option<String>) {
        let now = self.clock.now();
        update(&self.events, Report { state, since: now, checked_at: now, detail, next_try: None });
    }

    /// Everything, now. Answers whatever is broken.
    #[must_use]
    pub fn health(&self) -> Health {
        let now = self.clock.now();
        let database = of_database(&self.database.borrow()).component(now);
        let scheduler = self.scheduler.borrow().component(now);
        let broker = self.broker.borrow().component(now);
        Health {
            status: worst([database.state, broker.state, scheduler.state]),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            now,
            started_at: self.started_at,
            database,
            broker,
            scheduler,
            account_events: Some(self.events.borrow().component(now)),
            rates: self.rates(),
        }
    }

    fn rates(&self) -> Vec<BucketRate> {
        self.rates.get().map(|Rates(rates)| rates()).unwrap_or_default()
    }

    #[must_use]
    pub fn watch(&self) -> HealthWatch {
        let (database, scheduler) = (self.database.clone(), self.scheduler.subscribe());
        let seen = self.essence();
        let (broker, events) = (self.broker.subscribe(), self.events.subscribe());
        HealthWatch { board: self.clone(), database, scheduler, broker, events, seen }
    }

    /// What a change is judged by: ages alone are no news.
    fn essence(&self) -> Essence {
        let database = of_database(&self.database.borrow());
        let scheduler = self.scheduler.borrow().clone();
        let broker = self.broker.borrow().clone();
        let events = self.events.borrow().clone();
        [
            (database.state, database.detail),
            (scheduler.state, scheduler.detail),
            (broker.state, broker.detail),
            (events.state, events.detail),
        ]
    }
}

impl HealthWatch {
    /// Waits for the next change of a state or its reason. Cancel safe. Never returns once nobody
    /// reports any more.
    pub async fn changed(&mut self) {
        loop {
            let alive = tokio::select! {
                database = self.database.changed() => database.is_ok(),
                scheduler = self.scheduler.changed() => scheduler.is_ok(),
                broker = self.broker.changed() => broker.is_ok(),
                events = self.events.changed() => events.is_ok(),
            };
            if !alive {
                return std::future::pending().await;
            }
            let essence = self.board.essence();
            if essence != self.seen {
                self.seen = essence;
                return;
            }
        }
    }
}

/// Puts a newer report in place; `since` is kept while the state stays the same.
fn update(place: &watch::Sender<Report>, mut newer: Report) {
    place.send_modify(|report| {
        if report.state == newer.state {
            newer.since = report.since;
        }
        *report = newer;
    });
}

impl Report {
    fn component(&self, now: DateTime<Utc>) -> Component {
        let seconds = |span: chrono::TimeDelta| u64::try_from(span.num_seconds()).unwrap_or(0);
        Component {
            state: self.state,
            since: self.since,
            checked_at: self.checked_at,
            age_s: seconds(now - self.checked_at),
            detail: self.detail.clone(),
            next_try_s: self.next_try.map(|at| seconds(at - now)),
        }
    }
}

fn of_database(status: &DbStatus) -> Report {
    let state = match status.state {
        DbState::Starting => ComponentState::Starting,
        DbState::Ready => ComponentState::Ok,
        DbState::Unavailable | DbState::Refused => ComponentState::Unavailable,
    };
    Report {
        state,
        since: status.since,
        checked_at: status.checked_at,
        detail: status.detail.clone(),
        next_try: status.next_try,
    }
}

/// The worst of the parts that are set up.
fn worst(states: [ComponentState; 3]) -> ComponentState {
    let rank = |state: &ComponentState| match state {
        ComponentState::NotConfigured => 0,
        ComponentState::Ok => 1,
        ComponentState::Starting => 2,
        ComponentState::Degraded => 3,
        ComponentState::Unavailable => 4,
    };
    states.into_iter().max_by_key(rank).unwrap_or(ComponentState::Ok)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use futures_util::FutureExt;

    use super::*;

    fn status(state: DbState, detail: Option<&str>) -> DbStatus {
        let at = DateTime::UNIX_EPOCH;
        DbStatus { state, since: at, checked_at: at, detail: detail.map(str::to_owned), next_try: None }
    }

    #[test]
    fn the_worst_part_decides_and_a_part_that_is_not_set_up_does_not() {
        let (sender, receiver) = watch::channel(status(DbState::Ready, None));
        let board = HealthBoard::new(Clock::from_fn(|| DateTime::UNIX_EPOCH + TimeDelta::seconds(7)), receiver);
        assert_eq!(board.health().status, ComponentState::Starting, "the scheduler has not run yet");
        board.report_scheduler(ComponentState::Ok, None, None);
        let health = board.health();
        assert_eq!((health.status, health.database.age_s), (ComponentState::Ok, 7));
        assert_eq!(health.broker.state, ComponentState::NotConfigured);
        sender.send_replace(status(DbState::Refused, Some("a pooler")));
        assert_eq!(board.health().status, ComponentState::Unavailable);
        assert_eq!(board.health().database.detail.as_deref(), Some("a pooler"));
    }

    #[tokio::test]
    async fn a_newer_age_is_no_news() {
        let (sender, receiver) = watch::channel(status(DbState::Ready, None));
        let board = HealthBoard::new(Clock::from_fn(|| DateTime::UNIX_EPOCH), receiver);
        let mut watch = board.watch();
        sender.send_modify(|status| status.checked_at += TimeDelta::seconds(5));
        assert!(watch.changed().now_or_never().is_none(), "an age was taken for news");
        sender.send_replace(status(DbState::Unavailable, None));
        assert!(watch.changed().now_or_never().is_some(), "a change was missed");
    }
}
