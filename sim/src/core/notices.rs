//! What the account stream says: one notice for each change of an order.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::ids::{AccountId, OrderId};
use super::order::{Kind, Status};
use crate::time::Ms;

/// Notices wait here until somebody takes them; nobody is owed more than this many.
const KEPT: usize = 4_096;

/// An order as it stood right after a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as in the broker's event")]
pub struct Notice {
    pub id: OrderId,
    pub parent: Option<OrderId>,
    pub account: AccountId,
    pub status: Status,
    pub kind: Option<Kind>,
    pub tag: Option<String>,
    pub price: Option<Decimal>,
    pub stop: Option<Decimal>,
    pub average: Decimal,
    pub executed: i64,
    pub last_quantity: i64,
    pub remaining: i64,
    pub created: Ms,
    pub changed: Ms,
}

impl Engine {
    /// Takes the notices that nobody took yet, oldest first.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.book.notices.drain(..).collect()
    }

    pub(super) fn notify(&mut self, id: OrderId) {
        let now = self.book.now;
        let Some(order) = self.book.orders.get(&id) else { return };
        let visible = order.price_visible(now);
        let notice = Notice {
            id,
            parent: order.parent(),
            account: order.account.clone(),
            status: order.status,
            kind: order.kind,
            tag: order.tag.clone(),
            price: order.price,
            stop: order.stop,
            average: if visible { order.average() } else { Decimal::ZERO },
            executed: if visible { order.executed } else { 0 },
            last_quantity: if visible { order.last_quantity } else { 0 },
            remaining: if order.status.is_final() { 0 } else { order.unfilled() },
            created: order.created,
            changed: order.changed,
        };
        if self.book.notices.len() >= KEPT {
            self.book.notices.pop_front();
        }
        self.book.notices.push_back(notice);
    }
}
