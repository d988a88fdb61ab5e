//! The engine at work: one loop for each account that a user has a token for, under its lease.
//!
//! Read `Engines::run` (who gets a loop), then `store`, `broker` and `clock`: the three ports over
//! PostgreSQL, the broker's adapter and the machine. Without an account there is no loop.
//!
//! Invariants:
//! * A loop has one account with one token: another token ends it before its successor begins.
//! * A loop ends between two passes and gives its lease back; one that is cut off leaves the lease to
//!   run out, and what it had sent is found by the next pass of whoever comes.

pub mod broker;
pub mod clock;
mod rows;
pub mod store;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use blotter_shared::domain::BrokerMode;
use tokio::sync::Notify;
use tokio::task::JoinSet;
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
use crate::calendar::{Calendar, Force};
use crate::clock::Clock;
use crate::db::engine::AccountKey;
use crate::db::installation::{Installation, installation_ensure};
use crate::db::secrets::secret_users;
use crate::db::{Db, DbError};
use crate::events::Hub;
use broker::BrokerAccount;
use clock::{Exchange, LoopClock};
use store::Ledger;

/// Between two looks at who has an account.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What the loops are made of.
#[derive(Clone, Debug)]
pub struct Parts {
    pub db: Db,
    pub accounts: Accounts,
    pub hub: Hub,
    pub clock: Clock,
    pub calendar: Arc<Calendar>,
    pub force: Force,
    /// This run of this program.
    pub holder: Holder,
    /// The waits of SIM accounts are so many times as short.
    pub time_scale: u32,
}

/// Every loop of this daemon.
#[derive(Debug)]
pub struct Engines {
    parts: Parts,
    loops: HashMap<LoopKey, Running>,
    tasks: JoinSet<LoopKey>,
}

type LoopKey = (Username, BrokerMode);

#[derive(Debug)]
struct Running {
    account: Account,
    stop: CancellationToken,
}

impl Engines {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts, loops: HashMap::new(), tasks: JoinSet::new() }
    }

    /// Keeps a loop for every account until it is told to stop; then every loop ends its pass.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.look(&stop).await {
                tracing::debug!("the accounts are not known: {error}");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = self.tasks.join_next() => self.forget(ended),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// Begins loops for accounts that are new and ends those of accounts that are gone.
    async fn look(&mut self, stop: &CancellationToken) -> Result<(), DbError> {
        let tx = self.parts.db.system_tx().await?;
        let installation = installation_ensure(&tx).await?;
        let users = secret_users(&tx).await?;
        tx.commit().await?;
        for user in users {
            for (mode, opened) in self.parts.accounts.open_all(&user).await? {
                match opened {
                    Ok(account) => self.ensure((user.clone(), mode), account, installation, stop),
                    Err(error) => self.end(&(user.clone(), mode), &error),
                }
            }
        }
        Ok(())
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
        let engine = self.parts.engine(&key, &account, installation, &stop);
        self.loops.insert(key.clone(), Running { account, stop: stop.clone() });
        self.tasks.spawn(async move {
            keep(engine, &key, &stop).await;
            key
        });
    }

    fn end(&self, key: &LoopKey, why: &AccountError) {
        if let Some(running) = self.loops.get(key).filter(|running| !running.stop.is_cancelled()) {
            tracing::warn!(user = %key.0, mode = %key.1, "the trade engine stops: {why}");
            running.stop.cancel();
        }
    }

    fn forget(&mut self, ended: Result<LoopKey, tokio::task::JoinError>) {
        match ended {
            Ok(key) => {
                self.loops.remove(&key);
            }
            Err(error) => {
                // Which one is not told: those whose task is gone begin anew.
                tracing::error!("a loop of the trade engine broke: {error}");
                for running in self.loops.values() {
                    running.stop.cancel();
                }
                if self.tasks.is_empty() {
                    self.loops.clear();
                }
            }
        }
    }
}

type LoopEngine = Engine<Ledger, BrokerAccount, LoopClock, Exchange>;

impl Parts {
    fn engine(
        &self,
        key: &LoopKey,
        account: &Account,
        installation: Installation,
        stop: &CancellationToken,
    ) -> LoopEngine {
        let number = account.broker.account().as_str().to_owned();
        let store = Ledger {
            db: self.db.clone(),
            user: key.0.clone(),
            account: AccountKey { mode: key.1, number },
            epoch_base: installation.epoch_base,
            hub: Some(self.hub.clone()),
        };
        let broker = BrokerAccount { account: account.clone(), clock: self.clock.clone() };
        let clock = LoopClock { clock: self.clock.clone(), rouse: Arc::new(Notify::new()), stop: stop.clone() };
        let sessions = Exchange { calendar: Arc::clone(&self.calendar), force: self.force };
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
async fn keep(mut engine: LoopEngine, key: &LoopKey, stop: &CancellationToken) {
    tracing::info!(user = %key.0, mode = %key.1, "the trade engine watches an account");
    let mut was = None;
    while !stop.is_cancelled() {
        let pass = engine.pass().await;
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

/// A holder for this run of the program.
#[must_use]
pub fn holder(clock: &Clock) -> Holder {
    let now = clock.now();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let id = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.timestamp_subsec_nanos()));
    Holder { host: id, process: id }
}
