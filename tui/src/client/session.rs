//! How long to believe what is on the screen: the session's state machine.
//!
//! ```text
//! connecting ──version──▶ loading ──all asked──▶ (stream opens) ──▶ live
//!     ▲  └──no answer──┐     └──────no answer─────┐                  │ silent, or stream ended
//!     │                ▼                          ▼                  ▼
//!     └──time──── retrying ◀──────no answer──────────────────────  stale ──version──▶ loading
//! ```
//!
//! Pure: (state, input, now) gives the next state and orders for others to carry out. Loading asks
//! for everything and remembers the feed's sequence; the stream is then opened from there, so that
//! nothing between the two is lost. A refused load (the database is away) does not end the session:
//! it is asked for again after a pause that grows, and at once when the stream tells that it is worth it.

use std::time::Duration;

use blotter_shared::protocol::problem::ProblemCode;
use serde::{Deserialize, Serialize};

use super::calls::CallError;
use crate::clock::Now;

/// Where the session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Asking who is there.
    #[default]
    Connecting,
    /// Asking for everything, then for the stream.
    Loading,
    Live,
    /// Was live and is silent; asking whether anybody is there.
    Stale,
    /// Nobody there; the next try is due at this time since the start.
    Retrying {
        at: Duration,
    },
    /// The daemon does not want us: other protocol, not admitted. Tried again now and then.
    Refused {
        at: Duration,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The daemon said who it is, or did not.
    Greeted(Result<(), CallError>),
    /// Everything was asked for; the first thing that went wrong, if anything did.
    Loaded(Result<(), CallError>),
    /// The stream's first event, with the longest silence that it promises.
    StreamOpened {
        heartbeat: Duration,
    },
    /// Anything at all came through the stream.
    StreamSpoke,
    StreamEnded,
    /// The daemon wants everything loaded again.
    MustReload,
    /// Time passed.
    Wake,
    /// The user asks for the newest now.
    Asked,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Greet,
    LoadAll,
    OpenStream,
    CloseStream,
    /// Ask cheaply whether anything was missed.
    Check,
}

/// How the session is seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Connecting,
    Live,
    Stale,
    Retrying,
    Refused,
}

const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(15);
/// The first pause after a load that was refused in part.
const FIRST_RELOAD: Duration = Duration::from_secs(1);
const REFUSED_RETRY: Duration = Duration::from_secs(30);
/// The heartbeat that is assumed until the stream names its own.
const ASSUMED_HEARTBEAT: Duration = Duration::from_secs(15);
/// A stream that does not begin within this is no stream.
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);

/// The session and what it remembers.
#[derive(Clone, Debug)]
pub struct Session {
    phase: Phase,
    /// Tries since the last success.
    attempt: u32,
    heartbeat: Duration,
    /// When the stream last spoke, or was asked for.
    last_spoke: Duration,
    /// When the daemon last answered anything.
    last_contact: Option<Duration>,
    /// Loads in a row that were refused in part, and when the next is due.
    refusals: u32,
    reload_at: Option<Duration>,
    next_check: Option<Duration>,
    refresh: Duration,
    trouble: Option<CallError>,
    random: u64,
}

impl Session {
    /// A session that has just begun to connect; `seed` spreads the retries of many clients.
    #[must_use]
    pub fn new(refresh: Duration, seed: u64) -> Self {
        Self {
            phase: Phase::Connecting,
            attempt: 0,
            heartbeat: ASSUMED_HEARTBEAT,
            last_spoke: Duration::ZERO,
            last_contact: None,
            refusals: 0,
            reload_at: None,
            next_check: None,
            refresh,
            trouble: None,
            random: seed,
        }
    }

    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    #[must_use]
    pub fn link(&self) -> Link {
        match self.phase {
            Phase::Live => Link::Live,
            Phase::Stale => Link::Stale,
            Phase::Retrying { .. } => Link::Retrying,
            Phase::Refused { .. } => Link::Refused,
            Phase::Connecting | Phase::Loading if self.attempt > 0 => Link::Retrying,
            Phase::Connecting | Phase::Loading => Link::Connecting,
        }
    }

    /// Why the daemon is not there, in its last words.
    #[must_use]
    pub fn trouble(&self) -> Option<&CallError> {
        self.trouble.as_ref()
    }

    /// When the daemon last said anything.
    #[must_use]
    pub fn last_contact(&self) -> Option<Duration> {
        self.last_contact
    }

    #[must_use]
    pub fn refresh(&self) -> Duration {
        self.refresh
    }

    /// Any answer shows that the daemon is there.
    pub fn note_contact(&mut self, now: Now) {
        self.last_contact = Some(now.since_start);
    }

    /// Turns the timed refresh on or off.
    pub fn set_timed_refresh(&mut self, now: Now, on: TimedRefresh) {
        self.next_check = match on {
            TimedRefresh::On => Some(now.since_start + self.refresh),
            TimedRefresh::Off => None,
        };
    }

    /// The next moment at which [`Input::Wake`] would change something.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        match self.phase {
            Phase::Retrying { at } | Phase::Refused { at } => Some(at),
            Phase::Live => [self.next_check, self.reload_at, Some(self.silence_at())].into_iter().flatten().min(),
            Phase::Loading => Some(self.last_spoke.max(self.last_contact.unwrap_or_default()) + OPENING_TIMEOUT * 2),
            Phase::Connecting | Phase::Stale => None,
        }
    }

    fn silence_at(&self) -> Duration {
        self.last_spoke + self.heartbeat * 2 + Duration::from_secs(1)
    }

    /// Takes what happened and says what to do.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Order> {
        match input {
            Input::Greeted(result) => self.greeted(now, result),
            Input::Loaded(result) => self.loaded(now, result),
            Input::StreamOpened { heartbeat } => self.stream_opened(now, heartbeat),
            Input::StreamSpoke => self.stream_spoke(now),
            Input::StreamEnded => self.stream_ended(now),
            Input::MustReload => self.must_reload(),
            Input::Wake => self.wake(now),
            Input::Asked => self.asked(now),
        }
    }

    fn greeted(&mut self, now: Now, result: Result<(), CallError>) -> Vec<Order> {
        match (self.phase, result) {
            (Phase::Connecting | Phase::Stale, Ok(())) => {
                self.note_contact(now);
                self.phase = Phase::Loading;
                self.last_spoke = now.since_start;
                vec![Order::LoadAll]
            }
            (Phase::Connecting | Phase::Stale, Err(error)) => self.failed(now, error),
            // An answer that comes after the phase has moved on says nothing new.
            (Phase::Loading | Phase::Live | Phase::Retrying { .. } | Phase::Refused { .. }, Ok(()) | Err(_)) => vec![],
        }
    }

    fn loaded(&mut self, now: Now, result: Result<(), CallError>) -> Vec<Order> {
        match (self.phase, result) {
            (Phase::Loading, Err(error)) if error.is_silence() => self.failed(now, error),
            (Phase::Loading, result) => {
                self.note_load(now, if result.is_ok() { Load::Whole } else { Load::Refused });
                self.last_spoke = now.since_start;
                vec![Order::OpenStream]
            }
            (Phase::Live, result) => {
                self.note_load(now, if result.is_ok() { Load::Whole } else { Load::Refused });
                vec![]
            }
            (Phase::Connecting | Phase::Stale | Phase::Retrying { .. } | Phase::Refused { .. }, Ok(()) | Err(_)) => {
                vec![]
            }
        }
    }

    fn stream_opened(&mut self, now: Now, heartbeat: Duration) -> Vec<Order> {
        match self.phase {
            Phase::Loading | Phase::Live => {
                self.phase = Phase::Live;
                self.attempt = 0;
                self.trouble = None;
                self.heartbeat = heartbeat.clamp(Duration::from_secs(1), Duration::from_secs(120));
                self.last_spoke = now.since_start;
                self.note_contact(now);
                if self.next_check.is_some() {
                    self.next_check = Some(now.since_start + self.refresh);
                }
                vec![]
            }
            Phase::Connecting | Phase::Stale | Phase::Retrying { .. } | Phase::Refused { .. } => vec![],
        }
    }

    fn stream_spoke(&mut self, now: Now) -> Vec<Order> {
        match self.phase {
            Phase::Live | Phase::Loading => {
                self.last_spoke = now.since_start;
                self.note_contact(now);
            }
            Phase::Connecting | Phase::Stale | Phase::Retrying { .. } | Phase::Refused { .. } => {}
        }
        vec![]
    }

    fn stream_ended(&mut self, now: Now) -> Vec<Order> {
        match self.phase {
            Phase::Live => {
                self.phase = Phase::Stale;
                vec![Order::CloseStream, Order::Greet]
            }
            Phase::Loading => self.failed(now, CallError::Broken),
            Phase::Connecting | Phase::Stale | Phase::Retrying { .. } | Phase::Refused { .. } => vec![],
        }
    }

    fn must_reload(&mut self) -> Vec<Order> {
        match self.phase {
            Phase::Live => vec![Order::LoadAll],
            // A load is under way or will be.
            Phase::Connecting | Phase::Loading | Phase::Stale | Phase::Retrying { .. } | Phase::Refused { .. } => {
                vec![]
            }
        }
    }

    fn wake(&mut self, now: Now) -> Vec<Order> {
        match self.phase {
            Phase::Retrying { at } | Phase::Refused { at } if now.since_start >= at => {
                self.phase = Phase::Connecting;
                vec![Order::Greet]
            }
            Phase::Live if now.since_start >= self.silence_at() => {
                self.phase = Phase::Stale;
                vec![Order::CloseStream, Order::Greet]
            }
            Phase::Live => self.check_if_due(now),
            Phase::Loading if self.next_wake().is_some_and(|at| now.since_start >= at) => {
                let seconds = OPENING_TIMEOUT.as_secs() * 2;
                self.failed(now, CallError::TimedOut { seconds })
            }
            Phase::Connecting | Phase::Loading | Phase::Stale | Phase::Retrying { .. } | Phase::Refused { .. } => {
                vec![]
            }
        }
    }

    fn check_if_due(&mut self, now: Now) -> Vec<Order> {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| now.since_start >= at);
        let (reloads, checks) = (is_due(self.reload_at), is_due(self.next_check));
        if checks || (reloads && self.next_check.is_some()) {
            self.next_check = Some(now.since_start + self.refresh);
        }
        if reloads {
            self.reload_at = None;
            return vec![Order::LoadAll];
        }
        if checks { vec![Order::Check] } else { vec![] }
    }

    /// What was refused is asked for again, whether or not there is a timed refresh.
    fn note_load(&mut self, now: Now, outcome: Load) {
        self.refusals = match outcome {
            Load::Whole => 0,
            Load::Refused => self.refusals.saturating_add(1),
        };
        let pause = spread(self.refusals, (FIRST_RELOAD, LAST_RETRY), split_mix(&mut self.random));
        self.reload_at = (self.refusals > 0).then(|| now.since_start + pause);
    }

    fn asked(&mut self, now: Now) -> Vec<Order> {
        match self.phase {
            Phase::Live => {
                if self.next_check.is_some() {
                    self.next_check = Some(now.since_start + self.refresh);
                }
                vec![Order::LoadAll]
            }
            Phase::Retrying { .. } | Phase::Refused { .. } => {
                self.phase = Phase::Connecting;
                vec![Order::Greet]
            }
            Phase::Connecting | Phase::Loading | Phase::Stale => vec![],
        }
    }

    fn failed(&mut self, now: Now, error: CallError) -> Vec<Order> {
        let is_refusal = match error.code() {
            Some(ProblemCode::ProtocolMismatch | ProblemCode::NotAdmitted | ProblemCode::Forbidden) => true,
            Some(_) | None => matches!(error, CallError::Garbled(_)),
        };
        self.attempt = self.attempt.saturating_add(1);
        self.trouble = Some(error);
        self.phase = if is_refusal {
            Phase::Refused { at: now.since_start + REFUSED_RETRY }
        } else {
            Phase::Retrying { at: now.since_start + self.backoff() }
        };
        vec![Order::CloseStream]
    }

    fn backoff(&mut self) -> Duration {
        spread(self.attempt, (FIRST_RETRY, LAST_RETRY), split_mix(&mut self.random))
    }
}

/// How a load that the daemon answered ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    Whole,
    Refused,
}

/// The pause after so many failures: doubles with each up to a limit, and the upper half of it is random, so
/// that the clients of a daemon that restarts do not all come at once.
#[must_use]
pub fn spread(failures: u32, (first, last): (Duration, Duration), random: u64) -> Duration {
    let half = first.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(last) / 2;
    let half_ms = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_millis(random % half_ms)
}

/// Whether the timed refresh runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimedRefresh {
    On,
    Off,
}

/// The next number of a small generator; fine for spreading retries, useless for secrets.
pub fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
