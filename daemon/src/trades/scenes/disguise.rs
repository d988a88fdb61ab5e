//! An order whose answer was lost, in a list that has lost its tag too.

use blotter_shared::domain::{IntentRole, IntentState};

use super::super::facts::Shape;
use super::super::ports::{OrderId, OrderState, Symbol};
use super::super::specimen::{at, price, trade, with_order};
use super::{Stage, end, shown};

/// An entry that may be at the broker, and what the list shows of it: everything but its name.
fn in_doubt() -> Stage {
    let entry = with_order(trade(2), IntentRole::Entry, IntentState::Unknown, Shape::BuyLimit(price("5.00")));
    let mut stage = Stage::holding(2);
    stage.positions.clear();
    stage.book.trades.insert(entry.id(), entry);
    stage.orders = vec![shown(&stage.trade().intents[0], OrderState::Live)];
    stage.newest().tag = None;
    stage.newest().id = OrderId(77);
    let intent = &mut stage.trade_mut().intents[0];
    (intent.broker_id, intent.sent_on) = (None, Some(at(0).date_naive()));
    stage
}

fn state(stage: &Stage) -> IntentState {
    stage.trade().intents[0].state
}

#[test]
fn it_is_neither_taken_for_ours_nor_called_absent_while_it_works() {
    let mut stage = in_doubt();
    stage.passes(60, 5);
    assert_eq!((state(&stage), stage.trade().intents[0].broker_id), (IntentState::Unknown, None));
    assert_eq!(stage.done, [], "nothing is sent in its place, and nothing is done to what may be a stranger's");
    end(stage.newest(), OrderState::Canceled);
    stage.passes(20, 5);
    assert_eq!(state(&stage), IntentState::Absent, "what has ended with nothing bought can do nothing any more");
}

#[test]
fn its_name_decides_as_soon_as_it_is_told() {
    let mut stage = in_doubt();
    stage.passes(20, 5);
    stage.newest().tag = Some("tag-1".to_owned());
    stage.passes(1, 5);
    assert_eq!((state(&stage), stage.trade().intents[0].broker_id), (IntentState::Working, Some(OrderId(77))));
}

#[test]
fn what_cannot_be_it_does_not_keep_it_in_doubt() {
    let changes: [fn(&mut Stage); 3] = [
        |stage| stage.newest().created_at = at(-60),
        |stage| stage.newest().symbol = Symbol::new("ABC270115P00150000"),
        |stage| stage.newest().tag = Some("somebody-elses".to_owned()),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut stage = in_doubt();
        change(&mut stage);
        stage.passes(20, 5);
        assert_eq!(state(&stage), IntentState::Absent, "change {number}");
    }
}
