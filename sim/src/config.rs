//! What a simulation is made of, from defaults, a file, a scenario and the command line, later ones winning.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use serde::Deserialize;

use crate::calendar;
use crate::clock::{Pace, parse_pace};
use crate::core::{AccountId, Opening, Settings, World};
use crate::scenario::{Scenario, shipped};
use crate::time::Ms;

/// A token: what a client shows, and what it may see.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Its world.
    pub world: World,
    /// The secret.
    pub token: String,
    /// Accounts that it may see; all of its world when empty.
    #[serde(default)]
    pub accounts: Vec<AccountId>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("world", &self.world).field("accounts", &self.accounts).finish_non_exhaustive()
    }
}

/// Whether the rate limits hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RateLimits {
    /// As the broker has them.
    Kept,
    /// For benches.
    Lifted,
}

/// Everything that a simulation needs to begin.
#[derive(Clone, Debug)]
pub struct Config {
    /// The seed of market, engine and faults.
    pub seed: u64,
    /// How time passes.
    pub pace: Pace,
    /// Where it begins; `None` is now by the machine's clock.
    pub start: Option<Ms>,
    /// Who may ask.
    pub tokens: Vec<Token>,
    /// What they trade in.
    pub accounts: Vec<Opening>,
    /// Whether the rate limits hold.
    pub limits: RateLimits,
    /// The engine's knobs, faults and events.
    pub scenario: Scenario,
    /// A tape's text.
    pub tape: Option<String>,
    /// Where the state is kept.
    pub state: Option<PathBuf>,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: Option<String>,
    seed: Option<u64>,
    clock: Option<String>,
    start: Option<String>,
    scenario: Option<String>,
    tape: Option<PathBuf>,
    state: Option<PathBuf>,
    no_limits: bool,
    token: Vec<Token>,
    account: Vec<Opening>,
    settings: Option<Settings>,
}

/// What the command line says.
#[derive(Debug, Default)]
pub struct Given {
    /// `127.0.0.1:0` unless told.
    pub listen: Option<String>,
    /// The seed.
    pub seed: Option<u64>,
    /// `manual`, `real`, `x60`.
    pub clock: Option<String>,
    /// A time in New York.
    pub start: Option<String>,
    /// `SANDBOX:secret` or `LIVE:secret`.
    pub tokens: Vec<String>,
    /// `SANDBOX:VA00000001` or `LIVE:6YA00001:25000`.
    pub accounts: Vec<String>,
    /// A configuration file.
    pub config: Option<PathBuf>,
    /// A shipped scenario or a file.
    pub scenario: Option<String>,
    /// A tape file.
    pub tape: Option<PathBuf>,
    /// A state file.
    pub state: Option<PathBuf>,
    /// Whether the rate limits hold.
    pub no_limits: bool,
}

impl Given {
    /// The whole configuration and the address to listen on. `now` is the machine's time.
    ///
    /// # Errors
    /// A sentence that names the file, line and key that is wrong.
    pub fn resolve(self, now: Ms) -> Result<(Config, String)> {
        let file = self.config.as_ref().map(read_file).transpose()?.unwrap_or_default();
        let mut scenario = match self.scenario.or(file.scenario) {
            Some(name) => read_scenario(&name)?,
            None => Scenario::default(),
        };
        if let Some(settings) = file.settings {
            scenario.settings = settings;
        }
        let clock = self.clock.or(file.clock).or_else(|| scenario.clock.clone());
        let pace = parse_pace(clock.as_deref().unwrap_or("real")).map_err(|e| anyhow::anyhow!("clock: {e}"))?;
        let start = self.start.or(file.start).or_else(|| scenario.start.clone());
        let start = match start {
            Some(text) => Some(read_start(&text, now)?),
            None if pace == Pace::Times(1.0) => None,
            None => Some(open_session(now, 10, 15)),
        };
        let tape = match self.tape.or(file.tape) {
            Some(path) => Some(std::fs::read_to_string(&path).with_context(|| format!("tape {}", path.display()))?),
            None => None,
        };
        let tokens = if self.tokens.is_empty() {
            file.token
        } else {
            self.tokens.iter().map(|t| read_token(t)).collect::<Result<_>>()?
        };
        let accounts = if self.accounts.is_empty() {
            file.account
        } else {
            self.accounts.iter().map(|a| read_account(a)).collect::<Result<_>>()?
        };
        let config = Config {
            seed: self.seed.or(file.seed).or(scenario.seed).unwrap_or(1),
            pace,
            start,
            tokens: if tokens.is_empty() { default_tokens() } else { tokens },
            accounts: if accounts.is_empty() { default_accounts() } else { accounts },
            limits: if self.no_limits || file.no_limits { RateLimits::Lifted } else { RateLimits::Kept },
            scenario,
            tape,
            state: self.state.or(file.state),
        };
        Ok((config, self.listen.or(file.listen).unwrap_or_else(|| "127.0.0.1:0".to_owned())))
    }
}

impl Config {
    /// The plain configuration with hand-driven time at a moment of New York's clock: for tests.
    #[must_use]
    pub fn manual(seed: u64, start: Ms) -> Self {
        Self {
            seed,
            pace: Pace::Manual,
            start: Some(start),
            tokens: default_tokens(),
            accounts: default_accounts(),
            limits: RateLimits::Kept,
            scenario: Scenario::default(),
            tape: None,
            state: None,
        }
    }
}

fn read_file(path: &PathBuf) -> Result<File> {
    let text = std::fs::read_to_string(path).with_context(|| format!("config {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("config {}", path.display()))
}

fn read_scenario(name: &str) -> Result<Scenario> {
    if let Some(found) = shipped(name) {
        return found.with_context(|| format!("scenario {name}"));
    }
    let known: Vec<&str> = crate::scenario::SHIPPED.iter().map(|(n, _)| *n).collect();
    let text = std::fs::read_to_string(name)
        .with_context(|| format!("scenario {name:?} is no file and none of {}", known.join(", ")))?;
    Scenario::parse(&text).map_err(|e| anyhow::anyhow!("scenario {name}, {e}"))
}

/// `2026-09-10T10:30`, `2026-09-10 10:30:00`, `2026-09-10` (its open), or `10:30` on the last session.
fn read_start(text: &str, now: Ms) -> Result<Ms> {
    let normal = text.replace(' ', "T");
    for format in ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"] {
        if let Ok(local) = NaiveDateTime::parse_from_str(&normal, format) {
            return Ok(Ms::from_et(local));
        }
    }
    if let Ok(date) = normal.parse::<NaiveDate>() {
        return Ok(calendar::session(date).unwrap_or_else(|| calendar::next_session(date)).open);
    }
    if let Ok(time) = NaiveTime::parse_from_str(text, "%H:%M") {
        use chrono::Timelike;
        return Ok(open_session(now, time.hour(), time.minute()));
    }
    bail!("start: {text:?} is no time such as 2026-09-10T10:30 or 10:30")
}

/// A time on today's session, or on the last one when today is closed.
fn open_session(now: Ms, hour: u32, minute: u32) -> Ms {
    let today = now.date();
    let session = calendar::session(today).unwrap_or_else(|| calendar::previous_session(today));
    Ms::at_et(session.date, hour, minute)
}

fn read_world(text: &str) -> Result<World> {
    World::parse(&text.to_ascii_lowercase()).with_context(|| format!("{text:?} is neither SANDBOX nor LIVE"))
}

fn read_token(text: &str) -> Result<Token> {
    let Some((world, secret)) = text.split_once(':').filter(|(_, s)| !s.is_empty()) else {
        bail!("token: expected SANDBOX:… or LIVE:…")
    };
    Ok(Token { world: read_world(world)?, token: secret.to_owned(), accounts: Vec::new() })
}

fn read_account(text: &str) -> Result<Opening> {
    let parts: Vec<&str> = text.split(':').collect();
    let (world, number, cash) = match parts.as_slice() {
        [number] => (if number.starts_with("VA") { World::Sandbox } else { World::Live }, *number, None),
        [world, number] => (read_world(world)?, *number, None),
        [world, number, cash] => (read_world(world)?, *number, Some(*cash)),
        _ => bail!("account: expected NUMBER, WORLD:NUMBER or WORLD:NUMBER:CASH"),
    };
    let mut opening = Opening::new(number, world);
    if let Some(cash) = cash {
        opening.cash = cash.parse().with_context(|| format!("account: {cash:?} is no sum of dollars"))?;
    }
    Ok(opening)
}

fn default_tokens() -> Vec<Token> {
    let token = |world, token: &str| Token { world, token: token.to_owned(), accounts: Vec::new() };
    vec![token(World::Sandbox, "sandbox-token"), token(World::Live, "live-token")]
}

fn default_accounts() -> Vec<Opening> {
    vec![Opening::new("VA00000001", World::Sandbox), Opening::new("6YA00001", World::Live)]
}
