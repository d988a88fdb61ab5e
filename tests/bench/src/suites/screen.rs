//! What a person at the terminal feels: start, keys, idling. Program and floor take turns, so that
//! a busy moment of the machine meets both.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use blotter_testkit::process::usage;
use blotter_testkit::programs;
use blotter_testkit::terminal::{Answers, Setup, Size, Terminal};

use crate::report::Report;
use crate::stats::Sample;

/// What the suite runs.
struct Programs {
    floor: PathBuf,
    client: PathBuf,
    socket: PathBuf,
}

const SIZE: Size = Size { columns: 120, rows: 40 };
/// A row that shows only when the whole book is on the screen.
const LAST_ROW: &str = "SYM20";
/// What the daemon says of a book without an account.
const ALARM: &str = "no daemon watches";

impl Programs {
    fn floor(&self) -> Setup {
        Setup::new(self.floor.to_string_lossy()).size(SIZE)
    }

    fn client(&self) -> Setup {
        Setup::new(self.client.to_string_lossy()).size(SIZE).env("BLOTTER_SOCKET", self.socket.to_string_lossy())
    }
}

/// Needs a daemon with at least `LAST_ROW` positions behind `socket`.
pub(crate) fn run(socket: &Path, report: &mut Report) -> Result<()> {
    let programs = Programs {
        floor: programs::path("floor-screen")?,
        client: programs::path("blotter")?,
        socket: socket.to_owned(),
    };
    starts(&programs, report)?;
    keys(&programs, report)?;
    idle(&programs, report)
}

fn starts(programs: &Programs, report: &mut Report) -> Result<()> {
    const RUNS: usize = 25;
    let setups = [
        programs.floor(),
        programs.client(),
        programs.client().answers(Answers::Mute),
        programs.client().env("BLOTTER_SOCKET", "/nonexistent/blotterd.sock"),
    ];
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..RUNS {
        for (setup, times) in setups.iter().zip(&mut times) {
            times.push(first_paint(setup)?);
        }
    }
    let [floor, client, mute, alone] = times.map(Sample::new);
    let floor_ms = floor.median().context("no floor")?;
    let median = |sample: &Sample| sample.median().context("no start was measured");
    report.set("screen.floor.first_paint.p50", floor_ms, &floor)?;
    report.set("screen.first_paint.p50", median(&client)?, &client)?;
    report.set("screen.first_paint", median(&client)? / floor_ms, &client)?;
    report.set("screen.first_paint.mute_terminal", median(&mute)? / floor_ms, &mute)?;
    report.set("screen.first_paint.no_daemon", median(&alone)? / floor_ms, &alone)
}

fn first_paint(setup: &Setup) -> Result<f64> {
    let mut terminal = Terminal::start(setup)?;
    terminal.wait_until("a first paint", |screen| !screen.contents().trim().is_empty())?;
    let time = terminal.first_paint_after().context("a painted screen has a time")?;
    terminal.type_keys("q")?;
    terminal.wait_exit()?;
    Ok(milliseconds(time))
}

fn keys(programs: &Programs, report: &mut Report) -> Result<()> {
    const ROUNDS: usize = 15;
    const KEYS_A_ROUND: usize = 20;
    let mut floor = Terminal::start(&programs.floor())?;
    let mut client = Terminal::start(&programs.client())?;
    floor.wait_for(LAST_ROW)?;
    client.wait_for(LAST_ROW)?;
    let (mut floor_ms, mut client_ms) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let key = if round % 2 == 0 { "j" } else { "k" };
        for _ in 0..KEYS_A_ROUND {
            floor_ms.push(milliseconds(floor.time_to_paint(key)?));
            client_ms.push(milliseconds(client.time_to_paint(key)?));
        }
    }
    let (floor, client) = (Sample::new(floor_ms), Sample::new(client_ms));
    let (floor_p99, client_p99) = (floor.p99().context("no keys")?, client.p99().context("no keys")?);
    report.set("screen.floor.key_to_paint.p99", floor_p99, &floor)?;
    report.set("screen.key_to_paint.p99", client_p99, &client)?;
    report.set("screen.key_to_paint.p99.ratio", client_p99 / floor_p99, &client)
}

/// With nothing changing: between two ticks of the clock on the screen, which counts minutes.
fn idle(programs: &Programs, report: &mut Report) -> Result<()> {
    const WINDOW: Duration = Duration::from_secs(40);
    let mut client = Terminal::start(&programs.client())?;
    client.wait_for(LAST_ROW)?;
    // Nobody watches the account of this book: a bell would ring until that was seen.
    client.wait_for(ALARM)?;
    client.type_keys("A")?;
    client.wait_until("no alarm", |screen| !screen.contents().contains(ALARM))?;
    wait_for_the_minute();
    settle(&mut client);
    let before = usage(client.pid())?;
    let bytes = client.bytes();
    let began = Instant::now();
    pause(WINDOW);
    let seconds = began.elapsed().as_secs_f64();
    let after = usage(client.pid())?;
    let written = client.bytes() - bytes;
    let one = Sample::new(vec![seconds]);
    let cpu = (after.cpu - before.cpu).as_secs_f64() / seconds * 100.0;
    report.set("screen.idle.cpu", cpu, &one)?;
    report.set("screen.idle.bytes", to_f64(written) / seconds, &one)?;
    report.set("screen.idle.wakeups", to_f64(after.wakeups - before.wakeups) / seconds, &one)?;
    report.set("screen.resident", to_f64(after.resident_kib) * 1024.0 / 1e6, &one)?;
    client.type_keys("q")?;
    client.wait_exit()?;
    Ok(())
}

/// Sleeps until a few seconds past the next full minute.
fn wait_for_the_minute() {
    #[expect(clippy::disallowed_methods, reason = "the clock on the screen is the machine's")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    pause(Duration::from_secs(60 - now % 60 + 3));
}

/// Waits until the program has been silent for a second.
pub(super) fn settle(terminal: &mut Terminal) {
    let mut bytes = terminal.bytes();
    loop {
        pause(Duration::from_secs(1));
        let now = terminal.bytes();
        if now == bytes {
            return;
        }
        bytes = now;
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark of idling has to let time pass")]
pub(super) fn pause(time: Duration) {
    std::thread::sleep(time);
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "counts of a short run")]
pub(super) fn to_f64(count: u64) -> f64 {
    count as f64
}
