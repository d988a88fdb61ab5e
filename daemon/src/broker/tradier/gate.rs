//! The last look before a write leaves.
//!
//! A write may wait for a permit, for a name, for a connection, for TLS; by then it may be too
//! late for it. So the time is looked at again when the connection stands: the gate sits in the
//! client as a layer around the connector and lets a connection through only to a write that is
//! still in time. Between that look and the first byte the client only hands the connection over
//! within the process; there is no network wait any more. (A process that is stopped in exactly
//! that moment cannot be fenced from the inside; the engine's quiet period covers it.)
//!
//! The gate also knows whether a connection was ever handed out. If not, no byte can have left,
//! whatever the error says: that is the proof behind `NotSent`. It fails closed: a connector that
//! is used outside of a write, where nobody would note the hand-over, gets no connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use thiserror::Error;
use tower::{BoxError, Layer, Service};

use crate::clock::Clock;

tokio::task_local! {
    static GATE: Arc<Gate>;
}

/// One write's leave to go out.
#[derive(Debug)]
pub(crate) struct Gate {
    clock: Clock,
    by: DateTime<Utc>,
    /// The same deadline on a clock that nobody sets.
    opened: Instant,
    budget: Duration,
    connected: AtomicBool,
    late: AtomicBool,
}

/// Why the connector gave no connection.
#[derive(Debug, Error)]
enum GateError {
    #[error("the time of this write is over")]
    TooLate,
    #[error("a connection was asked for outside of a write")]
    NoWrite,
}

impl Gate {
    pub(crate) fn new(clock: &Clock, by: DateTime<Utc>) -> Arc<Self> {
        let budget = (by - clock.now()).to_std().unwrap_or(Duration::ZERO);
        Arc::new(Self {
            clock: clock.clone(),
            by,
            opened: Instant::now(),
            budget,
            connected: AtomicBool::new(false),
            late: AtomicBool::new(false),
        })
    }

    /// Whether it may still leave. The wall clock sees a suspended machine, the monotonic one sees
    /// a wall clock that was set back; both must agree.
    pub(crate) fn is_open(&self) -> bool {
        let open = self.clock.now() <= self.by && self.opened.elapsed() <= self.budget;
        if !open {
            self.late.store(true, Ordering::Release);
        }
        open
    }

    pub(crate) fn was_late(&self) -> bool {
        self.late.load(Ordering::Acquire)
    }

    /// Whether a connection was ever handed to this write.
    pub(crate) fn was_connected(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }

    pub(crate) async fn guard<F: Future>(self: &Arc<Self>, write: F) -> F::Output {
        GATE.scope(Arc::clone(self), write).await
    }

    fn pass(&self) -> Result<(), GateError> {
        if !self.is_open() {
            return Err(GateError::TooLate);
        }
        self.connected.store(true, Ordering::Release);
        Ok(())
    }
}

/// Puts the gate around a connector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GateLayer;

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, connector: S) -> Gated<S> {
        Gated { connector }
    }
}

/// A connector whose connections pass the gate.
#[derive(Clone, Debug)]
pub(crate) struct Gated<S> {
    connector: S,
}

impl<S, R> Service<R> for Gated<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, destination: R) -> Self::Future {
        let connecting = self.connector.call(destination);
        Box::pin(async move {
            let connection = connecting.await?;
            match GATE.try_with(|gate| gate.pass()) {
                Ok(Ok(())) => Ok(connection),
                Ok(Err(closed)) => Err(closed.into()),
                Err(_) => Err(GateError::NoWrite.into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use chrono::TimeDelta;

    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_789_051_500, 0).unwrap()
    }

    fn set_clock() -> (Arc<Mutex<DateTime<Utc>>>, Clock) {
        let now = Arc::new(Mutex::new(start()));
        let hand = Arc::clone(&now);
        (now, Clock::from_fn(move || *hand.lock().unwrap()))
    }

    async fn connect() -> Result<u8, BoxError> {
        let connector = tower::service_fn(|()| async { Ok::<u8, BoxError>(1) });
        GateLayer.layer(connector).call(()).await
    }

    #[tokio::test]
    async fn in_time_it_passes_and_is_noted() {
        let (_, clock) = set_clock();
        let gate = Gate::new(&clock, start() + TimeDelta::seconds(60));
        assert!(!gate.was_connected());
        assert_eq!(gate.guard(connect()).await.unwrap(), 1);
        assert!(gate.was_connected() && !gate.was_late());
    }

    #[tokio::test]
    async fn a_suspended_machine_is_too_late_although_no_monotonic_time_passed() {
        let (now, clock) = set_clock();
        let gate = Gate::new(&clock, start() + TimeDelta::seconds(60));
        *now.lock().unwrap() = start() + TimeDelta::seconds(61);
        assert!(gate.guard(connect()).await.is_err());
        assert!(gate.was_late() && !gate.was_connected());
    }

    #[tokio::test]
    async fn a_clock_set_back_gives_no_more_time() {
        let (now, clock) = set_clock();
        let gate = Gate::new(&clock, start());
        *now.lock().unwrap() = start() - TimeDelta::hours(1);
        assert!(gate.guard(connect()).await.is_err(), "the budget was zero");
        assert!(gate.was_late());
    }

    #[tokio::test]
    async fn outside_of_a_write_there_is_no_connection() {
        assert!(connect().await.is_err());
    }
}
