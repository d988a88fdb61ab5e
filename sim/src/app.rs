//! The simulation as one thing: engine, market, clock, faults, script, sessions. Everything that a request touches.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};

use crate::clock::{Pace, SimClock};
use crate::config::{Config, RateLimits, Token};
use crate::core::{AccountId, Book, Engine, Fact, Notice, OrderId, World};
use crate::faults::Faults;
use crate::market::{Market, SharedMarket, Shift};
use crate::routes::Shown;
use crate::routes::watchlists::Watchlist;
use crate::scenario::Script;
use crate::stream::Sessions;
use crate::time::Ms;
use crate::wire::{Limits, NumberStyle};

/// The simulation.
pub(crate) struct Sim {
    pub(crate) engine: Engine,
    pub(crate) market: SharedMarket,
    pub(crate) clock: SimClock,
    pub(crate) tokens: Vec<Token>,
    pub(crate) limits: Limits,
    pub(crate) limits_kept: RateLimits,
    pub(crate) faults: Faults,
    pub(crate) script: Script,
    pub(crate) sessions: Sessions,
    pub(crate) watchlists: BTreeMap<usize, Vec<Watchlist>>,
    pub(crate) numbers: NumberStyle,
    /// Quotes of this moment, for those who ask again.
    pub(crate) shown: Shown,
    /// Earlier answers of reads, for stale ones.
    pub(crate) remembered: BTreeMap<String, Vec<(Ms, crate::wire::Answer)>>,
    pub(crate) notices: broadcast::Sender<Arc<Notice>>,
    /// Grows with every step of time, so that streams look again.
    pub(crate) ticks: watch::Sender<u64>,
    seed: u64,
    anchor: chrono::NaiveDate,
    state: Option<std::path::PathBuf>,
    /// How many facts the state file holds, and of which moment it is.
    saved: Option<(usize, Ms)>,
}

/// What the state file holds.
#[derive(Serialize, Deserialize)]
struct Saved<'a> {
    version: u32,
    seed: u64,
    anchor: chrono::NaiveDate,
    pace: Pace,
    book: Cow<'a, Book>,
    shifts: Vec<Shift>,
    script: Script,
}

const VERSION: u32 = 1;

/// How far the state file may lag behind the machine's clock when nothing but time happens.
const STATE_AGE_MS: f64 = 2_000.0;

impl Sim {
    /// A simulation from its configuration; goes on from the state file when there is one.
    pub(crate) fn begin(config: Config, wall: Ms) -> Result<Self> {
        let mut saved = config.state.as_deref().map(read_state).transpose()?.flatten();
        let played = saved.as_mut().map(|s| std::mem::take(&mut s.script));
        let start = config.start.unwrap_or(wall);
        let (seed, anchor) = saved.as_ref().map_or((config.seed, start.date()), |s| (s.seed, s.anchor));
        let mut market = Market::new(seed, anchor);
        if let Some(tape) = &config.tape {
            market.play(tape).context("tape")?;
        }
        market.restore(saved.as_ref().map(|s| s.shifts.clone()).unwrap_or_default());
        let market = SharedMarket::new(market);
        let real = config.pace == Pace::Times(1.0) && config.start.is_none();
        let mut engine = match saved {
            Some(saved) => Engine::resume(saved.book.into_owned(), Box::new(market.clone())),
            None => Engine::new(config.scenario.settings.clone(), Box::new(market.clone()), seed, start),
        };
        for opening in config.accounts {
            engine.open_account(opening);
        }
        let now = if real { wall.max(engine.now()) } else { engine.now() };
        let mut faults = Faults::new(seed);
        for fault in config.scenario.fault {
            faults.add(fault.into_inner());
        }
        let events = config.scenario.event.into_iter().map(toml::Spanned::into_inner).collect();
        let script = Script::new(events, &engine, now).resumed(played);
        Ok(Self {
            script,
            engine,
            market,
            clock: SimClock::new(config.pace, wall, now),
            tokens: config.tokens,
            limits: Limits::default(),
            limits_kept: config.limits,
            faults,
            sessions: Sessions::new(seed),
            watchlists: BTreeMap::new(),
            numbers: config.scenario.numbers,
            remembered: BTreeMap::new(),
            shown: Shown::default(),
            notices: broadcast::Sender::new(4_096),
            ticks: watch::Sender::new(0),
            seed,
            anchor,
            state: config.state,
            saved: None,
        })
    }

    pub(crate) fn now(&self) -> Ms {
        self.engine.now()
    }

    /// Brings the engine to what the clock says.
    pub(crate) fn catch_up(&mut self, wall: Ms) {
        let target = self.clock.now(wall);
        self.run_to(target);
    }

    /// Moves time to `target`, letting the script act where it is due.
    pub(crate) fn run_to(&mut self, target: Ms) {
        const LOOK: i64 = 250;
        let before = self.engine.now();
        loop {
            let scripted = self.script.next_at().filter(|at| *at > self.engine.now());
            let watched = if self.script.is_waiting() { self.engine.now().plus(LOOK) } else { target };
            let next = scripted.map_or(watched, |at| at.min(watched)).min(target);
            self.engine.advance_to(next);
            for (act, order) in self.script.due(&self.engine) {
                if let Err(why) = self.act(&act, order) {
                    tracing::warn!(?act, why, "a scripted act could not be done");
                }
            }
            if self.engine.now() >= target {
                break;
            }
        }
        self.publish(before);
    }

    /// Tells the streams.
    fn publish(&mut self, before: Ms) {
        for notice in self.engine.take_notices() {
            // Nobody listening is no failure.
            drop(self.notices.send(Arc::new(notice)));
        }
        if self.engine.now() > before {
            self.ticks.send_modify(|n| *n += 1);
        }
    }

    /// Writes what a person or a script did into the ledger.
    pub(crate) fn note_control(&mut self, what: String) {
        self.engine.note(Fact::Control { what });
    }

    /// The accounts that a token sees, in order of their numbers.
    pub(crate) fn accounts_of(&self, token: usize) -> Vec<AccountId> {
        let Some(token) = self.tokens.get(token) else { return Vec::new() };
        let mine = self.engine.accounts().filter(|a| a.opening.world == token.world).map(|a| a.opening.number.clone());
        mine.filter(|n| token.accounts.is_empty() || token.accounts.contains(n)).collect()
    }

    pub(crate) fn world_of(&self, token: usize) -> World {
        self.tokens.get(token).map_or(World::Sandbox, |t| t.world)
    }

    /// The first bracket that works, for acts that name none.
    pub(crate) fn any_bracket(&self) -> Option<OrderId> {
        use crate::core::{Class, Role};
        self.engine
            .all_orders()
            .find(|o| o.role == Role::Parent && o.class == Class::Oco && !o.status.is_final())
            .map(|o| o.id)
    }

    /// Writes the state file, if there is one and it is behind: at once when orders or positions changed, every few
    /// seconds when only time went by.
    pub(crate) fn save(&mut self) {
        let pace = crate::market::int(self.clock.rate().max(1.0) * STATE_AGE_MS);
        let facts = self.engine.ledger().facts().len();
        let fresh = |(known, at): (usize, Ms)| known == facts && self.now().since(at) < pace;
        if !self.saved.is_some_and(fresh) {
            self.save_now();
        }
    }

    /// Writes the state file, if there is one.
    pub(crate) fn save_now(&mut self) {
        let Some(path) = self.state.clone() else { return };
        match self.write_state(&path) {
            Ok(()) => self.saved = Some((self.engine.ledger().facts().len(), self.now())),
            Err(error) => tracing::error!(path = %path.display(), "the state could not be written: {error:#}"),
        }
    }

    fn write_state(&self, path: &std::path::Path) -> Result<()> {
        let saved = Saved {
            version: VERSION,
            seed: self.seed,
            anchor: self.anchor,
            pace: self.clock.pace(),
            book: Cow::Borrowed(self.engine.book()),
            shifts: self.market.lock().shifts(),
            script: self.script.clone(),
        };
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, serde_json::to_vec(&saved)?).with_context(|| fresh.display().to_string())?;
        std::fs::rename(&fresh, path).with_context(|| path.display().to_string())
    }
}

fn read_state(path: &std::path::Path) -> Result<Option<Saved<'static>>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("state {}", path.display())),
    };
    let saved: Saved =
        serde_json::from_slice(&bytes).with_context(|| format!("state {} is damaged", path.display()))?;
    anyhow::ensure!(
        saved.version == VERSION,
        "state {} is of version {}, this program reads {VERSION}",
        path.display(),
        saved.version
    );
    Ok(Some(saved))
}
