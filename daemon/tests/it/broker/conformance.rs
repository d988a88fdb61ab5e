//! The adapter against the simulator, which was written from the broker's documents and shares no
//! code with it: what one says, the other understands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use blotter_daemon::broker::factory::{Account, Addresses, BrokerFactory, LiveLock};
use blotter_daemon::broker::rate_limit::{Limiters, Limits, MemoryStore};
use blotter_daemon::broker::tradier::TokenVerdict;
use blotter_daemon::broker::tradier::stream::{AccountStream, Hint, StreamPatience, StreamState};
use blotter_daemon::broker::{
    AuthTrouble, Change, Fill, Instrument, Lifetime, NewOrder, Order, OrderId, OrderScope, OrderStatus, Pricing,
    Priority, Send, Shape, TradeSide, WriteOutcome, tls,
};
use blotter_daemon::clock::Clock;
use blotter_shared::domain::BrokerMode;
use blotter_sim::Server;
use blotter_sim::config::Config;
use blotter_sim::time::Ms;
use chrono::{NaiveDate, TimeDelta};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::support::{bracket, hand, instrument, leg};
use crate::support::DEADLINE;

const SANDBOX: &str = "sandbox-token";
const CONTRACT: &str = "SPY260918C00600000";

/// A simulator in this process; it ends with the test.
struct Sim {
    address: SocketAddr,
    factory: BrokerFactory,
    _task: JoinSet<()>,
}

impl Sim {
    async fn start() -> Self {
        let start = Ms::at_et(NaiveDate::from_ymd_opt(2026, 9, 10).unwrap(), 11, 0);
        let server = Server::bind(Config::manual(7, start), "127.0.0.1:0").await.unwrap();
        let address = server.address().unwrap();
        let here = Some(format!("http://{address}/v1"));
        let mut task = JoinSet::new();
        task.spawn(server.serve(std::future::pending()));
        let clock = Clock::system();
        let limiters = Limiters::new(Limits::default(), Arc::new(MemoryStore::default()), clock.clone());
        let addresses = Addresses { sim: here.clone(), sandbox: here.clone(), live: here };
        Self {
            address,
            factory: BrokerFactory::new(LiveLock::Locked, addresses, Arc::new(limiters), clock),
            _task: task,
        }
    }

    /// Fixes the market in the contract that is traded here.
    async fn pin(&self, bid: &str, ask: &str) {
        let pin = json!({ "symbol": CONTRACT, "do": "pin", "bid": bid, "ask": ask, "quantity": 500 });
        hand(self.address, "POST", "do", &pin.to_string()).await;
    }

    /// Lets trading time pass.
    async fn step(&self, ms: i64) {
        hand(self.address, "POST", "clock", &json!({ "step_ms": ms }).to_string()).await;
    }

    async fn settings(&self, settings: serde_json::Value) {
        hand(self.address, "POST", "settings", &settings.to_string()).await;
    }

    /// Buys one contract at 1.00 and waits until it is held.
    async fn own(&self, account: &Account) -> OrderId {
        self.pin("0.98", "1.00").await;
        let id = accepted(account.broker.place(&single(TradeSide::BuyToOpen, Pricing::Market), send()).await);
        self.step(3_000).await;
        id
    }

    /// An account of the world whose prices are not a quarter of an hour old: what is pinned there holds at once.
    async fn prompt_account(&self) -> Account {
        self.factory.open(BrokerMode::Sim, "6YA00001".parse().unwrap(), "live-token".into()).await.unwrap()
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

fn single(side: TradeSide, pricing: Pricing) -> NewOrder {
    NewOrder::new(instrument(), Shape::Single(leg(side, pricing)), Lifetime::Day, "s1-7f3a".parse().unwrap()).unwrap()
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

#[tokio::test]
async fn a_fill_has_quantity_and_price_and_makes_the_position() {
    let sim = Sim::start().await;
    let account = sim.prompt_account().await;
    let id = sim.own(&account).await;
    let seen = account.broker.order(id, Priority::Read).await.unwrap();
    let one = "1".parse().unwrap();
    assert_eq!(
        (seen.fill(), seen.is_final_throughout()),
        (Fill::Done { quantity: one, average: one }, true),
        "{seen:#?}"
    );
    let positions = account.broker.positions(Priority::Read).await.unwrap();
    let held: Vec<_> = positions.iter().map(|p| (p.symbol.as_str(), p.quantity, p.cost_basis)).collect();
    assert_eq!(held, [(CONTRACT, one, Some("100".parse().unwrap()))]);
}

/// The broker says `filled` before it says at which price: until then there is no price to book.
#[tokio::test]
async fn a_fill_without_its_price_is_told_apart_from_one_with_it() {
    let sim = Sim::start().await;
    let account = sim.prompt_account().await;
    sim.settings(json!({ "price_lag_chance": 1.0, "price_lag_ms": [2_000, 2_000], "accept_ms": [10, 10] })).await;
    sim.pin("0.98", "1.00").await;
    let id = accepted(account.broker.place(&single(TradeSide::BuyToOpen, Pricing::Market), send()).await);
    sim.step(500).await;
    let early = account.broker.order(id, Priority::Read).await.unwrap();
    assert_eq!(early.status, OrderStatus::Filled, "{early:#?}");
    assert!(!matches!(early.fill(), Fill::Done { .. }), "a price was made up: {early:#?}");
    sim.step(3_000).await;
    let late = account.broker.order(id, Priority::Read).await.unwrap();
    assert!(matches!(late.fill(), Fill::Done { .. }), "{late:#?}");
}

#[tokio::test]
async fn a_part_fill_is_counted_and_is_not_the_end() {
    let sim = Sim::start().await;
    let account = sim.prompt_account().await;
    let pin = json!({ "symbol": CONTRACT, "do": "pin", "bid": "0.98", "ask": "1.00", "quantity": 1 });
    hand(sim.address, "POST", "do", &pin.to_string()).await;
    let quantity = blotter_shared::domain::Quantity::new(3).unwrap();
    let leg = blotter_daemon::broker::Leg { side: TradeSide::BuyToOpen, quantity, pricing: Pricing::Market };
    let tag = "p1-7f3a".parse().unwrap();
    let order = NewOrder::new(instrument(), Shape::Single(leg), Lifetime::Day, tag).unwrap();
    let id = accepted(account.broker.place(&order, send()).await);
    sim.step(100).await;
    let part = account.broker.order(id, Priority::Read).await.unwrap();
    assert_eq!((&part.status, part.is_final_throughout()), (&OrderStatus::PartiallyFilled, false), "{part:#?}");
    sim.step(10_000).await;
    let whole = account.broker.order(id, Priority::Read).await.unwrap();
    let (three, one) = ("3".parse().unwrap(), "1".parse().unwrap());
    assert_eq!(whole.fill(), Fill::Done { quantity: three, average: one }, "{whole:#?}");
}

#[tokio::test]
async fn a_target_that_is_hit_fills_one_leg_and_ends_the_pair_a_moment_later() {
    let sim = Sim::start().await;
    let account = sim.prompt_account().await;
    sim.own(&account).await;
    let id = accepted(account.broker.place(&bracket(), send()).await);
    sim.step(1_000).await;
    sim.settings(json!({ "sibling_ms": [400, 400], "parent_ms": [100, 100], "price_lag_chance": 0.0 })).await;
    sim.pin("1.15", "1.17").await;
    let mut between = account.broker.order(id, Priority::Read).await.unwrap();
    for _ in 0..20 {
        if between.legs.iter().any(|leg| leg.status == OrderStatus::Filled) {
            break;
        }
        sim.step(100).await;
        between = account.broker.order(id, Priority::Read).await.unwrap();
    }
    let legs = |order: &Order| order.legs.iter().map(|leg| leg.status.clone()).collect::<Vec<_>>();
    assert_eq!(legs(&between), [OrderStatus::Filled, OrderStatus::Open], "{between:#?}");
    assert!(!between.is_final_throughout(), "one leg is still alive");
    sim.step(1_000).await;
    let after = account.broker.order(id, Priority::Read).await.unwrap();
    assert_eq!(legs(&after), [OrderStatus::Filled, OrderStatus::Canceled], "{after:#?}");
    assert!(after.is_final_throughout());
    assert!(account.broker.positions(Priority::Read).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_order_that_is_rejected_later_says_why() {
    let sim = Sim::start().await;
    let account = sim.prompt_account().await;
    sim.pin("0.98", "1.00").await;
    let id = accepted(account.broker.place(&single(TradeSide::SellToClose, Pricing::Market), send()).await);
    sim.step(3_000).await;
    let seen = account.broker.order(id, Priority::Read).await.unwrap();
    assert_eq!((&seen.status, seen.fill()), (&OrderStatus::Rejected, Fill::Nothing), "{seen:#?}");
    assert!(seen.reason.as_deref().is_some_and(|reason| reason.contains("UnexpectedSellOrderOption")), "{seen:#?}");
}

/// Places under a fault: the tags that the list then shows, and how many orders the broker made of it.
async fn lost(sim: &Sim, fault: &str, shape: Shape) -> (Vec<Option<String>>, usize) {
    let account = sim.account().await;
    let once = json!({ "kind": fault, "endpoint": "place", "count": 1 });
    hand(sim.address, "POST", "faults", &once.to_string()).await;
    let order = NewOrder::new(instrument(), shape, Lifetime::Gtc, "l1-7f3a".parse().unwrap()).unwrap();
    let outcome = account.broker.place(&order, send()).await;
    assert!(matches!(outcome, WriteOutcome::Unknown { .. }), "{fault}: {outcome}");
    sim.step(6_000).await;
    let tags = listed(&account).await.into_iter().map(|order| order.tag).collect();
    let ledger = hand(sim.address, "GET", "ledger", "").await;
    let placed = ledger["entries"].as_array().unwrap().iter();
    (tags, placed.filter(|entry| entry["fact"] == "placed" && entry["parent"].is_null()).count())
}

/// What the engine goes by when an answer was lost: the tag finds the one order that came of it, for every shape that
/// it sends. The sandbox drops the tag of an OTOCO, which is why the engine sends none.
#[tokio::test]
async fn an_unknown_is_found_by_its_tag_if_it_arrived() {
    let price = |text: &str| text.parse().unwrap();
    let entry = leg(TradeSide::BuyToOpen, Pricing::Limit(price("0.01")));
    let exits = [
        leg(TradeSide::SellToClose, Pricing::Limit(price("90.00"))),
        leg(TradeSide::SellToClose, Pricing::Stop(price("0.01"))),
    ];
    for shape in [Shape::Single(entry), Shape::Oco(exits), Shape::Otoco { entry, exits }] {
        let sim = Sim::start().await;
        assert_eq!(lost(&sim, "lost_request", shape).await, (Vec::new(), 0), "{shape:?}");
        let sim = Sim::start().await;
        let tag = match shape {
            Shape::Single(_) | Shape::Oco(_) => Some("l1-7f3a".to_owned()),
            Shape::Otoco { .. } => None,
        };
        assert_eq!(lost(&sim, "lost_answer", shape).await, (vec![tag], 1), "{shape:?}");
    }
}

/// The next hint that names an order.
async fn named(hints: &mut mpsc::Receiver<Hint>) -> Hint {
    let next = async {
        loop {
            let hint = hints.recv().await.expect("the stream lives");
            if hint.order.is_some() {
                return hint;
            }
        }
    };
    tokio::time::timeout(DEADLINE, next).await.expect("a hint in time")
}

#[tokio::test]
async fn the_account_stream_names_orders_and_the_groups_of_their_legs() {
    let sim = Sim::start().await;
    let account = sim.prompt_account().await;
    let (stream, mut hints, mut state) =
        AccountStream::new(&account.tradier, tls::none().unwrap(), StreamPatience::default());
    let (shutdown, mut task) = (CancellationToken::new(), JoinSet::new());
    task.spawn(stream.run(shutdown.clone()));
    let live = state.wait_for(|state| matches!(state, StreamState::Live { .. }));
    tokio::time::timeout(DEADLINE, live).await.expect("a live stream").unwrap();
    sim.pin("0.98", "1.00").await;
    // The subscription takes hold some time after it was sent: orders before that make no event.
    let first = loop {
        let id = accepted(account.broker.place(&single(TradeSide::BuyToOpen, Pricing::Market), send()).await);
        sim.step(1_000).await;
        let heard = tokio::time::timeout(Duration::from_secs(1), named(&mut hints)).await;
        if let Ok(hint) = heard {
            assert!(hint.order <= Some(id) && hint.parent.is_none(), "{hint:?}");
            break id;
        }
    };
    let pair = accepted(account.broker.place(&bracket(), send()).await);
    assert!(pair > first);
    let of_leg = loop {
        let hint = named(&mut hints).await;
        if hint.parent.is_some() {
            break hint;
        }
    };
    assert_eq!(of_leg.parent, Some(pair), "a leg names its group");
    let legs = account.broker.order(pair, Priority::Read).await.unwrap().legs;
    assert!(legs.iter().any(|leg| Some(leg.id) == of_leg.order), "{of_leg:?} {legs:#?}");
    shutdown.cancel();
    while task.join_next().await.is_some() {}
    assert_eq!(*state.borrow(), StreamState::Off);
}
