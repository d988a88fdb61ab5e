//! Figures over the socket.

use blotter_daemon::db::forensics::{FindingsRow, findings_put};
use blotter_shared::domain::{BrokerMode, Cash, TradeId};
use blotter_shared::protocol::context::TradeContext;
use blotter_shared::protocol::performance::{Breakdown, Performance, Period, Spread};
use blotter_shared::protocol::trades::{Trade, TradeTotals};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::daemon::Daemon;
use super::routes::me;
use crate::support::{Raw, TestDb, insert_trade};

/// A trade of whoever runs the tests that reaches its target, now unless `end` says when.
async fn closed(raw: &Raw, n: u128, columns: &[(&str, &str)], end: &str) {
    let id = Uuid::from_u128(n).to_string();
    let at = if end.contains("close_date") { "" } else { "close_date = now()," };
    let sql = format!(
        "{};
         UPDATE paper_trades SET status = 'FILLED', held_qty = 5, protection = 'NAKED' WHERE id = '{id}';
         UPDATE paper_trades SET status = 'CLOSED', held_qty = 0, protection = 'N/A', {at} close_reason = 'TP_HIT', {end}
          WHERE id = '{id}'",
        insert_trade(&me(), &id, columns)
    );
    raw.batch_execute(&sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn performance_is_of_one_mode_and_follows_each_close() {
    let db = TestDb::start().await;
    let raw = db.admin().await;
    let close = async |n: u128, mode: &str, pnl: i64| {
        let mode = format!("'{mode}'");
        closed(
            &raw,
            n,
            &[("broker_mode", mode.as_str()), ("strategy", "'momentum'")],
            &format!("realized_pnl = {pnl}"),
        )
        .await;
    };
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut client = daemon.client().await;
    let nothing: Performance = client.get("/v1/performance").await.json();
    assert_eq!((nothing.mode, nothing.period, nothing.by), (BrokerMode::Sandbox, Period::All, Breakdown::Strategy));
    assert_eq!((nothing.figures.trades, nothing.figures.win_rate, nothing.best_strategy), (0, None, None));

    close(1, "SANDBOX", 120).await;
    close(2, "SANDBOX", -20).await;
    close(3, "LIVE", 5000).await;
    let some: Performance = client.get("/v1/performance?period=30d&by=ticker").await.json();
    assert_eq!((some.figures.trades, some.figures.net), (2, Cash(100.into())), "real money is not play money");
    assert_eq!((some.figures.win_rate, some.figures.profit_factor), (Some(50.into()), Some(6.into())));
    assert_eq!((some.rows[0].bucket.as_str(), some.best_strategy.unwrap().strategy.as_str()), ("NVDA", "momentum"));
    assert_eq!((some.drawdown.deepest, some.drawdown.deepest_pct), (Cash(20.into()), Some(Decimal::new(3906, 4))));
    assert_eq!(some.equity.last().unwrap().net, Cash(100.into()));
    let live: Performance = client.get("/v1/performance?mode=LIVE").await.json();
    assert_eq!((live.figures.net, live.figures.profit_factor), (Cash(5000.into()), None));

    close(4, "SANDBOX", -30).await;
    let more: Performance = client.get("/v1/performance").await.json();
    assert_eq!(more.figures.net, Cash(70.into()), "a close is in the next answer");
    let totals: TradeTotals = client.get("/v1/trades/totals?mode=SANDBOX&outcome=loss").await.json();
    assert_eq!((totals.rows, totals.losses, totals.net), (2, 2, Cash(Decimal::from(-50))));
    assert_eq!(
        (more.figures.fees, more.figures.fees_untold, totals.fees_untold),
        (Cash::ZERO, 3, 2),
        "nobody told any"
    );
    // The totals wrote the sums down: what was made of the day's own trades is what is stored now, and is kept.
    for _ in 0..2 {
        let settled: Performance = client.get("/v1/performance").await.json();
        assert_eq!(settled, more);
    }
    let fourth = Uuid::from_u128(4);
    let told = format!("UPDATE paper_trades SET fees = 1.30, realized_pnl = realized_pnl - 1.30 WHERE id = '{fourth}'");
    raw.batch_execute(&told).await.unwrap();
    let cents = |cents: i64| Cash(Decimal::new(cents, 2));
    let net: Performance = client.get("/v1/performance").await.json();
    assert_eq!((net.figures.net, net.figures.fees, net.figures.fees_untold), (cents(6870), cents(130), 2));
    for (filter, untold, sum) in [("outcome=loss", 1, -5130), ("outcome=win", 1, 12_000), ("q=nvda", 2, 6870)] {
        let path = format!("/v1/trades/totals?mode=SANDBOX&{filter}");
        let totals: TradeTotals = client.get(&path).await.json();
        assert_eq!((totals.fees_untold, totals.net), (untold, cents(sum)), "{filter}");
    }
    for path in ["/v1/performance?period=5y", "/v1/performance?by=moon", "/v1/trades/totals?sort=pnl"] {
        assert_eq!(client.get(path).await.problem().code.as_str(), "invalid", "{path}");
    }
    daemon.stop().await.unwrap();
}

/// What came behind a day that changes is added up again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trade_that_ended_days_ago_is_told_of_only_now() {
    let db = TestDb::start().await;
    let raw = db.admin().await;
    let close = async |n: u128, pnl: i64| {
        closed(&raw, n, &[("broker_mode", "'SIM'")], &format!("realized_pnl = {pnl}")).await;
    };
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut client = daemon.client().await;
    close(1, 100).await;
    close(2, -30).await;
    let open: Performance = client.get("/v1/performance?mode=SIM").await.json();
    assert_eq!((open.figures.net, open.figures.trades), (Cash(70.into()), 2));
    let totals: TradeTotals = client.get("/v1/trades/totals?mode=SIM").await.json();
    assert_eq!((totals.net, raw.count("SELECT count(*) FROM performance_stale").await), (Cash(70.into()), 0));

    close(3, 40).await;
    let late = "UPDATE closed_trades SET closed_at = closed_at - interval '3 days' WHERE trade_id = $1";
    raw.execute(late, &[&Uuid::from_u128(3)]).await.unwrap();
    assert_eq!(raw.execute("UPDATE performance_stale SET day = day - 3", &[]).await.unwrap(), 1);
    let week: Performance = client.get("/v1/performance?mode=SIM&period=7d").await.json();
    assert_eq!((week.figures.net, week.figures.trades), (Cash(110.into()), 3));
    assert_eq!((week.days[0].trades, week.days[0].net), (1, Cash(40.into())));
    assert_eq!(week.streaks.longest_win, 2, "the late one was the first of the two");
    let again: Performance = client.get("/v1/performance?mode=SIM&period=7d").await.json();
    assert_eq!(again, week);
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_results_lie_is_kept_until_the_next_close_and_a_trade_has_its_context() {
    let db = TestDb::start().await;
    let raw = db.admin().await;
    let close = async |n: u128, pnl: i64| {
        let signals = "'{\"1m\": {\"rsi\": 61.5}}'";
        let columns = [("broker_mode", "'SIM'"), ("signals_snapshot", signals), ("ai_verdict", "'BUY'")];
        closed(&raw, n, &columns, &format!("max_gain = 12.5, realized_pnl = {pnl}, hold_duration_h = {n}")).await;
    };
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut client = daemon.client().await;
    let nothing: Spread = client.get("/v1/performance/spread?mode=SIM").await.json();
    assert_eq!((nothing.trades, nothing.median, nothing.expectancy_low), (0, None, None));
    for n in 1..=19_u8 {
        close(n.into(), i64::from(n) * 10 - 100).await;
    }
    let some: Spread = client.get("/v1/performance/spread?mode=SIM&period=7d").await.json();
    assert_eq!((some.trades, some.median, some.low), (19, Some(Cash::ZERO), None), "twentieths need twenty");
    assert_eq!(some.best_three, Some(Decimal::new(533_333, 4)), "240 of 450");
    assert_eq!(some.held_hours_winners, Some(Decimal::from(15)));
    assert!(some.expectancy_low.unwrap() < Cash::ZERO && some.expectancy_high.unwrap() > Cash::ZERO);
    let again: Spread = client.get("/v1/performance/spread?mode=SIM&period=7d").await.json();
    assert_eq!(again, some);
    close(20, 100).await;
    let more: Spread = client.get("/v1/performance/spread?mode=SIM&period=all").await.json();
    assert_eq!((more.trades, more.median, more.low), (20, Some(Cash(5.into())), Some(Cash(Decimal::from(-90)))));
    let live: Spread = client.get("/v1/performance/spread?mode=LIVE").await.json();
    assert_eq!(live.trades, 0, "real money is not play money");
    assert_eq!(client.get("/v1/performance/spread?by=hour").await.problem().code.as_str(), "invalid");

    let context: TradeContext = client.get(&format!("/v1/trades/{}/context", Uuid::from_u128(3))).await.json();
    assert_eq!(context.signals.unwrap().pointer("/1m/rsi").unwrap(), 61.5);
    assert_eq!((context.ai_verdict.as_deref(), context.max_gain_pct), (Some("BUY"), Some(Decimal::new(125, 1))));
    assert_eq!((context.regime, context.delta), (None, None), "what could not be had is null");
    let nobodys = client.get(&format!("/v1/trades/{}/context", Uuid::from_u128(99))).await;
    assert_eq!(nobodys.problem().code.as_str(), "not_found");
    raw.batch_execute(&insert_trade("somebody", &Uuid::from_u128(77).to_string(), &[])).await.unwrap();
    let another = client.get(&format!("/v1/trades/{}/context", Uuid::from_u128(77))).await;
    assert_eq!(another.problem().code.as_str(), "not_found", "another user's is not found");
    daemon.stop().await.unwrap();
}

/// What the forensic job finds of two positions of 5,000 dollars with 1,000 at risk.
fn findings(trade: u128, (ahead, behind): (i64, i64), efficiency: i64) -> FindingsRow {
    let percent = |percent: i64| [Some(Decimal::from(percent)), Some(Decimal::from(percent - 1))];
    FindingsRow {
        trade: TradeId(Uuid::from_u128(trade)),
        version: 1,
        pnl_15m: [None; 2],
        pnl_1h: [None; 2],
        mfe_pct: percent(ahead),
        mae_pct: percent(behind),
        mfe_at: None,
        mae_at: None,
        exit_efficiency_pct: percent(efficiency),
        post_exit_mfe_pct: percent(7),
        coverage_pct: Decimal::from(95),
        own_coverage_pct: Decimal::from(95),
        own_points: 10,
        bar_points: 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_there_was_to_be_had_is_told_once_the_forensics_are_stored() {
    let db = TestDb::start().await;
    let raw = db.admin().await;
    for (n, pnl) in [(1, 1000), (2, -500)] {
        let columns =
            [("broker_mode", "'SIM'"), ("mid_at_submit", "9.90"), ("initial_risk", "1000"), ("entry_price", "10")];
        let end = format!("close_date = '2026-11-20 19:30+00', realized_pnl = {pnl}, fees = 0");
        closed(&raw, n, &columns, &end).await;
    }
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut client = daemon.client().await;
    let blind: Spread = client.get("/v1/performance/spread?mode=SIM").await.json();
    assert_eq!((blind.trades, blind.paths.trades, blind.paths.kept), (2, 0, None));
    assert_eq!((blind.paths.entries, blind.paths.slippage), (2, Some(Cash(50.into()))), "ten cents on 500");

    let tx = db.db.user_tx(&crate::support::user(&me())).await.unwrap();
    let found = [findings(1, (40, 6), 50), findings(2, (12, 15), -83)];
    assert_eq!(findings_put(&tx, &found).await.unwrap(), 2);
    tx.commit().await.unwrap();
    let paths = client.get("/v1/performance/spread?mode=SIM").await.json::<Spread>().paths;
    assert_eq!((paths.trades, paths.thin, paths.winners, paths.losers), (2, 0, 1, 1));
    assert_eq!(
        (paths.kept, paths.given_back),
        (Some(Decimal::new(192_308, 4)), Some(Cash(2100.into()))),
        "500 of 2,600"
    );
    assert_eq!((paths.exit_efficiency, paths.post_exit), (Some(Decimal::new(-165, 1)), Some(Decimal::from(7))));
    let shares: Vec<_> = paths.stops.iter().map(|stop| (stop.winners, stop.losers)).collect();
    let of = |winners: i64, losers: i64| (Some(Decimal::from(winners)), Some(Decimal::from(losers)));
    assert_eq!(shares, [of(100, 100), of(0, 100), of(0, 0), of(0, 0)], "300 against, 600 ahead");

    for (by, bucket) in [("month", "2026-11"), ("week", "2026-W47"), ("exit_hour", "14:00")] {
        let told: Performance = client.get(&format!("/v1/performance?mode=SIM&by={by}")).await.json();
        assert_eq!((told.rows.len(), told.rows[0].bucket.as_str()), (1, bucket), "{by}");
        assert_eq!((told.rows[0].figures.net, told.rows[0].figures.trades), (Cash(500.into()), 2), "{by}");
        let days = (told.drawdown.peak_on, told.drawdown.bottom_on);
        assert_eq!(days, (None, None), "by the end of the day there was no fall");
    }
    daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_the_whole_list_in_pieces() {
    let db = TestDb::start().await;
    let raw = db.admin().await;
    let me = me();
    // More than two pages of an export. The guards' triggers are left out: they are not what is tested.
    raw.batch_execute(&format!(
        "BEGIN; SET LOCAL session_replication_role = replica;
         INSERT INTO paper_trades (username, id, number, broker_mode, account_id, ticker, option_symbol, option_type, strike, expiry,
             qty, desired, desired_qty, entry_date, status, close_date, close_reason, realized_pnl, strategy, created_at, updated_at)
         SELECT '{me}', gen_random_uuid(), n, 'SANDBOX', 'VA1', 'NVDA', 'NVDA261218C' || lpad(n::text, 8, '0'), 'CALL', 150, '2026-12-18',
             1, 'FLAT', 0, now() - interval '1 day', 'CLOSED', now() - n * interval '1 minute', 'TP_HIT', n, '=1+1', now(), now()
           FROM generate_series(1, 8500) AS n;
         INSERT INTO closed_trades (username, trade_id, number, broker_mode, ticker, option_symbol, option_type, expiry, strategy, verdict,
             entered_at, closed_at, ended_as, pnl_e4)
         SELECT username, id, number, broker_mode, ticker, option_symbol, option_type, expiry, strategy, '', entry_date, close_date,
             close_reason, realized_pnl * 10000 FROM paper_trades;
         COMMIT"
    ))
    .await
    .unwrap();
    let daemon = Daemon::start(&db.cluster.url(), |_| {}).await;
    let mut client = daemon.client().await;
    let csv = client.get("/v1/trades/export?sort=pnl&order=asc").await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8; header=present");
    let text = std::str::from_utf8(&csv.body).unwrap();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 8501);
    assert!(lines[0].starts_with("number,id,") && lines[1].starts_with("1,") && lines[8500].starts_with("8500,"));
    assert!(lines[1].ends_with(",\"'=1+1\""), "{}", lines[1]);
    // In the order of the closes, which is read along another index: the newest is number 1.
    let by_close = client.get("/v1/trades/export?mode=SANDBOX").await;
    assert_eq!(std::str::from_utf8(&by_close.body).unwrap(), text, "the same lines in the same order");
    let all: Vec<Trade> = client.get("/v1/trades/export?format=json&order=asc").await.json();
    assert_eq!((all.len(), all[0].number.0, all[8499].number.0), (8500, 8500, 1));
    let json: Vec<Trade> = client.get("/v1/trades/export?format=json&q=%23123").await.json();
    assert_eq!(json.len(), 1);
    let open: Vec<Trade> = client.get("/v1/trades/export?format=json&status=open").await.json();
    assert_eq!(open, []);
    assert_eq!(client.get("/v1/trades/export?format=xls").await.problem().code.as_str(), "invalid");
    daemon.stop().await.unwrap();
}
