//! A backup is brought back: the database is older than the broker.

use std::collections::BTreeSet;

use blotter_daemon::broker::Order;
use blotter_daemon::trades::commands::adjust::Side;
use blotter_daemon::trades::commands::{Adjust, Close, Command};
use blotter_daemon::trades::facts::{Shape, Trade};
use blotter_shared::domain::{Price, TradeId, TradeStatus};

use super::rig::{Rig, is_confirmed};

fn price(text: &str) -> Option<Price> {
    Some(text.parse().unwrap())
}

/// Moves the stop, and waits until the new bracket works.
async fn adjust(rig: &mut Rig, id: TradeId, stop: &str) {
    let stop = Side::Set(stop.parse().unwrap());
    rig.command(Command::Adjust(id, Adjust { version: 1, stop, target: Side::Keep })).await.unwrap();
    let moved = |trade: &Trade| is_confirmed(trade) && trade.marks.good.and_then(|good| good.stop) == trade.wish.stop;
    rig.until("the new stop works", id, moved).await;
}

/// A trade in the other contract.
async fn open_another(rig: &mut Rig) -> TradeId {
    std::mem::swap(&mut rig.contract, &mut rig.other);
    rig.pin("5.00", "5.10").await;
    let id = rig.hold().await;
    std::mem::swap(&mut rig.contract, &mut rig.other);
    id
}

async fn tags(rig: &Rig, live: bool) -> BTreeSet<String> {
    let wanted = |order: &Order| !live || !order.is_final_throughout();
    rig.ours().await.into_iter().filter(wanted).filter_map(|order| order.tag).collect()
}

#[tokio::test]
async fn orders_that_the_backup_does_not_know_are_taken_up_before_anything_is_sent() {
    let mut rig = Rig::start().await;
    let first = rig.hold().await;
    rig.back_up("kept").await;
    adjust(&mut rig, first, "4.50").await;
    let second = open_another(&mut rig).await;
    let (sent, live) = (tags(&rig, false).await, tags(&rig, true).await);
    assert_eq!((sent.len(), live.len()), (5, 2), "two entries, three brackets, two of which work: {sent:?}");

    rig.bring_back("kept").await;
    assert!(!rig.book().await.trades.contains_key(&second), "the backup does not know it");
    rig.until_reconciling(true).await;
    let told = "SELECT count(*) FROM alarms WHERE kind = 'NEEDS_PERSON' AND trade_id IS NULL AND cleared_at IS NULL";
    assert_eq!(rig.count(told).await, 1);
    assert_eq!(tags(&rig, false).await, sent, "nothing was sent before everything was matched");
    rig.until_reconciling(false).await;
    assert_eq!(rig.count(told).await, 0);
    assert_eq!((tags(&rig, false).await, tags(&rig, true).await), (sent.clone(), live), "and nothing afterwards");

    let shape = |stop| Some(Shape::Oco { stop, target: "7.00".parse().unwrap() });
    for (id, stop, version) in [(first, "4.50", 2), (second, "4.00", 1)] {
        let trade = rig.until("its bracket is confirmed", id, is_confirmed).await;
        assert_eq!((trade.wish.stop, trade.wish.version, trade.marks.held), (price(stop), version, 2));
        let works: Vec<_> = trade.live_exits().map(|exit| exit.order().map(|order| order.shape)).collect();
        assert_eq!(works, [shape(stop.parse().unwrap())]);
    }
    let epochs = "SELECT count(*) FROM leases, installation WHERE epoch > epoch_base AND epoch_base >= 1000000";
    assert_eq!(rig.count(epochs).await, 1);
    let stories = "SELECT count(DISTINCT trade_id) FROM trade_events WHERE kind = 'RESTORED'";
    assert_eq!(rig.count(stories).await, 2);
    let known = "SELECT count(*) FROM intents WHERE op = 'PLACE'";
    assert_eq!(rig.count(known).await, 5, "every order has its intent");
    sends_again(&mut rig, first, &sent).await;
}

/// A close is carried out under an epoch of the new era.
async fn sends_again(rig: &mut Rig, id: TradeId, sent: &BTreeSet<String>) {
    let close = Close { version: 2, quantity: None, limit: None, at_open: false };
    rig.command(Command::Close(id, close)).await.unwrap();
    rig.until("it is closed", id, |trade| trade.marks.status == TradeStatus::Closed).await;
    assert_eq!(rig.position().await, 0);
    let after = tags(rig, false).await;
    let new: Vec<_> = after.difference(sent).collect();
    assert!(matches!(new.as_slice(), [one] if one.contains("-CL1-v3-e10000")), "{new:?}");
}
