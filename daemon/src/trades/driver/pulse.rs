//! The wall clock beside the boot clock. The wall clock may be set; the boot clock only runs. Where
//! they part, nothing is proven absent for a while, and alarms go by the later of the two: a clock
//! that went back must not make a naked position young, nor the market closed.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// By so much the clocks may part between two looks.
const STEP: TimeDelta = TimeDelta::seconds(2);

/// So long after the last jump the time before it is carried on. By then every wait that began
/// before the jump is over, and a wall clock that was set right is right.
const CARRIED: Duration = Duration::from_secs(600);

/// Both clocks at one moment, and how they got there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pulse {
    wall: DateTime<Utc>,
    boot: Duration,
    /// When the wall clock was last seen to jump, on the boot clock.
    jumped_at: Option<Duration>,
    /// How far the wall clock is behind one that did not go back.
    behind: TimeDelta,
}

impl Pulse {
    pub(super) fn begin(wall: DateTime<Utc>, boot: Duration) -> Self {
        Self { wall, boot, jumped_at: None, behind: TimeDelta::zero() }
    }

    /// The next look at both clocks.
    pub(super) fn beat(self, wall: DateTime<Utc>, boot: Duration) -> Self {
        let passed = TimeDelta::from_std(boot.saturating_sub(self.boot)).unwrap_or(TimeDelta::MAX);
        let drift = (wall - self.wall) - passed;
        let jumped_at = if drift.abs() > STEP { Some(boot) } else { self.jumped_at };
        let carried = jumped_at.is_some_and(|at| boot.saturating_sub(at) < CARRIED);
        let behind = if carried { (self.behind - drift).max(TimeDelta::zero()) } else { TimeDelta::zero() };
        Self { wall, boot, jumped_at, behind }
    }

    /// Whether the wall clock has run like the boot clock for so long.
    pub(super) fn is_steady(self, wait: Duration) -> bool {
        self.jumped_at.is_none_or(|at| self.boot.saturating_sub(at) >= wait)
    }

    /// The present that alarms go by.
    pub(super) fn latest(self) -> DateTime<Utc> {
        self.wall + self.behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn boot(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn a_clock_that_goes_back_takes_no_time_away_from_alarms() {
        let pulse = Pulse::begin(wall(100), boot(0)).beat(wall(110), boot(10));
        let back = pulse.beat(wall(30), boot(20));
        assert_eq!(back.latest(), wall(120), "ten seconds have passed, whatever the wall says");
        let twice = back.beat(wall(20), boot(25));
        assert_eq!(twice.latest(), wall(125));
        assert_eq!(twice.beat(wall(135), boot(40)).latest(), wall(140), "half of it was set right");
        assert_eq!(twice.beat(wall(200), boot(40)).latest(), wall(200), "never behind the wall");
    }

    #[test]
    fn what_was_before_a_jump_is_forgotten_in_the_end() {
        let back = Pulse::begin(wall(100), boot(0)).beat(wall(10), boot(10));
        assert_eq!(back.beat(wall(609), boot(609)).latest(), wall(709));
        assert_eq!(back.beat(wall(610), boot(610)).latest(), wall(610));
    }

    #[test]
    fn absence_is_measured_by_a_clock_that_ran_evenly() {
        let pulse = Pulse::begin(wall(0), boot(0));
        assert!(pulse.beat(wall(12), boot(10)).is_steady(boot(60)), "two seconds are no jump");
        let jumped = pulse.beat(wall(13), boot(10));
        assert!(!jumped.beat(wall(72), boot(69)).is_steady(boot(60)));
        assert!(jumped.beat(wall(73), boot(70)).is_steady(boot(60)));
    }
}
