//! What this client asks for to look at, beside the lists: a trade's price path and context, how results
//! lie, and what can be bought.

use blotter_shared::domain::TradeId;
use blotter_shared::protocol::context::TradeContext;
use blotter_shared::protocol::performance::{Spread, SpreadQuery};
use blotter_shared::protocol::prices::{Expirations, OptionChain, Series};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::calls::percent_encoded;

/// A request that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LookCall {
    /// A trade's recorded prices, in at most so many points.
    Series {
        trade: TradeId,
        width: u16,
    },
    Context(TradeId),
    Spread(SpreadQuery),
    /// What is listed for an underlying.
    Expirations {
        symbol: String,
    },
    /// So many strikes on each side of the money.
    Chain {
        symbol: String,
        expiry: NaiveDate,
        strikes: u16,
    },
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LookAnswer {
    Series(Series),
    Context(Box<TradeContext>),
    Spread(Box<Spread>),
    Expirations(Expirations),
    Chain(OptionChain),
}

impl LookCall {
    /// Path and query.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::Series { trade, width } => format!("/v1/trades/{trade}/series?width={width}"),
            Self::Context(trade) => format!("/v1/trades/{trade}/context"),
            Self::Spread(query) => spread_target(*query),
            Self::Expirations { symbol } => format!("/v1/chain/expirations?symbol={}", percent_encoded(symbol)),
            Self::Chain { symbol, expiry, strikes } => {
                format!("/v1/chain?symbol={}&expiry={expiry}&strikes={strikes}", percent_encoded(symbol))
            }
        }
    }

    /// Reads the body of a successful answer.
    ///
    /// # Errors
    /// When it is not what this call's answer looks like.
    pub fn read(&self, body: &[u8]) -> Result<LookAnswer, serde_json::Error> {
        Ok(match self {
            Self::Series { .. } => LookAnswer::Series(serde_json::from_slice(body)?),
            Self::Context(_) => LookAnswer::Context(serde_json::from_slice(body)?),
            Self::Spread(_) => LookAnswer::Spread(serde_json::from_slice(body)?),
            Self::Expirations { .. } => LookAnswer::Expirations(serde_json::from_slice(body)?),
            Self::Chain { .. } => LookAnswer::Chain(serde_json::from_slice(body)?),
        })
    }
}

fn spread_target(query: SpreadQuery) -> String {
    let period = query.period.map(|period| format!("period={period}"));
    let mode = query.mode.map(|mode| format!("mode={mode}"));
    let parts: Vec<String> = [period, mode].into_iter().flatten().collect();
    if parts.is_empty() {
        "/v1/performance/spread".to_owned()
    } else {
        format!("/v1/performance/spread?{}", parts.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_cannot_leave_its_place() {
        let symbol = "a&b=1 #".to_owned();
        let chain = LookCall::Chain { symbol, expiry: NaiveDate::default(), strikes: 8 };
        assert_eq!(chain.target(), "/v1/chain?symbol=a%26b%3D1%20%23&expiry=1970-01-01&strikes=8");
        assert_eq!(LookCall::Spread(SpreadQuery::default()).target(), "/v1/performance/spread");
    }
}
