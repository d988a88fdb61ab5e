//! A single contract's row: the fields of its own side, without prefix.

use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;

use super::Row;
use super::row::{Moment, rounded};
use crate::core::Symbol;
use crate::market::Market;

/// The row of one contract, `None` when it is not listed or over.
pub(crate) fn option_row(market: &mut Market, symbol: &Symbol, moment: &Moment) -> Option<Row> {
    let quote = market.quote(symbol, moment.seen)?;
    let part = quote.option.as_ref()?;
    let greeks = part.view.greeks();
    let price = |p: rust_decimal::Decimal| p.to_f64().map_or(Value::Null, Value::from);
    let iv = |p: rust_decimal::Decimal| rounded(part.view.implied(p), 6);
    let touch = quote.touch;
    Some(vec![
        ("ticker", part.contract.underlying().as_str().into()),
        ("tradeDate", moment.date().to_string().into()),
        ("expirDate", part.contract.expiry.to_string().into()),
        ("dte", ((part.contract.expiry - moment.date()).num_days() + 1).into()),
        ("strike", price(part.contract.strike())),
        ("optionSymbol", symbol.as_str().into()),
        ("optionType", part.contract.right.word().into()),
        ("stockPrice", rounded(part.view.spot(), 2)),
        ("spotPrice", rounded(part.view.spot(), 2)),
        ("volume", quote.volume.into()),
        ("openInterest", part.open_interest.into()),
        ("bidSize", touch.bid_size.into()),
        ("askSize", touch.ask_size.into()),
        ("bidPrice", price(touch.bid)),
        ("optValue", rounded(part.view.worth, 4)),
        ("askPrice", price(touch.ask)),
        ("bidIv", iv(touch.bid)),
        ("midIv", iv(touch.mid())),
        ("askIv", iv(touch.ask)),
        ("smvVol", rounded(part.view.volatility(), 6)),
        ("delta", rounded(greeks.delta, 6)),
        ("gamma", rounded(greeks.gamma, 6)),
        ("theta", rounded(greeks.theta, 6)),
        ("vega", rounded(greeks.vega, 6)),
        ("rho", rounded(greeks.rho, 6)),
        ("phi", rounded(greeks.phi, 6)),
        ("quoteDate", moment.stamp(0).into()),
        ("updatedAt", moment.stamp(2).into()),
    ])
}
