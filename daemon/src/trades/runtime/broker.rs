//! The broker port over one open account: words of the wire in, what the engine decides by out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blotter_shared::domain::{Cash, IntentRole, OptionContract, Price};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use tokio::time::timeout;

use super::super::facts::Shape;
use super::super::ports::{
    Allowance, BrokerLeg, BrokerOrder, BrokerPort, LegKind, Lookup, OrderId, OrderPage, OrderState, Placement,
    Position, Quote, ReadFailure, Refusal, RefusalKind, Side, Symbol, WriteOutcome,
};
use super::super::tag::Tag;
use super::super::timing::Timing;
use crate::broker::factory::Account;
use crate::broker::rate_limit::BucketKind;
use crate::broker::{
    self, Instrument, Leg, Lifetime, NewOrder, OrderScope, OrderSide, OrderStatus, Pricing, Priority, ReadError, Send,
    TradeSide,
};
use crate::clock::Clock;

/// One account with its token.
#[derive(Clone, Debug)]
pub struct BrokerAccount {
    pub account: Account,
    pub clock: Clock,
    /// Something is in flight: reads are as urgent as what they are for.
    hurried: Arc<AtomicBool>,
}

impl BrokerPort for BrokerAccount {
    /// The adapter reads all pages itself and fails when one is missing.
    async fn orders(&self, page: u32) -> Result<OrderPage, ReadFailure> {
        if page > 1 {
            return Ok(OrderPage::default());
        }
        let list = answered(self.account.broker.orders(OrderScope::Session, self.haste())).await?;
        Ok(OrderPage { orders: list.orders.iter().map(|order| shown(order, list.read_at)).collect(), more: false })
    }

    async fn orders_on(&self, date: NaiveDate) -> Result<Vec<BrokerOrder>, ReadFailure> {
        let list = answered(self.account.broker.orders(OrderScope::Day(date), Priority::Read)).await?;
        Ok(list.orders.iter().map(|order| shown(order, list.read_at)).collect())
    }

    async fn order(&self, id: OrderId) -> Result<Lookup, ReadFailure> {
        let Some(id) = broker::OrderId::new(id.0) else { return Ok(Lookup::NotFound) };
        let found = async {
            match self.account.broker.order(id, self.haste()).await {
                Ok(order) => Ok(Lookup::Found(shown(&order, self.clock.now()))),
                Err(ReadError::NotThere) => Ok(Lookup::NotFound),
                Err(error) => Err(error),
            }
        };
        answered(found).await
    }

    async fn positions(&self) -> Result<Vec<Position>, ReadFailure> {
        let positions = answered(self.account.broker.positions(self.haste())).await?;
        let seen = positions.iter().map(|position| {
            let quantity = position.quantity.trunc().to_i64();
            let quantity = quantity.ok_or_else(|| ReadFailure::Unavailable("a position without end".to_owned()))?;
            let cost = Cash(position.cost_basis.unwrap_or_default());
            Ok(Position { symbol: Symbol::new(&position.symbol), quantity, cost })
        });
        seen.collect()
    }

    async fn equity(&self) -> Result<Cash, ReadFailure> {
        let balances = answered(self.account.broker.balances(self.haste())).await?;
        Ok(Cash(balances.total_equity))
    }

    async fn quotes(&self, symbols: &[Symbol]) -> Result<BTreeMap<Symbol, Quote>, ReadFailure> {
        let names: Vec<String> = symbols.iter().map(ToString::to_string).collect();
        let answer = answered(self.account.market.quotes(&names, self.haste())).await?;
        let now = self.clock.now();
        let quotes = answer.quotes.iter().map(|quote| {
            let at = quote.bid_at.into_iter().chain(quote.ask_at).min().unwrap_or(now);
            (Symbol::new(&quote.symbol), Quote { bid: side(quote.bid), ask: side(quote.ask), at })
        });
        Ok(quotes.collect())
    }

    async fn place(&self, order: &Placement) -> WriteOutcome {
        match sendable(order) {
            Ok(new) => outcome(self.account.broker.place(&new, self.send(priority(order))).await),
            Err(why) => WriteOutcome::NotSent(why),
        }
    }

    async fn cancel(&self, id: OrderId) -> WriteOutcome {
        match broker::OrderId::new(id.0) {
            Some(id) => outcome(self.account.broker.cancel(id, self.send(Priority::Cancel)).await),
            None => WriteOutcome::NotSent("an order number is above zero".to_owned()),
        }
    }

    fn allowance(&self) -> Allowance {
        let limiter = self.account.tradier.limiter();
        let left = |kind, priority| limiter.left(kind, priority);
        let (reads, writes) = (self.haste(), Priority::Emergency);
        Allowance {
            reads: left(BucketKind::Accounts, reads).min(left(BucketKind::MarketData, reads)),
            writes: left(BucketKind::Trading, writes),
        }
    }

    fn hurry(&self, in_flight: bool) {
        self.hurried.store(in_flight, Ordering::Relaxed);
    }
}

impl BrokerAccount {
    #[must_use]
    pub fn new(account: Account, clock: Clock) -> Self {
        Self { account, clock, hurried: Arc::default() }
    }

    /// For somebody who waits for the answer to a wish: what is read for it goes before what screens look
    /// at, which may have used up the share of plain reads.
    #[must_use]
    pub fn for_a_wish(self) -> Self {
        self.hurried.store(true, Ordering::Relaxed);
        self
    }

    /// Never that of those who only look: their reads must not use up the engine's.
    fn haste(&self) -> Priority {
        if self.hurried.load(Ordering::Relaxed) { Priority::Close } else { Priority::Bracket }
    }

    fn send(&self, priority: Priority) -> Send {
        let by = TimeDelta::from_std(Timing::PRODUCTION.send_by).unwrap_or_default();
        Send { priority, by: self.clock.now() + by }
    }
}

/// A read ends in time or fails: what is asked for next must not wait for what hangs.
async fn answered<T>(read: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadFailure> {
    let wait = Timing::PRODUCTION.call;
    match timeout(wait, read).await {
        Ok(answer) => answer.map_err(failure),
        Err(_) => Err(ReadFailure::Unavailable(format!("no answer in {} s", wait.as_secs()))),
    }
}

fn priority(order: &Placement) -> Priority {
    match order.shape {
        Shape::SellMarket if is_emergency(order) => Priority::Emergency,
        Shape::BuyMarket | Shape::BuyLimit(_) => Priority::Entry,
        Shape::SellMarket => Priority::Close,
        Shape::Stop(_) | Shape::Limit(_) | Shape::Oco { .. } => Priority::Bracket,
    }
}

fn is_emergency(order: &Placement) -> bool {
    order.tag.parse::<Tag>().is_ok_and(|tag| tag.role == IntentRole::Emergency)
}

/// The order in the broker's terms, or why there is none.
fn sendable(order: &Placement) -> Result<NewOrder, String> {
    let contract: OptionContract =
        order.symbol.as_str().parse().map_err(|_| format!("{} is no option", order.symbol))?;
    let underlying = contract.underlying().parse().map_err(|error: broker::OrderProblem| error.to_string())?;
    let leg = |side, pricing| Leg { side, quantity: order.quantity, pricing };
    let sell = |pricing| leg(TradeSide::SellToClose, pricing);
    let shape = match order.shape {
        Shape::BuyMarket => broker::Shape::Single(leg(TradeSide::BuyToOpen, Pricing::Market)),
        Shape::BuyLimit(limit) => broker::Shape::Single(leg(TradeSide::BuyToOpen, Pricing::Limit(limit))),
        Shape::SellMarket => broker::Shape::Single(sell(Pricing::Market)),
        Shape::Stop(stop) => broker::Shape::Single(sell(Pricing::Stop(stop))),
        Shape::Limit(limit) => broker::Shape::Single(sell(Pricing::Limit(limit))),
        Shape::Oco { stop, target } => broker::Shape::Oco([sell(Pricing::Limit(target)), sell(Pricing::Stop(stop))]),
    };
    let lifetime = if order.shape.is_for_the_day() { Lifetime::Day } else { Lifetime::Gtc };
    let tag = order.tag.parse().map_err(|error: broker::OrderProblem| error.to_string())?;
    NewOrder::new(Instrument { underlying, contract }, shape, lifetime, tag).map_err(|error| error.to_string())
}

fn side(price: Option<Decimal>) -> Option<Price> {
    price.and_then(|price| Price::new(price).ok()).filter(|price| *price != Price::ZERO)
}

fn failure(error: ReadError) -> ReadFailure {
    match error {
        ReadError::Reauthenticate { .. } | ReadError::Blocked { .. } => ReadFailure::Unauthorized,
        ReadError::RateLimited { .. } => ReadFailure::Throttled,
        ReadError::Unsupported { .. } => ReadFailure::Unsupported,
        error @ (ReadError::Unreachable { .. }
        | ReadError::Unavailable { .. }
        | ReadError::BadRequest { .. }
        | ReadError::NotThere
        | ReadError::Undecodable { .. }
        | ReadError::TooMuch { .. }) => ReadFailure::Unavailable(error.to_string()),
    }
}

fn outcome(outcome: broker::WriteOutcome) -> WriteOutcome {
    match outcome {
        broker::WriteOutcome::Accepted { id, .. } => WriteOutcome::Accepted(OrderId(id.get())),
        broker::WriteOutcome::Refused { proof, code, reason } => {
            let kind = refusal(&proof, code.as_deref().unwrap_or_default(), &reason);
            WriteOutcome::Refused(Refusal { kind, text: reason })
        }
        broker::WriteOutcome::NotSent { proof } => WriteOutcome::NotSent(proof.to_string()),
        broker::WriteOutcome::Unknown { why } => WriteOutcome::Unknown(why.to_string()),
    }
}

fn refusal(proof: &broker::Refusal, code: &str, reason: &str) -> RefusalKind {
    match proof {
        broker::Refusal::AlreadyFinal(status) => RefusalKind::AlreadyFinal(state_of(status)),
        broker::Refusal::Token(_) | broker::Refusal::Forbidden => RefusalKind::Forbidden,
        broker::Refusal::NotYours => RefusalKind::Other,
        broker::Refusal::ErrorsInAnswer | broker::Refusal::Validation => RefusalKind::told(&format!("{code} {reason}")),
    }
}

/// An order as the engine sees it.
fn shown(order: &broker::Order, read_at: DateTime<Utc>) -> BrokerOrder {
    let parts: Vec<&broker::Order> = if order.legs.is_empty() { vec![order] } else { order.legs.iter().collect() };
    let told = || parts.iter().copied().chain([order]);
    let symbol = told().find_map(|part| part.option_symbol.as_deref().or(part.symbol.as_deref())).unwrap_or_default();
    let sells = told().any(|part| part.side.as_ref().is_some_and(|side| !buys(side)));
    let quantity = told().filter_map(|part| part.quantity).max().unwrap_or_default();
    BrokerOrder {
        id: OrderId(order.id.get()),
        tag: order.tag.clone(),
        symbol: Symbol::new(symbol),
        side: if sells { Side::Sell } else { Side::Buy },
        quantity: quantity.ceil().to_u32().unwrap_or(u32::MAX),
        state: state_of_all(order),
        head: state_of(&order.status),
        legs: parts.iter().copied().map(leg).collect(),
        created_at: order.created_at.unwrap_or(read_at),
        reason: told().find_map(|part| part.reason.clone()),
    }
}

fn leg(order: &broker::Order) -> BrokerLeg {
    let price = |value: Option<Decimal>| value.and_then(|value| Price::new(value).ok());
    let kind = match &order.order_type {
        Some(broker::OrderType::Market) => Some(LegKind::Market),
        Some(broker::OrderType::Limit) => price(order.price).map(LegKind::Limit),
        Some(broker::OrderType::Stop) => price(order.stop_price).map(LegKind::Stop),
        Some(
            broker::OrderType::StopLimit
            | broker::OrderType::Debit
            | broker::OrderType::Credit
            | broker::OrderType::Even
            | broker::OrderType::Unknown(_),
        )
        | None => None,
    };
    let (executed, average) = match order.fill() {
        broker::Fill::Nothing => (Decimal::ZERO, None),
        broker::Fill::PriceMissing(quantity) => (quantity, None),
        broker::Fill::Done { quantity, average } => (quantity, Some(average)),
    };
    BrokerLeg {
        id: OrderId(order.id.get()),
        kind: kind.unwrap_or(LegKind::Other),
        state: state_of(&order.status),
        executed: executed.floor().to_u32().unwrap_or_default(),
        average,
    }
}

fn buys(side: &OrderSide) -> bool {
    match side {
        OrderSide::BuyToOpen | OrderSide::BuyToClose | OrderSide::Buy | OrderSide::BuyToCover => true,
        OrderSide::SellToOpen
        | OrderSide::SellToClose
        | OrderSide::Sell
        | OrderSide::SellShort
        | OrderSide::Unknown(_) => false,
    }
}

/// Of the whole: final when the order and each leg say so; filled when one leg is. A pair that was
/// refused before any leg got to the market never gets there, whatever its legs still say.
fn state_of_all(order: &broker::Order) -> OrderState {
    let head = state_of(&order.status);
    let legs = || order.legs.iter().map(|leg| state_of(&leg.status));
    if order.is_final_throughout() {
        return if legs().any(|leg| leg == OrderState::Filled) { OrderState::Filled } else { head };
    }
    if legs().chain([head]).any(|state| state == OrderState::Live) {
        return OrderState::Live;
    }
    let executed = order.legs.iter().any(|leg| leg.fill() != broker::Fill::Nothing);
    if head == OrderState::Rejected && !executed { OrderState::Rejected } else { OrderState::Pending }
}

fn state_of(status: &OrderStatus) -> OrderState {
    match status {
        OrderStatus::Filled => OrderState::Filled,
        OrderStatus::Expired => OrderState::Expired,
        OrderStatus::Canceled => OrderState::Canceled,
        OrderStatus::Rejected | OrderStatus::Error => OrderState::Rejected,
        OrderStatus::Open | OrderStatus::PartiallyFilled | OrderStatus::PendingCancel => OrderState::Live,
        OrderStatus::Pending
        | OrderStatus::Submitted
        | OrderStatus::Calculated
        | OrderStatus::AcceptedForBidding
        | OrderStatus::Held
        | OrderStatus::Unknown(_) => OrderState::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(id: i64, status: OrderStatus, legs: Vec<broker::Order>) -> broker::Order {
        broker::Order {
            id: broker::OrderId::new(id).unwrap(),
            status,
            class: None,
            symbol: None,
            option_symbol: None,
            side: None,
            order_type: None,
            duration: None,
            quantity: None,
            price: None,
            stop_price: None,
            avg_fill_price: None,
            exec_quantity: None,
            last_fill_price: None,
            last_fill_quantity: None,
            remaining_quantity: None,
            tag: None,
            reason: None,
            errors: Vec::new(),
            created_at: None,
            changed_at: None,
            legs,
        }
    }

    #[test]
    fn a_pair_is_over_when_parent_and_legs_are_and_filled_when_a_leg_is() {
        use OrderStatus::{Canceled, Filled, Open};
        let pair = |parent, one, other| {
            state_of_all(&order(1, parent, vec![order(2, one, Vec::new()), order(3, other, Vec::new())]))
        };
        assert_eq!(pair(Filled, Filled, Open), OrderState::Live);
        assert_eq!(pair(Open, Canceled, Canceled), OrderState::Live);
        assert_eq!(pair(Canceled, Filled, Canceled), OrderState::Filled);
        assert_eq!(pair(Canceled, Canceled, Canceled), OrderState::Canceled);
        let strange = order(1, OrderStatus::Unknown("pondering".into()), Vec::new());
        assert_eq!(state_of_all(&strange), OrderState::Pending, "it may trade, and nobody saw it at the market");
    }

    #[test]
    fn a_pair_that_was_refused_does_not_wait_for_its_legs() {
        use OrderStatus::{Open, Pending, Rejected};
        let pair = |parent, one, other| {
            state_of_all(&order(1, parent, vec![order(2, one, Vec::new()), order(3, other, Vec::new())]))
        };
        assert_eq!(pair(Rejected, Pending, Pending), OrderState::Rejected);
        assert_eq!(pair(Rejected, Pending, Rejected), OrderState::Rejected);
        assert_eq!(pair(Rejected, Open, Pending), OrderState::Live, "a leg that works may trade");
        assert_eq!(pair(Pending, Pending, Pending), OrderState::Pending);
        assert_eq!(pair(Pending, Open, Pending), OrderState::Live);
    }

    #[test]
    fn what_the_parent_of_a_pair_does_not_say_its_legs_do() {
        let mut stop = order(3, OrderStatus::Open, Vec::new());
        stop.option_symbol = Some("SPY261218P00500000".to_owned());
        stop.side = Some(OrderSide::SellToClose);
        stop.quantity = Some(Decimal::from(2));
        stop.order_type = Some(broker::OrderType::Stop);
        stop.stop_price = Some(Decimal::ONE);
        let mut target = stop.clone();
        target.order_type = Some(broker::OrderType::Limit);
        target.price = Some(Decimal::TEN);
        target.exec_quantity = Some(Decimal::ONE);
        let seen = shown(&order(1, OrderStatus::Open, vec![target, stop]), DateTime::UNIX_EPOCH);
        assert_eq!((seen.symbol.as_str(), seen.side, seen.quantity), ("SPY261218P00500000", Side::Sell, 2));
        assert_eq!((seen.executed(), seen.remaining()), (1, 1), "an OCO counts once");
        assert_eq!(seen.legs[0].average, None, "a fill may come before its price");
        assert_eq!(seen.legs[1].kind, LegKind::Stop("1".parse().unwrap()));
    }

    #[test]
    fn refusals_are_told_apart_by_the_brokers_codes() {
        let kind = |reason: &str| refusal(&broker::Refusal::ErrorsInAnswer, "", reason);
        assert_eq!(kind("Account … LongPositionCrossZero"), RefusalKind::CrossZero);
        assert_eq!(kind("UnexpectedSellOrderOption"), RefusalKind::NoPosition);
        assert_eq!(kind("SellStopOrderStopPriceGreaterBid"), RefusalKind::StopAboveBid);
        assert_eq!(kind("OmsUnavailable"), RefusalKind::Unavailable);
        assert_eq!(kind("no"), RefusalKind::Other);
        assert_eq!(refusal(&broker::Refusal::Forbidden, "", ""), RefusalKind::Forbidden);
        let filled = broker::Refusal::AlreadyFinal(OrderStatus::Filled);
        assert_eq!(refusal(&filled, "", ""), RefusalKind::AlreadyFinal(OrderState::Filled));
    }
}
