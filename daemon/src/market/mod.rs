//! What things are worth: one trait, several sources. The broker answers for its own market data
//! (`broker::tradier`), ORATS answers for options with greeks of its own making (`orats`). The trait
//! and its words are the broker's (`broker::market_data`), because it speaks them too.
//!
//! Invariant: a token travels in the URL at ORATS. No URL of theirs is ever logged or part of an
//! error.

pub mod orats;
pub mod sim_time;

pub use crate::broker::market_data::{
    Bar, BarsRequest, Chain, ContractTerms, Greeks, InstrumentKind, Interval, MarketData, MarketRead, Quote, Quotes,
};
