//! The daemon as a process: how soon it is well, what it weighs, how fast it answers.

use std::time::Instant;

use anyhow::{Context, Result};
use blotter_testkit::book;
use blotter_testkit::daemon::{Daemon, Options};
use blotter_testkit::process::usage;
use blotter_testkit::socket::Connection;

use crate::report::Report;
use crate::stats::Sample;

/// Positions on the screen that the next suite looks at.
const POSITIONS: i32 = 35;

/// Leaves a daemon with a small book behind, for the suites that need one.
pub(crate) async fn run(report: &mut Report) -> Result<Daemon> {
    let began = Instant::now();
    let mut daemon = Daemon::start(Options::default()).await?;
    set_one(report, "daemon.cold_start_to_healthy", began.elapsed().as_secs_f64())?;
    daemon.stop()?;
    let began = Instant::now();
    daemon.spawn()?;
    daemon.wait_healthy().await?;
    set_one(report, "daemon.warm_start_to_healthy", began.elapsed().as_secs_f64())?;
    let mut client = book::connect(&daemon.postgres_socket_dir()).await?;
    book::write_open_trades(&mut client, &daemon.username().await?, POSITIONS).await?;
    drop(client);
    requests(&daemon, report).await?;
    #[expect(clippy::cast_precision_loss, reason = "kilobytes of one process")]
    let mebibytes = usage(daemon.pid()?)?.resident_kib as f64 / 1024.0;
    set_one(report, "daemon.resident", mebibytes)?;
    Ok(daemon)
}

/// `GET /v1/trades` on one connection, with the version route as the floor: the same road without
/// the database.
async fn requests(daemon: &Daemon, report: &mut Report) -> Result<()> {
    const REQUESTS: usize = 10_000;
    let mut connection = Connection::open(&daemon.socket()).await?;
    let (mut floor, mut trades) = (Vec::new(), Vec::new());
    for _ in 0..REQUESTS {
        floor.push(round_trip(&mut connection, "/v1/version").await?);
        trades.push(round_trip(&mut connection, "/v1/trades").await?);
    }
    let (floor, trades) = (Sample::new(floor), Sample::new(trades));
    report.set("socket.trades.floor.p50", floor.median().context("no requests")?, &floor)?;
    report.set("socket.trades.p50", trades.median().context("no requests")?, &trades)?;
    report.set("socket.trades.p99", trades.p99().context("no requests")?, &trades)
}

async fn round_trip(connection: &mut Connection, path: &str) -> Result<f64> {
    let began = Instant::now();
    let answer = connection.get(path).await?;
    anyhow::ensure!(answer.status.is_success(), "GET {path} answered {}: {}", answer.status, answer.text());
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

fn set_one(report: &mut Report, name: &'static str, value: f64) -> Result<()> {
    report.set(name, value, &Sample::new(vec![value]))
}
