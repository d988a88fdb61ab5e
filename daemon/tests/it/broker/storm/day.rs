//! One day: a simulator with its faults, one adapter, the calls in order, and then calm weather to
//! look at what is there.

use std::net::SocketAddr;
use std::time::Duration;

use blotter_daemon::broker::tradier::{Patience, Tradier};
use blotter_daemon::broker::{
    Broker, Change, Lifetime, NewOrder, Order, OrderId, OrderScope, Pricing, Priority, Send, Shape, TradeSide,
    WriteOutcome,
};
use blotter_daemon::clock::Clock;
use blotter_sim::Server;
use blotter_sim::config::{Config, RateLimits, Token};
use blotter_sim::core::World;
use blotter_sim::scenario::Scenario;
use blotter_sim::time::Ms;
use chrono::{NaiveDate, TimeDelta};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::support::{TOKEN, hand, instrument, leg, patience, tradier_at};
use super::ears::Ears;
use super::judge::{Deed, End, Seen, Tally, Written, judge};
use super::weather::{Call, Cloud, Form, Manner, Plan, word};

/// Nobody's order.
const NOBODYS: i64 = 999_999_999;
/// A request whose caller is gone may still be on its way.
const SETTLES_WITHIN: Duration = Duration::from_secs(20);

/// Shorter than the silence of a fault, longer than any answer.
fn short() -> Patience {
    let briefly = Duration::from_millis(400);
    Patience { read: briefly, write: briefly, repeats: 1, pause: Duration::from_millis(1), ..patience() }
}

/// Lives through a day; the error says what was wrong with it.
pub(super) async fn live(plan: &Plan) -> Result<Tally, String> {
    let mut sim = Sim::start(&plan.clouds).await;
    let adapter = sim.adapter().await;
    let mut ears = Ears::listen(&adapter);
    let mut written = Vec::new();
    for call in &plan.calls {
        sim.perform(&adapter, *call, &mut written).await;
        ears.attend();
    }
    let strikes = sim.control("GET", "faults", "").await;
    sim.control("DELETE", "faults", "").await;
    // The limiter of the day may know of a pause that a fault invented; calm weather has its own.
    let calm = sim.patient().await;
    sim.hears(&calm, ears, &mut written).await?;
    let mut tally = sim.settled(&written).await?;
    tally.count_events(&strikes);
    Ok(tally)
}

struct Sim {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Sim {
    async fn start(clouds: &[Cloud]) -> Self {
        let start = Ms::at_et(NaiveDate::from_ymd_opt(2026, 9, 10).unwrap(), 11, 0);
        let token = Token { world: World::Sandbox, token: TOKEN.to_owned(), accounts: Vec::new() };
        let config = Config {
            tokens: vec![token],
            limits: RateLimits::Lifted,
            scenario: scenario(clouds),
            ..Config::manual(7, start)
        };
        let server = Server::bind(config, "127.0.0.1:0").await.unwrap();
        let address = server.address().unwrap();
        let mut task = JoinSet::new();
        task.spawn(server.serve(std::future::pending()));
        Self { address, _task: task }
    }

    /// A new one has a new limiter: it knows of no pause.
    async fn adapter(&self) -> Tradier {
        tradier_at(&format!("http://{}/v1", self.address), Clock::system(), short()).await
    }

    /// For calm weather, in which nothing but a busy machine is slow.
    async fn patient(&self) -> Tradier {
        tradier_at(&format!("http://{}/v1", self.address), Clock::system(), patience()).await
    }

    async fn perform(&mut self, adapter: &Tradier, call: Call, written: &mut Vec<Written>) {
        match call {
            Call::Place(form, manner) => {
                let tag = format!("e{}-7f3a", written.len());
                let order = order(form, &tag);
                let end = end(manner, adapter.place(&order, send(manner))).await;
                written.push(Written { deed: Deed::Place(tag), end });
            }
            Call::Cancel(which, manner) => {
                let id = chosen(which, written);
                let end = end(manner, adapter.cancel(id, send(manner))).await;
                written.push(Written { deed: Deed::Cancel(id), end });
            }
            Call::Change(which, cents, manner) => {
                let id = chosen(which, written);
                let price = Pricing::Limit(format!("0.{cents:02}").parse().unwrap());
                let end = end(manner, adapter.change(id, Change::new(Some(price), None).unwrap(), send(manner))).await;
                written.push(Written { deed: Deed::Change(id), end });
            }
            Call::Wait(ms) => {
                self.control("POST", "clock", &json!({ "step_ms": ms }).to_string()).await;
            }
            Call::Orders | Call::Order(_) | Call::Positions | Call::Balances | Call::Profile => {
                read(adapter, call, written).await;
            }
        }
    }

    /// In calm weather the stream is back and tells of a new order; all day it named nothing else than orders.
    async fn hears(&mut self, calm: &Tradier, day: Ears, written: &mut Vec<Written>) -> Result<(), String> {
        let mut named = day.end();
        let mut ears = Ears::listen(calm);
        ears.back().await?;
        // A subscription takes hold some time after it was sent: orders before that make no event.
        let deadline = Instant::now() + SETTLES_WITHIN * 4;
        loop {
            self.perform(calm, Call::Place(Form::Limit, Manner::Patient), written).await;
            let placed = written.last().and_then(Written::order).ok_or("an order in calm weather was not accepted")?;
            if ears.tells_of(placed).await {
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("the stream never told of a new order: {:?}", ears.end()));
            }
        }
        named.extend(ears.end());
        let ledger = self.control("GET", "ledger", "").await;
        let known = Seen::read(&ledger, Vec::new()).orders();
        match named.into_iter().find(|id| !known.contains(&id.get())) {
            Some(stranger) => Err(format!("the stream named {stranger}, which nobody placed")),
            None => Ok(()),
        }
    }

    /// What is there when everything has arrived, against what the adapter said.
    async fn settled(&self, written: &[Written]) -> Result<Tally, String> {
        let calm = self.patient().await;
        let in_doubt = written.iter().any(|write| write.end.ran_out_of_time());
        let deadline = Instant::now() + if in_doubt { SETTLES_WITHIN } else { Duration::ZERO };
        loop {
            let listed = calm.orders(OrderScope::Session, Priority::Read).await;
            let orders: Vec<Order> = listed.map_err(|error| format!("no list in calm weather: {error}"))?.orders;
            let ledger = self.control("GET", "ledger", "").await;
            let verdict = judge(written, &Seen::read(&ledger, orders));
            if verdict.is_ok() || Instant::now() > deadline {
                return verdict.map_err(|what| format!("{what}\nwritten: {written:#?}\nledger: {ledger:#}"));
            }
        }
    }

    async fn control(&self, method: &str, what: &str, body: &str) -> serde_json::Value {
        hand(self.address, method, what, body).await
    }
}

/// The broker keeps the tag of an OTOCO in one world and drops it in the other; here it keeps it.
const SETTINGS: &str = "[settings]\notoco_drops_tag = \"off\"\n";

fn scenario(clouds: &[Cloud]) -> Scenario {
    let blocks = clouds.iter().map(|cloud| {
        format!(
            "[[fault]]\nkind = \"{}\"\nendpoint = \"{}\"\nchance = {:.2}\nms = {}\njitter_ms = 5\n",
            word(cloud.kind),
            cloud.place,
            f64::from(cloud.percent) / 100.0,
            if word(cloud.kind) == "latency" { 1 } else { 700 }
        )
    });
    Scenario::parse(&format!("{SETTINGS}{}", blocks.collect::<String>())).unwrap()
}

/// Reads may fail in any way; none of them may write, which the ledger shows.
async fn read(adapter: &Tradier, call: Call, written: &[Written]) {
    match call {
        Call::Orders => drop(adapter.orders(OrderScope::Session, Priority::Read).await),
        Call::Order(which) => drop(adapter.order(chosen(which, written), Priority::Read).await),
        Call::Positions => drop(adapter.positions(Priority::Read).await),
        Call::Balances => drop(adapter.balances(Priority::Read).await),
        Call::Profile => drop(adapter.profile(Priority::Read).await),
        Call::Place(..) | Call::Cancel(..) | Call::Change(..) | Call::Wait(_) => {}
    }
}

async fn end(manner: Manner, write: impl Future<Output = WriteOutcome>) -> End {
    match manner {
        Manner::Patient | Manner::Late => End::Told(write.await),
        Manner::GoesAway(ms) => match tokio::time::timeout(Duration::from_millis(ms.into()), write).await {
            Ok(outcome) => End::Told(outcome),
            Err(_) => End::WentAway,
        },
    }
}

fn send(manner: Manner) -> Send {
    let now = Clock::system().now();
    let by = match manner {
        Manner::Patient | Manner::GoesAway(_) => now + TimeDelta::seconds(20),
        Manner::Late => now - TimeDelta::milliseconds(1),
    };
    Send { priority: Priority::Entry, by }
}

/// One of the orders that were accepted so far, or nobody's.
fn chosen(which: usize, written: &[Written]) -> OrderId {
    let known: Vec<OrderId> = written.iter().filter_map(Written::order).collect();
    known.iter().rev().nth(which).copied().unwrap_or_else(|| OrderId::new(NOBODYS).unwrap())
}

fn order(form: Form, tag: &str) -> NewOrder {
    let price = |text: &str| text.parse().unwrap();
    let entry = leg(TradeSide::BuyToOpen, Pricing::Limit(price("0.05")));
    let exits = [
        leg(TradeSide::SellToClose, Pricing::Limit(price("90.00"))),
        leg(TradeSide::SellToClose, Pricing::Stop(price("0.01"))),
    ];
    let (shape, lifetime) = match form {
        Form::Market => (Shape::Single(leg(TradeSide::BuyToOpen, Pricing::Market)), Lifetime::Day),
        Form::Limit => (Shape::Single(entry), Lifetime::Gtc),
        Form::Stop => (Shape::Single(leg(TradeSide::SellToClose, Pricing::Stop(price("0.01")))), Lifetime::Gtc),
        Form::Oco => (Shape::Oco(exits), Lifetime::Gtc),
        Form::Otoco => (Shape::Otoco { entry, exits }, Lifetime::Gtc),
    };
    NewOrder::new(instrument(), shape, lifetime, tag.parse().unwrap()).unwrap()
}
