//! The store port over PostgreSQL. Each call is one transaction of one user; a commit begins with
//! the lease, whose row it keeps locked, so that owners of one account take turns.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use blotter_shared::domain::{AlarmId, BrokerMode, Cash, Step, TradeId};
use chrono::TimeDelta;
use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::super::facts::{AlarmChange, AlarmState, Book, Change, Fill, Intent, Trade, WishStamp};
use super::super::ports::{CommitError, Fence, Holder, LeaseAnswer, OrderId, Store, StoreError};
use super::super::progress;
use super::super::tag::Epoch;
use super::{again, rows};
use crate::auth::Username;
use crate::db::alarms::{Subject, alarm_clear, alarm_raise};
use crate::db::engine::{
    AccountKey, LeaseHolder, LeaseRow, StoredTrade, account_facts, account_facts_put, fill_put, fills_of, intent_put,
    intents_of, lease_release, lease_renew, lease_take, marks_put, open_alarms, restored_put, step_put, tags_known,
    trade_facts, trade_put, trades_watched, wish_is, wish_put,
};
use crate::db::installation::{epoch_base, epochs_begin_above};
use crate::db::settings::entries_stopped;
use crate::db::{Db, DbError, UserTx};
use crate::events::Hub;

/// Ended trades are watched for so long: a fill may be reported late.
const WATCHED: TimeDelta = TimeDelta::days(2);

/// Rules whose refusal means that somebody else was first.
const OVERTAKEN: &[&str] = &["intents_one_live_exit", "intents_one_entry", "paper_trades_one_live"];

/// The durable truth about one account.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub db: Db,
    pub user: Username,
    pub account: AccountKey,
    /// Lease epochs begin above it.
    pub epoch_base: i64,
    /// Told after each commit, so that clients see it at once.
    pub hub: Option<Hub>,
    /// While this file exists no entry is sent.
    pub kill_file: Option<PathBuf>,
}

/// Why a change was not written.
enum Stop {
    Overtaken(&'static str),
    Db(DbError),
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl Store for Ledger {
    async fn lease(&self, holder: Holder, ttl: Duration) -> Result<LeaseAnswer, StoreError> {
        let tx = self.db.engine_tx(&self.user).await.map_err(unanswered)?;
        let base = epoch_base(&tx).await.map_err(unanswered)?.max(self.epoch_base);
        let asker = LeaseHolder { process: holder.process, host: holder.host };
        let row = lease_take(&tx, &self.account, asker, ttl, base).await.map_err(unanswered)?;
        tx.commit().await.map_err(unanswered)?;
        Ok(match row {
            LeaseRow::Renewed(epoch) => LeaseAnswer::Renewed(Epoch(epoch)),
            LeaseRow::Taken(epoch) => LeaseAnswer::Taken(Epoch(epoch)),
            LeaseRow::TakenOver(epoch) => LeaseAnswer::TakenOver(Epoch(epoch)),
            LeaseRow::Held => LeaseAnswer::Held,
        })
    }

    async fn release(&self, fence: &Fence) -> Result<(), StoreError> {
        let tx = self.db.engine_tx(&self.user).await.map_err(unanswered)?;
        lease_release(&tx, &self.account, fence.holder.process, fence.epoch.0).await.map_err(unanswered)?;
        tx.commit().await.map_err(unanswered)
    }

    async fn load(&self) -> Result<Book, StoreError> {
        let tx = self.db.engine_tx(&self.user).await.map_err(unanswered)?;
        let book = self.book(&tx).await.map_err(unanswered)?;
        tx.commit().await.map_err(unanswered)?;
        Ok(book)
    }

    async fn lost(&self, tags: BTreeSet<String>) -> Result<BTreeSet<String>, StoreError> {
        let tx = self.db.system_tx().await.map_err(unanswered)?;
        let known = tags_known(&tx, &tags).await.map_err(unanswered)?;
        tx.commit().await.map_err(unanswered)?;
        Ok(&tags - &known)
    }

    async fn commit(&self, fence: &Fence, changes: &[Change]) -> Result<(), CommitError> {
        let tx = self.db.engine_tx(&self.user).await.map_err(|error| not_committed(Stop::Db(error)))?;
        let holder = fence.holder.process;
        let ours = lease_renew(&tx, &self.account, holder, fence.epoch.0, fence.ttl).await;
        if !ours.map_err(|error| not_committed(Stop::Db(error)))? {
            return Err(CommitError::LeaseLost);
        }
        self.write_all(&tx, changes).await.map_err(not_committed)?;
        tx.commit().await.map_err(|error| not_committed(Stop::Db(error)))?;
        self.tell();
        Ok(())
    }

    async fn alarm(&self, changes: &[AlarmChange]) -> Result<(), StoreError> {
        let tx = self.db.engine_tx(&self.user).await.map_err(unanswered)?;
        for change in changes {
            self.alarm_change(&tx, change).await.map_err(unanswered)?;
        }
        tx.commit().await.map_err(unanswered)?;
        self.tell();
        Ok(())
    }
}

impl Ledger {
    /// An account's book for whoever judges commands: without a lease and without epochs.
    #[must_use]
    pub fn for_commands(db: &Db, user: &Username, account: &AccountKey) -> Self {
        Self { db: db.clone(), user: user.clone(), account: account.clone(), epoch_base: 0, hub: None, kill_file: None }
    }

    /// A file that cannot be looked for counts as there: entries wait.
    async fn is_killed(&self) -> bool {
        match &self.kill_file {
            Some(file) => tokio::fs::try_exists(file).await.unwrap_or(true),
            None => false,
        }
    }

    fn tell(&self) {
        if let Some(hub) = &self.hub {
            hub.poke(&self.user);
        }
    }

    /// Writes changes that a command was judged to make, in the command's own transaction. The
    /// lease belongs to the loop; a command names the wish that it saw instead.
    ///
    /// # Errors
    /// What was overtaken, or why the database did not take it.
    pub async fn write(&self, tx: &UserTx, changes: &[Change]) -> Result<(), CommitError> {
        self.write_all(tx, changes).await.map_err(|stop| match stop {
            // The loop was in the way: judge it again.
            Stop::Db(DbError::Busy { what }) => CommitError::Overtaken(what),
            stop @ (Stop::Overtaken(_) | Stop::Db(_)) => not_committed(stop),
        })
    }

    /// Everything that one pass, or the judge of a command, decides by.
    ///
    /// # Errors
    /// When the database does not answer, or a row cannot be read.
    pub async fn book(&self, tx: &UserTx) -> Result<Book, DbError> {
        let stored = trades_watched(tx, &self.account, tx.now() - WATCHED).await?;
        let ids: Vec<Uuid> = stored.iter().map(|trade| trade.id).collect();
        let mut book = Book::new(self.account.mode, starting_equity(self.account.mode));
        for trade in whole(tx, stored).await? {
            book.trades.insert(trade.id(), trade);
        }
        if let Some(facts) = account_facts(tx, &self.account).await? {
            book.account = parsed(facts, "account_facts")?;
        }
        // Said by the user or the operator, never by the engine: what it wrote of it is not read back.
        book.account.entries_stopped = entries_stopped(tx).await? || self.is_killed().await;
        let alarms = open_alarms(tx, &self.account, &ids).await?;
        book.alarms = alarms
            .into_iter()
            .map(|alarm| AlarmState {
                kind: alarm.kind,
                trade: alarm.trade.map(TradeId),
                severity: alarm.kind.severity(),
                message: alarm.message,
                raised_at: alarm.raised_at,
                acked_at: alarm.acked_at,
            })
            .collect();
        Ok(book)
    }

    async fn write_all(&self, tx: &UserTx, changes: &[Change]) -> Result<(), Stop> {
        let again = again::write(tx, changes).await?;
        let is_written = |change: &Change| {
            matches!(change, Change::Marks { .. }) && change.trade().is_some_and(|trade| again.contains(&trade))
        };
        let mut touched = BTreeSet::new();
        for change in changes.iter().filter(|change| !is_written(change)) {
            self.write_one(tx, change).await?;
            touched.extend(change.trade().filter(|_| !matches!(change, Change::Alarm(_))));
        }
        for trade in &touched {
            let step = progress::step(&trade_whole(tx, *trade).await?);
            step_put(tx, trade.0, step.map(Step::as_str)).await?;
        }
        // The feed's lock comes last: who holds it waits for no trade.
        touched.extend(again);
        Ok(again::tell(tx, &touched).await?)
    }

    async fn write_one(&self, tx: &UserTx, change: &Change) -> Result<(), Stop> {
        match change {
            Change::Begin(trade) => Ok(trade_put(tx, &self.account, &rows::begun(trade)?).await?),
            Change::Wish { trade, expect, becomes } => {
                let was = (expect.version, rows::desired(*expect));
                let kept = wish_put(tx, trade.0, was, &rows::wish(becomes)?).await?;
                if kept { Ok(()) } else { Err(Stop::Overtaken("another wish is durable by now")) }
            }
            Change::Marks { trade, becomes } => {
                let mut whole = trade_whole(tx, *trade).await?;
                let taken_up = becomes.restored.as_ref().filter(|now| whole.marks.restored.as_ref() != Some(*now));
                if let Some(restored) = taken_up {
                    restored_put(tx, trade.0, &json(restored)?).await?;
                }
                whole.marks = (**becomes).clone();
                Ok(marks_put(tx, &rows::marks(&whole)?).await?)
            }
            Change::Intent(intent) => self.intent(tx, intent).await,
            Change::Gate { intent, expect } => self.gate(tx, intent, *expect).await,
            Change::Fill(fill) => Ok(fill_put(tx, &rows::fill(fill)?).await?),
            Change::Account(marks) => {
                if let Some(reconciling) = &marks.reconciling {
                    epochs_begin_above(tx, reconciling.base).await?;
                }
                Ok(account_facts_put(tx, &self.account, &json(marks)?).await?)
            }
            Change::Alarm(alarm) => Ok(self.alarm_change(tx, alarm).await?),
        }
    }

    async fn gate(&self, tx: &UserTx, intent: &Intent, expect: WishStamp) -> Result<(), Stop> {
        if !wish_is(tx, intent.trade_id.0, expect.version, rows::desired(expect)).await? {
            return Err(Stop::Overtaken("another wish is durable by now"));
        }
        self.intent(tx, intent).await
    }

    async fn intent(&self, tx: &UserTx, intent: &Intent) -> Result<(), Stop> {
        let stored = trade_facts(tx, intent.trade_id.0).await?;
        let spec: super::super::facts::Spec = parsed(stored.spec, "trade_facts.spec")?;
        Ok(intent_put(tx, &self.account, &rows::intent(intent, &spec.symbol, tx.now())?).await?)
    }

    async fn alarm_change(&self, tx: &UserTx, change: &AlarmChange) -> Result<(), DbError> {
        let about =
            |trade: Option<TradeId>| trade.map_or_else(|| Subject::Account(self.account.name()), Subject::Trade);
        let _changed: Option<AlarmId> = match change {
            AlarmChange::Raise { kind, trade, message, .. } => alarm_raise(tx, *kind, &about(*trade), message).await?,
            AlarmChange::Clear { kind, trade, .. } => alarm_clear(tx, *kind, &about(*trade)).await?,
            // A person acknowledges through the socket, with the name of the device.
            AlarmChange::Ack { .. } => None,
        };
        Ok(())
    }
}

/// One trade with its intents and fills, as the engine knows it.
///
/// # Errors
/// [`DbError::NotFound`] when no engine wrote it.
pub async fn trade_whole(tx: &UserTx, id: TradeId) -> Result<Trade, DbError> {
    let stored = trade_facts(tx, id.0).await?;
    whole(tx, vec![stored]).await?.into_iter().next().ok_or(DbError::NotFound)
}

/// Trades with their intents and fills.
async fn whole(tx: &UserTx, stored: Vec<StoredTrade>) -> Result<Vec<Trade>, DbError> {
    let ids: Vec<Uuid> = stored.iter().map(|trade| trade.id).collect();
    let places: HashMap<Uuid, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let mut trades = Vec::new();
    for row in stored {
        trades.push(Trade {
            spec: parsed(row.spec, "trade_facts.spec")?,
            wish: parsed(row.wish, "trade_facts.wish")?,
            marks: parsed(row.marks, "trade_facts.marks")?,
            intents: Vec::new(),
            fills: Vec::new(),
        });
    }
    for facts in intents_of(tx, &ids).await? {
        let intent: Intent = parsed(facts, "intents.facts")?;
        if let Some(trade) = places.get(&intent.trade_id.0).and_then(|place| trades.get_mut(*place)) {
            trade.intents.push(intent);
        }
    }
    for row in fills_of(tx, &ids).await? {
        let fill = Fill {
            trade_id: TradeId(row.trade),
            intent_id: blotter_shared::domain::IntentId(row.intent),
            leg: OrderId(row.leg.parse().map_err(|_| unreadable("fills.leg_id"))?),
            cumulative: u32::try_from(row.cumulative).map_err(|_| unreadable("fills.cum_qty"))?,
            quantity: u32::try_from(row.quantity).map_err(|_| unreadable("fills.inc_qty"))?,
            value: row.value,
            seen_at: row.seen_at,
        };
        if let Some(trade) = places.get(&row.trade).and_then(|place| trades.get_mut(*place)) {
            trade.fills.push(fill);
        }
    }
    Ok(trades)
}

/// What an empty account is worth on its first day; a live account is never taken for empty.
fn starting_equity(mode: BrokerMode) -> Cash {
    match mode {
        BrokerMode::Sim | BrokerMode::Sandbox => Cash(Decimal::from(100_000)),
        BrokerMode::Live => Cash::ZERO,
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<Value, DbError> {
    let fault = |error: serde_json::Error| DbError::Internal { message: error.to_string(), source: None };
    serde_json::to_value(value).map_err(fault)
}

pub(super) fn parsed<T: DeserializeOwned>(value: Value, column: &str) -> Result<T, DbError> {
    serde_json::from_value(value).map_err(|_| unreadable(column))
}

fn unreadable(column: &str) -> DbError {
    DbError::Unreadable { column: column.to_owned(), expected: "what the engine wrote" }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn unanswered(error: DbError) -> StoreError {
    StoreError(error.to_string())
}

fn not_committed(stop: Stop) -> CommitError {
    match stop {
        Stop::Overtaken(why) => CommitError::Overtaken(why.to_owned()),
        Stop::Db(DbError::CommitUnknown) => CommitError::Unknown(DbError::CommitUnknown.to_string()),
        Stop::Db(DbError::Refused { rule, message }) if OVERTAKEN.contains(&rule.as_str()) => {
            CommitError::Overtaken(message)
        }
        Stop::Db(error @ (DbError::Unavailable { .. } | DbError::Busy { .. })) => {
            CommitError::Unavailable(error.to_string())
        }
        Stop::Db(
            error @ (DbError::Refused { .. }
            | DbError::Conflict { .. }
            | DbError::NotFound
            | DbError::Invalid(_)
            | DbError::Unreadable { .. }
            | DbError::Internal { .. }),
        ) => {
            tracing::error!("the trade engine wanted to write what is not allowed: {error}");
            CommitError::Illegal(error.to_string())
        }
    }
}
