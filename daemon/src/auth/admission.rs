//! Who is let in: the user that runs the daemon, and those that the operator names. Everybody else
//! is refused, and so is everybody when nobody can tell who they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Account, Directory, Principal, Rights};
use crate::clock::Clock;
use crate::config::AuthConfig;

/// The kernel's stand-in for "somebody from another user name space": it may be many people.
const OVERFLOW_UID: u32 = 65_534;
/// The C library's "no user".
const INVALID_UID: u32 = u32::MAX;
/// How long an answer of the directory is good for.
const KEEP: TimeDelta = TimeDelta::seconds(60);
/// How often one refused uid is logged.
const LOG_EVERY: TimeDelta = TimeDelta::seconds(60);
/// Most uids that are remembered.
const REMEMBERED: usize = 4096;

/// What becomes of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Admitted(Arc<Principal>),
    /// With the reason, for the log and for the one who is refused.
    Refused(String),
    /// Nobody can tell right now: no reason to let somebody in, and none to throw somebody out.
    Unknown(String),
}

/// Decides who is let in. A cheap handle.
#[derive(Clone)]
pub struct Admission(Arc<Inner>);

struct Inner {
    own_uid: u32,
    config: AuthConfig,
    directory: Box<dyn Directory>,
    clock: Clock,
    known: Mutex<HashMap<u32, Known>>,
}

#[derive(Clone)]
struct Known {
    decision: Decision,
    at: DateTime<Utc>,
    logged: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("own_uid", &self.0.own_uid).finish_non_exhaustive()
    }
}

impl Admission {
    #[must_use]
    pub fn new(own_uid: u32, config: AuthConfig, directory: impl Directory + 'static, clock: Clock) -> Self {
        let known = Mutex::default();
        Self(Arc::new(Inner { own_uid, config, directory: Box::new(directory), clock, known }))
    }

    /// Decides about a uid; asks the directory, off the runtime's threads, unless it was asked
    /// within a minute.
    pub async fn decide(&self, uid: u32) -> Decision {
        let now = self.0.clock.now();
        if let Some(known) = self.0.recall(uid)
            && now - known.at < KEEP
        {
            return known.decision;
        }
        let inner = Arc::clone(&self.0);
        let looked_up = tokio::task::spawn_blocking(move || inner.look_up(uid)).await;
        let decision = looked_up.unwrap_or_else(|_| Decision::Unknown(unknowable(uid)));
        self.0.remember(uid, decision.clone(), now);
        decision
    }

    /// Notes a refusal in the log, once a minute for each uid at most.
    pub fn log_refusal(&self, uid: u32, reason: &str) {
        let now = self.0.clock.now();
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = known.get_mut(&uid) else { return };
        if entry.logged.is_none_or(|logged| now - logged >= LOG_EVERY) {
            entry.logged = Some(now);
            tracing::warn!(peer.uid = uid, "connection refused: {reason}");
        }
    }
}

impl Inner {
    fn recall(&self, uid: u32) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&uid).cloned()
    }

    fn remember(&self, uid: u32, decision: Decision, at: DateTime<Utc>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED && !known.contains_key(&uid) {
            known.clear();
        }
        let logged = known.get(&uid).and_then(|entry| entry.logged);
        known.insert(uid, Known { decision, at, logged });
    }

    fn look_up(&self, uid: u32) -> Decision {
        if uid == OVERFLOW_UID || uid == INVALID_UID {
            return Decision::Refused(format!(
                "uid {uid} stands for users of other name spaces: nobody knows who it is"
            ));
        }
        match self.directory.account(uid) {
            Ok(Some(account)) => self.judge(uid, &account),
            Ok(None) => Decision::Refused(format!("uid {uid} has no user name on this machine")),
            Err(error) => {
                tracing::warn!(peer.uid = uid, "the user directory does not answer: {error:#}");
                Decision::Unknown(unknowable(uid))
            }
        }
    }

    fn judge(&self, uid: u32, account: &Account) -> Decision {
        let Account { name, groups } = account;
        let admitted = uid == self.own_uid
            || self.config.allow_users.contains(name)
            || groups.iter().any(|group| self.config.allow_groups.contains(group));
        if !admitted {
            return Decision::Refused(format!(
                "user {name} (uid {uid}) is not admitted: see auth.allow_users and auth.allow_groups"
            ));
        }
        let rights = if self.config.read_only_users.contains(name) { Rights::ReadOnly } else { Rights::Full };
        match name.parse() {
            Ok(username) => Decision::Admitted(Arc::new(Principal { username, uid, rights })),
            Err(error) => Decision::Refused(format!("uid {uid} has a name that cannot be used: {error}")),
        }
    }
}

fn unknowable(uid: u32) -> String {
    format!("the machine's user directory does not say who uid {uid} is; try again")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use super::*;
    use crate::config::Config;

    struct Fake(Arc<AtomicUsize>);

    impl Directory for Fake {
        fn account(&self, uid: u32) -> anyhow::Result<Option<Account>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let account = |name: &str, groups: &[&str]| {
                Some(Account { name: name.to_owned(), groups: groups.iter().map(|&group| group.to_owned()).collect() })
            };
            Ok(match uid {
                1000 => account("ann", &["ann"]),
                1001 => account("bob", &["bob"]),
                1002 => account("cid", &["cid", "desk"]),
                1003 => account("dan", &["dan"]),
                1004 => account("robot", &["desk"]),
                1005 => account("has space", &["desk"]),
                1006 => anyhow::bail!("the server is away"),
                65_534 => account("nobody", &["desk"]),
                _ => None,
            })
        }
    }

    struct Bench {
        admission: Admission,
        asked: Arc<AtomicUsize>,
        seconds: Arc<AtomicI64>,
    }

    fn bench() -> Bench {
        let seconds = Arc::new(AtomicI64::new(0));
        let asked = Arc::new(AtomicUsize::new(0));
        let ticking = Arc::clone(&seconds);
        let clock = Clock::from_fn(move || DateTime::UNIX_EPOCH + TimeDelta::seconds(ticking.load(Ordering::Relaxed)));
        let mut config = Config::defaults().auth;
        config.allow_users = vec!["bob".to_owned(), "robot".to_owned(), "nobody".to_owned()];
        config.allow_groups = vec!["desk".to_owned()];
        config.read_only_users = vec!["robot".to_owned()];
        Bench { admission: Admission::new(1000, config, Fake(Arc::clone(&asked)), clock), asked, seconds }
    }

    #[tokio::test]
    async fn only_those_are_let_in_who_are_named() {
        let bench = bench();
        for (uid, name, rights) in [
            (1000, "ann", Rights::Full),
            (1001, "bob", Rights::Full),
            (1002, "cid", Rights::Full),
            (1004, "robot", Rights::ReadOnly),
        ] {
            let username = name.parse().unwrap();
            let principal = Arc::new(Principal { username, uid, rights });
            assert_eq!(bench.admission.decide(uid).await, Decision::Admitted(principal), "{name}");
        }
        for (uid, why) in [
            (1003, "user dan (uid 1003) is not admitted"),
            (1005, "uid 1005 has a name that cannot be used"),
            (1006, "does not say who uid 1006 is"),
            (1007, "uid 1007 has no user name"),
            (65_534, "other name spaces"),
            (u32::MAX, "other name spaces"),
        ] {
            match bench.admission.decide(uid).await {
                Decision::Refused(reason) | Decision::Unknown(reason) => assert!(reason.contains(why), "{reason}"),
                Decision::Admitted(principal) => panic!("{principal:?} was let in"),
            }
        }
    }

    #[tokio::test]
    async fn the_directory_is_asked_once_a_minute() {
        let bench = bench();
        for _ in 0..5 {
            bench.admission.decide(1001).await;
        }
        assert_eq!(bench.asked.load(Ordering::Relaxed), 1);
        bench.seconds.store(61, Ordering::Relaxed);
        bench.admission.decide(1001).await;
        assert_eq!(bench.asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_refused_uid_is_logged_once_a_minute() {
        let (bench, log) = (bench(), tempfile::NamedTempFile::new().unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(log.reopen().unwrap()).finish();
        bench.admission.decide(1003).await;
        bench.admission.decide(1007).await;
        tracing::subscriber::with_default(subscriber, || {
            for second in [0, 1, 59, 60, 61, 119] {
                bench.seconds.store(second, Ordering::Relaxed);
                bench.admission.log_refusal(1003, "dan is not admitted");
            }
            bench.admission.log_refusal(1007, "nobody knows who that is");
        });
        let log = std::fs::read_to_string(log.path()).unwrap();
        assert_eq!(log.matches("dan is not admitted").count(), 2, "{log}");
        assert_eq!(log.matches("nobody knows").count(), 1, "each uid has a minute of its own: {log}");
    }

    #[test]
    fn this_process_has_a_name() {
        let uid = nix::unistd::Uid::current().as_raw();
        let account = super::super::SystemDirectory.account(uid).unwrap().unwrap();
        assert!(!account.name.is_empty() && !account.groups.is_empty(), "{account:?}");
    }
}
