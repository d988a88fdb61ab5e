//! Which sector fund stands for a ticker's sector: the companies that most options are traded on. What
//! is not in the table has no sector, and the context says so.

/// The eleven sectors of the S&P 500.
pub const FUNDS: [&str; 11] = ["XLB", "XLC", "XLE", "XLF", "XLI", "XLK", "XLP", "XLRE", "XLU", "XLV", "XLY"];

/// Tickers by fund.
const MEMBERS: &[(&str, &[&str])] = &[
    ("XLB", &["APD", "CTVA", "DOW", "ECL", "FCX", "LIN", "NEM", "NUE", "SHW"]),
    ("XLC", &["CHTR", "CMCSA", "DIS", "EA", "GOOG", "GOOGL", "META", "NFLX", "T", "TMUS", "TTWO", "VZ", "WBD"]),
    ("XLE", &["COP", "CVX", "DVN", "EOG", "HAL", "KMI", "MPC", "OXY", "PSX", "SLB", "VLO", "WMB", "XOM"]),
    (
        "XLF",
        &[
            "AIG", "AXP", "BAC", "BLK", "BX", "C", "CB", "COIN", "GS", "HOOD", "JPM", "MA", "MS", "PYPL", "SCHW",
            "USB", "V", "WFC",
        ],
    ),
    (
        "XLI",
        &[
            "BA", "CAT", "DAL", "DE", "EMR", "ETN", "FDX", "GD", "GE", "HON", "LMT", "MMM", "NOC", "RTX", "UAL",
            "UBER", "UNP", "UPS",
        ],
    ),
    (
        "XLK",
        &[
            "AAPL", "ACN", "ADBE", "AMAT", "AMD", "ANET", "AVGO", "CRM", "CRWD", "CSCO", "DELL", "IBM", "INTC", "INTU",
            "KLAC", "LRCX", "MRVL", "MSFT", "MU", "NOW", "NVDA", "ON", "ORCL", "PANW", "PLTR", "QCOM", "SMCI", "SNPS",
            "TXN",
        ],
    ),
    ("XLP", &["CL", "COST", "GIS", "KHC", "KO", "MDLZ", "MO", "PEP", "PG", "PM", "TGT", "WMT"]),
    ("XLRE", &["AMT", "CCI", "EQIX", "O", "PLD", "PSA", "SPG"]),
    ("XLU", &["AEP", "CEG", "D", "DUK", "EXC", "NEE", "SO", "SRE", "VST"]),
    (
        "XLV",
        &[
            "ABBV", "ABT", "AMGN", "BMY", "CVS", "GILD", "ISRG", "JNJ", "LLY", "MDT", "MRK", "MRNA", "PFE", "REGN",
            "TMO", "UNH", "VRTX",
        ],
    ),
    (
        "XLY",
        &["ABNB", "AMZN", "BKNG", "CMG", "F", "GM", "HD", "LOW", "LULU", "MCD", "NKE", "RCL", "SBUX", "TJX", "TSLA"],
    ),
];

/// The fund of a ticker's sector; of a sector fund, itself.
#[must_use]
pub fn sector_of(ticker: &str) -> Option<&'static str> {
    let own = FUNDS.iter().copied().find(|fund| *fund == ticker);
    own.or_else(|| MEMBERS.iter().find(|(_, members)| members.contains(&ticker)).map(|(fund, _)| *fund))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fund_has_members_and_no_ticker_is_in_two() {
        let mut seen = std::collections::HashSet::new();
        for (fund, members) in MEMBERS {
            assert!(FUNDS.contains(fund) && members.is_sorted(), "{fund}");
            assert!(members.iter().all(|member| seen.insert(*member)), "{fund}");
        }
        assert_eq!(MEMBERS.len(), FUNDS.len());
        assert_eq!((sector_of("NVDA"), sector_of("XLE"), sector_of("ZZZZ")), (Some("XLK"), Some("XLE"), None));
    }
}
