//! Commands by their idempotency key: the same key twice is the same command, and gets the same
//! answer. Begin, act and finish in one transaction: a command that is stored has its answer.

use blotter_shared::domain::CommandId;

use super::{DbError, UserTx};

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

/// Claims the key. A twin that arrives while this transaction runs waits for its end.
///
/// # Errors
/// [`DbError::Busy`] when the twin takes longer than a lock may.
pub async fn command_begin(_tx: &UserTx, _command: Command<'_>) -> Result<Begin, DbError> {
    Err(DbError::unavailable("the database is not connected"))
}

/// Stores the answer. A commit without it is refused by the database.
///
/// # Errors
/// When the database does not answer.
pub async fn command_finish(_tx: &UserTx, _id: CommandId, _answer: &Answer) -> Result<(), DbError> {
    Err(DbError::unavailable("the database is not connected"))
}
