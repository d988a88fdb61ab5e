//! A position through days that are none like the others: an evening, midnight, the night in which summer time ends, a
//! short day and the weekend after it. While the market is closed nothing is sent; what was asked for is judged again at
//! the open.

use anyhow::{Context, Result, ensure};
use blotter_shared::domain::{IntentRole, TradeId};
use blotter_shared::protocol::market::Market;
use blotter_shared::protocol::timeline::Timeline;
use chrono::{DateTime, NaiveDateTime, Utc};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::stage::Stage;
use super::wire::Step;
use super::workflows::{ENTRIES, Event, Kept, SIGNAL, TWO, protected, working};
use super::{READS_OF_A_CUT, id_of};

/// One trade and what was last asked of it.
struct Held {
    id: TradeId,
    symbol: String,
    version: i64,
}

impl Held {
    /// Two contracts with their bracket.
    async fn new(stage: &mut Stage) -> Result<Self> {
        let symbol = stage.contract().await?;
        let signal = serde_json::from_str(&SIGNAL.replace("{symbol}", &symbol))?;
        let id = id_of(&stage.done(Method::POST, ENTRIES, &symbol, &signal).await?)?;
        stage.until(id, |trade, books| protected(trade, books, TWO)).await?;
        Ok(Self { id, symbol, version: 1 })
    }

    async fn wants_stop(&mut self, stage: &Stage, stop: &str) -> Result<()> {
        let key = format!("{}-{}", self.symbol, self.version);
        let body = json!({ "version": self.version, "new_sl": stop });
        stage.done(Method::POST, &format!("/v1/trades/{}/adjust", self.id), &key, &body).await?;
        self.version += 1;
        Ok(())
    }

    /// Its bracket works as it did, whatever is wanted.
    async fn is_kept(&self, stage: &Stage, kept: Kept) -> Result<()> {
        let books = stage.books(&self.symbol).await?;
        working(&books, kept)?;
        ensure!(books.of(IntentRole::Bracket).len() == 1 && books.held == 2, "nothing was added: {books:?}");
        Ok(())
    }

    async fn until(&self, stage: &Stage, kept: Kept) -> Result<()> {
        stage.until(self.id, |trade, books| protected(trade, books, kept)).await.map(drop)
    }
}

impl Stage {
    async fn market(&self) -> Result<Market> {
        self.get("/v1/market").await?.to()
    }

    /// Both go to a time in New York, and the daemon knows of it.
    async fn go_to(&self, moment: &str) -> Result<()> {
        self.set_clock(moment).await?;
        let there = at(moment)?;
        self.look_until("the daemon is there", async || Ok(self.market().await?.now >= there)).await
    }

    /// Whether nothing was sent since the count began, once a whole cut was read after its first so many steps.
    async fn sends_nothing(&self, before: usize) -> Result<()> {
        let read = |steps: &[Step]| steps.iter().skip(before).filter(|step| **step == Step::Read).count();
        self.look_until("the daemon has looked", async || Ok(read(&self.wires.counted()) >= READS_OF_A_CUT)).await?;
        ensure!(written(&self.wires.counted()) == 0, "nothing is sent: {:?}", self.wires.counted());
        Ok(())
    }
}

fn written(steps: &[Step]) -> usize {
    steps.iter().filter(|step| **step == Step::Write).count()
}

fn at(moment: &str) -> Result<DateTime<Utc>> {
    let local: NaiveDateTime = moment.parse()?;
    local.and_local_timezone(chrono_tz::America::New_York).earliest().map(|at| at.to_utc()).context("a time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_keeps_its_bracket_through_midnight_the_end_of_summer_time_and_a_short_day() -> Result<()> {
    let mut stage = Stage::open_at("2026-10-30T15:50:00").await?;
    let (mut kept, mut fallen) = (Held::new(&mut stage).await?, Held::new(&mut stage).await?);

    // Friday evening to Monday morning: each wish rouses the daemon, and none is carried out.
    stage.go_to("2026-10-30T16:15:01").await?;
    stage.wires.begin(None);
    let nights = ["2026-10-30T23:59:58", "2026-10-31T00:00:05", "2026-11-01T03:00:00", "2026-11-02T08:31:00"];
    for (moment, stop) in nights.into_iter().zip(["4.20", "4.30", "4.40", "4.50"]) {
        stage.go_to(moment).await?;
        let before = stage.wires.counted().len();
        kept.wants_stop(&stage, stop).await?;
        stage.sends_nothing(before).await.context(moment)?;
        kept.is_kept(&stage, TWO).await?;
    }
    // In summer time the market would be open. The price has fallen in the night: the next wish does not hold.
    stage.happens(&fallen.symbol, &Event::Market("4.30", "4.40")).await?;
    stage.go_to("2026-11-02T09:29:55").await?;
    fallen.wants_stop(&stage, "4.60").await?;
    let opens = at("2026-11-02T09:30:00")?;
    kept.until(&stage, Kept { version: kept.version, stop: "4.50", ..TWO }).await?;
    let books = stage.books(&kept.symbol).await?;
    let sent: Vec<_> = books.of(IntentRole::Bracket).iter().filter_map(|order| order.created_at).collect();
    ensure!(sent.iter().filter(|at| **at >= opens).count() == 1, "the new one is sent once, when it is open: {sent:?}");
    fallen.is_kept(&stage, TWO).await?;
    stage.go_to("2026-11-02T09:31:10").await?;
    kept.wants_stop(&stage, "4.40").await?;
    fallen.until(&stage, Kept { version: fallen.version, ..TWO }).await?;
    fallen.is_kept(&stage, TWO).await?;
    kept.until(&stage, Kept { version: kept.version, stop: "4.40", ..TWO }).await?;
    let writes = written(&stage.wires.end().steps);
    ensure!(writes == 4, "two brackets were cancelled and two placed, by {writes} writes");
    let story: Timeline = stage.get(&format!("/v1/trades/{}/timeline", fallen.id)).await?.to()?;
    let back = "the bracket that was asked for cannot be had: back to stop 4.00, target 7.00";
    ensure!(story.moments.iter().any(|moment| moment.what == back), "its story says so: {story:#?}");

    // A short day, and its weekend. These contracts trade for a quarter of an hour after the bell.
    stage.go_to("2026-11-27T13:14:57").await?;
    stage.go_to("2026-11-27T13:15:01").await?;
    stage.wires.begin(None);
    let close = json!({ "version": kept.version });
    let refused = stage.ask(Method::POST, &format!("/v1/trades/{}/close", kept.id), "close", &close).await?;
    let why: Value = refused.json()?;
    ensure!((refused.status, &why["code"]) == (StatusCode::CONFLICT, &"market_closed".into()), "it is over: {why}");
    ensure!(why["detail"].as_str().is_some_and(|told| told.contains("2026-11-30")), "until Monday: {why}");
    let before = stage.wires.counted().len();
    kept.wants_stop(&stage, "4.70").await?;
    stage.sends_nothing(before).await.context("on the short day")?;
    kept.is_kept(&stage, Kept { stop: "4.40", ..TWO }).await?;
    stage.go_to("2026-11-30T09:29:56").await?;
    kept.wants_stop(&stage, "4.60").await?;
    kept.until(&stage, Kept { version: kept.version, stop: "4.60", ..TWO }).await?;
    let writes = written(&stage.wires.end().steps);
    ensure!(writes == 2, "one bracket was cancelled and one placed, by {writes} writes");
    stage.verify()
}
