//! A process that dies at a write: nothing is sent twice, and no bracket is lost.

use std::collections::BTreeSet;

use blotter_daemon::trades::commands::adjust::Side;
use blotter_daemon::trades::commands::{Adjust, Close, Command};
use blotter_daemon::trades::facts::Trade;
use blotter_shared::domain::{IntentState, TradeStatus};

use super::rig::{BRACKET, CANCEL, CLOSE, Death, ENTRY, Rig, is_confirmed};

/// Every order of ours has a tag of its own, and so many were sent.
async fn check_sent(rig: &Rig, orders: usize) {
    let ours = rig.ours().await;
    let tags: BTreeSet<_> = ours.iter().filter_map(|order| order.tag.clone()).collect();
    assert_eq!((ours.len(), tags.len()), (orders, orders), "{ours:#?}");
}

#[tokio::test]
async fn an_entry_whose_answer_is_lost_is_found_and_protected() {
    let mut rig = Rig::start().await;
    let id = rig.place().await;
    rig.die(ENTRY, Death::AfterSend).await;
    let trade = rig.until("the bracket is confirmed", id, is_confirmed).await;
    assert_eq!(trade.entries().count(), 1);
    check_sent(&rig, 2).await;
    assert_eq!(rig.position().await, 2);
}

#[tokio::test]
async fn an_entry_that_was_recorded_and_not_sent_is_never_sent() {
    let mut rig = Rig::start().await;
    let id = rig.place().await;
    rig.die(ENTRY, Death::BeforeSend).await;
    let trade = rig.until("it is void", id, |trade| trade.marks.status == TradeStatus::Void).await;
    assert_eq!(trade.entries().next().map(|entry| entry.state), Some(IntentState::Absent));
    check_sent(&rig, 0).await;
}

#[tokio::test]
async fn a_bracket_is_placed_whether_or_not_the_first_one_left() {
    for (death, brackets) in [(Death::BeforeSend, 2), (Death::AfterSend, 1)] {
        let mut rig = Rig::start().await;
        let id = rig.place().await;
        rig.die(BRACKET, death).await;
        let trade = rig.until("the bracket is confirmed", id, is_confirmed).await;
        assert_eq!(trade.exits().count(), brackets, "{death:?}");
        check_sent(&rig, 2).await;
    }
}

#[tokio::test]
async fn a_close_that_dies_at_any_of_its_writes_sells_once() {
    for (write, death) in
        [(CANCEL, Death::BeforeSend), (CANCEL, Death::AfterSend), (CLOSE, Death::BeforeSend), (CLOSE, Death::AfterSend)]
    {
        let mut rig = Rig::start().await;
        let id = rig.hold().await;
        let close = Close { version: 1, quantity: None, limit: None, at_open: false };
        rig.command(Command::Close(id, close)).await.unwrap();
        rig.die(write, death).await;
        rig.until("it is closed", id, |trade| trade.marks.status == TradeStatus::Closed).await;
        assert_eq!(rig.position().await, 0, "{write} {death:?}");
        check_sent(&rig, 3).await;
    }
}

#[tokio::test]
async fn an_adjust_that_dies_at_any_of_its_writes_leaves_one_bracket() {
    for (write, death) in [
        (CANCEL, Death::BeforeSend),
        (CANCEL, Death::AfterSend),
        (BRACKET, Death::BeforeSend),
        (BRACKET, Death::AfterSend),
    ] {
        let mut rig = Rig::start().await;
        let id = rig.hold().await;
        let stop = Side::Set("4.50".parse().unwrap());
        rig.command(Command::Adjust(id, Adjust { version: 1, stop, target: Side::Keep })).await.unwrap();
        rig.die(write, death).await;
        let moved =
            |trade: &Trade| is_confirmed(trade) && trade.marks.good.and_then(|good| good.stop) == trade.wish.stop;
        let trade = rig.until("the new stop works", id, moved).await;
        assert_eq!(trade.wish.stop, Some("4.50".parse().unwrap()), "{write} {death:?}");
        assert_eq!(rig.ours().await.iter().filter(|order| !order.is_final_throughout()).count(), 1);
        check_sent(&rig, 3).await;
    }
}
