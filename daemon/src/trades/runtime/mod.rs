//! The engine at work: one loop for each account that a user has a token for, under its lease.
//!
//! Read `Engines::run` (who gets a loop), then `store`, `broker` and `clock`: the three ports over
//! PostgreSQL, the broker's adapter and the machine. Without an account there is no loop. `desk` is where
//! what devices ask for is judged and made durable, and `bells` is how a loop hears of it.
//!
//! Invariants:
//! * A loop has one account with one token: another token ends it before its successor begins.
//! * A loop that breaks is begun anew, and no other loop notices.
//! * A live trade whose account has no loop anywhere raises an alarm: `unwatched` needs no broker.
//! * An account's event stream lives and ends with its loop; it only wakes it (`events`).
//! * A loop ends between two passes and gives its lease back; one that is cut off leaves the lease to
//!   run out, and what it had sent is found by the next pass of whoever comes.

mod again;
pub mod bells;
pub mod broker;
pub mod clock;
pub mod desk;
mod events;
pub mod host;
pub mod limits;
pub mod pulse;
mod rows;
pub mod standing;
pub mod store;
mod unwatched;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use blotter_shared::domain::BrokerMode;
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::driver::{Engine, Ports, Settings};
use super::ports::Holder;
use super::rules::Rules;
use super::tag;
use super::timing::Timing;
use crate::accounts::{AccountError, Accounts};
use crate::auth::Username;
use crate::broker::factory::Account;
use crate::broker::tradier::stream::StreamState;
use crate::calendar::{Calendar, Force};
use crate::clock::Clock;
use crate::db::engine::AccountKey;
use crate::db::installation::{Installation, installation_ensure};
use crate::db::settings::settings_users;
use crate::db::{Db, DbError, DbState};
use crate::events::Hub;
use crate::health::HealthBoard;
use bells::Bells;
use broker::BrokerAccount;
use clock::{Exchange, LoopClock};
use pulse::{Beat, Pulse};
use store::Ledger;
use unwatched::Unwatched;

/// Between two looks at who has an account.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What the loops are made of.
#[derive(Clone, Debug)]
pub struct Parts {
    pub db: Db,
    pub accounts: Accounts,
    pub hub: Hub,
    pub health: HealthBoard,
    pub clock: Clock,
    pub calendar: Arc<Calendar>,
    pub force: Force,
    /// While this file exists no entry is sent.
    pub kill_file: Option<PathBuf>,
    /// Rung by whoever has work for a loop.
    pub bells: Bells,
    /// This run of this program.
    pub holder: Holder,
    /// The waits of SIM accounts are so many times as short.
    pub time_scale: u32,
    /// For whoever wants to know whether the loops turn.
    pub pulse: Pulse,
}

/// Every loop of this daemon.
#[derive(Debug)]
pub struct Engines {
    parts: Parts,
    loops: HashMap<LoopKey, Running>,
    /// Which loop a task is, for when it breaks and cannot say so itself.
    names: HashMap<Id, LoopKey>,
    tasks: JoinSet<()>,
    streams: JoinSet<()>,
    /// A stream came up or went down.
    stream_changed: Arc<Notify>,
    unwatched: Unwatched,
}

type LoopKey = (Username, BrokerMode);

#[derive(Debug)]
struct Running {
    account: Account,
    stop: CancellationToken,
    events: watch::Receiver<StreamState>,
}

impl Engines {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            loops: HashMap::new(),
            names: HashMap::new(),
            tasks: JoinSet::new(),
            streams: JoinSet::new(),
            stream_changed: Arc::default(),
            unwatched: Unwatched::default(),
        }
    }

    /// Keeps a loop for every account until it is told to stop; then every loop ends its pass.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ears = JoinSet::new();
        ears.spawn(self.parts.bells.clone().hear(self.parts.db.work(), stop.clone()));
        while !stop.is_cancelled() {
            self.parts.pulse.looked(Instant::now());
            let was_there = self.parts.db.status().borrow().state == DbState::Ready;
            if let Err(error) = self.look(&stop).await {
                tracing::debug!("the accounts are not known: {error}");
            }
            self.rest(&stop, was_there).await;
        }
        while self.tasks.join_next().await.is_some() {}
        while self.streams.join_next().await.is_some() {}
    }

    /// Until it is time to look again: at once when the database comes that was away. How the streams are is
    /// told at once.
    async fn rest(&mut self, stop: &CancellationToken, was_there: bool) {
        let rest = tokio::time::sleep(LOOK_EVERY);
        tokio::pin!(rest);
        let mut database = self.parts.db.status();
        let changed = Arc::clone(&self.stream_changed);
        loop {
            self.report_streams();
            tokio::select! {
                () = stop.cancelled() => return,
                Some(ended) = self.tasks.join_next_with_id() => return self.forget(&ended),
                Some(_) = self.streams.join_next() => {}
                () = changed.notified() => {}
                Ok(_) = database.wait_for(|status| status.state == DbState::Ready), if !was_there => return,
                () = &mut rest => return,
            }
        }
    }

    fn report_streams(&self) {
        let states: Vec<StreamState> = self.loops.values().map(|running| running.events.borrow().clone()).collect();
        let (state, detail) = events::summary(&states);
        self.parts.health.report_events(state, detail);
    }

    /// Begins loops for accounts that are new and ends those of accounts that are gone.
    async fn look(&mut self, stop: &CancellationToken) -> Result<(), DbError> {
        let tx = self.parts.db.system_tx().await?;
        let installation = installation_ensure(&tx).await?;
        let users = settings_users(&tx).await?;
        tx.commit().await?;
        let mut wanted = HashSet::new();
        for user in users {
            // One user's fault is not the next one's.
            match self.look_after(&user, installation, stop).await {
                Ok(modes) => wanted.extend(modes.into_iter().map(|mode| (user.clone(), mode))),
                Err(error) => {
                    tracing::warn!(user = %user, "the accounts are not known: {error}");
                    // What is not known is left as it is.
                    wanted.extend(self.loops.keys().filter(|(of, _)| *of == user).cloned());
                }
            }
        }
        // Whose token was removed has no account any more.
        for running in self.loops.iter().filter(|(key, _)| !wanted.contains(key)).map(|(_, running)| running) {
            running.stop.cancel();
        }
        Ok(())
    }

    /// The user's loops, as they are to be; the worlds that the user has a token for.
    async fn look_after(
        &mut self,
        user: &Username,
        installation: Installation,
        stop: &CancellationToken,
    ) -> Result<Vec<BrokerMode>, DbError> {
        let (mut closed, mut modes) = (HashMap::new(), Vec::new());
        for (mode, opened) in self.parts.accounts.open_all(user).await? {
            modes.push(mode);
            match opened {
                Ok(account) => self.ensure((user.clone(), mode), account, installation, stop),
                Err(error) => {
                    self.end(&(user.clone(), mode), &error);
                    closed.insert(mode, error.to_string());
                }
            }
        }
        self.unwatched.look(&self.parts, user, &closed).await?;
        Ok(modes)
    }

    fn ensure(&mut self, key: LoopKey, account: Account, installation: Installation, stop: &CancellationToken) {
        if let Some(running) = self.loops.get(&key) {
            if !Arc::ptr_eq(&running.account.tradier, &account.tradier) {
                // Its successor begins once it has ended.
                running.stop.cancel();
            }
            return;
        }
        let stop = stop.child_token();
        let rouse = self.parts.bells.of(&key.0, key.1);
        let wakes = events::Wakes { rouse: Arc::clone(&rouse), changed: Arc::clone(&self.stream_changed) };
        let clock = LoopClock { clock: self.parts.clock.clone(), rouse, stop: stop.clone() };
        let engine = self.parts.engine(&key, &account, installation, clock);
        let events = events::listen(&mut self.streams, &account, wakes, &stop);
        self.loops.insert(key.clone(), Running { account, stop: stop.clone(), events });
        let name = key.clone();
        let beat = self.parts.pulse.begin(Instant::now());
        let task = self.tasks.spawn(async move { keep(engine, &key, &stop, &beat).await });
        self.names.insert(task.id(), name);
    }

    fn end(&self, key: &LoopKey, why: &AccountError) {
        if let Some(running) = self.loops.get(key).filter(|running| !running.stop.is_cancelled()) {
            tracing::warn!(user = %key.0, mode = %key.1, "the trade engine stops: {why}");
            running.stop.cancel();
        }
    }

    /// A loop that ended, or broke, makes room for its successor. The others go on.
    fn forget(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let Some(key) = self.names.remove(&id) else { return };
        if let Err(error) = ended {
            tracing::error!(user = %key.0, mode = %key.1, "a loop of the trade engine broke: {error}");
        }
        if let Some(running) = self.loops.remove(&key) {
            // Its event stream ends with it.
            running.stop.cancel();
        }
    }
}

type LoopEngine = Engine<Ledger, BrokerAccount, LoopClock, Exchange>;

impl Parts {
    fn engine(&self, key: &LoopKey, account: &Account, installation: Installation, clock: LoopClock) -> LoopEngine {
        let number = account.broker.account().as_str().to_owned();
        let store = Ledger {
            db: self.db.clone(),
            user: key.0.clone(),
            account: AccountKey { mode: key.1, number },
            epoch_base: installation.epoch_base,
            hub: Some(self.hub.clone()),
            kill_file: self.kill_file.clone(),
        };
        let broker = BrokerAccount::new(account.clone(), self.clock.clone());
        let sessions = Exchange::of_mode(key.1, &self.calendar, self.force);
        let settings = Settings {
            holder: self.holder,
            installation: tag::Installation::new(installation.id),
            timing: if key.1 == BrokerMode::Sim {
                Timing::PRODUCTION.hurried(self.time_scale)
            } else {
                Timing::PRODUCTION
            },
            rules: Rules::ALL,
        };
        Engine::new(Ports { store, broker, clock, sessions }, settings)
    }
}

/// One loop, from its first pass to the release of its lease.
async fn keep(mut engine: LoopEngine, key: &LoopKey, stop: &CancellationToken, beat: &Beat) {
    tracing::info!(user = %key.0, mode = %key.1, "the trade engine watches an account");
    let mut was = None;
    while !stop.is_cancelled() {
        let pass = engine.pass().await;
        beat.turned(Instant::now());
        if was != Some(pass) {
            tracing::debug!(user = %key.0, mode = %key.1, "a pass of the trade engine ended as {pass:?}");
            was = Some(pass);
        }
        if !stop.is_cancelled() {
            engine.wait(pass).await;
        }
    }
    engine.release().await;
}

/// A holder for this run of the program. Without a lock it is a host of its own, of which nobody proves anything.
#[must_use]
pub fn holder(clock: &Clock, host: Option<Uuid>) -> Holder {
    let now = clock.now();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let id = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.timestamp_subsec_nanos()));
    Holder { host: host.unwrap_or(id), process: id }
}
