//! What the tasks are: each is one call of the module that knows how.

use blotter_shared::protocol::tasks::TaskName;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Jobs;
use super::calendar_check::CalendarCheck;
use super::timetable::Turn;
use crate::calendar::Hours;
use crate::db::snapshots::partitions_ensure;
use crate::db::{Db, DbError};
use crate::forensics::Forensics;
use crate::prices::retention::Retention;
use crate::prices::{Recorder, Round};

/// The tasks of the daemon.
#[derive(Clone, Debug)]
pub struct Chores {
    pub db: Db,
    pub recorder: Recorder,
    pub retention: Retention,
    pub calendar: CalendarCheck,
    pub forensics: Forensics,
}

impl Jobs for Chores {
    fn run(&self, task: TaskName, _turn: Turn) -> BoxFuture<'_, Result<Option<String>, String>> {
        async move {
            match task {
                TaskName::Snapshots => self.record(Round::Session).await,
                TaskName::PreMarket => self.record(Round::Before).await,
                TaskName::PostMarket => self.record(Round::After(Hours::Regular)).await,
                TaskName::PostMarketLate => self.record(Round::After(Hours::QuarterPast)).await,
                TaskName::Forensics => {
                    self.forensics.nightly().await.map(|report| Some(report.to_string())).map_err(said)
                }
                TaskName::CalendarCheck => self.calendar.check().await,
                TaskName::Partitions => self.partitions().await.map_err(said),
                TaskName::Retention => self.tidy().await.map_err(said),
            }
        }
        .boxed()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn said(error: DbError) -> String {
    error.to_string()
}

impl Chores {
    async fn record(&self, round: Round) -> Result<Option<String>, String> {
        let report = self.recorder.record(round).await.map_err(said)?;
        if report.is_blind() { Err(report.to_string()) } else { Ok(Some(report.to_string())) }
    }

    async fn partitions(&self) -> Result<Option<String>, DbError> {
        let tx = self.db.system_tx().await?;
        let made = partitions_ensure(&tx).await?;
        tx.commit().await?;
        Ok((made > 0).then(|| format!("{made} partitions were made")))
    }

    async fn tidy(&self) -> Result<Option<String>, DbError> {
        let done = self.retention.tidy().await?;
        Ok(Some(format!("{} days packed, {} thinned, {} months dropped", done.packed, done.thinned, done.dropped)))
    }
}
