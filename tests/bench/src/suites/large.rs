//! A daemon with ten thousand open positions: how soon it serves the first client, what the whole list costs, and what
//! it weighs with ten clients at their screens.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use blotter_testkit::daemon::{Daemon, Options};
use blotter_testkit::process::usage;
use blotter_testkit::socket::{Connection, wait_until};
use blotter_testkit::{Cluster, book};

use crate::report::Report;
use crate::stats::Sample;

const POSITIONS: usize = 10_000;
const CLIENTS: usize = 10;
const LIST: &str = "/v1/trades";

pub(crate) async fn run(report: &mut Report) -> Result<()> {
    // A server that is there already, so that a start is the daemon's own.
    let cluster = Cluster::start()?;
    let environment = vec![("DATABASE_URL".to_owned(), cluster.url())];
    let mut daemon = Daemon::start(Options { environment, ..Options::default() }).await?;
    let mut database = book::connect(cluster.socket_dir()).await?;
    book::write_open_trades(&mut database, &daemon.username().await?, i32::try_from(POSITIONS)?).await?;
    database.batch_execute("ANALYZE paper_trades").await?;
    starts(&mut daemon, report).await?;
    list(&daemon, report).await?;
    weight(&daemon, report).await
}

/// From the start of the process until a client has the whole list.
async fn starts(daemon: &mut Daemon, report: &mut Report) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..7 {
        daemon.stop()?;
        let began = Instant::now();
        daemon.spawn()?;
        wait_until(&daemon.socket(), LIST, "the list of a daemon that has just started", |answer| {
            answer.status.is_success()
        })
        .await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let times = Sample::new(times);
    report.set("large.start", times.median().context("no starts")?, &times)
}

async fn list(daemon: &Daemon, report: &mut Report) -> Result<()> {
    let mut connection = Connection::open(&daemon.socket()).await?;
    let mut times = Vec::new();
    for _ in 0..40 {
        let began = Instant::now();
        let answer = connection.get(LIST).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        let list = answer.json()?;
        let count = list.get("items").and_then(|items| items.as_array()).map_or(0, Vec::len);
        ensure!(count == POSITIONS, "{count} positions");
    }
    let times = Sample::new(times);
    report.set("large.open_list", times.median().context("no lists")?, &times)
}

/// Each client hears of events and prices and has asked for the list.
async fn weight(daemon: &Daemon, report: &mut Report) -> Result<()> {
    let mut streams = Vec::new();
    for _ in 0..CLIENTS {
        for path in ["/v1/events", "/v1/quotes/stream"] {
            let (connection, status, body) = Connection::open(&daemon.socket()).await?.stream(path, &[]).await?;
            ensure!(status.is_success(), "{path}: {status}");
            streams.push((connection, body));
        }
        Connection::open(&daemon.socket()).await?.get(LIST).await?;
    }
    #[expect(clippy::cast_precision_loss, reason = "kilobytes of one process")]
    let mebibytes = usage(daemon.pid()?)?.resident_kib as f64 / 1024.0;
    report.set("large.resident", mebibytes, &Sample::new(vec![mebibytes]))
}
