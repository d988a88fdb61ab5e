//! What devices ask of trades: place, close, adjust, protect, cancel, adopt, flatten.
//!
//! Whoever changes a trade names the `version` that it saw. An answer is the trade as it is wanted
//! from then on; what becomes of it comes as events.

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::domain::values::words;
use crate::domain::{BrokerMode, Price, Quantity, TradeId, TradeNumber};
use crate::protocol::problem::FieldError;

/// `POST /v1/trades`: buys a call or a put to open, with its stop and target. Also the JSON signal
/// of a scanner (`blotter place`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceTrade {
    /// The OCC symbol, as in `NVDA260320C00150000`.
    pub option_symbol: String,
    pub qty: Quantity,
    /// The most to pay for one; absent: at the market.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Price>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sl_price: Option<Price>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tp_price: Option<Price>,
    /// It is to have no stop: said aloud, because an entry without one is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_stop: bool,
    #[serde(flatten)]
    pub story: Story,
}

/// `POST /v1/positions/adopt`: a position that no trade holds becomes one, at the cost that the
/// broker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdoptPosition {
    pub option_symbol: String,
    /// What the account holds of it: said, so that nobody adopts what he did not look at.
    pub qty: Quantity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sl_price: Option<Price>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tp_price: Option<Price>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
}

/// Where a trade comes from: kept with it, never read by the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Story {
    /// At most 60 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card_score: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_score: Option<Decimal>,
    /// At most 20 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_verdict: Option<String>,
    /// At most 20 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate_verdict: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technical_score: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentiment_score: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_reasoning_log: Option<Value>,
}

impl Story {
    /// Checks every field against what is kept of it.
    ///
    /// # Errors
    /// One entry for each field that is out of bounds.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let texts = [
            ("strategy", &self.strategy, 60),
            ("ai_verdict", &self.ai_verdict, 20),
            ("gate_verdict", &self.gate_verdict, 20),
        ];
        let scores = [
            ("card_score", self.card_score),
            ("ai_score", self.ai_score),
            ("technical_score", self.technical_score),
            ("sentiment_score", self.sentiment_score),
        ];
        let long = texts.into_iter().filter_map(|(field, text, most)| {
            let text = text.as_ref().filter(|text| text.chars().count() > most)?;
            Some(error(field, text.chars().take(most).collect(), format!("at most {most} characters")))
        });
        let large = scores.into_iter().filter_map(|(field, score)| {
            let score = score.filter(|score| score.abs() >= SCORE_MAX)?;
            Some(error(field, score.to_string(), format!("a number below {SCORE_MAX}")))
        });
        let errors: Vec<FieldError> = long.chain(large).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// What the columns of scores hold.
const SCORE_MAX: Decimal = Decimal::from_parts(100_000_000, 0, 0, false, 0);

fn error(field: &str, value: String, rule: String) -> FieldError {
    FieldError { field: field.to_owned(), value: Some(value), rule }
}

/// `POST /v1/trades/{id}/close`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseTrade {
    pub version: i64,
    /// A part; absent: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty: Option<Quantity>,
    /// Rests beside the stop until it fills; absent: at the market.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Price>,
    /// While the market is closed: wait for the open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_open: bool,
}

/// `POST /v1/trades/{id}/adjust`: `null` removes a side, an absent field keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustTrade {
    pub version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    #[schemars(with = "Option<Price>")]
    pub new_sl: Option<Option<Price>>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    #[schemars(with = "Option<Price>")]
    pub new_tp: Option<Option<Price>>,
    /// The stop goes to the entry price, brought down to the price grid.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub break_even: bool,
}

/// A field that is there, be it `null`.
fn said<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Option<Price>>, D::Error> {
    Option::<Price>::deserialize(reader).map(Some)
}

/// A change that needs nothing but the version that was seen: protect, cancel, withdraw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeenVersion {
    pub version: i64,
}

/// `POST /v1/flatten`: every position out and every entry cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flatten {
    /// Change nothing: say what would be sent, in that order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drill: bool,
    /// Only the account of this world; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<BrokerMode>,
}

words! {
    /// What would be sent.
    SendKind {
        CancelEntry = "cancel_entry",
        CancelBracket = "cancel_bracket",
        SellAtMarket = "sell_at_market",
    }
}

/// One order or cancel of a flatten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedSend {
    pub what: SendKind,
    pub trade_id: TradeId,
    pub trade_number: TradeNumber,
    pub broker_mode: BrokerMode,
    pub option_symbol: String,
    /// Of a sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty: Option<Quantity>,
    /// The broker's number of what is cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// The market of this contract is closed: it is sent at the open. Some contracts trade longer than others.
    #[serde(default)]
    pub waits_for_open: bool,
}

/// The answer to `POST /v1/flatten`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flattened {
    /// Whether nothing was changed.
    pub drill: bool,
    /// What is sent, in this order, as things stood.
    pub sends: Vec<PlannedSend>,
    /// The trades that are on their way out because of this request; none of a drill.
    pub trades: Vec<TradeId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    #[test]
    fn null_removes_and_absent_keeps() {
        let read = |text: &str| serde_json::from_str::<AdjustTrade>(text).unwrap();
        assert_eq!(read(r#"{"version":1}"#).new_sl, None);
        assert_eq!(read(r#"{"version":1,"new_sl":null}"#).new_sl, Some(None));
        let both = read(r#"{"version":1,"new_sl":"4.10","new_tp":null}"#);
        assert_eq!((both.new_sl, both.new_tp), (Some(Some(price("4.10"))), Some(None)));
        assert_eq!(serde_json::to_string(&both).unwrap(), r#"{"version":1,"new_sl":"4.10","new_tp":null}"#);
    }

    #[test]
    fn a_signal_is_read_with_its_story_and_nothing_else() {
        let text =
            r#"{"option_symbol":"SPY261218C00600000","qty":2,"sl_price":"1.20","strategy":"breakout","ai_score":87.5}"#;
        let signal: PlaceTrade = serde_json::from_str(text).unwrap();
        assert_eq!(signal.story.strategy.as_deref(), Some("breakout"));
        assert_eq!(signal.story.ai_score, Some(Decimal::new(875, 1)));
        assert_eq!((signal.limit, signal.no_stop), (None, false));
        assert!(serde_json::from_str::<PlaceTrade>(r#"{"option_symbol":"X","qty":0}"#).is_err());
        let error = serde_json::from_str::<PlaceTrade>(r#"{"option_symbol":"X","qty":1,"stop":"1"}"#).unwrap_err();
        assert!(error.to_string().contains("stop"), "{error}");
    }

    #[test]
    fn a_story_that_is_too_long_is_named() {
        let story = Story { strategy: Some("s".repeat(61)), ai_score: Some(SCORE_MAX), ..Story::default() };
        let errors = story.validate().unwrap_err();
        assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["strategy", "ai_score"]);
        assert_eq!(Story::default().validate(), Ok(()));
    }
}
