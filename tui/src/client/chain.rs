//! What can be bought of an underlying: the expiry that was asked for, or the one that people mean when
//! they ask for none.

use blotter_shared::protocol::prices::{Expirations, OptionChain};
use chrono::{Days, NaiveDate};
use serde::Serialize;

use super::calls::{Call, CallError};
use super::http::Daemon;
use super::looks::LookCall;

/// Without a wish the first expiry is meant that is at least so far away.
const DAYS_AWAY: u64 = 28;

/// One expiry's contracts, and which expiries there are.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    pub expirations: Vec<NaiveDate>,
    /// Nothing when no expiry is listed.
    pub chain: Option<OptionChain>,
}

/// Asks for the strikes around the money, so many on each side.
///
/// # Errors
/// As [`Daemon::ask`].
pub async fn listed(
    daemon: &Daemon,
    symbol: &str,
    expiry: Option<NaiveDate>,
    strikes: u16,
) -> Result<Listed, CallError> {
    let call = LookCall::Expirations { symbol: symbol.to_owned() };
    let Expirations { expirations, at, .. } = daemon.ask(&Call::Look(call)).await?;
    let Some(expiry) = expiry.or_else(|| meant(&expirations, at.date_naive())) else {
        return Ok(Listed { expirations, chain: None });
    };
    let call = LookCall::Chain { symbol: symbol.to_owned(), expiry, strikes };
    let chain = daemon.ask(&Call::Look(call)).await?;
    Ok(Listed { expirations, chain: Some(chain) })
}

fn meant(expirations: &[NaiveDate], today: NaiveDate) -> Option<NaiveDate> {
    let from = today.checked_add_days(Days::new(DAYS_AWAY))?;
    expirations.iter().copied().find(|expiry| *expiry >= from).or(expirations.last().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_away_is_meant_or_the_last_there_is() {
        let date = |text: &str| text.parse::<NaiveDate>().unwrap();
        let listed = [date("2026-09-11"), date("2026-10-02"), date("2026-10-16")];
        assert_eq!(meant(&listed, date("2026-09-10")), Some(date("2026-10-16")));
        assert_eq!(meant(&listed, date("2026-12-10")), Some(date("2026-10-16")));
        assert_eq!(meant(&[], date("2026-09-10")), None);
    }
}
