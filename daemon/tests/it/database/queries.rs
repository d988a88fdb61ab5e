//! What the queries answer.

use blotter_daemon::auth::Username;
use blotter_daemon::clock::Clock;
use blotter_daemon::db::alarms::{Subject, alarm_ack, alarm_clear, alarm_list, alarm_raise};
use blotter_daemon::db::changes::{
    Changed, Changes, change_append, change_head, change_oldest, changes_expire, changes_since,
};
use blotter_daemon::db::commands::{Answer, Begin, Command, command_begin, command_finish, commands_expire};
use blotter_daemon::db::devices::{device_synced, held_conflicts, last_sync};
use blotter_daemon::db::settings::{settings_get, settings_update};
use blotter_daemon::db::trades::{trade_get, trade_list};
use blotter_daemon::db::{Db, DbError, DbState};
use blotter_shared::domain::{AlarmKind, BrokerMode, Cash, Outcome, TradeId, TradeStatus};
use blotter_shared::protocol::alarms::Alarm;
use blotter_shared::protocol::events::Event;
use blotter_shared::protocol::settings::SettingsUpdate;
use blotter_shared::protocol::sync::HeldVersion;
use blotter_shared::protocol::trades::{Book, TradeQuery};
use rust_decimal::Decimal;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{Raw, TestDb, config, insert_trade, reach, user};

#[tokio::test]
async fn settings_begin_with_the_defaults_and_go_up_by_versions() {
    let test = TestDb::start().await;
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    let settings = settings_get(&tx).await.unwrap();
    assert_eq!((settings.version, settings.broker_mode, settings.max_positions), (1, BrokerMode::Sandbox, 5));
    assert_eq!((settings.account_balance, settings.daily_loss_limit), (Cash(5000.into()), Cash(150.into())));
    assert_eq!((settings.heat_limit_pct, settings.auto_refresh), (Decimal::from(6), true));
    let update = SettingsUpdate { version: 1, heat_limit_pct: Some(Decimal::new(425, 2)), ..SettingsUpdate::default() };
    let after = settings_update(&tx, &update, "laptop").await.unwrap();
    assert_eq!((after.version, after.heat_limit_pct, after.max_positions), (2, Decimal::new(425, 2), 5));
    tx.commit().await.unwrap();

    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    let stale = settings_update(&tx, &update, "phone").await.unwrap_err();
    assert!(matches!(stale, DbError::Conflict { local: 1, remote: 2 }), "{stale}");
    let raw = test.admin().await;
    assert_eq!(
        raw.count("SELECT count(*) FROM audit_log WHERE action = 'settings.update' AND device = 'laptop'").await,
        1
    );
}

/// Alice's book: `open` live trades and `closed` ones, a minute apart, every third of them a loss.
async fn book(raw: &Raw, open: u32, closed: u32) {
    let mut sql = "BEGIN;".to_owned();
    for n in 0..open + closed {
        let id = Uuid::from_u128(u128::from(n) + 1).to_string();
        let strategy = if n % 2 == 0 { "'Momentum'" } else { "'reversal'" };
        sql += &insert_trade(
            "alice",
            &id,
            &[("strategy", strategy), ("ticker", if n % 5 == 0 { "'AMD'" } else { "'NVDA'" })],
        );
        sql.push(';');
        if n >= open {
            let pnl = if n % 3 == 0 { -100 } else { 250 };
            let reason = if n % 4 == 0 { "EXPIRED" } else { "TP_HIT" };
            // Pairs of one moment, so that the id must decide.
            let at = format!("timestamptz '2026-11-20 15:00+00' + interval '{} minutes'", n / 2);
            sql += &format!(
                "UPDATE paper_trades SET status = 'FILLED', held_qty = 5, protection = 'NAKED' WHERE id = '{id}';
                 UPDATE paper_trades SET status = 'CLOSED', held_qty = 0, protection = 'N/A', close_date = {at},
                     close_reason = '{reason}', realized_pnl = {pnl} WHERE id = '{id}';"
            );
        }
    }
    raw.batch_execute(&(sql + "COMMIT")).await.unwrap();
}

#[tokio::test]
async fn the_book_is_paged_without_a_gap_or_a_double() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    book(&raw, 12, 25).await;
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    let all_open = trade_list(&tx, &TradeQuery::default()).await.unwrap();
    assert_eq!((all_open.items.len(), all_open.next_cursor), (12, None), "open trades come all at once");
    assert!(all_open.items.windows(2).all(|pair| pair[0].number < pair[1].number), "oldest first");

    for (book, expected, limit) in
        [(Book::Open, 12, 5), (Book::Closed, 25, 4), (Book::Closed, 25, 25), (Book::Open, 12, 12)]
    {
        let mut query = TradeQuery { status: Some(book), limit: Some(limit), ..TradeQuery::default() };
        let mut seen = Vec::new();
        loop {
            let page = trade_list(&tx, &query).await.unwrap();
            assert!(page.items.len() <= usize::try_from(limit).unwrap());
            seen.extend(page.items);
            match page.next_cursor {
                Some(cursor) => query.cursor = Some(cursor),
                None => break,
            }
        }
        assert_eq!(seen.len(), expected, "{book} by {limit}");
        let ids: std::collections::BTreeSet<TradeId> = seen.iter().map(|trade| trade.id).collect();
        assert_eq!(ids.len(), expected, "{book} by {limit}: no double");
        if book == Book::Closed {
            assert!(
                seen.windows(2).all(|pair| pair[0].close.as_ref().unwrap().at >= pair[1].close.as_ref().unwrap().at)
            );
        }
    }
    for (field, query) in [
        ("limit", TradeQuery { limit: Some(0), ..TradeQuery::default() }),
        ("limit", TradeQuery { limit: Some(501), ..TradeQuery::default() }),
        ("cursor", TradeQuery { cursor: Some("x".to_owned()), ..TradeQuery::default() }),
        ("cursor", TradeQuery { status: Some(Book::Closed), cursor: Some("o1".to_owned()), ..TradeQuery::default() }),
    ] {
        let error = trade_list(&tx, &query).await.unwrap_err();
        assert!(matches!(&error, DbError::Invalid(invalid) if invalid.field == field), "{error}");
    }
    let bob = test.db.user_tx(&user("bob")).await.unwrap();
    assert_eq!(trade_list(&bob, &TradeQuery::default()).await.unwrap().items, []);
}

#[tokio::test]
async fn the_book_is_filtered_and_searched() {
    let test = TestDb::start().await;
    book(&test.admin().await, 10, 24).await;
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    let list = async |query: TradeQuery| trade_list(&tx, &query).await.unwrap().items;
    let closed = |outcome| TradeQuery { status: Some(Book::Closed), outcome: Some(outcome), ..TradeQuery::default() };
    let search = |q: &str| TradeQuery { q: Some(q.to_owned()), ..TradeQuery::default() };
    let pnl = |trade: &blotter_shared::protocol::trades::Trade| trade.close.as_ref().unwrap().realized_pnl.unwrap().0;
    let wins = list(closed(Outcome::Win)).await;
    let losses = list(closed(Outcome::Loss)).await;
    assert!(
        wins.iter().all(|trade| pnl(trade) > Decimal::ZERO) && losses.iter().all(|trade| pnl(trade) < Decimal::ZERO)
    );
    assert_eq!(wins.len() + losses.len(), 24);
    let expired = list(closed(Outcome::Expired)).await;
    assert!(!expired.is_empty() && expired.iter().all(|t| t.close.as_ref().unwrap().reason.unwrap().is_expiry()));

    assert_eq!(list(search("amd")).await.len(), 2, "part of a ticker, in any case");
    assert_eq!(list(search("MOMENT")).await.len(), 5, "part of a strategy");
    let first = list(search("")).await[0].clone();
    for q in [first.number.to_string(), first.number.0.to_string()] {
        assert!(list(search(&q)).await.iter().any(|trade| trade.id == first.id), "by number: {q}");
    }
    assert_eq!(list(search("100%")).await, [], "no character is special");
    assert_eq!(list(search("_")).await, []);
}

#[tokio::test]
async fn one_trade_is_read_whole_and_only_by_its_user() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    let id = Uuid::from_u128(77);
    let more = [("multiplier", "10"), ("sl_price", "3.25"), ("tp_price", "8"), ("strategy", "'Momentum'")];
    raw.batch_execute(&insert_trade("alice", &id.to_string(), &more)).await.unwrap();
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    let trade = trade_get(&tx, TradeId(id)).await.unwrap();
    assert_eq!((trade.status, trade.qty, trade.held_qty, trade.multiplier.get()), (TradeStatus::Pending, 5, 0, 10));
    assert_eq!(trade.contract.occ(), trade.option_symbol);
    assert_eq!(trade.sl_price.unwrap().value(), Decimal::new(325, 2));
    assert_eq!((trade.entry_price, trade.close), (None, None));
    let bob = test.db.user_tx(&user("bob")).await.unwrap();
    assert!(matches!(trade_get(&bob, TradeId(id)).await, Err(DbError::NotFound)));
}

#[tokio::test]
async fn the_feed_has_no_gaps_and_tells_what_was_missed() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    let id = Uuid::from_u128(77);
    raw.batch_execute(&insert_trade("alice", &id.to_string(), &[])).await.unwrap();
    let alice = user("alice");
    let append = async |changed| {
        let tx = test.db.user_tx(&alice).await.unwrap();
        let seq = change_append(&tx, changed).await.unwrap();
        (seq, tx)
    };
    let trade = Changed::Trade(TradeId(id));
    for (expected, changed) in [(1, trade), (2, Changed::Settings), (3, trade)] {
        let (seq, tx) = append(changed).await;
        assert_eq!(seq, expected);
        tx.commit().await.unwrap();
        // Rolled back: its number is used again.
        drop(append(Changed::Settings).await);
    }
    let tx = test.db.user_tx(&alice).await.unwrap();
    assert_eq!((change_head(&tx).await.unwrap(), change_oldest(&tx).await.unwrap()), (3, Some(1)));
    let Changes::Events { events, upto } = changes_since(&tx, 0, 100).await.unwrap() else { panic!("not a gap") };
    let names: Vec<_> = events.iter().map(|(seq, event)| (*seq, event.name())).collect();
    assert_eq!((names, upto), (vec![(2, "settings"), (3, "trade")], 3), "one event for a thing, as it is now");
    assert!(matches!(&events[1].1, Event::Trade(trade) if trade.id.0 == id));
    let Changes::Events { events, upto } = changes_since(&tx, 0, 2).await.unwrap() else { panic!("not a gap") };
    assert_eq!((events.len(), upto), (2, 2), "in parts");
    assert_eq!(changes_since(&tx, 3, 100).await.unwrap(), Changes::Events { events: vec![], upto: 3 });
    assert_eq!(changes_since(&tx, 4, 100).await.unwrap(), Changes::TimeTravel);
    let bob = test.db.user_tx(&user("bob")).await.unwrap();
    assert_eq!(changes_since(&bob, 0, 100).await.unwrap(), Changes::Events { events: vec![], upto: 0 });
    drop((tx, bob));

    raw.batch_execute("UPDATE change_feed SET changed_at = now() - interval '8 days' WHERE seq < 3").await.unwrap();
    let system = test.db.system_tx().await.unwrap();
    assert_eq!(changes_expire(&system).await.unwrap(), 2);
    system.commit().await.unwrap();
    let tx = test.db.user_tx(&alice).await.unwrap();
    assert_eq!(change_oldest(&tx).await.unwrap(), Some(3));
    assert_eq!(changes_since(&tx, 1, 100).await.unwrap(), Changes::Gap);
    assert!(matches!(changes_since(&tx, 2, 100).await.unwrap(), Changes::Events { upto: 3, .. }));
}

#[tokio::test]
async fn numbers_are_in_the_order_of_commits() {
    let test = TestDb::start().await;
    let alice = user("alice");
    let mut writers = JoinSet::new();
    for _ in 0..6 {
        let (db, alice) = (test.db.clone(), alice.clone());
        writers.spawn(async move {
            for _ in 0..10 {
                let tx = db.user_tx(&alice).await.unwrap();
                change_append(&tx, Changed::Settings).await.unwrap();
                tx.commit().await.unwrap();
            }
        });
    }
    // Whoever looks meanwhile sees no hole: what is below the head is there.
    let mut head = 0;
    while head < 60 {
        let tx = test.db.user_tx(&alice).await.unwrap();
        head = change_head(&tx).await.unwrap();
        let raw = test.admin().await;
        let rows = raw.count(&format!("SELECT count(*) FROM change_feed WHERE seq <= {head}")).await;
        assert_eq!(rows, head);
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
}

/// Eight at once have one key: one of them does the work, and all are told of it. Gives the answer, from 201 on.
pub(super) async fn claimed_by_one_of_many(db: &Db, user: &Username, command: Command<'static>) -> u16 {
    let mut racers = JoinSet::new();
    for n in 1..9_u16 {
        let (db, user) = (db.clone(), user.clone());
        racers.spawn(async move {
            let tx = db.command_tx(&user).await.unwrap();
            match command_begin(&tx, command).await.unwrap() {
                Begin::New(id) => {
                    command_finish(&tx, id, &Answer { status: 200 + n, body: "{}".to_owned() }).await.unwrap();
                    tx.commit().await.unwrap();
                    (true, 200 + n)
                }
                Begin::Replay(answer) => (false, answer.status),
                Begin::Reused => panic!("it is the same request"),
            }
        });
    }
    let outcomes = racers.join_all().await;
    assert_eq!(outcomes.iter().filter(|(new, _)| *new).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|(_, status)| *status == outcomes[0].1), "one answer for all: {outcomes:?}");
    outcomes[0].1
}

#[tokio::test]
async fn a_key_is_claimed_by_one_of_many_and_forgotten_after_a_week() {
    let test = TestDb::start().await;
    let alice = user("alice");
    let command = Command { key: "k", kind: "POST /v1/trades", body_hash: [1; 32], device: "laptop" };
    claimed_by_one_of_many(&test.db, &alice, command).await;

    let later = Clock::from_fn(|| Clock::system().now() + chrono::TimeDelta::days(8));
    let db = Db::connect(config(&test.cluster.url()), &later);
    reach(&db, DbState::Ready).await;
    let tx = db.user_tx(&alice).await.unwrap();
    assert!(matches!(command_begin(&tx, command).await.unwrap(), Begin::New(_)), "a week later it is a new one");
    drop(tx);
    let system = db.system_tx().await.unwrap();
    assert_eq!(commands_expire(&system).await.unwrap(), 1);
}

#[tokio::test]
async fn devices_say_what_they_hold() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    let (kept, moved, gone) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    for id in [kept, moved] {
        raw.batch_execute(&insert_trade("alice", &id.to_string(), &[])).await.unwrap();
    }
    raw.batch_execute(&format!("UPDATE paper_trades SET version = 2 WHERE id = '{moved}'")).await.unwrap();
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    assert_eq!(last_sync(&tx).await.unwrap(), None);
    device_synced(&tx, "laptop", 3).await.unwrap();
    tx.commit().await.unwrap();
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    device_synced(&tx, "phone", 4).await.unwrap();
    let newest = last_sync(&tx).await.unwrap().unwrap();
    assert_eq!((newest.device.as_str(), newest.seq), ("phone", 4));
    let held = |id| HeldVersion { trade_id: TradeId(id), version: 1 };
    let conflicts = held_conflicts(&tx, &[held(kept), held(moved), held(gone)]).await.unwrap();
    assert_eq!(conflicts, [TradeId(moved), TradeId(gone)]);
    assert_eq!(held_conflicts(&tx, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn an_alarm_is_open_once_and_acknowledged_once() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    let trade = Uuid::from_u128(1);
    raw.batch_execute(&insert_trade("alice", &trade.to_string(), &[])).await.unwrap();
    let about = Subject::Trade(TradeId(trade));
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    let id = alarm_raise(&tx, AlarmKind::Naked, &about, "no stop is working").await.unwrap().unwrap();
    assert_eq!(alarm_raise(&tx, AlarmKind::Naked, &about, "no stop is working").await.unwrap(), None, "it is open");
    assert!(
        alarm_raise(&tx, AlarmKind::Naked, &Subject::General, "x").await.unwrap().is_some(),
        "about something else"
    );
    let open = alarm_list(&tx).await.unwrap();
    assert_eq!(open.len(), 2);
    let of_trade = open.iter().find(|alarm| alarm.id == id).unwrap();
    assert!(of_trade.trade_number.is_some() && of_trade.acked_at.is_none());

    let acked = alarm_ack(&tx, id, "phone").await.unwrap();
    assert!(acked.acked_at.is_some());
    let head = change_head(&tx).await.unwrap();
    assert_eq!(alarm_ack(&tx, id, "laptop").await.unwrap(), acked, "the first one counts");
    assert_eq!(change_head(&tx).await.unwrap(), head, "and nothing has changed");
    let renewed = alarm_raise(&tx, AlarmKind::Naked, &about, "the stop was refused").await.unwrap();
    assert_eq!(renewed, Some(id), "the same alarm, for another cause");
    assert_ne!(change_head(&tx).await.unwrap(), head, "which is told");
    let now = alarm_list(&tx).await.unwrap().into_iter().find(|alarm| alarm.id == id).unwrap();
    assert_eq!(now, Alarm { message: "the stop was refused".to_owned(), ..acked });
    assert_eq!(alarm_clear(&tx, AlarmKind::Naked, &about).await.unwrap(), Some(id));
    assert_eq!(alarm_clear(&tx, AlarmKind::Naked, &about).await.unwrap(), None);
    assert!(alarm_raise(&tx, AlarmKind::Naked, &about, "anew").await.unwrap().is_some());
    tx.commit().await.unwrap();
    let bob = test.db.user_tx(&user("bob")).await.unwrap();
    assert!(matches!(alarm_ack(&bob, id, "laptop").await, Err(DbError::NotFound)));
    assert_eq!(alarm_list(&bob).await.unwrap(), []);
}

/// A device calls itself what it likes, so that a client could make as many as it likes.
#[tokio::test]
async fn a_user_has_so_many_devices_and_no_more() {
    let db = TestDb::start().await;
    let alice = user("alice");
    for number in 0..70 {
        let tx = db.db.user_tx(&alice).await.unwrap();
        device_synced(&tx, &format!("device {number:02}"), number).await.unwrap();
        tx.commit().await.unwrap();
    }
    // One that is known takes no other's place.
    let tx = db.db.user_tx(&alice).await.unwrap();
    device_synced(&tx, "device 69", 71).await.unwrap();
    tx.commit().await.unwrap();
    let raw = db.admin().await;
    assert_eq!(raw.count("SELECT count(*) FROM device_sync").await, 64);
    assert_eq!(raw.count("SELECT count(*) FROM device_sync WHERE device < 'device 06'").await, 0, "the oldest went");
    assert_eq!(raw.count("SELECT last_seq FROM device_sync WHERE device = 'device 69'").await, 71);
}
