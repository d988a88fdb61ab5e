//! Taking up orders of ours that the database does not know, because it was brought back from a
//! backup: from the tag (trade, role, attempt, version, epoch) and from what the list says about the order.
//!
//! An order becomes an intent in doubt, and the fold that follows finds it by its tag like any other. A
//! trade that is unknown begins anew: what it holds comes from its entry, or from what its exits sell;
//! the position is the check and never the source, except where nothing else says anything. The
//! wish follows what works, so that no second bracket is put beside it.
//!
//! Invariants: a fill is booked by the fold alone; what cannot be read is left to a person; orders
//! of others are never looked at.

use std::collections::{BTreeMap, BTreeSet};

use blotter_shared::domain::{IntentId, IntentRole, IntentState, Multiplier, OptionContract, Price, Quantity, TradeId};
use ring::digest::{SHA256, digest};
use uuid::Uuid;

use super::super::ports::{BrokerOrder, LegKind, OrderId, Side, Symbol};
use super::super::pricing::coarse;
use super::super::snapshot::Snapshot;
use super::super::tag::Tag;
use super::fold::{Context, own_tag};
use super::intent::{Intent, Op, Order, Origin, Shape};
use super::restore::Restored;
use super::trade::{Bracket, FlatCause, Marks, Spec, Trade, Wish};
use super::{Book, derive};

/// An order of ours that no intent knows, with what its tag and its legs say.
#[derive(Clone, Debug)]
struct Lost<'a> {
    shown: &'a BrokerOrder,
    tag: Tag,
    order: Order,
}

/// What was taken up in one cut.
#[derive(Clone, Debug, Default)]
pub(super) struct TakenUp {
    /// Trades that the database did not know.
    pub begun: Vec<TradeId>,
    pub orders: usize,
}

/// Takes up what can be read of the lost orders.
pub(super) fn take_up(book: &mut Book, snapshot: &Snapshot, lost: &BTreeSet<String>, context: &Context<'_>) -> TakenUp {
    let mut taken = TakenUp::default();
    for (id, orders) in by_trade(snapshot, lost, context) {
        if !book.trades.contains_key(&id) {
            let Some(trade) = begun(id, &orders, (book, snapshot)) else { continue };
            book.trades.insert(id, trade);
            taken.begun.push(id);
        }
        taken.orders += join(book, id, (&orders, snapshot), context);
    }
    taken
}

fn by_trade<'a>(
    snapshot: &'a Snapshot,
    lost: &BTreeSet<String>,
    context: &Context<'_>,
) -> BTreeMap<TradeId, Vec<Lost<'a>>> {
    let mut found: BTreeMap<TradeId, Vec<Lost<'a>>> = BTreeMap::new();
    let ours = snapshot.orders.iter().filter(|order| order.tag.as_ref().is_some_and(|tag| lost.contains(tag)));
    for lost in ours.filter_map(|shown| read(shown, context)) {
        found.entry(lost.tag.trade).or_default().push(lost);
    }
    for orders in found.values_mut() {
        orders.sort_by_key(|lost| (lost.shown.created_at, lost.shown.id));
    }
    found
}

fn read<'a>(shown: &'a BrokerOrder, context: &Context<'_>) -> Option<Lost<'a>> {
    let tag = own_tag(shown, context.installation)?;
    let shape = shape_of(shown)?;
    let fits = (tag.role == IntentRole::Entry) != shape.is_sell();
    let order = Order { tag: shown.tag.clone()?, quantity: Quantity::new(shown.quantity).ok()?, shape };
    (fits && tag.version >= 1 && tag.attempt >= 1).then_some(Lost { shown, tag, order })
}

/// The order as it must have been sent; none when a leg cannot be read.
fn shape_of(order: &BrokerOrder) -> Option<Shape> {
    let kinds: Vec<LegKind> = order.legs.iter().map(|leg| leg.kind).collect();
    match (order.side, kinds.as_slice()) {
        (Side::Buy, [LegKind::Market]) => Some(Shape::BuyMarket),
        (Side::Buy, [LegKind::Limit(limit)]) => Some(Shape::BuyLimit(*limit)),
        (Side::Sell, [LegKind::Market]) => Some(Shape::SellMarket),
        (Side::Sell, [LegKind::Stop(stop)]) => Some(Shape::Stop(*stop)),
        (Side::Sell, [LegKind::Limit(target)]) => Some(Shape::Limit(*target)),
        (Side::Sell, [LegKind::Stop(stop), LegKind::Limit(target)] | [LegKind::Limit(target), LegKind::Stop(stop)]) => {
            Some(Shape::Oco { stop: *stop, target: *target })
        }
        (Side::Buy | Side::Sell, _) => None,
    }
}

/// Orders of a trade become its intents, and its wish follows them; how many did.
fn join(book: &mut Book, id: TradeId, (orders, snapshot): (&[Lost<'_>], &Snapshot), context: &Context<'_>) -> usize {
    let mut joined: Vec<&Lost<'_>> = Vec::new();
    for lost in orders {
        let beside = lost.tag.role != IntentRole::Entry && is_on_sale(book, snapshot, &lost.shown.symbol);
        let Some(trade) = book.trades.get_mut(&id) else { continue };
        let second = lost.tag.role == IntentRole::Entry && trade.entries().next().is_some();
        if second || trade.spec.symbol != lost.shown.symbol {
            continue;
        }
        trade.intents.push(Intent { late: beside, ..intent(lost, context) });
        joined.push(lost);
    }
    let Some(trade) = book.trades.get_mut(&id).filter(|_| !joined.is_empty()) else { return 0 };
    follow(trade, &joined, snapshot, context);
    let orders: Vec<OrderId> = joined.iter().map(|lost| lost.shown.id).collect();
    let count = orders.len();
    trade.marks.restored = Some(Restored { at: context.now, orders });
    count
}

/// Whether an exit of the symbol is alive by the ledger and the cut does not show its end.
fn is_on_sale(book: &Book, snapshot: &Snapshot, symbol: &Symbol) -> bool {
    let trades = book.trades.values().filter(|trade| trade.spec.symbol == *symbol);
    trades.flat_map(Trade::live_exits).any(|exit| shown(exit, snapshot).is_none_or(|order| !order.state.is_final()))
}

fn shown<'a>(intent: &Intent, snapshot: &'a Snapshot) -> Option<&'a BrokerOrder> {
    let tag = intent.order().map(|order| order.tag.as_str());
    snapshot
        .orders
        .iter()
        .find(|order| Some(order.id) == intent.broker_id || (tag.is_some() && order.tag.as_deref() == tag))
}

/// What was executed of an intent, as far as this cut shows it.
fn executed(intent: &Intent, snapshot: &Snapshot) -> i64 {
    i64::from(shown(intent, snapshot).map_or(0, BrokerOrder::executed).max(intent.executed))
}

/// An intent that was sent and whose answer is not known: the fold finds the rest.
fn intent(lost: &Lost<'_>, context: &Context<'_>) -> Intent {
    let Tag { trade: trade_id, role, attempt, version, epoch, .. } = lost.tag;
    let origin = Origin { id: id_of(lost), trade_id, role, attempt, version, epoch };
    Intent {
        state: IntentState::Sending,
        sent_at: Some(lost.shown.created_at),
        sent_on: Some(context.session.date),
        ..Intent::new(origin, Op::Place(lost.order.clone()))
    }
}

/// The same order gets the same id whoever takes it up, and ids are in the order of the orders.
fn id_of(lost: &Lost<'_>) -> IntentId {
    let hash = digest(&SHA256, lost.order.tag.as_bytes());
    let tail = hash.as_ref().iter().take(8).fold(0_u64, |tail, byte| (tail << 8) | u64::from(*byte));
    let millis = u64::try_from(lost.shown.created_at.timestamp_millis()).unwrap_or_default();
    // As a UUIDv7: 48 bits of time, the version, 12 bits of the number, the variant, the hash.
    let number = u64::from_ne_bytes(lost.shown.id.0.to_ne_bytes()) & 0x0fff;
    let high = (millis << 16) | 0x7000 | number;
    IntentId(Uuid::from_u64_pair(high, (tail >> 2) | (1 << 63)))
}

/// The wish as its newest orders show it: nothing else of it is left. What was wished since then, by somebody who
/// did not know of them, is wished still: a close that was accepted after the restore is not undone.
fn follow(trade: &mut Trade, joined: &[&Lost<'_>], snapshot: &Snapshot, context: &Context<'_>) {
    let was = trade.wish.clone();
    let newest = joined.iter().map(|lost| lost.tag.version).max().unwrap_or(was.version);
    let sent = joined.iter().map(|lost| lost.shown.created_at).max().unwrap_or(was.since);
    if was.since > sent && newest >= was.version {
        // Above theirs: they were sent for an older wish.
        trade.wish.version = newest.saturating_add(1);
        return;
    }
    trade.wish.version = was.version.max(newest);
    let bracket = joined.iter().rev().find(|lost| lost.tag.role == IntentRole::Bracket);
    if let Some(bracket) = bracket {
        like_the_bracket(trade, bracket, was.version);
    }
    let exit = joined.iter().rev().find(|lost| lost.tag.role != IntentRole::Entry);
    if let Some(sale) = exit.filter(|lost| lost.tag.role != IntentRole::Bracket && lost.tag.version >= was.version) {
        like_the_sale(trade, sale, snapshot);
    }
    if trade.wish != was {
        trade.wish.since = sent.min(context.now);
    }
}

/// A newer bracket says what is wanted. Of the same version the wish is known; one that works and
/// is the last good one means that policy went back to it, and any other was moved by somebody else.
fn like_the_bracket(trade: &mut Trade, bracket: &Lost<'_>, known: i64) {
    let newer = bracket.tag.version > known;
    let shape = bracket.order.shape;
    let sides = sides(shape);
    let same = trade.wish.shape().is_some_and(|wanted| coarse(wanted) == coarse(shape));
    let works = bracket.tag.version == known && !bracket.shown.state.is_final();
    let reverted = works && !same && trade.marks.good == Some(sides);
    if !(newer || reverted) {
        return;
    }
    let kept = bracket.order.quantity.get().clamp(1, trade.spec.quantity.get());
    let wish = &mut trade.wish;
    (wish.stop, wish.target, wish.limit, wish.until) = (sides.stop, sides.target, None, None);
    if newer {
        (wish.flat, wish.keep, wish.at_open, wish.accepts) = (None, kept, false, None);
    }
}

/// A sale that works, or that has sold, was asked for: of everything, or of a part.
fn like_the_sale(trade: &mut Trade, sale: &Lost<'_>, snapshot: &Snapshot) {
    if sale.shown.state.is_final() && sale.shown.executed() == 0 {
        return;
    }
    let sum =
        |intents: &mut dyn Iterator<Item = &Intent>| -> i64 { intents.map(|intent| executed(intent, snapshot)).sum() };
    let bought = sum(&mut trade.entries()) + trade.marks.adopted;
    let others = sum(&mut trade.exits().filter(|exit| exit.order() != Some(&sale.order)));
    let left = bought - others - trade.marks.outside - i64::from(sale.order.quantity.get());
    match u32::try_from(left).ok().filter(|left| *left > 0) {
        Some(left) => trade.wish.keep = left.min(trade.spec.quantity.get()),
        None => {
            let cause = if sale.tag.role == IntentRole::Emergency { FlatCause::CannotProtect } else { FlatCause::User };
            (trade.wish.keep, trade.wish.flat) = (0, Some(cause));
        }
    }
}

fn sides(shape: Shape) -> Bracket {
    match shape {
        Shape::Oco { stop, target } => Bracket { stop: Some(stop), target: Some(target) },
        Shape::Stop(stop) => Bracket { stop: Some(stop), target: None },
        Shape::Limit(target) => Bracket { stop: None, target: Some(target) },
        Shape::BuyMarket | Shape::BuyLimit(_) | Shape::SellMarket => Bracket::default(),
    }
}

/// A trade that the database does not know. Without a stable cut, or when nothing of it lives and
/// nothing was executed, it is not made up.
fn begun(id: TradeId, orders: &[Lost<'_>], (book, snapshot): (&Book, &Snapshot)) -> Option<Trade> {
    let first = orders.first()?;
    let symbol = first.shown.symbol.clone();
    let contract: OptionContract = symbol.as_str().parse().ok()?;
    let matters = orders.iter().any(|lost| !lost.shown.state.is_final() || lost.shown.executed() > 0);
    if !matters || !snapshot.is_stable(&symbol) {
        return None;
    }
    let entry = orders.iter().find(|lost| lost.tag.role == IntentRole::Entry);
    let there = entry.map_or_else(|| there_before(orders, book, snapshot), |_| 0);
    let adopted = u32::try_from(there).ok().and_then(|count| Quantity::new(count).ok());
    let quantity = entry.map(|lost| lost.order.quantity).or(adopted)?;
    let initial = orders.iter().find(|lost| lost.tag.role == IntentRole::Bracket).map(|lost| sides(lost.order.shape));
    let initial = initial.unwrap_or_default();
    let limit = entry.and_then(|lost| limit_of(lost.order.shape));
    let cost = snapshot.positions.iter().find(|position| position.symbol == symbol && position.quantity == there);
    let multiplier = Multiplier::STANDARD;
    let value = cost.map(|position| position.cost.0 / rust_decimal::Decimal::from(multiplier.get()));
    let spec = Spec {
        id,
        symbol,
        contract,
        multiplier,
        quantity,
        limit,
        initial_stop: initial.stop,
        initial_target: initial.target,
        asked_at: first.shown.created_at,
    };
    let marks = Marks { adopted: there, adopted_value: value.filter(|_| there > 0), ..Marks::new() };
    // Its orders say the rest, and its version.
    let wish = Wish::keeping(quantity, 0, first.shown.created_at);
    Some(Trade { wish, spec, marks, intents: Vec::new(), fills: Vec::new() })
}

/// Contracts that were there before the first order of today's list: what exits have sold and may still
/// sell, or where none works, what the account holds and no other trade has.
fn there_before(orders: &[Lost<'_>], book: &Book, snapshot: &Snapshot) -> i64 {
    let sold: i64 = orders.iter().map(|lost| i64::from(lost.shown.executed())).sum();
    let works = orders.iter().map(|lost| i64::from(lost.shown.remaining())).max().filter(|rest| *rest > 0);
    let symbol = orders.first().map(|lost| &lost.shown.symbol);
    let others = book.trades.values().filter(|trade| Some(&trade.spec.symbol) == symbol);
    let held: i64 = others.map(|trade| derive::held(trade).max(0)).sum();
    let position = symbol.map_or(0, |symbol| snapshot.position(symbol));
    sold + works.unwrap_or((position - held).max(0))
}

fn limit_of(shape: Shape) -> Option<Price> {
    match shape {
        Shape::BuyLimit(limit) => Some(limit),
        Shape::BuyMarket | Shape::SellMarket | Shape::Stop(_) | Shape::Limit(_) | Shape::Oco { .. } => None,
    }
}
