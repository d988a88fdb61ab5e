//! Accounts with live trades that no daemon has a loop for: a token that does not open, another
//! account's token in its place, a lock on real money, a broken loop. Whoever looks says so.
//!
//! Needs neither lease nor broker. The lease tells whether anybody watches, so that a daemon without
//! a key keeps silent beside one that has it. That an account has an owner does not mean that the owner can read it:
//! the alarm is taken back by the owner's first whole cut (`driver::blind`), here only when nothing is left to watch.

use std::collections::{BTreeSet, HashMap};

use blotter_shared::domain::{AlarmKind, BrokerMode};

use super::super::alarms;
use super::super::facts::Trade;
use super::super::ports::{Sessions, Store};
use super::super::timing::Timing;
use super::Parts;
use super::clock::Exchange;
use super::store::Ledger;
use crate::auth::Username;
use crate::db::alarms::{Subject, alarm_clear, alarm_raise};
use crate::db::engine::{AccountKey, alarmed_accounts, live_accounts, unwatched_accounts};
use crate::db::{DbError, UserTx};

/// Looks in a row that find nobody before it is said aloud: a loop that begins needs a moment for its
/// lease, and a lease that ran out needs its term.
const LOOKS: u32 = 3;

/// How often in a row an account was found unwatched.
#[derive(Debug, Default)]
pub(super) struct Unwatched {
    found: HashMap<(Username, String), u32>,
}

impl Unwatched {
    /// One look at a user's accounts. `closed` has the worlds whose account does not open, and why.
    pub(super) async fn look(
        &mut self,
        parts: &Parts,
        user: &Username,
        closed: &HashMap<BrokerMode, String>,
    ) -> Result<(), DbError> {
        let tx = parts.db.user_tx(user).await?;
        let alone = unwatched_accounts(&tx).await?;
        self.count(user, &alone);
        let long = |account: &&AccountKey| self.found.get(&(user.clone(), account.name())).is_some_and(|n| *n >= LOOKS);
        let blind: Vec<&AccountKey> = alone.iter().filter(long).collect();
        let mut changed = raise(&tx, &blind, closed).await?;
        changed |= clear(&tx, &live_accounts(&tx).await?).await?;
        tx.commit().await?;
        if changed {
            parts.hub.poke(user);
        }
        for account in alone {
            watch(parts, user, account).await;
        }
        Ok(())
    }

    fn count(&mut self, user: &Username, alone: &[AccountKey]) {
        let names: BTreeSet<String> = alone.iter().map(AccountKey::name).collect();
        self.found.retain(|(of, name), _| of != user || names.contains(name));
        for name in names {
            *self.found.entry((user.clone(), name)).or_default() += 1;
        }
    }
}

/// Whether anything was raised.
async fn raise(tx: &UserTx, blind: &[&AccountKey], closed: &HashMap<BrokerMode, String>) -> Result<bool, DbError> {
    let mut raised = false;
    for account in blind {
        let why = closed.get(&account.mode).map_or("its token is not stored here any more", String::as_str);
        let message = format!("no daemon watches the live trades of the {} account: {why}", account.mode);
        let about = Subject::Account(account.name());
        raised |= alarm_raise(tx, AlarmKind::AccountBlind, &about, &message).await?.is_some();
    }
    Ok(raised)
}

/// Ends the alarms about accounts that have nothing to watch; whether there were any. Who cannot read one has no
/// cut that could end them.
async fn clear(tx: &UserTx, live: &[AccountKey]) -> Result<bool, DbError> {
    let live: BTreeSet<String> = live.iter().map(AccountKey::name).collect();
    let mut cleared = false;
    for kind in [AlarmKind::AccountBlind, AlarmKind::CutTooSlow] {
        for name in alarmed_accounts(tx, kind).await? {
            if !live.contains(&name) {
                cleared |= alarm_clear(tx, kind, &Subject::Account(name)).await?.is_some();
            }
        }
    }
    Ok(cleared)
}

/// The engine's own watchdog over what is durable: since when something is naked or unverified. That
/// it cannot be stored is noticed by the next look.
async fn watch(parts: &Parts, user: &Username, account: AccountKey) {
    let (db, user) = (parts.db.clone(), user.clone());
    let ledger =
        Ledger { db, user, account, epoch_base: 0, hub: Some(parts.hub.clone()), kill_file: parts.kill_file.clone() };
    let Ok(book) = ledger.load().await else { return };
    let exchange = Exchange::of_mode(book.mode, &parts.calendar, parts.force);
    let now = parts.clock.now();
    let known = |trade: &Trade| (exchange.of(&trade.spec.contract.root, now), alarms::Since::of(&book, trade));
    let alarms = alarms::watchdog(&book, known, now, &Timing::PRODUCTION);
    if !alarms.is_empty() {
        let _answer = ledger.alarm(&alarms).await;
    }
}
