//! What a thousand protected positions cost their daemon: its requests to the broker beside those for ten, and how soon
//! a new process stands where a killed one stood. Database and broker go on without it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use blotter_testkit::socket::{Connection, wait_until};
use http::Method;
use serde_json::json;

use super::crowd::{Crowd, Entry};
use super::screen::{pause, to_f64};
use crate::report::Report;
use crate::stats::Sample;

const MANY: usize = 1_000;
const FEW: usize = 10;
const ROUNDS: usize = 5;
/// What is verified is written down anew when it is older than this.
const STALE: Duration = Duration::from_secs(16);
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let few = asked_in_a_minute(&mut Crowd::gather(FEW).await.context("a few positions")?)?;
    let mut crowd = Crowd::gather(MANY).await.context("many positions")?;
    let many = asked_in_a_minute(&mut crowd)?;
    let one = |figure| Sample::new(vec![figure]);
    report.set("recovery.reads.10", few.reads, &one(few.reads))?;
    report.set("recovery.reads.1000", many.reads / few.reads, &one(many.reads))?;
    report.set("recovery.pages.1000", many.pages / many.reads, &one(many.pages))?;
    deaths(&mut crowd, report).await
}

/// What the loop asks of the account: a list is one read, in however many pages it comes. Quotes come in batches of
/// symbols and are counted elsewhere.
struct Asked {
    reads: f64,
    pages: f64,
}

fn asked_in_a_minute(crowd: &mut Crowd) -> Result<Asked> {
    let (since, _) = crowd.ledger(u64::MAX)?;
    pause(Duration::from_secs(60));
    let (_, entries) = crowd.ledger(since)?;
    let is_read = |entry: &&Entry| {
        entry.path.as_deref().is_some_and(|path| path.ends_with("/orders") || path.ends_with("/positions"))
    };
    let pages = entries.iter().filter(is_read);
    let reads = pages.clone().filter(|entry| entry.begins_a_list());
    let count = |entries: usize| Ok::<_, anyhow::Error>(to_f64(u64::try_from(entries)?));
    Ok(Asked { reads: count(reads.count())?, pages: count(pages.count())? })
}

/// SIGKILL and another process, over and over: until a client is served, until each position is verified anew and
/// written down, and until an exit that the client asks for at once is on its way at the broker.
async fn deaths(crowd: &mut Crowd, report: &mut Report) -> Result<()> {
    let (mut served, mut folded, mut sends) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        crowd.daemon.kill()?;
        pause(STALE);
        let (since, _) = crowd.ledger(u64::MAX)?;
        let row = crowd.database.query_one("SELECT max(last_verified_at)::text FROM paper_trades", &[]).await?;
        let before: String = row.try_get(0)?;
        let live = "status = 'FILLED'";
        let row = crowd.database.query_one(&format!("SELECT count(*) FROM paper_trades WHERE {live}"), &[]).await?;
        let positions = usize::try_from(row.try_get::<_, i64>(0)?)?;
        let began = Instant::now();
        crowd.daemon.spawn()?;
        wait_until(&crowd.daemon.socket(), "/v1/trades", "the first list", |answer| answer.status.is_success()).await?;
        served.push(began.elapsed().as_secs_f64());
        crowd
            .until(
                positions,
                &format!("SELECT count(*) FROM paper_trades WHERE {live} AND last_verified_at > '{before}'"),
            )
            .await?;
        folded.push(began.elapsed().as_secs_f64());
        close_one(crowd).await.with_context(|| format!("round {round}: closing"))?;
        let asked = Instant::now();
        loop {
            let (_, entries) = crowd.ledger(since)?;
            if entries.iter().any(|entry| entry.fact == "request" && entry.method.as_deref() == Some("DELETE")) {
                break;
            }
            ensure!(asked.elapsed() < PATIENCE, "round {round}: nothing was sent:\n{}", crowd.daemon.log());
            pause(Duration::from_millis(5));
        }
        sends.push(began.elapsed().as_secs_f64());
        // The next round begins with a quiet book.
        crowd.until(round + 1, "SELECT count(*) FROM paper_trades WHERE status = 'CLOSED'").await?;
    }
    for (name, times) in [("recovery.first_client", served), ("recovery.folded", folded), ("recovery.sends", sends)] {
        let times = Sample::new(times);
        report.set(name, times.median().context("no rounds")?, &times)?;
    }
    Ok(())
}

async fn close_one(crowd: &Crowd) -> Result<()> {
    let sql = "SELECT id::text, version FROM paper_trades WHERE status = 'FILLED' ORDER BY number LIMIT 1";
    let row = crowd.database.query_one(sql, &[]).await?;
    let (id, version): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
    let mut connection = Connection::open(&crowd.daemon.socket()).await?;
    let (path, body) = (format!("/v1/trades/{id}/close"), json!({ "version": version }));
    let answer = connection.call(Method::POST, &path, &[("idempotency-key", &id)], &body).await?;
    ensure!(answer.status.is_success(), "POST {path} answered {}: {}", answer.status, answer.text());
    Ok(())
}
