//! Which contracts trade a quarter of an hour past the close: options on broad indices, and on
//! the funds that follow them.
//!
//! Absent on purpose: settlement on the last day (a contract that is settled at the opening stops
//! trading the day before). That belongs to expiry, not to the day's hours.

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
}
