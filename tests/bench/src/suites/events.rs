//! How soon the last of many clients hears of something, beside the least that this can cost; and
//! that a client which never reads takes nothing from the others.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use bytes::Bytes;

use crate::bare::Bare;
use crate::ours::Ours;
use crate::readers::{Readers, stalled};
use crate::report::Report;
use crate::stats::Sample;

const HELLO: &[u8] = b"GET /v1/events HTTP/1.1\r\nhost: blotter\r\n\r\n";

pub(crate) async fn run(report: &mut Report) -> Result<()> {
    raise_file_limit()?;
    let folder = tempfile::Builder::new().prefix("bl").tempdir_in("/tmp")?;
    for (clients, events, floor, ratio) in [
        (1, 400, "events.bare.last_of_1.p99", "events.last_of_1.p99"),
        (100, 400, "events.bare.last_of_100.p99", "events.last_of_100.p99"),
        (1000, 150, "events.bare.last_of_1000.p99", "events.last_of_1000.p99"),
    ] {
        let (bare, ours) = side_by_side(folder.path(), clients, events).await?;
        let (floor_p99, ours_p99) = (p99(&bare)?, p99(&ours)?);
        report.set(floor, floor_p99, &bare)?;
        report.set(ratio, ours_p99 / floor_p99, &ours)?;
    }
    beside_a_stalled_client(folder.path(), report).await
}

/// The same number of clients on both servers, events in turn. Milliseconds to the last client.
async fn side_by_side(folder: &Path, clients: usize, events: usize) -> Result<(Sample, Sample)> {
    let (bare_socket, our_socket) = (folder.join(format!("bare{clients}")), folder.join(format!("ours{clients}")));
    let bare = Bare::start(&bare_socket)?;
    let mut bare_readers = Readers::attach(&bare_socket, b"", clients).await?;
    let ours = Ours::start(&our_socket).await?;
    let mut our_readers = Readers::attach(&our_socket, HELLO, clients).await?;
    let (mut bare_ms, mut our_ms) = (Vec::new(), Vec::new());
    // Each server greets a new client with one event.
    bare_readers.last_arrival().await?;
    our_readers.last_arrival().await?;
    let frame = Bytes::from(format!("event: health\ndata: {}\n\n", "x".repeat(1000)));
    for number in 0..events {
        let began = Instant::now();
        bare.publish(&frame);
        bare_ms.push(milliseconds(began, bare_readers.last_arrival().await?));
        let began = Instant::now();
        ours.publish(number);
        our_ms.push(milliseconds(began, our_readers.last_arrival().await?));
    }
    Ok((Sample::new(bare_ms), Sample::new(our_ms)))
}

/// Two servers with 100 clients each, one of them with a client more that never reads. Enough is
/// sent that it is given up on in between.
async fn beside_a_stalled_client(folder: &Path, report: &mut Report) -> Result<()> {
    const CLIENTS: usize = 100;
    const BLOCKS: usize = 7;
    const EVENTS_A_BLOCK: usize = 250;
    let (calm_socket, stalled_socket) = (folder.join("calm"), folder.join("stalled"));
    let (calm, beside) = (Ours::start(&calm_socket).await?, Ours::start(&stalled_socket).await?);
    let _silent = stalled(&stalled_socket, HELLO).await?;
    let mut calm_readers = Readers::attach(&calm_socket, HELLO, CLIENTS).await?;
    let mut beside_readers = Readers::attach(&stalled_socket, HELLO, CLIENTS).await?;
    calm_readers.last_arrival().await?;
    beside_readers.last_arrival().await?;
    let mut ratios = Vec::new();
    for block in 0..BLOCKS {
        let (mut calm_ms, mut beside_ms) = (Vec::new(), Vec::new());
        for event in 0..EVENTS_A_BLOCK {
            let number = block * EVENTS_A_BLOCK + event;
            let began = Instant::now();
            calm.publish(number);
            calm_ms.push(milliseconds(began, calm_readers.last_arrival().await?));
            let began = Instant::now();
            beside.publish(number);
            beside_ms.push(milliseconds(began, beside_readers.last_arrival().await?));
        }
        ratios.push(p99(&Sample::new(beside_ms))? / p99(&Sample::new(calm_ms))?);
    }
    let ratios = Sample::new(ratios);
    report.set("events.beside_a_stalled_client.p99", ratios.median().context("no blocks")?, &ratios)
}

fn p99(sample: &Sample) -> Result<f64> {
    sample.p99().context("nothing was measured")
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1e3
}

/// A thousand clients and their server's ends are in this process.
fn raise_file_limit() -> Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}
