//! How an account is, as the user is told: one total function from what was seen to what is said.
//!
//! Invariants:
//! * Only a person ends `Reauthenticate` and `Blocked` for good, but the broker may: a call that
//!   is accepted proves the state wrong.
//! * An answered read does not unblock an account: reading was never what was blocked.
//! * `since` is when a state began, not when it was seen last.

use chrono::{DateTime, Utc};

use super::outcome::AuthTrouble;

/// What the user is told about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// Nothing was asked yet.
    Untried,
    Ok,
    /// The token is not accepted: a person has to set another.
    Reauthenticate {
        why: AuthTrouble,
        since: DateTime<Utc>,
    },
    /// The token is good and the broker does not let it act.
    Blocked {
        reason: String,
        since: DateTime<Utc>,
    },
    /// The broker does not answer, or answers that it cannot.
    Unavailable {
        reason: String,
        since: DateTime<Utc>,
    },
    /// Too many requests; calls go on by themselves.
    RateLimited {
        until: DateTime<Utc>,
    },
}

/// What one call showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A read was answered.
    ReadAnswered,
    /// A write was accepted, or refused for the order's own sake.
    WriteAnswered,
    TokenRefused(AuthTrouble),
    Forbidden {
        reason: String,
    },
    Unavailable {
        reason: String,
    },
    Throttled {
        until: DateTime<Utc>,
    },
    /// A person set another token or account.
    TokenChanged,
}

impl AccountStatus {
    /// The state after one more signal. Every pair is listed.
    #[must_use]
    pub fn after(self, signal: Signal, now: DateTime<Utc>) -> Self {
        match (self, signal) {
            (_, Signal::TokenChanged) => Self::Untried,
            (_, Signal::WriteAnswered) => Self::Ok,
            (blocked @ Self::Blocked { .. }, Signal::ReadAnswered) => blocked,
            (
                Self::Untried
                | Self::Ok
                | Self::Reauthenticate { .. }
                | Self::Unavailable { .. }
                | Self::RateLimited { .. },
                Signal::ReadAnswered,
            ) => Self::Ok,
            (Self::Reauthenticate { why, since }, Signal::TokenRefused(again)) if why == again => {
                Self::Reauthenticate { why, since }
            }
            (_, Signal::TokenRefused(why)) => Self::Reauthenticate { why, since: now },
            (Self::Blocked { since, .. }, Signal::Forbidden { reason }) => Self::Blocked { reason, since },
            (
                Self::Untried
                | Self::Ok
                | Self::Reauthenticate { .. }
                | Self::Unavailable { .. }
                | Self::RateLimited { .. },
                Signal::Forbidden { reason },
            ) => Self::Blocked { reason, since: now },
            // A broker that is down says nothing new about a token or a block.
            (
                worse @ (Self::Reauthenticate { .. } | Self::Blocked { .. }),
                Signal::Unavailable { .. } | Signal::Throttled { .. },
            ) => worse,
            (Self::Unavailable { since, .. }, Signal::Unavailable { reason }) => Self::Unavailable { reason, since },
            (Self::Untried | Self::Ok | Self::RateLimited { .. }, Signal::Unavailable { reason }) => {
                Self::Unavailable { reason, since: now }
            }
            (Self::RateLimited { until: old }, Signal::Throttled { until }) => {
                Self::RateLimited { until: old.max(until) }
            }
            (Self::Untried | Self::Ok | Self::Unavailable { .. }, Signal::Throttled { until }) => {
                Self::RateLimited { until }
            }
        }
    }

    /// The state as it is at `now`: a rate limit ends by itself.
    #[must_use]
    pub fn at(self, now: DateTime<Utc>) -> Self {
        match self {
            Self::RateLimited { until } if until <= now => Self::Ok,
            other @ (Self::Untried
            | Self::Ok
            | Self::Reauthenticate { .. }
            | Self::Blocked { .. }
            | Self::Unavailable { .. }
            | Self::RateLimited { .. }) => other,
        }
    }

    /// Whether orders may be sent. An account that was never tried may try.
    #[must_use]
    pub fn may_send(&self) -> bool {
        match self {
            Self::Untried | Self::Ok | Self::Unavailable { .. } | Self::RateLimited { .. } => true,
            Self::Reauthenticate { .. } | Self::Blocked { .. } => false,
        }
    }

    /// The sentence on the user's screen; none when all is well.
    #[must_use]
    pub fn banner(&self) -> Option<String> {
        match self {
            Self::Untried | Self::Ok => None,
            Self::Reauthenticate { why, .. } => {
                Some(format!("Re-authenticate: the broker turned the token away, {why}"))
            }
            Self::Blocked { reason, .. } => Some(format!("The broker blocked this account: {reason}")),
            Self::Unavailable { reason, since } => {
                Some(format!("Broker unavailable since {}: {reason}", since.format("%H:%M:%S UTC")))
            }
            Self::RateLimited { until } => {
                Some(format!("Rate limit reached; calls go on at {}", until.format("%H:%M:%S UTC")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_789_051_500 + seconds, 0).unwrap()
    }

    fn down() -> Signal {
        Signal::Unavailable { reason: "503".to_owned() }
    }

    fn forbidden() -> Signal {
        Signal::Forbidden { reason: "closing orders only".to_owned() }
    }

    #[test]
    fn trouble_keeps_the_time_at_which_it_began() {
        let status = AccountStatus::Ok.after(down(), at(0)).after(down(), at(60));
        assert_eq!(status, AccountStatus::Unavailable { reason: "503".to_owned(), since: at(0) });
        let status = AccountStatus::Untried
            .after(Signal::TokenRefused(AuthTrouble::Invalid), at(0))
            .after(down(), at(1))
            .after(Signal::TokenRefused(AuthTrouble::Invalid), at(2));
        assert_eq!(status, AccountStatus::Reauthenticate { why: AuthTrouble::Invalid, since: at(0) });
        assert!(!status.may_send());
    }

    #[test]
    fn reading_does_not_unblock_and_writing_does() {
        let blocked = AccountStatus::Ok.after(forbidden(), at(0)).after(Signal::ReadAnswered, at(1));
        assert!(!blocked.may_send());
        assert!(blocked.clone().banner().unwrap().contains("closing orders only"));
        assert_eq!(blocked.after(Signal::WriteAnswered, at(2)), AccountStatus::Ok);
    }

    #[test]
    fn a_rate_limit_ends_by_itself() {
        let limited = AccountStatus::Ok.after(Signal::Throttled { until: at(30) }, at(0));
        assert!(limited.clone().at(at(29)).banner().is_some());
        assert_eq!(limited.at(at(30)), AccountStatus::Ok);
    }

    #[test]
    fn an_accepted_token_ends_re_authentication() {
        let status = AccountStatus::Ok.after(Signal::TokenRefused(AuthTrouble::WrongEnvironment), at(0));
        assert!(status.banner().unwrap().starts_with("Re-authenticate"));
        assert_eq!(status.clone().after(Signal::ReadAnswered, at(1)), AccountStatus::Ok);
        assert_eq!(status.after(Signal::TokenChanged, at(1)), AccountStatus::Untried);
    }

    fn signal() -> impl Strategy<Value = Signal> {
        prop_oneof![
            Just(Signal::ReadAnswered),
            Just(Signal::WriteAnswered),
            Just(Signal::TokenRefused(AuthTrouble::Invalid)),
            Just(Signal::TokenRefused(AuthTrouble::WrongEnvironment)),
            Just(forbidden()),
            Just(down()),
            (0_i64..90).prop_map(|seconds| Signal::Throttled { until: at(seconds) }),
            Just(Signal::TokenChanged),
        ]
    }

    proptest! {
        #[test]
        fn no_trouble_is_dated_in_the_future_and_a_refused_token_is_never_hidden(
            signals in prop::collection::vec(signal(), 0..40),
        ) {
            let mut status = AccountStatus::Untried;
            let mut now = at(0);
            for signal in signals {
                now += TimeDelta::seconds(1);
                status = status.after(signal.clone(), now);
                if let Signal::TokenRefused(why) = signal {
                    let shown = matches!(&status, AccountStatus::Reauthenticate { why: shown, .. } if *shown == why);
                    prop_assert!(shown, "{:?}", status);
                }
                match &status {
                    AccountStatus::Reauthenticate { since, .. }
                    | AccountStatus::Blocked { since, .. }
                    | AccountStatus::Unavailable { since, .. } => prop_assert!(*since <= now),
                    AccountStatus::Untried | AccountStatus::Ok | AccountStatus::RateLimited { .. } => {}
                }
            }
        }
    }
}
