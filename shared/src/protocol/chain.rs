//! `GET /v1/chain`: what can be bought of an underlying, at the broker of the present mode.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::OptionType;

/// Query of `GET /v1/chain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainQuery {
    /// The ticker, as in `SPY`.
    pub symbol: String,
    /// Default: the first listed one that is at least four weeks away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<NaiveDate>,
}

/// The contracts of one expiry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Chain {
    pub symbol: String,
    /// What the underlying costs, as far as it is quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub underlying: Option<Decimal>,
    /// Every listed expiry.
    pub expiries: Vec<NaiveDate>,
    pub expiry: NaiveDate,
    /// By strike, calls before puts.
    pub rows: Vec<ChainRow>,
}

/// One contract. A figure that the broker did not tell is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainRow {
    pub option_symbol: String,
    pub option_type: OptionType,
    pub strike: Decimal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bid: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iv: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_interest: Option<u64>,
}
