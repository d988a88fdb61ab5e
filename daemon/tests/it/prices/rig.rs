//! A database, a broker and an ORATS whose answers are set by hand, a clock that stands still.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use blotter_daemon::accounts::{Accounts, NewToken};
use blotter_daemon::app;
use blotter_daemon::calendar::{Calendar, Force};
use blotter_daemon::clock::Clock;
use blotter_daemon::config::Config;
use blotter_daemon::db::secrets::TokenColumn;
use blotter_daemon::db::{Db, DbState};
use blotter_daemon::prices::retention::{Keep, Retention};
use blotter_daemon::prices::sources::OratsDesk;
use blotter_daemon::prices::{Board, Recorder, Round, RoundReport};
use blotter_shared::domain::{BrokerMode, TradeId};
use blotter_testkit::Cluster;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::broker::loopback::{Reply, Request, Server};
use crate::support::{Raw, config, insert_trade, reach, user};

pub(crate) const CALL: &str = "SPY261218C00600000";
pub(crate) const PUT: &str = "SPY261218P00600000";

/// What the market says.
#[derive(Clone, Debug)]
pub(crate) struct Says {
    pub(crate) bid: Value,
    pub(crate) ask: Value,
    pub(crate) last: Value,
    /// Age of the quote and of the last trade.
    pub(crate) age: TimeDelta,
    pub(crate) delta: Value,
}

impl Says {
    pub(crate) fn new(bid: f64, ask: f64) -> Self {
        let age = TimeDelta::seconds(2);
        Self { bid: json!(bid), ask: json!(ask), last: Value::Null, age, delta: Value::Null }
    }
}

/// How ORATS behaves.
#[derive(Clone, Debug)]
pub(crate) enum Orats {
    Rows(HashMap<String, Says>),
    Html,
    NotFound,
    Broken,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: DateTime<Utc>,
    pub(crate) quotes: HashMap<String, Says>,
    pub(crate) orats: Orats,
    /// It answers with a maintenance page.
    pub(crate) broker_down: bool,
    /// Bars, oldest first: minutes in New York and the close.
    pub(crate) bars: Vec<(String, f64)>,
    /// Daily closes, of every ticker.
    pub(crate) daily: Vec<(String, f64)>,
}

pub(crate) struct Rig {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) recorder: Recorder,
    pub(crate) retention: Retention,
    pub(crate) cluster: Cluster,
    pub(crate) admin: Raw,
    pub(crate) server: Server,
}

impl Rig {
    pub(crate) async fn start(now: &str) -> Self {
        Self::begin(now, false).await
    }

    /// The same, whose daemon lives in the broker's time.
    pub(crate) async fn in_its_time(now: &str) -> Self {
        Self::begin(now, true).await
    }

    async fn begin(now: &str, sim_time: bool) -> Self {
        let world = Arc::new(Mutex::new(World {
            now: now.parse().unwrap(),
            quotes: HashMap::from([("SPY".to_owned(), Says { last: json!(600.5), ..Says::new(600.4, 600.6) })]),
            orats: Orats::Rows(HashMap::new()),
            broker_down: false,
            bars: Vec::new(),
            daily: Vec::new(),
        }));
        let said = Arc::clone(&world);
        let server = Server::start(move |_, request| said.lock().unwrap().answer(request)).await;
        let told = Arc::clone(&world);
        let clock = Clock::from_fn(move || told.lock().unwrap().now);
        let cluster = Cluster::start().unwrap();
        let db = Db::connect(config(&cluster.url()), &clock);
        reach(&db, DbState::Ready).await;
        let admin = Raw::connect(&cluster.url()).await;
        let mut settings = Config::defaults();
        settings.broker.sim_url = Some(server.url());
        settings.broker.sim_time = sim_time;
        settings.vault.encryption_key = Some(blotter_daemon::vault::keygen().unwrap());
        let accounts = app::accounts(&settings, &db, &clock).unwrap();
        let tx = db.user_tx(&user("ann")).await.unwrap();
        let account = Some("VA00000001".parse().unwrap());
        let column = TokenColumn::Broker(BrokerMode::Sim);
        accounts.store(&tx, &NewToken { column, token: "sim-token-1".into(), account }, "d").await.unwrap();
        tx.commit().await.unwrap();
        let recorder = recorder(&db, &accounts, &clock, None);
        admin.batch_execute("SELECT snapshot_partitions_ensure('2026-06-01', 12)").await.unwrap();
        Self { world, recorder, retention: Retention { db, clock, keep: Keep::default() }, cluster, admin, server }
    }

    /// The same, with an ORATS token.
    pub(crate) async fn with_orats(now: &str, orats: Orats) -> Self {
        let mut rig = Self::start(now).await;
        rig.world.lock().unwrap().orats = orats;
        let tx = rig.recorder.db.user_tx(&user("ann")).await.unwrap();
        let token = NewToken { column: TokenColumn::Orats, token: "orats-token-1".into(), account: None };
        rig.recorder.accounts.store(&tx, &token, "d").await.unwrap();
        tx.commit().await.unwrap();
        let address = rig.server.url().replace("/v1", "/orats");
        rig.recorder = recorder(&rig.recorder.db, &rig.recorder.accounts, &rig.recorder.clock, Some(address));
        rig
    }

    /// A position of two contracts, bought at 5.00.
    pub(crate) async fn hold(&self, id: u128, symbol: &str) -> TradeId {
        self.hold_since(id, symbol, "2026-11-20 14:35+00").await
    }

    pub(crate) async fn hold_since(&self, id: u128, symbol: &str, entry: &str) -> TradeId {
        let uuid = Uuid::from_u128(id);
        let side = if symbol.contains('P') && symbol.as_bytes()[9] == b'P' { "'PUT'" } else { "'CALL'" };
        let (symbol, entry) = (format!("'{symbol}'"), format!("'{entry}'"));
        let columns = [
            ("ticker", "'SPY'"),
            ("option_symbol", symbol.as_str()),
            ("option_type", side),
            ("strike", "600"),
            ("qty", "2"),
            ("desired_qty", "2"),
            ("entry_date", entry.as_str()),
            ("account_id", "'VA00000001'"),
        ];
        self.admin.batch_execute(&insert_trade("ann", &uuid.to_string(), &columns)).await.unwrap();
        let fill = format!(
            "UPDATE paper_trades SET status = 'FILLED', held_qty = 2, protection = 'CONFIRMED', good_version = 1,
                    entry_price = 5, broker_fill_time = {entry} WHERE id = '{uuid}'"
        );
        self.admin.batch_execute(&fill).await.unwrap();
        TradeId(uuid)
    }

    /// Sold, all of it.
    pub(crate) async fn close(&self, trade: TradeId, at: &str, price: &str) {
        let sql = format!(
            "UPDATE paper_trades SET status = 'CLOSED', held_qty = 0, protection = 'N/A', close_date = '{at}',
                    close_reason = 'MANUAL_CLOSE', close_price = {price}, realized_pnl = ({price} - 5) * 200
              WHERE id = '{trade}'"
        );
        self.admin.batch_execute(&sql).await.unwrap();
    }

    pub(crate) fn say(&self, symbol: &str, says: Says) {
        self.world.lock().unwrap().quotes.insert(symbol.to_owned(), says);
    }

    pub(crate) fn set(&self, now: &str) {
        self.world.lock().unwrap().now = now.parse().unwrap();
    }

    pub(crate) async fn record(&self, round: Round) -> RoundReport {
        self.recorder.record(round).await.unwrap()
    }

    /// One text of a query.
    pub(crate) async fn text(&self, sql: &str) -> String {
        let row = self.admin.query_one(&format!("SELECT ({sql})::text"), &[]).await;
        row.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get::<_, Option<String>>(0).unwrap_or_default()
    }

    /// What was asked of the broker and of ORATS for prices.
    pub(crate) fn asked(&self, part: &str) -> Vec<Request> {
        self.server.requests().into_iter().filter(|request| request.path.contains(part)).collect()
    }
}

fn recorder(db: &Db, accounts: &Accounts, clock: &Clock, orats: Option<String>) -> Recorder {
    Recorder {
        db: db.clone(),
        accounts: accounts.clone(),
        orats: OratsDesk::new(accounts.clone(), orats, clock.clone()),
        clock: clock.clone(),
        calendar: Arc::new(Calendar::new()),
        force: Force::No,
        board: Board::default(),
    }
}

impl World {
    fn answer(&self, request: &Request) -> Reply {
        let asked = format!("{}&{}", request.query, request.body).replace("%2C", ",");
        let list = |name: &str| -> Vec<String> {
            let value = asked.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(str::to_owned));
            value.unwrap_or_default().split(',').map(str::to_owned).collect()
        };
        match request.path.as_str() {
            path if path.starts_with("/orats") => self.orats(&list("tickers")),
            _ if self.broker_down => Reply::new(503, "<html>maintenance</html>"),
            "/v1/markets/quotes" => self.quotes(&list("symbols")),
            "/v1/markets/clock" => Reply::ok(
                json!({ "clock": { "date": self.now.date_naive(), "description": "open", "state": "open",
                    "timestamp": self.now.timestamp(), "next_change": "16:00", "next_state": "postmarket" } })
                .to_string(),
            ),
            "/v1/markets/history" => {
                let days: Vec<Value> = self
                    .daily
                    .iter()
                    .map(|(date, close)| {
                        json!({ "date": date, "open": close, "high": close, "low": close, "close": close, "volume": 10 })
                    })
                    .collect();
                Reply::ok(json!({ "history": { "day": days } }).to_string())
            }
            "/v1/markets/timesales" => {
                let bars: Vec<Value> = self
                    .bars
                    .iter()
                    .map(|(time, close)| {
                        json!({ "time": time, "timestamp": 0, "price": close, "open": close, "high": close, "low": close,
                                "close": close, "volume": 10, "vwap": close })
                    })
                    .collect();
                Reply::ok(json!({ "series": { "data": bars } }).to_string())
            }
            _ => Reply::new(404, "Not Found"),
        }
    }

    fn quotes(&self, symbols: &[String]) -> Reply {
        let (known, unknown): (Vec<_>, Vec<_>) = symbols.iter().partition(|symbol| self.quotes.contains_key(*symbol));
        let quotes: Vec<Value> = known.into_iter().map(|symbol| self.quote(symbol, &self.quotes[symbol])).collect();
        let mut answer = json!({ "quotes": { "quote": quotes } });
        if !unknown.is_empty() {
            answer["quotes"]["unmatched_symbols"] = json!({ "symbol": unknown });
        }
        Reply::ok(answer.to_string())
    }

    fn quote(&self, symbol: &str, says: &Says) -> Value {
        let at = (self.now - says.age).timestamp_millis();
        let kind = if symbol.len() > 6 { "option" } else { "etf" };
        let mut quote = json!({ "symbol": symbol, "description": "d", "exch": "Z", "type": kind, "last": says.last,
            "bid": says.bid, "ask": says.ask, "bid_date": at, "ask_date": at, "trade_date": at, "prevclose": 600.0, "volume": 520 });
        if kind == "option" {
            let side = if symbol.as_bytes()[9] == b'P' { "put" } else { "call" };
            quote["underlying"] = json!("SPY");
            quote["strike"] = json!(600.0);
            quote["option_type"] = json!(side);
            quote["expiration_date"] = json!("2026-12-18");
            quote["root_symbol"] = json!("SPY");
            quote["contract_size"] = json!(100);
            quote["greeks"] = json!({ "delta": says.delta, "gamma": 0.01, "theta": -0.1, "vega": 0.5, "mid_iv": 0.2,
                                      "updated_at": "2026-11-20 14:00:00" });
        }
        quote
    }

    fn orats(&self, symbols: &[String]) -> Reply {
        match &self.orats {
            Orats::Html => Reply::ok("<!DOCTYPE html><html>log in</html>"),
            Orats::NotFound => Reply::new(404, "Not Found."),
            Orats::Broken => Reply::new(500, ""),
            Orats::Rows(rows) => {
                let row = |symbol: &String| {
                    let says = rows.get(symbol)?;
                    let at = (self.now - says.age).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
                    Some(json!({ "optionSymbol": symbol, "ticker": "SPY", "bidPrice": says.bid, "askPrice": says.ask,
                        "delta": says.delta, "midIv": 0.19, "quoteDate": at, "updatedAt": at }))
                };
                Reply::ok(json!({ "data": symbols.iter().filter_map(row).collect::<Vec<_>>() }).to_string())
            }
        }
    }
}
