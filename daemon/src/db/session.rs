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
use futures_util::future::{try_join, try_join_all, try_join3};
use futures_util::{FutureExt, TryStreamExt};
use tokio::sync::Notify;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Statement};

use super::DbError;
use super::rehearsal::Stage;

/// What a session needs to protect itself.
#[derive(Clone, Debug)]
pub(super) struct Guards {
    /// Longest that an answer may take; above the server's own limit.
    pub answer: Duration,
    /// Tells the supervisor that the database may be away.
    pub doubt: Arc<Notify>,
    /// Where a connection goes after its first work; absent in a rehearsal itself.
    pub stage: Option<Stage>,
}

/// Which plans of its statements a transaction uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plans {
    /// PostgreSQL decides each time: right where a plan depends on what is asked for.
    Fitting,
    /// Made once on each connection: right where rows are found by their keys, and planning would cost most.
    Kept,
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

/// Rows that are handed over without giving way to anybody.
const ROWS_AT_ONCE: u32 = 256;

pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Session {
    /// A connection of which nothing has been asked: [`Session::begin`] comes first.
    pub(super) fn open(connection: Object, guards: Guards) -> Self {
        Self { connection: Some(connection), guards, health: AtomicU8::new(SOUND) }
    }

    /// Begins the transaction. It is on its way as soon as this is first polled: what is joined to it comes after it.
    pub(super) async fn begin(&self, (role, user): (&str, &str), plans: Plans) -> Result<(), DbError> {
        let client = self.client()?;
        let plans = match plans {
            Plans::Fitting => "",
            Plans::Kept => "; SET LOCAL plan_cache_mode = force_generic_plan",
        };
        // Sent together, answered together. The role's name is one of two constants. It begins also where the cleaning
        // fails, so that what was sent with it is taken back. (Where nothing begins, nobody is identified, and nobody sees
        // or writes a row.)
        let begin = format!("BEGIN; SET LOCAL ROLE {role}{plans}");
        let identify = "SELECT set_config('app.username', $1, true)";
        let name: (&(dyn ToSql + Sync), Type) = (&user, Type::TEXT);
        let identified = client.query_typed(identify, std::slice::from_ref(&name));
        self.answered(try_join3(client.batch_execute("RESET ALL"), client.batch_execute(&begin), identified)).await?;
        Ok(())
    }

    pub(super) async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, DbError> {
        let statement = self.prepared(sql).await?;
        self.answered(self.client()?.query(&statement, params)).await
    }

    /// Prepares what this connection has not seen yet, all of it in one trip: what is sent together after this goes
    /// out in the order in which it is asked for.
    pub(super) async fn ready(&self, statements: &[&str]) -> Result<(), DbError> {
        self.prepared_all(statements).await.map(|_| ())
    }

    /// By the plan that is made once for all parameters. To be used where each page would be planned again, because the
    /// server takes a limit that it knows for cheaper, and the plan is the same.
    pub(super) async fn query_planned_once(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, DbError> {
        let statement = self.prepared(sql).await?;
        let client = self.client()?;
        let once = client.batch_execute("SET LOCAL plan_cache_mode = force_generic_plan");
        let (_, rows) = self.answered(try_join(once, client.query(&statement, params))).await?;
        Ok(rows)
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

    /// Two statements in this order and in one round trip.
    pub(super) async fn execute_both(
        &self,
        (first, first_params): (&str, Params<'_>),
        (second, second_params): (&str, Params<'_>),
    ) -> Result<(), DbError> {
        // Both are known to the server before either is sent: what waits for that would be overtaken.
        let (first, second) = (self.prepared(first).await?, self.prepared(second).await?);
        let client = self.client()?;
        let both = try_join(client.execute(&first, first_params), client.execute(&second, second_params));
        self.answered(both).await?;
        Ok(())
    }

    /// Hands over each row as it comes: what is not kept takes no room. Others have their turn between.
    pub(super) async fn each(
        &self,
        sql: &str,
        params: Params<'_>,
        mut take: impl FnMut(&Row) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        let statement = self.prepared(sql).await?;
        let client = self.client()?;
        let taken = self.answered(async {
            let mut rows = std::pin::pin!(client.query_raw(&statement, params.iter().copied()).await?);
            let mut count = 0_u32;
            while let Some(row) = rows.try_next().await? {
                if let Err(error) = take(&row) {
                    return Ok(Err(error));
                }
                count = count.wrapping_add(1);
                if count.is_multiple_of(ROWS_AT_ONCE) {
                    tokio::task::yield_now().await;
                }
            }
            Ok(Ok(()))
        });
        taken.await?
    }

    pub(super) async fn commit(mut self) -> Result<(), DbError> {
        self.may_commit()?;
        let outcome = self.answered(self.client()?.batch_execute("COMMIT")).await;
        self.committed(outcome)
    }

    /// The last statements, what is asked after them, in this order, and the commit, on one trip; tells the answers. Where
    /// one of them fails the server takes everything back, and answers the commit as if nothing were the matter: its error
    /// counts.
    pub(super) async fn commit_with(
        mut self,
        last: &[(&str, Params<'_>)],
        asked: &[(&str, Params<'_>)],
    ) -> Result<Vec<Vec<Row>>, DbError> {
        self.may_commit()?;
        let names: Vec<&str> = last.iter().chain(asked).map(|(sql, _)| *sql).collect();
        // All are known to the server before the first is sent: the commit must not overtake any.
        let statements = self.prepared_all(&names).await?;
        let (saying, asking) = statements.split_at(last.len());
        let client = self.client()?;
        let said = saying.iter().zip(last).map(|(statement, (_, params))| client.execute(statement, params));
        let answers = asking.iter().zip(asked).map(|(statement, (_, params))| client.query(statement, params));
        // One that cannot even be sent keeps the commit from being sent.
        let all = try_join3(try_join_all(said), try_join_all(answers), client.batch_execute("COMMIT"));
        let outcome = self.answered(all).await.map(|(_, answers, ())| answers);
        self.committed(outcome)
    }

    fn may_commit(&self) -> Result<(), DbError> {
        match self.health.load(Ordering::Acquire) {
            SOUND => Ok(()),
            LOST => Err(DbError::unavailable("the connection to the database broke")),
            _ => Err(DbError::Internal { message: "a commit after a failed statement".into(), source: None }),
        }
    }

    fn committed<T>(&mut self, outcome: Result<T, DbError>) -> Result<T, DbError> {
        match outcome {
            Ok(told) => {
                // Back to the pool as it is: the transaction is over.
                self.give_back();
                Ok(told)
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

    async fn prepared_all(&self, statements: &[&str]) -> Result<Vec<Statement>, DbError> {
        let client = self.client()?;
        self.answered(try_join_all(statements.iter().map(|sql| client.prepare_cached(sql)))).await
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

    /// Makes every deferred check of the transaction now.
    pub(super) async fn check(&self) -> Result<(), DbError> {
        self.answered(self.client()?.batch_execute("SET CONSTRAINTS ALL IMMEDIATE")).await
    }

    /// To the pool; the first time by way of the rehearsal.
    fn give_back(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if let Some(stage) = self.guards.stage.take() {
            stage.pass(connection, self.guards.clone());
        }
    }

    fn is_lost(&self) -> bool {
        self.health.load(Ordering::Acquire) == LOST
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_lost() {
            // Out of the pool: nobody else waits for an answer that never comes.
            self.connection.take().map(Object::take);
            return;
        }
        let Some(connection) = &self.connection else { return };
        // The first poll puts the message on its way; whoever uses the connection next comes after
        // it. A dropped answer is skipped by the connection's own task.
        let _ = connection.batch_execute("ROLLBACK").now_or_never();
        self.give_back();
    }
}
