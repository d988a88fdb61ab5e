//! How everything ends: in reverse order, within a deadline, and with every failure told.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// An orderly stop under way.
#[derive(Debug)]
pub struct Stop {
    until: Instant,
    failures: Vec<String>,
}

/// What went wrong during a stop, all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopFailures(pub Vec<String>);

impl Stop {
    /// The clock of the stop runs from now.
    #[must_use]
    pub fn begin(within: Duration) -> Self {
        Self { until: Instant::now() + within, failures: Vec::new() }
    }

    /// Ends one part, and goes on when the time is up; tells whether it ended by itself.
    pub async fn step(&mut self, part: &str, end: impl Future<Output = anyhow::Result<()>>) -> Ended {
        match timeout_at(self.until, end).await {
            Ok(Ok(())) => Ended::InTime,
            Ok(Err(error)) => {
                self.failures.push(format!("{part}: {error:#}"));
                Ended::InTime
            }
            Err(_) => {
                self.failures.push(format!("{part}: did not end in time"));
                Ended::TooLate
            }
        }
    }

    /// Waits for a part that cannot fail.
    pub async fn wait(&mut self, part: &str, end: impl Future<Output = ()>) -> Ended {
        let end = async {
            end.await;
            Ok(())
        };
        self.step(part, end).await
    }

    /// What is left of the time.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// # Errors
    /// Everything that went wrong.
    pub fn finish(self) -> Result<(), StopFailures> {
        if self.failures.is_empty() { Ok(()) } else { Err(StopFailures(self.failures)) }
    }
}

/// Whether a part ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    InTime,
    TooLate,
}

impl fmt::Display for StopFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stop was not clean: {}", self.0.join("; "))
    }
}

impl std::error::Error for StopFailures {}

/// The signals that end a daemon: SIGTERM from a service manager, SIGINT from a keyboard, SIGHUP
/// from a terminal that is gone.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// # Errors
    /// When the system refuses a handler.
    pub fn install() -> anyhow::Result<Self> {
        let handler = |kind| signal(kind).context("no signal handler");
        Ok(Self {
            terminate: handler(SignalKind::terminate())?,
            interrupt: handler(SignalKind::interrupt())?,
            hang_up: handler(SignalKind::hangup())?,
        })
    }

    /// The first signal begins the stop, the second one cuts it short.
    pub async fn obey(mut self, shutdown: CancellationToken, hurry: CancellationToken) {
        tracing::info!("{}: stopping", self.next().await);
        shutdown.cancel();
        tracing::warn!("{} again: cutting off what is still open", self.next().await);
        hurry.cancel();
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_failure_is_told_and_the_last_step_still_runs() {
        let mut stop = Stop::begin(Duration::from_millis(50));
        assert_eq!(stop.step("one", async { anyhow::bail!("broke") }).await, Ended::InTime);
        assert_eq!(stop.step("two", std::future::pending()).await, Ended::TooLate);
        assert_eq!(stop.step("three", async { Ok(()) }).await, Ended::InTime);
        let failures = stop.finish().unwrap_err();
        assert_eq!(failures.to_string(), "the stop was not clean: one: broke; two: did not end in time");
    }
}
