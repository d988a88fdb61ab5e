//! Every position out. It needs no word of the broker's: the loops read what they sell.

use blotter_shared::protocol::commands::{Flatten, Flattened, PlannedSend, SendKind};
use serde_json::json;

use super::super::Api;
use super::deed::{Deed, Stopped, note};
use crate::db::UserTx;
use crate::db::engine::AccountKey;
use crate::db::trades::trade_get;
use crate::trades::commands::{Command, Drill, When};
use crate::trades::facts::Change;
use crate::trades::runtime::desk::Seen;

/// A flatten, or the drill of one.
#[derive(Debug)]
pub(super) struct Everything<'a> {
    pub(super) api: &'a Api,
    pub(super) device: &'a str,
    pub(super) wanted: Flatten,
}

impl Deed for Everything<'_> {
    type Found = ();
    type Answer = Flattened;

    async fn find(&self, _: &UserTx) -> Result<(), Stopped> {
        Ok(())
    }

    async fn done_in(&self, tx: &UserTx, (): ()) -> Result<Flattened, Stopped> {
        let counter = &self.api.counter;
        let mut done = Flattened { drill: self.wanted.drill, sends: Vec::new(), trades: Vec::new() };
        for key in counter.live_accounts(tx).await? {
            if self.wanted.mode.is_some_and(|mode| mode != key.mode) {
                continue;
            }
            let book = counter.book(tx, &key).await?;
            for drill in counter.drill(&book) {
                done.sends.push(planned(tx, &key, drill).await?);
            }
            if !self.wanted.drill {
                let accepted = counter.carry_out(tx, &key, (&book, &Seen::default()), &Command::Flatten).await?;
                self.note_all(tx, &accepted.changes, &mut done).await?;
            }
        }
        // Cancels of every account before the sales of any.
        done.sends.sort_by_key(|send| order(send.what));
        Ok(done)
    }
}

impl Everything<'_> {
    async fn note_all(&self, tx: &UserTx, changes: &[Change], done: &mut Flattened) -> Result<(), Stopped> {
        for change in changes {
            if let Change::Wish { trade, .. } = change {
                done.trades.push(*trade);
                note(tx, self.device, "trade.flatten", (*trade, &json!(self.wanted))).await?;
            }
        }
        Ok(())
    }
}

fn order(what: SendKind) -> u8 {
    match what {
        SendKind::CancelEntry | SendKind::CancelBracket => 0,
        SendKind::SellAtMarket => 1,
    }
}

async fn planned(tx: &UserTx, key: &AccountKey, drill: Drill) -> Result<PlannedSend, Stopped> {
    let (what, qty, order, when) = match &drill {
        Drill::CancelEntry { order, .. } => (SendKind::CancelEntry, None, *order, When::Now),
        Drill::CancelBracket { order, when, .. } => (SendKind::CancelBracket, None, *order, *when),
        Drill::SellAtMarket { quantity, when, .. } => (SendKind::SellAtMarket, Some(*quantity), None, *when),
    };
    let (Drill::CancelEntry { trade, symbol, .. }
    | Drill::CancelBracket { trade, symbol, .. }
    | Drill::SellAtMarket { trade, symbol, .. }) = drill;
    Ok(PlannedSend {
        what,
        trade_id: trade,
        trade_number: trade_get(tx, trade).await?.number,
        broker_mode: key.mode,
        option_symbol: symbol.to_string(),
        qty,
        order_id: order.map(|order| order.to_string()),
        waits_for_open: when == When::AtTheOpen,
    })
}
