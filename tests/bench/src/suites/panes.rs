//! Each pane drawn anew at three sizes, ten thousand positions, and a third of the rows that change each
//! second; each beside the floor or the small book in the same run.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use blotter_testkit::daemon::{Daemon, Options};
use blotter_testkit::process::usage;
use blotter_testkit::terminal::{Link, Setup, Size, Terminal};
use blotter_testkit::{book, programs};
use tokio::runtime::Runtime;

use super::history::added_up;
use super::screen::{milliseconds, pause, settle, to_f64};
use crate::report::Report;
use crate::stats::Sample;

const MANY: i32 = 10_000;
const CLOSED: i32 = 10_000;
const WIDE: Size = Size { columns: 120, rows: 40 };

/// `small` has 35 positions.
pub(crate) fn run(runtime: &Runtime, small: &Daemon, report: &mut Report) -> Result<()> {
    runtime.block_on(async {
        let admin = book::connect_admin(&small.postgres_socket_dir()).await?;
        book::write_closed_trades(&admin, &small.username().await?, "SANDBOX", (100, CLOSED)).await?;
        added_up(small, "SANDBOX").await
    })?;
    redraws(small, report)?;
    slow_link(small, report)?;
    ticking(runtime, small, report)?;
    let large = runtime.block_on(async {
        let daemon = Daemon::start(Options::default()).await?;
        let mut client = book::connect(&daemon.postgres_socket_dir()).await?;
        book::write_open_trades(&mut client, &daemon.username().await?, MANY).await?;
        anyhow::Ok(daemon)
    })?;
    many(small, &large, report)
}

fn client(daemon: &Daemon, size: Size) -> Result<Terminal> {
    client_over(Link::Fast, daemon, size)
}

fn client_over(link: Link, daemon: &Daemon, size: Size) -> Result<Terminal> {
    let program = programs::path("blotter")?;
    let socket = daemon.socket();
    let setup = Setup::new(program.to_string_lossy()).size(size).env("BLOTTER_SOCKET", socket.to_string_lossy());
    let mut terminal = Terminal::start(&setup.link(link))?;
    terminal.wait_until("a loaded book", |screen| {
        let text = screen.contents();
        text.contains("SYM") && (text.contains("synced") || text.contains("now"))
    })?;
    Ok(terminal)
}

fn floor(size: Size, argument: Option<&str>) -> Result<Terminal> {
    let setup = Setup::new(programs::path("floor-screen")?.to_string_lossy()).size(size);
    let setup = argument.map_or(setup.clone(), |argument| setup.arg(argument));
    let mut terminal = Terminal::start(&setup)?;
    terminal.wait_for("SYM0")?;
    Ok(terminal)
}

/// From one pane to the next: every line below the header is another one.
fn redraws(daemon: &Daemon, report: &mut Report) -> Result<()> {
    const ROUNDS: usize = 40;
    let sizes = [(118, 30), (80, 24), (44, 30)].map(|(columns, rows)| Size { columns, rows });
    let floors = ["screen.floor.redraw.118x30", "screen.floor.redraw.80x24", "screen.floor.redraw.44x30"];
    let names = [
        ["screen.redraw.open.118x30", "screen.redraw.history.118x30", "screen.redraw.performance.118x30"],
        ["screen.redraw.open.80x24", "screen.redraw.history.80x24", "screen.redraw.performance.80x24"],
        ["screen.redraw.open.44x30", "screen.redraw.history.44x30", "screen.redraw.performance.44x30"],
    ];
    for ((size, floor_name), names) in sizes.into_iter().zip(floors).zip(names) {
        let (mut bare, mut client) = (floor(size, None)?, client(daemon, size)?);
        for (key, sign) in [("2", "[All]"), ("3", "Net P&L"), ("1", "SYM")] {
            client.type_keys(key)?;
            client.wait_for(sign)?;
        }
        settle(&mut client);
        let mut panes = [const { Vec::new() }; 3];
        let mut floor_ms = Vec::new();
        for _ in 0..ROUNDS {
            // History, Performance, and back to Open, which the names begin with.
            for (key, pane) in [("2", 1), ("3", 2), ("1", 0)] {
                floor_ms.push(milliseconds(bare.time_to_paint("f")?));
                let took = milliseconds(client.time_to_paint(key)?);
                panes.get_mut(pane).context("three panes")?.push(took);
            }
        }
        let floor_sample = Sample::new(floor_ms);
        let floor_p50 = floor_sample.median().context("no redraws")?;
        report.set(floor_name, floor_p50, &floor_sample)?;
        for (name, times) in names.into_iter().zip(panes) {
            let sample = Sample::new(times);
            report.set(name, sample.median().context("no redraws")? / floor_p50, &sample)?;
        }
    }
    Ok(())
}

/// Over a link of 8 KB/s somebody leafs through the panes ten times as fast as they can be sent. When the last
/// key is pressed one frame may be on its way and one queued: what comes after it are two frames at most.
fn slow_link(daemon: &Daemon, report: &mut Report) -> Result<()> {
    const ROUNDS: usize = 5;
    const KEYS: usize = 80;
    let mut client = client_over(Link::Slow { bytes_per_s: 8192 }, daemon, WIDE)?;
    settle(&mut client);
    let mut frame = 0;
    for key in ["2", "1", "3", "2", "3", "1"] {
        frame = frame.max(bytes_after(&mut client, key)?);
    }
    let (mut behind, mut seconds) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for index in 0..KEYS {
            client.type_keys(if index % 2 == 0 { "2" } else { "3" })?;
            pause(Duration::from_millis(25));
        }
        let began = Instant::now();
        behind.push(to_f64(bytes_after(&mut client, "1")?) / to_f64(frame));
        let last = client.last_bytes_at().context("nothing was drawn")?;
        seconds.push(last.saturating_duration_since(began).as_secs_f64());
    }
    let (behind, seconds) = (Sample::new(behind), Sample::new(seconds));
    report.set("screen.slow_link.frame", to_f64(frame), &Sample::new(vec![to_f64(frame)]))?;
    report.set("screen.slow_link.behind", behind.percentile(100.0).context("no rounds")?, &behind)?;
    report.set("screen.slow_link.last_key", seconds.percentile(100.0).context("no rounds")?, &seconds)
}

/// Bytes that come from a key until the screen stands still.
fn bytes_after(client: &mut Terminal, key: &str) -> Result<u64> {
    let before = client.bytes();
    client.type_keys(key)?;
    settle(client);
    Ok(client.bytes() - before)
}

/// A third of 35 rows changes each second.
fn ticking(runtime: &Runtime, daemon: &Daemon, report: &mut Report) -> Result<()> {
    const SECONDS: u32 = 20;
    let (mut bare, mut screen) = (floor(WIDE, Some("tick"))?, client(daemon, WIDE)?);
    settle(&mut screen);
    let username = runtime.block_on(daemon.username())?;
    let database = runtime.block_on(book::connect(&daemon.postgres_socket_dir()))?;
    let before = [(usage(bare.pid())?, bare.bytes()), (usage(screen.pid())?, screen.bytes())];
    let began = Instant::now();
    for tick in 1..=SECONDS {
        runtime.block_on(database.batch_execute(&changed(&username, tick)))?;
        pause((began + Duration::from_secs(1) * tick).saturating_duration_since(Instant::now()));
    }
    let seconds = began.elapsed().as_secs_f64();
    let after = [(usage(bare.pid())?, bare.bytes()), (usage(screen.pid())?, screen.bytes())];
    let one = Sample::new(vec![seconds]);
    let [(floor_cpu, floor_bytes), (cpu, bytes)] = std::array::from_fn(|index| {
        let (Some(before), Some(after)) = (before.get(index), after.get(index)) else { return (0.0, 0.0) };
        let cpu = (after.0.cpu - before.0.cpu).as_secs_f64() / seconds * 100.0;
        (cpu, to_f64(after.1 - before.1) / f64::from(SECONDS))
    });
    ensure!(bytes > floor_bytes / 10.0, "the screen did not follow: {bytes} bytes a second");
    report.set("screen.floor.ticking.cpu", floor_cpu, &one)?;
    report.set("screen.ticking.cpu", cpu / floor_cpu, &one)?;
    report.set("screen.floor.ticking.bytes", floor_bytes, &one)?;
    report.set("screen.ticking.bytes", bytes / floor_bytes, &one)
}

fn changed(username: &str, tick: u32) -> String {
    let cents = 535 + tick * 7 % 100;
    let price = format!("{}.{:02}", cents / 100, cents % 100);
    format!(
        "BEGIN; SELECT set_config('app.username', '{username}', true);
         WITH moved AS (
             UPDATE paper_trades SET current_price = {price}, last_updated = now(), unrealized_pnl = ({price} - 4.50) * 200
              WHERE username = '{username}' AND number % 3 = 1 AND status = 'FILLED' RETURNING id),
         head AS (
             UPDATE user_heads SET change_seq = change_seq + (SELECT count(*) FROM moved) WHERE username = '{username}'
             RETURNING change_seq),
         feed AS (
             INSERT INTO change_feed (username, seq, entity, entity_id, changed_at)
             SELECT '{username}', change_seq - row_number() OVER () + 1, 'TRADE', id, now() FROM head, moved)
         SELECT pg_notify('blotter_changes', change_seq || ' {username}') FROM head;
         COMMIT"
    )
}

fn many(small: &Daemon, large: &Daemon, report: &mut Report) -> Result<()> {
    const KEYS: usize = 300;
    let (mut few, mut many) = (client(small, WIDE)?, client(large, WIDE)?);
    settle(&mut many);
    let (mut few_ms, mut many_ms) = (Vec::new(), Vec::new());
    for index in 0..KEYS {
        let key = if index / 20 % 2 == 0 { "j" } else { "k" };
        few_ms.push(milliseconds(few.time_to_paint(key)?));
        many_ms.push(milliseconds(many.time_to_paint(key)?));
    }
    let (few_sample, many_sample) = (Sample::new(few_ms), Sample::new(many_ms));
    let p99 = |sample: &Sample| sample.p99().context("no keys");
    report.set("screen.key_to_paint.35.p99", p99(&few_sample)?, &few_sample)?;
    report.set("screen.key_to_paint.10000", p99(&many_sample)? / p99(&few_sample)?, &many_sample)?;
    let mut letters = Vec::new();
    for round in 0..40 {
        many.type_keys("/")?;
        many.wait_for("find:")?;
        let last = (round % 3 + 1).to_string();
        for letter in ["s", "y", "m", last.as_str()] {
            letters.push(milliseconds(many.time_to_paint(letter)?));
        }
        many.type_keys("\u{1b}")?;
        many.wait_until("no search", |screen| !screen.contents().contains("find:"))?;
    }
    let letters = Sample::new(letters);
    report.set("screen.filter_letter.p99", p99(&letters)?, &letters)?;
    let resident = to_f64(usage(many.pid())?.resident_kib) * 1024.0 / 1e6;
    report.set("screen.resident.10000", resident, &Sample::new(vec![resident]))
}
