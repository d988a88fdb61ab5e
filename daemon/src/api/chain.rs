//! `/v1/chain`.

use axum::Json;
use axum::extract::State;
use blotter_shared::protocol::chain::{Chain, ChainQuery, ChainRow};
use chrono::{Days, NaiveDate};

use super::ApiState;
use super::acting::Answered;
use super::extract::{Params, Who};
use super::problem::ApiError;
use crate::broker::market_data::Quote;
use crate::broker::{Priority, ReadError, Ticker};
use crate::db::settings::settings_get;

/// The first expiry that is at least so far away is shown when none is asked for.
const DAYS_AWAY: u64 = 28;

pub(super) async fn show(State(api): State<ApiState>, who: Who, Params(query): Params<ChainQuery>) -> Answered<Chain> {
    let ticker: Ticker = query.symbol.to_uppercase().parse().map_err(|_| unknown(&query.symbol))?;
    let tx = api.db.user_tx(&who.0.username).await?;
    let mode = settings_get(&tx).await?.broker_mode;
    tx.commit().await?;
    let market = api.accounts.open(&who.0.username, mode).await?.market;
    let expiries = market.expirations(&ticker, Priority::Read).await.map_err(unread)?;
    let today = api.counter.session().date;
    let expiry = chosen(&expiries, query.expiry, today).ok_or_else(|| unknown(&query.symbol))?;
    let names = [ticker.as_str().to_owned()];
    let (chain, quotes) =
        futures_util::join!(market.chain(&ticker, expiry, Priority::Read), market.quotes(&names, Priority::Read));
    let mut rows: Vec<ChainRow> = chain.map_err(unread)?.rows.into_iter().filter_map(row).collect();
    rows.sort_by_key(|row| (row.strike, row.option_type));
    let underlying = quotes.ok().and_then(|quotes| quotes.quotes.into_iter().next()).and_then(|quote| quote.last);
    Ok(Json(Chain { symbol: ticker.as_str().to_owned(), underlying, expiries, expiry, rows }))
}

fn chosen(listed: &[NaiveDate], wanted: Option<NaiveDate>, today: NaiveDate) -> Option<NaiveDate> {
    match wanted {
        Some(wanted) => listed.iter().copied().find(|expiry| *expiry == wanted),
        None => {
            let from = today.checked_add_days(Days::new(DAYS_AWAY))?;
            listed.iter().copied().find(|expiry| *expiry >= from).or(listed.last().copied())
        }
    }
}

fn row(quote: Quote) -> Option<ChainRow> {
    let terms = quote.terms?;
    let greeks = quote.greeks.unwrap_or_default();
    Some(ChainRow {
        option_symbol: quote.symbol,
        option_type: terms.option_type,
        strike: terms.strike,
        bid: quote.bid,
        ask: quote.ask,
        delta: greeks.delta,
        iv: greeks.mid_iv.or(greeks.smoothed_iv),
        volume: quote.volume,
        open_interest: terms.open_interest,
    })
}

fn unknown(symbol: &str) -> ApiError {
    let shown: String = symbol.chars().take(20).collect();
    ApiError::field("symbol", Some(shown), "an underlying with listed options, and one of its expiries")
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn unread(error: ReadError) -> ApiError {
    use blotter_shared::protocol::problem::ProblemCode;
    ApiError::new(ProblemCode::BrokerUnavailable, format!("the chain was not read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expiry_is_the_one_that_is_asked_for_or_a_month_away() {
        let date = |text: &str| text.parse::<NaiveDate>().unwrap();
        let listed = [date("2026-09-11"), date("2026-10-02"), date("2026-10-16")];
        assert_eq!(chosen(&listed, None, date("2026-09-10")), Some(date("2026-10-16")));
        assert_eq!(chosen(&listed, None, date("2026-12-10")), Some(date("2026-10-16")), "the last one there is");
        assert_eq!(chosen(&listed, Some(date("2026-10-02")), date("2026-09-10")), Some(date("2026-10-02")));
        assert_eq!(chosen(&listed, Some(date("2026-10-03")), date("2026-09-10")), None);
        assert_eq!(chosen(&[], None, date("2026-09-10")), None);
    }
}
