//! The adapter against the simulator, which was written from the broker's documents and shares no
//! code with it: what one says, the other understands.

use std::sync::Arc;

use blotter_daemon::broker::factory::{Account, Addresses, BrokerFactory, LiveLock};
use blotter_daemon::broker::rate_limit::{Limiters, Limits, MemoryStore};
use blotter_daemon::broker::tradier::TokenVerdict;
use blotter_daemon::broker::{
    AuthTrouble, Change, Instrument, Lifetime, NewOrder, Order, OrderId, OrderScope, Pricing, Priority, Send, Shape,
    TradeSide, WriteOutcome,
};
use blotter_daemon::clock::Clock;
use blotter_shared::domain::BrokerMode;
use blotter_sim::Server;
use blotter_sim::config::Config;
use blotter_sim::time::Ms;
use chrono::{NaiveDate, TimeDelta};
use tokio::task::JoinSet;

use super::support::leg;

const SANDBOX: &str = "sandbox-token";

/// A simulator in this process; it ends with the test.
struct Sim {
    factory: BrokerFactory,
    _task: JoinSet<()>,
}

impl Sim {
    async fn start() -> Self {
        let start = Ms::at_et(NaiveDate::from_ymd_opt(2026, 9, 10).unwrap(), 11, 0);
        let server = Server::bind(Config::manual(7, start), "127.0.0.1:0").await.unwrap();
        let here = Some(format!("http://{}/v1", server.address().unwrap()));
        let mut task = JoinSet::new();
        task.spawn(server.serve(std::future::pending()));
        let clock = Clock::system();
        let limiters = Limiters::new(Limits::default(), Arc::new(MemoryStore::default()), clock.clone());
        let addresses = Addresses { sim: here.clone(), sandbox: here.clone(), live: here };
        Self { factory: BrokerFactory::new(LiveLock::Locked, addresses, Arc::new(limiters), clock), _task: task }
    }

    async fn account(&self) -> Account {
        self.factory.open(BrokerMode::Sandbox, "VA00000001".parse().unwrap(), SANDBOX.into()).await.unwrap()
    }
}

fn send() -> Send {
    Send { priority: Priority::Entry, by: Clock::system().now() + TimeDelta::seconds(30) }
}

/// A contract that is listed, and the tag under which the order is found again.
async fn order(account: &Account, shape: Shape, tag: &str) -> NewOrder {
    let underlying = "SPY".parse().unwrap();
    let expiries = account.market.expirations(&underlying, Priority::Read).await.unwrap();
    let expiry = *expiries.last().expect("an expiry");
    let chain = account.market.chain(&underlying, expiry, Priority::Read).await.unwrap();
    assert!(!chain.rows.is_empty(), "the chain of {expiry} is empty");
    let contract = chain.rows[chain.rows.len() / 2].symbol.parse().unwrap();
    NewOrder::new(Instrument { underlying, contract }, shape, Lifetime::Gtc, tag.parse().unwrap()).unwrap()
}

fn accepted(outcome: WriteOutcome) -> OrderId {
    match outcome {
        WriteOutcome::Accepted { id, .. } => id,
        other @ (WriteOutcome::Refused { .. } | WriteOutcome::NotSent { .. } | WriteOutcome::Unknown { .. }) => {
            panic!("not accepted: {other}")
        }
    }
}

async fn listed(account: &Account) -> Vec<Order> {
    account.broker.orders(OrderScope::Session, Priority::Read).await.unwrap().orders
}

#[tokio::test]
async fn a_token_is_told_apart_by_its_environment() {
    let sim = Sim::start().await;
    match sim.factory.verify(BrokerMode::Sandbox, SANDBOX.into()).await.unwrap() {
        TokenVerdict::Good(profile) => assert_eq!(profile.accounts[0].account_number.as_str(), "VA00000001"),
        other @ (TokenVerdict::Refused(_) | TokenVerdict::Undecided(_)) => panic!("{other:?}"),
    }
    let verdict = sim.factory.verify(BrokerMode::Sandbox, "nobodys-token".into()).await.unwrap();
    assert!(
        matches!(verdict, TokenVerdict::Refused(AuthTrouble::Invalid | AuthTrouble::WrongEnvironment)),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_limit_order_is_found_by_its_tag_once_and_cancelled() {
    let sim = Sim::start().await;
    let account = sim.account().await;
    let shape = Shape::Single(leg(TradeSide::BuyToOpen, Pricing::Limit("0.01".parse().unwrap())));
    let order = order(&account, shape, "e1-7f3a").await;
    let id = accepted(account.broker.place(&order, send()).await);
    let seen = account.broker.order(id, Priority::Read).await.unwrap();
    assert_eq!((seen.id, seen.tag.as_deref()), (id, Some("e1-7f3a")));
    assert_eq!(listed(&account).await.iter().filter(|order| order.tag.as_deref() == Some("e1-7f3a")).count(), 1);
    assert_eq!(accepted(account.broker.cancel(id, send()).await), id);
    assert!(account.broker.positions(Priority::Read).await.unwrap().is_empty());
    assert!(account.broker.balances(Priority::Read).await.is_ok());
    assert!(account.broker.clock(Priority::Read).await.is_ok());
    assert_eq!(account.broker.calendar(2026, 9, Priority::Read).await.unwrap().len(), 30);
}

#[tokio::test]
async fn an_oco_is_one_order_with_two_legs() {
    let sim = Sim::start().await;
    let account = sim.account().await;
    let shape = Shape::Oco([
        leg(TradeSide::SellToClose, Pricing::Limit("90.00".parse().unwrap())),
        leg(TradeSide::SellToClose, Pricing::Stop("0.01".parse().unwrap())),
    ]);
    let order = order(&account, shape, "b1-7f3a").await;
    let id = accepted(account.broker.place(&order, send()).await);
    let seen = account.broker.order(id, Priority::Read).await.unwrap();
    assert_eq!(seen.legs.len(), 2, "{seen:#?}");
    let tagged = listed(&account).await.into_iter().filter(|order| order.tag.as_deref() == Some("b1-7f3a")).count();
    assert_eq!(tagged, 1, "one request, one order");
}

#[tokio::test]
async fn a_change_keeps_the_number_and_is_seen() {
    let sim = Sim::start().await;
    let account = sim.account().await;
    let shape = Shape::Single(leg(TradeSide::BuyToOpen, Pricing::Limit("0.01".parse().unwrap())));
    let order = order(&account, shape, "e2-7f3a").await;
    let id = accepted(account.broker.place(&order, send()).await);
    let dearer = Change::new(Some(Pricing::Limit("0.02".parse().unwrap())), None).unwrap();
    assert_eq!(accepted(account.broker.change(id, dearer, send()).await), id);
    let seen = account.broker.order(id, Priority::Read).await.unwrap();
    assert_eq!(seen.price, Some("0.02".parse().unwrap()), "{seen:#?}");
    assert_eq!(accepted(account.broker.cancel(id, send()).await), id);
}

/// The sandbox keeps no tag of an OTOCO: such an order is known by its number alone.
#[tokio::test]
async fn an_otoco_is_one_order_with_three_legs_and_in_the_sandbox_without_its_tag() {
    let sim = Sim::start().await;
    let account = sim.account().await;
    let entry = leg(TradeSide::BuyToOpen, Pricing::Limit("0.01".parse().unwrap()));
    let exits = [
        leg(TradeSide::SellToClose, Pricing::Limit("90.00".parse().unwrap())),
        leg(TradeSide::SellToClose, Pricing::Stop("0.01".parse().unwrap())),
    ];
    let order = order(&account, Shape::Otoco { entry, exits }, "g1-7f3a").await;
    let id = accepted(account.broker.place(&order, send()).await);
    let all = listed(&account).await;
    assert_eq!(all.iter().map(|order| (order.id, order.legs.len())).collect::<Vec<_>>(), [(id, 3)], "{all:#?}");
    assert_eq!(all[0].tag, None);
}
