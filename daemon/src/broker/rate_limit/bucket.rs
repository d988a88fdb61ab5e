//! One bucket's decision: may this call go now, and if not, when is it worth asking again?
//!
//! The broker counts in minutes that begin with the first request, so nobody but the broker knows
//! where its minutes begin. We therefore keep a log of our own sends and never let any stretch of
//! a minute, wherever it begins, hold more than the ceiling. The broker's headers can only make
//! that stricter.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{BucketKind, Priority, RateHeaders};

/// A minute, and a second for requests that travel at different speeds.
const WINDOW: TimeDelta = TimeDelta::seconds(61);
/// How long the broker is left alone after it refused without saying until when.
const PAUSE: TimeDelta = TimeDelta::seconds(60);
/// Calls in flight before the first answer has told how the broker counts.
const UNHEARD_IN_FLIGHT: u32 = 2;
/// Calls that one saved claim covers.
const CLAIM_SIZE: u32 = 4;
/// How long a claim may be used.
const CLAIM_LIFE: TimeDelta = TimeDelta::seconds(5);
/// When to look again at a bucket that waits for an answer.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(1);

/// The bounds of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most calls in a minute.
    pub ceiling: u32,
}

impl Default for Limits {
    /// Fifty, below the sixty that the stricter world allows.
    fn default() -> Self {
        Self { ceiling: 50 }
    }
}

/// The state of one bucket. Every function takes the time; none looks at a clock.
#[derive(Clone, Debug)]
pub struct Bucket {
    kind: BucketKind,
    limits: Limits,
    sent: VecDeque<DateTime<Utc>>,
    in_flight: u32,
    heard: bool,
    broker: Option<RateHeaders>,
    paused_until: Option<DateTime<Utc>>,
    claim: Claim,
}

/// Leave to send that was written down before it is used, so that a crash cannot forget a send.
#[derive(Clone, Copy, Debug)]
struct Claim {
    left: u32,
    until: DateTime<Utc>,
}

/// What a restart needs to know: when calls were made, or may have been.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedBucket {
    pub sent_ms: Vec<i64>,
}

/// The answer of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go. The call counts as sent.
    Granted,
    /// It may go once [`Bucket::to_save`] is written down and [`Bucket::claimed`] was called.
    NeedsClaim,
    /// Not before this.
    Wait(DateTime<Utc>),
}

impl Bucket {
    #[must_use]
    pub fn new(kind: BucketKind, limits: Limits) -> Self {
        Self::restored(kind, limits, &SavedBucket::default())
    }

    /// A bucket that goes on where another process ended, however it ended.
    #[must_use]
    pub fn restored(kind: BucketKind, limits: Limits, saved: &SavedBucket) -> Self {
        let mut sent: Vec<_> =
            saved.sent_ms.iter().filter_map(|millis| DateTime::from_timestamp_millis(*millis)).collect();
        sent.sort_unstable();
        Self {
            kind,
            limits,
            sent: sent.into(),
            in_flight: 0,
            heard: false,
            broker: None,
            paused_until: None,
            claim: Claim { left: 0, until: DateTime::UNIX_EPOCH },
        }
    }

    /// Decides about one call, and counts it when it is granted.
    pub fn try_acquire(&mut self, priority: Priority, now: DateTime<Utc>) -> Decision {
        self.forget(now);
        if let Some(until) = self.paused_until {
            return Decision::Wait(until);
        }
        if !self.heard && self.in_flight >= UNHEARD_IN_FLIGHT && priority > Priority::Close {
            return Decision::Wait(now + LOOK_AGAIN);
        }
        let share = self.share(priority);
        if self.used(now) >= share {
            return Decision::Wait(self.relief(share, now));
        }
        if self.claim.left == 0 || self.claim.until <= now {
            return Decision::NeedsClaim;
        }
        self.claim.left -= 1;
        self.sent.push_back(now);
        self.in_flight += 1;
        Decision::Granted
    }

    /// How many calls of this urgency could go now, were nobody else to make any.
    #[must_use]
    pub fn left(&self, priority: Priority, now: DateTime<Utc>) -> u32 {
        match self.paused_until {
            Some(until) if until > now => 0,
            Some(_) | None => self.share(priority).saturating_sub(self.used(now)),
        }
    }

    /// What has to be written down before the next calls: what was sent, and what the claim may
    /// send, dated as late as it may.
    #[must_use]
    pub fn to_save(&self, now: DateTime<Utc>) -> SavedBucket {
        let claimed = std::iter::repeat_n(now + CLAIM_LIFE, usize::try_from(CLAIM_SIZE).unwrap_or(0));
        SavedBucket { sent_ms: self.sent.iter().copied().chain(claimed).map(|at| at.timestamp_millis()).collect() }
    }

    /// What [`Bucket::to_save`] gave at `saved_at` is written down, or cannot be: a full disk must
    /// not keep a stop from being placed.
    pub fn claimed(&mut self, saved_at: DateTime<Utc>) {
        self.claim = Claim { left: CLAIM_SIZE, until: saved_at + CLAIM_LIFE };
    }

    /// A call has come to an end, whichever.
    pub fn ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// An answer came; `headers` if it told the broker's count. Of two answers about the same
    /// minute the one with less left is the newer; an answer about an earlier minute is old.
    pub fn heard(&mut self, headers: Option<RateHeaders>) {
        self.heard = true;
        let Some(new) = headers else { return };
        let keep_old = self.broker.is_some_and(|old| {
            old.expires_at > new.expires_at || (old.expires_at == new.expires_at && old.available < new.available)
        });
        if !keep_old {
            self.broker = Some(new);
        }
    }

    /// The broker refused for the rate; `until` if it said so.
    pub fn throttled(&mut self, until: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        let until = until.filter(|at| *at > now).unwrap_or(now + PAUSE);
        self.paused_until = Some(self.paused_until.map_or(until, |old| old.max(until)));
    }

    /// Calls counted against the present minute: ours, or the broker's count when it is higher.
    #[must_use]
    pub fn used(&self, now: DateTime<Utc>) -> u32 {
        // Also between two calls: who asks how much is left must not be told of a minute that is over.
        let over = self.sent.iter().take_while(|at| **at + WINDOW <= now).count();
        let ours = u32::try_from(self.sent.len() - over).unwrap_or(u32::MAX);
        let theirs = self
            .broker
            .filter(|view| view.expires_at > now)
            .map_or(0, |view| (view.allowed - view.available).saturating_add(self.in_flight));
        ours.max(theirs)
    }

    /// Most calls in a minute: the ceiling, or nine tenths of what the broker allows.
    #[must_use]
    pub fn limit(&self) -> u32 {
        let allowed = self.broker.map_or(u32::MAX, |view| view.allowed - view.allowed / 10);
        self.limits.ceiling.min(allowed).max(1)
    }

    /// Most calls in a minute after which `priority` still gets one.
    #[must_use]
    pub fn share(&self, priority: Priority) -> u32 {
        let limit = self.limit();
        let kept = u64::from(self.kind.kept_of_fifty(priority)) * u64::from(limit) / 50;
        limit - u32::try_from(kept).unwrap_or(limit).min(limit.saturating_sub(1))
    }

    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    #[must_use]
    pub fn paused_until(&self) -> Option<DateTime<Utc>> {
        self.paused_until
    }

    #[must_use]
    pub fn broker(&self) -> Option<RateHeaders> {
        self.broker
    }

    /// Drops what no longer counts. A send that lies in the future (the clock was set back) counts
    /// from now: too long, never too short.
    fn forget(&mut self, now: DateTime<Utc>) {
        for at in self.sent.iter_mut().rev().take_while(|at| **at > now) {
            *at = now;
        }
        while self.sent.front().is_some_and(|at| *at + WINDOW <= now) {
            self.sent.pop_front();
        }
        // A pause is never longer than what `throttled` sets; a longer one means a clock set back.
        let pause = self.paused_until.map(|until| until.min(now + TimeDelta::minutes(5)));
        self.paused_until = pause.filter(|until| *until > now);
    }

    /// When `share` may have room again.
    fn relief(&self, share: u32, now: DateTime<Utc>) -> DateTime<Utc> {
        let surplus = self.sent.len().saturating_sub(usize::try_from(share).unwrap_or(usize::MAX));
        let ours = self.sent.get(surplus).filter(|_| self.sent.len() >= share as usize).map(|at| *at + WINDOW);
        let theirs = self
            .broker
            .filter(|view| view.expires_at > now && view.allowed - view.available >= share)
            .map(|view| view.expires_at);
        ours.max(theirs).unwrap_or(now + LOOK_AGAIN)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_789_051_500_000 + millis).unwrap()
    }

    fn grant(bucket: &mut Bucket, priority: Priority, now: DateTime<Utc>) -> bool {
        match bucket.try_acquire(priority, now) {
            Decision::Granted => true,
            Decision::Wait(_) => false,
            Decision::NeedsClaim => {
                bucket.claimed(now);
                bucket.try_acquire(priority, now) == Decision::Granted
            }
        }
    }

    fn heard(kind: BucketKind) -> Bucket {
        let mut bucket = Bucket::new(kind, Limits::default());
        bucket.heard(None);
        bucket
    }

    fn burst(bucket: &mut Bucket, priority: Priority, now: DateTime<Utc>) -> u32 {
        (0..100).map(|_| u32::from(grant(bucket, priority, now))).sum()
    }

    #[test]
    fn each_priority_leaves_room_for_the_more_urgent() {
        let mut bucket = heard(BucketKind::Trading);
        let now = at(0);
        let grants: Vec<_> = Priority::ALL.iter().rev().map(|priority| burst(&mut bucket, *priority, now)).collect();
        assert_eq!(grants, [16, 4, 16, 4, 4, 6]);
        assert_eq!(grants.iter().sum::<u32>(), 50);
    }

    #[test]
    fn fifty_brackets_are_back_within_two_minutes() {
        let mut bucket = heard(BucketKind::Trading);
        let first = burst(&mut bucket, Priority::Bracket, at(0));
        let second = burst(&mut bucket, Priority::Bracket, at(61_000));
        assert!(first + second >= 50, "{first} + {second}");
    }

    #[test]
    fn a_full_bucket_says_when_it_has_room() {
        let mut bucket = heard(BucketKind::Accounts);
        assert_eq!(burst(&mut bucket, Priority::Read, at(0)), 38);
        assert_eq!(bucket.try_acquire(Priority::Read, at(10)), Decision::Wait(at(61_000)));
        assert!(grant(&mut bucket, Priority::Close, at(10)));
        assert!(grant(&mut bucket, Priority::Read, at(61_000)));
    }

    #[test]
    fn the_brokers_higher_count_wins_and_its_lower_one_does_not() {
        let mut bucket = heard(BucketKind::Trading);
        bucket.heard(Some(RateHeaders { allowed: 60, available: 8, expires_at: at(30_000) }));
        assert!(!grant(&mut bucket, Priority::Emergency, at(0)), "52 of 60 are used by somebody");
        assert_eq!(bucket.try_acquire(Priority::Emergency, at(1)), Decision::Wait(at(30_000)));
        assert!(grant(&mut bucket, Priority::Emergency, at(30_000)));
        bucket.heard(Some(RateHeaders { allowed: 60, available: 60, expires_at: at(90_000) }));
        assert_eq!(bucket.used(at(30_001)), 1, "ours is the higher count now");
    }

    #[test]
    fn a_minute_that_is_over_counts_no_more_though_nobody_called() {
        let mut bucket = heard(BucketKind::Trading);
        assert_eq!(burst(&mut bucket, Priority::Emergency, at(0)), 50);
        assert_eq!((bucket.used(at(60_999)), bucket.used(at(61_000))), (50, 0));
    }

    #[test]
    fn of_two_answers_the_older_is_ignored() {
        let mut bucket = heard(BucketKind::Trading);
        let view = |available, millis| Some(RateHeaders { allowed: 60, available, expires_at: at(millis) });
        bucket.heard(view(20, 60_000));
        bucket.heard(view(40, 60_000));
        bucket.heard(view(1, 10_000));
        assert_eq!(bucket.broker(), view(20, 60_000));
        bucket.heard(view(59, 120_000));
        assert_eq!(bucket.broker(), view(59, 120_000));
    }

    #[test]
    fn a_smaller_allowance_lowers_the_ceiling() {
        let mut bucket = heard(BucketKind::Trading);
        bucket.heard(Some(RateHeaders { allowed: 20, available: 20, expires_at: at(60_000) }));
        assert_eq!(burst(&mut bucket, Priority::Emergency, at(0)), 18);
    }

    #[test]
    fn a_refusal_pauses_everybody_until_the_time_given_or_for_a_minute() {
        let mut bucket = heard(BucketKind::Trading);
        bucket.throttled(Some(at(5_000)), at(0));
        assert_eq!(bucket.try_acquire(Priority::Emergency, at(1)), Decision::Wait(at(5_000)));
        assert!(grant(&mut bucket, Priority::Emergency, at(5_000)));
        bucket.throttled(None, at(6_000));
        assert_eq!(bucket.try_acquire(Priority::Emergency, at(6_001)), Decision::Wait(at(66_000)));
    }

    #[test]
    fn before_the_first_answer_only_two_calls_are_in_flight_unless_they_are_urgent() {
        let mut bucket = Bucket::new(BucketKind::Accounts, Limits::default());
        assert!(grant(&mut bucket, Priority::Read, at(0)) && grant(&mut bucket, Priority::Read, at(0)));
        assert!(!grant(&mut bucket, Priority::Read, at(0)));
        assert!(grant(&mut bucket, Priority::Close, at(0)));
        bucket.ended();
        bucket.ended();
        bucket.heard(None);
        assert!(grant(&mut bucket, Priority::Read, at(0)));
    }

    #[test]
    fn a_clock_set_back_makes_nobody_wait_longer_than_a_window() {
        let mut bucket = heard(BucketKind::Accounts);
        assert_eq!(burst(&mut bucket, Priority::Read, at(3_600_000)), 38);
        assert!(!grant(&mut bucket, Priority::Read, at(0)));
        assert!(grant(&mut bucket, Priority::Read, at(61_000)));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Pass(i64),
        Call(Priority),
        End,
        Hear {
            allowed: u32,
            used: u32,
            expires_in: i64,
        },
        Throttle,
        /// The process dies and another goes on with what was saved.
        Crash,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0_i64..20_000).prop_map(Step::Pass),
            12 => (0_usize..6).prop_map(|index| Step::Call(Priority::ALL[index])),
            3 => Just(Step::End),
            2 => (1_u32..130, 0_u32..130, -5_000_i64..60_000)
                .prop_map(|(allowed, used, expires_in)| Step::Hear { allowed, used: used.min(allowed), expires_in }),
            1 => Just(Step::Throttle),
            1 => Just(Step::Crash),
        ]
    }

    fn kind() -> impl Strategy<Value = BucketKind> {
        (0_usize..3).prop_map(|index| BucketKind::ALL[index])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn no_minute_holds_more_than_the_ceiling_even_over_crashes(
            kind in kind(),
            ceiling in 1_u32..60,
            steps in prop::collection::vec(step(), 1..400),
        ) {
            let limits = Limits { ceiling };
            let (mut bucket, mut saved) = (Bucket::new(kind, limits), SavedBucket::default());
            let (mut now, mut grants) = (0_i64, Vec::new());
            for step in steps {
                match step {
                    Step::Pass(millis) => now += millis,
                    Step::End => bucket.ended(),
                    Step::Throttle => bucket.throttled(None, at(now)),
                    Step::Crash => bucket = Bucket::restored(kind, limits, &saved),
                    Step::Hear { allowed, used, expires_in } => bucket.heard(Some(RateHeaders {
                        allowed,
                        available: allowed - used,
                        expires_at: at(now + expires_in),
                    })),
                    Step::Call(priority) => {
                        let mut decision = bucket.try_acquire(priority, at(now));
                        if decision == Decision::NeedsClaim {
                            saved = bucket.to_save(at(now));
                            bucket.claimed(at(now));
                            decision = bucket.try_acquire(priority, at(now));
                        }
                        match decision {
                            Decision::Granted => grants.push(now),
                            Decision::Wait(until) => prop_assert!(until > at(now), "a wait ends in the future"),
                            Decision::NeedsClaim => prop_assert!(false, "a claim is good for a call"),
                        }
                    }
                }
            }
            for (index, start) in grants.iter().enumerate() {
                let within = grants[index..].iter().take_while(|at| **at < start + 60_000).count();
                prop_assert!(within <= ceiling as usize, "{within} calls from {start} ms on");
            }
        }

        #[test]
        fn the_more_urgent_is_never_refused_where_the_less_urgent_goes(
            kind in kind(),
            ceiling in 1_u32..200,
            calls in prop::collection::vec((0_usize..6, 0_i64..3_000), 1..200),
        ) {
            let mut bucket = Bucket::new(kind, Limits { ceiling });
            bucket.heard(None);
            let mut now = 0;
            for (index, pass) in calls {
                now += pass;
                let less = Priority::ALL[index];
                let mut trial = bucket.clone();
                if grant(&mut trial, less, at(now)) {
                    for more in Priority::ALL.iter().take(index) {
                        prop_assert!(grant(&mut bucket.clone(), *more, at(now)), "{more:?} before {less:?}");
                    }
                    bucket = trial;
                }
            }
        }

        #[test]
        fn after_a_quiet_minute_everybody_is_served(
            kind in kind(),
            ceiling in 1_u32..60,
            calls in prop::collection::vec((0_usize..6, 0_i64..3_000), 1..200),
        ) {
            let mut bucket = Bucket::new(kind, Limits { ceiling });
            let mut now = 0;
            for (index, pass) in calls {
                now += pass;
                if grant(&mut bucket, Priority::ALL[index], at(now)) {
                    bucket.ended();
                }
            }
            for priority in Priority::ALL {
                prop_assert!(grant(&mut bucket.clone(), priority, at(now + 61_000)), "{priority:?}");
            }
        }
    }
}
