//! A process that stands still, as on a machine whose lid is closed, for longer than it has its account: on waking it
//! watches, and sends nothing.

use anyhow::{Result, ensure};
use blotter_shared::domain::IntentRole;
use http::Method;
use nix::sys::signal::Signal;
use serde_json::json;

use super::id_of;
use super::stage::{Books, Stage};
use super::workflows::{ENTRIES, SIGNAL, TWO, protected};

/// What only a loop that turns can have said: nobody has looked at the trade for long.
const TOLD: &str = "SELECT count(*) FROM alarms WHERE kind = 'UNVERIFIED' AND cleared_at IS NULL";
const RUN_OUT: &str = "SELECT count(*) FROM leases WHERE expires_at < clock_timestamp()";
/// Another daemon has the account, and is busy elsewhere.
const TAKEN: &str = "UPDATE leases SET holder = gen_random_uuid(), epoch = epoch + 1, released = false,
                            expires_at = clock_timestamp() + interval '1 day'";
const GONE: &str = "UPDATE leases SET expires_at = clock_timestamp() - interval '1 s'";

/// Nothing of ours works.
fn is_bare(books: &Books) -> Result<()> {
    ensure!(books.working().is_empty() && books.held == 2, "the bracket is gone and two are held: {books:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_stood_still_past_its_lease_sends_nothing_on_waking() -> Result<()> {
    let mut stage = Stage::open().await?;
    let symbol = stage.contract().await?;
    let signal = serde_json::from_str(&SIGNAL.replace("{symbol}", &symbol))?;
    let id = id_of(&stage.done(Method::POST, ENTRIES, "one", &signal).await?)?;
    stage.until(id, |trade, books| protected(trade, books, TWO)).await?;
    stage.send(Signal::SIGSTOP)?;
    stage.act(&json!({ "do": "vanish", "reason": "cancelled by the exchange" })).await?;
    stage.until_counted("its lease has run out", RUN_OUT).await?;
    stage.sql(TAKEN).await?;
    stage.send(Signal::SIGCONT)?;
    stage.until_counted("it is awake and watches", TOLD).await?;
    let books = stage.books(&symbol).await?;
    is_bare(&books)?;
    ensure!(books.of(IntentRole::Bracket).len() == 1, "nothing was sent: {books:?}");
    // The other one is gone: now it is its own again.
    stage.sql(GONE).await?;
    stage.until(id, |trade, books| protected(trade, books, TWO)).await?;
    Ok(())
}
