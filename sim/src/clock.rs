//! Where trading time comes from: a rate on the machine's clock, or somebody's hand.

use serde::{Deserialize, Serialize};

use crate::time::Ms;

/// How trading time passes.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Only when told to.
    Manual,
    /// So many times as fast as the machine's clock.
    Times(f64),
}

/// The simulation's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimClock {
    pace: Pace,
    wall: Ms,
    sim: Ms,
}

impl SimClock {
    pub(crate) fn new(pace: Pace, wall: Ms, sim: Ms) -> Self {
        Self { pace, wall, sim }
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    /// Trading seconds in a second of the machine; 0 by hand.
    pub(crate) fn rate(&self) -> f64 {
        match self.pace {
            Pace::Manual => 0.0,
            Pace::Times(rate) => rate,
        }
    }

    /// Trading time when the machine's clock shows `wall`. It never runs backwards.
    pub(crate) fn now(&self, wall: Ms) -> Ms {
        match self.pace {
            Pace::Manual => self.sim,
            Pace::Times(rate) => {
                let gone = crate::market::float(wall.since(self.wall).max(0));
                self.sim.plus(crate::market::int(gone * rate))
            }
        }
    }

    /// Goes on from `sim` at `pace`.
    pub(crate) fn set(&mut self, pace: Pace, wall: Ms, sim: Ms) {
        *self = Self { pace, wall, sim };
    }
}

/// The machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks the machine for the time; everything else is told"
)]
pub(crate) fn machine_time() -> Ms {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Reads `manual`, `real`, `x60`, `60`.
pub(crate) fn parse_pace(text: &str) -> Result<Pace, String> {
    match text {
        "manual" => Ok(Pace::Manual),
        "real" => Ok(Pace::Times(1.0)),
        _ => {
            let rate: f64 = text
                .strip_prefix('x')
                .unwrap_or(text)
                .parse()
                .map_err(|_| format!("{text:?} is not manual, real or a rate such as x60"))?;
            if (0.01..=100_000.0).contains(&rate) {
                Ok(Pace::Times(rate))
            } else {
                Err(format!("rate {rate} is not between 0.01 and 100000"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_multiplies_and_a_hand_holds() {
        let mut clock = SimClock::new(Pace::Times(60.0), Ms(1_000), Ms(50_000));
        assert_eq!(clock.now(Ms(2_000)), Ms(110_000));
        assert_eq!(clock.now(Ms(0)), Ms(50_000), "a machine clock that is set back does not turn time around");
        clock.set(Pace::Manual, Ms(2_000), Ms(110_000));
        assert_eq!(clock.now(Ms(99_000)), Ms(110_000));
    }

    #[test]
    fn paces_are_read() {
        assert_eq!(parse_pace("x60"), Ok(Pace::Times(60.0)));
        assert_eq!(parse_pace("manual"), Ok(Pace::Manual));
        for bad in ["", "x", "x-1", "x0", "fast", "xNaN", "xinf"] {
            assert!(parse_pace(bad).is_err(), "{bad}");
        }
    }
}
