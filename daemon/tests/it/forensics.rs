//! What the nightly job finds, against a recomputation in SQL from the raw fills and prices: nothing is
//! shared but the rows.

use blotter_daemon::calendar::Calendar;
use blotter_daemon::db::forensics::ClosedScope;
use blotter_daemon::forensics::{Forensics, Report};
use blotter_daemon::prices::retention::{Keep, Retention};
use chrono::TimeDelta;
use std::sync::Arc;
use uuid::Uuid;

use crate::prices::rig::{CALL, PUT, Rig};

fn job(rig: &Rig) -> Forensics {
    Forensics {
        db: rig.recorder.db.clone(),
        accounts: Some(rig.recorder.accounts.clone()),
        clock: rig.recorder.clock.clone(),
        calendar: Arc::new(Calendar::new()),
        interval: TimeDelta::seconds(40),
    }
}

fn all() -> ClosedScope {
    ClosedScope {
        from: "2026-01-01T00:00:00Z".parse().unwrap(),
        to: "2027-01-01T00:00:00Z".parse().unwrap(),
        settled_before: None,
    }
}

/// Fills of a trade: seconds after 15:00 UTC, side, quantity, price.
async fn fills(rig: &Rig, id: u128, parts: &[(i64, &str, i32, &str)]) {
    for (index, (seconds, side, quantity, price)) in parts.iter().enumerate() {
        let sql = format!(
            "INSERT INTO fills (username, broker_order_id, cum_qty, inc_qty, inc_px, inc_value, fee, trade_id, side, observed_at)
             VALUES ('ann', '{id}-{index}', {quantity}, {quantity}, {price}, {price} * {quantity}, 0.65, '{}', '{side}',
                     timestamptz '2026-11-20 15:00+00' + interval '{seconds} s')",
            Uuid::from_u128(id)
        );
        rig.admin.batch_execute(&sql).await.unwrap();
    }
}

/// A wave of prices every 40 s around 5.00, with some that are not sound, until `until` seconds.
async fn prices(rig: &Rig, id: u128, (from, until): (i64, i64), swing: i64) {
    let sql = format!(
        "INSERT INTO price_snapshots (username, trade_id, ts, quoted_at, session_date, mark_price, mark_kind, bid, ask, source, quality)
         SELECT 'ann', '{}', timestamptz '2026-11-20 15:00+00' + n * interval '40 s', NULL, '2026-11-20', m, 'MID', m - 0.07, m + 0.07, 'SIM',
                CASE WHEN n % 13 = 5 THEN 'STALE' WHEN n % 17 = 3 THEN 'WIDE' ELSE 'GOOD' END
           FROM generate_series({from} / 40, {until} / 40) AS n,
                LATERAL (SELECT round(5 + {swing} * ((n * 7919 % 101) - 45) / 4000.0, 4)) AS w (m)",
        Uuid::from_u128(id)
    );
    rig.admin.batch_execute(&sql).await.unwrap();
}

/// The same figures, worked out by the database from the rows as they lie there.
fn recomputed(mark: &str) -> String {
    format!(
        "WITH t AS (SELECT id, multiplier AS m FROM paper_trades WHERE id = $1),
         f AS (SELECT observed_at AS at, side, inc_qty AS q, inc_px AS p FROM fills WHERE trade_id = $1),
         span AS (SELECT min(at) FILTER (WHERE side = 'BUY') AS t0, max(at) FILTER (WHERE side = 'SELL') AS t1 FROM f),
         cost AS (SELECT sum(q * p) * (SELECT m FROM t) AS c FROM f WHERE side = 'BUY'),
         marks AS (SELECT ts AS at, {mark} AS p FROM price_snapshots
                    WHERE trade_id = $1 AND quality IN ('GOOD', 'DELAYED') AND {mark} IS NOT NULL),
         path AS (
            SELECT x.at, (SELECT m FROM t) * (
                     coalesce((SELECT sum(q * p) FROM f WHERE side = 'SELL' AND f.at <= x.at), 0)
                   + coalesce((SELECT sum(CASE side WHEN 'BUY' THEN q ELSE -q END) FROM f WHERE f.at <= x.at), 0) * x.p
                   - (SELECT sum(q * p) FROM f WHERE side = 'BUY' AND f.at <= x.at)) AS worth
              FROM (SELECT at, p FROM marks UNION ALL SELECT at, p FROM f) AS x, span WHERE x.at BETWEEN t0 AND t1),
         late AS (SELECT l.minutes, CASE WHEN t0 + l.minutes * interval '1 min' >= t1
                         THEN (SELECT m FROM t) * (SELECT sum(CASE side WHEN 'SELL' THEN q * p ELSE -q * p END) FROM f)
                         ELSE (SELECT (SELECT m FROM t) * (
                                  coalesce((SELECT sum(q * p) FROM f WHERE side = 'SELL' AND f.at <= t0 + l.minutes * interval '1 min'), 0)
                                + (SELECT sum(CASE side WHEN 'BUY' THEN q ELSE -q END) FROM f WHERE f.at <= t0 + l.minutes * interval '1 min') * k.p
                                - (SELECT sum(q * p) FROM f WHERE side = 'BUY' AND f.at <= t0 + l.minutes * interval '1 min'))
                                 FROM (SELECT at, p FROM marks WHERE at <= t0 + l.minutes * interval '1 min' ORDER BY at DESC LIMIT 1) AS k
                                WHERE k.at >= t0 + l.minutes * interval '1 min' - interval '80 s') END AS worth
                    FROM span, (VALUES (15), (60)) AS l (minutes)),
         best AS (SELECT greatest(max(worth), 0) AS mfe, greatest(-min(worth), 0) AS mae FROM path)
         SELECT format('%s %s %s %s %s %s',
            trim_scale(round((SELECT worth FROM late WHERE minutes = 15), 4)), trim_scale(round((SELECT worth FROM late WHERE minutes = 60), 4)),
            trim_scale(round(mfe * 100 / c, 4)), trim_scale(round(mae * 100 / c, 4)),
            trim_scale(round((SELECT (SELECT m FROM t) * sum(CASE side WHEN 'SELL' THEN q * p ELSE -q * p END) FROM f) * 100 / nullif(mfe, 0), 4)),
            trim_scale(round(greatest(0, (SELECT (SELECT m FROM t) * (SELECT sum(q) FROM f WHERE side = 'SELL') * max(p) FROM marks, span WHERE at > t1 AND at <= t1 + interval '2 h')
                    - (SELECT (SELECT m FROM t) * sum(q * p) FROM f WHERE side = 'SELL')) * 100 / c, 4)))
           FROM best, cost"
    )
}

async fn one(rig: &Rig, sql: &str, id: u128) -> String {
    let row = rig.admin.query_one(sql, &[&Uuid::from_u128(id)]).await;
    row.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

const MID: &str = "
    SELECT format('%s %s %s %s %s %s', trim_scale(target_pnl_15m), trim_scale(target_pnl_1h), trim_scale(target_mfe_pct),
                  trim_scale(target_mae_pct), trim_scale(exit_efficiency_pct), trim_scale(post_exit_mfe_pct))
      FROM paper_trades t JOIN trade_forensics f ON f.trade_id = t.id WHERE t.id = $1";
const BID: &str = "
    SELECT format('%s %s %s %s %s %s', trim_scale(pnl_15m_bid), trim_scale(pnl_1h_bid), trim_scale(mfe_bid_pct),
                  trim_scale(mae_bid_pct), trim_scale(exit_efficiency_bid_pct), trim_scale(post_exit_mfe_bid_pct))
      FROM trade_forensics f WHERE f.trade_id = $1";

/// Seconds, side, quantity, price.
type Part<'a> = (i64, &'a str, i32, &'a str);

/// A winner, a loser, a scratch, a trade sold in parts after its stop was moved, a quick one.
async fn book(rig: &Rig) -> Vec<u128> {
    let cases: [(&[Part], i64); 5] = [
        (&[(30, "BUY", 2, "5.00"), (5000, "SELL", 2, "5.80")], 50),
        (&[(30, "BUY", 2, "5.10"), (7000, "SELL", 2, "4.02")], 80),
        (&[(30, "BUY", 2, "5.00"), (4000, "SELL", 2, "5.00")], 20),
        (&[(30, "BUY", 1, "4.90"), (70, "BUY", 1, "5.05"), (2000, "SELL", 1, "5.40"), (9000, "SELL", 1, "4.85")], 60),
        (&[(30, "BUY", 2, "5.00"), (400, "SELL", 2, "5.21")], 30),
    ];
    let mut ids = Vec::new();
    for (index, (parts, swing)) in cases.into_iter().enumerate() {
        let id = u128::try_from(index).unwrap() + 1;
        let symbol = format!("SPY261218C00{:03}000", 600 + index);
        let trade = rig.hold_since(id, &symbol, "2026-11-20 15:00:30+00").await;
        if index == 3 {
            rig.admin
                .batch_execute(&format!("UPDATE paper_trades SET sl_price = 4.50, version = 2 WHERE id = '{trade}'"))
                .await
                .unwrap();
        }
        fills(rig, id, parts).await;
        let last = parts.last().unwrap();
        prices(rig, id, (0, last.0 + 7000), swing).await;
        let seconds = last.0;
        rig.close(
            trade,
            &format!("2026-11-20T{:02}:{:02}:{:02}Z", 15 + seconds / 3600, seconds / 60 % 60, seconds % 60),
            last.3,
        )
        .await;
        ids.push(id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_are_those_of_a_recomputation_from_raw_rows() {
    let rig = Rig::start("2026-11-20T22:30:00Z").await;
    let ids = book(&rig).await;
    let job = job(&rig);
    let mut told = Vec::new();
    let report = job.run(&all(), |progress| told.push((progress.done, progress.of))).await.unwrap();
    assert_eq!((report.trades, report.written, report.without), (5, 5, 0), "{report}");
    assert_eq!(told, [(5, 5)]);
    for id in ids {
        assert_eq!(
            one(&rig, MID, id).await,
            one(&rig, &recomputed("mark_price"), id).await,
            "trade {id} at the middle"
        );
        assert_eq!(one(&rig, BID, id).await, one(&rig, &recomputed("bid"), id).await, "trade {id} at the bid");
    }
    let events = rig.text("SELECT count(*) FROM trade_events").await;
    let again = job.run(&all(), |_| ()).await.unwrap();
    assert_eq!((again.trades, again.written), (5, 0), "the same figures are not written again");
    assert_eq!(rig.text("SELECT count(*) FROM trade_events").await, events);
    assert_eq!(job.nightly().await.unwrap().written, 0);
}

/// Packed days give the same figures; thinned ones never replace them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_look_at_fewer_prices_changes_nothing() {
    let rig = Rig::start("2026-11-20T22:30:00Z").await;
    let ids = book(&rig).await;
    let first = job(&rig);
    first.run(&all(), |_| ()).await.unwrap();
    let mut before = Vec::new();
    for id in &ids {
        before.push(one(&rig, MID, *id).await);
    }
    let tidy =
        |rig: &Rig| Retention { db: rig.recorder.db.clone(), clock: rig.recorder.clock.clone(), keep: Keep::default() };
    for (now, what) in [("2026-12-10T09:00:00Z", "packed"), ("2027-04-10T09:00:00Z", "thinned")] {
        rig.set(now);
        tidy(&rig).tidy().await.unwrap();
        let report = first.run(&all(), |_| ()).await.unwrap();
        assert_eq!((report.trades, report.written), (5, 0), "{what}");
        for (id, before) in ids.iter().zip(&before) {
            assert_eq!(one(&rig, MID, *id).await, *before, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minute_bars_fill_the_gaps_and_only_these() {
    let rig = Rig::start("2026-11-20T22:30:00Z").await;
    let trade = rig.hold_since(1, CALL, "2026-11-20 15:00:30+00").await;
    fills(&rig, 1, &[(30, "BUY", 2, "5.00"), (3600, "SELL", 2, "5.50")]).await;
    // Nothing was recorded between the 10th and the 40th minute, nor after the exit.
    prices(&rig, 1, (0, 600), 0).await;
    prices(&rig, 1, (2400, 3600), 0).await;
    rig.close(trade, "2026-11-20T16:00:00Z", "5.50").await;
    rig.world.lock().unwrap().bars = vec![
        // Where a price was recorded a bar does not count.
        ("2026-11-20T10:05:00".to_owned(), 99.0),
        ("2026-11-20T10:14:00".to_owned(), 6.0),
        ("2026-11-20T10:20:00".to_owned(), 8.0),
        ("2026-11-20T11:30:00".to_owned(), 7.0),
    ];
    let report: Report = job(&rig).run(&all(), |_| ()).await.unwrap();
    assert_eq!((report.bars, report.written, report.thin), (1, 1, 1));
    let figures = "SELECT format('%s %s %s %s', trim_scale(target_pnl_15m), trim_scale(target_mfe_pct), trim_scale(post_exit_mfe_pct), bar_points)
                     FROM paper_trades t JOIN trade_forensics f ON f.trade_id = t.id WHERE t.id = $1";
    assert_eq!(one(&rig, figures, 1).await, "200 60 30 9", "10:15 in New York: 6.00; best 8.00; then 7.00");
    let bounds = "SELECT (target_coverage_pct > own_coverage_pct AND own_coverage_pct BETWEEN 50 AND 60)::text
                    FROM paper_trades t JOIN trade_forensics f ON f.trade_id = t.id WHERE t.id = $1";
    assert_eq!(one(&rig, bounds, 1).await, "true");
    let asked = &rig.asked("timesales")[0];
    assert!(asked.query.contains(CALL) && asked.query.contains("interval=1min"), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trade_of_which_something_is_not_known_has_no_figures_and_a_silent_broker_costs_coverage_alone() {
    let rig = Rig::start("2026-11-20T22:30:00Z").await;
    rig.world.lock().unwrap().broker_down = true;
    let known = rig.hold_since(1, CALL, "2026-11-20 15:00:30+00").await;
    // Without fills, what the row says is taken.
    rig.close(known, "2026-11-20T16:00:00Z", "5.50").await;
    let unpriced = rig.hold_since(2, PUT, "2026-11-20 15:00:30+00").await;
    fills(&rig, 2, &[(30, "BUY", 2, "5.00")]).await;
    let sale = format!(
        "INSERT INTO fills (username, broker_order_id, cum_qty, inc_qty, trade_id, side, observed_at)
         VALUES ('ann', 'x', 2, 2, '{unpriced}', 'SELL', '2026-11-20 16:00+00')"
    );
    rig.admin.batch_execute(&sale).await.unwrap();
    rig.close(unpriced, "2026-11-20T16:00:00Z", "5.50").await;
    let report = job(&rig).run(&all(), |_| ()).await.unwrap();
    assert_eq!((report.trades, report.written, report.without, report.thin), (2, 1, 1, 1), "{report}");
    let figures = "SELECT format('%s %s %s', trim_scale(target_mfe_pct), target_pnl_15m, target_coverage_pct) FROM paper_trades WHERE id = $1";
    assert_eq!(one(&rig, figures, 1).await, "10  0.00");
    assert_eq!(one(&rig, figures, 2).await, "  ");
}
