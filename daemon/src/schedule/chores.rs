//! What the tasks are: each is one call of the module that knows how.

use blotter_shared::protocol::tasks::TaskName;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Jobs;
use super::calendar_check::CalendarCheck;
use super::strays::Strays;
use super::timetable::Turn;
use crate::backup::Backup;
use crate::calendar::Hours;
use crate::db::changes::changes_expire;
use crate::db::commands::commands_expire;
use crate::db::snapshots::partitions_ensure;
use crate::db::{Db, DbError};
use crate::fees::Fees;
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
    pub fees: Fees,
    pub strays: Strays,
    pub backup: Backup,
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
                TaskName::Fees => self.fees.nightly().await,
                TaskName::CalendarCheck => self.calendar.check().await,
                TaskName::Partitions => self.partitions().await.map_err(said),
                TaskName::Retention => self.tidy().await.map_err(said),
                TaskName::Housekeeping => self.sweep().await.map_err(said),
                TaskName::Backup => self.backup.run().await,
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
        // Those whose month is there by now have moved into it.
        let astray = self.strays.look().await?;
        let made = (made > 0).then(|| format!("{made} partitions were made"));
        Ok(if astray > 0 { Some(format!("{astray} prices lie outside every month")) } else { made })
    }

    async fn tidy(&self) -> Result<Option<String>, DbError> {
        let done = self.retention.tidy().await?;
        Ok(Some(format!("{} days packed, {} thinned, {} months dropped", done.packed, done.thinned, done.dropped)))
    }

    /// Each kind by batches in transactions of their own: a year of left-overs is no one long lock.
    async fn sweep(&self) -> Result<Option<String>, DbError> {
        let (mut answers, mut changes) = (0, 0);
        loop {
            let tx = self.db.system_tx().await?;
            let gone = (commands_expire(&tx).await?, changes_expire(&tx).await?);
            tx.commit().await?;
            answers += gone.0;
            changes += gone.1;
            if gone == (0, 0) {
                return Ok(Some(format!("{answers} old answers and {changes} old changes removed")));
            }
        }
    }
}
