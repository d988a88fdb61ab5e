//! What the daemon does by itself, at its times. A task takes no input and may run twice.
//!
//! Today: the partitions of `price_snapshots` are kept ahead, at start and once a day.

use std::time::Duration;

use blotter_shared::protocol::health::ComponentState;
use chrono::TimeDelta;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::db::snapshots::partitions_ensure;
use crate::db::{Db, DbError, DbState};
use crate::health::HealthBoard;
use crate::telemetry::Metrics;

/// Between two runs that succeed, and after one that fails.
const DAILY: Duration = Duration::from_secs(24 * 60 * 60);
const SOON: Duration = Duration::from_secs(60);
/// Between two foldings of the metrics' distributions.
const FOLD: Duration = Duration::from_secs(30);
/// The task's name in metrics and health.
const PARTITIONS: &str = "partitions";

/// What the tasks need.
#[derive(Clone, Debug)]
pub struct Upkeep {
    pub db: Db,
    pub clock: Clock,
    pub health: HealthBoard,
    pub metrics: Metrics,
    pub stop: CancellationToken,
}

impl Upkeep {
    /// Runs until it is stopped.
    pub async fn run(self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(async { tokio::join!(self.keep_partitions(), self.fold_metrics()) }).await;
    }

    async fn keep_partitions(&self) {
        let mut status = self.db.status();
        loop {
            // A closed channel means that the daemon is ending: the token ends this, too.
            if status.wait_for(|status| status.state == DbState::Ready).await.is_err() {
                return std::future::pending().await;
            }
            let started = Instant::now();
            let wait = match self.ensure_partitions().await {
                Ok(made) => {
                    self.metrics.task(PARTITIONS, "done", started.elapsed());
                    if made > 0 {
                        tracing::info!(partitions = made, "partitions for the next months were made");
                    }
                    self.report(ComponentState::Ok, None, DAILY);
                    DAILY
                }
                Err(error) => {
                    self.metrics.task(PARTITIONS, "failed", started.elapsed());
                    tracing::warn!("the partitions for the next months cannot be made: {error}");
                    let detail = format!("the partitions for the next months cannot be made: {error}");
                    self.report(ComponentState::Degraded, Some(detail), SOON);
                    SOON
                }
            };
            sleep(wait).await;
        }
    }

    async fn ensure_partitions(&self) -> Result<u32, DbError> {
        let tx = self.db.system_tx().await?;
        let made = partitions_ensure(&tx).await?;
        tx.commit().await?;
        Ok(made)
    }

    fn report(&self, state: ComponentState, detail: Option<String>, again: Duration) {
        let again = TimeDelta::from_std(again).unwrap_or_default();
        self.health.report_scheduler(state, detail, Some(self.clock.now() + again));
    }

    async fn fold_metrics(&self) {
        loop {
            sleep(FOLD).await;
            self.metrics.upkeep();
        }
    }
}
