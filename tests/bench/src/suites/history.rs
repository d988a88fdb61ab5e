//! A million closed trades: what their figures, a page of them at any depth, and a copy of all cost,
//! beside the database doing the same by itself.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use blotter_testkit::book;
use blotter_testkit::daemon::{Daemon, Options};
use blotter_testkit::process::usage;
use blotter_testkit::socket::Connection;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use tokio_postgres::Client;

use crate::report::Report;
use crate::stats::Sample;

const MANY: i32 = 1_000_000;
const FEW: i32 = 10_000;

/// The figures of the pane from the trades themselves, in one statement.
const BY_SQL: &str = "
    WITH path AS (
        SELECT pnl_e4, r_e4, sum(pnl_e4) OVER (ORDER BY closed_at, trade_id) AS sum FROM closed_trades
         WHERE username = $1 AND broker_mode = 'SIM'),
    peaks AS (SELECT *, greatest(max(sum) OVER (ROWS UNBOUNDED PRECEDING), 0) AS peak FROM path)
    SELECT count(*), count(*) FILTER (WHERE pnl_e4 > 0), count(*) FILTER (WHERE pnl_e4 < 0), sum(pnl_e4)::bigint,
           sum(pnl_e4) FILTER (WHERE pnl_e4 > 0), sum(pnl_e4) FILTER (WHERE pnl_e4 < 0), max(pnl_e4), min(pnl_e4), avg(r_e4),
           stddev_samp(r_e4), max(peak - sum) FROM peaks";

const COPY: &str = "
    COPY (SELECT number, id, broker_mode, account_id, ticker, option_symbol, option_type, strike, expiry, multiplier, qty, status, entry_date,
                 entry_price, sl_price, tp_price, close_date, close_price, close_reason, realized_pnl, realized_pnl_pct, r_multiple,
                 current_price, unrealized_pnl, strategy FROM paper_trades WHERE broker_mode = 'SIM' ORDER BY close_date DESC)
      TO STDOUT (FORMAT csv, HEADER)";

pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let mut daemon = Daemon::start(Options::default()).await?;
    let admin = book::connect_admin(&daemon.postgres_socket_dir()).await?;
    let user = daemon.username().await?;
    book::write_closed_trades(&admin, &user, "SIM", (0, MANY)).await?;
    book::write_closed_trades(&admin, &user, "LIVE", (MANY, FEW)).await?;
    backfill(&daemon, report).await.context("backfill")?;
    let admin = cold(&mut daemon, (admin, &user), report).await.context("cold")?;
    warm(&daemon, (&admin, &user), report).await.context("warm")?;
    pages(&daemon, report).await.context("pages")?;
    export(&daemon, &admin, report).await.context("export")
}

/// The first look of all, which adds up everything once.
async fn backfill(daemon: &Daemon, report: &mut Report) -> Result<()> {
    let began = Instant::now();
    for mode in ["SIM", "LIVE"] {
        added_up(daemon, mode).await?;
    }
    let seconds = began.elapsed().as_secs_f64();
    report.set("history.performance.first_of_all", seconds, &Sample::new(vec![seconds]))
}

/// Looks until the sums are there: a long history takes several requests.
pub(super) async fn added_up(daemon: &Daemon, mode: &str) -> Result<()> {
    loop {
        let mut connection = Connection::open(&daemon.socket()).await?;
        let answer = connection.get(&performance(mode)).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        ensure!(answer.status.as_u16() == 408, "{}: {}", answer.status, answer.text());
    }
}

fn performance(mode: &str) -> String {
    format!("/v1/performance?period=all&mode={mode}")
}

/// A daemon that has just started, in turns with the statement. The server is the daemon's and ends with it, and
/// every connection with the server: the one to go on with is given back.
async fn cold(daemon: &mut Daemon, (mut admin, user): (Client, &str), report: &mut Report) -> Result<Client> {
    let (mut sql, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let began = Instant::now();
        let row = admin.query_one(BY_SQL, &[&user]).await?;
        sql.push(began.elapsed().as_secs_f64() * 1e3);
        let net: i64 = row.get(3);
        daemon.stop()?;
        daemon.spawn()?;
        daemon.wait_healthy().await?;
        admin = book::connect_admin(&daemon.postgres_socket_dir()).await?;
        let mut connection = Connection::open(&daemon.socket()).await?;
        let began = Instant::now();
        let answer = connection.get(&performance("SIM")).await?;
        ours.push(began.elapsed().as_secs_f64() * 1e3);
        let told = answer.json()?.pointer("/figures/net").cloned().context("no net")?;
        let told: f64 = told.as_str().context("money is text")?.parse()?;
        #[expect(clippy::cast_precision_loss, reason = "dollars of a bench")]
        let expected = net as f64 / 1e4;
        ensure!((told - expected).abs() < 0.01, "the daemon says {told}, the database {expected}");
    }
    let (sql, ours) = (Sample::new(sql), Sample::new(ours));
    let (sql_ms, ours_ms) = (sql.median().context("no run")?, ours.median().context("no run")?);
    report.set("history.performance.sql", sql_ms, &sql)?;
    report.set("history.performance.cold", ours_ms / sql_ms, &ours)?;
    Ok(admin)
}

/// After one more close each time, with many trades and with few; then with nothing closed between two looks.
async fn warm(daemon: &Daemon, (admin, user): (&Client, &str), report: &mut Report) -> Result<()> {
    const CLOSES: usize = 60;
    let (mut many, mut few) = (Vec::new(), Vec::new());
    for n in 0..CLOSES {
        for (mode, times) in [("SIM", &mut many), ("LIVE", &mut few)] {
            close_one(admin, user, mode, n).await?;
            // A new one each time: the daemon ends a connection that asks nothing while a close takes long.
            let mut connection = Connection::open(&daemon.socket()).await?;
            let began = Instant::now();
            let answer = connection.get(&performance(mode)).await?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
            ensure!(answer.status.is_success(), "{}", answer.text());
        }
    }
    let mut again = Vec::new();
    let mut connection = Connection::open(&daemon.socket()).await?;
    for _ in 0..CLOSES {
        let began = Instant::now();
        let answer = connection.get(&performance("SIM")).await?;
        again.push(began.elapsed().as_secs_f64() * 1e3);
        ensure!(answer.status.is_success(), "{}", answer.text());
    }
    let again = Sample::new(again);
    report.set("history.performance.repeat.p99", again.p99().context("no run")?, &again)?;
    let (many, few) = (Sample::new(many), Sample::new(few));
    report.set("history.performance.warm.p99", many.p99().context("no run")?, &many)?;
    let growth = many.median().context("no run")? / few.median().context("no run")?;
    report.set("history.performance.warm.growth", growth, &many)
}

/// The newest trade of a mode ends again a moment later, with another result.
async fn close_one(admin: &Client, user: &str, mode: &str, n: usize) -> Result<()> {
    let sql = "
        WITH one AS (
            UPDATE closed_trades SET closed_at = closed_at + interval '1 millisecond', pnl_e4 = $3::bigint * 10000
             WHERE username = $1 AND trade_id = (SELECT trade_id FROM closed_trades WHERE username = $1 AND broker_mode = $2
                                                  ORDER BY closed_at DESC LIMIT 1) RETURNING closed_at)
        INSERT INTO performance_stale (username, broker_mode, day) SELECT $1, $2, trading_day(closed_at) FROM one";
    admin.execute(sql, &[&user, &mode, &i64::try_from(n)?]).await?;
    Ok(())
}

/// Pages of fifty from the first to the last.
async fn pages(daemon: &Daemon, report: &mut Report) -> Result<()> {
    let mut connection = Connection::open(&daemon.socket()).await?;
    let list = |limit: u32, cursor: &str| {
        let cursor = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
        format!("/v1/trades?status=closed&mode=SIM&sort=pnl&limit={limit}{cursor}")
    };
    let (mut cursors, mut cursor) = (vec![String::new()], String::new());
    for number in 1.. {
        let answer = connection.get(&list(500, &cursor)).await?;
        ensure!(answer.status.is_success(), "page {number}: {}", answer.text());
        let page = answer.json()?;
        let Some(next) = page.get("next_cursor").and_then(serde_json::Value::as_str) else { break };
        next.clone_into(&mut cursor);
        if number % 100 == 0 {
            cursors.push(cursor.clone());
        }
    }
    ensure!(cursors.len() > 10, "only {} depths: the list ended early", cursors.len());
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); cursors.len()];
    for _ in 0..40 {
        for (cursor, times) in cursors.iter().zip(&mut times) {
            let began = Instant::now();
            let answer = connection.get(&list(50, cursor)).await?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
            ensure!(answer.status.is_success(), "{}", answer.text());
        }
    }
    let first = Sample::new(times.first().cloned().context("no page")?);
    let last = Sample::new(times.last().cloned().context("no page")?);
    let all = Sample::new(times.concat());
    report.set("history.page.p99", all.p99().context("no page")?, &all)?;
    let depth = last.median().context("no page")? / first.median().context("no page")?;
    report.set("history.page.deepest", depth, &last)
}

/// Everything as CSV, in turns with the database's own copy.
async fn export(daemon: &Daemon, admin: &Client, report: &mut Report) -> Result<()> {
    let (mut copies, mut exports) = (Vec::new(), Vec::new());
    let before = usage(daemon.pid()?)?.resident_kib;
    let mut most = before;
    for _ in 0..3 {
        let began = Instant::now();
        let rows = admin.copy_out(COPY).await?;
        let mut rows = Box::pin(rows);
        let mut bytes = 0;
        while let Some(row) = rows.next().await {
            bytes += row?.len();
        }
        ensure!(bytes > 0, "the copy is empty");
        copies.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let connection = Connection::open(&daemon.socket()).await?;
        let (_connection, status, mut body) = connection.stream("/v1/trades/export?mode=SIM", &[]).await?;
        if !status.is_success() {
            let why = body.collect().await?.to_bytes();
            bail!("the export was answered by {status}: {}", String::from_utf8_lossy(&why));
        }
        let mut lines = 0_u64;
        while let Some(frame) = body.frame().await {
            let frame = frame?;
            let bytes = frame.data_ref().map_or(&[][..], |bytes| bytes.as_ref());
            lines += u64::try_from(bytes.iter().filter(|byte| **byte == b'\n').count())?;
        }
        let resident = usage(daemon.pid()?)?.resident_kib;
        exports.push(began.elapsed().as_secs_f64());
        ensure!(lines == u64::try_from(MANY)? + 1, "the export has {lines} lines");
        most = most.max(resident);
    }
    let (copies, exports) = (Sample::new(copies), Sample::new(exports));
    let (copy_s, export_s) = (copies.median().context("no run")?, exports.median().context("no run")?);
    report.set("history.export.copy", copy_s, &copies)?;
    report.set("history.export", export_s / copy_s, &exports)?;
    #[expect(clippy::cast_precision_loss, reason = "kilobytes of one process")]
    let growth = most.saturating_sub(before) as f64 / 1024.0;
    report.set("history.export.growth", growth, &exports)
}
