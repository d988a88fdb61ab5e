//! The broker's JSON, field by field, as it is on the wire. What is not here is not read. Nothing
//! is decided here; `convert` turns it into the vocabulary.
//!
//! A field without `default` must be there: its absence means that this is another kind of answer.

use std::borrow::Cow;

use serde::Deserialize;

use super::num::{Num, OptNum};
use super::shape::{Many, Maybe, Numbers, Text, Values, Word};

#[derive(Debug, Deserialize)]
pub(crate) struct OrdersEnvelope {
    pub(crate) orders: Maybe<OrdersPage>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OrdersPage {
    #[serde(default)]
    pub(crate) order: Many<WireOrder>,
    #[serde(default)]
    pub(crate) total_pages: OptNum,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OrderEnvelope {
    pub(crate) order: WireOrder,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireOrder {
    pub(crate) id: Num,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) class: Text,
    #[serde(default)]
    pub(crate) symbol: Text,
    #[serde(default)]
    pub(crate) option_symbol: Text,
    #[serde(default)]
    pub(crate) side: Text,
    #[serde(default, rename = "type")]
    pub(crate) order_type: Text,
    #[serde(default)]
    pub(crate) duration: Text,
    #[serde(default)]
    pub(crate) quantity: OptNum,
    #[serde(default)]
    pub(crate) price: OptNum,
    #[serde(default)]
    pub(crate) stop_price: OptNum,
    #[serde(default)]
    pub(crate) avg_fill_price: OptNum,
    #[serde(default)]
    pub(crate) exec_quantity: OptNum,
    #[serde(default)]
    pub(crate) last_fill_price: OptNum,
    #[serde(default)]
    pub(crate) last_fill_quantity: OptNum,
    #[serde(default)]
    pub(crate) remaining_quantity: OptNum,
    #[serde(default)]
    pub(crate) tag: Text,
    #[serde(default)]
    pub(crate) reason_description: Text,
    #[serde(default)]
    pub(crate) errors: Maybe<WireErrors>,
    #[serde(default)]
    pub(crate) create_date: Text,
    #[serde(default)]
    pub(crate) transaction_date: Text,
    #[serde(default)]
    pub(crate) leg: Many<WireOrder, 16>,
}

/// `{"error": "…"}` or `{"error": ["…", "…"]}`.
#[derive(Debug, Deserialize)]
pub(crate) struct WireErrors {
    #[serde(default)]
    pub(crate) error: Values,
}

/// What answers to a write, a refusal and a gateway fault look like: one shape that holds them all,
/// because any of them may come with any status.
#[derive(Debug, Deserialize)]
pub(crate) struct AckEnvelope {
    #[serde(default)]
    pub(crate) order: Maybe<WireAck>,
    #[serde(default)]
    pub(crate) errors: Maybe<WireErrors>,
    #[serde(default)]
    pub(crate) fault: Maybe<WireFault>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireAck {
    #[serde(default)]
    pub(crate) id: OptNum,
    #[serde(default)]
    pub(crate) status: Text,
    #[serde(default)]
    pub(crate) errors: Maybe<WireErrors>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireFault {
    #[serde(default)]
    pub(crate) faultstring: Text,
    #[serde(default)]
    pub(crate) detail: Maybe<WireFaultDetail>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireFaultDetail {
    #[serde(default)]
    pub(crate) errorcode: Text,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PositionsEnvelope {
    pub(crate) positions: Maybe<WirePositions>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WirePositions {
    #[serde(default)]
    pub(crate) position: Many<WirePosition>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WirePosition {
    #[serde(default)]
    pub(crate) id: OptNum,
    pub(crate) symbol: String,
    pub(crate) quantity: Num,
    #[serde(default)]
    pub(crate) cost_basis: OptNum,
    #[serde(default)]
    pub(crate) date_acquired: Text,
}

#[derive(Debug, Deserialize)]
pub(crate) struct BalancesEnvelope {
    pub(crate) balances: WireBalances,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireBalances {
    #[serde(default)]
    pub(crate) account_number: Text,
    pub(crate) account_type: String,
    pub(crate) total_equity: Num,
    pub(crate) total_cash: Num,
    #[serde(default)]
    pub(crate) market_value: OptNum,
    #[serde(default)]
    pub(crate) open_pl: OptNum,
    #[serde(default)]
    pub(crate) close_pl: OptNum,
    #[serde(default)]
    pub(crate) pending_orders_count: OptNum,
    #[serde(default)]
    pub(crate) margin: Maybe<WireBuyingPower>,
    #[serde(default)]
    pub(crate) pdt: Maybe<WireBuyingPower>,
    #[serde(default)]
    pub(crate) cash: Maybe<WireCash>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireBuyingPower {
    #[serde(default)]
    pub(crate) option_buying_power: OptNum,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireCash {
    #[serde(default)]
    pub(crate) cash_available: OptNum,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ProfileEnvelope {
    pub(crate) profile: WireProfile,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireProfile {
    #[serde(default)]
    pub(crate) id: Text,
    #[serde(default)]
    pub(crate) name: Text,
    #[serde(default)]
    pub(crate) account: Many<WireAccount, 256>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireAccount {
    pub(crate) account_number: String,
    #[serde(default)]
    pub(crate) classification: Text,
    #[serde(default, rename = "type")]
    pub(crate) account_type: Text,
    #[serde(default)]
    pub(crate) status: Text,
    #[serde(default)]
    pub(crate) option_level: OptNum,
    #[serde(default)]
    pub(crate) day_trader: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ClockEnvelope {
    pub(crate) clock: WireClock,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireClock {
    pub(crate) date: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) description: Text,
    #[serde(default)]
    pub(crate) timestamp: OptNum,
    #[serde(default)]
    pub(crate) next_change: Text,
    #[serde(default)]
    pub(crate) next_state: Text,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CalendarEnvelope {
    pub(crate) calendar: WireCalendar,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireCalendar {
    pub(crate) days: Maybe<WireDays>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireDays {
    #[serde(default)]
    pub(crate) day: Many<WireDay>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireDay {
    pub(crate) date: String,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) description: Text,
    #[serde(default)]
    pub(crate) open: Maybe<WireHours>,
    #[serde(default)]
    pub(crate) premarket: Maybe<WireHours>,
    #[serde(default)]
    pub(crate) postmarket: Maybe<WireHours>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireHours {
    pub(crate) start: String,
    pub(crate) end: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct HistoryEnvelope {
    pub(crate) history: Maybe<WireHistory>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireHistory {
    #[serde(default)]
    pub(crate) event: Many<WireEvent>,
    #[serde(default)]
    pub(crate) day: Many<WireBar, 65_536>,
}

/// An entry of the account's history; the details are in an object named like its type.
#[derive(Debug, Deserialize)]
pub(crate) struct WireEvent {
    pub(crate) amount: Num,
    #[serde(default)]
    pub(crate) date: Text,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default, alias = "option", alias = "journal", alias = "adjustment", alias = "dividend", alias = "fee")]
    #[serde(alias = "interest", alias = "ach", alias = "wire", alias = "check", alias = "transfer", alias = "tax")]
    pub(crate) trade: Maybe<WireEventDetail>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireEventDetail {
    #[serde(default)]
    pub(crate) commission: OptNum,
    #[serde(default)]
    pub(crate) description: Text,
    #[serde(default)]
    pub(crate) price: OptNum,
    #[serde(default)]
    pub(crate) quantity: OptNum,
    #[serde(default)]
    pub(crate) symbol: Text,
    #[serde(default, alias = "option_type")]
    pub(crate) trade_type: Text,
}

#[derive(Debug, Deserialize)]
pub(crate) struct QuotesEnvelope<'a> {
    #[serde(borrow)]
    pub(crate) quotes: Maybe<WireQuotes<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireQuotes<'a> {
    #[serde(default, borrow)]
    pub(crate) quote: Many<WireQuote<'a>>,
    #[serde(default)]
    pub(crate) unmatched_symbols: Maybe<WireUnmatched>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireUnmatched {
    #[serde(default)]
    pub(crate) symbol: Values,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChainEnvelope<'a> {
    #[serde(borrow)]
    pub(crate) options: Maybe<WireChain<'a>>,
}

/// Rows of a chain past which it is none: as many as its longest answer holds.
pub(crate) const MOST_ROWS: usize = 16_384;

#[derive(Debug, Deserialize)]
pub(crate) struct WireChain<'a> {
    #[serde(default, borrow)]
    pub(crate) option: Many<WireQuote<'a>, MOST_ROWS>,
}

/// A quote, or a row of a chain. Its texts stay where they are: a chain has tens of thousands.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireQuote<'a> {
    #[serde(borrow)]
    pub(crate) symbol: Cow<'a, str>,
    #[serde(default, borrow, rename = "type")]
    pub(crate) kind: Word<'a>,
    #[serde(default)]
    pub(crate) bid: OptNum,
    #[serde(default)]
    pub(crate) ask: OptNum,
    #[serde(default)]
    pub(crate) last: OptNum,
    #[serde(default)]
    pub(crate) bidsize: OptNum,
    #[serde(default)]
    pub(crate) asksize: OptNum,
    #[serde(default)]
    pub(crate) bid_date: OptNum,
    #[serde(default)]
    pub(crate) ask_date: OptNum,
    #[serde(default)]
    pub(crate) trade_date: OptNum,
    #[serde(default)]
    pub(crate) open: OptNum,
    #[serde(default)]
    pub(crate) high: OptNum,
    #[serde(default)]
    pub(crate) low: OptNum,
    #[serde(default)]
    pub(crate) close: OptNum,
    #[serde(default)]
    pub(crate) prevclose: OptNum,
    #[serde(default)]
    pub(crate) volume: OptNum,
    #[serde(default, borrow)]
    pub(crate) underlying: Word<'a>,
    #[serde(default, borrow)]
    pub(crate) root_symbol: Word<'a>,
    #[serde(default)]
    pub(crate) strike: OptNum,
    #[serde(default)]
    pub(crate) open_interest: OptNum,
    #[serde(default)]
    pub(crate) contract_size: OptNum,
    #[serde(default, borrow)]
    pub(crate) expiration_date: Word<'a>,
    #[serde(default, borrow)]
    pub(crate) expiration_type: Word<'a>,
    #[serde(default, borrow)]
    pub(crate) option_type: Word<'a>,
    #[serde(default, borrow)]
    pub(crate) greeks: Maybe<WireGreeks<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireGreeks<'a> {
    #[serde(default)]
    pub(crate) delta: OptNum,
    #[serde(default)]
    pub(crate) gamma: OptNum,
    #[serde(default)]
    pub(crate) theta: OptNum,
    #[serde(default)]
    pub(crate) vega: OptNum,
    #[serde(default)]
    pub(crate) rho: OptNum,
    #[serde(default)]
    pub(crate) phi: OptNum,
    #[serde(default)]
    pub(crate) bid_iv: OptNum,
    #[serde(default)]
    pub(crate) mid_iv: OptNum,
    #[serde(default)]
    pub(crate) ask_iv: OptNum,
    #[serde(default)]
    pub(crate) smv_vol: OptNum,
    #[serde(default, borrow)]
    pub(crate) updated_at: Word<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ExpirationsEnvelope {
    pub(crate) expirations: Maybe<WireExpirations>,
}

/// Plain dates, or objects when a flag asked for more.
#[derive(Debug, Deserialize)]
pub(crate) struct WireExpirations {
    #[serde(default)]
    pub(crate) date: Values,
    #[serde(default)]
    pub(crate) expiration: Many<WireExpiration>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireExpiration {
    pub(crate) date: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StrikesEnvelope {
    pub(crate) strikes: Maybe<WireStrikes>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireStrikes {
    #[serde(default)]
    pub(crate) strike: Numbers,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SeriesEnvelope {
    pub(crate) series: Maybe<WireSeries>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireSeries {
    #[serde(default)]
    pub(crate) data: Many<WireBar, 65_536>,
}

/// A bar of `timesales` (`time`) or of `history` (`date`).
#[derive(Debug, Deserialize)]
pub(crate) struct WireBar {
    #[serde(alias = "date")]
    pub(crate) time: String,
    #[serde(default)]
    pub(crate) open: OptNum,
    #[serde(default)]
    pub(crate) high: OptNum,
    #[serde(default)]
    pub(crate) low: OptNum,
    #[serde(default)]
    pub(crate) close: OptNum,
    #[serde(default)]
    pub(crate) volume: OptNum,
    #[serde(default)]
    pub(crate) vwap: OptNum,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SessionEnvelope {
    pub(crate) stream: WireSession,
}

#[derive(Deserialize)]
pub(crate) struct WireSession {
    pub(crate) url: String,
    pub(crate) sessionid: String,
}

/// A session id opens a stream: it is not shown.
impl std::fmt::Debug for WireSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireSession").finish_non_exhaustive()
    }
}

/// A frame of the account stream. Everything but the kind is optional: a frame is a hint.
#[derive(Debug, Deserialize)]
pub(crate) struct WireFrame {
    #[serde(default)]
    pub(crate) event: Text,
    #[serde(default)]
    pub(crate) id: OptNum,
    #[serde(default)]
    pub(crate) parent_id: OptNum,
    #[serde(default)]
    pub(crate) status: Text,
    #[serde(default)]
    pub(crate) error: Text,
}
