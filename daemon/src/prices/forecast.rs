//! How large the database becomes. Pure; the bytes of a row are measured (`make bench`, `prices.bytes_*`).

use std::fmt;

use super::retention::Keep;

/// Bytes of one recorded price with its index.
const ROW: u64 = 210;
/// Bytes of one price in a packed day.
const PACKED_ROW: u64 = 17;
/// Bytes of a packed day beside its prices.
const DAY: u64 = 160;
/// Points of a thinned day: 5 minutes of 6 h 45 min, bookends, best and worst.
const THINNED_POINTS: u64 = 88;
const SESSIONS_A_YEAR: u64 = 252;
/// A month is dropped as a whole, once its last day is old enough.
const LONGEST_MONTH: u64 = 31;
/// Seconds of a session, the quarter of an hour after it included.
const SESSION: u64 = 24_300;
/// A small database, as a free plan of a cloud has it.
const SMALL: u64 = 500_000_000;

/// What the prices of so many positions cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    pub positions: u64,
    /// Whole rows and packed days, at most.
    pub standing: u64,
    /// What is added for ever, a year.
    pub yearly: u64,
}

impl Forecast {
    /// For positions that are always held, at this pace, kept for so long.
    #[must_use]
    pub fn of(positions: u64, every_s: u64, keep: Keep) -> Self {
        let rows = SESSION / every_s.max(1) + 3;
        let sessions = |days: u64| (days * 5).div_ceil(7);
        let whole = sessions(u64::from(keep.whole) + LONGEST_MONTH) * rows * ROW;
        let packed = sessions(keep.packed.into()) * (rows * PACKED_ROW + DAY);
        let thinned = SESSIONS_A_YEAR * (THINNED_POINTS * PACKED_ROW + DAY);
        Self { positions, standing: positions * (whole + packed), yearly: positions * thinned }
    }

    /// Years until this and nothing else fills a small database.
    #[must_use]
    pub fn years(&self) -> u64 {
        SMALL.saturating_sub(self.standing) / self.yearly.max(1)
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mb = |bytes: u64| bytes.div_ceil(1_000_000);
        write!(
            f,
            "prices of {} positions take at most {} MB and {} MB more a year",
            self.positions,
            mb(self.standing),
            mb(self.yearly)
        )?;
        match self.years() {
            0 => write!(f, ": more than a database of 500 MB holds; raise market.snapshot_every_s"),
            years => write!(f, ": a database of 500 MB lasts {years} years"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_positions_fit_into_a_small_database_for_years() {
        let forecast = Forecast::of(50, 40, Keep::default());
        assert!(forecast.years() >= 10, "{forecast}");
        assert!(forecast.standing < 250_000_000, "{forecast}");
        let crowd = Forecast::of(5000, 5, Keep::default());
        assert!(crowd.years() == 0 && crowd.to_string().contains("snapshot_every_s"), "{crowd}");
        let longer = Forecast::of(50, 40, Keep { whole: 30, packed: 365 });
        assert!(longer.standing > forecast.standing * 3 / 2 && longer.yearly == forecast.yearly, "{longer}");
        assert!(
            Forecast::of(0, 40, Keep::default()).to_string().starts_with("prices of 0 positions take at most 0 MB")
        );
    }
}
