//! From ORATS' rows to quotes. A row of a chain holds a call and a put and one set of greeks, the
//! call's: delta is turned into the put's by parity, gamma and vega are the same for both, and
//! theta, rho and phi of the put are not told, so they are not given.

use blotter_shared::domain::{OptionContract, OptionType};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::wire::{Envelope, ExpirationRow, OptionRow, StrikeRow};
use crate::broker::ReadError;
use crate::broker::tradier::num::OptNum;
use crate::broker::tradier::shape::Text;
use crate::market::{ContractTerms, Greeks, InstrumentKind, Quote};

fn decode<'a, T: Deserialize<'a>>(what: &'static str, body: &'a Bytes) -> Result<Vec<T>, ReadError> {
    let envelope: Envelope<T> = serde_json::from_slice(body)
        .map_err(|error| undecodable(what, &error.to_string().chars().take(120).collect::<String>()))?;
    Ok(envelope.data)
}

fn undecodable(what: &'static str, why: &str) -> ReadError {
    ReadError::Undecodable { what, why: why.to_owned() }
}

/// The contracts of a chain's answer, a call and a put for each row.
///
/// # Errors
/// When the answer is no chain.
pub fn decode_chain(body: &Bytes) -> Result<Vec<Quote>, ReadError> {
    let rows: Vec<StrikeRow> = decode("the chain", body)?;
    let mut quotes = Vec::with_capacity(rows.len() * 2);
    for row in &rows {
        quotes.push(side(row, OptionType::Call)?);
        quotes.push(side(row, OptionType::Put)?);
    }
    Ok(quotes)
}

/// The numbers of one side of a row.
struct Side {
    volume: OptNum,
    open_interest: OptNum,
    bid_size: OptNum,
    ask_size: OptNum,
    bid: OptNum,
    ask: OptNum,
    ivs: [OptNum; 3],
}

impl Side {
    fn of(row: &StrikeRow, option_type: OptionType) -> Self {
        match option_type {
            OptionType::Call => Self {
                volume: row.call_volume,
                open_interest: row.call_open_interest,
                bid_size: row.call_bid_size,
                ask_size: row.call_ask_size,
                bid: row.call_bid_price,
                ask: row.call_ask_price,
                ivs: [row.call_bid_iv, row.call_mid_iv, row.call_ask_iv],
            },
            OptionType::Put => Self {
                volume: row.put_volume,
                open_interest: row.put_open_interest,
                bid_size: row.put_bid_size,
                ask_size: row.put_ask_size,
                bid: row.put_bid_price,
                ask: row.put_ask_price,
                ivs: [row.put_bid_iv, row.put_mid_iv, row.put_ask_iv],
            },
        }
    }
}

fn side(row: &StrikeRow, option_type: OptionType) -> Result<Quote, ReadError> {
    let what = "the chain";
    let expiry: NaiveDate = row.expir_date.parse().map_err(|_| undecodable(what, "expirDate is not a date"))?;
    let side = Side::of(row, option_type);
    let root = root(&row.ticker, row.expiry_tod.0.as_deref());
    let contract = OptionContract { root: root.clone(), expiry, option_type, strike: row.strike.0 };
    let quoted_at = instant(what, &row.quote_date)?;
    let terms = ContractTerms {
        underlying: Some(row.ticker.clone()),
        root: Some(root),
        expiry,
        option_type,
        strike: row.strike.0,
        contract_size: None,
        expiration_type: row.expiry_tod.0.clone(),
        open_interest: count(what, side.open_interest)?,
    };
    Ok(Quote {
        symbol: contract.occ(),
        kind: Some(InstrumentKind::Option),
        bid: side.bid.0,
        ask: side.ask.0,
        last: None,
        bid_size: count(what, side.bid_size)?,
        ask_size: count(what, side.ask_size)?,
        bid_at: quoted_at,
        ask_at: quoted_at,
        trade_at: None,
        open: None,
        high: None,
        low: None,
        close: None,
        previous_close: None,
        volume: count(what, side.volume)?,
        terms: Some(terms),
        greeks: Some(row_greeks(row, option_type, side.ivs)?),
    })
}

/// ORATS keeps the ticker of an index for all of its contracts. Those that settle in the evening
/// are listed under a root of their own, and a symbol with the wrong root names another contract.
fn root(ticker: &str, time_of_day: Option<&str>) -> String {
    let own = match (ticker, time_of_day) {
        ("SPX", Some("pm")) => "SPXW",
        ("NDX", Some("pm")) => "NDXP",
        ("RUT", Some("pm")) => "RUTW",
        _ => ticker,
    };
    own.to_owned()
}

fn row_greeks(
    row: &StrikeRow,
    option_type: OptionType,
    [bid_iv, mid_iv, ask_iv]: [OptNum; 3],
) -> Result<Greeks, ReadError> {
    let own = |value: OptNum| match option_type {
        OptionType::Call => value.0,
        OptionType::Put => None,
    };
    let delta = match option_type {
        OptionType::Call => row.delta.0,
        OptionType::Put => row.delta.0.map(|delta| delta - Decimal::ONE),
    };
    Ok(Greeks {
        delta,
        gamma: row.gamma.0,
        theta: own(row.theta),
        vega: row.vega.0,
        rho: own(row.rho),
        phi: own(row.phi),
        bid_iv: volatility(bid_iv),
        mid_iv: volatility(mid_iv),
        ask_iv: volatility(ask_iv),
        smoothed_iv: volatility(row.smv_vol),
        updated_at: instant("the chain", &row.updated_at)?,
    })
}

/// The contracts that were asked for by name.
pub(super) fn decode_options(body: &Bytes) -> Result<Vec<Quote>, ReadError> {
    let rows: Vec<OptionRow> = decode("the options", body)?;
    rows.into_iter().map(option).collect()
}

fn option(row: OptionRow) -> Result<Quote, ReadError> {
    let what = "the options";
    let contract: OptionContract =
        row.option_symbol.parse().map_err(|_| undecodable(what, "optionSymbol is not an OCC symbol"))?;
    let quoted_at = instant(what, &row.quote_date)?;
    let greeks = Greeks {
        delta: row.delta.0,
        gamma: row.gamma.0,
        theta: row.theta.0,
        vega: row.vega.0,
        rho: row.rho.0,
        phi: row.phi.0,
        bid_iv: volatility(row.bid_iv),
        mid_iv: volatility(row.mid_iv),
        ask_iv: volatility(row.ask_iv),
        smoothed_iv: volatility(row.smv_vol),
        updated_at: instant(what, &row.updated_at)?,
    };
    let terms = ContractTerms {
        underlying: row.ticker.0,
        root: Some(contract.root.clone()),
        expiry: contract.expiry,
        option_type: contract.option_type,
        strike: contract.strike,
        contract_size: None,
        expiration_type: None,
        open_interest: count(what, row.open_interest)?,
    };
    Ok(Quote {
        symbol: row.option_symbol,
        kind: Some(InstrumentKind::Option),
        bid: row.bid_price.0,
        ask: row.ask_price.0,
        last: None,
        bid_size: count(what, row.bid_size)?,
        ask_size: count(what, row.ask_size)?,
        bid_at: quoted_at,
        ask_at: quoted_at,
        trade_at: None,
        open: None,
        high: None,
        low: None,
        close: None,
        previous_close: None,
        volume: count(what, row.volume)?,
        terms: Some(terms),
        greeks: Some(greeks),
    })
}

/// The dates of an answer about expirations, in any of its shapes.
pub(super) fn decode_expirations(body: &Bytes) -> Result<Vec<NaiveDate>, ReadError> {
    let what = "the expirations";
    let rows: Vec<ExpirationRow> = decode(what, body)?;
    let texts = rows.into_iter().flat_map(|row| match row {
        ExpirationRow::Plain(date) | ExpirationRow::Full { date } => vec![date],
        ExpirationRow::Several { expirations } => expirations.0,
    });
    let mut dates = texts
        .map(|text| text.parse::<NaiveDate>().map_err(|_| undecodable(what, "an expiration is not a date")))
        .collect::<Result<Vec<_>, _>>()?;
    dates.sort_unstable();
    dates.dedup();
    Ok(dates)
}

/// Zero means that there is none.
fn volatility(number: OptNum) -> Option<Decimal> {
    number.0.filter(|value| !value.is_zero())
}

fn count(what: &'static str, number: OptNum) -> Result<Option<u64>, ReadError> {
    let Some(number) = number.0 else { return Ok(None) };
    let whole = if number.fract().is_zero() { u64::try_from(number).ok() } else { None };
    whole.map(Some).ok_or_else(|| undecodable(what, "a size is not a count"))
}

fn instant(what: &'static str, text: &Text) -> Result<Option<DateTime<Utc>>, ReadError> {
    let Some(text) = text.0.as_deref() else { return Ok(None) };
    DateTime::parse_from_rfc3339(text)
        .map(|at| Some(at.with_timezone(&Utc)))
        .map_err(|_| undecodable(what, "a time is not a date and time"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHAIN: &str = include_str!("../../../tests/fixtures/orats/live_strikes.json");

    fn decimal(text: &str) -> Option<Decimal> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_row_is_a_call_and_a_put() {
        let quotes = decode_chain(&Bytes::from_static(CHAIN.as_bytes())).unwrap();
        let [call, put] = &quotes[..] else { panic!("{quotes:?}") };
        assert_eq!(call.symbol, "SPXW260910C06500000", "the evening's contracts have their own root");
        assert_eq!(put.symbol, "SPXW260910P06500000");
        assert_eq!((call.bid, put.ask), (decimal("8.4"), decimal("6.3")));
        let (call_greeks, put_greeks) = (call.greeks.unwrap(), put.greeks.unwrap());
        assert_eq!(call_greeks.delta, decimal("0.53"));
        assert_eq!(put_greeks.delta, decimal("-0.47"));
        assert_eq!((put_greeks.gamma, put_greeks.vega), (call_greeks.gamma, call_greeks.vega));
        assert_eq!((call_greeks.theta, put_greeks.theta), (decimal("-4.1"), None));
        assert_eq!(put.quoted_at().unwrap().to_rfc3339(), "2026-09-10T14:03:05+00:00");
    }

    #[test]
    fn a_row_of_an_old_kind_has_less_and_nothing_is_made_up() {
        let body = br#"{"data":[{"ticker":"AAPL","expirDate":"2020-08-21","strike":460,"callMidIv":0}]}"#;
        let quotes = decode_chain(&Bytes::from_static(body)).unwrap();
        assert_eq!((quotes[0].bid, quotes[0].quoted_at()), (None, None));
        assert_eq!(quotes[0].greeks.unwrap().mid_iv, None);
        assert_eq!(quotes[0].terms.as_ref().unwrap().root.as_deref(), Some("AAPL"));
    }

    #[test]
    fn nonsense_is_an_error_and_not_an_empty_chain() {
        for body in [
            r#"{"error":"no"}"#,
            r#"{"data":null}"#,
            r#"{"data":[{"ticker":"A"}]}"#,
            r#"{"data":[{"ticker":"A","expirDate":"soon","strike":1}]}"#,
            r#"{"data":[{"ticker":"A","expirDate":"2026-01-01","strike":"x"}]}"#,
            r#"{"data":[{"ticker":"A","expirDate":"2026-01-01","strike":1,"callVolume":1.5}]}"#,
        ] {
            let result = decode_chain(&Bytes::copy_from_slice(body.as_bytes()));
            assert!(matches!(result, Err(ReadError::Undecodable { .. })), "{body}");
        }
        assert_eq!(decode_chain(&Bytes::from_static(br#"{"data":[]}"#)), Ok(Vec::new()));
    }

    #[test]
    fn expirations_in_each_shape() {
        for body in [
            r#"{"data":["2026-09-18","2026-09-11"]}"#,
            r#"{"data":[{"expirDate":"2026-09-18"},{"expirDate":"2026-09-11"}]}"#,
            r#"{"data":[{"ticker":"SPX","expirations":["2026-09-18","2026-09-11"]}]}"#,
        ] {
            let dates = decode_expirations(&Bytes::copy_from_slice(body.as_bytes())).unwrap();
            assert_eq!(dates.len(), 2, "{body}");
            assert!(dates[0] < dates[1]);
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body in "\\PC{0,200}", cut in 0_usize..1000) {
            let _ = decode_chain(&Bytes::from(body.clone()));
            let _ = decode_options(&Bytes::from(body.clone()));
            let _ = decode_expirations(&Bytes::from(body));
            let short: String = CHAIN.chars().take(cut.min(CHAIN.len() - 3)).collect();
            prop_assert!(decode_chain(&Bytes::from(short)).is_err());
        }
    }
}
