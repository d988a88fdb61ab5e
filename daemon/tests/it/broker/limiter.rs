//! The queue in front of the broker: order, bounds, cancelling, restarts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use blotter_daemon::broker::factory::{Account, Addresses, BrokerFactory, LiveLock};
use blotter_daemon::broker::rate_limit::{
    BucketKind, BudgetStore, FileStore, Limiters, Limits, MemoryStore, RateHeaders, RateLimiter, SavedBucket,
    StoreError,
};
use blotter_daemon::broker::world::Fingerprint;
use blotter_daemon::broker::{Broker, Priority};
use blotter_daemon::clock::Clock;
use blotter_shared::domain::BrokerMode;
use blotter_sim::time::Ms;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;

use super::loopback::{Reply, Server};
use super::support::{fixture, limiter, token, tradier};
use crate::support::DEADLINE;

const KIND: BucketKind = BucketKind::Trading;

fn in_seconds(seconds: i64) -> DateTime<Utc> {
    Clock::system().now() + TimeDelta::seconds(seconds)
}

async fn small(ceiling: u32) -> RateLimiter {
    limiter(&Clock::system(), ceiling).await
}

/// Until `condition` holds, with a deadline.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, met).await.is_ok(), "waited for {what}");
}

#[tokio::test]
async fn the_most_urgent_goes_first_whoever_came_first() {
    let limiter = small(50).await;
    let permit = limiter.acquire(KIND, Priority::Emergency, in_seconds(10)).await.unwrap();
    permit.throttled(Some(Clock::system().now() + TimeDelta::milliseconds(1_500)));
    let order = Arc::<Mutex<Vec<Priority>>>::default();
    let mut waiting = JoinSet::new();
    for (index, priority) in Priority::ALL.into_iter().rev().enumerate() {
        let (limiter, order) = (limiter.clone(), Arc::clone(&order));
        let queue = limiter.clone();
        waiting.spawn(async move {
            let permit = limiter.acquire(KIND, priority, in_seconds(10)).await.unwrap();
            order.lock().unwrap().push(priority);
            permit.answered(None);
        });
        until("the queue", || queue.snapshot()[2].waiting == index + 1).await;
    }
    while waiting.join_next().await.is_some() {}
    assert_eq!(*order.lock().unwrap(), Priority::ALL);
}

#[tokio::test]
async fn who_cannot_be_served_in_time_is_told_at_once() {
    let limiter = small(1).await;
    let _permit = limiter.acquire(KIND, Priority::Emergency, in_seconds(1)).await.unwrap();
    let asked = std::time::Instant::now();
    let held = limiter.acquire(KIND, Priority::Emergency, in_seconds(30)).await.unwrap_err();
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    assert!(held.until > in_seconds(35), "the window ends a minute after the call");
    assert_eq!(limiter.snapshot()[2].held, 1);
}

#[tokio::test]
async fn a_wait_ends_at_its_deadline_although_the_head_of_the_queue_waits_longer() {
    let limiter = small(50).await;
    let permit = limiter.acquire(KIND, Priority::Read, in_seconds(1)).await.unwrap();
    permit.throttled(Some(in_seconds(40)));
    let first = limiter.acquire(KIND, Priority::Emergency, in_seconds(60));
    let behind = limiter.acquire(KIND, Priority::Read, Clock::system().now() + TimeDelta::milliseconds(100));
    tokio::pin!(first);
    assert!(first.as_mut().now_or_never().is_none(), "the head waits");
    let held = tokio::time::timeout(Duration::from_secs(20), behind).await.expect("its own deadline is nearer");
    assert!(held.is_err());
}

#[tokio::test]
async fn a_dropped_wait_leaves_the_queue() {
    let limiter = small(50).await;
    let permit = limiter.acquire(KIND, Priority::Read, in_seconds(1)).await.unwrap();
    permit.throttled(Some(in_seconds(30)));
    {
        let waiting = limiter.acquire(KIND, Priority::Emergency, in_seconds(60));
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(limiter.snapshot()[2].waiting, 1);
    }
    assert_eq!(limiter.snapshot()[2].waiting, 0);
}

#[tokio::test]
async fn the_queue_has_a_bound() {
    let limiter = small(50).await;
    let permit = limiter.acquire(KIND, Priority::Read, in_seconds(1)).await.unwrap();
    permit.throttled(Some(in_seconds(30)));
    let mut waiting = JoinSet::new();
    for _ in 0..256 {
        let limiter = limiter.clone();
        waiting.spawn(async move { limiter.acquire(KIND, Priority::Read, in_seconds(60)).await.map(drop) });
    }
    until("a full queue", || limiter.snapshot()[2].waiting == 256).await;
    let turned_away = limiter.acquire(KIND, Priority::Read, in_seconds(60)).now_or_never();
    assert!(matches!(turned_away, Some(Err(_))), "no room and no wait");
}

#[tokio::test]
async fn a_restart_storm_does_not_overrun_the_minute() {
    let folder = tempfile::tempdir().unwrap();
    let (mut granted, begun) = (0, std::time::Instant::now());
    for _ in 0..40 {
        // On a machine so slow that the minute would end meanwhile, fewer of them make the point.
        if begun.elapsed() > Duration::from_secs(45) {
            break;
        }
        // Each process makes as many calls as it can and dies without a word.
        let store = Arc::new(FileStore::new(folder.path().to_owned()));
        let limiter = RateLimiter::open(token().fingerprint(), Limits { ceiling: 20 }, store, Clock::system()).await;
        for _ in 0..3 {
            let by = Clock::system().now() + TimeDelta::milliseconds(200);
            if let Ok(permit) = limiter.acquire(KIND, Priority::Emergency, by).await {
                permit.answered(None);
                granted += 1;
            }
        }
    }
    assert!((10..=20).contains(&granted), "{granted} calls in one minute with a ceiling of 20");
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.iter().all(|name| !name.contains(super::support::TOKEN)), "{names:?}");
}

#[tokio::test]
async fn a_torn_file_is_counted_and_does_not_stop_a_call() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("rate-{}-trading.json", token().fingerprint().as_str());
    std::fs::write(folder.path().join(name), b"{\"sent_ms\":[17").unwrap();
    let store = Arc::new(FileStore::new(folder.path().to_owned()));
    let limiter = RateLimiter::open(token().fingerprint(), Limits::default(), store, Clock::system()).await;
    assert_eq!(limiter.snapshot()[2].unsaved, 1, "visible");
    assert!(limiter.acquire(KIND, Priority::Close, in_seconds(1)).await.is_ok());
}

/// A store that never answers.
#[derive(Debug)]
struct Hung;

impl BudgetStore for Hung {
    fn load<'a>(&'a self, _: &'a Fingerprint, _: BucketKind) -> BoxFuture<'a, Result<SavedBucket, StoreError>> {
        std::future::ready(Ok(SavedBucket::default())).boxed()
    }

    fn save<'a>(
        &'a self,
        _: &'a Fingerprint,
        _: BucketKind,
        _: &'a SavedBucket,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        std::future::pending().boxed()
    }
}

#[tokio::test]
async fn a_store_that_hangs_does_not_keep_a_stop_from_being_placed() {
    let limiter = RateLimiter::open(token().fingerprint(), Limits::default(), Arc::new(Hung), Clock::system()).await;
    assert!(limiter.acquire(KIND, Priority::Bracket, in_seconds(5)).await.is_ok());
    assert_eq!(limiter.snapshot()[2].unsaved, 1);
}

#[tokio::test]
async fn everybody_with_one_token_has_one_budget() {
    let limiters = Limiters::new(Limits { ceiling: 1 }, Arc::new(MemoryStore::default()), Clock::system());
    let (one, two) = (limiters.of(token().fingerprint()).await, limiters.of(token().fingerprint()).await);
    assert!(one.acquire(KIND, Priority::Close, in_seconds(1)).await.is_ok());
    assert!(two.acquire(KIND, Priority::Close, in_seconds(1)).await.is_err());
    assert_eq!(limiters.all().len(), 1);
}

#[tokio::test]
async fn what_the_broker_says_about_its_count_is_heard() {
    let expiry = in_seconds(40).timestamp_millis();
    let server = Server::start(move |_, _| {
        Reply::ok(fixture!("positions_none.json"))
            .with("X-Ratelimit-Allowed", "60")
            .with("x-ratelimit-used", "57")
            .with("X-RATELIMIT-AVAILABLE", "3")
            .with("X-Ratelimit-Expiry", &expiry.to_string())
    })
    .await;
    let tradier = tradier(&server.url()).await;
    tradier.positions(Priority::Read).await.unwrap();
    let [accounts, ..] = tradier.limiter().snapshot();
    let expires_at = DateTime::from_timestamp_millis(expiry).unwrap();
    assert_eq!(accounts.broker, Some(RateHeaders { allowed: 60, available: 3, expires_at }));
    assert_eq!((accounts.used, accounts.limit), (57, 54), "nine tenths of sixty, and somebody else used most of it");
    let held = tradier.limiter().acquire(BucketKind::Accounts, Priority::Emergency, in_seconds(5)).await;
    assert!(held.is_err(), "none left above the headroom");
}

/// One more daemon's view of the sandbox, which knows nothing of the others.
async fn sandbox(url: &str, clock: &Clock) -> Account {
    let limiters = Limiters::new(Limits::default(), Arc::new(MemoryStore::default()), clock.clone());
    let addresses = Addresses { sandbox: Some(url.to_owned()), ..Addresses::default() };
    let factory = BrokerFactory::new(LiveLock::Locked, addresses, Arc::new(limiters), clock.clone());
    factory.open(BrokerMode::Sandbox, "VA00000001".parse().unwrap(), "sandbox-token".into()).await.unwrap()
}

#[tokio::test]
async fn two_daemons_with_one_token_go_by_the_brokers_count_and_leave_room_for_exits() {
    let start = Ms::at_et(NaiveDate::from_ymd_opt(2026, 9, 10).unwrap(), 11, 0);
    let server = blotter_sim::Server::bind(blotter_sim::config::Config::manual(7, start), "127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", server.address().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(server.serve(std::future::pending()));
    let now = DateTime::from_timestamp_millis(start.0).unwrap();
    let clock = Clock::from_fn(move || now);
    let daemons = [sandbox(&url, &clock).await, sandbox(&url, &clock).await];
    let mut answered = 0;
    // In turns, until neither has leave to look any more.
    loop {
        let before = answered;
        for daemon in &daemons {
            answered += u32::from(daemon.broker.positions(Priority::Read).await.is_ok());
        }
        if answered == before {
            break;
        }
    }
    // A daemon has not heard yet of the call that the other one made last.
    assert!((38..=39).contains(&answered), "what one daemon alone has for looking is 38: {answered}");
    for daemon in &daemons {
        daemon.broker.positions(Priority::Close).await.unwrap();
        let accounts = daemon.tradier.limiter().snapshot()[0];
        let told = accounts.broker.map_or(0, |told| told.allowed - told.available);
        assert_eq!((accounts.used, accounts.throttled), (told, 0), "what both have used is what counts for each");
    }
}
