//! How often a user may have a token looked at. Each look is a call to the broker with a token that
//! anybody could have typed: one at a time, and a few a minute.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

use crate::auth::Username;

/// Looks of one user in [`WITHIN`].
const MOST: usize = 5;
const WITHIN: TimeDelta = TimeDelta::minutes(1);

/// Not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("tokens are looked at one at a time, and at most {MOST} in a minute: try again in {seconds} s")]
pub struct TooSoon {
    pub seconds: u32,
}

/// Everybody's turns. A cheap handle.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<Username, Taken>>>);

#[derive(Debug, Default)]
struct Taken {
    busy: bool,
    begun: VecDeque<DateTime<Utc>>,
}

/// A look that is under way; over when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    who: Username,
}

impl Turns {
    /// # Errors
    /// While another look is under way, and when there were too many.
    pub(super) fn take(&self, who: &Username, now: DateTime<Utc>) -> Result<Turn, TooSoon> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = all.entry(who.clone()).or_default();
        taken.begun.retain(|begun| now - *begun < WITHIN);
        if taken.busy {
            return Err(TooSoon { seconds: 1 });
        }
        if let Some(oldest) = taken.begun.front().filter(|_| taken.begun.len() >= MOST) {
            let left = (*oldest + WITHIN - now).num_milliseconds().max(0);
            return Err(TooSoon { seconds: u32::try_from(left / 1000 + 1).unwrap_or(u32::MAX) });
        }
        taken.busy = true;
        taken.begun.push_back(now);
        Ok(Turn { turns: self.clone(), who: who.clone() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut all = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = all.get_mut(&self.who) {
            taken.busy = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_five_a_minute_for_each_user() {
        let turns = Turns::default();
        let (ann, bob): (Username, Username) = ("ann".parse().unwrap(), "bob".parse().unwrap());
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let first = turns.take(&ann, at(0)).unwrap();
        assert_eq!(turns.take(&ann, at(0)).unwrap_err(), TooSoon { seconds: 1 });
        drop(turns.take(&bob, at(0)).unwrap());
        drop(first);
        for seconds in 1..5 {
            drop(turns.take(&ann, at(seconds)).unwrap());
        }
        assert_eq!(turns.take(&ann, at(10)).unwrap_err(), TooSoon { seconds: 51 });
        drop(turns.take(&bob, at(10)).unwrap());
        drop(turns.take(&ann, at(60)).unwrap());
        assert_eq!(turns.take(&ann, at(60)).unwrap_err(), TooSoon { seconds: 2 });
    }
}
