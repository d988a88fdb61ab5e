//! A transaction on a pooled connection: begun with a role and an identity, ended by a commit or
//! by being dropped.
//!
//! Invariants:
//! * Role and identity end with the transaction (`SET LOCAL`, `set_config(…, true)`); `RESET ALL`
//!   at the beginning removes whatever a session might carry.
//! * After a failed statement nothing is committed: PostgreSQL would answer COMMIT with a silent
//!   rollback.
//! * A connection that did not answer in time is never used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use deadpool_postgres::Object;
use futures_util::FutureExt;
use futures_util::future::try_join;
use tokio::sync::Notify;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Statement};

use super::DbError;

/// What a session needs to protect itself.
#[derive(Clone, Debug)]
pub(super) struct Guards {
    /// Longest that an answer may take; above the server's own limit.
    pub answer: Duration,
    /// Tells the supervisor that the database may be away.
    pub doubt: Arc<Notify>,
}

#[derive(Debug)]
pub(super) struct Session {
    connection: Option<Object>,
    guards: Guards,
    health: AtomicU8,
}

const SOUND: u8 = 0;
/// A statement failed: roll back.
const FAILED: u8 = 1;
/// No answer: throw the connection away.
const LOST: u8 = 2;

pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Session {
    pub(super) async fn begin(connection: Object, guards: Guards, role: &str, user: &str) -> Result<Self, DbError> {
        let session = Self { connection: Some(connection), guards, health: AtomicU8::new(SOUND) };
        let client = session.client()?;
        // Sent together, answered together. The role's name is one of two constants.
        let begin = format!("RESET ALL; BEGIN; SET LOCAL ROLE {role}");
        let identify = "SELECT set_config('app.username', $1, true)";
        let name: (&(dyn ToSql + Sync), Type) = (&user, Type::TEXT);
        let both = try_join(client.batch_execute(&begin), client.query_typed(identify, std::slice::from_ref(&name)));
        session.answered(both).await?;
        Ok(session)
    }

    pub(super) async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, DbError> {
        let statement = self.prepared(sql).await?;
        self.answered(self.client()?.query(&statement, params)).await
    }

    pub(super) async fn query_opt(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>, DbError> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    pub(super) async fn query_one(&self, sql: &str, params: Params<'_>) -> Result<Row, DbError> {
        self.query_opt(sql, params).await?.ok_or(DbError::NotFound)
    }

    /// The number of rows that were changed.
    pub(super) async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, DbError> {
        let statement = self.prepared(sql).await?;
        self.answered(self.client()?.execute(&statement, params)).await
    }

    pub(super) async fn commit(mut self) -> Result<(), DbError> {
        match self.health.load(Ordering::Acquire) {
            SOUND => {}
            LOST => return Err(DbError::unavailable("the connection to the database broke")),
            _ => return Err(DbError::Internal { message: "a commit after a failed statement".into(), source: None }),
        }
        let outcome = self.answered(self.client()?.batch_execute("COMMIT")).await;
        match outcome {
            Ok(()) => {
                // Back to the pool as it is: the transaction is over.
                drop(self.connection.take());
                Ok(())
            }
            // The server said no: nothing was stored.
            Err(error @ (DbError::Refused { .. } | DbError::Busy { .. } | DbError::Internal { .. }))
                if !self.is_lost() =>
            {
                Err(error)
            }
            Err(_) => Err(DbError::CommitUnknown),
        }
    }

    fn client(&self) -> Result<&Object, DbError> {
        self.connection.as_ref().ok_or_else(|| DbError::unavailable("the transaction is over"))
    }

    async fn prepared(&self, sql: &str) -> Result<Statement, DbError> {
        self.answered(self.client()?.prepare_cached(sql)).await
    }

    /// Waits for an answer, but not for ever, and remembers what it means for this session.
    async fn answered<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, DbError> {
        let Ok(answer) = tokio::time::timeout(self.guards.answer, answer).await else {
            self.health.store(LOST, Ordering::Release);
            self.guards.doubt.notify_one();
            return Err(DbError::unavailable("the database did not answer in time"));
        };
        answer.map_err(|error| {
            let error = DbError::from(error);
            let lost = matches!(error, DbError::Unavailable { .. });
            self.health.fetch_max(if lost { LOST } else { FAILED }, Ordering::AcqRel);
            if lost {
                self.guards.doubt.notify_one();
            }
            error
        })
    }

    fn is_lost(&self) -> bool {
        self.health.load(Ordering::Acquire) == LOST
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.is_lost() {
            // Out of the pool: nobody else waits for an answer that never comes.
            drop(Object::take(connection));
            return;
        }
        // The first poll puts the message on its way; whoever uses the connection next comes after
        // it. A dropped answer is skipped by the connection's own task.
        let _ = connection.batch_execute("ROLLBACK").now_or_never();
    }
}
