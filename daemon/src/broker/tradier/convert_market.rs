//! From the wire to the vocabulary of the market.

use std::mem::take;

use blotter_shared::domain::OptionType;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use rust_decimal::Decimal;

use super::convert::{Nonsense, count, date, date_time, epoch, nonsense, small};
use super::wire;
use crate::broker::market_data::{Bar, ContractTerms, Greeks, InstrumentKind, Quote, Quotes};

type Sense<T> = Result<T, Nonsense>;

pub(crate) fn quotes(mut wire: wire::WireQuotes<'_>) -> Sense<Quotes> {
    Ok(Quotes {
        quotes: wire.quote.0.iter_mut().map(quote).collect::<Sense<_>>()?,
        unmatched: wire.unmatched_symbols.0.map_or_else(Vec::new, |unmatched| unmatched.symbol.0),
    })
}

/// A quote; its texts are taken out of the wire's.
pub(crate) fn quote(wire: &mut wire::WireQuote<'_>) -> Sense<Quote> {
    let terms = terms(wire)?;
    let at = |field, number: Option<Decimal>| {
        number.filter(|number| !number.is_zero()).map(|number| epoch(field, number, 1000)).transpose()
    };
    Ok(Quote {
        kind: wire.kind.as_deref().map(InstrumentKind::from_wire),
        bid: wire.bid.0,
        ask: wire.ask.0,
        last: wire.last.0,
        bid_size: count("bidsize", wire.bidsize.0)?,
        ask_size: count("asksize", wire.asksize.0)?,
        bid_at: at("bid_date", wire.bid_date.0)?,
        ask_at: at("ask_date", wire.ask_date.0)?,
        trade_at: at("trade_date", wire.trade_date.0)?,
        open: wire.open.0,
        high: wire.high.0,
        low: wire.low.0,
        close: wire.close.0,
        previous_close: wire.prevclose.0,
        volume: count("volume", wire.volume.0)?,
        terms,
        greeks: wire.greeks.0.as_ref().map(greeks).transpose()?,
        symbol: take(&mut wire.symbol).into_owned(),
    })
}

/// The terms of the contract; a quote without a strike is no option.
fn terms(wire: &mut wire::WireQuote<'_>) -> Sense<Option<ContractTerms>> {
    let Some(strike) = wire.strike.0 else { return Ok(None) };
    let option_type = match wire.option_type.as_deref() {
        Some("call") => OptionType::Call,
        Some("put") => OptionType::Put,
        _ => return Err(nonsense("option_type", "call or put")),
    };
    let expiry = wire.expiration_date.as_deref().ok_or_else(|| nonsense("expiration_date", "there"))?;
    Ok(Some(ContractTerms {
        underlying: take(&mut wire.underlying).owned(),
        root: take(&mut wire.root_symbol).owned(),
        expiry: date("expiration_date", expiry)?,
        option_type,
        strike,
        contract_size: small("contract_size", wire.contract_size.0)?,
        expiration_type: take(&mut wire.expiration_type).owned(),
        open_interest: count("open_interest", wire.open_interest.0)?,
    }))
}

fn greeks(wire: &wire::WireGreeks<'_>) -> Sense<Greeks> {
    let updated_at = match wire.updated_at.as_deref() {
        None => None,
        Some(text) => Some(date_time("updated_at", text)?.and_utc()),
    };
    Ok(Greeks {
        delta: wire.delta.0,
        gamma: wire.gamma.0,
        theta: wire.theta.0,
        vega: wire.vega.0,
        rho: wire.rho.0,
        phi: wire.phi.0,
        bid_iv: wire.bid_iv.0,
        mid_iv: wire.mid_iv.0,
        ask_iv: wire.ask_iv.0,
        smoothed_iv: wire.smv_vol.0,
        updated_at,
    })
}

pub(crate) fn expirations(wire: wire::WireExpirations) -> Sense<Vec<NaiveDate>> {
    let plain = wire.date.0.into_iter();
    let full = wire.expiration.0.into_iter().map(|expiration| expiration.date);
    let mut dates = plain.chain(full).map(|text| date("date", &text)).collect::<Sense<Vec<_>>>()?;
    dates.sort_unstable();
    dates.dedup();
    Ok(dates)
}

pub(crate) fn strikes(wire: wire::WireStrikes) -> Vec<Decimal> {
    let mut strikes: Vec<_> = wire.strike.0.into_iter().map(|strike| strike.0).collect();
    strikes.sort_unstable();
    strikes.dedup();
    strikes
}

/// A bar; `time` is New York without a zone, `date` a day.
pub(crate) fn bar(wire: &wire::WireBar) -> Sense<Bar> {
    let starts_at = NaiveDateTime::parse_from_str(&wire.time, "%Y-%m-%dT%H:%M:%S")
        .or_else(|_| NaiveDate::parse_from_str(&wire.time, "%Y-%m-%d").map(|day| day.and_time(NaiveTime::default())))
        .map_err(|_| nonsense("time", "a date and time"))?;
    Ok(Bar {
        starts_at,
        open: wire.open.0,
        high: wire.high.0,
        low: wire.low.0,
        close: wire.close.0,
        volume: count("volume", wire.volume.0)?,
        vwap: wire.vwap.0,
    })
}
