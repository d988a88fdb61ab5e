//! The JSON of ORATS, field by field. All but the contract's terms may be missing: older rows have
//! fewer fields, and a derived row has no quotes.

use serde::Deserialize;

use crate::broker::tradier::num::{Num, OptNum};
use crate::broker::tradier::shape::{Text, Values};

#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    pub(super) data: Vec<T>,
}

/// One strike of one expiry: call and put in one row.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StrikeRow {
    pub(super) ticker: String,
    pub(super) expir_date: String,
    pub(super) strike: Num,
    #[serde(default)]
    pub(super) call_volume: OptNum,
    #[serde(default)]
    pub(super) call_open_interest: OptNum,
    #[serde(default)]
    pub(super) call_bid_size: OptNum,
    #[serde(default)]
    pub(super) call_ask_size: OptNum,
    #[serde(default)]
    pub(super) call_bid_price: OptNum,
    #[serde(default)]
    pub(super) call_ask_price: OptNum,
    #[serde(default)]
    pub(super) call_bid_iv: OptNum,
    #[serde(default)]
    pub(super) call_mid_iv: OptNum,
    #[serde(default)]
    pub(super) call_ask_iv: OptNum,
    #[serde(default)]
    pub(super) put_volume: OptNum,
    #[serde(default)]
    pub(super) put_open_interest: OptNum,
    #[serde(default)]
    pub(super) put_bid_size: OptNum,
    #[serde(default)]
    pub(super) put_ask_size: OptNum,
    #[serde(default)]
    pub(super) put_bid_price: OptNum,
    #[serde(default)]
    pub(super) put_ask_price: OptNum,
    #[serde(default)]
    pub(super) put_bid_iv: OptNum,
    #[serde(default)]
    pub(super) put_mid_iv: OptNum,
    #[serde(default)]
    pub(super) put_ask_iv: OptNum,
    #[serde(default)]
    pub(super) smv_vol: OptNum,
    #[serde(default)]
    pub(super) delta: OptNum,
    #[serde(default)]
    pub(super) gamma: OptNum,
    #[serde(default)]
    pub(super) theta: OptNum,
    #[serde(default)]
    pub(super) vega: OptNum,
    #[serde(default)]
    pub(super) rho: OptNum,
    #[serde(default)]
    pub(super) phi: OptNum,
    #[serde(default)]
    pub(super) quote_date: Text,
    #[serde(default)]
    pub(super) updated_at: Text,
    /// `am` or `pm` where both expire on one date.
    #[serde(default)]
    pub(super) expiry_tod: Text,
}

/// One contract.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OptionRow {
    pub(super) option_symbol: String,
    #[serde(default)]
    pub(super) ticker: Text,
    #[serde(default)]
    pub(super) volume: OptNum,
    #[serde(default)]
    pub(super) open_interest: OptNum,
    #[serde(default)]
    pub(super) bid_price: OptNum,
    #[serde(default)]
    pub(super) ask_price: OptNum,
    #[serde(default)]
    pub(super) bid_size: OptNum,
    #[serde(default)]
    pub(super) ask_size: OptNum,
    #[serde(default)]
    pub(super) bid_iv: OptNum,
    #[serde(default)]
    pub(super) mid_iv: OptNum,
    #[serde(default)]
    pub(super) ask_iv: OptNum,
    #[serde(default)]
    pub(super) smv_vol: OptNum,
    #[serde(default)]
    pub(super) delta: OptNum,
    #[serde(default)]
    pub(super) gamma: OptNum,
    #[serde(default)]
    pub(super) theta: OptNum,
    #[serde(default)]
    pub(super) vega: OptNum,
    #[serde(default)]
    pub(super) rho: OptNum,
    #[serde(default)]
    pub(super) phi: OptNum,
    #[serde(default)]
    pub(super) quote_date: Text,
    #[serde(default)]
    pub(super) updated_at: Text,
}

/// Dates, plain or as objects when strikes were asked for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ExpirationRow {
    Plain(String),
    Full {
        #[serde(alias = "expirDate", alias = "expiration")]
        date: String,
    },
    Several {
        expirations: Values,
    },
}
