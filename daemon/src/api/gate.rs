//! How many connections there are: all together, and of one uid.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections. A cheap handle.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    per_uid: u32,
    all: u32,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: u32,
    by_uid: HashMap<u32, u32>,
}

/// One connection's place; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    gate: Gate,
    uid: u32,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// This uid has as many as it may.
    Uid,
    /// All together are as many as may be.
    All,
}

impl Gate {
    pub(super) fn new(per_uid: u32, all: u32) -> Self {
        Self(Arc::new(Counts { per_uid, all, open: Mutex::default() }))
    }

    pub(super) fn enter(&self, uid: u32) -> Result<Place, Full> {
        let mut open = self.lock();
        let of_uid = open.by_uid.get(&uid).copied().unwrap_or(0);
        if of_uid >= self.0.per_uid {
            return Err(Full::Uid);
        }
        if open.all >= self.0.all {
            return Err(Full::All);
        }
        open.all += 1;
        open.by_uid.insert(uid, of_uid + 1);
        Ok(Place { gate: self.clone(), uid })
    }

    pub(super) fn of_uid(&self, uid: u32) -> u32 {
        self.lock().by_uid.get(&uid).copied().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.gate.lock();
        open.all = open.all.saturating_sub(1);
        if let Some(count) = open.by_uid.get_mut(&self.uid) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.by_uid.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_and_one_uid_cannot_take_them_all() {
        let gate = Gate::new(2, 3);
        let first = gate.enter(1).unwrap();
        let _second = gate.enter(1).unwrap();
        assert_eq!(gate.enter(1).unwrap_err(), Full::Uid);
        let _third = gate.enter(2).unwrap();
        assert_eq!(gate.enter(3).unwrap_err(), Full::All);
        drop(first);
        assert_eq!(gate.of_uid(1), 1);
        assert!(gate.enter(3).is_ok());
    }
}
