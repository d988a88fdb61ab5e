//! `blotterd` as a process is killed at every point of its work, and what it left is carried on.
//!
//! The program has no failpoints and gets none: the cut is made outside, on the wires to its broker and to its
//! database (`wire`). One undisturbed run of a workflow counts what passes them; then it is run again for each place of that
//! count. When the place comes, everything on both wires stands still, the process gets SIGKILL, another one begins,
//! and the client asks again under its key.
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
//! The end is judged by the broker's own books and by what the daemon answers. Waits for what does not come are a
//! twentieth here (ruling 38); `make soak` waits them out whole.

mod stage;
mod stopped;
mod wire;

use anyhow::{Context, Result, ensure};
use blotter_shared::domain::{CloseReason, IntentRole, Price, Protection, TradeId, TradeStatus};
use blotter_shared::protocol::trades::Trade;
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use stage::{Books, Stage};
use wire::{Loss, Point, Step, places};

/// Deaths of each workflow with every test run, beside those at writes; `BLOTTER_CUTS=1000` for all there are.
const CUTS: usize = 2;
/// Orders, positions, orders.
const READS_OF_A_CUT: usize = 3;
/// After so many deaths a world is left: its list of orders has grown.
const DEATHS_OF_A_STAGE: usize = 8;
/// How often something is tried that a busy machine may be too slow for.
const TRIES: usize = 5;

fn cuts_wanted() -> usize {
    #[expect(clippy::disallowed_methods, reason = "the switch of the long proof; a test has no configuration")]
    let wanted = std::env::var("BLOTTER_CUTS").ok().and_then(|count| count.parse().ok());
    wanted.unwrap_or(CUTS)
}

/// What is begun, and then interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Workflow {
    /// An entry with its bracket.
    Place,
    /// The end of a protected position.
    Close,
    /// Half of it leaves, the rest is protected.
    Part,
    /// Its stop is moved.
    Adjust,
    /// Everything is sold.
    Flatten,
    /// An entry that works is cancelled.
    Cancel,
    /// The broker drops a bracket.
    Lost,
}

impl Workflow {
    const ALL: [Self; 7] =
        [Self::Place, Self::Close, Self::Part, Self::Adjust, Self::Flatten, Self::Cancel, Self::Lost];

    /// Writes to the broker that it takes.
    fn writes(self) -> usize {
        match self {
            Self::Place | Self::Close | Self::Adjust | Self::Flatten => 2,
            Self::Part => 3,
            Self::Cancel | Self::Lost => 1,
        }
    }

    /// What is asked for: under one key, however often.
    fn request(self, symbol: &str, id: Option<TradeId>) -> Option<(String, Value)> {
        let of_trade = |deed: &str| format!("/v1/trades/{}/{deed}", id.unwrap_or(TradeId(uuid::Uuid::nil())));
        match self {
            Self::Place => Some(("/v1/trades".to_owned(), signal(symbol, "5.10"))),
            Self::Close => Some((of_trade("close"), json!({ "version": 1 }))),
            Self::Part => Some((of_trade("close"), json!({ "version": 1, "qty": 1 }))),
            Self::Adjust => Some((of_trade("adjust"), json!({ "version": 1, "new_sl": "4.50" }))),
            Self::Flatten => Some(("/v1/flatten".to_owned(), json!({}))),
            Self::Cancel => Some((of_trade("cancel"), json!({ "version": 1 }))),
            Self::Lost => None,
        }
    }

    /// Whether it came to the end that it should have; what is missing while it did not.
    fn ended(self, trade: &Trade, books: &Books) -> Result<()> {
        match self {
            Self::Place if trade.status == TradeStatus::Void => unbought(books),
            Self::Place => protected(trade, books, (1, 2, "4.00")),
            Self::Close | Self::Flatten => closed(trade, books),
            Self::Part => protected(trade, books, (2, 1, "4.00")).and_then(|()| sold(books, 1)),
            Self::Adjust => protected(trade, books, (2, 2, "4.50")).and_then(|()| sold(books, 0)),
            Self::Cancel => {
                ensure!(trade.status == TradeStatus::Canceled, "it is cancelled");
                ensure!(books.of(IntentRole::Entry).len() == 1, "one entry");
                unbought(books)
            }
            Self::Lost => {
                ensure!(books.of(IntentRole::Bracket).len() == 2, "the bracket that was dropped, and one in its place");
                protected(trade, books, (1, 2, "4.00")).and_then(|()| sold(books, 0))
            }
        }
    }
}

fn signal(symbol: &str, limit: &str) -> Value {
    json!({ "option_symbol": symbol, "qty": 2, "limit": limit, "sl_price": "4.00", "tp_price": "7.00" })
}

/// Never sent, or nothing of it traded; and nothing works.
fn unbought(books: &Books) -> Result<()> {
    ensure!(books.held == 0 && books.traded(IntentRole::Entry) == 0, "nothing is bought");
    ensure!(books.working().is_empty(), "nothing works");
    ensure!(books.of(IntentRole::Bracket).is_empty() && books.of(IntentRole::Close).is_empty(), "nothing is sold");
    Ok(())
}

/// Bought once; so many are held, and one bracket of that size works with this stop.
fn protected(trade: &Trade, books: &Books, (version, held, stop): (i64, i64, &str)) -> Result<()> {
    bought_once(books)?;
    let price = |text: &str| text.parse::<Price>().ok();
    ensure!(books.held == held, "{held} are held");
    ensure!(books.working() == [(held, price(stop), price("7.00"))], "one bracket works: {:?}", books.working());
    ensure!(trade.protection == Protection::Confirmed && i64::from(trade.held_qty) == held, "it is confirmed");
    ensure!((trade.status, trade.version) == (TradeStatus::Filled, version), "it is held in version {version}");
    ensure!(trade.step.is_none() && trade.needs_person.is_none(), "nothing is left to be done");
    Ok(())
}

fn bought_once(books: &Books) -> Result<()> {
    ensure!(books.of(IntentRole::Entry).len() == 1, "one entry");
    ensure!(books.traded(IntentRole::Entry) == 2, "two were bought");
    Ok(())
}

/// Sold by hand, so many, by one order if any.
fn sold(books: &Books, contracts: i64) -> Result<()> {
    let (sales, rest) = (books.of(IntentRole::Close), [IntentRole::Bracket, IntentRole::Emergency]);
    ensure!(books.traded(IntentRole::Close) == contracts, "{contracts} were sold");
    ensure!(sales.len() == usize::from(contracts > 0), "by one order");
    ensure!(rest.iter().all(|role| books.traded(*role) == 0), "and by no other");
    Ok(())
}

fn closed(trade: &Trade, books: &Books) -> Result<()> {
    bought_once(books)?;
    sold(books, 2)?;
    ensure!(books.held == 0 && books.working().is_empty(), "nothing is held and nothing works");
    let close = trade.close.as_ref().context("an end")?;
    ensure!(trade.status == TradeStatus::Closed && close.reason == Some(CloseReason::Manual), "closed by hand");
    ensure!(close.realized_pnl.is_some_and(|pnl| pnl.0 == (-20).into()), "twenty were lost: {close:?}");
    Ok(())
}

/// One workflow in one world after another.
struct Player {
    workflow: Workflow,
    stage: Stage,
    deaths: usize,
    key: usize,
    met: usize,
    missed: usize,
}

impl Player {
    async fn new(workflow: Workflow) -> Result<Self> {
        Ok(Self { workflow, stage: Stage::open().await?, deaths: 0, key: 0, met: 0, missed: 0 })
    }

    /// Runs it undisturbed, then dies wherever it was told to.
    async fn play(mut self, cuts: usize) -> Result<String> {
        let steps = self.undisturbed().await.context("undisturbed")?;
        let chosen = self.choose(&steps, cuts);
        for (point, loss) in &chosen {
            self.run(Some((*point, *loss)))
                .await
                .with_context(|| format!("{loss:?} lost at {point:?} of {steps:?}"))?;
        }
        let Self { workflow, met, missed, .. } = self;
        Ok(format!(
            "{workflow:?}: {} steps, {} deaths, {met} there and {missed} after the end",
            steps.len(),
            chosen.len()
        ))
    }

    /// The count; on a machine so busy that an entry ran out of its time, once more.
    async fn undisturbed(&mut self) -> Result<Vec<Step>> {
        for _ in 0..TRIES {
            let steps = self.run(None).await?;
            if steps.iter().filter(|step| **step == Step::Write).count() >= self.workflow.writes() {
                return Ok(steps);
            }
        }
        anyhow::bail!("fewer writes pass than it takes")
    }

    /// Deaths at each write, and so many others, evenly.
    fn choose(&self, steps: &[Step], others: usize) -> Vec<(Point, Loss)> {
        let cut = |point: Point| if point.deeds == 0 && self.workflow != Workflow::Lost { 0 } else { READS_OF_A_CUT };
        let places = places(steps, READS_OF_A_CUT);
        let places = places.into_iter().filter(|(point, _)| point.reads <= cut(*point));
        let (writes, rest): (Vec<_>, Vec<_>) = places.partition(|(_, step)| *step == Step::Write);
        let losses = |(point, step): (Point, Step)| match step {
            Step::Write | Step::Record => vec![(point, Loss::Request), (point, Loss::Answer)],
            Step::Read => vec![(point, Loss::Request)],
        };
        let rest: Vec<_> = rest.into_iter().flat_map(losses).collect();
        let stride = rest.len().div_ceil(others.max(1)).max(1);
        let rest = rest.into_iter().skip(stride / 2).step_by(stride).take(others);
        writes.into_iter().flat_map(losses).chain(rest).collect()
    }

    /// Once, from a daemon that has just begun to the end.
    async fn run(&mut self, plan: Option<(Point, Loss)>) -> Result<Vec<Step>> {
        if self.deaths == DEATHS_OF_A_STAGE {
            (self.stage, self.deaths) = (Stage::open().await?, 0);
        }
        self.deaths += 1;
        let (symbol, before) = self.prepare().await?;
        self.stage.restart().await?;
        self.key += 1;
        let key = format!("key-{}", self.key);
        self.stage.wires.begin(plan);
        let carried = async {
            if self.workflow == Workflow::Lost {
                self.drop_bracket(&symbol).await?;
            }
            self.carry_out(&symbol, before, &key).await
        };
        tokio::select! {
            () = self.stage.wires.cut() => self.met += 1,
            done = carried => {
                done?;
                self.missed += usize::from(plan.is_some());
            }
        }
        let steps = self.stage.restart().await?;
        self.carry_out(&symbol, before, &key).await?;
        self.stage.verify()?;
        Ok(steps)
    }

    /// What must be there before it can begin: a contract, and perhaps a trade in it.
    async fn prepare(&mut self) -> Result<(String, Option<TradeId>)> {
        for _ in 0..TRIES {
            let symbol = self.stage.contract().await?;
            if self.workflow == Workflow::Place {
                return Ok((symbol, None));
            }
            self.key += 1;
            let limit = if self.workflow == Workflow::Cancel { "4.50" } else { "5.10" };
            let key = format!("key-{}", self.key);
            let placed = self.stage.done(Method::POST, "/v1/trades", &key, &signal(&symbol, limit)).await?;
            let id = id_of(&placed)?;
            let trade = self.stage.until(id, |trade, books| self.is_ready(trade, books)).await;
            if trade.context("before it begins")?.status != TradeStatus::Void {
                return Ok((symbol, Some(id)));
            }
        }
        anyhow::bail!("no entry is sent in its time")
    }

    fn is_ready(&self, trade: &Trade, books: &Books) -> Result<()> {
        match (trade.status, self.workflow) {
            (TradeStatus::Void, _) => Ok(()),
            (_, Workflow::Cancel) => {
                ensure!(trade.status == TradeStatus::Open && books.working().len() == 1, "the entry works");
                Ok(())
            }
            _ => protected(trade, books, (1, 2, "4.00")),
        }
    }

    async fn drop_bracket(&self, symbol: &str) -> Result<()> {
        let books = self.stage.books(symbol).await?;
        let works = |order: &&blotter_daemon::broker::Order| !order.is_final_throughout();
        let bracket = books.orders.iter().find(works).context("a bracket")?;
        let drop = json!({ "do": "vanish", "order": bracket.id.get(), "reason": "cancelled by the exchange" });
        self.stage.act(&drop).await
    }

    /// Asks, as often as it takes, and waits for the end.
    async fn carry_out(&self, symbol: &str, before: Option<TradeId>, key: &str) -> Result<()> {
        let answer = match self.workflow.request(symbol, before) {
            Some((path, body)) => Some(self.stage.done(Method::POST, &path, key, &body).await?),
            None => None,
        };
        let id = before.map_or_else(|| id_of(&answer.unwrap_or_default()), Ok)?;
        self.stage.until(id, |trade, books| self.workflow.ended(trade, books)).await?;
        Ok(())
    }
}

fn id_of(placed: &Value) -> Result<TradeId> {
    Ok(serde_json::from_value(placed["id"].clone())?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_that_is_killed_at_any_step_is_carried_on_to_the_same_end() {
    let cuts = cuts_wanted();
    let mut players = JoinSet::new();
    for workflow in Workflow::ALL {
        players.spawn(async move {
            let played = async { Player::new(workflow).await?.play(cuts).await };
            played.await.with_context(|| format!("{workflow:?}"))
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
