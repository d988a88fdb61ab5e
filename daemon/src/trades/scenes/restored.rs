//! The database was brought back from a backup: it is older than the broker. What happened in between
//! is known from the list of orders alone.

use blotter_shared::domain::{AlarmKind, CloseReason, IntentRole, TradeId, TradeStatus};
use uuid::Uuid;

use super::super::commands::{Adjust, Close, Command, adjust::Side as Want};
use super::super::plan::Action;
use super::super::ports::{BrokerOrder, LegKind, OrderId, OrderState, Side, Symbol};
use super::super::specimen::{SYMBOL, at, price};
use super::super::tag::{Epoch, Installation, Tag};
use super::*;

const ANOTHER: TradeId = TradeId(Uuid::from_u128(0x99));

/// Passes that it takes at least until the account sends again.
const ENOUGH: usize = 12;

fn tag(trade: TradeId, role: IntentRole, (attempt, version): (u32, i64), epoch: i64) -> String {
    let installation = Installation::new(Uuid::from_u128(7));
    Tag { installation, trade, role, attempt, version, epoch: Epoch(epoch) }.to_string()
}

/// An order of the lost days.
fn lost(id: i64, tag: String, shape: Shape, state: OrderState) -> BrokerOrder {
    let executed = if state == OrderState::Filled { 2 } else { 0 };
    let leg = |number: i64, kind: LegKind| BrokerLeg {
        id: OrderId(id + number),
        kind,
        state,
        executed: if number == 2 { 0 } else { executed },
        average: (executed > 0).then_some(Decimal::from(5)),
    };
    let legs = match shape {
        Shape::BuyMarket | Shape::SellMarket => vec![leg(0, LegKind::Market)],
        Shape::BuyLimit(limit) | Shape::Limit(limit) => vec![leg(0, LegKind::Limit(limit))],
        Shape::Stop(stop) => vec![leg(0, LegKind::Stop(stop))],
        Shape::Oco { stop, target } => vec![leg(1, LegKind::Limit(target)), leg(2, LegKind::Stop(stop))],
    };
    BrokerOrder {
        id: OrderId(id),
        tag: Some(tag),
        symbol: Symbol::new(SYMBOL),
        side: if shape.is_sell() { Side::Sell } else { Side::Buy },
        quantity: 2,
        state,
        head: state,
        legs,
        created_at: at(500 + id),
        reason: None,
    }
}

fn oco(stop: &str, target: &str) -> Shape {
    Shape::Oco { stop: price(stop), target: price(target) }
}

/// One pass: what was lost is taken up, nothing is sent, and a person is told.
fn finds_out(stage: &mut Stage) {
    stage.passes(1, 2);
    assert!(stage.book.account.reconciling.is_some());
    let alarm = stage.book.alarms.iter().find(|alarm| alarm.kind == AlarmKind::NeedsPerson && alarm.trade.is_none());
    assert!(alarm.is_some_and(|alarm| alarm.message.contains("a backup was brought back")), "{:?}", stage.book.alarms);
    assert_eq!(stage.done, []);
}

/// Everything has its place after a while, and the account sends again.
fn comes_back(stage: &mut Stage) {
    stage.passes(4, 2);
    assert!(stage.book.account.reconciling.is_some(), "five cuts in 20 s are asked for");
    assert_eq!(stage.done, [], "nothing was sent while it reconciled");
    stage.passes(ENOUGH, 2);
    assert_eq!(stage.book.account.reconciling, None);
    assert!(stage.book.alarms.iter().all(|alarm| alarm.trade.is_some()), "{:?}", stage.book.alarms);
}

/// The first thing that is sent takes this order back.
#[track_caller]
fn begins_by_cancelling(stage: &Stage, order: OrderId) {
    let first = stage.done.first();
    assert!(matches!(first, Some(Action::Cancel(cancel)) if cancel.order == order), "{:?}", stage.done);
}

/// The backup was taken when the first bracket worked; then the stop was moved.
fn adjusted() -> Stage {
    let mut stage = Stage::protected(2);
    end(stage.newest(), OrderState::Canceled);
    let id = stage.trade().id();
    stage.orders.push(lost(50, tag(id, IntentRole::Bracket, (2, 3), 1), oco("4.50", "6.50"), OrderState::Live));
    stage
}

#[test]
fn a_moved_bracket_is_taken_up_and_none_is_put_beside_it() {
    let mut stage = adjusted();
    finds_out(&mut stage);
    let wish = &stage.trade().wish;
    assert_eq!((wish.version, wish.stop, wish.target), (3, Some(price("4.50")), Some(price("6.50"))));
    assert_eq!(stage.trade().live_exits().count(), 1);
    assert_eq!(stage.trade().marks.restored.as_ref().map(|restored| restored.orders.clone()), Some(vec![OrderId(50)]));
    comes_back(&mut stage);
    stage.passes(20, 5);
    assert_eq!(stage.done, [], "what works is what is wanted");
    assert_eq!(stage.trade().marks.protection, blotter_shared::domain::Protection::Confirmed);
}

/// The wish of a version that the backup knows is known: what differs was moved by somebody else.
#[test]
fn a_stop_that_somebody_moved_is_not_taken_for_a_wish() {
    let mut stage = Stage::protected(2);
    end(stage.newest(), OrderState::Canceled);
    let id = stage.trade().id();
    stage.orders.push(lost(50, tag(id, IntentRole::Bracket, (2, 1), 1), oco("0.10", "6.00"), OrderState::Live));
    finds_out(&mut stage);
    assert_eq!(stage.trade().wish.stop, Some(price("4.00")));
    stage.passes(ENOUGH, 2);
    begins_by_cancelling(&stage, OrderId(50));
}

#[test]
fn a_close_waits_until_everything_is_matched() {
    let mut stage = adjusted();
    finds_out(&mut stage);
    let close = Close { version: 3, quantity: None, limit: None, at_open: false };
    stage.command(&Command::Close(stage.trade().id(), close)).unwrap();
    comes_back(&mut stage);
    begins_by_cancelling(&stage, OrderId(50));
}

/// It was accepted while the broker did not answer: nobody knew yet that a backup was brought back.
#[test]
fn a_close_that_came_before_the_lost_orders_were_seen_is_not_undone_by_them() {
    let mut stage = adjusted();
    let close = Close { version: stage.trade().wish.version, quantity: None, limit: None, at_open: false };
    stage.command(&Command::Close(stage.trade().id(), close)).unwrap();
    finds_out(&mut stage);
    let wish = &stage.trade().wish;
    assert!(wish.is_flat() && wish.version == 4, "{wish:?}");
    assert_eq!(
        (wish.stop, wish.target),
        (Some(price("4.00")), Some(price("6.00"))),
        "nor is anything else of the wish"
    );
    comes_back(&mut stage);
    begins_by_cancelling(&stage, OrderId(50));
}

/// Another user's loop on the same account at the broker counts its own epochs.
#[test]
fn a_newer_epoch_of_somebody_elses_order_is_no_restored_backup() {
    let mut stage = Stage::protected(2);
    let theirs = tag(ANOTHER, IntentRole::Entry, (1, 1), 12);
    stage.known_elsewhere.insert(theirs.clone());
    stage.orders.push(lost(90, theirs, Shape::BuyMarket, OrderState::Canceled));
    stage.passes(5, 2);
    assert_eq!((stage.book.account.reconciling.as_ref(), stage.done.as_slice()), (None, [].as_slice()));
}

#[test]
fn a_close_that_filled_is_booked_and_ends_the_trade() {
    let mut stage = Stage::protected(2);
    end(stage.newest(), OrderState::Canceled);
    let id = stage.trade().id();
    stage.orders.push(lost(60, tag(id, IntentRole::Close, (1, 2), 1), Shape::SellMarket, OrderState::Filled));
    stage.holds(0);
    finds_out(&mut stage);
    let trade = stage.trade();
    assert_eq!((trade.marks.status, trade.marks.held), (TradeStatus::Closed, 0));
    assert_eq!(trade.fills.last().map(|fill| fill.quantity), Some(2));
    comes_back(&mut stage);
    assert_eq!(stage.done, []);
}

/// A trade that was opened after the backup, in the place of the one that the backup knows.
#[test]
fn an_unknown_trade_begins_anew_from_its_orders() {
    let mut stage = Stage::protected(2);
    stage.book.trades.clear();
    stage.orders = vec![
        lost(70, tag(ANOTHER, IntentRole::Entry, (1, 1), 4), Shape::BuyLimit(price("5.10")), OrderState::Filled),
        lost(80, tag(ANOTHER, IntentRole::Bracket, (1, 1), 4), oco("4.00", "7.00"), OrderState::Live),
    ];
    finds_out(&mut stage);
    assert_eq!(stage.book.account.reconciling.as_ref().map(|state| state.base), Some(1_000_004));
    let trade = stage.trade().clone();
    assert_eq!((trade.id(), trade.marks.held, trade.marks.adopted), (ANOTHER, 2, 0));
    assert_eq!((trade.wish.stop, trade.wish.target, trade.wish.keep), (Some(price("4.00")), Some(price("7.00")), 2));
    assert_eq!(trade.spec.limit, Some(price("5.10")));
    comes_back(&mut stage);
    assert_eq!((stage.trade().marks.status, stage.done.as_slice()), (TradeStatus::Filled, [].as_slice()));
}

#[test]
fn an_unknown_trade_of_an_earlier_day_is_known_by_its_bracket() {
    let mut stage = Stage::protected(2);
    stage.book.trades.clear();
    stage.orders = vec![lost(80, tag(ANOTHER, IntentRole::Bracket, (3, 4), 2), oco("4.00", "7.00"), OrderState::Live)];
    finds_out(&mut stage);
    let trade = stage.trade();
    assert_eq!((trade.marks.adopted, trade.marks.held, trade.wish.version), (2, 2, 4));
    comes_back(&mut stage);
    assert_eq!(stage.done, []);
}

/// The position is not what the bracket sells: nobody guesses.
#[test]
fn what_cannot_be_explained_is_left_to_a_person() {
    let mut stage = Stage::protected(2);
    stage.book.trades.clear();
    stage.orders = vec![lost(80, tag(ANOTHER, IntentRole::Bracket, (1, 1), 2), oco("4.00", "7.00"), OrderState::Live)];
    stage.holds(0);
    stage.passes(40, 2);
    assert_eq!(stage.done, [], "the bracket stays");
    assert!(stage.alarm(AlarmKind::Quarantine).is_some());
    assert_eq!(stage.book.account.reconciling, None, "the rest of the account goes on");
}

/// The symbol's old trade was closed and a new one opened: the old one ends first.
#[test]
fn an_unknown_trade_takes_the_place_of_one_that_ended() {
    let mut stage = Stage::protected(2);
    end(stage.newest(), OrderState::Canceled);
    let id = stage.trade().id();
    stage.orders.push(lost(60, tag(id, IntentRole::Close, (1, 2), 1), Shape::SellMarket, OrderState::Filled));
    stage.orders.push(lost(70, tag(ANOTHER, IntentRole::Entry, (1, 1), 1), Shape::BuyMarket, OrderState::Filled));
    stage.orders.push(lost(80, tag(ANOTHER, IntentRole::Bracket, (1, 1), 1), oco("4.00", "7.00"), OrderState::Live));
    finds_out(&mut stage);
    stage.passes(1, 2);
    assert_eq!(stage.book.trades[&id].marks.status, TradeStatus::Closed);
    assert_eq!(stage.book.trades[&ANOTHER].marks.held, 2);
    comes_back(&mut stage);
    assert_eq!(stage.done, []);
}

/// Two of the trade that the backup knows, with nothing that works, and another trade of the symbol, whose bracket works.
fn succeeded() -> Stage {
    let mut stage = Stage::protected(2);
    end(stage.newest(), OrderState::Canceled);
    stage.orders.push(lost(70, tag(ANOTHER, IntentRole::Entry, (1, 1), 1), Shape::BuyMarket, OrderState::Filled));
    stage.orders.push(lost(80, tag(ANOTHER, IntentRole::Bracket, (1, 1), 1), oco("4.00", "7.00"), OrderState::Live));
    stage
}

/// Its end is in no list, and contracts of somebody else are there: the other trade could not have begun before it.
#[test]
fn a_trade_that_has_a_successor_has_ended_whatever_is_there() {
    let mut stage = succeeded();
    let id = stage.trade().id();
    stage.holds(4);
    finds_out(&mut stage);
    let old = &stage.book.trades[&id].marks;
    assert_eq!((old.close_reason, old.outside), (Some(CloseReason::ExternalUnexplained), 2));
    stage.passes(60, 2);
    let quarantine = stage.book.trades[&ANOTHER].marks.quarantine.as_ref();
    assert_eq!(quarantine.map(|found| found.reason.as_str()), Some("the broker shows 4, the ledger 2"));
    assert_eq!((stage.book.account.reconciling.clone(), stage.done.len()), (None, 0), "{:?}", stage.done);
}

/// Its bracket still works: it has not ended, and nobody guesses.
#[test]
fn a_trade_whose_bracket_works_has_no_successor() {
    let mut stage = succeeded();
    let id = stage.trade().id();
    stage.orders.push(lost(90, tag(id, IntentRole::Bracket, (2, 2), 1), oco("4.00", "7.00"), OrderState::Live));
    stage.holds(4);
    stage.passes(60, 2);
    assert_eq!((stage.book.trades[&id].marks.held, stage.book.trades.len()), (2, 1));
    assert!(stage.book.account.reconciling.is_some());
    assert_eq!(stage.done, []);
}

/// And of what the new one holds somebody has sold a part: that is missing to the new one, and the old one
/// ends all the same.
#[test]
fn a_trade_that_ended_leaves_its_place_whatever_is_missing_to_the_next() {
    let mut stage = Stage::protected(2);
    end(stage.newest(), OrderState::Canceled);
    let id = stage.trade().id();
    stage.orders.push(lost(60, tag(id, IntentRole::Close, (1, 2), 1), Shape::SellMarket, OrderState::Filled));
    stage.orders.push(lost(70, tag(ANOTHER, IntentRole::Entry, (1, 1), 1), Shape::BuyMarket, OrderState::Filled));
    stage.orders.push(lost(80, tag(ANOTHER, IntentRole::Bracket, (1, 1), 1), oco("4.00", "7.00"), OrderState::Live));
    stage.holds(1);
    finds_out(&mut stage);
    stage.passes(1, 2);
    assert_eq!(stage.book.trades[&id].marks.status, TradeStatus::Closed);
    assert_eq!(stage.book.trades[&ANOTHER].marks.held, 2);
    stage.passes(60, 2);
    let quarantine = stage.book.trades[&ANOTHER].marks.quarantine.as_ref();
    assert_eq!(quarantine.map(|found| found.reason.as_str()), Some("the broker shows 1, the ledger 2"));
    assert_eq!(stage.book.account.reconciling, None, "the rest of the account goes on");
    assert_eq!(stage.done, [], "the bracket stays");
}

/// Two trades of one symbol, one after the other, and the backup knows neither.
#[test]
fn unknown_trades_of_one_symbol_begin_one_after_the_other() {
    const THIRD: TradeId = TradeId(Uuid::from_u128(0xaa));
    let mut stage = Stage::protected(2);
    stage.book.trades.clear();
    stage.orders = vec![
        lost(60, tag(ANOTHER, IntentRole::Entry, (1, 1), 1), Shape::BuyMarket, OrderState::Filled),
        lost(65, tag(ANOTHER, IntentRole::Close, (1, 2), 1), Shape::SellMarket, OrderState::Filled),
        lost(70, tag(THIRD, IntentRole::Entry, (1, 1), 1), Shape::BuyMarket, OrderState::Filled),
        lost(80, tag(THIRD, IntentRole::Bracket, (1, 1), 1), oco("4.00", "7.00"), OrderState::Live),
    ];
    finds_out(&mut stage);
    stage.passes(2, 2);
    assert_eq!(stage.book.trades[&ANOTHER].marks.status, TradeStatus::Closed);
    assert_eq!((stage.book.trades[&THIRD].marks.held, stage.book.trades[&THIRD].wish.stop), (2, Some(price("4.00"))));
    comes_back(&mut stage);
    assert_eq!(stage.done, []);
}

/// Its tag tells neither stop nor target.
#[test]
fn an_entry_without_its_bracket_asks_for_a_stop() {
    let mut stage = Stage::protected(2);
    stage.book.trades.clear();
    stage.orders = vec![lost(70, tag(ANOTHER, IntentRole::Entry, (1, 1), 1), Shape::BuyMarket, OrderState::Filled)];
    stage.passes(ENOUGH + 5, 2);
    let asks = |stage: &Stage| stage.alarm(AlarmKind::NeedsPerson).is_some_and(|alarm| alarm.message.contains("stop"));
    assert!(asks(&stage), "{:?}", stage.book.alarms);
    let stop = Want::Set(price("4.00"));
    stage.command(&Command::Adjust(ANOTHER, Adjust { version: 1, stop, target: Want::Keep })).unwrap();
    stage.passes(3, 2);
    assert!(matches!(stage.done.first(), Some(Action::Place(place)) if place.shape == Shape::Stop(price("4.00"))));
    assert!(!asks(&stage), "{:?}", stage.book.alarms);
}

/// An epoch that is newer than any that was given out, on an order that the database knows.
#[test]
fn a_newer_epoch_alone_is_a_sign() {
    let mut stage = Stage::protected(2);
    let id = stage.trade().id();
    let newer = tag(id, IntentRole::Bracket, (1, 1), 9);
    stage.newest().tag = Some(newer);
    finds_out(&mut stage);
    assert_eq!(stage.book.account.reconciling.as_ref().map(|state| state.base), Some(1_000_009));
    comes_back(&mut stage);
}

#[test]
fn orders_of_another_installation_or_of_nobody_are_not_looked_at() {
    let mut stage = Stage::protected(2);
    let other = Installation::new(Uuid::from_u128(8));
    let foreign = Tag {
        installation: other,
        trade: ANOTHER,
        role: IntentRole::Bracket,
        attempt: 1,
        version: 1,
        epoch: Epoch(99),
    };
    stage.orders.push(lost(90, foreign.to_string(), oco("3.00", "9.00"), OrderState::Live));
    stage.orders.push(lost(91, "by-hand".to_owned(), oco("3.00", "9.00"), OrderState::Live));
    stage.passes(3, 2);
    assert_eq!((stage.book.trades.len(), stage.book.account.reconciling.is_none()), (1, true));
    assert_eq!(stage.trade().exits().count(), 1);
}

/// An order whose legs nobody can read keeps the account still; it is not guessed at.
#[test]
fn an_order_that_cannot_be_read_keeps_the_account_still() {
    let mut stage = adjusted();
    stage.newest().legs[0].kind = LegKind::Other;
    stage.passes(60, 5);
    assert!(stage.book.account.reconciling.is_some());
    assert_eq!(stage.done, []);
    stage.newest().legs[0].kind = LegKind::Limit(price("6.50"));
    stage.passes(ENOUGH + 5, 2);
    assert_eq!(stage.book.account.reconciling, None);
}
