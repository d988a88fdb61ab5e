//! Which contracts trade a quarter of an hour past the close: options on broad indices, and on
//! the funds that follow them.
//!
//! And on which day a contract trades last: one that is settled by the opening prices of its expiry stops
//! trading the session before.

use chrono::{Days, NaiveDate};

use super::{Calendar, OutsideCalendar};

/// How long a contract trades on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hours {
    /// Until the exchange closes.
    Regular,
    /// Fifteen minutes longer: 16:15, on short days 13:15.
    QuarterPast,
}

/// Roots and tickers of the second kind, in alphabetical order.
const QUARTER_PAST: &[&str] = &[
    "DIA", "DJX", "IWM", "MRUT", "MXEA", "MXEF", "NDX", "NDXP", "OEX", "QQQ", "RUT", "RUTW", "SPX", "SPXW", "SPY",
    "VIX", "VIXW", "XEO", "XND", "XSP",
];

/// The hours of a contract, by the root of its symbol.
#[must_use]
pub fn hours_of(root: &str) -> Hours {
    match QUARTER_PAST.binary_search(&root) {
        Ok(_) => Hours::QuarterPast,
        Err(_) => Hours::Regular,
    }
}

/// Roots that are settled at the opening, in alphabetical order. Their weeklies with a P or a W, but for
/// those of the VIX, are settled at the close.
const SETTLED_AT_OPEN: &[&str] = &["DJX", "MXEA", "MXEF", "NDX", "RUT", "SPX", "VIX", "VIXW"];

impl Calendar {
    /// The last day on which contracts of this root and expiry trade: the session on the day of expiry, or the last
    /// one before it when the exchange is closed then; the session before that when they are settled at its opening.
    ///
    /// # Errors
    /// Outside the calendar's years.
    pub fn last_trading_day(&self, root: &str, expiry: NaiveDate) -> Result<NaiveDate, OutsideCalendar> {
        let before = |date: NaiveDate| date.checked_sub_days(Days::new(1)).unwrap_or(date);
        let session_until = |mut date: NaiveDate| {
            while self.session_on(date)?.is_none() {
                date = before(date);
            }
            Ok(date)
        };
        let last = session_until(expiry)?;
        if SETTLED_AT_OPEN.binary_search(&root).is_ok() { session_until(before(last)) } else { Ok(last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_options_trade_longer() {
        assert!(QUARTER_PAST.is_sorted());
        assert_eq!(hours_of("SPXW"), Hours::QuarterPast);
        assert_eq!(hours_of("QQQ"), Hours::QuarterPast);
        assert_eq!(hours_of("NVDA"), Hours::Regular);
    }

    #[test]
    fn what_is_settled_at_the_opening_trades_last_the_session_before() {
        assert!(SETTLED_AT_OPEN.is_sorted());
        let calendar = Calendar::new();
        for (root, expiry, last) in [
            ("NVDA", "2026-11-20", "2026-11-20"),
            ("SPXW", "2026-11-20", "2026-11-20"),
            ("SPX", "2026-11-20", "2026-11-19"),
            ("NDX", "2026-12-18", "2026-12-17"),
            // A Wednesday.
            ("VIX", "2026-11-18", "2026-11-17"),
            ("VIXW", "2026-11-25", "2026-11-24"),
            // The Thursday was a holiday.
            ("SPX", "2025-06-20", "2025-06-18"),
            // Expiries on Good Friday, and on a Saturday as until 2015.
            ("NVDA", "2026-04-03", "2026-04-02"),
            ("NVDA", "2014-11-22", "2014-11-21"),
            ("SPX", "2014-11-22", "2014-11-20"),
        ] {
            let day = |text: &str| text.parse::<NaiveDate>().unwrap();
            assert_eq!(calendar.last_trading_day(root, day(expiry)), Ok(day(last)), "{root} {expiry}");
        }
        assert!(calendar.last_trading_day("SPX", NaiveDate::from_ymd_opt(1989, 6, 1).unwrap()).is_err());
    }
}
