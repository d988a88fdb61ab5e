//! How much of the pool one user may hold. Each transaction of a request takes a seat of its user's
//! before it takes a connection, so that a client that asks too much waits for itself and for nobody
//! else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::DbError;
use super::config::DbLimits;
use crate::auth::Username;

/// Users that are remembered before those who hold nothing are forgotten.
const REMEMBERED: usize = 256;

#[derive(Debug)]
pub(super) struct Seats {
    limits: DbLimits,
    users: Mutex<HashMap<Username, Arc<Semaphore>>>,
}

impl Seats {
    pub(super) fn new(limits: DbLimits) -> Self {
        Self { limits, users: Mutex::default() }
    }

    /// Half of the pool, and two at least where there are two: a client asks for several things at once.
    fn of_each(&self) -> usize {
        (self.limits.connections / 2).max(2).min(self.limits.connections)
    }

    /// # Errors
    /// When none of the user's becomes free for as long as a connection is waited for.
    pub(super) async fn take(&self, who: &Username) -> Result<OwnedSemaphorePermit, DbError> {
        let taken = tokio::time::timeout(self.limits.wait, self.seats(who).acquire_owned()).await;
        taken.ok().and_then(Result::ok).ok_or_else(|| DbError::Busy {
            what: format!("{who} uses all {} connections that one user may have", self.of_each()),
        })
    }

    fn seats(&self, who: &Username) -> Arc<Semaphore> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= REMEMBERED && !users.contains_key(who) {
            // Whoever waits or sits holds a reference of their own.
            users.retain(|_, seats| Arc::strong_count(seats) > 1);
        }
        let seats = users.entry(who.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.of_each())));
        Arc::clone(seats)
    }
}
