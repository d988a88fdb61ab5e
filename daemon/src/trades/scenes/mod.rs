//! Sequences that cost money, played on the pure parts: one account, cuts by hand, a clock by hand.
//! What the engine decides is carried out on the spot, so that a scene goes on as the real one would.

mod bare;
mod cover;
mod disguise;
mod expired;
mod gone;
mod halted;
mod late;
mod night;
mod quarantine;
mod refused;
mod restored;
mod stopped;

use std::collections::{BTreeMap, BTreeSet};

use blotter_shared::domain::{AlarmKind, BrokerMode, Cash, IntentRole, IntentState, Price, Severity, TradeId};
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::alarms;
use super::commands::{self, Command, Desk, RefusalCode};
use super::facts::apply::{apply, apply_alarm, difference};
use super::facts::fold::{Context, View};
use super::facts::{AlarmState, Book, Op, Shape, Trade, halt, restore};
use super::plan::{Action, Cancel, Place, Scene, account};
use super::ports::{
    BrokerLeg, BrokerOrder, LegKind, Lookup, OrderId, OrderState, Position, Quote, RefusalKind, Session, Side, Symbol,
};
use super::rules::Rules;
use super::snapshot::Snapshot;
use super::specimen::{SYMBOL, at, bought, price, with_order};
use super::tag::{Epoch, Installation};
use super::timing::Timing;

/// One account with its broker, both in the hands of the test.
pub(super) struct Stage {
    pub(super) book: Book,
    pub(super) now: DateTime<Utc>,
    pub(super) session: Session,
    /// What the list shows.
    pub(super) orders: Vec<BrokerOrder>,
    /// Whether the second list of a cut is empty by mistake.
    pub(super) second_is_empty: bool,
    /// What the account holds.
    pub(super) positions: BTreeMap<Symbol, i64>,
    pub(super) bid: Option<Price>,
    /// What the account is worth, when somebody asks.
    pub(super) equity: Option<Cash>,
    /// How an order that is placed appears in the list.
    pub(super) shows: OrderState,
    /// Why an order that is placed does not get there.
    pub(super) refuses: Option<RefusalKind>,
    /// Everything that was decided, in order.
    pub(super) done: Vec<Action>,
    pub(super) epoch: Epoch,
    /// Tags that the database has for somebody else's trades.
    pub(super) known_elsewhere: BTreeSet<String>,
}

impl Stage {
    /// Bought at 5.00 with a stop at 4.00 and a target at 6.00, bid 5.00, nothing else yet.
    pub(super) fn holding(contracts: u32) -> Self {
        let mut trade = bought(contracts, "5.00");
        // As of the look before this one.
        trade.marks.verified_at = Some(at(590));
        let mut book = Book::new(BrokerMode::Live, Cash::ZERO);
        let orders = trade.intents.iter().map(|intent| shown(intent, OrderState::Filled)).collect();
        book.trades.insert(trade.id(), trade);
        Self {
            book,
            now: at(600),
            session: Session { open: true, date: at(0).date_naive(), opens: at(-3600), closes: at(20_000) },
            orders,
            second_is_empty: false,
            positions: BTreeMap::from([(Symbol::new(SYMBOL), i64::from(contracts))]),
            bid: Some(price("5.00")),
            equity: None,
            shows: OrderState::Live,
            refuses: None,
            done: Vec::new(),
            epoch: Epoch(1),
            known_elsewhere: BTreeSet::new(),
        }
    }

    /// As above, and its bracket works.
    pub(super) fn protected(contracts: u32) -> Self {
        let mut stage = Self::holding(contracts);
        stage.passes(4, 2);
        assert!(matches!(stage.done.as_slice(), [Action::Place(_)]), "{:?}", stage.done);
        stage.done.clear();
        stage
    }

    pub(super) fn trade(&self) -> &Trade {
        self.book.trades.values().next().unwrap()
    }

    pub(super) fn trade_mut(&mut self) -> &mut Trade {
        self.book.trades.values_mut().next().unwrap()
    }

    /// The newest order of ours in the list.
    pub(super) fn newest(&mut self) -> &mut BrokerOrder {
        self.orders.last_mut().unwrap()
    }

    pub(super) fn holds(&mut self, contracts: i64) {
        self.positions = BTreeMap::from([(Symbol::new(SYMBOL), contracts)]);
    }

    pub(super) fn alarm(&self, kind: AlarmKind) -> Option<&AlarmState> {
        self.book.alarms.iter().find(|alarm| alarm.kind == kind)
    }

    pub(super) fn is_paged(&self) -> bool {
        self.book.alarms.iter().any(|alarm| alarm.severity == Severity::Page)
    }

    /// What a device asks for.
    pub(super) fn command(&mut self, command: &Command) -> Result<(), RefusalCode> {
        let quotes = self.snapshot().quotes;
        let positions = self.snapshot().positions;
        let book = self.book.clone();
        let (now, session, timing) = (self.now, self.session, Timing::PRODUCTION);
        let desk = Desk { book: &book, now, sessions: &session, timing, quotes: &quotes, positions: &positions };
        let accepted = commands::judge(command, &desk).map_err(|refused| refused.code)?;
        for change in &accepted.changes {
            apply(&mut self.book, change, Rules::ALL).unwrap();
        }
        Ok(())
    }

    /// The newest order sells everything that it was to sell.
    pub(super) fn sold(&mut self, at_price: &str, left: i64) {
        let order = self.newest();
        let quantity = order.quantity;
        let leg = order.legs.first_mut().unwrap();
        (leg.executed, leg.average, leg.state) = (quantity, Some(at_price.parse().unwrap()), OrderState::Filled);
        end(order, OrderState::Filled);
        self.holds(left);
    }

    /// So many passes, so many seconds apart.
    pub(super) fn passes(&mut self, count: usize, apart: i64) {
        for _ in 0..count {
            self.now += Duration::seconds(apart);
            self.pass();
        }
    }

    /// One pass as the driver does it.
    pub(super) fn pass(&mut self) -> BTreeMap<TradeId, View> {
        let history = BTreeMap::new();
        let sessions = BTreeMap::new();
        let context = Context {
            now: self.now,
            session: self.session,
            sessions: &sessions,
            epoch: self.epoch,
            installation: Installation::new(Uuid::from_u128(7)),
            rules: Rules::ALL,
            timing: Timing::PRODUCTION,
            steady: true,
            history: &history,
            outage: None,
        };
        let snapshot = self.snapshot();
        let before = self.book.clone();
        let mut lost = restore::strangers(&before, &snapshot, context.installation);
        lost.retain(|tag| !self.known_elsewhere.contains(tag));
        let views = restore::folded(&mut self.book, &snapshot, &lost, &context);
        self.check_difference(before);
        if let Some(reconciling) = &self.book.account.reconciling {
            // The lease is taken anew above the base.
            self.epoch = Epoch(reconciling.base + 1);
        }
        if let Some(change) = halt::alarm(&self.book, self.now) {
            apply_alarm(&mut self.book, &change);
        }
        for change in alarms::judge(&self.book, |_| self.session, self.now, &Timing::PRODUCTION) {
            apply_alarm(&mut self.book, &change);
        }
        let scene = Scene {
            now: self.now,
            session: self.session,
            rules: Rules::ALL,
            timing: Timing::PRODUCTION,
            entries_wait: false,
            halted: false,
            outage: None,
        };
        for (id, action) in account::pass(&self.book, &views, &scene, 50) {
            self.carry_out(id, &action);
            self.done.push(action);
        }
        views
    }

    /// What the pass would write leads from the book before to the book after.
    fn check_difference(&self, mut before: Book) {
        for change in difference(&before.clone(), &self.book) {
            apply(&mut before, &change, Rules::ALL).unwrap_or_else(|illegal| panic!("{illegal}: {change:?}"));
        }
        before.alarms.clone_from(&self.book.alarms);
        for (id, trade) in &mut before.trades {
            trade.intents.sort_by_key(|intent| intent.id);
            let mut wanted = self.book.trades.get(id).unwrap().clone();
            wanted.intents.sort_by_key(|intent| intent.id);
            assert_eq!(*trade, wanted);
        }
        assert_eq!(before.account, self.book.account);
    }

    fn snapshot(&self) -> Snapshot {
        let position = |(symbol, quantity): (&Symbol, &i64)| Position {
            symbol: symbol.clone(),
            quantity: *quantity,
            cost: Cash::ZERO,
        };
        let quote = Quote { bid: self.bid, ask: self.bid, at: self.now };
        Snapshot {
            mode: self.book.mode,
            at: self.now,
            session: self.session,
            before: self.orders.clone(),
            orders: if self.second_is_empty { Vec::new() } else { self.orders.clone() },
            positions: self.positions.iter().filter(|(_, quantity)| **quantity != 0).map(position).collect(),
            quotes: BTreeMap::from([(Symbol::new(SYMBOL), quote)]),
            lookups: self.lookups(),
            history: BTreeMap::new(),
            equity: self.equity,
        }
    }

    /// An account that looks wiped has no order of any number.
    fn lookups(&self) -> BTreeMap<OrderId, Lookup> {
        let intents = self.book.trades.values().flat_map(|trade| &trade.intents).filter(|_| self.equity.is_some());
        intents.filter_map(|intent| Some((intent.broker_id?, Lookup::NotFound))).collect()
    }

    fn carry_out(&mut self, id: TradeId, action: &Action) {
        let now = self.now;
        match action {
            Action::Place(place) => self.place(id, place),
            Action::Cancel(cancel) => self.cancel(id, *cancel),
            Action::CancelStray(_) => {}
            Action::Flatten(cause) => {
                let wish = &mut self.book.trades.get_mut(&id).unwrap().wish;
                (wish.keep, wish.flat, wish.since) = (0, Some(*cause), now);
            }
            Action::Revert => {
                let trade = self.book.trades.get_mut(&id).unwrap();
                let good = trade.last_good().unwrap();
                (trade.wish.stop, trade.wish.target) = (good.stop, good.target);
            }
        }
    }

    fn place(&mut self, id: TradeId, place: &Place) {
        let trade = self.book.trades.get(&id).unwrap().clone();
        let mut trade = with_order(trade, place.role, IntentState::Acked, place.shape);
        let version = trade.wish.version;
        let intent = trade.intents.last_mut().unwrap();
        (intent.sent_at, intent.version) = (Some(self.now), version);
        if let Op::Place(order) = &mut intent.op {
            order.quantity = place.quantity;
        }
        match self.refuses {
            Some(kind) if place.shape != Shape::SellMarket => {
                (intent.state, intent.refused) = (IntentState::Rejected, Some(kind));
                (intent.refusal, intent.broker_id) = (Some(format!("{kind:?}")), None);
            }
            Some(_) | None => self.orders.push(shown(intent, self.shows)),
        }
        self.book.trades.insert(id, trade);
    }

    fn cancel(&mut self, _id: TradeId, cancel: Cancel) {
        let order = self.orders.iter_mut().find(|order| order.id == cancel.order).unwrap();
        end(order, OrderState::Canceled);
    }
}

/// The whole order comes to an end.
pub(super) fn end(order: &mut BrokerOrder, state: OrderState) {
    (order.state, order.head) = (state, state);
    for leg in order.legs.iter_mut().filter(|leg| !leg.state.is_final()) {
        leg.state = state;
    }
}

/// An intent as the list shows it.
fn shown(intent: &super::facts::Intent, state: OrderState) -> BrokerOrder {
    let order = intent.order().unwrap();
    let id = intent.broker_id.unwrap();
    let executed = if state == OrderState::Filled { order.quantity.get() } else { 0 };
    let leg = |number: i64, kind: LegKind| BrokerLeg {
        id: OrderId(id.0 + number),
        kind,
        state,
        executed,
        average: (executed > 0).then_some(Decimal::from(5)),
    };
    let legs = match order.shape {
        Shape::BuyMarket | Shape::SellMarket => vec![leg(0, LegKind::Market)],
        Shape::BuyLimit(limit) | Shape::Limit(limit) => vec![leg(0, LegKind::Limit(limit))],
        Shape::Stop(stop) => vec![leg(0, LegKind::Stop(stop))],
        Shape::Oco { stop, target } => vec![leg(1, LegKind::Limit(target)), leg(2, LegKind::Stop(stop))],
    };
    BrokerOrder {
        id,
        tag: Some(order.tag.clone()),
        symbol: Symbol::new(SYMBOL),
        side: if intent.role == IntentRole::Entry { Side::Buy } else { Side::Sell },
        quantity: order.quantity.get(),
        state,
        head: state,
        legs,
        created_at: at(0),
        reason: None,
    }
}
