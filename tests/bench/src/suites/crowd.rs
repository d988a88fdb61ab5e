//! Many positions with their brackets, made as quickly as a broker takes orders: they are sent under the tags of a daemon
//! that does not know them, which takes them up when it looks next, as it would after a backup was brought back.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use blotter_daemon::trades::tag::{Epoch, Installation, Tag};
use blotter_shared::domain::{IntentRole, TradeId};
use blotter_testkit::daemon::{Daemon, Options};
use blotter_testkit::{Cluster, programs};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::screen::pause;
use super::simulator::{Line, Program};

const ACCOUNT: &str = "/v1/accounts/6YA00001";
const TICKERS: [&str; 6] = ["SPY", "QQQ", "AAPL", "MSFT", "NVDA", "TSLA"];
const SIMULATOR: [&str; 11] = [
    "--clock",
    "real",
    "--start",
    "2026-09-10T10:00",
    "--no-limits",
    "--lifeline",
    "--token",
    "LIVE:live-token",
    "--account",
    "LIVE:6YA00001:1000000000",
    "--seed=3",
];
/// Long enough for a daemon to take up ten thousand on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// A daemon whose account holds many positions, each protected. Database and broker are not its children: they outlive it.
pub(super) struct Crowd {
    pub(super) daemon: Daemon,
    pub(super) broker: Line,
    pub(super) database: Client,
    // Last: what stands on them ends before.
    _simulator: Program,
    _cluster: Cluster,
}

/// A line of the simulator's ledger.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) fact: String,
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    params: Option<String>,
}

impl Entry {
    /// It asks for a first page, or for something that has none.
    pub(super) fn begins_a_list(&self) -> bool {
        let mut params = self.params.iter().flat_map(|params| params.split('&'));
        params.all(|param| !param.starts_with("page=") || param == "page=1")
    }
}

#[derive(Debug, Deserialize)]
struct Ledger {
    next: u64,
    entries: Vec<Entry>,
}

struct Contract {
    symbol: String,
    underlying: String,
    bid: Decimal,
    ask: Decimal,
}

impl Crowd {
    pub(super) async fn gather(positions: usize) -> Result<Self> {
        let simulator = Program::start(programs::path("tradier-sim")?, &SIMULATOR)?;
        let broker = simulator.connect()?;
        let cluster = Cluster::start()?;
        let config = format!("[broker]\nsim_url = \"http://{}/v1\"\nsim_time = true\n", simulator.address);
        let key = Command::new(programs::path("blotterd")?).args(["vault", "keygen"]).output()?.stdout;
        let key = ("ENCRYPTION_KEY".to_owned(), String::from_utf8(key)?.trim().to_owned());
        let environment = vec![("DATABASE_URL".to_owned(), cluster.url()), key];
        let daemon = Daemon::start(Options { config, environment }).await?;
        said(&daemon, &["tokens", "set", "sim"], "live-token\n")?;
        said(&daemon, &["settings", "set", "broker_mode=SIM"], "")?;
        let database = owner(&cluster.url()).await?;
        let mut crowd = Self { daemon, broker, database, _simulator: simulator, _cluster: cluster };
        crowd.until(1, "SELECT count(*) FROM leases").await?;
        crowd.daemon.stop()?;
        crowd.trade(positions).await?;
        crowd.daemon.spawn()?;
        let protected = "SELECT count(*) FROM paper_trades WHERE status = 'FILLED' AND protection = 'CONFIRMED'";
        crowd.until(positions, protected).await?;
        let settled = "SELECT count(*) FROM account_facts WHERE facts->'reconciling' = 'null'";
        crowd.until(1, settled).await?;
        Ok(crowd)
    }

    /// Buys them and puts a stop and a target under each.
    async fn trade(&mut self, positions: usize) -> Result<()> {
        let row = self.database.query_one("SELECT id FROM installation", &[]).await?;
        let installation = Installation::new(row.try_get::<_, Uuid>(0)?);
        let tag = |trade: usize, role| -> Result<Tag> {
            let trade = TradeId(Uuid::from_u128(u128::try_from(trade)? + (7 << 64)));
            Ok(Tag { installation, trade, role, attempt: 1, version: 1, epoch: Epoch(1) })
        };
        let contracts = self.contracts(positions)?;
        for (trade, Contract { symbol, underlying, .. }) in contracts.iter().enumerate() {
            let tag = tag(trade, IntentRole::Entry)?;
            let buy = format!(
                "class=option&symbol={underlying}&option_symbol={symbol}&side=buy_to_open&quantity=1&type=market&\
                 duration=day&tag={tag}"
            );
            self.broker.ask("POST", &format!("{ACCOUNT}/orders"), &buy)?;
        }
        let deadline = Instant::now() + PATIENCE;
        while self.broker.ask("GET", &format!("{ACCOUNT}/positions"), "")?.matches("cost_basis").count() < positions {
            ensure!(Instant::now() < deadline, "the simulator did not fill {positions} orders");
            pause(Duration::from_millis(100));
        }
        for (trade, contract) in contracts.iter().enumerate() {
            let exits = contract.exits(&tag(trade, IntentRole::Bracket)?);
            self.broker.ask("POST", &format!("{ACCOUNT}/orders"), &exits)?;
        }
        Ok(())
    }

    /// So many that are quoted and are not about to end.
    fn contracts(&mut self, wanted: usize) -> Result<Vec<Contract>> {
        let mut found = BTreeMap::new();
        for ticker in TICKERS {
            let dates = self.broker.ask("GET", &format!("/v1/markets/options/expirations?symbol={ticker}"), "")?;
            let dates: Value = serde_json::from_str(&dates)?;
            let dates = dates.pointer("/expirations/date").and_then(Value::as_array).context("no expirations")?;
            for date in dates.iter().skip(3).filter_map(Value::as_str) {
                let path = format!("/v1/markets/options/chains?symbol={ticker}&expiration={date}");
                let chain: Value = serde_json::from_str(&self.broker.ask("GET", &path, "")?)?;
                let rows = chain.pointer("/options/option").and_then(Value::as_array).context("no chain")?;
                found.extend(
                    rows.iter().filter_map(|row| Contract::of(ticker, row)).map(|one| (one.symbol.clone(), one)),
                );
                if found.len() >= wanted {
                    return Ok(found.into_values().take(wanted).collect());
                }
            }
        }
        anyhow::bail!("the simulator lists only {} contracts that are worth a dollar", found.len())
    }

    /// Waits until a count of rows is reached.
    pub(super) async fn until(&self, wanted: usize, sql: &str) -> Result<()> {
        let (wanted, deadline) = (i64::try_from(wanted)?, Instant::now() + PATIENCE);
        loop {
            let count: i64 = self.database.query_one(sql, &[]).await?.try_get(0)?;
            if count >= wanted {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{count} of {wanted}: {sql}\n{}", self.daemon.log());
            pause(Duration::from_millis(5));
        }
    }

    /// What the broker saw from this entry on, and the number of the next.
    pub(super) fn ledger(&mut self, since: u64) -> Result<(u64, Vec<Entry>)> {
        let ledger = self.broker.ask("GET", &format!("/__sim/ledger?since={since}"), "")?;
        let Ledger { next, entries } = serde_json::from_str(&ledger)?;
        Ok((next, entries))
    }
}

impl Contract {
    fn of(ticker: &str, row: &Value) -> Option<Self> {
        let price = |name: &str| row.get(name)?.to_string().parse::<Decimal>().ok();
        let (bid, ask) = (price("bid")?, price("ask")?);
        let symbol = row.get("symbol")?.as_str()?.to_owned();
        (bid >= Decimal::ONE).then(|| Self { symbol, underlying: ticker.to_owned(), bid, ask })
    }

    /// Half its price below, double its price above, in steps of ten cents: they are on every grid.
    fn exits(&self, tag: &Tag) -> String {
        let (stop, target) = ((self.bid / Decimal::TWO).round_dp(1), (self.ask * Decimal::TWO).round_dp(1));
        let leg = |index: u8, terms: &str| {
            format!("&option_symbol[{index}]={}&side[{index}]=sell_to_close&quantity[{index}]=1&{terms}", self.symbol)
        };
        let target = leg(0, &format!("type[0]=limit&price[0]={target}"));
        let stop = leg(1, &format!("type[1]=stop&stop[1]={stop}"));
        format!("class=oco&duration=gtc&tag={tag}{target}{stop}")
    }
}

/// As the owner of the whole cluster, whom no policy binds.
async fn owner(url: &str) -> Result<Client> {
    let mut config: tokio_postgres::Config = url.parse()?;
    let (client, connection) = config.options("-c search_path=blotter").connect(NoTls).await?;
    #[expect(clippy::disallowed_methods, reason = "ends with the client")]
    tokio::spawn(connection);
    Ok(client)
}

/// What `blotter --json` does with these arguments and this input.
fn said(daemon: &Daemon, arguments: &[&str], input: &str) -> Result<()> {
    let mut command = Command::new(programs::path("blotter")?);
    command.args(["--json", "--socket"]).arg(daemon.socket()).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("no input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
