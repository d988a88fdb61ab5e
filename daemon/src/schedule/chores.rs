//! What the tasks are: each is one call of the module that knows how.

use blotter_shared::protocol::tasks::TaskName;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Jobs;
use super::timetable::Turn;
use crate::db::snapshots::partitions_ensure;
use crate::db::{Db, DbError};

/// The tasks of the daemon.
#[derive(Clone, Debug)]
pub struct Chores {
    pub db: Db,
}

impl Jobs for Chores {
    fn run(&self, task: TaskName, turn: Turn) -> BoxFuture<'_, Result<Option<String>, String>> {
        self.turn(task, turn).boxed()
    }
}

impl Chores {
    async fn turn(&self, task: TaskName, _turn: Turn) -> Result<Option<String>, String> {
        match task {
            TaskName::Partitions => self.partitions().await.map_err(|error| error.to_string()),
            TaskName::Snapshots
            | TaskName::PreMarket
            | TaskName::PostMarket
            | TaskName::PostMarketLate
            | TaskName::Forensics
            | TaskName::CalendarCheck
            | TaskName::Retention => Ok(None),
        }
    }

    async fn partitions(&self) -> Result<Option<String>, DbError> {
        let tx = self.db.system_tx().await?;
        let made = partitions_ensure(&tx).await?;
        tx.commit().await?;
        Ok((made > 0).then(|| format!("{made} partitions were made")))
    }
}
