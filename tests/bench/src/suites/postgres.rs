//! How soon the private PostgreSQL serves: made from nothing, and started again.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use blotter_daemon::postgres::{Private, PrivateOptions};

use crate::report::Report;
use crate::stats::Sample;

pub(crate) async fn run(report: &mut Report) -> Result<()> {
    const COLD_RUNS: usize = 3;
    const WARM_RUNS: usize = 9;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..COLD_RUNS {
        let folder = tempfile::Builder::new().prefix("bl").tempdir_in("/tmp")?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
        let options = PrivateOptions::new(folder.path().join("d"));
        cold.push(start_and_stop(&options).await?);
        for _ in 0..WARM_RUNS / COLD_RUNS {
            warm.push(start_and_stop(&options).await?);
        }
    }
    let (cold, warm) = (Sample::new(cold), Sample::new(warm));
    report.set("postgres.cold_start", cold.median().context("no cold start")?, &cold)?;
    report.set("postgres.warm_start", warm.median().context("no warm start")?, &warm)
}

/// Seconds from nothing to a server that answers.
async fn start_and_stop(options: &PrivateOptions) -> Result<f64> {
    let began = Instant::now();
    let server = Private::start(options).await?;
    let seconds = began.elapsed().as_secs_f64();
    server.stop(Duration::from_secs(30)).await?;
    Ok(seconds)
}
