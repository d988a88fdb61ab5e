//! What wakes the scheduler: clokwerk, once a second.
//!
//! clokwerk runs in UTC alone. In New York time it panics on the nights when the clocks change, and it
//! forgets what it slept through; so the times of New York come from the calendar (`timetable`), what was
//! done comes from the database, and all that is asked of clokwerk is to come back soon. Should it break
//! all the same, or stand still because the clock was set back, it is made anew.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clokwerk::timeprovider::{ChronoTimeProvider, TimeProvider};
use clokwerk::{AsyncScheduler, TimeUnits};
use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::clock::Clock;

/// Between two looks at whether a second has passed.
const LOOK: Duration = Duration::from_millis(250);
/// The wall clock may drift from the machine's own by so much between two looks.
const JUMP: TimeDelta = TimeDelta::seconds(60);

/// Rouses `wake` every second, for ever.
pub(super) async fn beat(wake: Arc<Notify>, clock: Clock) {
    loop {
        let mut heart = Heart::<ChronoTimeProvider>::new(Arc::clone(&wake));
        let mut watch = JumpWatch::new(&clock);
        while heart.look().await && !watch.jumped(&clock) {
            sleep(LOOK).await;
        }
        // Whatever has happened, the tasks are looked at.
        wake.notify_one();
        sleep(LOOK).await;
    }
}

/// One scheduler of clokwerk with its one job.
struct Heart<T: TimeProvider> {
    scheduler: AsyncScheduler<Utc, T>,
}

impl<T: TimeProvider> Heart<T> {
    fn new(wake: Arc<Notify>) -> Self {
        let mut scheduler = AsyncScheduler::with_tz_and_provider::<Utc, T>(Utc);
        scheduler.every(1.seconds()).run(move || {
            wake.notify_one();
            std::future::ready(())
        });
        Self { scheduler }
    }

    /// Runs what is due; false when it broke.
    async fn look(&mut self) -> bool {
        let sound = AssertUnwindSafe(async { self.scheduler.run_pending().await }).catch_unwind().await.is_ok();
        if !sound {
            tracing::error!("the scheduler's clock broke and is made anew");
        }
        sound
    }
}

/// Notices that the wall clock was set, or that the machine slept.
struct JumpWatch {
    wall: DateTime<Utc>,
    machine: Instant,
}

impl JumpWatch {
    fn new(clock: &Clock) -> Self {
        Self { wall: clock.now(), machine: Instant::now() }
    }

    fn jumped(&mut self, clock: &Clock) -> bool {
        let (wall, machine) = (clock.now(), Instant::now());
        let passed = TimeDelta::from_std(machine - self.machine).unwrap_or(TimeDelta::MAX);
        let apart = ((wall - self.wall) - passed).abs();
        *self = Self { wall, machine };
        if apart > JUMP {
            tracing::info!(seconds = apart.num_seconds(), "the clock jumped: every task is looked at anew");
        }
        apart > JUMP
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use chrono::TimeZone;

    use super::*;

    thread_local! {
        static NOW: Cell<DateTime<Utc>> = const { Cell::new(DateTime::UNIX_EPOCH) };
    }

    /// The time that a test has set.
    struct Told;

    impl TimeProvider for Told {
        fn now<Tz: TimeZone + Sync + Send>(tz: &Tz) -> DateTime<Tz> {
            NOW.get().with_timezone(tz)
        }
    }

    async fn beats_over(from: &str, hours: i64) -> usize {
        let begin: DateTime<Utc> = from.parse().unwrap();
        NOW.set(begin);
        let wake = Arc::new(Notify::new());
        let mut heart = Heart::<Told>::new(Arc::clone(&wake));
        let mut beats = 0;
        for second in 0..hours * 3600 {
            NOW.set(begin + TimeDelta::seconds(second));
            assert!(heart.look().await, "it broke at {}", NOW.get());
            beats += usize::from(wake.notified().now_or_never().is_some());
        }
        beats
    }

    #[tokio::test]
    async fn no_second_is_lost_on_the_nights_when_new_york_sets_its_clocks() {
        for night in ["2026-11-01T03:30:00Z", "2026-03-08T04:30:00Z"] {
            let beats = beats_over(night, 6).await;
            assert!((6 * 3600 - 5..=6 * 3600).contains(&beats), "{night}: {beats} of {}", 6 * 3600);
        }
    }

    #[tokio::test]
    async fn a_clock_that_is_set_is_noticed_and_one_that_runs_is_not() {
        let offset = Arc::new(std::sync::Mutex::new(TimeDelta::zero()));
        let told = Arc::clone(&offset);
        let clock = Clock::from_fn(move || Clock::system().now() + *told.lock().unwrap());
        let mut watch = JumpWatch::new(&clock);
        assert!(!watch.jumped(&clock));
        for jump in [TimeDelta::hours(3), TimeDelta::hours(-4)] {
            *offset.lock().unwrap() += jump;
            assert!(watch.jumped(&clock), "{jump}");
            assert!(!watch.jumped(&clock), "once is enough");
        }
    }
}
