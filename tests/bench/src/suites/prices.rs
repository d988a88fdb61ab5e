//! What recorded prices cost: to take in, to keep, to draw, to learn from.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use blotter_daemon::auth::Username;
use blotter_daemon::calendar::Calendar;
use blotter_daemon::clock::Clock;
use blotter_daemon::db::forensics::ClosedScope;
use blotter_daemon::db::prices::{DayRow, PriceRow, day_put, prices_put, trades_value};
use blotter_daemon::db::{DatabaseConfig, Db, DbState};
use blotter_daemon::forensics::Forensics;
use blotter_daemon::prices::chart::chart;
use blotter_daemon::prices::outline::Outline;
use blotter_daemon::prices::pack::{middle, pack, unpack_marks};
use blotter_daemon::prices::retention::thin;
use blotter_shared::domain::TradeId;
use blotter_shared::protocol::prices::{MarkKind, QuoteQuality, QuoteSource};
use blotter_testkit::Cluster;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use rust_decimal::Decimal;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::report::Report;
use crate::stats::Sample;

const USER: &str = "bench";
/// Positions of a large book.
const POSITIONS: u32 = 10_000;

struct Stage {
    cluster: Cluster,
    db: Db,
    admin: Client,
    user: Username,
}

pub(crate) async fn run(report: &mut Report) -> Result<()> {
    calendar(report)?;
    let stage = Stage::start().await?;
    ingest(&stage, report).await?;
    one_year(&stage, report).await?;
    forensics(&stage, report).await
}

/// Nanoseconds to find the phase of an instant.
fn calendar(report: &mut Report) -> Result<()> {
    const LOOKUPS: u32 = 200_000;
    let calendar = Calendar::new();
    let begin: DateTime<Utc> = "2026-01-01T00:00:00Z".parse()?;
    let mut rounds = Vec::new();
    for _ in 0..9 {
        let began = Instant::now();
        for turn in 0..LOOKUPS {
            std::hint::black_box(calendar.phase_at(begin + TimeDelta::seconds(i64::from(turn) * 151))?);
        }
        rounds.push(began.elapsed().as_secs_f64() * 1e9 / f64::from(LOOKUPS));
    }
    let rounds = Sample::new(rounds);
    report.set("calendar.lookup", rounds.median().context("no lookups")?, &rounds)
}

impl Stage {
    async fn start() -> Result<Self> {
        let cluster = Cluster::start()?;
        let db = Db::connect(DatabaseConfig::external(&cluster.url())?, &Clock::system());
        db.status().wait_for(|status| status.state == DbState::Ready).await.context("the database never came up")?;
        let (admin, connection) = tokio_postgres::connect(&cluster.url(), NoTls).await?;
        #[expect(clippy::disallowed_methods, reason = "ends with the client")]
        tokio::spawn(connection);
        admin.batch_execute("SET search_path = blotter; SELECT snapshot_partitions_ensure('2025-11-01', 18)").await?;
        admin.execute(TRADES, &[&USER, &i32::try_from(POSITIONS)?]).await?;
        admin.execute(FILLED, &[&USER]).await?;
        admin
            .batch_execute(
                "INSERT INTO user_settings (username, created_date, updated_date) VALUES ('bench', now(), now())",
            )
            .await?;
        Ok(Self { cluster, db, admin, user: USER.parse()? })
    }

    async fn put(&self, rows: &[PriceRow]) -> Result<f64> {
        let began = Instant::now();
        let tx = self.db.user_tx(&self.user).await?;
        prices_put(&tx, rows).await?;
        tx.commit().await?;
        Ok(began.elapsed().as_secs_f64())
    }
}

const TRADES: &str = "
    INSERT INTO paper_trades (username, id, number, broker_mode, account_id, ticker, option_symbol, option_type, strike, expiry, qty,
                              entry_date, desired_qty, created_at, updated_at)
    SELECT $1, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, n + 1, 'SIM', 'VA00000001', 'SYM' || n % 1000,
           'SYM' || n % 1000 || '270115C' || lpad((100 + n / 1000)::text, 5, '0') || '000', 'CALL', 100 + n / 1000, '2027-01-15', 2,
           '2026-11-20 14:40+00', 2, now(), now()
      FROM generate_series(0, $2::int - 1) AS n";
const FILLED: &str = "
    UPDATE paper_trades SET status = 'FILLED', held_qty = qty, protection = 'CONFIRMED', good_version = version, entry_price = 5,
                            broker_fill_time = entry_date
     WHERE username = $1";

fn trade(number: u32) -> TradeId {
    TradeId(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000 + u128::from(number)))
}

/// A plausible price of a trade at a turn.
fn row(number: u32, ts: DateTime<Utc>, turn: u32) -> PriceRow {
    let wave = i64::from((turn.wrapping_mul(7919) + number * 31) % 23) - 11;
    let bid = Decimal::new(50_000 + wave * 100, 4);
    let ask = bid + Decimal::new(1000, 4);
    PriceRow {
        trade: trade(number),
        ts,
        quoted_at: Some(ts - TimeDelta::milliseconds(i64::from(turn * 577 % 3000))),
        session_date: ts.date_naive(),
        mark: Some(middle(bid, ask)),
        kind: MarkKind::Mid,
        bid: Some(bid),
        ask: Some(ask),
        delta: Some(Decimal::new(530_000 + wave * 100, 6)),
        gamma: Some(Decimal::new(10_000, 6)),
        theta: Some(Decimal::new(-41_000, 6)),
        vega: Some(Decimal::new(120_000, 6)),
        iv: Some(Decimal::new(213_400 + wave * 10, 6)),
        underlying: Some(Decimal::new(6_502_100 + wave * 300, 4)),
        source: QuoteSource::Tradier,
        quality: QuoteQuality::Good,
        bookend: None,
    }
}

/// The same rows in the same batches: through psql's \copy, one by one, and our way; then with valuing.
async fn ingest(stage: &Stage, report: &mut Report) -> Result<()> {
    const BATCHES: u32 = 5;
    let begin: DateTime<Utc> = "2026-11-20T15:00:00Z".parse()?;
    let batch = |turn: u32| -> Vec<PriceRow> {
        let ts = begin + TimeDelta::seconds(40 * i64::from(turn));
        (0..POSITIONS).map(|number| row(number, ts, turn)).collect()
    };
    let (mut ours, mut copied, mut cycles) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..BATCHES {
        copied.push(copy(stage, &batch(turn * 3))?);
        ours.push(stage.put(&batch(turn * 3 + 1)).await?);
        let rows = batch(turn * 3 + 2);
        let began = Instant::now();
        let tx = stage.db.user_tx(&stage.user).await?;
        prices_put(&tx, &rows).await?;
        trades_value(&tx, &rows).await?;
        tx.commit().await?;
        cycles.push(began.elapsed().as_secs_f64() / 40.0 * 100.0);
    }
    let singles: Vec<PriceRow> = batch(99).into_iter().take(300).collect();
    let began = Instant::now();
    for row in &singles {
        stage.put(std::slice::from_ref(row)).await?;
    }
    let single = began.elapsed().as_secs_f64() / 300.0 * f64::from(POSITIONS);
    let (ours, copied, cycles) = (Sample::new(ours), Sample::new(copied), Sample::new(cycles));
    let (our_s, copy_s) = (ours.median().context("no rows")?, copied.median().context("no rows")?);
    report.set("prices.copy", f64::from(POSITIONS) / copy_s, &copied)?;
    report.set("prices.ingest", our_s / copy_s, &ours)?;
    report.set("prices.ingest_by_one", our_s / single, &ours)?;
    report.set("prices.cycle_of_10000", cycles.median().context("no cycle")?, &cycles)
}

/// Seconds that psql takes for these rows.
fn copy(stage: &Stage, rows: &[PriceRow]) -> Result<f64> {
    let mut text = String::new();
    for row in rows {
        let (mark, bid, ask) = (row.mark.context("a mark")?, row.bid.context("a bid")?, row.ask.context("an ask")?);
        writeln!(
            text,
            "{USER},{},{},{},{},{mark},MID,{bid},{ask},0.53,0.01,-0.041,0.12,0.2134,650.21,TRADIER,GOOD,",
            row.trade,
            row.ts.to_rfc3339(),
            row.ts.to_rfc3339(),
            row.session_date
        )?;
    }
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(text.as_bytes())?;
    let command = format!(
        "\\copy blotter.price_snapshots (username, trade_id, ts, quoted_at, session_date, mark_price, mark_kind, bid, ask, delta, \
         gamma, theta, vega, iv, underlying, source, quality, bookend) FROM '{}' CSV",
        file.path().display()
    );
    let began = Instant::now();
    let done =
        Command::new("psql").args(["-qX", "-v", "ON_ERROR_STOP=1", "-c", &command]).arg(stage.cluster.url()).output();
    let done = done.context("psql is needed for the floor")?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(began.elapsed().as_secs_f64())
}

/// A year of one position: a week whole, a quarter packed, the rest thinned. Its chart, and fifty of it.
async fn one_year(stage: &Stage, report: &mut Report) -> Result<()> {
    const NUMBER: u32 = 7;
    let before = size(stage).await?;
    let today = NaiveDate::from_ymd_opt(2026, 11, 19).context("a date")?;
    let calendar = Calendar::new();
    let first = today.checked_sub_days(Days::new(364)).context("a date")?;
    let sessions: Vec<_> = calendar.sessions(first, today)?.collect();
    let (mut rows_whole, mut packed_rows) = (0_usize, 0_usize);
    for (age, session) in sessions.iter().rev().enumerate() {
        let turns = u32::try_from((session.close - session.open).num_seconds() / 40)? + 23;
        let rows: Vec<PriceRow> =
            (0..turns).map(|turn| row(NUMBER, session.open + TimeDelta::seconds(40 * i64::from(turn)), turn)).collect();
        match age {
            0..5 => {
                rows_whole += rows.len();
                stage.put(&rows).await?;
            }
            5..67 => {
                packed_rows += rows.len();
                put_day(stage, &rows, false).await?;
            }
            _ => put_day(stage, &thin(&rows), true).await?,
        }
    }
    let bytes = size(stage).await? - before;
    let span = (
        first.and_hms_opt(0, 0, 0).context("midnight")?.and_utc(),
        today.and_hms_opt(23, 0, 0).context("evening")?.and_utc(),
    );
    let mut charts = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        let tx = stage.db.user_tx(&stage.user).await?;
        let drawn = chart(&tx, trade(NUMBER), span, 120).await?.points.len();
        ensure!(drawn == 120, "a chart of {drawn} points");
        tx.commit().await?;
        charts.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let charts = Sample::new(charts);
    report.set("prices.chart_of_a_year", charts.median().context("no charts")?, &charts)?;
    let whole: i64 = scalar(stage, "SELECT pg_total_relation_size('price_snapshots_2026_11') / greatest(1, (SELECT count(*) FROM price_snapshots))").await?;
    let packed: i64 =
        scalar(stage, "SELECT sum(octet_length(packed))::bigint FROM price_days WHERE NOT thinned").await?;
    let once = Sample::new(vec![0.0]);
    #[expect(clippy::cast_precision_loss, reason = "bytes of a test database")]
    {
        report.set("prices.bytes_of_a_row", whole as f64, &once)?;
        report.set("prices.bytes_of_a_packed_row", packed as f64 / packed_rows as f64, &once)?;
        // A month outlives its last day by a week: at worst 28 sessions lie there whole.
        let standing = whole as f64 * rows_whole as f64 * (28.0 / 5.0 - 1.0);
        report.set("prices.year_of_50", 50.0 * (bytes as f64 + standing) / 1e6, &once)
    }
}

async fn put_day(stage: &Stage, rows: &[PriceRow], thinned: bool) -> Result<()> {
    let (first, last) = (rows.first().context("rows")?, rows.last().context("rows")?);
    let packed = pack(rows);
    let day = DayRow {
        trade: first.trade,
        session_date: first.session_date,
        first: first.ts,
        last: last.ts,
        points: i32::try_from(rows.len())?,
        thinned,
        outline: Some(Outline::of(&unpack_marks(&packed)?).pack()),
        packed,
    };
    let tx = stage.db.user_tx(&stage.user).await?;
    day_put(&tx, &day).await?;
    Ok(tx.commit().await?)
}

async fn size(stage: &Stage) -> Result<i64> {
    scalar(
        stage,
        "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
          WHERE relnamespace = 'blotter'::regnamespace AND relkind = 'r' AND relname LIKE 'price%'",
    )
    .await
}

async fn scalar(stage: &Stage, sql: &str) -> Result<i64> {
    Ok(stage.admin.query_one(sql, &[]).await?.get(0))
}

/// Every position is closed and examined.
async fn forensics(stage: &Stage, report: &mut Report) -> Result<()> {
    stage
        .admin
        .batch_execute(
            "UPDATE paper_trades SET status = 'CLOSED', held_qty = 0, protection = 'N/A', close_date = '2026-11-20 15:10+00',
                    close_reason = 'MANUAL_CLOSE', close_price = 5.2, realized_pnl = 40",
        )
        .await?;
    // As the database does by itself within a minute.
    stage.admin.batch_execute("ANALYZE paper_trades; ANALYZE price_snapshots").await?;
    let job = Forensics {
        db: stage.db.clone(),
        accounts: None,
        clock: Clock::system(),
        calendar: Arc::new(Calendar::new()),
        interval: TimeDelta::seconds(40),
    };
    let scope = ClosedScope {
        from: "2026-11-01T00:00:00Z".parse()?,
        to: "2026-12-01T00:00:00Z".parse()?,
        settled_before: None,
    };
    let began = Instant::now();
    let done = job.run(&scope, |_| ()).await?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(done.written == u64::from(POSITIONS), "{done}");
    report.set("forensics.10000_trades", seconds, &Sample::new(vec![seconds]))
}
