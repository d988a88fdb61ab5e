//! The rehearsal of a connection. A trader's close is rare: without it each would meet a connection that has never
//! heard its statements, and PostgreSQL would read them, plan them and compile their guards while somebody waits.
//!
//! After its first work a connection plays once what its lane is there for, for a user that does not exist, and takes
//! everything back. Nobody waits for it, nothing stays, and when it fails only speed is lost.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use blotter_shared::domain::{BrokerMode, TradeId, TradeStatus};
use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::Object;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::audit::AuditEntry;
use super::changes::{Changed, change_append, feed_since};
use super::commands::{Answer, Begin, Command, command_begin, command_finish};
use super::connect::Tasks;
use super::engine::{
    AccountKey, FiguresRow, FillRow, IntentRow, LeaseHolder, MarksRow, NewTradeRow, StoryRow, WishRow, account_facts,
    fill_put, intent_gate, intent_put, lease_renew, lease_take, marks_put, open_alarms, step_put, step_tell, story_put,
    trade_put, trade_take, trades_watched,
};
use super::session::{Guards, Plans, Session};
use super::settings::entries_stopped;
use super::supervisor::Lane;
use super::trades::{Overrides, WishSaid, wish_say};
use super::tx::new_id;
use super::{DbError, UserTx};
use crate::clock::Clock;

/// Connections that are remembered as having played before all are forgotten: a few may then play twice.
const REMEMBERED: usize = 64;

/// Where connections of one lane rehearse, one at a time: the others are there for whoever works.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    tasks: Tasks,
    clock: Clock,
    lane: Lane,
    bill: Arc<Mutex<Bill>>,
}

#[derive(Debug, Default)]
struct Bill {
    is_playing: bool,
    /// By the moment in which the connection was made.
    played: HashSet<Instant>,
}

/// The stage is free again when it is dropped.
struct Turn(Arc<Mutex<Bill>>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_playing = false;
    }
}

impl Stage {
    pub(super) fn new(tasks: &Tasks, clock: &Clock, lane: Lane) -> Self {
        Self { tasks: tasks.clone(), clock: clock.clone(), lane, bill: Arc::default() }
    }

    /// The turn of a connection that has not played, if the stage is free.
    fn turn(&self, connection: &Object) -> Option<Turn> {
        let made = Object::metrics(connection).created;
        let mut bill = self.bill.lock().unwrap_or_else(PoisonError::into_inner);
        if bill.is_playing || bill.played.contains(&made) {
            return None;
        }
        if bill.played.len() >= REMEMBERED {
            bill.played.clear();
        }
        bill.played.insert(made);
        bill.is_playing = true;
        Some(Turn(Arc::clone(&self.bill)))
    }

    /// Takes a connection that has worked: to its pool, or once by way of a rehearsal beside everything else.
    pub(super) fn pass(self, connection: Object, guards: Guards) {
        let (Some(turn), Ok(runtime)) = (self.turn(&connection), Handle::try_current()) else { return };
        let Self { tasks, clock, lane, .. } = self;
        let rehearsal = Box::pin(async move {
            if let Err(error) = rehearse(connection, guards, lane, clock.now()).await {
                tracing::debug!("a connection works without a rehearsal: {error}");
            }
            drop(turn);
        });
        let stop = tasks.stop.clone();
        tasks.tracker.spawn_on(async move { stop.run_until_cancelled(rehearsal).await }, &runtime);
    }
}

async fn rehearse(connection: Object, guards: Guards, lane: Lane, now: DateTime<Utc>) -> Result<(), DbError> {
    // Nobody has such a name, and no two rehearsals have the same.
    let user = format!("rehearsal:{}", new_id(now).simple());
    let session = Session::open(connection, guards);
    session.begin(("blotter_app", &user), Plans::Kept).await?;
    let user = user.parse().map_err(|_| DbError::unavailable("nobody rehearses"))?;
    let tx = UserTx::new(session, &user, now);
    let part =
        Part { trade: tx.new_id(), account: AccountKey { mode: BrokerMode::Sim, number: "rehearsal".to_owned() } };
    trade_put(&tx, &part.account, &part.trade(now)).await?;
    match lane {
        Lane::Requests => Box::pin(part.command(&tx)).await?,
        Lane::Own => Box::pin(part.pass(&tx)).await?,
    }
    // What else would be met at a commit; dropped, the transaction is taken back.
    tx.session().check().await
}

/// What a rehearsal is about.
struct Part {
    trade: Uuid,
    account: AccountKey,
}

impl Part {
    /// What a device may ask for, and what it is told of the outcome.
    async fn command(&self, tx: &UserTx) -> Result<(), DbError> {
        let command = Command { key: "rehearsal", kind: "rehearsal", body_hash: [0; 32], device: "rehearsal" };
        let begun = command_begin(tx, command).await?;
        story_put(tx, self.trade, &StoryRow::default()).await?;
        trade_take(tx, self.trade).await?;
        self.book(tx).await?;
        let audit = AuditEntry {
            action: "rehearsal",
            subject: "rehearsal",
            device: "rehearsal",
            detail: json!({ "version": 1 }),
        };
        let said = WishSaid {
            trade: TradeId(self.trade),
            was: (1, "HOLD"),
            wish: &wish(2, "FLAT", 0),
            step: None,
            overrides: Overrides::Plan,
            work: (self.account.mode, self.trade),
            audit,
        };
        wish_say(tx, &said).await?;
        if let Begin::New(id) = begun {
            command_finish(tx, id, &Answer { status: 200, body: "{}".to_owned() }).await?;
        }
        feed_since(tx, 0, 1).await?;
        Ok(())
    }

    /// What a pass of the engine records.
    async fn pass(&self, tx: &UserTx) -> Result<(), DbError> {
        let (process, ttl) = (self.trade, std::time::Duration::from_secs(1));
        lease_take(tx, &self.account, LeaseHolder { process, host: process }, ttl, 0).await?;
        lease_renew(tx, &self.account, process, 1, ttl).await?;
        self.book(tx).await?;
        let intent = self.intent(tx.now());
        intent_gate(tx, &self.account, &intent, (1, "HOLD")).await?;
        intent_put(tx, &self.account, &IntentRow { state: "ACKED", order: Some("1".to_owned()), ..intent.clone() })
            .await?;
        fill_put(tx, &fill(&intent, tx.now())).await?;
        marks_put(tx, TradeStatus::Pending, &self.marks()).await?;
        let held = MarksRow { status: "FILLED", held: 1, protection: "NAKED", ..self.marks() };
        marks_put(tx, TradeStatus::Open, &held).await?;
        // The end of a trade makes it history: what is noted then is compiled here as well.
        marks_put(tx, TradeStatus::Filled, &self.ended(tx.now())).await?;
        trade_take(tx, self.trade).await?;
        step_put(tx, self.trade, None).await?;
        change_append(tx, Changed::Trade(TradeId(self.trade))).await?;
        step_tell(tx, TradeId(self.trade), None).await?;
        feed_since(tx, 0, 1).await?;
        Ok(())
    }

    async fn book(&self, tx: &UserTx) -> Result<(), DbError> {
        trades_watched(tx, &self.account, tx.now()).await?;
        account_facts(tx, &self.account).await?;
        entries_stopped(tx).await?;
        open_alarms(tx, &self.account).await?;
        Ok(())
    }

    fn trade(&self, now: DateTime<Utc>) -> NewTradeRow {
        NewTradeRow {
            id: self.trade,
            ticker: "NONE".to_owned(),
            symbol: "NONE300101C00001000".to_owned(),
            option_type: "CALL",
            strike: Decimal::ONE,
            expiry: now.date_naive(),
            multiplier: 100,
            quantity: 1,
            stop: Some(Decimal::ONE),
            target: Some(Decimal::TWO),
            outside: 0,
            asked_at: now,
            wish: wish(1, "HOLD", 1),
            spec: Value::Null,
            marks: Value::Null,
        }
    }

    fn intent(&self, now: DateTime<Utc>) -> IntentRow {
        IntentRow {
            id: new_id(now),
            trade: self.trade,
            op: "PLACE",
            role: "ENTRY",
            attempt: 1,
            version: 1,
            tag: "rehearsal".to_owned(),
            target: None,
            params: Value::Null,
            params_hash: vec![0; 32],
            valid_until: now + TimeDelta::seconds(1),
            state: "SENDING",
            sent_at: Some(now),
            send_by: Some(now),
            epoch: 1,
            order: None,
            executed: 0,
            refusal: None,
            late: false,
            facts: Value::Null,
        }
    }

    fn marks(&self) -> MarksRow {
        MarksRow {
            trade: self.trade,
            status: "OPEN",
            is_end: false,
            held: 0,
            outside: 0,
            protection: "N/A",
            good_version: None,
            good_stop: None,
            good_target: None,
            naked_since: None,
            verified_at: None,
            quarantine_reason: None,
            quarantine_at: None,
            closed_at: None,
            close_reason: None,
            figures: FiguresRow { precision: "BROKER_FILL", ..FiguresRow::default() },
            facts: Value::Null,
        }
    }

    fn ended(&self, now: DateTime<Utc>) -> MarksRow {
        MarksRow {
            status: "CLOSED",
            is_end: true,
            closed_at: Some(now),
            close_reason: Some("MANUAL_CLOSE"),
            ..self.marks()
        }
    }
}

fn wish(version: i64, desired: &'static str, keep: i32) -> WishRow {
    let facts = json!({ "version": version });
    WishRow { version, desired, keep, stop: None, target: None, limit: None, at_open: false, facts }
}

fn fill(intent: &IntentRow, now: DateTime<Utc>) -> FillRow {
    FillRow {
        trade: intent.trade,
        intent: intent.id,
        leg: "1".to_owned(),
        cumulative: 1,
        quantity: 1,
        value: Decimal::ONE,
        price: Decimal::ONE,
        seen_at: now,
    }
}
