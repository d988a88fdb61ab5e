//! What this client asked of trades and has no answer to yet: shown beside what is known, never in its place.
//!
//! From the moment a question is answered with yes the row says what was asked for, and that nobody has confirmed
//! it. The answer, a refusal or a silence takes that away, and the row is what the daemon last said: there is
//! nothing to put back, because nothing was changed. A bracket that is asked for is never drawn as one.

use blotter_shared::domain::{AlarmId, Desired, Price};
use blotter_shared::protocol::commands::{AdjustTrade, CloseTrade, Flatten};
use blotter_shared::protocol::trades::Trade;
use uuid::Uuid;

use crate::client::orders::Ask;
use crate::format;

/// The questions that are under way, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    asked: Vec<(Uuid, Ask)>,
}

impl Pending {
    pub fn begin(&mut self, key: Uuid, ask: Ask) {
        self.end(key);
        self.asked.push((key, ask));
    }

    pub fn end(&mut self, key: Uuid) {
        self.asked.retain(|(known, _)| *known != key);
    }

    /// What was asked of a trade last.
    #[must_use]
    pub fn of(&self, trade: &Trade) -> Option<&Ask> {
        self.asked.iter().rev().map(|(_, ask)| ask).find(|ask| concerns(ask, trade))
    }

    /// Whether it was asked to end: whatever else is asked of it now comes too late.
    #[must_use]
    pub fn is_leaving(&self, trade: &Trade) -> bool {
        self.asked.iter().any(|(_, ask)| concerns(ask, trade) && leaves(ask))
    }

    /// Whether it is on its way to the daemon that somebody has seen this alarm.
    #[must_use]
    pub fn acks(&self, alarm: AlarmId) -> bool {
        self.asked.iter().any(|(_, ask)| *ask == Ask::Ack(alarm))
    }
}

fn concerns(ask: &Ask, trade: &Trade) -> bool {
    match ask {
        Ask::Flatten(Flatten { drill: false, mode }) => {
            trade.desired != Desired::Flat && mode.is_none_or(|mode| mode == trade.broker_mode)
        }
        Ask::Close(..) | Ask::Withdraw(..) | Ask::Adjust(..) | Ask::Protect(..) | Ask::Cancel(..) => {
            ask.trade() == Some(trade.id)
        }
        Ask::Flatten(_) | Ask::Place(_) | Ask::Adopt(_) | Ask::Ack(_) | Ask::StopEntries(_) => false,
    }
}

fn leaves(ask: &Ask) -> bool {
    match ask {
        Ask::Close(_, close) => close.qty.is_none() && close.limit.is_none(),
        Ask::Cancel(..) | Ask::Flatten(_) => true,
        Ask::Withdraw(..) | Ask::Adjust(..) | Ask::Protect(..) => false,
        Ask::Place(_) | Ask::Adopt(_) | Ask::Ack(_) | Ask::StopEntries(_) => false,
    }
}

/// The state that is asked for, with the question mark of what nobody has confirmed.
#[must_use]
pub fn state(ask: &Ask) -> &'static str {
    match ask {
        Ask::Close(..) | Ask::Flatten(_) => "CLOSING?",
        Ask::Withdraw(..) => "KEEPING?",
        Ask::Adjust(..) => "BRACKET?",
        Ask::Protect(..) => "PROTECT?",
        Ask::Cancel(..) => "CANCEL?",
        Ask::Place(_) | Ask::Adopt(_) | Ask::Ack(_) | Ask::StopEntries(_) => "ASKED?",
    }
}

/// What was asked, as the line below the row says it.
#[must_use]
pub fn sentence(trade: &Trade, ask: &Ask) -> String {
    format!("asked, not confirmed: {}", deed(trade, ask))
}

fn deed(trade: &Trade, ask: &Ask) -> String {
    match ask {
        Ask::Close(_, close) => closing(trade, close),
        Ask::Flatten(_) if trade.held_qty == 0 => "cancel the entry".to_owned(),
        Ask::Flatten(_) => format!("sell {} at the market", trade.held_qty),
        Ask::Withdraw(..) => "take the close back".to_owned(),
        Ask::Adjust(_, adjust) => changes(trade, adjust),
        Ask::Protect(..) => {
            format!("a bracket with stop {}, target {}", shown(trade.sl_price), shown(trade.tp_price))
        }
        Ask::Cancel(..) => "cancel the entry".to_owned(),
        Ask::Place(_) | Ask::Adopt(_) | Ask::Ack(_) | Ask::StopEntries(_) => ask.done().to_owned(),
    }
}

fn closing(trade: &Trade, close: &CloseTrade) -> String {
    let qty = close.qty.map_or(trade.held_qty, blotter_shared::domain::Quantity::get);
    let price = close.limit.map_or("at the market".to_owned(), |limit| format!("at {}", format::price(limit.value())));
    let when = if close.at_open { ", at the open" } else { "" };
    format!("sell {qty} {price}{when}")
}

/// The sides of a bracket that change, from what to what.
#[must_use]
pub fn changes(trade: &Trade, adjust: &AdjustTrade) -> String {
    let side = |name: &str, was: Option<Price>, wanted: Option<Option<Price>>| {
        wanted.map(|wanted| format!("{name} {} → {}", shown(was), shown(wanted)))
    };
    let even = adjust.break_even.then(|| format!("stop {} → the entry price", shown(trade.sl_price)));
    let stop = even.or_else(|| side("stop", trade.sl_price, adjust.new_sl));
    let target = side("target", trade.tp_price, adjust.new_tp);
    stop.into_iter().chain(target).collect::<Vec<_>>().join(", ")
}

fn shown(price: Option<Price>) -> String {
    price.map_or_else(|| "none".to_owned(), |price| format::price(price.value()))
}
