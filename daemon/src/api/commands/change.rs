//! Something else is wanted of a trade: judged on the trade as it is when its row is taken.

use std::sync::OnceLock;

use axum::response::Response;
use blotter_shared::domain::{BrokerMode, TradeId};
use blotter_shared::protocol::trades::Trade;
use serde_json::Value;

use super::super::Api;
use super::super::acting::Call;
use super::super::problem::ApiError;
use super::deed::{Deed, Stopped, under_key};
use crate::db::UserTx;
use crate::db::engine::AccountKey;
use crate::db::trades::Overrides;
use crate::trades::commands::adjust::{Side, break_even};
use crate::trades::commands::{Adjust, Close, Command, Versioned};
use crate::trades::facts::{self, Book};
use crate::trades::runtime::desk::Seen;
use crate::trades::runtime::store::Signature;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    Close(Close),
    Withdraw(Versioned),
    Adjust(Adjust),
    /// The stop goes to the entry price, whatever that is by then.
    BreakEven {
        version: i64,
        target: Side,
    },
    Protect(Versioned),
    Cancel(Versioned),
}

/// A change of a trade.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) trade: TradeId,
    pub(super) wanted: Wanted,
    pub(super) seen: &'a Seen,
    /// The request, for the audit log.
    pub(super) detail: Value,
}

impl Wanted {
    fn action(self) -> &'static str {
        match self {
            Self::Close(_) => "trade.close",
            Self::Withdraw(_) => "trade.withdraw",
            Self::Adjust(_) | Self::BreakEven { .. } => "trade.adjust",
            Self::Protect(_) => "trade.protect",
            Self::Cancel(_) => "trade.cancel",
        }
    }

    fn overrides(self) -> Overrides {
        match self {
            Self::Close(_) | Self::Adjust(_) | Self::BreakEven { .. } => Overrides::Plan,
            Self::Withdraw(_) | Self::Protect(_) | Self::Cancel(_) => Overrides::Nothing,
        }
    }

    fn command(self, trade: &facts::Trade) -> Result<Command, ApiError> {
        let id = trade.id();
        Ok(match self {
            Self::Close(close) => Command::Close(id, close),
            Self::Withdraw(seen) => Command::Withdraw(id, seen),
            Self::Adjust(adjust) => Command::Adjust(id, adjust),
            Self::BreakEven { version, target } => {
                let price = break_even(trade);
                let price = price.ok_or_else(|| ApiError::field("break_even", None, "once the entry has its price"))?;
                Command::Adjust(id, Adjust { version, stop: Side::Set(price), target })
            }
            Self::Protect(seen) => Command::Protect(id, seen),
            Self::Cancel(seen) => Command::Cancel(id, seen),
        })
    }
}

impl Change<'_> {
    /// Does it once under the key, and rings the account's loop.
    pub(super) async fn carry_out(&self, api: &Api, call: &Call) -> Result<Response, ApiError> {
        let running = Running { change: self, api, device: &call.device.0, mode: OnceLock::new() };
        let answer = under_key(api, call, &running).await?;
        if let Some(mode) = running.mode.get() {
            api.counter.ring(&call.who.0.username, *mode);
        }
        Ok(answer)
    }
}

struct Running<'a> {
    change: &'a Change<'a>,
    api: &'a Api,
    device: &'a str,
    /// Whose loop has work, once the trade was found.
    mode: OnceLock<BrokerMode>,
}

impl Deed for Running<'_> {
    type Found = (AccountKey, Book);
    type Answer = Trade;

    async fn find(&self, tx: &UserTx) -> Result<Self::Found, Stopped> {
        Ok(self.api.counter.take(tx, self.change.trade).await?)
    }

    async fn done_in(&self, tx: &UserTx, (key, book): Self::Found) -> Result<Trade, Stopped> {
        let Change { trade: id, wanted, seen, detail } = self.change;
        let _again = self.mode.set(key.mode);
        let trade = book.trades.get(id).ok_or(crate::db::DbError::NotFound)?;
        let command = wanted.command(trade)?;
        let (device, action, overrides) = (self.device, wanted.action(), wanted.overrides());
        let signature = Signature { device, action, detail, overrides };
        Ok(self.api.counter.change(tx, (&key, &book, seen), &command, &signature).await?)
    }
}
