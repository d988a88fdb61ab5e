//! Whether the engine's loops still turn. What waits for a market or a database turns all the same; what
//! does not turn any more is worth a restart, and the service manager is told so by silence.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The look at who has an account comes every few seconds; its queries have bounds of their own.
const LOOKS_WITHIN: Duration = Duration::from_secs(120);
/// A pass and the longest rest after it, several times over.
const TURNS_WITHIN: Duration = Duration::from_secs(300);

/// A cheap handle on everybody's last sign of life.
#[derive(Clone, Debug, Default)]
pub struct Pulse {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: AtomicU64,
    looked: Mutex<Option<Instant>>,
    turned: Mutex<HashMap<u64, Instant>>,
}

/// One loop's part of it; gone with the loop.
#[derive(Debug)]
pub struct Beat {
    pulse: Pulse,
    number: u64,
}

impl Pulse {
    /// Whoever looks after the loops is there.
    pub fn looked(&self, now: Instant) {
        *self.inner.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// A loop begins.
    #[must_use]
    pub fn begin(&self, now: Instant) -> Beat {
        let beat = Beat { pulse: self.clone(), number: self.inner.next.fetch_add(1, Ordering::Relaxed) };
        beat.turned(now);
        beat
    }

    /// What does not turn any more, if anything.
    ///
    /// # Errors
    /// The sentence about it.
    pub fn check(&self, now: Instant) -> Result<(), String> {
        let looked = *self.inner.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(age) = looked.map(|at| now.duration_since(at)).filter(|age| *age > LOOKS_WITHIN) {
            return Err(format!("nobody has looked after the trade engine for {} s", age.as_secs()));
        }
        let turned = self.inner.turned.lock().unwrap_or_else(PoisonError::into_inner);
        match turned.values().map(|at| now.duration_since(*at)).max().filter(|age| *age > TURNS_WITHIN) {
            Some(age) => Err(format!("a loop of the trade engine has not turned for {} s", age.as_secs())),
            None => Ok(()),
        }
    }
}

impl Beat {
    /// The loop has come round.
    pub fn turned(&self, now: Instant) {
        let mut turned = self.pulse.inner.turned.lock().unwrap_or_else(PoisonError::into_inner);
        turned.insert(self.number, now);
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        let mut turned = self.pulse.inner.turned.lock().unwrap_or_else(PoisonError::into_inner);
        turned.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_hangs_is_found_and_one_that_ended_is_not() {
        let (pulse, begin) = (Pulse::default(), Instant::now());
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(pulse.check(after(1000)), Ok(()), "nothing has begun");
        pulse.looked(begin);
        let (one, other) = (pulse.begin(begin), pulse.begin(begin));
        pulse.looked(after(100));
        drop(other);
        one.turned(after(200));
        assert_eq!(pulse.check(after(200)), Ok(()));
        assert_eq!(pulse.check(after(310)), Err("nobody has looked after the trade engine for 210 s".to_owned()));
        pulse.looked(after(510));
        assert_eq!(pulse.check(after(510)), Err("a loop of the trade engine has not turned for 310 s".to_owned()));
        drop(one);
        assert_eq!(pulse.check(after(510)), Ok(()));
    }
}
