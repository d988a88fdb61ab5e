//! Passes without a cut: the owner of an account that it cannot read, or not fast enough, says so by name. The watchdog
//! tells only that nothing was verified, trade by trade; here is why.
//!
//! Only the owner reads, so only it can tell. What it says is cleared by the next whole cut, whoever reads it, and by
//! nobody else while the account has live trades (`runtime::unwatched` speaks for accounts that nobody owns).

use std::time::Duration;

use blotter_shared::domain::{AlarmKind, BrokerMode};
use chrono::{DateTime, Utc};

use super::super::facts::absence::since;
use super::super::facts::{AlarmChange, Book};
use super::super::ports::{BrokerPort, Clock, ReadFailure, Session, Sessions, Store};
use super::super::rules::Rule;
use super::Engine;

/// Why a pass has no cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoCut {
    /// It took longer than a pass may.
    TooSlow,
    Unread(ReadFailure),
}

impl From<ReadFailure> for NoCut {
    fn from(failure: ReadFailure) -> Self {
        Self::Unread(failure)
    }
}

/// Since when there was no whole cut, on the boot clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blind {
    since: Duration,
    /// Since when every read was refused for the token.
    refused: Option<Duration>,
}

impl Blind {
    /// One more pass without a cut. The time in which it was tried does not count: the process may have stood still.
    fn next(was: Option<Self>, why: &NoCut, at: Duration) -> Self {
        let refused = *why == NoCut::Unread(ReadFailure::Unauthorized);
        let before = was.and_then(|was| was.refused);
        Self { since: was.map_or(at, |was| was.since), refused: before.or(Some(at)).filter(|_| refused) }
    }
}

impl<S: Store, B: BrokerPort, C: Clock, T: Sessions> Engine<S, B, C, T> {
    /// A pass has no cut.
    pub(super) async fn without_a_cut(&mut self, book: &Book, why: &NoCut) {
        let boot = self.ports.clock.boot();
        let blind = Blind::next(self.blind, why, boot);
        self.blind = Some(blind);
        // Who stood still for longer than its lease speaks for nobody.
        let owns = self.lease.is_some_and(|lease| boot <= lease.until);
        if !owns || book.live_trades().next().is_none() || !self.settings.rules.has(Rule::Watchdog) {
            return;
        }
        let now = self.ports.clock.now();
        let told = match why {
            NoCut::TooSlow => Some((AlarmKind::CutTooSlow, self.too_slow(book))),
            NoCut::Unread(failure) => {
                let is_due = self.is_due(book, blind, now);
                is_due.then(|| (AlarmKind::AccountBlind, unread(book.mode, failure)))
            }
        };
        let Some((kind, (what, advice))) = told else { return };
        // Whatever the broker's words are this time: it was said.
        let said = |message: &str| message.starts_with(&what);
        if book.alarms.iter().any(|open| open.kind == kind && open.trade.is_none() && said(&open.message)) {
            return;
        }
        let (severity, message) = (kind.severity(), format!("{what}{advice}"));
        let raise = AlarmChange::Raise { kind, trade: None, severity, message, at: now };
        let _answer = self.ports.store.alarm(&[raise]).await;
    }

    /// By day for as long as a trade may go unverified. A broker that is being mended at night is no news; a token that
    /// it does not accept will not be accepted at the open either.
    fn is_due(&self, book: &Book, blind: Blind, now: DateTime<Utc>) -> bool {
        let boot = self.ports.clock.boot();
        let span = self.settings.timing.unverified;
        let long = |at: Duration| boot.saturating_sub(at) >= span;
        let open = |session: Session| session.open && since(session.opens, now) >= span.as_secs_f64();
        let by_day = long(blind.since) && book.live_trades().any(|trade| open(self.session_of(trade, now)));
        by_day || blind.refused.is_some_and(long)
    }

    fn too_slow(&self, book: &Book) -> (String, String) {
        let (mode, pass, reads) = (book.mode, self.settings.timing.pass.as_secs(), self.cut_reads);
        (
            format!("to read the {mode} account took longer than the {pass} s of a pass"),
            format!(
                ", after {reads} reads: the broker or this machine is slow, or the orders of the day are too many. Nothing \
                 is decided before it can be read in time; what works at the broker works on"
            ),
        )
    }
}

/// What cannot be read, and why; what to do.
fn unread(mode: BrokerMode, failure: &ReadFailure) -> (String, String) {
    let what = |why: &str| format!("the {mode} account cannot be read: {why}");
    let works = "Nothing is sent while that lasts; what works at the broker works on. Look at the broker's own screen";
    match failure {
        ReadFailure::Unauthorized => {
            (what("the broker does not accept its token"), format!(". Store another one. {works}"))
        }
        ReadFailure::Throttled => (what("the broker's rate limit is used up"), format!(". {works}")),
        ReadFailure::Unsupported => (what("the broker has no such data"), format!(". {works}")),
        ReadFailure::Unavailable(why) => (what("the broker does not answer"), format!(" ({why}). {works}")),
    }
}

/// What a whole cut takes back.
pub(super) fn seen(book: &Book, at: DateTime<Utc>) -> impl Iterator<Item = AlarmChange> {
    let about_reading = |kind| matches!(kind, AlarmKind::AccountBlind | AlarmKind::CutTooSlow);
    let open = book.alarms.iter().filter(move |alarm| alarm.trade.is_none() && about_reading(alarm.kind));
    open.map(move |alarm| AlarmChange::Clear { kind: alarm.kind, trade: None, at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_that_was_refused_all_the_time_counts_as_refused() {
        let seconds = Duration::from_secs;
        let refused = NoCut::Unread(ReadFailure::Unauthorized);
        let away = NoCut::Unread(ReadFailure::Unavailable("502".to_owned()));
        let first = Blind::next(None, &refused, seconds(10));
        assert_eq!(first, Blind { since: seconds(10), refused: Some(seconds(10)) });
        assert_eq!(Blind::next(Some(first), &refused, seconds(14)), first);
        let between = Blind::next(Some(first), &away, seconds(18));
        assert_eq!(between, Blind { since: seconds(10), refused: None });
        let again = Blind::next(Some(between), &refused, seconds(22));
        assert_eq!(again, Blind { since: seconds(10), refused: Some(seconds(22)) });
        assert_eq!(Blind::next(Some(again), &NoCut::TooSlow, seconds(26)).since, seconds(10), "still no cut");
    }

    #[test]
    fn each_reason_has_its_name_and_says_what_to_do() {
        for (failure, name) in [
            (ReadFailure::Unauthorized, "does not accept its token"),
            (ReadFailure::Throttled, "rate limit"),
            (ReadFailure::Unsupported, "no such data"),
            (ReadFailure::Unavailable("502".to_owned()), "does not answer"),
        ] {
            let (what, advice) = unread(BrokerMode::Live, &failure);
            assert!(what.contains("LIVE account") && what.contains(name), "{what}");
            assert!(advice.contains("broker's own screen"), "{advice}");
        }
    }
}
