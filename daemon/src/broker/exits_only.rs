//! An account that lets nothing in: what is held there is looked after, and nothing is bought. The
//! second lock on real money, where no caller can forget it.

use std::sync::Arc;

use blotter_shared::domain::BrokerMode;
use tokio::sync::watch;

use super::{
    AccountId, AccountStatus, Balances, Broker, Change, HistoryEvent, HistoryRange, MarketClock, MarketDay, NewOrder,
    NotSent, Order, OrderId, OrderList, OrderScope, Position, Priority, Profile, Read, Send, Shape, TradeSide, Write,
    WriteOutcome,
};

/// Passes on everything but orders that open a position.
#[derive(Debug)]
pub struct ExitsOnly {
    pub account: Arc<dyn Broker>,
}

impl Broker for ExitsOnly {
    fn mode(&self) -> BrokerMode {
        self.account.mode()
    }

    fn account(&self) -> &AccountId {
        self.account.account()
    }

    fn status(&self) -> watch::Receiver<AccountStatus> {
        self.account.status()
    }

    fn profile(&self, priority: Priority) -> Read<'_, Profile> {
        self.account.profile(priority)
    }

    fn balances(&self, priority: Priority) -> Read<'_, Balances> {
        self.account.balances(priority)
    }

    fn positions(&self, priority: Priority) -> Read<'_, Vec<Position>> {
        self.account.positions(priority)
    }

    fn orders(&self, scope: OrderScope, priority: Priority) -> Read<'_, OrderList> {
        self.account.orders(scope, priority)
    }

    fn order(&self, id: OrderId, priority: Priority) -> Read<'_, Order> {
        self.account.order(id, priority)
    }

    fn history(&self, range: HistoryRange, priority: Priority) -> Read<'_, Vec<HistoryEvent>> {
        self.account.history(range, priority)
    }

    fn clock(&self, priority: Priority) -> Read<'_, MarketClock> {
        self.account.clock(priority)
    }

    fn calendar(&self, year: i32, month: u32, priority: Priority) -> Read<'_, Vec<MarketDay>> {
        self.account.calendar(year, month, priority)
    }

    fn place<'a>(&'a self, order: &'a NewOrder, send: Send) -> Write<'a> {
        if opens(order.shape()) {
            return Box::pin(async { WriteOutcome::NotSent { proof: NotSent::Locked } });
        }
        self.account.place(order, send)
    }

    /// A change keeps the side and the size of an order: it opens nothing that was not open.
    fn change(&self, id: OrderId, change: Change, send: Send) -> Write<'_> {
        self.account.change(id, change, send)
    }

    fn cancel(&self, id: OrderId, send: Send) -> Write<'_> {
        self.account.cancel(id, send)
    }
}

fn opens(shape: Shape) -> bool {
    let buys = |side: TradeSide| match side {
        TradeSide::BuyToOpen => true,
        TradeSide::SellToClose => false,
    };
    match shape {
        Shape::Single(leg) => buys(leg.side),
        Shape::Oco(legs) => legs.iter().any(|leg| buys(leg.side)),
        Shape::Otoco { .. } => true,
    }
}
