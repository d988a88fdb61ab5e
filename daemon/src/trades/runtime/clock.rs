//! Time for the engine: the daemon's clock for dates, the machine's boot clock for deadlines, the
//! exchange's calendar for sessions.

use std::sync::Arc;
use std::time::Duration;

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::market::SessionPhase;
use chrono::{DateTime, TimeDelta, Utc};
use nix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::ports::{Clock, Rest, Session, Sessions};
use crate::calendar::{Calendar, Force, Hours, hours_of};

/// What stands for CLOCK_BOOTTIME, which goes on while the machine sleeps.
#[cfg(target_os = "linux")]
const BOOT: ClockId = ClockId::CLOCK_BOOTTIME;
#[cfg(not(target_os = "linux"))]
const BOOT: ClockId = ClockId::CLOCK_MONOTONIC;

/// The clock of one loop.
#[derive(Clone, Debug)]
pub struct LoopClock {
    pub clock: crate::clock::Clock,
    /// Somebody has work for the loop.
    pub rouse: Arc<Notify>,
    /// The loop is to end.
    pub stop: CancellationToken,
}

impl Clock for LoopClock {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A clock that cannot be read says that everything is late: nothing is sent.
    fn boot(&self) -> Duration {
        clock_gettime(BOOT).map_or(Duration::MAX / 4, Duration::from)
    }

    fn fresh_id(&self) -> Uuid {
        let now = self.clock.now();
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.timestamp_subsec_nanos()))
    }

    async fn sleep(&self, span: Duration) -> Rest {
        tokio::select! {
            () = self.rouse.notified() => Rest::Roused,
            () = self.stop.cancelled() => Rest::Roused,
            () = tokio::time::sleep(span) => Rest::Over,
        }
    }
}

/// The calendar as the engine asks it.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub calendar: Arc<Calendar>,
    pub force: Force,
}

impl Exchange {
    /// The hours of one world. Nothing forces a market of real money open.
    #[must_use]
    pub fn of_mode(mode: BrokerMode, calendar: &Arc<Calendar>, force: Force) -> Self {
        let force = if mode == BrokerMode::Live { Force::No } else { force };
        Self { calendar: Arc::clone(calendar), force }
    }
}

impl Sessions for Exchange {
    /// Outside the calendar's years the market is closed: nothing is placed then.
    fn at(&self, now: DateTime<Utc>) -> Session {
        let date = now.with_timezone(&chrono_tz::America::New_York).date_naive();
        if self.force == Force::Open {
            let day = TimeDelta::hours(24);
            return Session { open: true, date, opens: now - day, closes: now + day };
        }
        match self.calendar.phase_at(now) {
            Ok(phase) => Session {
                open: phase.phase == SessionPhase::Open,
                date,
                opens: phase.session.traded_from(),
                closes: phase.session.traded_until(),
            },
            Err(_) => Session { open: false, date, opens: now, closes: now },
        }
    }

    /// Options on broad indices and on the funds that follow them trade a quarter of an hour longer.
    fn of(&self, root: &str, now: DateTime<Utc>) -> Session {
        let regular = self.at(now);
        let day = self.calendar.session_on(regular.date).ok().flatten();
        let hours = hours_of(root);
        match day.filter(|day| self.force == Force::No && hours == Hours::QuarterPast && day.interruption.is_none()) {
            Some(day) if (day.traded_from()..day.close_for(hours)).contains(&now) => {
                Session { open: true, opens: day.traded_from(), closes: day.close_for(hours), ..regular }
            }
            Some(_) | None => regular,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_session_is_of_new_york_and_of_the_calendar() {
        let exchange = Exchange { calendar: Arc::new(Calendar::new()), force: Force::No };
        let open = exchange.at(at("2026-11-20T15:00:00Z"));
        assert!(open.open);
        assert_eq!((open.opens, open.closes), (at("2026-11-20T14:30:00Z"), at("2026-11-20T21:00:00Z")));
        let evening = exchange.at(at("2026-11-21T02:00:00Z"));
        assert_eq!((evening.open, evening.date.to_string().as_str()), (false, "2026-11-20"));
        let late = at("2026-11-20T21:10:00Z");
        assert!(!exchange.at(late).open && !exchange.of("NVDA", late).open);
        let index = exchange.of("SPXW", late);
        assert!(index.open && index.closes == at("2026-11-20T21:15:00Z"), "until a quarter past four");
        assert!(!exchange.of("SPXW", at("2026-11-20T21:15:00Z")).open);
        assert_eq!(exchange.of("SPXW", at("2026-11-20T14:00:00Z")), exchange.at(at("2026-11-20T14:00:00Z")));
        let forced = Exchange { force: Force::Open, ..exchange }.at(at("2026-11-21T15:00:00Z"));
        assert!(forced.open && forced.opens < at("2026-11-21T15:00:00Z"));
    }

    #[tokio::test]
    async fn who_rouses_a_loop_at_work_is_not_forgotten() {
        let (rouse, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let clock = LoopClock { clock: crate::clock::Clock::system(), rouse: Arc::clone(&rouse), stop: stop.clone() };
        assert!(clock.boot() > Duration::ZERO && clock.boot() < Duration::MAX / 4);
        rouse.notify_one();
        assert_eq!(clock.sleep(Duration::from_secs(3600)).await, Rest::Roused);
        stop.cancel();
        assert_eq!(clock.sleep(Duration::from_secs(3600)).await, Rest::Roused);
    }
}
