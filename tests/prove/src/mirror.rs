//! A second broker beside ours: the matching core of `tradier-sim`, by another hand. Every order, cancel, price and
//! sale by somebody else reaches both in the same moment; where they disagree about a refusal, an
//! order, a fill, a price or a position, the run has failed.

use std::collections::BTreeMap;

use blotter_daemon::trades::facts::Shape;
use blotter_daemon::trades::ports::OrderState;
use blotter_sim::core::{
    AccountId, Class, Engine, FixedFeed, Leg, Opening, OrderId, Refusal, Settings, Sibling, Side, Status, Ticket,
    Touch, World,
};
use blotter_sim::time::Ms;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::broker::{Broker, Contract, Deny, NewOrder, SimOrder};
use crate::world::Millis;

/// The other broker, and its numbers of our orders.
pub struct Mirror {
    core: Engine,
    feed: FixedFeed,
    account: AccountId,
    start: Ms,
    ids: BTreeMap<i64, OrderId>,
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirror").field("orders", &self.ids.len()).finish_non_exhaustive()
    }
}

impl Mirror {
    /// A broker that acts at once, as ours does when it is mirrored.
    #[must_use]
    pub fn new(start: DateTime<Utc>, shrinks: bool) -> Self {
        let at_once = (0, 0);
        let settings = Settings {
            accept_ms: at_once,
            cancel_ms: at_once,
            sibling_ms: at_once,
            parent_ms: at_once,
            price_lag_chance: 0.0,
            refusals: blotter_sim::core::Refusals::Inline,
            sibling: if shrinks { Sibling::Shrinks } else { Sibling::Cancels },
            ticks: blotter_sim::core::Switch::Off,
            ..Settings::default()
        };
        let (feed, start) = (FixedFeed::default(), Ms(start.timestamp_millis()));
        let mut core = Engine::new(settings, Box::new(feed.clone()), 1, start);
        core.open_account(Opening { cash: Decimal::from(10_000_000), ..Opening::new("6YA00001", World::Live) });
        Self { core, feed, account: AccountId("6YA00001".to_owned()), start, ids: BTreeMap::new() }
    }

    /// The market of this second, before anything meets it.
    pub fn quote(&self, contracts: &[Contract], size: u32) {
        for contract in contracts {
            let bid = decimal(contract.bid);
            let (bid_size, ask_size) = (i64::from(size), i64::from(size));
            let ask = decimal(contract.bid + 10);
            self.feed.put(&contract.symbol, Touch { bid, ask, bid_size, ask_size, last: bid });
        }
    }

    /// The whole second has come: what works meets the market.
    pub fn tick(&mut self, now: Millis) {
        self.core.advance_to(self.at(now));
        self.core.advance_to(self.at(now));
    }

    /// The same order. The answer is where the two disagree about it.
    pub fn place(&mut self, symbol: &str, order: &NewOrder, ours: &Result<i64, Deny>, now: Millis) -> Option<String> {
        self.before(now);
        let ticket = ticket(symbol, order.quantity, order.shape).tagged(&order.tag);
        let theirs = self.core.place(&self.account, &ticket);
        self.core.advance_to(self.core.now());
        match (ours, theirs) {
            (Ok(id), Ok(number)) => {
                self.ids.insert(*id, number);
                None
            }
            (Err(deny), Err(refusal)) if is_same(deny, &refusal) => None,
            (ours, theirs) => Some(format!("{:?} of {}: we say {ours:?}, they say {theirs:?}", order.shape, order.tag)),
        }
    }

    pub fn cancel(&mut self, id: i64, ours: &Result<i64, Deny>, now: Millis) -> Option<String> {
        self.before(now);
        let number = *self.ids.get(&id)?;
        let theirs = self.core.cancel(&self.account, number);
        self.core.advance_to(self.core.now());
        match (ours, &theirs) {
            (Ok(_), Ok(_)) | (Err(Deny::Final(_)), Err(Refusal::Finalized(_))) => None,
            (ours, theirs) => Some(format!("cancel of {id}: we say {ours:?}, they say {theirs:?}")),
        }
    }

    /// Somebody takes our exits away, and sells so many.
    pub fn outside(&mut self, exits: &[i64], symbol: &str, sold: i64, now: Millis) {
        self.before(now);
        for number in exits.iter().filter_map(|id| self.ids.get(id)).copied().collect::<Vec<_>>() {
            self.core.cancel_outright(number, "by hand");
        }
        if sold > 0 {
            let _order = self.core.outside_trade(&self.account, Side::SellToClose, symbol, sold);
        }
    }

    /// The first thing about which the two disagree.
    #[must_use]
    pub fn disagreement(&self, broker: &Broker) -> Option<String> {
        let orders = broker.orders.iter().filter_map(|order| self.of_order(order));
        orders.chain(broker.contracts.iter().filter_map(|contract| self.of_position(contract))).next()
    }

    fn of_position(&self, contract: &Contract) -> Option<String> {
        let symbol = blotter_sim::core::Symbol::new(&contract.symbol);
        let theirs = self.core.account(&self.account).map_or(0, |account| account.held(&symbol));
        let ours = contract.position;
        (ours != theirs).then(|| format!("position of {symbol}: we have {ours}, they have {theirs}"))
    }

    fn of_order(&self, order: &SimOrder) -> Option<String> {
        let theirs = self.core.any_order(*self.ids.get(&order.id)?)?;
        if !is_state(order.state, theirs.status) {
            return Some(format!("order {}: ours is {:?}, theirs {:?}", order.id, order.state, theirs.status));
        }
        let numbers = if theirs.legs.is_empty() { vec![theirs.id] } else { theirs.legs.clone() };
        let pairs = order.legs.iter().zip(numbers.iter().filter_map(|number| self.core.any_order(*number)));
        pairs
            .filter(|(leg, other)| {
                let same_state = is_state(leg.state, other.status);
                let value = other.traded * Decimal::ONE_HUNDRED;
                !same_state || i64::from(leg.executed) != other.executed || Decimal::from(leg.value) != value
            })
            .map(|(leg, other)| {
                let (state, executed, value) = (leg.state, leg.executed, leg.value);
                let (status, traded) = (other.status, other.traded);
                format!(
                    "leg {} of {}: ours {state:?} {executed} for {value}, theirs {status:?} {} for {traded}",
                    leg.id, order.id, other.executed
                )
            })
            .next()
    }

    fn at(&self, now: Millis) -> Ms {
        self.start.plus(i64::try_from(now).unwrap_or(0))
    }

    /// Up to this moment, but not into the market of a second that has not been told yet.
    fn before(&mut self, now: Millis) {
        let whole = now.is_multiple_of(1000);
        let moment = self.at(now.saturating_sub(u64::from(whole)));
        self.core.advance_to(moment);
    }
}

fn decimal(cents: u64) -> Decimal {
    Decimal::new(i64::try_from(cents).unwrap_or(0), 2)
}

fn ticket(symbol: &str, quantity: u32, shape: Shape) -> Ticket {
    let buy = || Leg::market(Side::BuyToOpen, symbol, i64::from(quantity));
    let sell = || Leg::market(Side::SellToClose, symbol, i64::from(quantity));
    match shape {
        Shape::BuyMarket => Ticket::single(buy()),
        Shape::BuyLimit(limit) => Ticket::single(buy().at(limit.value())),
        Shape::SellMarket => Ticket::single(sell()),
        Shape::Stop(stop) => Ticket::single(sell().stopped(stop.value()).gtc()),
        Shape::Limit(limit) => Ticket::single(sell().at(limit.value()).gtc()),
        Shape::Oco { stop, target } => {
            Ticket::group(Class::Oco, vec![sell().at(target.value()).gtc(), sell().stopped(stop.value()).gtc()])
        }
    }
}

fn is_same(deny: &Deny, refusal: &Refusal) -> bool {
    let Refusal::Reject(reject) = refusal else { return false };
    match deny {
        Deny::CrossZero => reject.code == "LongPositionCrossZero",
        Deny::NoPosition => reject.code == "UnexpectedSellOrderOption",
        Deny::StopAboveBid => reject.code == "SellStopOrderStopPriceGreaterBid",
        Deny::Final(_) | Deny::NoSuchOrder | Deny::Unavailable | Deny::Other(_) => false,
    }
}

fn is_state(ours: OrderState, theirs: Status) -> bool {
    match ours {
        OrderState::Pending | OrderState::Live => !theirs.is_final(),
        OrderState::Filled => theirs == Status::Filled,
        OrderState::Canceled => theirs == Status::Canceled,
        OrderState::Expired => theirs == Status::Expired,
        OrderState::Rejected => theirs == Status::Rejected,
    }
}
