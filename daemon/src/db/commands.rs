//! Commands by their idempotency key: the same key twice is the same command, and gets the same
//! answer. Begin, act and finish in one transaction: a command that is stored has its answer.

use blotter_shared::domain::CommandId;
use chrono::TimeDelta;
use tokio_postgres::Row;

use super::cells::Cells;
use super::{DbError, SystemTx, UserTx};

/// How long an answer is kept for a repeat.
const KEPT_DAYS: i64 = 7;

/// A command as it came.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    /// The `Idempotency-Key`, scoped to the user and kept for 7 days.
    pub key: &'a str,
    /// Method and path, as in `PUT /v1/settings`.
    pub kind: &'a str,
    /// SHA-256 of the body.
    pub body_hash: [u8; 32],
    pub device: &'a str,
}

/// Whether it is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Act, then [`command_finish`] in the same transaction.
    New(CommandId),
    /// It was done before: this is the answer that it got.
    Replay(Answer),
    /// The key was used for another request.
    Reused,
}

/// What a command was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The JSON body, byte for byte.
    pub body: String,
}

const FORGET: &str = "DELETE FROM commands WHERE username = $1 AND idempotency_key = $2 AND accepted_at < $3";

const CLAIM: &str = "
    INSERT INTO commands (username, command_id, idempotency_key, kind, body_hash, device, accepted_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (username, idempotency_key) DO NOTHING RETURNING command_id";

const RECALL: &str = "
    SELECT kind, body_hash, answer_status, answer_body FROM commands WHERE username = $1 AND idempotency_key = $2";

const LOOK: &str = "
    SELECT kind, body_hash, answer_status, answer_body FROM commands
    WHERE username = $1 AND idempotency_key = $2 AND accepted_at >= $3";

const FINISH: &str = "
    UPDATE commands SET answer_status = $3, answer_body = $4 WHERE username = $1 AND command_id = $2";

// So many at a time that no statement runs into its limit.
const EXPIRE: &str = "
    DELETE FROM commands WHERE (username, command_id) IN
        (SELECT username, command_id FROM commands WHERE accepted_at < $1 ORDER BY accepted_at LIMIT 5000)";

/// Claims the key. A twin that arrives while this transaction runs waits for its end.
///
/// # Errors
/// [`DbError::Busy`] when the twin takes longer than a lock may.
pub async fn command_begin(tx: &UserTx, command: Command<'_>) -> Result<Begin, DbError> {
    if let Some(id) = claim(tx, command).await? {
        return Ok(Begin::New(id));
    }
    // It was there, and whoever put it there has committed: the claim waited for that. It may be of long ago.
    let expired = tx.now() - TimeDelta::days(KEPT_DAYS);
    if tx.session().execute(FORGET, &[&tx.user(), &command.key, &expired]).await? > 0
        && let Some(id) = claim(tx, command).await?
    {
        return Ok(Begin::New(id));
    }
    match tx.session().query_opt(RECALL, &[&tx.user(), &command.key]).await? {
        Some(row) => recalled(&row, command),
        None => Err(DbError::Busy { what: "the same command is just being cleaned up".to_owned() }),
    }
}

async fn claim(tx: &UserTx, command: Command<'_>) -> Result<Option<CommandId>, DbError> {
    let hash = command.body_hash.as_slice();
    let params: super::session::Params<'_> =
        &[&tx.user(), &tx.new_id(), &command.key, &command.kind, &hash, &command.device, &tx.now()];
    let row = tx.session().query_opt(CLAIM, params).await?;
    row.map(|row| Ok(CommandId(row.try_get("command_id")?))).transpose()
}

/// Looks whether the key was used, and claims nothing. A twin that runs now is not waited for.
///
/// # Errors
/// When the database does not answer.
pub async fn command_look(tx: &UserTx, command: Command<'_>) -> Result<Option<Begin>, DbError> {
    let expired = tx.now() - TimeDelta::days(KEPT_DAYS);
    let row = tx.session().query_opt(LOOK, &[&tx.user(), &command.key, &expired]).await?;
    row.map(|row| recalled(&row, command)).transpose()
}

/// Stores the answer. A commit without it is refused by the database.
///
/// # Errors
/// When the database does not answer.
pub async fn command_finish(tx: &UserTx, id: CommandId, answer: &Answer) -> Result<(), DbError> {
    let status = i32::from(answer.status);
    let stored = tx.session().execute(FINISH, &[&tx.user(), &id.0, &status, &answer.body]).await?;
    if stored == 1 { Ok(()) } else { Err(DbError::NotFound) }
}

/// As [`command_finish`], and the commit with it: the answer is the last that is written of a command.
///
/// # Errors
/// As [`UserTx::commit`].
pub async fn command_commit(tx: UserTx, id: CommandId, answer: &Answer) -> Result<(), DbError> {
    let (user, status) = (tx.username().clone(), i32::from(answer.status));
    // A command that it does not find is without an answer, and then the database refuses the commit.
    tx.commit_with(&[(FINISH, &[&user.as_str(), &id.0, &status, &answer.body])], &[]).await?;
    Ok(())
}

/// Prepares the claim of a key, so that it goes out first of what is joined to it.
///
/// # Errors
/// When the database does not answer.
pub async fn command_ready(tx: &UserTx) -> Result<(), DbError> {
    tx.session().ready(&[CLAIM]).await
}

/// Removes answers that are no longer kept, some thousands at most; tells how many.
///
/// # Errors
/// When the database does not answer.
pub async fn commands_expire(tx: &SystemTx) -> Result<u64, DbError> {
    let expired = tx.now() - TimeDelta::days(KEPT_DAYS);
    tx.session().execute(EXPIRE, &[&expired]).await
}

fn recalled(row: &Row, command: Command<'_>) -> Result<Begin, DbError> {
    let mut cells = Cells::of(row);
    let kind: &str = cells.next("kind")?;
    let hash: &[u8] = cells.next("body_hash")?;
    if kind != command.kind || hash != command.body_hash {
        return Ok(Begin::Reused);
    }
    let status = cells.held::<i32, u16>("answer_status", "an HTTP status")?;
    Ok(Begin::Replay(Answer { status, body: cells.next("answer_body")? }))
}
