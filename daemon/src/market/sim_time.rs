//! The simulator's time as the daemon's own, so that a closed market is open in a demo.
//!
//! A daemon that lives in it opens accounts at the simulator alone, whatever world they are of: one database does
//! not hold two times. Leases, time-outs and deadlines are counted by the machine all the same. The simulator is
//! asked at the start and then again and again, because it may be restarted or moved by hand;
//! between two answers its time goes on at the rate that it said.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, Url};
use serde::Deserialize;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::broker::tls::{self, TlsError};
use crate::broker::tradier::Patience;
use crate::broker::tradier::http::client;
use crate::broker::world::{BaseUrlError, loopback_url};
use crate::clock::Clock;

/// Between two looks at the simulator's clock.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Between two looks while it was never seen.
const FIRST_LOOKS: Duration = Duration::from_millis(100);
/// Longest that a start waits for the simulator; then the daemon begins in the machine's time.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// Differences below this are the way of the answer.
const STEP: TimeDelta = TimeDelta::milliseconds(250);
/// Longest answer.
const LONGEST: Duration = Duration::from_secs(2);

/// Why the simulator's time is not known.
#[derive(Debug, Error)]
pub enum SimTimeError {
    #[error("broker.sim_time needs broker.sim_url")]
    NoAddress,
    #[error("broker.sim_url: {0}")]
    Address(#[from] BaseUrlError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the simulator does not tell its time: {0}")]
    Silent(String),
}

/// What `GET /__sim/clock` says of it.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Told {
    now_ms: i64,
    rate: f64,
}

/// Where both clocks stood when they were last compared.
#[derive(Clone, Copy, Debug)]
struct Hand {
    machine: DateTime<Utc>,
    trading: DateTime<Utc>,
    rate: f64,
}

impl Hand {
    fn at(self, machine: DateTime<Utc>) -> DateTime<Utc> {
        let gone = (machine - self.machine).to_std().unwrap_or_default().as_secs_f64() * self.rate;
        let gone = Duration::try_from_secs_f64(gone).ok().and_then(|gone| TimeDelta::from_std(gone).ok());
        self.trading + gone.unwrap_or_default()
    }
}

/// The simulator's clock.
#[derive(Clone, Debug)]
pub struct SimTime {
    url: Url,
    client: Client,
    machine: Clock,
    hand: Arc<RwLock<Option<Hand>>>,
}

impl SimTime {
    /// # Errors
    /// When there is no address, or it is not on this machine.
    pub fn new(sim_url: Option<&str>, machine: Clock) -> Result<Self, SimTimeError> {
        let base = loopback_url(sim_url.ok_or(SimTimeError::NoAddress)?)?;
        let url = base.join("/__sim/clock").map_err(|_| BaseUrlError::Shape)?;
        let client = client(&tls::none()?, Patience::default()).timeout(LONGEST).build();
        let client = client.map_err(|error| SimTimeError::Silent(error.without_url().to_string()))?;
        Ok(Self { url, client, machine, hand: Arc::default() })
    }

    /// The clock: the simulator's time once it was told, the machine's before.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let this = self.clone();
        Clock::from_fn(move || {
            let now = this.machine.now();
            this.hand().map_or(now, |hand| hand.at(now))
        })
    }

    /// Waits for the simulator's first word, but not for ever.
    pub async fn begin(&self) {
        let told = tokio::time::timeout(FIRST_WITHIN, async {
            while self.learn().await.is_err() {
                tokio::time::sleep(FIRST_LOOKS).await;
            }
        });
        if told.await.is_err() {
            tracing::warn!("the simulator does not tell its time yet: the daemon begins in the machine's");
        }
    }

    /// Stays with the simulator until it is told to stop.
    pub async fn follow(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if let Err(error) = self.learn().await {
                tracing::debug!("{error}");
            }
        }
    }

    async fn learn(&self) -> Result<(), SimTimeError> {
        let silent = |error: reqwest::Error| SimTimeError::Silent(error.without_url().to_string());
        let body = self.client.get(self.url.clone()).send().await.map_err(silent)?.bytes().await.map_err(silent)?;
        let told: Told = serde_json::from_slice(&body).map_err(|error| SimTimeError::Silent(error.to_string()))?;
        let trading = DateTime::from_timestamp_millis(told.now_ms)
            .ok_or_else(|| SimTimeError::Silent("a time beyond all years".to_owned()))?;
        let hand = Hand { machine: self.machine.now(), trading, rate: told.rate.clamp(0.0, 1e6) };
        let was = self.hand();
        let steady = was
            .is_some_and(|was| was.rate.total_cmp(&hand.rate).is_eq() && (was.at(hand.machine) - trading).abs() < STEP);
        if !steady {
            tracing::info!(now = %trading, rate = hand.rate, "the simulator's time is the daemon's");
            *self.hand.write().unwrap_or_else(PoisonError::into_inner) = Some(hand);
        }
        Ok(())
    }

    fn hand(&self) -> Option<Hand> {
        *self.hand.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn time_goes_on_at_the_rate_that_was_told() {
        let hand = |rate| Hand { machine: at(100), trading: at(5000), rate };
        assert_eq!(hand(1.0).at(at(103)), at(5003));
        assert_eq!(hand(60.0).at(at(103)), at(5180));
        assert_eq!(hand(0.0).at(at(103)), at(5000), "a clock that is moved by hand stands");
        assert_eq!(hand(1.0).at(at(90)), at(5000), "it never runs backwards");
    }

    #[test]
    fn it_is_asked_on_this_machine_and_nowhere_else() {
        let new = |url| SimTime::new(url, Clock::from_fn(|| at(0)));
        assert!(matches!(new(None), Err(SimTimeError::NoAddress)));
        assert!(matches!(new(Some("http://example.org/v1")), Err(SimTimeError::Address(BaseUrlError::NotLoopback))));
        let sim = new(Some("http://127.0.0.1:7300/v1")).unwrap();
        assert_eq!(sim.url.as_str(), "http://127.0.0.1:7300/__sim/clock");
        assert_eq!(sim.clock().now(), at(0), "the machine's time until it is told");
    }
}
