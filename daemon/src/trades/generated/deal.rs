//! Books and cuts by chance: trades at any point of their lives, each order of theirs shown, hidden, behind or ahead.

use std::collections::BTreeMap;

use blotter_shared::domain::{BrokerMode, Cash, IntentId, IntentRole, IntentState, Price, Quantity, TradeId};
use chrono::{DateTime, Utc};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::super::facts::{
    Book, Fill, FlatCause, Intent, LegSeen, Op, Order, Origin, Quarantine, Shape, Trade, derive,
};
use super::super::ports::{
    BrokerLeg, BrokerOrder, LegKind, OrderId, OrderState, Position, Quote, Session, Side, Symbol,
};
use super::super::rules::Rules;
use super::super::snapshot::Snapshot;
use super::super::specimen::{at, price, trade};
use super::super::tag::{Epoch, Tag};
use super::{installation, symbol};

/// The present of every cut.
const NOW: i64 = 1000;

/// A book, what the broker shows of it, and how many writes are left.
#[derive(Clone, Debug)]
pub(super) struct Deal {
    pub(super) book: Book,
    pub(super) cut: Snapshot,
    pub(super) writes: u32,
}

/// One order: how the book has it and how the list shows it.
#[derive(Clone, Debug)]
struct OrderCard {
    state: IntentState,
    shape: Shape,
    executed: u32,
    /// A cancel of it was asked for.
    leaving: bool,
    sent: i64,
    /// State of the whole, how much of it has traded, whether the price is told, whether a leg has died alone.
    shown: Option<(OrderState, u32, bool, bool)>,
    /// Only one of the two lists has it as it is.
    moves: bool,
}

/// One trade.
#[derive(Clone, Debug)]
struct Card {
    contracts: u32,
    keep: u32,
    wish: Wanted,
    entry: Option<OrderCard>,
    exits: Vec<OrderCard>,
    quarantined: bool,
    /// Contracts that the position differs by from what ledger and list say.
    differs: i64,
    asked: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Both,
    StopAlone,
    Flat,
    Cut,
}

fn bracket() -> Shape {
    Shape::Oco { stop: price("4.00"), target: price("6.00") }
}

fn order(shapes: Vec<Shape>, states: Vec<IntentState>) -> impl Strategy<Value = OrderCard> {
    let known = (select(states), select(shapes), 0..=4_u32, prop::bool::weighted(0.2), select(vec![0_i64, 930, 995]));
    let listed = select(vec![
        OrderState::Pending,
        OrderState::Live,
        OrderState::Live,
        OrderState::Live,
        OrderState::Filled,
        OrderState::Canceled,
        OrderState::Expired,
        OrderState::Rejected,
    ]);
    let shown = option::weighted(0.8, (listed, 0..=4_u32, any::<bool>(), prop::bool::weighted(0.1)));
    (known, shown, prop::bool::weighted(0.1)).prop_map(|((state, shape, executed, leaving, sent), shown, moves)| {
        OrderCard { state, shape, executed, leaving, sent, shown, moves }
    })
}

/// A bracket that works untouched and is shown so.
fn working() -> impl Strategy<Value = OrderCard> {
    let card = OrderCard {
        state: IntentState::Working,
        shape: bracket(),
        executed: 0,
        leaving: false,
        sent: 0,
        shown: Some((OrderState::Live, 0, true, false)),
        moves: false,
    };
    Just(card)
}

/// An entry that has bought all, and is shown so.
fn bought() -> impl Strategy<Value = OrderCard> {
    let card = OrderCard {
        state: IntentState::Filled,
        shape: Shape::BuyMarket,
        executed: 9,
        leaving: false,
        sent: 0,
        shown: Some((OrderState::Filled, 9, true, false)),
        moves: false,
    };
    Just(card)
}

fn card() -> impl Strategy<Value = Card> {
    let states = || IntentState::ALL.iter().copied().filter(|state| *state != IntentState::Done).collect::<Vec<_>>();
    let ends = || {
        let live = |state: &IntentState| !super::super::facts::intent::is_live(*state);
        states().into_iter().filter(live).collect::<Vec<_>>()
    };
    let exit = || vec![bracket(), Shape::Stop(price("4.00")), Shape::Limit(price("6.00")), Shape::SellMarket];
    let entry = prop_oneof![
        1 => Just(None),
        3 => bought().prop_map(Some),
        3 => order(vec![Shape::BuyMarket, Shape::BuyLimit(price("5.00"))], states()).prop_map(Some),
    ];
    let last = prop_oneof![2 => working(), 3 => order(exit(), states())];
    let exits = (vec(order(exit(), ends()), 0..2), option::weighted(0.7, last)).prop_map(|(mut exits, last)| {
        exits.extend(last);
        exits
    });
    let wish = select(vec![Wanted::Both, Wanted::Both, Wanted::Both, Wanted::StopAlone, Wanted::Flat, Wanted::Cut]);
    let differs = select(vec![0_i64, 0, 0, 0, -1, 1]);
    let counts = (1..=4_u32, 1..=4_u32, differs, select(vec![0_i64, 992]));
    (counts, wish, entry, exits, prop::bool::weighted(0.15)).prop_map(
        |((contracts, keep, differs, asked), wish, entry, exits, quarantined)| Card {
            contracts,
            keep: keep.min(contracts),
            wish,
            entry,
            exits,
            quarantined,
            differs,
            asked,
        },
    )
}

/// Three trades at most, each in a contract of its own.
pub(super) fn deals() -> impl Strategy<Value = Deal> {
    let bid = select(vec![None, Some("3.50"), Some("5.00"), Some("5.00"), Some("6.50")]);
    (vec(card(), 1..=3), prop::bool::weighted(0.85), bid, prop_oneof![3 => Just(50_u32), 1 => 0..=15_u32])
        .prop_map(|(cards, open, bid, writes)| dealt(&cards, open, bid.map(price), writes))
}

fn dealt(cards: &[Card], open: bool, bid: Option<Price>, writes: u32) -> Deal {
    let mut book = Book::new(BrokerMode::Sim, Cash(Decimal::from(100_000)));
    let session = Session { open, date: at(0).date_naive(), opens: at(-3600), closes: at(20_000) };
    let mut cut = Snapshot {
        mode: book.mode,
        at: at(NOW),
        session,
        before: Vec::new(),
        orders: Vec::new(),
        positions: Vec::new(),
        quotes: BTreeMap::new(),
        lookups: BTreeMap::new(),
        history: BTreeMap::new(),
        equity: None,
    };
    for (number, card) in cards.iter().enumerate() {
        let trade = lay(number, card, &mut cut);
        let quote = Quote { bid, ask: bid, at: at(NOW) };
        cut.quotes.insert(trade.spec.symbol.clone(), quote);
        book.trades.insert(trade.id(), trade);
    }
    Deal { book, cut, writes }
}

/// One trade on the table, with what the cut shows of it.
fn lay(number: usize, card: &Card, cut: &mut Snapshot) -> Trade {
    let mut trade = trade(card.contracts);
    let symbol = symbol(number);
    trade.spec.id = TradeId(Uuid::from_u128(u128::try_from(number).unwrap() + 1));
    (trade.spec.contract, trade.spec.symbol) = (symbol.as_str().parse().unwrap(), symbol.clone());
    (trade.spec.asked_at, trade.wish.since) = (at(card.asked), at(card.asked));
    trade.wish.keep = card.keep;
    match card.wish {
        Wanted::Both => {}
        Wanted::StopAlone => trade.wish.target = None,
        Wanted::Flat => (trade.wish.keep, trade.wish.flat) = (0, Some(FlatCause::User)),
        Wanted::Cut => trade.wish.cut = true,
    }
    let mut bought = 0;
    if let Some(entry) = &card.entry {
        bought = ordered(&mut trade, entry, IntentRole::Entry, card.contracts, cut);
    }
    let mut left = bought;
    for exit in card.exits.iter().filter(|_| bought > 0) {
        let role = if exit.shape == Shape::SellMarket { IntentRole::Close } else { IntentRole::Bracket };
        left -= ordered(&mut trade, exit, role, left.max(1), cut).min(left);
    }
    settle(&mut trade, card);
    let quantity = i64::from(left) + card.differs;
    if quantity != 0 {
        cut.positions.push(Position { symbol, quantity, cost: Cash::ZERO });
    }
    trade
}

/// How far the trade got, by what the book has of it.
fn settle(trade: &mut Trade, card: &Card) {
    trade.marks.held = derive::held(trade);
    let ground = derive::Ground { stable: true, agrees: true };
    for _ in 0..3 {
        trade.marks.status = derive::status(trade, ground, Rules::ALL);
    }
    trade.marks.closed_at = trade.is_ended().then(|| at(NOW - 30));
    if card.quarantined && !trade.is_ended() {
        let (reason, position) = ("it differs".to_owned(), trade.marks.held + card.differs);
        trade.marks.quarantine = Some(Quarantine { reason, at: at(NOW - 60), position, agreed: None });
    }
}

/// An order of the trade, in the book and in the lists; how much of it has traded by either.
fn ordered(trade: &mut Trade, card: &OrderCard, role: IntentRole, contracts: u32, cut: &mut Snapshot) -> u32 {
    let attempt = u32::try_from(trade.intents.len()).unwrap() + 1;
    let id = IntentId(Uuid::from_u128(trade.id().0.as_u128() * 100 + u128::from(attempt)));
    let origin = Origin { id, trade_id: trade.id(), role, attempt, version: trade.wish.version, epoch: Epoch(1) };
    let tag = Tag { installation: installation(), trade: trade.id(), role, attempt, version: 1, epoch: Epoch(1) };
    let quantity = Quantity::new(contracts).unwrap();
    let number = OrderId(i64::try_from(trade.id().0.as_u128()).unwrap() * 1000 + i64::from(attempt) * 10);
    let order = Order { tag: tag.to_string(), quantity, shape: card.shape };
    let mut intent = Intent { state: card.state, ..Intent::new(origin, Op::Place(order)) };
    let reached = !matches!(card.state, IntentState::Prepared | IntentState::Void | IntentState::Absent);
    if reached {
        (intent.sent_at, intent.sent_on) = (Some(at(card.sent)), Some(at(0).date_naive()));
    } else {
        intent.valid_until = Some(at(card.sent + 15));
    }
    let known = reached && !matches!(card.state, IntentState::Sending | IntentState::Unknown);
    intent.broker_id = known.then_some(number);
    let executed = match card.state {
        IntentState::Filled => contracts,
        IntentState::Working | IntentState::Canceled | IntentState::Expired => card.executed.min(contracts - 1),
        IntentState::Prepared
        | IntentState::Sending
        | IntentState::Acked
        | IntentState::Unknown
        | IntentState::Rejected
        | IntentState::Void
        | IntentState::Absent
        | IntentState::Lost
        | IntentState::Done => 0,
    };
    execute(trade, &mut intent, number, executed);
    let leaves = card.leaving && card.state == IntentState::Working;
    trade.intents.push(intent);
    if leaves {
        let (id, target) = (IntentId(Uuid::from_u128(id.0.as_u128() + 50)), id);
        let asked = Intent::new(Origin { id, ..origin }, Op::Cancel { target });
        trade.intents.push(Intent { state: IntentState::Acked, sent_at: Some(at(NOW - 5)), ..asked });
    }
    let listed = card.shown.filter(|_| card.state != IntentState::Prepared);
    let traded = listed.map_or(0, |(state, executed, ..)| traded(state, executed, contracts));
    if let Some(shown) = listed {
        list(trade, card, (number, tag.to_string(), contracts), shown, cut);
    }
    executed.max(traded)
}

fn execute(trade: &mut Trade, intent: &mut Intent, leg: OrderId, executed: u32) {
    if executed == 0 {
        return;
    }
    let average = Some(Decimal::from(5));
    (intent.executed, intent.first_executed_at) = (executed, Some(at(1)));
    intent.legs.push(LegSeen { id: leg, is_stop: false, executed, average });
    trade.fills.push(Fill {
        trade_id: trade.id(),
        intent_id: intent.id,
        leg,
        cumulative: executed,
        quantity: executed,
        value: Decimal::from(5 * executed),
        seen_at: at(1),
    });
}

fn traded(state: OrderState, executed: u32, contracts: u32) -> u32 {
    match state {
        OrderState::Filled => contracts,
        OrderState::Live | OrderState::Canceled | OrderState::Expired => executed.min(contracts - 1),
        OrderState::Pending | OrderState::Rejected => 0,
    }
}

/// The order as both lists have it; in the first one as it was a moment before, when it moves.
fn list(
    trade: &Trade,
    card: &OrderCard,
    (id, tag, contracts): (OrderId, String, u32),
    (state, executed, priced, dies): (OrderState, u32, bool, bool),
    cut: &mut Snapshot,
) {
    let executed = traded(state, executed, contracts);
    let average = (priced && executed > 0).then_some(Decimal::from(5));
    // What an order of one leg has, and of a pair its target, has the number of the order.
    let leg = |id: OrderId, kind, state, executed: u32| BrokerLeg {
        id,
        kind,
        state,
        executed,
        average: average.filter(|_| executed > 0),
    };
    let legs = match card.shape {
        Shape::BuyMarket | Shape::SellMarket => vec![leg(id, LegKind::Market, state, executed)],
        Shape::BuyLimit(limit) | Shape::Limit(limit) => vec![leg(id, LegKind::Limit(limit), state, executed)],
        Shape::Stop(stop) => vec![leg(id, LegKind::Stop(stop), state, executed)],
        Shape::Oco { stop, target } => {
            let other = if dies { OrderState::Canceled } else { state };
            vec![
                leg(id, LegKind::Limit(target), state, executed),
                leg(OrderId(id.0 + 1), LegKind::Stop(stop), other, 0),
            ]
        }
    };
    let side = if card.shape.is_sell() { Side::Sell } else { Side::Buy };
    let created_at: DateTime<Utc> = at(card.sent);
    let symbol: Symbol = trade.spec.symbol.clone();
    let (tag, quantity, reason) = (Some(tag), contracts, None);
    let now = BrokerOrder { id, tag, symbol, side, quantity, state, head: state, legs, created_at, reason };
    let mut before = now.clone();
    if card.moves {
        before.state = OrderState::Pending;
    }
    cut.before.push(before);
    cut.orders.push(now);
}
