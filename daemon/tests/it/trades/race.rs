//! Two daemons over one account, and two clients that ask for the end of one trade in the same moment, while the
//! lease changes hands or the database crashes: one sale at the broker, and one truth on both.

use std::time::Instant;

use blotter_daemon::broker::Order;
use blotter_daemon::db::engine::trade_lock;
use blotter_daemon::db::trades::trade_get;
use blotter_daemon::db::{DbError, DbState};
use blotter_daemon::trades::commands::{Close, Command, Desk, RefusalCode, judge};
use blotter_daemon::trades::facts::Trade;
use blotter_daemon::trades::ports::{BrokerPort, CommitError, Symbol};
use blotter_daemon::trades::runtime::store::Ledger;
use blotter_daemon::trades::tag::Tag;
use blotter_shared::domain::{IntentRole, TradeId, TradeStatus};
use blotter_shared::protocol::health::ComponentState;
use blotter_shared::protocol::problem::ProblemCode;
use blotter_shared::protocol::trades;
use http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use super::floor::{Floor, is_closed, is_protected};
use super::rig::{Rig, TestEngine, is_confirmed};
use crate::support::{DEADLINE, Raw, looks, reach};

/// Races on one account before another is opened: its list of orders grows with each.
const RACES_OF_AN_ACCOUNT: usize = 25;

/// Races with every test run; `BLOTTER_RACES=1000` for the whole proof.
fn races_wanted() -> usize {
    #[expect(clippy::disallowed_methods, reason = "the switch of the long proof; a test has no configuration")]
    let wanted = std::env::var("BLOTTER_RACES").ok().and_then(|count| count.parse().ok());
    wanted.unwrap_or(RACES_OF_AN_ACCOUNT)
}

/// When the lease is taken from whoever has it.
const MOMENTS: [Option<&str>; 6] = [
    None,
    Some("SELECT 1::bigint"),
    Some("SELECT count(*) FROM intents WHERE op = 'CANCEL' AND trade_id = "),
    Some("SELECT count(*) FROM intents WHERE op = 'CANCEL' AND state <> 'PREPARED' AND trade_id = "),
    Some("SELECT count(*) FROM intents WHERE op = 'PLACE' AND role = 'CLOSE' AND trade_id = "),
    Some("SELECT count(*) FROM intents WHERE op = 'PLACE' AND role = 'CLOSE' AND state <> 'PREPARED' AND trade_id = "),
];

const EXPIRE: &str = "UPDATE leases SET expires_at = clock_timestamp() - interval '1 s'";

struct Account {
    rig: Rig,
    /// What the clients of each daemon see.
    ledgers: [Ledger; 2],
    admin: Raw,
    /// The daemons' loops.
    _loops: JoinSet<()>,
}

impl Account {
    async fn open() -> Self {
        let rig = Rig::start().await;
        let (one, here) = rig.daemon().await;
        let (other, there) = rig.daemon().await;
        let mut loops = JoinSet::new();
        loops.spawn(turn(one));
        loops.spawn(turn(other));
        let admin = Raw::connect(&rig.cluster.url()).await;
        Self { rig, ledgers: [here, there], admin, _loops: loops }
    }

    /// A device asks for the end of a trade through the daemon whose ledger this is; overtaken, it is judged again.
    async fn ask(&self, ledger: &Ledger, id: TradeId) -> Result<(), RefusalCode> {
        let begun = Instant::now();
        loop {
            match self.ask_once(ledger, id).await {
                Ok(judged) => return judged,
                Err(again) => assert!(begun.elapsed() < DEADLINE, "waited for a judgement; {again}"),
            }
        }
    }

    async fn ask_once(&self, ledger: &Ledger, id: TradeId) -> Result<Result<(), RefusalCode>, String> {
        let again = |error: DbError| {
            if matches!(error, DbError::Busy { .. }) { error.to_string() } else { panic!("{error:?}") }
        };
        let quotes = self.rig.broker.quotes(&[Symbol::new(&self.rig.contract.occ())]).await.unwrap();
        let tx = ledger.db.user_tx(&ledger.user).await.unwrap();
        trade_lock(&tx, id.0).await.map_err(again)?;
        let book = ledger.book(&tx).await.map_err(again)?;
        let (now, sessions, timing) = self.rig.judged_by();
        let desk = Desk { book: &book, now, sessions, timing, quotes: &quotes, positions: &[] };
        let close = Command::Close(id, Close { version: 1, quantity: None, limit: None, at_open: false });
        let accepted = match judge(&close, &desk) {
            Ok(accepted) => accepted,
            Err(refused) => return Ok(Err(refused.code)),
        };
        match ledger.write(&tx, &accepted.changes).await {
            Ok(()) => tx.commit().await.map(Ok).map_err(again),
            Err(CommitError::Overtaken(why)) => Err(why),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Waits until the trade is as wanted; the lease is taken away when the moment for it has come.
    async fn until(&self, what: &str, id: TradeId, moment: Option<&str>, done: impl Fn(&Trade) -> bool) -> Trade {
        let mut moment = moment.map(|sql| of_trade(sql, id));
        let (mut looks, begun) = (looks(), Instant::now());
        loop {
            looks.tick().await;
            if let Some(sql) = &moment
                && self.admin.count(sql).await > 0
            {
                self.admin.batch_execute(EXPIRE).await.unwrap();
                moment = None;
            }
            let trade = self.rig.trade(id).await;
            if done(&trade) {
                return trade;
            }
            assert!(begun.elapsed() < DEADLINE, "waited for: {what}; {trade:#?}");
        }
    }

    /// Our sales of a trade by hand, as the broker has them.
    async fn sales(&self, id: TradeId) -> Vec<Order> {
        let is_sale = |order: &Order| {
            let tag = order.tag.as_ref().and_then(|tag| tag.as_str().parse::<Tag>().ok());
            tag.is_some_and(|tag| tag.trade == id && matches!(tag.role, IntentRole::Close | IntentRole::Emergency))
        };
        self.rig.ours().await.into_iter().filter(is_sale).collect()
    }

    /// How one of the daemons shows it.
    async fn seen(&self, ledger: &Ledger, id: TradeId) -> trades::Trade {
        let tx = ledger.db.user_tx(&ledger.user).await.unwrap();
        trade_get(&tx, id).await.unwrap()
    }

    /// A position whose end both clients have asked for, of whom one was taken and the other told so.
    async fn closing(&self) -> TradeId {
        let id = self.rig.place().await;
        self.until("the bracket is confirmed", id, None, is_confirmed).await;
        let [here, there] = &self.ledgers;
        let (one, other) = futures_util::join!(self.ask(here, id), self.ask(there, id));
        let refused: Vec<_> = [one, other].into_iter().filter_map(Result::err).collect();
        assert_eq!(refused, [RefusalCode::AlreadyClosing]);
        id
    }

    /// The server dies at once when the moment has come, and is there again.
    async fn crash(&mut self, id: TradeId, moment: &str) {
        let (sql, mut looks, begun) = (of_trade(moment, id), looks(), Instant::now());
        while self.admin.count(&sql).await == 0 {
            looks.tick().await;
            assert!(begun.elapsed() < DEADLINE, "waited for: {sql}; {:#?}", self.rig.trade(id).await);
        }
        self.rig.cluster.stop_server().unwrap();
        self.rig.cluster.start_server().unwrap();
        self.admin = Raw::connect(&self.rig.cluster.url()).await;
        for db in [&self.rig.ledger.db, &self.ledgers[0].db, &self.ledgers[1].db] {
            reach(db, DbState::Ready).await;
        }
    }

    async fn ends_well(&self, id: TradeId, (moment, round): (Option<&str>, usize)) {
        let booked = |trade: &Trade| {
            let contracts: u32 = trade.fills.iter().map(|fill| fill.quantity).sum();
            trade.marks.status == TradeStatus::Closed && contracts == 4
        };
        let trade = self.until("it is closed", id, moment, booked).await;
        let [here, there] = &self.ledgers;
        let sales = self.sales(id).await;
        assert_eq!(sales.len(), 1, "race {round}: {sales:#?}\n{trade:#?}");
        assert_eq!(self.rig.position().await, 0, "race {round}");
        let (one, other) = (self.seen(here, id).await, self.seen(there, id).await);
        assert_eq!((one.status, &one), (TradeStatus::Closed, &other), "race {round}");
    }
}

/// A statement about this trade, if it is about one.
fn of_trade(sql: &str, id: TradeId) -> String {
    if sql.ends_with("trade_id = ") { format!("{sql}'{id}'") } else { sql.to_owned() }
}

/// A daemon's loop at the quickest pace.
async fn turn(mut engine: TestEngine) {
    let mut looks = looks();
    loop {
        looks.tick().await;
        engine.pass().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_and_two_clients_end_a_trade_once_however_the_lease_goes() {
    let mut left = races_wanted();
    let mut round = 0;
    while left > 0 {
        let account = Account::open().await;
        for _ in 0..left.min(RACES_OF_AN_ACCOUNT) {
            let id = account.closing().await;
            account.ends_well(id, (MOMENTS[round % MOMENTS.len()], round)).await;
            round += 1;
        }
        left = left.saturating_sub(RACES_OF_AN_ACCOUNT);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_outlives_a_database_that_crashes_on_its_way() {
    let mut account = Account::open().await;
    for (round, moment) in MOMENTS.into_iter().enumerate() {
        let id = account.closing().await;
        if let Some(moment) = moment {
            account.crash(id, moment).await;
        }
        account.ends_well(id, (None, round)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_two_daemons_close_one_trade_and_read_one_end() {
    let key = blotter_daemon::vault::keygen().unwrap();
    let mut floor = Floor::open_with(|config| config.vault.encryption_key = Some(key.clone())).await;
    let other = floor.second(|config| config.vault.encryption_key = Some(key)).await;
    let (mut here, mut there) = (floor.client().await, other.client().await);
    let id = floor.hold().await;
    let path = format!("/v1/trades/{id}/close");
    let (one, two) = futures_util::join!(
        here.act("POST", &path, "asked-here", r#"{"version":1}"#),
        there.act("POST", &path, "asked-there", r#"{"version":1}"#)
    );
    let (won, lost): (Vec<_>, Vec<_>) = [one, two].into_iter().partition(|reply| reply.status == StatusCode::OK);
    assert_eq!((won.len(), lost.len()), (1, 1), "{won:?}{lost:?}");
    assert_eq!(lost[0].problem().code, ProblemCode::AlreadyClosing);
    let is_over =
        |trade: &trades::Trade| is_closed(trade) && trade.close.as_ref().is_some_and(|end| end.price.is_some());
    floor.until("it is closed, and at which price", &id, is_over).await;
    let path = format!("/v1/trades/{id}");
    let ends: [trades::Trade; 2] = [here.get(&path).await.json(), there.get(&path).await.json()];
    assert_eq!(ends[0], ends[1], "one truth on both");
    assert_eq!(floor.position().await, "0");
    assert_eq!(floor.ours().await.len(), 3, "an entry, a bracket and one sale");
    other.stop().await.unwrap();
    floor.daemon.stop().await.unwrap();
}

/// The loop of an account with nothing in it looks once a minute, and an entry is void after a quarter of one: it is bought
/// only if the holder of the lease was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_asked_of_the_standby_is_sent_by_the_holder_before_its_next_look() {
    let key = blotter_daemon::vault::keygen().unwrap();
    let floor = Floor::open_with(|config| config.vault.encryption_key = Some(key.clone())).await;
    let rests = "SELECT count(*) FROM account_facts WHERE facts->>'seen_at' IS NOT NULL";
    until_count(&floor, rests, 1).await;
    let holder = "SELECT count(DISTINCT holder) FROM leases WHERE NOT released AND epoch = 1";
    assert_eq!(floor.count(holder).await, 1);
    // The broker has one event stream for both, and whoever gets it looks: the holder has it, and keeps it.
    floor
        .daemon
        .wait_for_health(|health| {
            health.account_events.as_ref().is_some_and(|events| events.state == ComponentState::Ok)
        })
        .await;
    floor.act(json!({ "do": "fault", "fault": { "kind": "unavailable", "endpoint": "account_session" } })).await;
    let standby = floor.second(|config| config.vault.encryption_key = Some(key)).await;
    let mut client = standby.client().await;
    let placed = client.act("POST", "/v1/trades", "asked-of-the-standby", &floor.signal().to_string()).await;
    assert_eq!(placed.status, StatusCode::OK, "{placed:?}");
    let id = placed.json::<trades::Trade>().id.to_string();
    floor.until("it is bought and protected", &id, is_protected).await;
    assert_eq!(floor.count(holder).await, 1, "by the daemon that had the lease from the beginning");

    let close = client.act("POST", &format!("/v1/trades/{id}/close"), "and-sold", r#"{"version":1}"#).await;
    assert_eq!(close.status, StatusCode::OK, "{close:?}");
    floor.until("it is closed", &id, is_closed).await;
    assert_eq!((floor.count(holder).await, floor.ours().await.len()), (1, 3), "an entry, a bracket and one sale");
    standby.stop().await.unwrap();
    floor.daemon.stop().await.unwrap();
}

async fn until_count(floor: &Floor, sql: &str, wanted: i64) {
    let (mut looks, begun) = (looks(), Instant::now());
    while floor.count(sql).await != wanted {
        looks.tick().await;
        assert!(begun.elapsed() < DEADLINE, "waited for: {sql}");
    }
}
