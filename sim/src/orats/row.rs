//! A chain's row: one strike, its call and its put.

use chrono::NaiveDate;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;

use super::Row;
use crate::core::{Contract, Right, Symbol};
use crate::market::{Expiration, Market, OptionPart, Quote};
use crate::time::{Ms, SECOND};

/// The moment that rows are about, and how it is stamped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) seen: Ms,
    pub(crate) now: Ms,
}

impl Moment {
    pub(crate) fn new(seen: Ms, now: Ms) -> Self {
        Self { seen, now }
    }

    pub(crate) fn date(&self) -> NaiveDate {
        self.seen.date()
    }

    /// A time in UTC without fractions, so many seconds later, never after now.
    pub(crate) fn stamp(&self, seconds: i64) -> String {
        self.seen.plus(seconds * SECOND).min(self.now).utc().format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// A number with so many digits.
pub(crate) fn rounded(value: f64, digits: u32) -> Value {
    crate::market::figure(value, digits).to_f64().map_or(Value::Null, Value::from)
}

/// The row of one strike, `None` when it is not listed or over.
pub(crate) fn row(
    market: &mut Market,
    ticker: &Symbol,
    (root, expiration, strike_mils): (&str, Expiration, u32),
    moment: &Moment,
) -> Option<Row> {
    let contract = |right| Contract { root: root.to_owned(), expiry: expiration.date, right, strike_mils };
    let call = market.quote(&contract(Right::Call).occ(), moment.seen)?;
    let put = market.quote(&contract(Right::Put).occ(), moment.seen)?;
    let (c, p) = (call.option.as_ref()?, put.option.as_ref()?);
    let greeks = c.view.greeks();
    let vol = rounded(c.view.volatility(), 6);
    let morning = root == ticker.as_str() && expiration.monthly && matches!(root, "SPX" | "NDX" | "RUT" | "VIX");
    let mut row: Row = vec![
        ("ticker", ticker.as_str().into()),
        ("tradeDate", moment.date().to_string().into()),
        ("expirDate", expiration.date.to_string().into()),
        ("dte", ((expiration.date - moment.date()).num_days() + 1).into()),
        ("strike", rounded(f64::from(strike_mils) / 1_000.0, 3)),
        ("stockPrice", rounded(c.view.spot(), 2)),
    ];
    row.extend(side(["callVolume", "callOpenInterest", "callBidSize", "callAskSize"], &call, c));
    row.extend(side(["putVolume", "putOpenInterest", "putBidSize", "putAskSize"], &put, p));
    row.extend(prices(["callBidPrice", "callValue", "callAskPrice"], &call, c));
    row.extend(prices(["putBidPrice", "putValue", "putAskPrice"], &put, p));
    row.extend(implied(["callBidIv", "callMidIv", "callAskIv"], &call, c));
    row.push(("smvVol", vol.clone()));
    row.extend(implied(["putBidIv", "putMidIv", "putAskIv"], &put, p));
    row.extend([
        ("residualRate", rounded(0.0, 4)),
        ("delta", rounded(greeks.delta, 6)),
        ("gamma", rounded(greeks.gamma, 6)),
        ("theta", rounded(greeks.theta, 6)),
        ("vega", rounded(greeks.vega, 6)),
        ("rho", rounded(greeks.rho, 6)),
        ("phi", rounded(greeks.phi, 6)),
        ("driftlessTheta", rounded(greeks.theta, 6)),
        ("callSmvVol", vol.clone()),
        ("putSmvVol", vol.clone()),
        ("extSmvVol", vol),
        ("extCallValue", rounded(c.view.worth, 4)),
        ("extPutValue", rounded(p.view.worth, 4)),
        ("spotPrice", rounded(c.view.spot(), 2)),
        ("quoteDate", moment.stamp(0).into()),
        ("updatedAt", moment.stamp(2).into()),
        ("snapShotEstTime", moment.seen.et().format("%H%M").to_string().into()),
        ("snapShotDate", moment.stamp(1).into()),
        ("expiryTod", if morning { "am" } else { "pm" }.into()),
    ]);
    Some(row)
}

fn side(names: [&'static str; 4], q: &Quote, o: &OptionPart) -> [(&'static str, Value); 4] {
    let [volume, interest, bid, ask] = names;
    [
        (volume, q.volume.into()),
        (interest, o.open_interest.into()),
        (bid, q.touch.bid_size.into()),
        (ask, q.touch.ask_size.into()),
    ]
}

fn prices(names: [&'static str; 3], q: &Quote, o: &OptionPart) -> [(&'static str, Value); 3] {
    let [bid, value, ask] = names;
    let price = |p: rust_decimal::Decimal| p.to_f64().map_or(Value::Null, Value::from);
    [(bid, price(q.touch.bid)), (value, rounded(o.view.worth, 4)), (ask, price(q.touch.ask))]
}

/// Implied volatilities; 0 where there is none.
fn implied(names: [&'static str; 3], q: &Quote, o: &OptionPart) -> [(&'static str, Value); 3] {
    let [bid, mid, ask] = names;
    let iv = |p: rust_decimal::Decimal| rounded(o.view.implied(p), 6);
    [(bid, iv(q.touch.bid)), (mid, iv(q.touch.mid())), (ask, iv(q.touch.ask))]
}
