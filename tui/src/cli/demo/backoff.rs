//! How long to wait before a program that ended is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// A program that ran this long had come up; its next end is counted as a first one.
const SETTLED: Duration = Duration::from_secs(20);

/// Ends in a row without a settled run between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    ends: u32,
}

impl Backoff {
    /// A run of this length has ended; how long to wait before the next.
    pub(super) fn after_run_of(&mut self, run: Duration) -> Duration {
        if run >= SETTLED {
            self.ends = 0;
        }
        let delay = FIRST.saturating_mul(2_u32.saturating_pow(self.ends));
        self.ends = self.ends.saturating_add(1);
        delay.min(LONGEST)
    }

    /// How many ends in a row there were.
    pub(super) fn ends(self) -> u32 {
        self.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_have_an_end() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.after_run_of(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.ends(), 8);
    }

    #[test]
    fn a_settled_run_forgives() {
        let mut backoff = Backoff::default();
        backoff.after_run_of(Duration::ZERO);
        backoff.after_run_of(Duration::ZERO);
        assert_eq!(backoff.after_run_of(SETTLED), FIRST);
        assert_eq!(backoff.ends(), 1);
    }

    #[test]
    fn no_number_of_ends_is_too_many() {
        let mut backoff = Backoff { ends: u32::MAX };
        assert_eq!(backoff.after_run_of(Duration::ZERO), LONGEST);
    }
}
