//! The store port over PostgreSQL. Each call is one transaction of one user; a commit begins with
//! the lease, whose row it keeps locked, so that owners of one account take turns.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use blotter_shared::domain::{AlarmId, BrokerMode, Cash, IntentId, Step, TradeId, TradeStatus};
use blotter_shared::protocol;
use chrono::TimeDelta;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join};
use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::super::facts::{AlarmChange, AlarmState, Book, Change, Fill, Intent, Marks, Spec, Trade, Wish, WishStamp};
use super::super::ports::{CommitError, Fence, Holder, LeaseAnswer, OrderId, Store, StoreError};
use super::super::progress;
use super::super::tag::Epoch;
use super::{again, rows};
use crate::auth::Username;
use crate::db::alarms::{Subject, alarm_clear, alarm_raise};
use crate::db::audit::AuditEntry;
use crate::db::changes::Feed;
use crate::db::engine::{
    AccountKey, LeaseHolder, LeaseRow, MarksRow, OpenAlarm, StoredTrade, TradePlace, account_facts, account_facts_put,
    commit_with_step, fill_put, intent_gate, intent_put, intent_reported, lease_ready, lease_release, lease_renew,
    lease_take, marks_put, open_alarms, restored_put, step_put, step_tell, tags_known, trade_put, trade_stored,
    trade_take, trades_watched, wish_put,
};
use crate::db::installation::{epoch_base, epochs_begin_above};
use crate::db::settings::entries_stopped;
use crate::db::trades::{Overrides, WishSaid, wish_say};
use crate::db::{Db, DbError, First, UserTx, both};
use crate::events::Hub;

/// Ended trades are watched for so long: a fill may be reported late.
const WATCHED: TimeDelta = TimeDelta::days(2);

/// Rules whose refusal means that somebody else was first.
const OVERTAKEN: &[&str] = &["intents_one_live_exit", "intents_one_entry", "paper_trades_one_live"];

const OTHER_WISH: &str = "another wish is durable by now";

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

/// What a device wants of a trade.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    pub expect: WishStamp,
    pub becomes: &'a Wish,
    pub signature: &'a Signature<'a>,
    /// Who tells other daemons of it.
    pub process: Uuid,
}

/// Who asked for what: a line of the audit log.
#[derive(Clone, Copy, Debug)]
pub struct Signature<'a> {
    pub device: &'a str,
    pub action: &'a str,
    /// The request.
    pub detail: &'a Value,
    pub overrides: Overrides,
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
        let db = |error| not_committed(Stop::Db(error));
        let fenced = Fenced { ledger: self, fence, changes };
        let first = First { about: &fenced, ask: Fenced::written };
        let (tx, written) = Box::pin(self.db.engine_tx_with(&self.user, first)).await.map_err(db)?;
        let told = self.hub.as_ref().and_then(|hub| hub.told(&self.user));
        let news = Box::pin(written?.commit(tx, told)).await.map_err(db)?;
        if let Some(hub) = &self.hub {
            hub.tell(&self.user, news);
        }
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
        let told = Box::pin(self.write_all(tx, changes)).await.map_err(unwritten)?;
        Box::pin(told.tell(tx)).await.map_err(|error| unwritten(Stop::Db(error)))
    }

    /// Writes what a device wants of a trade that this transaction has locked, with everything that goes with it. The
    /// trade is as it was read under that lock.
    ///
    /// # Errors
    /// As [`Ledger::write`].
    pub async fn say(
        &self,
        tx: &UserTx,
        trade: &Trade,
        said: &Said<'_>,
    ) -> Result<protocol::trades::Trade, CommitError> {
        let wish_say = async {
            let becomes = Trade { wish: said.becomes.clone(), ..trade.clone() };
            let row = rows::wish(said.becomes)?;
            let written = WishSaid {
                trade: trade.id(),
                was: (said.expect.version, rows::desired(said.expect)),
                wish: &row,
                step: progress::step(&becomes).map(Step::as_str),
                overrides: said.signature.overrides,
                work: (self.account.mode, said.process),
                audit: AuditEntry {
                    action: said.signature.action,
                    subject: &trade.id().to_string(),
                    device: said.signature.device,
                    detail: said.signature.detail.clone(),
                },
            };
            wish_say(tx, &written).await?.ok_or(Stop::Overtaken(OTHER_WISH))
        };
        wish_say.await.map_err(unwritten)
    }

    /// Everything that one pass, or the judge of a command, decides by.
    ///
    /// # Errors
    /// When the database does not answer, or a row cannot be read.
    pub async fn book(&self, tx: &UserTx) -> Result<Book, DbError> {
        let known = both(account_facts(tx, &self.account), both(entries_stopped(tx), open_alarms(tx, &self.account)));
        let (stored, (facts, (stopped, alarms))) =
            both(trades_watched(tx, &self.account, tx.now() - WATCHED), known).await?;
        let mut book = Book::new(self.account.mode, starting_equity(self.account.mode));
        for trade in stored {
            let trade = whole(trade)?;
            book.trades.insert(trade.id(), trade);
        }
        if let Some(facts) = facts {
            book.account = parsed(facts, "account_facts")?;
        }
        // Said by the user or the operator, never by the engine: what it wrote of it is not read back.
        book.account.entries_stopped = stopped || self.is_killed().await;
        let ours = |alarm: &OpenAlarm| alarm.trade.is_none_or(|trade| book.trades.contains_key(&TradeId(trade)));
        book.alarms = alarms
            .into_iter()
            .filter(ours)
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

    /// Writes the changes, but for what can go out with the commit; tells what is left to be done.
    async fn write_all(&self, tx: &UserTx, changes: &[Change]) -> Result<Untold, Stop> {
        let again = again::write(tx, changes).await?;
        let is_written = |change: &Change| {
            matches!(change, Change::Marks { .. }) && change.trade().is_some_and(|trade| again.contains(&trade))
        };
        let mut touched = BTreeSet::new();
        // How far trades are as this transaction has left them, as far as it knows that without another look.
        let mut known = BTreeMap::new();
        let mut found: Option<Found> = None;
        let left: Vec<&Change> = changes.iter().filter(|change| !is_written(change)).collect();
        let mut rest = left.as_slice();
        while let Some((change, after)) = rest.split_first() {
            let trade = change.trade().filter(|_| !matches!(change, Change::Alarm(_)));
            if let Some(trade) = trade {
                known.remove(&trade);
            }
            if let Some(found) = found.take() {
                found.write(tx).await?;
            }
            let after = match Report::of(rest) {
                Some((report, after)) => {
                    found = Some(Box::pin(self.report(tx, &report)).await?);
                    after
                }
                None => {
                    found = self.write_one(tx, change).await?;
                    after
                }
            };
            known.extend(found.as_ref().map(|found| (TradeId(found.row.trade), found.step)));
            touched.extend(trade);
            rest = after;
        }
        let last = touched.pop_last();
        if let Some(found) = found.take_if(|_| !touched.is_empty()) {
            found.write(tx).await?;
        }
        for trade in &touched {
            let step = step_of(tx, *trade, &known).await?;
            step_put(tx, trade.0, step.map(Step::as_str)).await?;
        }
        let last = match last {
            Some(trade) => Some(Last { trade, step: step_of(tx, trade, &known).await?, found }),
            None => None,
        };
        touched.extend(again);
        Ok(Untold { last, others: touched })
    }

    /// Writes one change; of marks it tells what there is to write.
    async fn write_one(&self, tx: &UserTx, change: &Change) -> Result<Option<Found>, Stop> {
        match change {
            Change::Begin(trade) => trade_put(tx, &self.account, &rows::begun(trade)?).await?,
            Change::Wish { trade, expect, becomes } => {
                let was = (expect.version, rows::desired(*expect));
                let kept = wish_put(tx, trade.0, was, &rows::wish(becomes)?).await?;
                return if kept { Ok(None) } else { Err(Stop::Overtaken(OTHER_WISH)) };
            }
            Change::Marks { trade, becomes } => {
                let taken = trade_taken(tx, *trade).await?;
                return Ok(Some(Found::of(tx, taken, becomes).await?));
            }
            Change::Intent(intent) => intent_put(tx, &self.account, &rows::intent(intent, tx.now())?).await?,
            Change::Gate { intent, expect } => self.gate(tx, intent, *expect).await?,
            Change::Fill(fill) => fill_put(tx, &rows::fill(fill)?).await?,
            Change::Account(marks) => {
                if let Some(reconciling) = &marks.reconciling {
                    epochs_begin_above(tx, reconciling.base).await?;
                }
                account_facts_put(tx, &self.account, &json(marks)?).await?;
            }
            Change::Alarm(alarm) => self.alarm_change(tx, alarm).await?,
        }
        Ok(None)
    }

    /// Writes an order and what it executed, and looks at its trade, on one trip; tells what has become of that.
    async fn report(&self, tx: &UserTx, report: &Report<'_>) -> Result<Found, Stop> {
        let intent = rows::intent(report.intent, tx.now())?;
        let fills = report.fills.iter().map(|fill| rows::fill(fill)).collect::<Result<Vec<_>, _>>()?;
        let (place, stored) = intent_reported(tx, &self.account, &intent, &fills).await?;
        let known = stored.map(whole).transpose()?;
        Ok(Found::of(tx, (place, known), report.marks).await?)
    }

    async fn gate(&self, tx: &UserTx, intent: &Intent, expect: WishStamp) -> Result<(), Stop> {
        let row = rows::intent(intent, tx.now())?;
        let is_wanted = intent_gate(tx, &self.account, &row, (expect.version, rows::desired(expect))).await?;
        if is_wanted { Ok(()) } else { Err(Stop::Overtaken(OTHER_WISH)) }
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

/// What is written under a lease.
struct Fenced<'a> {
    ledger: &'a Ledger,
    fence: &'a Fence,
    changes: &'a [Change],
}

impl Fenced<'_> {
    /// The lease goes out on one trip with what is written under it, and before it: without it nothing of that is kept.
    fn written<'t>(tx: &'t UserTx, fenced: &'t Self) -> BoxFuture<'t, Result<Untold, CommitError>> {
        let Fenced { ledger, fence, changes } = fenced;
        let db = |error| not_committed(Stop::Db(error));
        async move {
            lease_ready(tx).await.map_err(db)?;
            let renewed = lease_renew(tx, &ledger.account, fence.holder.process, fence.epoch.0, fence.ttl);
            let (ours, written) = join(renewed, ledger.write_all(tx, changes)).await;
            if ours.map_err(db)? { written.map_err(not_committed) } else { Err(CommitError::LeaseLost) }
        }
        .boxed()
    }
}

/// What is left of a transaction: what was found out about its last trade, and to tell of it all in the change feed, whose lock
/// comes last, because who holds it waits for no trade.
#[must_use]
struct Untold {
    last: Option<Last>,
    others: BTreeSet<TradeId>,
}

/// The trade that a transaction tells of last.
struct Last {
    trade: TradeId,
    /// How far the engine has got with it.
    step: Option<Step>,
    /// What was found out about it last, where it goes out with the commit.
    found: Option<Found>,
}

impl Untold {
    /// Tells it, in a transaction that goes on.
    async fn tell(self, tx: &UserTx) -> Result<(), DbError> {
        if let Some(Last { trade, step, found }) = self.last {
            if let Some(found) = found {
                found.write(tx).await?;
            }
            step_tell(tx, trade, step.map(Step::as_str)).await?;
        }
        again::tell(tx, &self.others).await
    }

    /// Tells it and makes everything last, on one trip where it is one trade: with what is new in the feed since `after`.
    async fn commit(self, tx: UserTx, after: Option<i64>) -> Result<Option<Feed>, DbError> {
        match self.last {
            Some(Last { trade, step, found }) if self.others.is_empty() => {
                let marks = match found {
                    // What a trade at its end allows is found out by asking.
                    Some(found) if found.was.is_terminal() => {
                        found.write(&tx).await?;
                        None
                    }
                    goes_on => goes_on.map(|found| found.row),
                };
                Box::pin(commit_with_step(tx, trade, step.map(Step::as_str), marks.as_ref(), after)).await
            }
            Some(_) | None => {
                self.tell(&tx).await?;
                tx.commit().await.map(|()| None)
            }
        }
    }
}

/// What a look at the broker tells of one order, in the sequence in which changes come: the commonest thing that a pass writes
/// while somebody waits for it.
struct Report<'a> {
    intent: &'a Intent,
    fills: Vec<&'a Fill>,
    marks: &'a Marks,
}

impl<'a> Report<'a> {
    /// The one that these changes begin with, and those after it.
    fn of<'c>(changes: &'c [&'a Change]) -> Option<(Self, &'c [&'a Change])> {
        let (Change::Intent(intent), mut rest) = changes.split_first()? else { return None };
        let mut fills = Vec::new();
        while let Some((Change::Fill(fill), after)) = rest.split_first()
            && fill.intent_id == intent.id
        {
            fills.push(fill);
            rest = after;
        }
        let (Change::Marks { trade, becomes }, rest) = rest.split_first()? else { return None };
        (*trade == intent.trade_id).then_some((Self { intent, fills, marks: becomes }, rest))
    }
}

/// What was found out about a trade that is kept for this transaction, to be written before anything else of it.
struct Found {
    was: TradeStatus,
    row: MarksRow,
    /// How far the engine has got with the trade then.
    step: Option<Step>,
}

impl Found {
    async fn of(tx: &UserTx, taken: (TradePlace, Option<Trade>), becomes: &Marks) -> Result<Self, DbError> {
        let (place, whole) = taken;
        let mut whole = whole.ok_or(DbError::NotFound)?;
        let taken_up = becomes.restored.as_ref().filter(|now| whole.marks.restored.as_ref() != Some(*now));
        if let Some(restored) = taken_up {
            restored_put(tx, whole.id().0, &json(restored)?).await?;
        }
        whole.marks = becomes.clone();
        Ok(Self { was: place.status, row: rows::marks(&whole)?, step: progress::step(&whole) })
    }

    async fn write(&self, tx: &UserTx) -> Result<(), DbError> {
        marks_put(tx, self.was, &self.row).await
    }
}

/// How far the engine has got with a trade of this transaction.
async fn step_of(
    tx: &UserTx,
    trade: TradeId,
    known: &BTreeMap<TradeId, Option<Step>>,
) -> Result<Option<Step>, DbError> {
    match known.get(&trade) {
        Some(step) => Ok(*step),
        None => Ok(progress::step(&trade_whole(tx, trade).await?)),
    }
}

/// One trade with its intents and fills, as the engine knows it.
///
/// # Errors
/// [`DbError::NotFound`] when no engine wrote it.
pub async fn trade_whole(tx: &UserTx, id: TradeId) -> Result<Trade, DbError> {
    whole(trade_stored(tx, id.0).await?)
}

/// Keeps a trade for this transaction, as the engine knows it then; absent when no engine wrote it.
///
/// # Errors
/// [`DbError::NotFound`] when this user has no such trade.
pub async fn trade_taken(tx: &UserTx, id: TradeId) -> Result<(TradePlace, Option<Trade>), DbError> {
    let (place, stored) = trade_take(tx, id.0).await?;
    Ok((place, stored.map(whole).transpose()?))
}

/// What was stored of a trade, as the engine knows it.
fn whole(stored: StoredTrade) -> Result<Trade, DbError> {
    let spec: Spec = parsed(stored.spec, "trade_facts.spec")?;
    let id = spec.id;
    let intents = stored.intents.into_iter().map(|facts| parsed(facts, "intents.facts"));
    let fills = stored.fills.into_iter().map(|row| {
        Ok(Fill {
            trade_id: id,
            intent_id: IntentId(row.intent),
            leg: OrderId(row.leg.parse().map_err(|_| unreadable("fills.leg_id"))?),
            cumulative: u32::try_from(row.cumulative).map_err(|_| unreadable("fills.cum_qty"))?,
            quantity: u32::try_from(row.quantity).map_err(|_| unreadable("fills.inc_qty"))?,
            value: row.value,
            seen_at: row.seen_at,
        })
    });
    Ok(Trade {
        spec,
        wish: parsed(stored.wish, "trade_facts.wish")?,
        marks: parsed(stored.marks, "trade_facts.marks")?,
        intents: intents.collect::<Result<_, _>>()?,
        fills: fills.collect::<Result<_, DbError>>()?,
    })
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

/// As [`not_committed`], in a command's own transaction.
fn unwritten(stop: Stop) -> CommitError {
    match stop {
        // The loop was in the way: judge it again.
        Stop::Db(DbError::Busy { what }) => CommitError::Overtaken(what),
        stop @ (Stop::Overtaken(_) | Stop::Db(_)) => not_committed(stop),
    }
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
