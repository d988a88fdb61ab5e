//! A stage with a market behind it: the simulated broker at eleven in the morning, whose time passes, and contracts
//! whose prices stand still until a test moves them. Every figure is known beforehand: two contracts are bought at
//! 5.10 and sold at 5.00.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::accounts::{Simulator, stage};
use crate::stage::{Said, Stage};

/// What the simulator takes for the account whose quotes are not fifteen minutes old.
const TOKEN: &str = "live-token";
pub(crate) const ACCOUNT: &str = "6YA00001";
/// For the slowest step of a trade on a busy machine.
const LIVES: Duration = Duration::from_secs(150);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// On a machine so busy that an entry runs out of its time, it is tried again.
const TRIES: usize = 5;

pub(crate) struct Market {
    pub(crate) sim: Simulator,
    pub(crate) stage: Stage,
    contracts: RefCell<Vec<String>>,
}

impl Market {
    /// Waits for what does not come are a twentieth here.
    pub(crate) fn open() -> Self {
        Self::in_time(20)
    }

    /// With the waits of real life.
    pub(crate) fn unhurried() -> Self {
        Self::in_time(1)
    }

    fn in_time(scale: u32) -> Self {
        let sim = Simulator::running();
        let config = format!("time_scale = {scale}\n");
        Self::of(sim, &config, ("sim", &["broker_mode=SIM"]))
    }

    /// Where the simulator stands in for the broker of real money. Its waits are those of real life.
    pub(crate) fn with_real_money() -> Self {
        let sim = Simulator::running();
        let config = format!("live_url = \"http://{}/v1\"\nallow_live = true\n", sim.address());
        Self::of(sim, &config, ("live", &["broker_mode=LIVE", "--live-account", ACCOUNT]))
    }

    fn of(sim: Simulator, config: &str, (world, choice): (&str, &[&str])) -> Self {
        sim.happens(&json!({ "do": "settings", "settings": { "step_ms": 20 } }));
        let stage = stage(&sim, &format!("sim_time = true\n{config}[database]\ncheck_every_s = 1\n"));
        let stored = stage.desk.run_with(&["tokens", "set", world], TOKEN);
        assert_eq!(stored.code, Some(0), "{stored:?}");
        let chosen = stage.desk.run(&[&["settings", "set"], choice].concat());
        assert_eq!(chosen.code, Some(0), "{chosen:?}");
        let contracts = RefCell::new(listed(&stage));
        Self { sim, stage, contracts }
    }

    /// A contract that no trade had, at 5.00 and 5.10.
    pub(crate) fn contract(&self) -> String {
        let symbol = self.contracts.borrow_mut().pop().expect("a contract that no trade had");
        self.pin(&symbol, "5.00", "5.10");
        symbol
    }

    /// The market of a contract, until it is pinned anew.
    pub(crate) fn pin(&self, symbol: &str, bid: &str, ask: &str) {
        self.sim.happens(&json!({ "do": "pin", "symbol": symbol, "bid": bid, "ask": ask }));
    }

    /// The daemon begins anew, and with it the minutes of its limits at the broker: a whole minute may be as long as
    /// all the rest of a test.
    pub(crate) fn begins_anew(&mut self) {
        assert!(self.stage.daemon.stop().unwrap().success(), "{}", self.stage.daemon.log());
        std::fs::remove_dir_all(self.stage.daemon.data_dir().join("rates")).unwrap();
        self.stage.start_daemon();
    }

    /// What a command prints as JSON.
    #[track_caller]
    pub(crate) fn says(&self, arguments: &[&str]) -> Value {
        let said = self.run(&[&["--json"], arguments].concat());
        assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
        said.json()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.stage.desk.run(arguments)
    }

    /// Waits until the trade of this number is as wanted.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, number: &str, done: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LIVES;
        loop {
            let said = self.run(&["--json", "show", number]);
            if said.code == Some(0) && done(&said.json()) {
                return said.json();
            }
            let log = self.stage.daemon.log();
            assert!(Instant::now() < deadline, "#{number}: waited for {what}; there is {said:?}\n{log}");
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    /// Buys two contracts at 5.10 with a stop at 4 and a target at 7, and waits for their bracket; gives number and
    /// symbol.
    #[track_caller]
    pub(crate) fn hold(&self) -> (String, String) {
        for _ in 0..TRIES {
            let symbol = self.contract();
            let order = ["place", &symbol, "--qty", "2", "--limit", "5.10", "--stop", "4.00", "--target", "7.00"];
            let placed = self.says(&[&order[..], &["--strategy", "breakout"]].concat());
            let number = placed["number"].to_string();
            let trade = self.until("the bracket", &number, |trade| is_protected(trade) || trade["status"] == "VOID");
            if trade["status"] != "VOID" {
                return (number, symbol);
            }
        }
        panic!("no entry is sent in its time:\n{}", self.stage.daemon.log());
    }

    /// An entry below the market, which works; gives number and symbol.
    #[track_caller]
    pub(crate) fn rests(&self) -> (String, String) {
        for _ in 0..TRIES {
            let symbol = self.contract();
            let order = ["place", &symbol, "--limit", "4.50", "--stop", "4.00", "--target", "7.00"];
            let number = self.says(&order)["number"].to_string();
            let trade = self.until("an entry that works", &number, |trade| trade["status"] != "PENDING");
            if trade["status"] == "OPEN" {
                return (number, symbol);
            }
        }
        panic!("no entry works:\n{}", self.stage.daemon.log());
    }

    /// The orders that the broker has of ours, groups and single ones, the newest last.
    pub(crate) fn orders(&self) -> Vec<Value> {
        let mut orders = self.sim.books("orders")["orders"].as_array().unwrap().clone();
        orders.retain(|order| !order["tag"].is_null());
        orders
    }

    /// How many contracts the broker holds for us.
    pub(crate) fn position(&self, symbol: &str) -> i64 {
        let accounts = self.sim.books("accounts");
        let account = accounts["accounts"].as_array().unwrap().iter().find(|it| it["number"] == ACCOUNT).unwrap();
        account["positions"][symbol]["quantity"].as_i64().unwrap_or(0)
    }
}

pub(crate) fn is_protected(trade: &Value) -> bool {
    trade["protection"] == "CONFIRMED" && trade.get("step").is_none()
}

pub(crate) fn is_closed(trade: &Value) -> bool {
    trade["status"] == "CLOSED"
}

/// Calls around the money that are listed far enough from their end.
fn listed(stage: &Stage) -> Vec<String> {
    let days = stage.get("/v1/chain/expirations?symbol=SPY").json().unwrap();
    let day = days["expirations"].as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
    let chain = stage.get(&format!("/v1/chain?symbol=SPY&expiry={day}&strikes=20")).json().unwrap();
    let rows = chain["rows"].as_array().unwrap();
    rows.iter().filter_map(|row| row["call"]["symbol"].as_str()).map(ToOwned::to_owned).collect()
}
