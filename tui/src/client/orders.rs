//! What this client asks of trades, with the type of its answer.

use blotter_shared::domain::{AlarmId, TradeId};
use blotter_shared::protocol::alarms::Alarm;
use blotter_shared::protocol::commands::{
    AdjustTrade, AdoptPosition, CloseTrade, Flatten, Flattened, PlaceTrade, SeenVersion,
};
use blotter_shared::protocol::settings::{KillSwitch, Settings};
use blotter_shared::protocol::timeline::Timeline;
use blotter_shared::protocol::trades::Trade;
use http::Method;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A request about trades.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderCall {
    /// What happened to a trade.
    Timeline(TradeId),
    Ask {
        ask: Box<Ask>,
        /// Makes a repetition harmless.
        key: Uuid,
    },
}

/// Something that is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    Place(PlaceTrade),
    Adopt(AdoptPosition),
    Close(TradeId, CloseTrade),
    Withdraw(TradeId, SeenVersion),
    Adjust(TradeId, AdjustTrade),
    Protect(TradeId, SeenVersion),
    Cancel(TradeId, SeenVersion),
    Flatten(Flatten),
    Ack(AlarmId),
    StopEntries(KillSwitch),
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderAnswer {
    Timeline(Box<Timeline>),
    /// The trade as it is wanted now.
    Trade(Box<Trade>),
    Flattened(Flattened),
    Alarm(Box<Alarm>),
    Settings(Box<Settings>),
}

impl OrderCall {
    #[must_use]
    pub fn method(&self) -> Method {
        match self {
            Self::Timeline(_) => Method::GET,
            Self::Ask { ask, .. } if matches!(**ask, Ask::Withdraw(..)) => Method::DELETE,
            Self::Ask { ask, .. } if matches!(**ask, Ask::StopEntries(_)) => Method::PUT,
            Self::Ask { .. } => Method::POST,
        }
    }

    #[must_use]
    pub fn target(&self) -> String {
        let of = |id: &TradeId, deed: &str| format!("/v1/trades/{id}/{deed}");
        match self {
            Self::Timeline(id) => of(id, "timeline"),
            Self::Ask { ask, .. } => match &**ask {
                Ask::Place(_) => "/v1/trades".to_owned(),
                Ask::Adopt(_) => "/v1/positions/adopt".to_owned(),
                Ask::Close(id, _) | Ask::Withdraw(id, _) => of(id, "close"),
                Ask::Adjust(id, _) => of(id, "adjust"),
                Ask::Protect(id, _) => of(id, "protect"),
                Ask::Cancel(id, _) => of(id, "cancel"),
                Ask::Flatten(_) => "/v1/flatten".to_owned(),
                Ask::Ack(id) => format!("/v1/alarms/{id}/ack"),
                Ask::StopEntries(_) => "/v1/kill-switch".to_owned(),
            },
        }
    }

    /// The body and its key.
    ///
    /// # Errors
    /// When the body cannot be written as JSON.
    pub fn body(&self) -> Result<Option<(Vec<u8>, Uuid)>, serde_json::Error> {
        let Self::Ask { ask, key } = self else { return Ok(None) };
        let body = match &**ask {
            Ask::Place(body) => serde_json::to_vec(body)?,
            Ask::Adopt(body) => serde_json::to_vec(body)?,
            Ask::Close(_, body) => serde_json::to_vec(body)?,
            Ask::Withdraw(_, body) | Ask::Protect(_, body) | Ask::Cancel(_, body) => serde_json::to_vec(body)?,
            Ask::Adjust(_, body) => serde_json::to_vec(body)?,
            Ask::Flatten(body) => serde_json::to_vec(body)?,
            Ask::Ack(_) => b"{}".to_vec(),
            Ask::StopEntries(body) => serde_json::to_vec(body)?,
        };
        Ok(Some((body, *key)))
    }

    /// Whether it does something; a drill does not.
    #[must_use]
    pub fn is_action(&self) -> bool {
        match self {
            Self::Timeline(_) => false,
            Self::Ask { ask, .. } => !matches!(**ask, Ask::Flatten(Flatten { drill: true, .. })),
        }
    }

    /// Reads the body of a successful answer.
    ///
    /// # Errors
    /// When it is not what this call's answer looks like.
    pub fn read(&self, body: &[u8]) -> Result<OrderAnswer, serde_json::Error> {
        Ok(match self {
            Self::Timeline(_) => OrderAnswer::Timeline(serde_json::from_slice(body)?),
            Self::Ask { ask, .. } => match &**ask {
                Ask::Flatten(_) => OrderAnswer::Flattened(serde_json::from_slice(body)?),
                Ask::Ack(_) => OrderAnswer::Alarm(serde_json::from_slice(body)?),
                Ask::StopEntries(_) => OrderAnswer::Settings(serde_json::from_slice(body)?),
                Ask::Place(_) | Ask::Adopt(_) | Ask::Close(..) | Ask::Withdraw(..) => {
                    OrderAnswer::Trade(serde_json::from_slice(body)?)
                }
                Ask::Adjust(..) | Ask::Protect(..) | Ask::Cancel(..) => {
                    OrderAnswer::Trade(serde_json::from_slice(body)?)
                }
            },
        })
    }
}

impl Ask {
    /// The trade that it is about; none of what begins one or concerns several.
    #[must_use]
    pub fn trade(&self) -> Option<TradeId> {
        match self {
            Self::Close(id, _) | Self::Withdraw(id, _) | Self::Adjust(id, _) => Some(*id),
            Self::Protect(id, _) | Self::Cancel(id, _) => Some(*id),
            Self::Place(_) | Self::Adopt(_) | Self::Flatten(_) | Self::Ack(_) | Self::StopEntries(_) => None,
        }
    }

    /// What was asked for, in the past tense.
    #[must_use]
    pub fn done(&self) -> &'static str {
        match self {
            Self::Place(_) => "The order is taken; it is sent within seconds or never.",
            Self::Adopt(_) => "The position is taken up.",
            Self::Close(_, body) if body.qty.is_some() => "A part is on its way out.",
            Self::Close(_, body) if body.limit.is_some() => "The limit takes the place of the target.",
            Self::Close(_, body) if body.at_open => "It closes when the market opens.",
            Self::Close(..) => "It is on its way out.",
            Self::Withdraw(..) => "The close is taken back.",
            Self::Adjust(..) => "The bracket is being replaced.",
            Self::Protect(..) => "The bracket is being placed again.",
            Self::Cancel(..) => "The entry is being cancelled.",
            Self::Flatten(_) => "Everything is on its way out.",
            Self::Ack(_) => "Noted that you have seen it.",
            Self::StopEntries(switch) if switch.stopped => "Entries are stopped; exits go on.",
            Self::StopEntries(_) => "Entries are let in again.",
        }
    }
}

#[cfg(test)]
mod tests {
    use blotter_shared::domain::Quantity;

    use super::*;

    #[test]
    fn each_deed_has_its_route_body_and_key() {
        let (id, key) = (TradeId(Uuid::from_u128(1)), Uuid::from_u128(2));
        let close = CloseTrade { version: 3, qty: Quantity::new(1).ok(), ..CloseTrade::default() };
        let call = OrderCall::Ask { ask: Box::new(Ask::Close(id, close)), key };
        assert_eq!((call.method(), call.target()), (Method::POST, format!("/v1/trades/{id}/close")));
        let (body, used) = call.body().unwrap().unwrap();
        assert_eq!((std::str::from_utf8(&body).unwrap(), used), (r#"{"version":3,"qty":1}"#, key));
        let back = OrderCall::Ask { ask: Box::new(Ask::Withdraw(id, SeenVersion { version: 4 })), key };
        assert_eq!((back.method(), back.target()), (Method::DELETE, call.target()));
        assert!(call.is_action() && !OrderCall::Timeline(id).is_action());
    }
}
