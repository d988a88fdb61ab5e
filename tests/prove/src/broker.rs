//! The adversary: a broker with a ledger of its own. Its ledger, and nothing of ours, is what the
//! oracle judges by.
//!
//! It behaves as the real one was observed to: an acknowledgement is no acceptance, a cancel takes
//! effect when it likes, fills are cumulative and seen before their price, an OCO's parent never
//! executes anything, the list shows the present calendar day in pages of 25 behind other people's
//! orders, and the position lags behind the fill. Prices are in cents.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use blotter_daemon::trades::facts::Shape;
use blotter_daemon::trades::ports::OrderState;
use blotter_daemon::trades::tag::Tag;

/// How this broker is: drawn by the seed, constant for the run.
#[derive(Clone, Copy, Debug)]
pub struct Temper {
    /// It refuses to sell more than is held and not on sale.
    pub cross_zero: bool,
    /// A fill is in the list so many seconds before it is in the position.
    pub ledger_lag: u64,
    /// Orders of other people in front of ours.
    pub noise: usize,
    /// A partly filled leg: does its sibling shrink, or is it cancelled?
    pub sibling_shrinks: bool,
    /// Cents that a price moves in a second.
    pub volatility: u64,
    /// Per mille and second that an entry at the market fills.
    pub fill_rate: u32,
    /// The largest delay of a cancel in seconds.
    pub cancel_delay: u64,
    /// An entry fills its first contract and then no more.
    pub stalls: bool,
}

/// A leg, in the broker's own books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    pub id: i64,
    pub kind: Kind,
    pub state: OrderState,
    pub executed: u32,
    /// Σ price × contracts, in cents.
    pub value: u64,
    /// The price is shown from this second on.
    pub priced_at: u64,
    /// A stop that was touched: from then on it trades at the market.
    pub triggered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Market,
    Limit(u64),
    Stop(u64),
}

/// An order in the broker's own books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimOrder {
    pub id: i64,
    pub tag: Option<String>,
    /// What the tag says, when it is one of ours.
    pub own: Option<Tag>,
    pub symbol: usize,
    pub buys: bool,
    pub quantity: u32,
    /// It was matched at least once, or is on the book: pending before.
    pub open: bool,
    pub state: OrderState,
    pub legs: Vec<Leg>,
    pub day_order: bool,
    /// Seconds since the start.
    pub created: u64,
    pub day: u64,
    pub reason: Option<String>,
    /// It will be refused in a moment: it never had a chance to trade.
    pub doomed: bool,
    /// It has met the market once: from then on it trades at its own price.
    pub rested: bool,
}

impl SimOrder {
    #[must_use]
    pub fn executed(&self) -> u32 {
        self.legs.iter().map(|leg| leg.executed).sum()
    }

    #[must_use]
    pub fn remaining(&self) -> u32 {
        if self.state.is_final() { 0 } else { self.quantity.saturating_sub(self.executed()) }
    }
}

/// One traded contract.
#[derive(Clone, Debug)]
pub struct Contract {
    pub symbol: String,
    pub bid: u64,
    pub quoted: bool,
    pub position: i64,
    /// When the position last grew or shrank, and what it was before: the lag shows that.
    pub moved: VecDeque<(u64, i64)>,
    /// When somebody else last touched it.
    pub touched_outside: Option<u64>,
    /// It is short, or more is on sale than there is, since a race with somebody else.
    pub short_by_race: bool,
    pub over_by_race: bool,
    /// Bids of the last seconds, as long as the longest pass.
    pub bids: VecDeque<u64>,
    /// So many orders of the list were there when what they had bought became another contract.
    pub renamed: usize,
}

impl Contract {
    #[must_use]
    pub fn new(symbol: &str, bid: u64) -> Self {
        Self {
            symbol: symbol.to_owned(),
            bid,
            quoted: true,
            position: 0,
            moved: VecDeque::new(),
            touched_outside: None,
            short_by_race: false,
            over_by_race: false,
            bids: VecDeque::new(),
            renamed: 0,
        }
    }
}

/// The past of what reads show, one entry for each second in which something changed.
pub type View = Arc<(Vec<SimOrder>, BTreeMap<String, i64>)>;

#[derive(Clone, Debug)]
pub struct Broker {
    pub temper: Temper,
    pub orders: Vec<SimOrder>,
    pub contracts: Vec<Contract>,
    next_id: i64,
    pub changed_at: u64,
    dirty: bool,
    past: VecDeque<(u64, View)>,
    pub open: bool,
    pub day: u64,
    pub wiped: bool,
    /// What should never have happened, in words.
    pub violations: Vec<String>,
    /// The newest epoch that has reached each contract, and the newest of an entry anywhere.
    epochs: BTreeMap<usize, i64>,
    entry_epoch: i64,
    pub checks_epochs: bool,
    /// Somebody has sold and left our orders alone.
    pub left_ours: bool,
    /// Reads show this instead of the present.
    pub spell: Option<Spell>,
}

/// For some seconds all reads come from a copy that has stayed behind.
#[derive(Clone, Debug)]
pub struct Spell {
    pub from: u64,
    pub until: u64,
    /// The second that it shows.
    pub of: u64,
    pub view: View,
}

/// Contracts of one leg that trade at one price.
#[derive(Clone, Copy, Debug)]
pub struct Execution {
    pub leg: usize,
    pub contracts: u32,
    pub price: u64,
    /// The price is shown from this second on.
    pub priced_at: u64,
}

/// Why a request is turned down at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deny {
    CrossZero,
    NoPosition,
    StopAboveBid,
    Final(OrderState),
    NoSuchOrder,
    Unavailable,
    Other(&'static str),
}

impl Deny {
    /// In the broker's own words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::CrossZero => "LongPositionCrossZero".to_owned(),
            Self::NoPosition => "UnexpectedSellOrderOption".to_owned(),
            Self::StopAboveBid => "SellStopOrderStopPriceGreaterBid".to_owned(),
            Self::Unavailable => "OmsUnavailable".to_owned(),
            Self::Final(state) => format!("order already in finalized state: {state:?}"),
            Self::NoSuchOrder => "no such order".to_owned(),
            Self::Other(why) => (*why).to_owned(),
        }
    }
}

/// How an order that was accepted goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Opens { after: u64 },
    Refused { after: u64 },
}

impl Broker {
    #[must_use]
    pub fn new(temper: Temper, contracts: Vec<Contract>) -> Self {
        Self {
            temper,
            orders: Vec::new(),
            contracts,
            next_id: 100,
            changed_at: 0,
            dirty: true,
            past: VecDeque::new(),
            open: true,
            day: 0,
            wiped: false,
            violations: Vec::new(),
            epochs: BTreeMap::new(),
            entry_epoch: 0,
            checks_epochs: true,
            left_ours: false,
            spell: None,
        }
    }

    pub fn touch(&mut self, now: u64) {
        self.changed_at = now;
        self.dirty = true;
    }

    /// What orders on sale claim of a contract; an OCO claims once.
    #[must_use]
    pub fn on_sale(&self, symbol: usize) -> u32 {
        let live = self.orders.iter().filter(|order| order.symbol == symbol && !order.buys && !order.doomed);
        live.map(SimOrder::remaining).sum()
    }

    /// What orders of ours claim.
    #[must_use]
    pub fn own_on_sale(&self, symbol: usize) -> u32 {
        let live = self.orders.iter().filter(|order| order.symbol == symbol && !order.buys && !order.doomed);
        live.filter(|order| order.own.is_some()).map(SimOrder::remaining).sum()
    }

    /// Takes an order, or turns it down.
    pub fn place(&mut self, order: NewOrder, now: u64) -> Result<i64, Deny> {
        self.audit(&order);
        let denial = self.denial(&order, now);
        if let (Some(denial), false) = (&denial, order.denies_later) {
            return Err(denial.clone());
        }
        if denial.is_none() {
            self.oversells(&order);
        }
        self.next_id += 10;
        let id = self.next_id;
        let legs = legs(id, order.shape, now);
        self.orders.push(SimOrder {
            id,
            own: order.tag.parse().ok(),
            tag: Some(order.tag),
            symbol: order.symbol,
            buys: !order.shape.is_sell(),
            quantity: order.quantity,
            open: false,
            state: OrderState::Live,
            legs,
            day_order: order.shape.is_for_the_day(),
            created: now,
            day: self.day,
            reason: denial.as_ref().map(Deny::words),
            doomed: denial.is_some() || order.refused_later,
            rested: order.shape.is_sell(),
        });
        self.touch(now);
        Ok(id)
    }

    /// What an order is refused for, judged when it arrives.
    fn denial(&self, order: &NewOrder, now: u64) -> Option<Deny> {
        if !order.shape.is_sell() {
            return (!self.open).then_some(Deny::Other("market closed"));
        }
        let contract = self.contracts.get(order.symbol)?;
        let seen = self.position_seen(order.symbol, now);
        if seen <= 0 {
            return Some(Deny::NoPosition);
        }
        let effective = seen.min(contract.position) - i64::from(self.on_sale(order.symbol));
        if self.temper.cross_zero && effective < i64::from(order.quantity) {
            return Some(Deny::CrossZero);
        }
        let stop = order.shape.stop().map(cents);
        stop.is_some_and(|stop| stop >= contract.bid).then_some(Deny::StopAboveBid)
    }

    /// Invariants of what arrives: each tag once (I6), one entry for a trade (I2), epochs in order for
    /// a contract, and none behind an entry of a newer one (I10).
    fn audit(&mut self, order: &NewOrder) {
        if self.orders.iter().any(|known| known.tag.as_deref() == Some(order.tag.as_str())) {
            self.violations.push(format!("I6 the tag {} arrives twice", order.tag));
        }
        let Ok(tag) = order.tag.parse::<Tag>() else { return };
        let buys = !order.shape.is_sell();
        if buys && self.orders.iter().any(|known| known.buys && known.own.is_some_and(|own| own.trade == tag.trade)) {
            self.violations.push(format!("I2 a second entry of one trade arrives: {}", order.tag));
        }
        let newest = self.epochs.entry(order.symbol).or_insert(tag.epoch.0);
        let floor = (*newest).max(self.entry_epoch);
        if tag.epoch.0 < floor && self.checks_epochs {
            self.violations.push(format!("I10 an order of epoch {} arrives after one of epoch {floor}", tag.epoch.0));
        }
        *newest = tag.epoch.0.max(*newest);
        if buys {
            self.entry_epoch = self.entry_epoch.max(tag.epoch.0);
        }
    }

    /// A backup was brought back: an epoch that only an order had which was turned down is known to nobody.
    pub fn know_listed_epochs(&mut self) {
        let own = || self.orders.iter().filter_map(|order| Some((order, order.own?.epoch.0)));
        let mut epochs = BTreeMap::new();
        for (order, epoch) in own() {
            let newest = epochs.entry(order.symbol).or_insert(epoch);
            *newest = epoch.max(*newest);
        }
        self.entry_epoch = own().filter(|(order, _)| order.buys).map(|(_, epoch)| epoch).max().unwrap_or_default();
        self.epochs = epochs;
    }

    /// I3 where no race excuses it: it sells more than is there, and whoever sent it could have read that.
    fn oversells(&mut self, order: &NewOrder) {
        let Some(contract) = self.contracts.get(order.symbol).filter(|_| order.shape.is_sell()) else { return };
        let knew = contract.touched_outside.is_none_or(|touched| order.read_at > touched);
        let claimed = i64::from(order.quantity) + i64::from(self.own_on_sale(order.symbol));
        if knew && claimed > contract.position {
            let position = contract.position;
            self.violations.push(format!("I3 {} takes what is on sale to {claimed} of {position}", order.tag));
        }
    }

    pub fn order(&self, id: i64) -> Option<&SimOrder> {
        self.orders.iter().find(|order| order.id == id)
    }

    pub fn order_mut(&mut self, id: i64) -> Option<&mut SimOrder> {
        self.orders.iter_mut().find(|order| order.id == id)
    }

    /// Opens or refuses an order that was taken a moment ago.
    pub fn settle(&mut self, id: i64, now: u64) {
        let open = self.open;
        let Some(order) = self.order_mut(id).filter(|order| !order.state.is_final() && !order.open) else { return };
        if order.doomed {
            let reason = order.reason.clone().or_else(|| Some("risk".to_owned()));
            order.reason = reason;
            end(order, OrderState::Rejected);
        } else if open || !order.day_order {
            order.open = true;
        }
        self.touch(now);
    }

    /// Stops of this order that the bid has touched.
    pub fn trigger(&mut self, id: i64) {
        let Some(order) = self.orders.iter_mut().find(|order| order.id == id) else { return };
        let bid = self.contracts.get(order.symbol).map_or(u64::MAX, |contract| contract.bid);
        for leg in &mut order.legs {
            leg.triggered |= matches!(leg.kind, Kind::Stop(stop) if bid <= stop);
        }
    }

    pub fn cancel_now(&mut self, id: i64, now: u64) {
        if let Some(order) = self.order_mut(id).filter(|order| !order.state.is_final()) {
            end(order, OrderState::Canceled);
            self.touch(now);
        }
    }

    /// Executes contracts of one leg.
    pub fn fill(&mut self, id: i64, execution: Execution, now: u64) {
        let Execution { leg, contracts, price, priced_at } = execution;
        let shrinks = self.temper.sibling_shrinks;
        let Some(order) = self.orders.iter_mut().find(|order| order.id == id) else { return };
        let contracts = contracts.min(order.remaining());
        if contracts == 0 {
            return;
        }
        let (symbol, buys) = (order.symbol, order.buys);
        let total = order.quantity;
        if let Some(leg) = order.legs.get_mut(leg) {
            leg.executed += contracts;
            leg.value += price * u64::from(contracts);
            leg.priced_at = priced_at;
        }
        let done = order.executed() >= total;
        for (at, other) in order.legs.iter_mut().enumerate() {
            match (at == leg, done) {
                (true, true) => other.state = OrderState::Filled,
                (false, true) => other.state = OrderState::Canceled,
                (false, false) if !shrinks => other.state = OrderState::Canceled,
                (_, false) => {}
            }
        }
        if done {
            order.state = OrderState::Filled;
        }
        let Some(contract) = self.contracts.get_mut(symbol) else { return };
        contract.moved.push_back((now, contract.position));
        contract.moved.truncate(64);
        contract.position += if buys { i64::from(contracts) } else { -i64::from(contracts) };
        self.touch(now);
    }

    /// Reports a contract of a cancelled entry that was bought before the cancel.
    pub fn report_late(&mut self, id: i64, price: u64, now: u64) -> bool {
        let Some(order) = self.orders.iter_mut().find(|order| order.id == id && order.state == OrderState::Canceled)
        else {
            return false;
        };
        let symbol = order.symbol;
        let Some(leg) = order.legs.first_mut() else { return false };
        leg.executed += 1;
        leg.value += price;
        leg.priced_at = now;
        if let Some(contract) = self.contracts.get_mut(symbol) {
            contract.position += 1;
        }
        self.touch(now);
        true
    }

    /// The position as a read shows it, behind the fills by the lag.
    #[must_use]
    pub fn position_seen(&self, symbol: usize, now: u64) -> i64 {
        let Some(contract) = self.contracts.get(symbol) else { return 0 };
        let young = contract.moved.iter().find(|(at, _)| at + self.temper.ledger_lag > now);
        young.map_or(contract.position, |(_, before)| *before)
    }

    /// Remembers what reads show in this second.
    pub fn remember(&mut self, now: u64) {
        let lagging = self.temper.ledger_lag > 0 && self.changed_at + self.temper.ledger_lag + 1 >= now;
        if self.dirty || lagging || self.past.is_empty() {
            let positions = self.positions(now);
            self.past.push_back((now, Arc::new((self.listed(), positions))));
            self.dirty = false;
        }
        while self.past.len() > 1 && self.past.get(1).is_some_and(|(at, _)| at + 16 < now) {
            self.past.pop_front();
        }
    }

    /// What the list of the present day holds: today's orders, and what still works.
    #[must_use]
    pub fn listed(&self) -> Vec<SimOrder> {
        self.orders.iter().filter(|order| order.day == self.day || !order.state.is_final()).cloned().collect()
    }

    #[must_use]
    pub fn positions(&self, now: u64) -> BTreeMap<String, i64> {
        let all = self.contracts.iter().enumerate();
        all.map(|(at, contract)| (contract.symbol.clone(), self.position_seen(at, now)))
            .filter(|(_, quantity)| *quantity != 0)
            .collect()
    }

    /// The second that a read shows which is so old.
    #[must_use]
    pub fn second_seen(&self, now: u64, age: u64) -> u64 {
        let spell = self.spell.as_ref().filter(|spell| (spell.from..spell.until).contains(&now));
        spell.map_or(now.saturating_sub(age + self.temper.ledger_lag), |spell| spell.of)
    }

    /// What a read shows that is so many seconds old.
    #[must_use]
    pub fn view(&self, now: u64, age: u64) -> View {
        if let Some(spell) = self.spell.as_ref().filter(|spell| (spell.from..spell.until).contains(&now)) {
            return Arc::clone(&spell.view);
        }
        if age > 0 {
            let at = now.saturating_sub(age);
            let then = self.past.iter().rev().find(|(second, _)| *second <= at);
            if let Some((_, view)) = then.or(self.past.front()) {
                return Arc::clone(view);
            }
        }
        Arc::new((self.listed(), self.positions(now)))
    }

    /// A session begins: what was taken while the market was closed goes on the book.
    pub fn begin_session(&mut self, now: u64) {
        self.open = true;
        for order in self.orders.iter_mut().filter(|order| !order.doomed && !order.state.is_final()) {
            order.open = true;
        }
        self.touch(now);
    }

    /// The session ends: day orders run out.
    pub fn close(&mut self, now: u64) {
        self.open = false;
        for order in self.orders.iter_mut().filter(|order| order.day_order && !order.state.is_final()) {
            end(order, OrderState::Expired);
        }
        self.touch(now);
    }
}

/// An order as it arrives.
#[derive(Clone, Debug)]
pub struct NewOrder {
    pub tag: String,
    pub symbol: usize,
    pub quantity: u32,
    pub shape: Shape,
    /// A refusal shows on the order, not in the answer.
    pub denies_later: bool,
    /// The risk system refuses it in a moment, for no reason of ours.
    pub refused_later: bool,
    /// The second whose positions were read before it was sent.
    pub read_at: u64,
}

pub fn end(order: &mut SimOrder, state: OrderState) {
    order.state = state;
    for leg in order.legs.iter_mut().filter(|leg| !leg.state.is_final()) {
        leg.state = state;
    }
}

fn legs(id: i64, shape: Shape, now: u64) -> Vec<Leg> {
    let leg = |at: i64, kind: Kind| Leg {
        id: id + at,
        kind,
        state: OrderState::Live,
        executed: 0,
        value: 0,
        priced_at: now,
        triggered: false,
    };
    match shape {
        Shape::BuyMarket | Shape::SellMarket => vec![leg(0, Kind::Market)],
        Shape::BuyLimit(price) | Shape::Limit(price) => vec![leg(0, Kind::Limit(cents(price)))],
        Shape::Stop(price) => vec![leg(0, Kind::Stop(cents(price)))],
        Shape::Oco { stop, target } => vec![leg(1, Kind::Limit(cents(target))), leg(2, Kind::Stop(cents(stop)))],
    }
}

/// A price in cents; the simulation has no finer ones.
#[must_use]
pub fn cents(price: blotter_shared::domain::Price) -> u64 {
    u64::try_from((price.value() * rust_decimal::Decimal::ONE_HUNDRED).trunc()).unwrap_or(0)
}

/// A price from cents.
#[must_use]
pub fn price(cents: u64) -> blotter_shared::domain::Price {
    let value = rust_decimal::Decimal::new(i64::try_from(cents).unwrap_or(0), 2);
    blotter_shared::domain::Price::new(value).unwrap_or(blotter_shared::domain::Price::ZERO)
}
