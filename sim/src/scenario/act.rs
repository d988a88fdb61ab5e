//! What a script can do. The same acts are open to tests at `POST /__sim/do`.

use serde::{Deserialize, Serialize};

use crate::core::{AccountId, Side};
use crate::faults::Fault;

/// The verb of an act.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActKind {
    /// Puts a fault in force: `fault`.
    Fault,
    /// Lifts all faults.
    ClearFaults,
    /// Moves `symbol` by `percent`, or to `price`, over `over_ms`. A contract is moved by its underlying.
    Price,
    /// Pins the market of `symbol` at `bid` and `ask` for `for_ms`.
    Pin,
    /// Moves the market so that the bracket's target is reached within `over_ms`.
    ReachTarget,
    /// Moves the market so that the bracket's stop is reached within `over_ms`.
    ReachStop,
    /// The broker cancels the bracket (or `order`), unasked, with `reason`.
    Vanish,
    /// The broker cancels every bracket of the account.
    CancelBrackets,
    /// The account's orders stay out of its lists for `for_ms`.
    HideOrders,
    /// Somebody else trades `quantity` of `symbol` in the account: `side`.
    OutsideTrade,
    /// A position moves without an order: `quantity` of `symbol`, for `reason`.
    MovePosition,
    /// The account goes back to its first day.
    Wipe,
    /// Turns knobs of the engine: `settings`.
    Settings,
    /// Moves the clock forward by `over_ms`.
    Skip,
}

/// What an act can wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// An OCO works.
    BracketOpen,
    /// An order or leg is filled.
    OrderFilled,
    /// An order or group was taken in.
    OrderPlaced,
}

/// One act. Which fields count depends on the verb. Without `at`, `after` and `when` it is done at once.
///
/// `at` is a minute of New York's day (`HH:MM`), each day; `after` a time (`500ms`, `40s`, `2m`, `1h`) from the start,
/// or from the `nth` happening of what `when` waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is explained where its verb is")]
pub struct Act {
    #[serde(rename = "do")]
    pub kind: ActKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bid: Option<rust_decimal::Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<rust_decimal::Decimal>,
    #[serde(default)]
    pub over_ms: i64,
    #[serde(default)]
    pub for_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Act {
    /// Whether it is done at once.
    pub(crate) fn is_immediate(&self) -> bool {
        self.at.is_none() && self.after.is_none() && self.when.is_none()
    }

    /// What is wrong with it, if anything; the message begins with the key.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(missing) = self.missing() {
            return Err(format!("{missing}: is needed by do = {:?}", self.kind));
        }
        if self.after.as_deref().is_some_and(|a| super::play::parse_span(a).is_none()) {
            return Err("after: expected a time such as 500ms, 40s, 2m, 1h".to_owned());
        }
        if self.at.as_deref().is_some_and(|a| super::play::parse_minute(a).is_none()) {
            return Err("at: expected HH:MM".to_owned());
        }
        self.fault.as_ref().map_or(Ok(()), Fault::check)
    }

    /// The field that the verb needs and the act lacks.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        let need = |present: bool, name| (!present).then_some(name);
        match self.kind {
            ActKind::Fault => need(self.fault.is_some(), "fault"),
            ActKind::Price => need(self.symbol.is_some(), "symbol")
                .or(need(self.percent.is_some() || self.price.is_some(), "percent")),
            ActKind::Pin => need(self.symbol.is_some(), "symbol")
                .or(need(self.bid.is_some(), "bid"))
                .or(need(self.ask.is_some(), "ask")),
            ActKind::OutsideTrade => need(self.symbol.is_some(), "symbol").or(need(self.side.is_some(), "side")),
            ActKind::MovePosition => {
                need(self.symbol.is_some(), "symbol").or(need(self.quantity.is_some(), "quantity"))
            }
            ActKind::Settings => need(self.settings.is_some(), "settings"),
            ActKind::Skip => need(self.over_ms > 0, "over_ms"),
            ActKind::ClearFaults | ActKind::ReachTarget | ActKind::ReachStop | ActKind::Vanish => None,
            ActKind::CancelBrackets | ActKind::HideOrders | ActKind::Wipe => None,
        }
    }
}
