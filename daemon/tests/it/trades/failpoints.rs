//! What becomes of the workflows of a trade when something fails at any point of them: `blotterd` as a process is killed
//! there, or its database crashes, or a wire falls silent; and what it left is carried on.
//!
//! The program has no failpoints and gets none: the cut is made outside, on the wires to its broker and to its
//! database (`wire`). One undisturbed run of a workflow counts what passes them; then it is run again for each place of that
//! count. When the place comes, the wires stand still and the blow falls (`Blow`):
//! * the process gets SIGKILL, and another one begins;
//! * the server of the database stops at once and begins again, while the process lives on; nothing of the broker's is
//!   lost;
//! * the wire on which the place is says nothing, neither way, and keeps its connections; then all of them end, while the
//!   process lives on.
//!
//! Then the client asks again under its key.
//!
//! Places are
//! * each write to the broker, and each commit of a transaction that wrote facts of a trade (what is wanted, what an
//!   intent has come to, what was found out, fills): once so that the request never arrives, and once so that it has its
//!   effect and the answer never comes;
//! * each read of orders or positions between two of these, up to the reads of one cut. A read changes nothing anywhere,
//!   so whether its answer was lost makes no difference, and neither does in which of several equal cuts.
//!
//! Left out is what leaves nothing behind: reads of prices; transactions that only read; and renewals of the lease, which
//! would last for a day and which the next process, on the same host, does not wait for. A death between two places is
//! one at the next of them whose request never arrives.
//!
//! The end is judged by the broker's own books and by what the daemon answers (`workflows`). Waits for what does not come
//! are a twentieth here (ruling 38); `make soak` waits them out whole.

mod days;
mod stage;
mod stopped;
mod wire;
mod workflows;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use blotter_shared::domain::{IntentRole, Protection, TradeId, TradeStatus};
use blotter_shared::protocol::trades::Trade;
use http::Method;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use stage::{Books, Stage};
use wire::{Blow, Cut, Loss, Point, Step, places};
use workflows::{ALL, Act, Before, ENTRIES, Event, LOW_SIGNAL, SIGNAL, TWO, Workflow, bought, protected};

/// With every test run each workflow dies at its writes, at so many other places, and survives so many of the other blows;
/// `BLOTTER_CUTS=1000` for all there are.
const CUTS: usize = 1;
/// Worlds at once: each has three programs.
const WORLDS: usize = 8;
/// Orders, positions, orders.
const READS_OF_A_CUT: usize = 3;
/// After so many runs a world is left: its list of orders has grown.
const RUNS_OF_A_STAGE: usize = 8;
/// How often something is tried that a busy machine may be too slow for.
const TRIES: usize = 5;

fn cuts_wanted() -> usize {
    #[expect(clippy::disallowed_methods, reason = "the switch of the long proof; a test has no configuration")]
    let wanted = std::env::var("BLOTTER_CUTS").ok().and_then(|count| count.parse().ok());
    wanted.unwrap_or(CUTS)
}

/// One run of a workflow.
#[derive(Debug)]
struct Run {
    symbol: String,
    trade: Option<TradeId>,
    number: usize,
    /// What of the acts has happened in the world.
    happened: BTreeSet<usize>,
}

impl Run {
    fn filled_in(&self, text: &str) -> String {
        let id = self.trade.map(|id| id.to_string()).unwrap_or_default();
        text.replace("{symbol}", &self.symbol).replace("{id}", &id)
    }

    /// What comes of an act until something stands still; true when it did before.
    async fn act(&mut self, stage: &Stage, (place, act): (usize, &Act)) -> Result<bool> {
        let (method, path, body) = match act {
            Act::World(events) => {
                // The broker's world stands apart from the wires.
                if self.happened.insert(place) {
                    stage.meanwhile(&self.symbol, events).await?;
                }
                return Ok(false);
            }
            Act::Until(so) => {
                let id = self.trade.context("a trade")?;
                return Ok(stage.uncut(stage.until(id, so)).await?.is_none());
            }
            Act::Post(path, body) => (Method::POST, path, body),
            Act::Delete(path, body) => (Method::DELETE, path, body),
        };
        let body: Value = serde_json::from_str(&self.filled_in(body))?;
        let key = format!("key-{}-{place}", self.number);
        let Some(answer) = stage.uncut(stage.done(method, &self.filled_in(path), &key, &body)).await? else {
            return Ok(true);
        };
        if self.trade.is_none() {
            self.trade = Some(id_of(&answer)?);
        }
        Ok(false)
    }
}

/// One workflow in one world after another.
struct Player {
    workflow: &'static Workflow,
    stage: Stage,
    runs: usize,
    met: usize,
    missed: usize,
}

impl Player {
    async fn new(workflow: &'static Workflow) -> Result<Self> {
        Ok(Self { workflow, stage: Stage::open().await?, runs: 0, met: 0, missed: 0 })
    }

    /// Runs it undisturbed, then strikes wherever it was told to.
    async fn play(mut self, cuts: usize) -> Result<String> {
        let steps = self.undisturbed().await.context("undisturbed")?;
        let chosen = self.choose(&steps, cuts);
        for cut in &chosen {
            self.run(Some(*cut)).await.with_context(|| format!("{cut:?} of {steps:?}"))?;
        }
        self.stage.verify()?;
        let Self { workflow, met, missed, .. } = self;
        let (name, places, blows) = (workflow.name, steps.len(), chosen.len());
        Ok(format!("{name}: {places} places, {blows} blows, {met} there and {missed} after the end"))
    }

    /// The count; on a machine so busy that an entry ran out of its time, once more.
    async fn undisturbed(&mut self) -> Result<Vec<Step>> {
        for _ in 0..TRIES {
            let steps = self.run(None).await?;
            if steps.iter().filter(|step| **step == Step::Write).count() >= self.workflow.writes {
                return Ok(steps);
            }
        }
        anyhow::bail!("fewer writes pass than it takes")
    }

    /// Deaths at writes, deaths elsewhere, and the other blows at places of any kind.
    fn choose(&self, steps: &[Step], count: usize) -> Vec<Cut> {
        // A daemon that begins reads before anybody has asked for anything.
        let asked = self.workflow.acts.iter().any(|act| matches!(act, Act::Post(..)));
        let cut = |point: Point| if point.deeds == 0 && asked { 0 } else { READS_OF_A_CUT };
        let places: Vec<_> = places(steps).into_iter().filter(|(point, _)| point.reads <= cut(*point)).collect();
        let all = |blow: Blow, wanted: fn(Step) -> bool| -> Vec<Cut> {
            let losses = |(point, step): &(Point, Step)| match step {
                Step::Write | Step::Record => vec![(*point, Loss::Request), (*point, Loss::Answer)],
                Step::Read => vec![(*point, Loss::Request)],
            };
            let of_these = places.iter().filter(|(_, step)| wanted(*step));
            of_these.flat_map(losses).map(|(point, loss)| Cut { point, loss, blow }).collect()
        };
        let deaths = evenly(all(Blow::Kill, |step| step == Step::Write), count.max(self.workflow.deaths));
        let others = evenly(all(Blow::Kill, |step| step != Step::Write), count);
        // One after the other, so that a few of them are of both kinds.
        let crashes = all(Blow::Crash, |_| true).into_iter();
        let survived = crashes.zip(all(Blow::Silence, |_| true)).flat_map(|(crash, silence)| [crash, silence]);
        deaths.into_iter().chain(others).chain(evenly(survived.collect(), count)).collect()
    }

    /// Once, from a daemon that has just begun to the end.
    async fn run(&mut self, cut: Option<Cut>) -> Result<Vec<Step>> {
        if self.runs == RUNS_OF_A_STAGE {
            self.stage.verify()?;
            (self.stage, self.runs) = (Stage::open().await?, 0);
        }
        self.runs += 1;
        // A daemon that has used up half of its minute's reads is slow.
        self.stage.restart().await?;
        let mut run = self.prepare().await?;
        self.stage.restart().await?;
        self.stage.wires.begin(cut);
        self.carry_out(&mut run).await?;
        let counted = self.stage.wires.end();
        self.met += usize::from(counted.met.is_some());
        self.missed += usize::from(cut.is_some() && counted.met.is_none());
        self.stage.strike(cut.map_or(Blow::Kill, |cut| cut.blow), counted.met).await?;
        self.carry_out(&mut run).await?;
        self.stage.goes_by_day().await?;
        Ok(counted.steps)
    }

    /// What must be there before it can begin: a contract, and perhaps a trade in it.
    async fn prepare(&mut self) -> Result<Run> {
        for number in 0..TRIES {
            let symbol = self.stage.contract().await?;
            let number = self.runs * TRIES + number;
            let mut run = Run { symbol, trade: None, number, happened: BTreeSet::new() };
            match self.workflow.before {
                Before::Nothing => return Ok(run),
                Before::Foreign => {
                    self.stage.happens(&run.symbol, &Event::ForeignTrade("buy_to_open", 2)).await?;
                    return Ok(run);
                }
                Before::Bare => self.stage.happens(&run.symbol, &Event::LegsApart("9.00")).await?,
                Before::Working | Before::Protected | Before::Overnight(_) => {}
            }
            let signal = if self.workflow.before == Before::Working { LOW_SIGNAL } else { SIGNAL };
            run.act(&self.stage, (usize::MAX, &Act::Post(ENTRIES, signal))).await?;
            let id = run.trade.context("a trade")?;
            let trade = self.stage.until(id, |trade, books| self.is_ready(trade, books)).await;
            if trade.context("before it begins")?.status == TradeStatus::Void {
                continue;
            }
            if let Before::Overnight(time) = self.workflow.before {
                self.stage.sleep_until(time).await?;
            }
            return Ok(run);
        }
        anyhow::bail!("no entry is sent in its time")
    }

    fn is_ready(&self, trade: &Trade, books: &Books) -> Result<()> {
        match (trade.status, self.workflow.before) {
            (TradeStatus::Void, _) => Ok(()),
            (_, Before::Working) => {
                ensure!(trade.status == TradeStatus::Open && books.working().len() == 1, "the entry works");
                Ok(())
            }
            (_, Before::Bare) => {
                let refused = books.working().is_empty() && !books.of(IntentRole::Bracket).is_empty();
                ensure!(trade.protection == Protection::Naked && books.held == 2 && refused, "it is held and bare");
                Ok(())
            }
            _ => bought(books, 2).and(protected(trade, books, TWO)),
        }
    }

    /// Act by act, and to the end, unless something stands still first.
    async fn carry_out(&self, run: &mut Run) -> Result<()> {
        for act in self.workflow.acts.iter().enumerate() {
            if run.act(&self.stage, act).await? {
                return Ok(());
            }
        }
        let id = run.trade.context("a trade")?;
        self.stage.uncut(self.stage.until(id, self.workflow.ended)).await?;
        Ok(())
    }
}

/// So many of them, evenly; one is from the middle.
fn evenly<T>(all: Vec<T>, count: usize) -> Vec<T> {
    let kept = count.min(all.len());
    let marks: BTreeSet<usize> = (0..kept).map(|mark| (2 * mark + 1) * all.len() / (2 * kept)).collect();
    all.into_iter().enumerate().filter(|(place, _)| marks.contains(place)).map(|(_, one)| one).collect()
}

fn id_of(placed: &Value) -> Result<TradeId> {
    Ok(serde_json::from_value(placed["id"].clone())?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_that_is_killed_at_any_step_is_carried_on_to_the_same_end() {
    let cuts = cuts_wanted();
    let (mut players, worlds) = (JoinSet::new(), Arc::new(Semaphore::new(WORLDS)));
    for workflow in ALL {
        let worlds = Arc::clone(&worlds);
        players.spawn(async move {
            let _world = worlds.acquire_owned().await?;
            let played = async { Player::new(workflow).await?.play(cuts).await };
            played.await.with_context(|| workflow.name)
        });
    }
    let mut wrong = Vec::new();
    while let Some(played) = players.join_next().await {
        match played.unwrap() {
            Ok(told) => eprintln!("{told}"),
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
