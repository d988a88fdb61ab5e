//! Alarms: at most one of a kind is open for a subject.

use blotter_shared::domain::{AlarmId, AlarmKind, Severity, TradeId, TradeNumber};
use blotter_shared::protocol::alarms::Alarm;
use serde_json::json;
use tokio_postgres::Row;
use uuid::Uuid;

use super::audit::{AuditEntry, audit_append};
use super::cells::Cells;
use super::changes::{Changed, change_append};
use super::{DbError, UserTx};

/// What [`alarm_of`] reads, in its order.
macro_rules! columns {
    () => {
        "alarm_id, kind, trade_id, trade_number, message, raised_at, acked_at, cleared_at"
    };
}

const OPEN: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM alarm_rows WHERE username = $1 AND cleared_at IS NULL ORDER BY raised_at DESC, alarm_id DESC"
);
const SOME: &str = concat!("SELECT ", columns!(), " FROM alarm_rows WHERE username = $1 AND alarm_id = ANY($2)");

const RAISE: &str = "
    INSERT INTO alarms (username, alarm_id, kind, subject, trade_id, message, raised_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (username, kind, subject) WHERE cleared_at IS NULL
    DO UPDATE SET message = excluded.message WHERE alarms.message <> excluded.message
    RETURNING alarm_id";

const CLEAR: &str = "
    UPDATE alarms SET cleared_at = $4
     WHERE username = $1 AND kind = $2 AND subject = $3 AND cleared_at IS NULL RETURNING alarm_id";

const ACK: &str = "
    UPDATE alarms SET acked_at = $3, acked_by = $4 WHERE username = $1 AND alarm_id = $2 AND acked_at IS NULL";

// One at a time: a claim must not grow old while the one before is told. What has been seen or is over is news to
// nobody. Pages ($3) go before everything else and are never given up: after the fifth try the distance doubles,
// up to about an hour.
const CLAIM: &str = "
    UPDATE alarms SET tell_claimed_at = $2::timestamptz, tell_tries = tell_tries + 1
     WHERE username = $1 AND alarm_id = (
           SELECT alarm_id FROM alarms
            WHERE username = $1 AND told_at IS NULL AND cleared_at IS NULL AND acked_at IS NULL
              AND (tell_tries < 5 OR kind = ANY($3))
              AND (tell_claimed_at IS NULL
                   OR tell_claimed_at < $2::timestamptz - interval '1 minute' * power(2, least(greatest(tell_tries - 4, 0), 6)))
            ORDER BY kind = ANY($3) DESC, raised_at, alarm_id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING alarm_id";

const TOLD: &str = "UPDATE alarms SET told_at = $3 WHERE username = $1 AND alarm_id = $2 AND told_at IS NULL";

/// What an alarm is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Trade(TradeId),
    Account(String),
    /// The user's whole book, or the daemon.
    General,
}

impl Subject {
    fn columns(&self) -> (String, Option<Uuid>) {
        match self {
            Self::Trade(id) => (id.to_string(), Some(id.0)),
            Self::Account(account) => (account.clone(), None),
            Self::General => (String::new(), None),
        }
    }
}

/// The open alarms, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn alarm_list(tx: &UserTx) -> Result<Vec<Alarm>, DbError> {
    let rows = tx.session().query(OPEN, &[&tx.user()]).await?;
    rows.iter().map(alarm_of).collect()
}

/// Raises an alarm, or gives the one that is open the sentence of what is the cause now: it stays as old, as told
/// and as acknowledged as it is. `None` when it says so already.
///
/// # Errors
/// When the database does not answer.
pub async fn alarm_raise(
    tx: &UserTx,
    kind: AlarmKind,
    about: &Subject,
    message: &str,
) -> Result<Option<AlarmId>, DbError> {
    let (subject, trade) = about.columns();
    let params: super::session::Params<'_> =
        &[&tx.user(), &tx.new_id(), &kind.as_str(), &subject, &trade, &message, &tx.now()];
    let Some(row) = tx.session().query_opt(RAISE, params).await? else { return Ok(None) };
    let id = AlarmId(row.try_get("alarm_id")?);
    change_append(tx, Changed::Alarm(id)).await?;
    Ok(Some(id))
}

/// Ends an alarm whose cause is gone; `None` when it was not open.
///
/// # Errors
/// When the database does not answer.
pub async fn alarm_clear(tx: &UserTx, kind: AlarmKind, about: &Subject) -> Result<Option<AlarmId>, DbError> {
    let (subject, _) = about.columns();
    let params: super::session::Params<'_> = &[&tx.user(), &kind.as_str(), &subject, &tx.now()];
    let Some(row) = tx.session().query_opt(CLEAR, params).await? else { return Ok(None) };
    let id = AlarmId(row.try_get("alarm_id")?);
    change_append(tx, Changed::Alarm(id)).await?;
    Ok(Some(id))
}

/// The oldest alarm that is open and was told to nobody outside: whoever gets it tells it now.
///
/// # Errors
/// When the database does not answer.
pub async fn alarm_claim(tx: &UserTx) -> Result<Option<Alarm>, DbError> {
    let pages = AlarmKind::ALL.iter().filter(|kind| kind.severity() == Severity::Page);
    let pages: Vec<&str> = pages.map(|kind| kind.as_str()).collect();
    let Some(row) = tx.session().query_opt(CLAIM, &[&tx.user(), &tx.now(), &pages]).await? else { return Ok(None) };
    Ok(alarms_by_id(tx, &[row.try_get("alarm_id")?]).await?.into_iter().next())
}

/// It was told.
///
/// # Errors
/// When the database does not answer.
pub async fn alarm_told(tx: &UserTx, id: AlarmId) -> Result<(), DbError> {
    tx.session().execute(TOLD, &[&tx.user(), &id.0, &tx.now()]).await?;
    Ok(())
}

/// Notes that a person has seen it; a second time changes nothing.
///
/// # Errors
/// [`DbError::NotFound`] when this user has no such alarm.
pub async fn alarm_ack(tx: &UserTx, id: AlarmId, device: &str) -> Result<Alarm, DbError> {
    let acked = tx.session().execute(ACK, &[&tx.user(), &id.0, &tx.now(), &device]).await?;
    let alarm = alarms_by_id(tx, &[id.0]).await?.into_iter().next().ok_or(DbError::NotFound)?;
    if acked > 0 {
        change_append(tx, Changed::Alarm(id)).await?;
        let detail = json!({ "kind": alarm.kind });
        audit_append(tx, &AuditEntry { action: "alarm.ack", subject: &id.to_string(), device, detail }).await?;
    }
    Ok(alarm)
}

pub(super) async fn alarms_by_id(tx: &UserTx, ids: &[Uuid]) -> Result<Vec<Alarm>, DbError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = tx.session().query(SOME, &[&tx.user(), &ids]).await?;
    rows.iter().map(alarm_of).collect()
}

fn alarm_of(row: &Row) -> Result<Alarm, DbError> {
    let mut cells = Cells::of(row);
    let id = AlarmId(cells.next("alarm_id")?);
    let kind: AlarmKind = cells.parsed("kind", "a kind of alarm")?;
    Ok(Alarm {
        id,
        kind,
        severity: kind.severity(),
        trade_id: cells.next::<Option<Uuid>>("trade_id")?.map(TradeId),
        trade_number: cells.held_opt::<i32, u32>("trade_number", "a trade number")?.map(TradeNumber),
        message: cells.next("message")?,
        raised_at: cells.next("raised_at")?,
        acked_at: cells.next("acked_at")?,
        cleared_at: cells.next("cleared_at")?,
    })
}
