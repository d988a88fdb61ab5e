//! What `/v1/performance` adds up beside a second program's sums of the broker's own record of executions: that
//! program shares no code with the daemon, and nothing of what it is given went through the daemon's hands but the
//! orders.

use blotter_shared::domain::{Protection, TradeStatus};
use blotter_shared::protocol::trades::Trade;
use chrono::TimeDelta;
use rust_decimal::Decimal;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::floor::{Floor, is_closed, is_protected};
use crate::support::{DEADLINE, looks, recount};

/// On a machine so busy that an entry runs out of its time, it is tried again.
const TRIES: usize = 5;

/// Friday, when the broker's history tells Thursday's fees and every installation has had its turn to ask for them.
const MORNING: &str = "2026-09-11T08:00:00";
/// From eleven in the morning of the day before.
const UNTIL_MORNING: TimeDelta = TimeDelta::hours(21);

/// What is read from the answer for each line of the second program.
const FIGURES: [&str; 19] = [
    "trades",
    "wins",
    "losses",
    "scratches",
    "net",
    "fees",
    "won",
    "lost",
    "win_rate",
    "scratch_rate",
    "profit_factor",
    "average_win",
    "average_loss",
    "expectancy",
    "r_trades",
    "expectancy_r",
    "best",
    "worst",
    "fee_drag",
];
const DRAWDOWN: [&str; 3] = ["deepest", "current", "recovery_factor"];
const STREAKS: [(&str, &str); 3] =
    [("streak", "current"), ("longest_win", "longest_win"), ("longest_loss", "longest_loss")];

/// Trades one after the other, each with the stop that it began with.
struct Day {
    floor: Floor,
    key: SecretString,
    stops: Vec<&'static str>,
}

impl Day {
    async fn begins() -> Self {
        let key = blotter_daemon::vault::keygen().unwrap();
        let mut floor = Floor::open_with(|config| config.vault.encryption_key = Some(key.clone())).await;
        floor.settings(json!({ "cooldown_losses": 0 })).await;
        Self { floor, key, stops: Vec::new() }
    }

    /// Two contracts at 5.10, by a daemon that has spent no requests yet; waits until they are held as they should be.
    async fn buys(&mut self, stop: &'static str) -> String {
        let key = self.key.clone();
        self.floor.begins_anew(|config| config.vault.encryption_key = Some(key)).await;
        self.floor.pin("5.00", "5.10").await;
        let mut signal = self.floor.signal();
        match stop {
            "-" => {
                let fields = signal.as_object_mut().unwrap();
                fields.remove("sl_price");
                fields.insert("no_stop".to_owned(), json!(true));
            }
            stop => signal["sl_price"] = json!(stop),
        }
        let is_decided = move |trade: &Trade| {
            let is_as_wished = trade.protection == Protection::Confirmed || stop == "-";
            let is_held = trade.held_qty == 2 && trade.status == TradeStatus::Filled && trade.step.is_none();
            is_held && is_as_wished || trade.status == TradeStatus::Void
        };
        for _ in 0..TRIES {
            let placed = self.floor.ask("POST", "/v1/trades", &signal).await.unwrap();
            let id = placed["id"].as_str().unwrap().to_owned();
            if self.floor.until("it is held", &id, is_decided).await.status != TradeStatus::Void {
                self.stops.push(stop);
                return id;
            }
        }
        panic!("no entry is sent in its time");
    }

    /// Sells at a bid: so many, or all that is left.
    async fn sells(&mut self, id: &str, (version, contracts): (i64, Option<u32>), bid: &str) {
        let ask = (bid.parse::<Decimal>().unwrap() + Decimal::new(10, 2)).to_string();
        self.floor.pin(bid, &ask).await;
        let close = json!({ "version": version, "qty": contracts });
        self.floor.of_trade(id, "close", close).await.unwrap();
        match contracts {
            Some(contracts) => {
                let is_halved = |trade: &Trade| {
                    trade.held_qty == 2 - contracts && trade.protection == Protection::Confirmed && trade.step.is_none()
                };
                self.floor.until("the rest is protected", id, is_halved).await;
            }
            None => drop(self.floor.until("it is closed", id, is_closed).await),
        }
    }

    async fn moves_stop(&mut self, id: &str, version: i64, stop: &str) {
        self.floor.of_trade(id, "adjust", json!({ "version": version, "new_sl": stop })).await.unwrap();
        let moved = stop.parse().ok();
        let is_moved = |trade: &Trade| is_protected(trade) && trade.sl_price == moved && trade.step.is_none();
        self.floor.until("the stop is moved", id, is_moved).await;
    }

    /// What is charged for a contract from now on.
    async fn costs(&self, commission: &str) {
        self.floor.act(json!({ "do": "settings", "settings": { "option_commission": commission } })).await;
    }

    /// A win, a loss behind a stop that was moved up, parts, losses in a row without a stop, a scratch, and a win
    /// behind a stop that was moved down.
    async fn passes(&mut self) {
        let id = self.buys("4.00").await;
        self.sells(&id, (1, None), "6.35").await;

        let id = self.buys("4.00").await;
        self.moves_stop(&id, 1, "4.60").await;
        self.sells(&id, (2, None), "4.65").await;

        let id = self.buys("4.30").await;
        self.sells(&id, (1, Some(1)), "5.85").await;
        self.sells(&id, (2, None), "4.95").await;

        for bid in ["4.75", "5.00"] {
            let id = self.buys("-").await;
            self.sells(&id, (1, None), bid).await;
        }
        // Another contract, whose executions cost nothing: only there can there be a result of nothing at all.
        self.costs("0").await;
        std::mem::swap(&mut self.floor.contract, &mut self.floor.other);
        let id = self.buys("4.00").await;
        self.sells(&id, (1, None), "5.10").await;
        let id = self.buys("4.90").await;
        self.moves_stop(&id, 1, "4.20").await;
        self.sells(&id, (2, None), "5.15").await;
    }

    /// The broker's executions, as lines for the second program.
    async fn executions(&self) -> String {
        let (entries, _) = self.floor.ledger(0).await;
        let fills = entries.iter().filter(|entry| entry["fact"] == "fill");
        let line = |fill: &Value| {
            let text = |name: &str| fill[name].as_str().unwrap_or_else(|| panic!("{name} in {fill:#}")).to_owned();
            let side = if text("side").starts_with("buy") { "BUY" } else { "SELL" };
            let (symbol, quantity) = (text("symbol"), fill["quantity"].as_i64().unwrap().abs());
            format!("fill {symbol} {side} {quantity} {} {}\n", text("price"), text("commission"))
        };
        fills.map(line).collect()
    }

    /// The night: the broker tells what it charged, and a daemon that has spent no requests yet asks, once.
    async fn ends(&mut self, told: u64) {
        let key = self.key.clone();
        self.floor.begins_anew(|config| config.vault.encryption_key = Some(key)).await;
        self.floor.go_to(MORNING, UNTIL_MORNING).await;
        let (mut looks, mut last) = (looks(), Value::Null);
        let ended = tokio::time::timeout(DEADLINE, async {
            while last["figures"]["fees_untold"] != 0 || last["figures"]["trades"] != told {
                looks.tick().await;
                last = self.floor.get("/v1/performance?mode=SIM").await;
            }
        });
        let ended = ended.await;
        assert!(ended.is_ok(), "waited for the fees of all trades; {last:#}");
    }
}

/// A figure as the second program writes it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.parse::<Decimal>().unwrap().normalize().to_string(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_performance_adds_up_is_what_the_brokers_executions_come_to() {
    let mut day = Day::begins().await;
    day.passes().await;
    let stops: String = day.stops.iter().map(|stop| format!("stop {stop}\n")).collect();
    let recounted = recount(&format!("book 100\n{stops}{}", day.executions().await));
    day.ends(u64::try_from(day.stops.len()).unwrap()).await;

    let told = day.floor.get("/v1/performance?mode=SIM").await;
    let figures = FIGURES.map(|name| (name, &told["figures"][name]));
    let drawdown = DRAWDOWN.map(|name| (name, &told["drawdown"][name]));
    let streaks = STREAKS.map(|(line, name)| (line, &told["streaks"][name]));
    let lines = figures.into_iter().chain(drawdown).chain(streaks);
    let lines: String = lines.map(|(name, value)| format!("{name} {}\n", plain(value))).collect();
    assert_eq!(lines, recounted, "{told:#}");
    for kind in ["wins 3\n", "losses 3\n", "scratches 1\n", "r_trades 5\n", "fees 7\n", "longest_loss 2\n"] {
        assert!(recounted.contains(kind), "the day was to have {kind}:\n{recounted}");
    }
    day.floor.daemon.stop().await.unwrap();
}
