//! Keeps the server running: starts or adopts it, notices when it dies, starts it again.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cluster::Cluster;
use super::process::{self, PidFile};
use super::{Begun, PrivateError, PrivateState, files};

/// Between two looks at an adopted server, which is not our child.
const WATCH: Duration = Duration::from_millis(250);
/// Longest that what is left of a killed server may take to go.
const REMAINS: Duration = Duration::from_secs(10);
/// Lines of the log that explain why it did not start.
const LAST_LINES: usize = 8;

/// A server that runs: our child, or one that was there.
#[derive(Debug)]
struct Server {
    pid: i32,
    child: Option<Child>,
}

#[derive(Debug)]
pub(super) struct Keeper {
    cluster: Cluster,
    server: Option<Server>,
    ready_within: Duration,
    state: watch::Sender<PrivateState>,
}

impl Keeper {
    /// Starts or adopts; returns when it takes connections.
    pub(super) async fn begin(cluster: &Cluster, ready_within: Duration) -> Result<Self, PrivateError> {
        let (server, how) = begin(cluster, ready_within).await?;
        let state = watch::Sender::new(PrivateState::Running { pid: server.pid, how });
        Ok(Self { cluster: cluster.clone(), server: Some(server), ready_within, state })
    }

    pub(super) fn state(&self) -> watch::Receiver<PrivateState> {
        self.state.subscribe()
    }

    /// Runs until it is cancelled.
    pub(super) async fn keep(mut self, stop: CancellationToken) -> Self {
        stop.run_until_cancelled(async {
            loop {
                let reason = self.death().await;
                tracing::warn!(reason, "PostgreSQL died; it is started again");
                self.state.send_replace(PrivateState::Restarting { reason });
                self.restart().await;
            }
        })
        .await;
        self
    }

    pub(super) async fn stop(self, deadline: Duration) -> Result<(), PrivateError> {
        let Some(mut server) = self.server else { return Ok(()) };
        let data = self.cluster.data();
        let ended = process::end(server.pid, &data, deadline).await;
        if let (Ok(()), Some(child)) = (&ended, &mut server.child) {
            // Gone already; this only takes the zombie away.
            let _ = child.wait().await;
        }
        self.state.send_replace(PrivateState::Stopped);
        ended
    }

    /// Waits for the end of the server.
    async fn death(&mut self) -> String {
        let Some(server) = &mut self.server else { return "it was not running".to_owned() };
        let reason = match &mut server.child {
            Some(child) => match child.wait().await {
                Ok(status) => format!("process {} ended ({status})", server.pid),
                Err(error) => format!("process {} was lost: {error}", server.pid),
            },
            None => {
                let data = self.cluster.data();
                let mut look = tokio::time::interval(WATCH);
                while process::works_in(server.pid, &data) {
                    look.tick().await;
                }
                format!("process {} ended", server.pid)
            }
        };
        self.server = None;
        reason
    }

    async fn restart(&mut self) {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(10))
            .without_max_times()
            .with_jitter()
            .build();
        loop {
            match begin(&self.cluster, self.ready_within).await {
                Ok((server, how)) => {
                    self.state.send_replace(PrivateState::Running { pid: server.pid, how });
                    self.server = Some(server);
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "PostgreSQL cannot be started again");
                    self.state.send_replace(PrivateState::Restarting { reason: error.to_string() });
                }
            }
            tokio::time::sleep(pauses.next().unwrap_or(Duration::from_secs(10))).await;
        }
    }
}

async fn begin(cluster: &Cluster, ready_within: Duration) -> Result<(Server, Begun), PrivateError> {
    let deadline = Instant::now() + ready_within;
    if let Some(pid) = process::running_in(&cluster.data()) {
        let ready = || is_ready(cluster, pid) || !process::works_in(pid, &cluster.data());
        if process::wait_until(deadline, ready).await && is_ready(cluster, pid) {
            tracing::info!(pid, "the PostgreSQL of the daemon before this one still runs; it is adopted");
            // This daemon may be another user than the one before.
            cluster.refresh()?;
            process::reload(pid, &cluster.data());
            return Ok((Server { pid, child: None }, Begun::Adopted));
        }
    }
    let how = if cluster.exists() { Begun::Warm } else { Begun::Cold };
    match how {
        Begun::Cold => {
            let cluster = cluster.clone();
            let made = tokio::task::spawn_blocking(move || cluster.make()).await;
            made.map_err(|error| PrivateError::InitDb { reason: error.to_string() })??;
        }
        Begun::Warm | Begun::Adopted => clear_remains(cluster).await?,
    }
    cluster.refresh()?;
    Ok((start(cluster, deadline).await?, how))
}

/// After a kill -9 of the postmaster: waits for its sessions, and removes a pid file whose number
/// now belongs to a zombie or to a stranger. PostgreSQL would refuse to start over it; a number
/// that nobody has, it clears away itself.
async fn clear_remains(cluster: &Cluster) -> Result<(), PrivateError> {
    let data = cluster.data();
    let Some(stale) = PidFile::read(&data) else { return Ok(()) };
    if !process::wait_until(Instant::now() + REMAINS, || !process::anybody_in(&data)).await {
        return Err(PrivateError::Stop { pid: stale.pid });
    }
    if process::is_there(stale.pid) {
        tracing::info!(pid = stale.pid, "the pid file of a dead PostgreSQL is removed");
        let socket = cluster.socket();
        for path in [data.join("postmaster.pid"), socket.with_extension(format!("{}.lock", super::PORT)), socket] {
            remove_if_there(&path)?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<(), PrivateError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(files("cannot remove the stale", path)(error))
        }
        _ => Ok(()),
    }
}

async fn start(cluster: &Cluster, deadline: Instant) -> Result<Server, PrivateError> {
    let log_path = cluster.log();
    // Opened here and handed over: the server writes into it and cannot put another in its place.
    let log = cluster.open_log()?;
    let begins_at = log.metadata().map_or(0, |metadata| metadata.len());
    let mut command = cluster.command("postgres");
    command.arg("-D").arg(cluster.data()).stdout(Stdio::null()).stderr(log);
    let mut command = tokio::process::Command::from(command);
    // Ctrl-C in the daemon's terminal is the daemon's to handle.
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| PrivateError::Start { reason: error.to_string() })?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
    let ended = tokio::select! {
        ready = process::wait_until(deadline, || is_ready(cluster, pid)) => if ready {
            return Ok(Server { pid, child: Some(child) });
        } else {
            "it was not ready in time".to_owned()
        },
        status = child.wait() => status.map_or_else(|error| error.to_string(), |status| status.to_string()),
    };
    // Whatever is left of it is in nobody's way.
    let _ = process::end(pid, &cluster.data(), Duration::from_secs(5)).await;
    Err(PrivateError::Start { reason: format!("{ended}; it said: {}", last_lines(&log_path, begins_at)) })
}

fn is_ready(cluster: &Cluster, pid: i32) -> bool {
    PidFile::read(&cluster.data()).is_some_and(|file| file.pid == pid && file.status == "ready")
        && cluster.socket().exists()
}

/// What the server said since the log had `begins_at` bytes.
fn last_lines(log: &Path, begins_at: u64) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let begins_at = usize::try_from(begins_at).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes.get(begins_at..).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join(" / ")
}
