//! The only two ways to a connection. Both begin a transaction with role and identity set in the
//! same round trip; dropping one rolls it back.

use chrono::{DateTime, Utc};
use tokio::sync::OwnedSemaphorePermit;
use tokio_postgres::Row;
use uuid::Uuid;

use super::DbError;
use super::session::{Params, Session};
use crate::auth::Username;

/// A transaction that sees and writes the rows of one user, and no others.
#[derive(Debug)]
pub struct UserTx {
    session: Session,
    username: Username,
    now: DateTime<Utc>,
    /// Given back after the connection.
    _seat: Option<OwnedSemaphorePermit>,
}

/// A transaction for the daemon's own chores over all users: few tables, few verbs.
#[derive(Debug)]
pub struct SystemTx {
    session: Session,
    now: DateTime<Utc>,
}

impl UserTx {
    pub(super) fn new(session: Session, username: &Username, now: DateTime<Utc>) -> Self {
        Self { session, username: username.clone(), now, _seat: None }
    }

    /// The same, holding one of the user's seats.
    pub(super) fn seated(self, seat: OwnedSemaphorePermit) -> Self {
        Self { _seat: Some(seat), ..self }
    }

    #[must_use]
    pub fn username(&self) -> &Username {
        &self.username
    }

    /// The daemon's time when the transaction began.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// A fresh id in the order of time.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        new_id(self.now)
    }

    /// Makes it last.
    ///
    /// # Errors
    /// [`DbError::CommitUnknown`] when the answer was lost; any other when nothing was stored.
    pub async fn commit(self) -> Result<(), DbError> {
        self.session.commit().await
    }

    /// As [`UserTx::commit`], with the last statements, and with what is asked after them, on the same trip.
    pub(super) async fn commit_with(
        self,
        last: &[(&str, Params<'_>)],
        asked: &[(&str, Params<'_>)],
    ) -> Result<Vec<Vec<Row>>, DbError> {
        self.session.commit_with(last, asked).await
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// The user's name as a parameter.
    pub(super) fn user(&self) -> &str {
        self.username.as_str()
    }
}

impl SystemTx {
    pub(super) fn new(session: Session, now: DateTime<Utc>) -> Self {
        Self { session, now }
    }

    /// The daemon's time when the transaction began.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Makes it last.
    ///
    /// # Errors
    /// [`DbError::CommitUnknown`] when the answer was lost; any other when nothing was stored.
    pub async fn commit(self) -> Result<(), DbError> {
        self.session.commit().await
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }
}

/// A UUIDv7 of that moment.
pub(super) fn new_id(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.timestamp_subsec_nanos()))
}
