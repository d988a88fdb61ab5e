//! The store against the meaning of its changes: what comes back is what went in, and what must not
//! be written is not.

use std::time::{Duration, Instant};

use blotter_daemon::db::engine::trade_lock;
use blotter_daemon::db::{Db, DbState};
use blotter_daemon::events::EventStream;
use blotter_daemon::trades::commands::{Command, RefusalCode};
use blotter_daemon::trades::facts::apply::apply;
use blotter_daemon::trades::facts::{AlarmChange, Book, Change, FlatCause, Marks, Wish, WishStamp};
use blotter_daemon::trades::ports::{CommitError, Fence, Holder, LeaseAnswer, Store};
use blotter_daemon::trades::rules::Rules;
use blotter_daemon::trades::runtime::store::Ledger;
use blotter_shared::domain::{AlarmKind, Severity};
use chrono::{SubsecRound, TimeDelta};
use futures_util::StreamExt;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::rig::Rig;
use crate::chores::hub;
use crate::support::{DEADLINE, Raw, config, looks, reach};

const TTL: Duration = Duration::from_secs(30);

fn holder(process: u128) -> Holder {
    Holder { host: Uuid::from_u128(process), process: Uuid::from_u128(process) }
}

async fn own(rig: &Rig, process: u128) -> Fence {
    match rig.ledger.lease(holder(process), TTL).await.unwrap() {
        LeaseAnswer::Renewed(epoch) | LeaseAnswer::Taken(epoch) | LeaseAnswer::TakenOver(epoch) => {
            Fence { holder: holder(process), epoch, ttl: TTL }
        }
        LeaseAnswer::Held => panic!("somebody else has the lease"),
    }
}

async fn run_out(rig: &Rig) {
    let admin = Raw::connect(&rig.cluster.url()).await;
    admin.batch_execute("UPDATE leases SET expires_at = clock_timestamp() - interval '1 s'").await.unwrap();
}

#[tokio::test]
async fn a_book_comes_back_as_it_was_written() {
    let mut rig = Rig::start().await;
    rig.hold().await;
    let stored = rig.book().await;
    // The same trade, built by the function that says what changes mean.
    let mut meant = Book::new(stored.mode, stored.starting_equity);
    meant.account = stored.account.clone();
    for trade in stored.trades.values() {
        let bare = blotter_daemon::trades::facts::Trade { intents: Vec::new(), fills: Vec::new(), ..trade.clone() };
        apply(&mut meant, &Change::Begin(Box::new(bare)), Rules::ALL).unwrap();
        for intent in &trade.intents {
            apply(&mut meant, &Change::Intent(Box::new(intent.clone())), Rules::ALL).unwrap();
        }
        for fill in &trade.fills {
            apply(&mut meant, &Change::Fill(fill.clone()), Rules::ALL).unwrap();
        }
    }
    assert_eq!(stored.trades, meant.trades);
    // Written once more, nothing changes.
    run_out(&rig).await;
    let fence = own(&rig, 2).await;
    let again: Vec<Change> = stored
        .trades
        .values()
        .flat_map(|trade| {
            let intents = trade.intents.iter().map(|intent| Change::Intent(Box::new(intent.clone())));
            let fills = trade.fills.iter().map(|fill| Change::Fill(fill.clone()));
            let marks = Change::Marks { trade: trade.id(), becomes: Box::new(trade.marks.clone()) };
            intents.chain(fills).chain([marks]).collect::<Vec<_>>()
        })
        .collect();
    let events = rig.count("SELECT count(*) FROM intent_events").await;
    rig.ledger.commit(&fence, &again).await.unwrap();
    assert_eq!(rig.book().await, stored);
    assert_eq!(rig.count("SELECT count(*) FROM intent_events").await, events, "nothing moved, nothing is told");
}

#[tokio::test]
async fn a_lease_has_one_holder_and_a_deposed_one_writes_nothing() {
    let rig = Rig::start().await;
    let id = rig.place().await;
    let first = own(&rig, 1).await;
    assert_eq!(rig.ledger.lease(holder(1), TTL).await.unwrap(), LeaseAnswer::Renewed(first.epoch));
    assert_eq!(rig.ledger.lease(holder(2), TTL).await.unwrap(), LeaseAnswer::Held);
    run_out(&rig).await;
    let second = own(&rig, 2).await;
    assert!(second.epoch > first.epoch);
    // What is written goes out with the question whose the lease is: of one who has lost it nothing is kept.
    let before = rig.trade(id).await;
    let moved = |breaches| Change::Marks { trade: id, becomes: Box::new(Marks { breaches, ..before.marks.clone() }) };
    let told = rig.count("SELECT change_seq FROM user_heads").await;
    let naked = AlarmChange::Raise {
        kind: AlarmKind::Naked,
        trade: Some(id),
        severity: Severity::Page,
        message: "bare".to_owned(),
        at: before.spec.asked_at,
    };
    for changes in [vec![moved(7)], vec![moved(8), Change::Alarm(naked.clone())], vec![Change::Alarm(naked)]] {
        assert_eq!(rig.ledger.commit(&first, &changes).await, Err(CommitError::LeaseLost));
        assert_eq!(rig.trade(id).await, before);
        assert_eq!(rig.count("SELECT count(*) FROM alarms").await, 0);
        assert_eq!(rig.count("SELECT change_seq FROM user_heads").await, told);
    }
    assert_eq!(rig.ledger.commit(&second, &[moved(9)]).await, Ok(()));
    assert_eq!(rig.trade(id).await.marks.breaches, 9);
    rig.ledger.release(&second).await.unwrap();
    let taken = rig.ledger.lease(holder(3), TTL).await.unwrap();
    assert!(
        matches!(taken, LeaseAnswer::Taken(epoch) if epoch > second.epoch),
        "given back: no quiet period; {taken:?}"
    );
}

/// Two trades of which one moved: columns, facts and feed are as if each had been written by itself.
#[tokio::test]
async fn what_was_only_seen_again_is_written_with_the_rest() {
    let mut rig = Rig::start().await;
    let quiet = rig.place().await;
    std::mem::swap(&mut rig.contract, &mut rig.other);
    rig.pin("5.00", "5.10").await;
    let moved = rig.place().await;
    let fence = own(&rig, 1).await;
    let at = rig.trade(quiet).await.spec.asked_at.trunc_subsecs(0) + TimeDelta::seconds(20);
    let mut becomes = Vec::new();
    for (id, breaches) in [(quiet, 0), (moved, 5)] {
        let mut marks = rig.trade(id).await.marks;
        (marks.verified_at, marks.breaches) = (Some(at), breaches);
        becomes.push((id, marks));
    }
    let feed = "SELECT count(*) FROM change_feed f JOIN user_heads h USING (username) WHERE f.seq <= h.change_seq";
    let told = rig.count(feed).await;
    let changes: Vec<Change> =
        becomes.iter().map(|(id, marks)| Change::Marks { trade: *id, becomes: Box::new(marks.clone()) }).collect();
    rig.ledger.commit(&fence, &changes).await.unwrap();
    for (id, marks) in becomes {
        assert_eq!(rig.trade(id).await.marks, marks);
        let row = format!("SELECT count(*) FROM paper_trades WHERE id = '{}' AND last_verified_at = '{at}'", id.0);
        assert_eq!(rig.count(&row).await, 1);
        let last = format!("SELECT count(*) FROM change_feed WHERE entity_id = '{}' AND seq > {told}", id.0);
        assert_eq!(rig.count(&last).await, 1, "told once");
    }
    assert_eq!(rig.count("SELECT change_seq FROM user_heads").await, told + 2, "without gaps");
}

/// The hub's own look at the feed is taken away: what a stream hears then it has from the commits.
#[tokio::test]
async fn streams_are_told_what_a_commit_has_read_of_the_feed() {
    let rig = Rig::start().await;
    let id = rig.place().await;
    let fence = own(&rig, 1).await;
    let eyes = Db::connect(config(&rig.cluster.url()), &rig.clock());
    reach(&eyes, DbState::Ready).await;
    let hub = hub(&eyes, &rig.clock());
    let mut stream = hub.subscribe(&rig.ledger.user, None, CancellationToken::new()).await;
    let head = rig.count("SELECT change_seq FROM user_heads").await;
    assert_eq!(hub.told(&rig.ledger.user), Some(head));
    eyes.close().await;

    let heard = Ledger { hub: Some(hub.clone()), ..rig.ledger.clone() };
    let marks = rig.trade(id).await.marks;
    let moved = |breaches| Change::Marks { trade: id, becomes: Box::new(Marks { breaches, ..marks.clone() }) };
    // Nobody tells of the first one; it comes with the next, and both are one event.
    rig.ledger.commit(&fence, &[moved(1)]).await.unwrap();
    for (breaches, seq) in [(2, head + 2), (3, head + 3)] {
        heard.commit(&fence, &[moved(breaches)]).await.unwrap();
        assert_eq!(hub.told(&rig.ledger.user), Some(seq));
        let told = numbered(&mut stream).await;
        assert!(told.contains("event: trade\n") && told.contains(&format!("id: {seq}\n")), "{told}");
    }
    // An alarm has to be looked for, and nothing is told past it.
    let message = "bare".to_owned();
    let (kind, severity, at) = (AlarmKind::Naked, Severity::Page, rig.now());
    let naked = Change::Alarm(AlarmChange::Raise { kind, trade: Some(id), severity, message, at });
    for changes in [vec![moved(4), naked], vec![moved(5)]] {
        heard.commit(&fence, &changes).await.unwrap();
        assert_eq!(hub.told(&rig.ledger.user), Some(head + 3));
    }
}

/// The next event of the change feed that a stream is told.
async fn numbered(stream: &mut EventStream) -> String {
    loop {
        let frame = timeout(DEADLINE, stream.next()).await.expect("waited for: an event").expect("the stream goes on");
        let told = String::from_utf8(frame.to_vec()).unwrap();
        if told.contains("id: ") {
            return told;
        }
    }
}

/// A lock proves it. An older program says nothing of its host, and is not taken for the one before it.
#[tokio::test]
async fn a_dead_process_of_the_same_host_is_not_waited_for() {
    let rig = Rig::start().await;
    let on = |host: u128, process: u128| Holder { host: Uuid::from_u128(host), process: Uuid::from_u128(process) };
    let answer = rig.ledger.lease(on(7, 1), TTL).await.unwrap();
    let LeaseAnswer::Taken(first) = answer else { panic!("nobody has had it: {answer:?}") };
    assert_eq!(rig.ledger.lease(on(8, 2), TTL).await.unwrap(), LeaseAnswer::Held, "another host");
    let answer = rig.ledger.lease(on(7, 3), TTL).await.unwrap();
    let LeaseAnswer::TakenOver(second) = answer else { panic!("the lock proves that the first is dead: {answer:?}") };
    assert!(second > first);
    assert_eq!(rig.ledger.lease(on(7, 3), TTL).await.unwrap(), LeaseAnswer::Renewed(second));

    let admin = Raw::connect(&rig.cluster.url()).await;
    admin.batch_execute("UPDATE leases SET epoch = epoch + 1, holder = gen_random_uuid()").await.unwrap();
    assert_eq!(rig.ledger.lease(on(7, 4), TTL).await.unwrap(), LeaseAnswer::Held);
}

#[tokio::test]
async fn whoever_saw_another_wish_is_overtaken_and_all_of_a_commit_or_none_is_written() {
    let rig = Rig::start().await;
    let id = rig.place().await;
    let fence = own(&rig, 1).await;
    let trade = rig.trade(id).await;
    let flat = Wish { keep: 0, flat: Some(FlatCause::User), version: 2, ..trade.wish.clone() };
    let wish = |expect| Change::Wish { trade: id, expect, becomes: Box::new(flat.clone()) };
    let stale = WishStamp { version: 9, flat: false };
    let mut moved = trade.marks.clone();
    moved.breaches = 5;
    let both = [Change::Marks { trade: id, becomes: Box::new(moved) }, wish(stale)];
    assert!(matches!(rig.ledger.commit(&fence, &both).await, Err(CommitError::Overtaken(_))));
    assert_eq!(rig.trade(id).await, trade, "the first half is not written either");
    rig.ledger.commit(&fence, &[wish(WishStamp::of(&trade.wish))]).await.unwrap();
    assert_eq!(rig.trade(id).await.wish, flat);
}

#[tokio::test]
async fn a_symbol_has_one_live_trade() {
    let rig = Rig::start().await;
    let id = rig.place().await;
    let mut twin = rig.wanted(id);
    twin.id = blotter_shared::domain::TradeId(Uuid::from_u128(9));
    let refused = rig.command(Command::Place(Box::new(twin))).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::SymbolTaken);
    let fence = own(&rig, 1).await;
    let mut twin = rig.trade(id).await;
    twin.spec.id = blotter_shared::domain::TradeId(Uuid::from_u128(9));
    let answer = rig.ledger.commit(&fence, &[Change::Begin(Box::new(twin))]).await;
    assert!(matches!(answer, Err(CommitError::Overtaken(_))), "{answer:?}");
}

/// Both keep the trade first, and then its facts: in any other order each would have what the other waits for, and a
/// close would stand still until the database gives one of them up.
#[tokio::test]
async fn a_command_and_the_loop_take_turns_on_a_trade() {
    let rig = Rig::start().await;
    let id = rig.place().await;
    let fence = own(&rig, 1).await;
    let trade = rig.trade(id).await;
    let mut moved = trade.marks.clone();
    moved.breaches = 5;
    let marks = [Change::Marks { trade: id, becomes: Box::new(moved) }];
    let flat = Wish { keep: 0, flat: Some(FlatCause::User), version: 2, ..trade.wish.clone() };
    let wish = [Change::Wish { trade: id, expect: WishStamp::of(&trade.wish), becomes: Box::new(flat.clone()) }];

    let admin = Raw::connect(&rig.cluster.url()).await;
    let tx = rig.ledger.db.user_tx(&rig.ledger.user).await.unwrap();
    trade_lock(&tx, id.0).await.unwrap();
    let command = async {
        let (mut looks, begun) = (looks(), Instant::now());
        while admin.count("SELECT count(*) FROM pg_locks WHERE NOT granted").await == 0 {
            looks.tick().await;
            assert!(begun.elapsed() < DEADLINE, "waited for: the loop waits for the trade");
        }
        rig.ledger.write(&tx, &wish).await.unwrap();
        tx.commit().await.unwrap();
    };
    let (kept, ()) = futures_util::join!(rig.ledger.commit(&fence, &marks), command);
    // A machine that stands still for two seconds makes it give up waiting; it is never given up.
    if let Err(CommitError::Unavailable(why)) = &kept {
        assert!(why.contains("lock timeout"), "{why}");
        rig.ledger.commit(&fence, &marks).await.unwrap();
    } else {
        kept.unwrap();
    }
    let stored = rig.trade(id).await;
    assert_eq!((stored.wish, stored.marks.breaches), (flat, 5), "both are written");
}
