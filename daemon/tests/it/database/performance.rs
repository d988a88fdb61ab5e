//! The sums of closed trades follow the trades, whatever happens to these; lists are sorted and added up.

use blotter_daemon::analytics::{Dimension, Tally, trading_day};
use blotter_daemon::db::performance::{
    Groups, Standing, performance_days, performance_of_day, performance_refresh, performance_standing, performance_sums,
};
use blotter_daemon::db::trades::{straight_lines, straight_trades, trade_list, trade_totals};
use blotter_daemon::export::{self, Place};
use blotter_shared::domain::{BrokerMode, Cash, Outcome};
use blotter_shared::protocol::performance::{Breakdown, DayResult};
use blotter_shared::protocol::trades::{Book, Order, Sort, TotalsQuery, Trade, TradeQuery};
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::support::{Raw, TestDb, insert_trade, user};

/// A closed trade: when, with which result in dollars, and more columns.
struct Closed<'a> {
    at: String,
    pnl: Option<i64>,
    reason: &'static str,
    more: &'a [(&'a str, &'a str)],
}

fn closed(n: u32, pnl: i64) -> Closed<'static> {
    // Twelve hours apart, from New Year's Eve on: days, months and years begin in between.
    let at = format!("(timestamptz '2025-12-30 03:00+00' + interval '{} hours')", n * 12);
    Closed { at, pnl: Some(pnl), reason: "TP_HIT", more: &[] }
}

fn id(n: u32) -> String {
    Uuid::from_u128(u128::from(n) + 1).to_string()
}

async fn put(raw: &Raw, n: u32, trade: &Closed<'_>) {
    let id = id(n);
    let strategy = ["'momentum'", "'reversal'", "NULL"][usize::try_from(n % 3).unwrap()];
    let mut columns = vec![("strategy", strategy)];
    columns.extend(trade.more);
    let pnl = trade.pnl.map_or("NULL".to_owned(), |pnl| pnl.to_string());
    let sql = format!(
        "BEGIN; {};
         UPDATE paper_trades SET status = 'FILLED', held_qty = 5, protection = 'NAKED' WHERE id = '{id}';
         UPDATE paper_trades SET status = 'CLOSED', held_qty = 0, protection = 'N/A', close_date = {}, close_reason = '{}',
             realized_pnl = {pnl}, realized_pnl_pct = {pnl} / 10.0, r_multiple = {pnl} / 100.0, hold_duration_h = {n} / 4.0,
             fees = 1.30 WHERE id = '{id}';
         COMMIT",
        insert_trade("alice", &id, &columns),
        trade.at,
        trade.reason
    );
    raw.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

async fn refresh(test: &TestDb) -> usize {
    let mut days = 0;
    loop {
        let tx = test.db.user_tx(&user("alice")).await.unwrap();
        let done = performance_refresh(&tx).await.unwrap();
        tx.commit().await.unwrap();
        days += done.days;
        if done.days == 0 {
            return days;
        }
    }
}

async fn sums(test: &TestDb, from: Option<&str>) -> Groups {
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    let from: Option<NaiveDate> = from.map(|day| day.parse().unwrap());
    let wanted: Vec<Dimension> = Dimension::all().collect();
    performance_sums(&tx, BrokerMode::Sim, (from, None), &wanted).await.unwrap()
}

fn total(groups: &Groups) -> Tally {
    groups.get(&("TOTAL".to_owned(), String::new())).cloned().unwrap_or_default()
}

#[tokio::test]
async fn sums_are_those_of_the_trades_from_any_day_on() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    let pnls: Vec<i64> = (0..70).map(|n| [250, -100, 0, -75, 30][n % 5]).collect();
    for (n, pnl) in (0..).zip(&pnls) {
        put(&raw, n, &closed(n, *pnl)).await;
    }
    assert_eq!(refresh(&test).await, 35, "two trades a day");
    let all = sums(&test, None).await;
    let expected: i64 = pnls.iter().sum();
    assert_eq!((total(&all).net(), total(&all).trades()), (Decimal::from(expected), 70));
    for breakdown in Breakdown::ALL {
        let of = all.iter().filter(|((dimension, _), _)| dimension == breakdown.as_str()).map(|(_, tally)| tally);
        let (net, trades) = of.fold((Decimal::ZERO, 0), |sum, tally| (sum.0 + tally.net(), sum.1 + tally.trades()));
        assert_eq!((net, trades), (Decimal::from(expected), 70), "the groups of {breakdown} are all trades");
    }
    // From the first of a year, of a month, and from within.
    for (from, left_out) in
        [("2025-12-30", 0_usize), ("2026-01-01", 4), ("2026-01-02", 6), ("2026-01-31", 64), ("2026-02-01", 66)]
    {
        let from_there: i64 = pnls.iter().skip(left_out).sum();
        let found = total(&sums(&test, Some(from)).await);
        assert_eq!((found.net(), found.trades()), (from_there.into(), 70 - i64::try_from(left_out).unwrap()), "{from}");
        let (mut net, mut peak, mut fall) = (0, 0, 0);
        for pnl in pnls.iter().skip(left_out) {
            net += pnl;
            peak = peak.max(net);
            fall = fall.max(peak - net);
        }
        assert_eq!((found.fall, found.peak), (fall.into(), peak.into()), "the path from {from}");
    }
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    let days = performance_days(&tx, BrokerMode::Sim, None).await.unwrap();
    assert_eq!(days.len(), 35);
    assert_eq!(days.iter().map(|day| day.net.0).sum::<Decimal>(), Decimal::from(expected));
    let other = test.db.user_tx(&user("bob")).await.unwrap();
    assert!(performance_days(&other, BrokerMode::Sim, None).await.unwrap().is_empty());
    assert!(performance_days(&tx, BrokerMode::Live, None).await.unwrap().is_empty(), "play money is not real money");
}

/// What a trader had behind them when they asked for a trade, in the order of the closes.
#[tokio::test]
async fn a_trade_has_its_turn_in_the_day_of_its_entry() {
    const MORE: [(&str, &str); 1] = [("broker_mode", "'LIVE'")];
    let test = TestDb::start().await;
    let raw = test.admin().await;
    // When it was asked for, when it ended, with which result and why; what its turn is.
    let day: [(&str, &str, Option<i64>, &str, &str); 12] = [
        ("01-06 15:05", "01-06 15:06", None, "VOID", "AMID"),
        ("01-06 15:00", "01-06 15:30", Some(100), "TP_HIT", "FIRST"),
        ("01-06 15:10", "01-06 16:00", Some(-50), "SL_HIT", "AMID"),
        ("01-06 15:31", "01-06 16:10", Some(0), "MANUAL_CLOSE", "AFTER_WIN"),
        ("01-06 16:10", "01-06 16:30", Some(999), "SANDBOX_RESET", "AFTER_SCRATCH"),
        ("01-06 16:05", "01-06 17:00", Some(5), "TP_HIT", "AFTER_LOSS"),
        ("01-06 16:31", "01-06 17:05", None, "EXTERNAL_UNEXPLAINED", "AFTER_SCRATCH"),
        ("01-06 17:06", "01-06 18:00", Some(7), "TP_HIT", "AFTER_WIN"),
        ("01-06 17:00", "01-06 18:30", Some(1), "LIVE", "FIRST"),
        ("01-06 20:00", "01-07 15:00", Some(-10), "SL_HIT", "AFTER_WIN"),
        // The trading day of the seventh begins in the evening before.
        ("01-06 23:30", "01-07 15:10", Some(3), "TP_HIT", "FIRST"),
        ("01-07 15:05", "01-07 15:20", Some(4), "TP_HIT", "AFTER_LOSS"),
    ];
    // All are asked for before one ends: what is open counts.
    for (n, (asked, _, _, why, _)) in (0..).zip(&day) {
        let mode: &[(&str, &str)] = if *why == "LIVE" { &MORE } else { &[] };
        let entry = format!("'2026-{asked}+00'");
        let columns: Vec<_> = [("entry_date", entry.as_str())].into_iter().chain(mode.iter().copied()).collect();
        let bought = "status = 'FILLED', held_qty = 5, protection = 'NAKED'";
        let bought = if *why == "VOID" { "status = 'PENDING'" } else { bought };
        let sql = format!(
            "{}; UPDATE paper_trades SET {bought} WHERE id = '{}'",
            insert_trade("alice", &id(n), &columns),
            id(n)
        );
        raw.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    for (n, (_, closed, pnl, why, _)) in (0..).zip(&day) {
        let pnl = pnl.map_or("NULL".to_owned(), |pnl| pnl.to_string());
        let end = match *why {
            "VOID" => "status = 'VOID'".to_owned(),
            "LIVE" => "status = 'CLOSED', held_qty = 0, protection = 'N/A', close_reason = 'TP_HIT'".to_owned(),
            reason => format!("status = 'CLOSED', held_qty = 0, protection = 'N/A', close_reason = '{reason}'"),
        };
        let sql = format!(
            "UPDATE paper_trades SET {end}, close_date = '2026-{closed}+00', realized_pnl = {pnl} WHERE id = '{}'",
            id(n)
        );
        raw.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    let rows = raw.query("SELECT turn FROM closed_trades ORDER BY trade_id", &[]).await.unwrap();
    let turns: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(turns, day.map(|(.., turn)| turn));
    // What is told of a trade later leaves the turns as they are.
    for (n, fees) in [(1, 150), (3, 1)] {
        let told = format!("fees = {fees}, realized_pnl = realized_pnl - {fees}");
        raw.batch_execute(&format!("UPDATE paper_trades SET {told} WHERE id = '{}'", id(n))).await.unwrap();
    }
    let after = raw.query("SELECT turn FROM closed_trades ORDER BY trade_id", &[]).await.unwrap();
    assert!(after.iter().map(|row| row.get::<_, &str>(0)).eq(turns), "an amendment is no other turn");
    refresh(&test).await;
    let sums = sums(&test, None).await;
    let of =
        |bucket: &str| sums.get(&("turn".to_owned(), bucket.to_owned())).map(|tally| (tally.trades(), tally.net()));
    assert_eq!(of("1 first of the day"), Some((2, (-47).into())), "of the simulator");
    assert_eq!(of("3 after a loss"), Some((2, 9.into())));
    assert_eq!(of("4 after a scratch"), Some((0, 0.into())), "nobody knows what they brought");
}

/// A close writes the groups that it touches; all of it together must be what one look at everything gives.
#[tokio::test]
async fn sums_that_grow_close_by_close_are_those_made_at_once() {
    const FROM: [Option<&str>; 4] = [None, Some("2025-12-30"), Some("2026-01-02"), Some("2026-02-01")];
    let test = TestDb::start().await;
    let raw = test.admin().await;
    for n in 0..70 {
        let trade = closed(n, [250, -100, 0, -75, 30][usize::try_from(n).unwrap() % 5]);
        let pnl = trade.pnl.filter(|_| n != 20);
        put(&raw, n, &Closed { pnl, ..trade }).await;
        assert_eq!(refresh(&test).await, 1);
    }
    // A result that is told late, and a group of a day that has no trade any more.
    raw.batch_execute(&format!("UPDATE paper_trades SET realized_pnl = 17 WHERE id = '{}'", id(20))).await.unwrap();
    assert_eq!(refresh(&test).await, 1);
    raw.begin("blotter_app", "alice").await;
    raw.batch_execute(&format!("SELECT trade_reopen('{}', 5, now()); COMMIT", id(69))).await.unwrap();
    assert_eq!(refresh(&test).await, 1);
    let mut grown = Vec::new();
    for from in FROM {
        grown.push(sums(&test, from).await);
    }
    assert_eq!(total(&grown[0]).trades(), 69);

    raw.batch_execute(
        "DELETE FROM performance_sums;
         INSERT INTO performance_stale (username, broker_mode, day)
         SELECT DISTINCT username, broker_mode, trading_day(closed_at) FROM closed_trades",
    )
    .await
    .unwrap();
    assert_eq!(refresh(&test).await, 35);
    for (from, grown) in FROM.into_iter().zip(grown) {
        assert_eq!(sums(&test, from).await, grown, "from {from:?}");
    }
}

/// What a look makes of the sums before a day and of the day's own trades.
async fn composed(test: &TestDb, from: Option<NaiveDate>, day: NaiveDate) -> (Groups, Vec<DayResult>) {
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    let wanted: Vec<Dimension> = Dimension::all().collect();
    let mut groups = performance_sums(&tx, BrokerMode::Sim, (from, Some(day)), &wanted).await.unwrap();
    let mut days = performance_days(&tx, BrokerMode::Sim, from).await.unwrap();
    days.retain(|result| result.day < day);
    let (now, result) = performance_of_day(&tx, BrokerMode::Sim, day, &wanted).await.unwrap();
    for (group, tally) in now {
        let sum = groups.entry(group).or_default();
        *sum = sum.then(&tally);
    }
    days.extend(result);
    (groups, days)
}

/// At every close: the past that is stored and the newest day from its trades are what is stored afterwards.
#[tokio::test]
async fn the_past_and_an_open_day_are_the_whole() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    let standing = async || {
        let tx = test.db.user_tx(&user("alice")).await.unwrap();
        performance_standing(&tx, BrokerMode::Sim).await.unwrap()
    };
    assert_eq!(standing().await, Standing::Settled { version: 0 });
    let mut versions = Vec::new();
    for n in 0..70 {
        put(&raw, n, &closed(n, [250, -100, 0, -75, 50][usize::try_from(n).unwrap() % 5])).await;
        let mut open = Vec::new();
        match standing().await {
            Standing::Open { version, day } => {
                versions.push(version);
                for from in [None, Some("2025-12-30"), Some("2026-01-02"), Some("2026-01-31")] {
                    let from: Option<NaiveDate> = from.map(|day| day.parse().unwrap());
                    if from.is_none_or(|from| from <= day) {
                        open.push((from, composed(&test, from, day).await));
                    }
                }
            }
            Standing::Behind => assert_eq!(n % 6, 4, "the day before was left open"),
            settled @ Standing::Settled { .. } => panic!("{settled:?} after a close"),
        }
        // Not after every close: a day grows while it is open.
        if n % 3 == 0 {
            continue;
        }
        assert_eq!(refresh(&test).await, if n % 6 == 4 { 2 } else { 1 }, "{n}");
        let tx = test.db.user_tx(&user("alice")).await.unwrap();
        for (from, (groups, days)) in open {
            let text = from.map(|day| day.to_string());
            assert_eq!(sums(&test, text.as_deref()).await, groups, "after {n}, from {from:?}");
            assert_eq!(performance_days(&tx, BrokerMode::Sim, from).await.unwrap(), days, "after {n}");
        }
    }
    assert!(versions.is_sorted() && versions.first() < versions.last(), "a version never comes again: {versions:?}");

    // Months of a daemon that did not write their days are read day by day.
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    let froms = [None, Some("2026-01-05".parse().unwrap())];
    let mut quick = Vec::new();
    for from in froms {
        quick.push(performance_days(&tx, BrokerMode::Sim, from).await.unwrap());
    }
    raw.batch_execute("UPDATE performance_sums SET days = NULL WHERE span = 'MONTH' AND starts = '2026-01-01'")
        .await
        .unwrap();
    for (from, quick) in froms.into_iter().zip(quick) {
        assert!(quick.len() > 20);
        assert_eq!(performance_days(&tx, BrokerMode::Sim, from).await.unwrap(), quick);
    }
}

/// Sums are made by the program's trading day, and asked for by the database's.
#[tokio::test]
async fn a_trading_day_is_the_same_to_both() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    let sql = "SELECT at, trading_day(at) AS day FROM generate_series(timestamptz '2010-01-01', '2030-01-01', '7 hours 13 minutes') AS at";
    let rows = raw.query(sql, &[]).await.unwrap();
    assert!(rows.len() > 20_000);
    for row in rows {
        let (at, day): (DateTime<Utc>, NaiveDate) = (row.get(0), row.get(1));
        assert_eq!(trading_day(at), day, "{at}");
    }
}

#[tokio::test]
async fn what_changes_afterwards_is_counted_again() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    put(&raw, 0, &closed(0, 100)).await;
    put(&raw, 1, &Closed { pnl: None, ..closed(1, 0) }).await;
    put(&raw, 2, &Closed { reason: "SANDBOX_RESET", ..closed(2, 999) }).await;
    assert_eq!(refresh(&test).await, 2);
    let before = total(&sums(&test, None).await);
    assert_eq!(
        (before.trades(), before.unknown, before.net()),
        (1, 2, Decimal::from(100)),
        "a wiped account is no result"
    );
    let is_stale = async || raw.count("SELECT count(*) FROM performance_stale").await > 0;
    assert!(!is_stale().await);

    // A price that was missing is reported late.
    raw.batch_execute(&format!("UPDATE paper_trades SET realized_pnl = -40 WHERE id = '{}'", id(1))).await.unwrap();
    assert!(is_stale().await);
    assert_eq!(refresh(&test).await, 1);
    assert_eq!(total(&sums(&test, None).await).net(), Decimal::from(60));

    // What the forensic job finds concerns no sum.
    raw.batch_execute(&format!("UPDATE paper_trades SET target_mfe_pct = 3 WHERE id = '{}'", id(1))).await.unwrap();
    assert!(!is_stale().await);

    // A late fill opens a trade again: it has no result any more.
    raw.begin("blotter_app", "alice").await;
    raw.batch_execute(&format!("SELECT trade_reopen('{}', 5, now()); COMMIT", id(0))).await.unwrap();
    assert_eq!(refresh(&test).await, 1);
    let after = total(&sums(&test, None).await);
    assert_eq!((after.trades(), after.ended, after.net()), (1, 2, Decimal::from(-40)));
}

#[tokio::test]
async fn a_close_that_is_not_committed_yet_is_not_lost() {
    let test = TestDb::start().await;
    let (raw, other) = (test.admin().await, test.admin().await);
    put(&raw, 0, &closed(0, 100)).await;
    put(&raw, 1, &Closed { pnl: None, ..closed(1, 0) }).await;
    refresh(&test).await;
    put(&raw, 2, &Closed { at: closed(0, 0).at, ..closed(2, 10) }).await;
    // Of the same day, still under way while the sums are brought up to date.
    other
        .batch_execute(&format!("BEGIN; UPDATE paper_trades SET realized_pnl = 7 WHERE id = '{}'", id(1)))
        .await
        .unwrap();
    assert_eq!(refresh(&test).await, 1);
    assert_eq!(total(&sums(&test, None).await).net(), Decimal::from(110));
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(refresh(&test).await, 1);
    assert_eq!(total(&sums(&test, None).await).net(), Decimal::from(117));
}

#[tokio::test]
async fn two_looks_at_once_leave_one_truth() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    for n in 0..40 {
        put(&raw, n, &closed(n, 10)).await;
    }
    futures_util::future::join_all((0..6).map(|_| refresh(&test))).await;
    let all = sums(&test, None).await;
    assert_eq!((total(&all).trades(), total(&all).net()), (40, Decimal::from(400)));
    assert_eq!(raw.count("SELECT count(*) FROM performance_stale").await, 0);
}

/// What a row is sorted by, as this test sees it.
fn key(sort: Sort, trade: &Trade) -> (Option<Decimal>, String) {
    let close = trade.close.as_ref().unwrap();
    let number = |value: Option<Decimal>| (value, String::new());
    match sort {
        Sort::Closed => number(Some(close.at.timestamp_micros().into())),
        Sort::Symbol => (None, trade.option_symbol.clone()),
        Sort::Pnl => number(close.realized_pnl.map(|cash| cash.0)),
        Sort::PnlPct => number(close.realized_pnl_pct),
        Sort::R | Sort::Held => number(close.r_multiple),
        Sort::Reason => (None, close.reason.map_or(trade.status.as_str(), |reason| reason.as_str()).to_owned()),
        Sort::Strategy => (None, trade.strategy.clone().unwrap_or_default()),
    }
}

#[tokio::test]
async fn every_order_is_paged_without_a_gap_or_a_double() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    for n in 0..23_u32 {
        let pnl = (n % 4 != 0).then_some(i64::from(n % 5) * 50 - 100);
        let reason = ["TP_HIT", "SL_HIT", "EXPIRED"][usize::try_from(n % 3).unwrap()];
        let mode = if n == 7 { "'LIVE'" } else { "'SIM'" };
        put(&raw, n, &Closed { pnl, reason, more: &[("broker_mode", mode)], ..closed(n / 2, 0) }).await;
    }
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    for (sort, order, mode, limit) in Sort::ALL.iter().flat_map(|sort| {
        Order::ALL.iter().flat_map(move |order| {
            [(Some(BrokerMode::Sim), 4), (None, 7)].map(|(mode, limit)| (*sort, *order, mode, limit))
        })
    }) {
        let mut query = TradeQuery {
            status: Some(Book::Closed),
            sort: Some(sort),
            order: Some(order),
            mode,
            limit: Some(limit),
            ..TradeQuery::default()
        };
        let mut seen: Vec<Trade> = Vec::new();
        loop {
            let page = trade_list(&tx, &query).await.unwrap();
            seen.extend(page.items);
            let Some(cursor) = page.next_cursor else { break };
            query.cursor = Some(cursor);
        }
        let what = format!("{sort} {order} {mode:?}");
        assert_eq!(seen.len(), if mode.is_some() { 22 } else { 23 }, "{what}");
        assert_eq!(
            seen.iter().map(|trade| trade.id).collect::<std::collections::BTreeSet<_>>().len(),
            seen.len(),
            "{what}"
        );
        // Hours held are not on the page of a list: the order of `held` is that of the numbers here.
        if sort != Sort::Held {
            let keys: Vec<_> = seen.iter().map(|trade| key(sort, trade)).collect();
            let sorted = |a: &(Option<Decimal>, String), b: &(Option<Decimal>, String)| {
                if order == Order::Descending { a >= b } else { a <= b }
            };
            assert!(keys.windows(2).all(|pair| sorted(&pair[0], &pair[1])), "{what}: {keys:?}");
        }
        // A cursor belongs to its order.
        let other = TradeQuery {
            order: Some(if order == Order::Ascending { Order::Descending } else { Order::Ascending }),
            ..query
        };
        assert!(other.cursor.is_none() || trade_list(&tx, &other).await.is_err(), "{what}");
    }
}

#[tokio::test]
async fn a_deep_page_reads_an_index_and_no_more() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    for n in 0..3 {
        put(&raw, n, &closed(n, 10)).await;
    }
    // As the daemon asks: with row level security, through a role that owns nothing.
    raw.batch_execute("SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off").await.unwrap();
    raw.begin("blotter_app", "alice").await;
    for (key, value) in [
        ("closed_at", "now()"),
        ("option_symbol", "'N'"),
        ("pnl_key", "5::bigint"),
        ("r_key", "5::bigint"),
        ("ended_as", "'N'"),
        ("strategy", "'N'"),
    ] {
        let sql = format!(
            "EXPLAIN SELECT trade_id FROM closed_trades WHERE username = 'alice' AND broker_mode = 'SIM'
                AND ({key}, trade_id) < ({value}, '01940000-0000-7000-8000-000000000001'::uuid) ORDER BY {key} DESC, trade_id DESC LIMIT 50"
        );
        let plan: Vec<String> = raw.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        let condition = plan.lines().find(|line| line.contains("Index Cond")).unwrap_or_default();
        assert!(condition.contains("ROW(") && !plan.contains("Sort"), "{key} is not a range of an index:\n{plan}");
    }
}

#[tokio::test]
async fn totals_are_those_of_the_rows_that_a_filter_finds() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    for n in 0..20_u32 {
        let pnl = (n % 6 != 0).then_some([120, -80, 0][usize::try_from(n % 3).unwrap()]);
        let reason = ["TP_HIT", "EXPIRED", "SL_HIT"][usize::try_from(n % 3).unwrap()];
        put(&raw, n, &Closed { pnl, reason, ..closed(n, 0) }).await;
    }
    refresh(&test).await;
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    for outcome in [None, Some(Outcome::Win), Some(Outcome::Loss), Some(Outcome::Expired)] {
        for (q, mode) in
            [(None, None), (Some("moment"), None), (None, Some(BrokerMode::Sim)), (Some("#3"), Some(BrokerMode::Sim))]
        {
            let q = q.map(str::to_owned);
            let list = TradeQuery {
                status: Some(Book::Closed),
                outcome,
                q: q.clone(),
                mode,
                limit: Some(500),
                ..TradeQuery::default()
            };
            let rows = trade_list(&tx, &list).await.unwrap().items;
            let results: Vec<Cash> = rows.iter().filter_map(|trade| trade.close.as_ref()?.realized_pnl).collect();
            let totals = trade_totals(&tx, &TotalsQuery { outcome, q, mode }).await.unwrap();
            let count =
                |wanted: fn(&Cash) -> bool| u64::try_from(results.iter().filter(|cash| wanted(cash)).count()).unwrap();
            let expected = (u64::try_from(rows.len()).unwrap(), u64::try_from(results.len()).unwrap());
            assert_eq!((totals.rows, totals.trades), expected, "{list:?}");
            assert_eq!((totals.wins, totals.losses), (count(|c| c.0 > Decimal::ZERO), count(|c| c.0 < Decimal::ZERO)));
            assert_eq!(totals.net, results.iter().fold(Cash::ZERO, |sum, cash| sum + *cash));
        }
    }
}

/// A file in the order of the closes is read along another index than the list, row by row: it says the same.
#[tokio::test]
async fn a_file_says_what_the_list_says() {
    let test = TestDb::start().await;
    let raw = test.admin().await;
    for n in 0..23_u32 {
        let pnl = (n % 4 != 0).then_some(i64::from(n % 5) * 50 - 100);
        let reason = ["TP_HIT", "SL_HIT", "EXPIRED", "SANDBOX_RESET"][usize::try_from(n % 4).unwrap()];
        let mode = if n % 9 == 7 { "'LIVE'" } else { "'SIM'" };
        let more = [
            ("broker_mode", mode),
            ("entry_price", "1.05"),
            ("sl_price", "0.5"),
            ("current_price", "3.125"),
            ("last_updated", "now()"),
        ];
        put(&raw, n, &Closed { pnl, reason, more: &more[..if n % 3 == 0 { 1 } else { 5 }], ..closed(n / 2, 0) }).await;
    }
    let tx = test.db.user_tx(&user("alice")).await.unwrap();
    let filters = [
        TradeQuery::default(),
        TradeQuery { mode: Some(BrokerMode::Live), ..TradeQuery::default() },
        TradeQuery { outcome: Some(Outcome::Win), mode: Some(BrokerMode::Sim), ..TradeQuery::default() },
        TradeQuery { outcome: Some(Outcome::Loss), ..TradeQuery::default() },
        TradeQuery { outcome: Some(Outcome::Expired), ..TradeQuery::default() },
        TradeQuery { q: Some("rever".to_owned()), ..TradeQuery::default() },
        TradeQuery { q: Some("#3".to_owned()), ..TradeQuery::default() },
    ];
    for (filter, order) in filters.iter().flat_map(|filter| Order::ALL.iter().map(move |order| (filter, *order))) {
        let list = TradeQuery { status: Some(Book::Closed), order: Some(order), ..filter.clone() };
        let listed = trade_list(&tx, &TradeQuery { limit: Some(500), ..list.clone() }).await.unwrap().items;
        // Numbers are given to the trades of every test in this process.
        assert!(!listed.is_empty() || list.q.as_deref() == Some("#3"), "{list:?}");
        let expected = String::from_utf8(export::csv(&listed, Place { is_first: false, is_last: true })).unwrap();
        let (mut query, mut text) = (list.clone(), String::new());
        loop {
            let next = straight_lines(&tx, &query, 4, |line| export::push_line(&mut text, line)).await.unwrap();
            query.cursor = next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(text, expected, "{list:?}");
        let (mut query, mut trades) = (list.clone(), Vec::new());
        loop {
            let (page, next) = straight_trades(&tx, &query, 5).await.unwrap();
            trades.extend(page);
            query.cursor = next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(trades, listed, "{list:?}");
    }
    let bob = test.db.user_tx(&user("bob")).await.unwrap();
    let all = TradeQuery { status: Some(Book::Closed), ..TradeQuery::default() };
    let nobodys = straight_lines(&bob, &all, 5, |line| panic!("{line:?} is another user's")).await.unwrap();
    assert_eq!(nobodys, None);
    let strange = TradeQuery { cursor: Some("o7".to_owned()), ..all };
    assert!(straight_lines(&tx, &strange, 5, |_| ()).await.is_err());
}
