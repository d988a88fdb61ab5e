//! The daemon as a process, on a real PostgreSQL and a simulated broker over HTTP: killed at each of its
//! writes and reads, with its database crashing under it, and two of them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blotter_daemon::broker::factory::Account;
use blotter_daemon::broker::{Order, OrderScope, Priority};
use blotter_daemon::calendar::{Calendar, Force};
use blotter_daemon::clock::Clock;
use blotter_daemon::db::engine::AccountKey;
use blotter_daemon::db::{Db, DbState};
use blotter_daemon::trades::commands::{Close, Command, Desk, judge};
use blotter_daemon::trades::facts::Trade;
use blotter_daemon::trades::ports::{BrokerPort, Quote, Sessions, Symbol};
use blotter_daemon::trades::runtime::broker::BrokerAccount;
use blotter_daemon::trades::runtime::clock::Exchange;
use blotter_daemon::trades::runtime::store::Ledger;
use blotter_daemon::trades::timing::Timing;
use blotter_shared::domain::{BrokerMode, OptionContract, TradeId, TradeStatus};
use blotter_sim::config::{Config, RateLimits};
use blotter_sim::time::Ms;
use blotter_sim::{Pace, Server};
use blotter_testkit::Cluster;
use blotter_testkit::daemon::{Daemon, Options};
use blotter_testkit::socket::Connection;
use chrono::{Days, NaiveDate, Utc};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::rig::{self, BRACKET, CLOSE, ENTRY, NUMBER, is_confirmed};
use super::tap::{Moment, Tap, Wanted};
use crate::support::{DEADLINE, Raw, config, looks, reach};

/// Seals the same tokens for every life of a daemon.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Waits that end in nothing are so many times as short.
const TIME_SCALE: u32 = 20;

struct Stage {
    ledger: Ledger,
    account: Account,
    contract: OptionContract,
    tap: Tap,
    cluster: Cluster,
    daemon: Daemon,
    _tasks: JoinSet<()>,
}

/// A day with a session, today or after.
fn session_day() -> NaiveDate {
    let today = Utc::now().date_naive();
    (0..7).map(|ahead| today + Days::new(ahead)).find(|day| blotter_sim::calendar::session(*day).is_some()).unwrap()
}

impl Stage {
    async fn start() -> Self {
        let mut settings = Config::manual(7, Ms::at_et(session_day(), 11, 0));
        settings.pace = Pace::Times(1.0);
        settings.limits = RateLimits::Lifted;
        settings.scenario.settings.step_ms = 20;
        let server = Server::bind(settings, "127.0.0.1:0").await.unwrap();
        let sim = server.address().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(server.serve(std::future::pending()));
        let tap = Tap::before(sim).await;
        let cluster = Cluster::start().unwrap();
        let clock = Clock::system();
        let account = rig::account(&format!("http://{sim}/v1"), &clock).await;
        let contract = rig::contract(&account).await;
        rig::pin(sim, &contract, "5.00", "5.10").await;
        let mut daemon = prepare(&cluster, &tap);
        daemon.spawn().unwrap();
        daemon.wait_healthy().await.unwrap();
        let user = daemon.username().await.unwrap().parse().unwrap();
        let mut client = Connection::open(&daemon.socket()).await.unwrap();
        let (token, key) = (json!({"mode": "SIM", "token": "live-token"}), [("idempotency-key", "k1")]);
        let stored = client.call(Method::PUT, "/v1/tokens", &key, &token).await.unwrap();
        assert_eq!(stored.status, StatusCode::OK, "{}", stored.text());
        daemon.kill().unwrap();
        let db = Db::connect(config(&cluster.url()), &clock);
        reach(&db, DbState::Ready).await;
        let key = AccountKey { mode: BrokerMode::Sim, number: NUMBER.to_owned() };
        let ledger = Ledger { db, user, account: key, epoch_base: 0, hub: None };
        Self { ledger, account, contract, tap, cluster, daemon, _tasks: tasks }
    }

    /// The daemon begins its next life; the lease of the one before has run out.
    async fn revive(&mut self) {
        self.expire().await;
        // What the one before used up of the minute is not what is tested here.
        let _none = std::fs::remove_dir_all(self.daemon.data_dir().join("rates"));
        self.daemon.spawn().unwrap();
    }

    async fn expire(&self) {
        let admin = Raw::connect(&self.cluster.url()).await;
        admin.batch_execute("UPDATE leases SET expires_at = clock_timestamp() - interval '1 s'").await.unwrap();
    }

    /// Killed in the moment in which this request passes, and started again.
    async fn die(&mut self, wanted: Wanted, moment: Moment) {
        self.tap.set(wanted, moment);
        self.revive().await;
        self.tap.reached(wanted, moment).await;
        self.daemon.kill().unwrap();
        self.tap.go_on();
        self.revive().await;
    }

    /// Judges a command on what is durable and makes it durable, as the socket's route does.
    async fn command(&self, command: Command) {
        let now = Utc::now();
        let exchange = Exchange { calendar: Arc::new(Calendar::new()), force: Force::Open };
        let quote = Quote { bid: "5.00".parse().ok(), ask: "5.10".parse().ok(), at: now };
        let quotes = BTreeMap::from([(Symbol::new(&self.contract.occ()), quote)]);
        let tx = self.ledger.db.user_tx(&self.ledger.user).await.unwrap();
        let book = self.ledger.book(&tx).await.unwrap();
        let session = exchange.at(now);
        let desk = Desk { book: &book, now, session, timing: Timing::PRODUCTION, quotes: &quotes, positions: &[] };
        let accepted = judge(&command, &desk).unwrap();
        self.ledger.write(&tx, &accepted.changes).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn place(&self) -> TradeId {
        let id = TradeId(Uuid::now_v7());
        self.command(Command::Place(Box::new(rig::wanted(&self.contract, id)))).await;
        id
    }

    /// A position with its bracket; the daemon that made it is gone.
    async fn hold(&mut self) -> TradeId {
        let id = self.place().await;
        self.revive().await;
        self.until("the bracket is confirmed", id, is_confirmed).await;
        self.daemon.kill().unwrap();
        id
    }

    async fn close(&self, id: TradeId) {
        self.command(Command::Close(id, Close { version: 1, quantity: None, limit: None, at_open: false })).await;
    }

    async fn trade(&self, id: TradeId) -> Trade {
        let tx = self.ledger.db.user_tx(&self.ledger.user).await.unwrap();
        self.ledger.book(&tx).await.unwrap().trades.remove(&id).expect("the trade is watched")
    }

    /// Waits until the trade is as wanted.
    async fn until(&self, what: &str, id: TradeId, done: impl Fn(&Trade) -> bool) -> Trade {
        let mut looks = looks();
        let mut last = None;
        let reached = tokio::time::timeout(2 * DEADLINE, async {
            loop {
                looks.tick().await;
                let trade = self.trade(id).await;
                if done(&trade) {
                    return trade;
                }
                last = Some(trade);
            }
        });
        match reached.await {
            Ok(trade) => trade,
            Err(_) => panic!("waited for: {what}; {last:#?}; the daemon's log:\n{}", self.daemon.log()),
        }
    }

    /// Our orders at the broker for a trade, by a part of their tags.
    async fn ours(&self, id: TradeId, part: &str) -> Vec<Order> {
        let list = self.account.broker.orders(OrderScope::Session, Priority::Read).await.unwrap();
        let of_trade = |order: &Order| {
            let tag = order.tag.as_ref().and_then(|tag| tag.as_str().parse::<blotter_daemon::trades::tag::Tag>().ok());
            tag.is_some_and(|tag| tag.trade == id)
        };
        let tagged = |order: &Order| order.tag.as_ref().is_some_and(|tag| tag.as_str().contains(part));
        list.orders.into_iter().filter(|order| of_trade(order) && tagged(order)).collect()
    }

    async fn position(&self) -> i64 {
        let broker = BrokerAccount { account: self.account.clone(), clock: Clock::system() };
        let positions = broker.positions().await.unwrap();
        positions.iter().filter(|position| position.symbol.as_str() == self.contract.occ()).map(|p| p.quantity).sum()
    }

    /// It is closed, by one order that executed, and nothing is left.
    async fn check_closed(&self, id: TradeId, of: &str) {
        let trade = self.until("it is closed", id, |trade| trade.marks.status == TradeStatus::Closed).await;
        let closes = self.ours(id, CLOSE).await;
        let tags: BTreeSet<_> = closes.iter().map(|order| order.tag.clone()).collect();
        assert_eq!((closes.len(), tags.len()), (1, 1), "{of}: {closes:#?}\n{trade:#?}");
        assert_eq!(self.position().await, 0, "{of}");
    }
}

fn prepare(cluster: &Cluster, tap: &Tap) -> Daemon {
    let config = format!(
        "[database]\nurl = \"{}\"\n[broker]\nsim_url = \"http://{}/v1\"\ntime_scale = {TIME_SCALE}\n[market]\nforce_open = true\n",
        cluster.url(),
        tap.address
    );
    let environment = vec![("ENCRYPTION_KEY".to_owned(), KEY.to_owned())];
    Daemon::prepare(Options { config, environment }).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_at_an_entry_enters_at_most_once() {
    let mut stage = Stage::start().await;
    for (moment, entries) in [(Moment::AfterSend, 1), (Moment::BeforeSend, 0)] {
        let id = stage.place().await;
        stage.die(Wanted::Order(ENTRY), moment).await;
        if entries == 0 {
            stage.until("it is void", id, |trade| trade.marks.status == TradeStatus::Void).await;
        } else {
            stage.until("the bracket is confirmed", id, is_confirmed).await;
            stage.daemon.kill().unwrap();
            stage.close(id).await;
            stage.revive().await;
            stage.check_closed(id, "after an entry").await;
        }
        stage.daemon.kill().unwrap();
        assert_eq!(stage.ours(id, ENTRY).await.len(), entries, "{moment:?}");
        assert_eq!(stage.position().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_at_a_bracket_leaves_one() {
    let mut stage = Stage::start().await;
    for moment in [Moment::AfterSend, Moment::BeforeSend] {
        let id = stage.place().await;
        stage.die(Wanted::Order(BRACKET), moment).await;
        stage.until("the bracket is confirmed", id, is_confirmed).await;
        assert_eq!(stage.ours(id, BRACKET).await.len(), 1, "{moment:?}: what never left is not at the broker");
        stage.daemon.kill().unwrap();
        stage.close(id).await;
        stage.revive().await;
        stage.check_closed(id, "after a bracket").await;
        stage.daemon.kill().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_at_a_close_sells_once() {
    let mut stage = Stage::start().await;
    for wanted in [Wanted::Cancel, Wanted::Order(CLOSE)] {
        for moment in [Moment::AfterSend, Moment::BeforeSend] {
            let id = stage.hold().await;
            stage.close(id).await;
            stage.die(wanted, moment).await;
            stage.check_closed(id, &format!("{wanted:?} {moment:?}")).await;
            stage.daemon.kill().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_at_a_read_sells_once() {
    let mut stage = Stage::start().await;
    for read in 1..=6 {
        let id = stage.hold().await;
        stage.close(id).await;
        stage.die(Wanted::Read(read), Moment::AfterSend).await;
        stage.check_closed(id, &format!("read {read}")).await;
        stage.daemon.kill().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_in_the_middle_of_a_close_changes_nothing_about_it() {
    let mut stage = Stage::start().await;
    for wanted in [Wanted::Cancel, Wanted::Order(CLOSE)] {
        let id = stage.hold().await;
        stage.close(id).await;
        stage.tap.set(wanted, Moment::BeforeAnswer);
        stage.revive().await;
        stage.tap.reached(wanted, Moment::BeforeAnswer).await;
        stage.cluster.stop_server().unwrap();
        stage.cluster.start_server().unwrap();
        stage.tap.go_on();
        reach(&stage.ledger.db, DbState::Ready).await;
        stage.check_closed(id, &format!("{wanted:?}")).await;
        stage.daemon.kill().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_that_race_for_one_close_sell_once() {
    let mut stage = Stage::start().await;
    let mut second = prepare(&stage.cluster, &stage.tap);
    for round in 0..5 {
        let id = stage.hold().await;
        stage.close(id).await;
        let _none = std::fs::remove_dir_all(second.data_dir().join("rates"));
        stage.revive().await;
        second.spawn().unwrap();
        stage.check_closed(id, &format!("round {round}")).await;
        stage.daemon.kill().unwrap();
        second.kill().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_was_taken_over_from_in_the_middle_of_a_close_does_not_sell_again() {
    let mut stage = Stage::start().await;
    let mut second = prepare(&stage.cluster, &stage.tap);
    let id = stage.hold().await;
    stage.close(id).await;
    let held_up = (Wanted::Order(CLOSE), Moment::BeforeAnswer);
    stage.tap.set(held_up.0, held_up.1);
    stage.revive().await;
    stage.tap.reached(held_up.0, held_up.1).await;
    stage.expire().await;
    second.spawn().unwrap();
    stage.check_closed(id, "taken over").await;
    stage.tap.go_on();
    stage.check_closed(id, "and heard of late").await;
    stage.daemon.kill().unwrap();
    second.kill().unwrap();
}
