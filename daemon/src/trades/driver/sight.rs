//! How long this process has known what is durable about a trade, by the clock that only runs. Another
//! daemon's wall clock may be ahead: what it wrote for a moment to come is at least as old as it
//! has been known here.

use std::collections::BTreeMap;
use std::time::Duration;

use blotter_shared::domain::TradeId;
use chrono::{DateTime, TimeDelta, Utc};

use super::super::alarms::Since;
use super::super::facts::{Book, Trade};

/// One mark, and when it was first seen, on the boot clock.
type Known = (Option<DateTime<Utc>>, Duration);

/// What was seen of every live trade, and of the account.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight {
    seen: BTreeMap<TradeId, (Known, Known)>,
    /// The account as a whole.
    account: Option<Known>,
}

impl Sight {
    /// Looks at what is durable now. Trades that are gone are forgotten.
    pub(super) fn look(&mut self, book: &Book, boot: Duration) {
        let before = std::mem::take(&mut self.seen);
        let same = |known: Option<Known>, mark: Option<DateTime<Utc>>| match known {
            Some((was, at)) if was == mark => (was, at),
            Some(_) | None => (mark, boot),
        };
        self.account = Some(same(self.account, book.account.seen_at));
        self.seen = book
            .live_trades()
            .map(|trade| {
                let known = before.get(&trade.id()).copied();
                let verified = same(known.map(|(verified, _)| verified), trade.marks.verified_at);
                let naked = same(known.map(|(_, naked)| naked), trade.marks.naked_since);
                (trade.id(), (verified, naked))
            })
            .collect();
    }

    /// Since when a trade is known to be as it is, at the latest.
    pub(super) fn of(&self, trade: &Trade, now: DateTime<Utc>, boot: Duration) -> Since {
        let since = |(mark, at): Known| {
            let known_for = TimeDelta::from_std(boot.saturating_sub(at)).unwrap_or(TimeDelta::MAX);
            mark.map(|mark| mark.min(now - known_for))
        };
        let (verified, naked) = match self.seen.get(&trade.id()) {
            Some((verified, naked)) => (since(*verified), since(*naked)),
            None => (trade.marks.verified_at, trade.marks.naked_since),
        };
        Since { verified, naked, seen: self.account.and_then(since) }
    }
}

#[cfg(test)]
mod tests {
    use blotter_shared::domain::{BrokerMode, Cash};

    use super::super::super::specimen::bought;
    use super::*;

    #[test]
    fn what_is_written_for_a_moment_to_come_grows_old_all_the_same() {
        let now: DateTime<Utc> = "2026-11-24T15:00:00Z".parse().unwrap();
        let ahead = now + TimeDelta::seconds(54);
        let mut trade = bought(2, "5.00");
        trade.marks.verified_at = Some(ahead);
        let mut book = Book::new(BrokerMode::Sandbox, Cash::ZERO);
        book.trades.insert(trade.id(), trade.clone());
        let mut sight = Sight::default();
        sight.look(&book, Duration::from_secs(100));
        sight.look(&book, Duration::from_secs(130));
        let later = now + TimeDelta::seconds(30);
        let since = sight.of(&trade, later, Duration::from_secs(130));
        assert_eq!(since.verified, Some(now), "known for thirty seconds");

        trade.marks.verified_at = Some(later - TimeDelta::seconds(50));
        book.trades.insert(trade.id(), trade.clone());
        sight.look(&book, Duration::from_secs(131));
        let since = sight.of(&trade, later, Duration::from_secs(131));
        assert_eq!(since.verified, trade.marks.verified_at, "older than it has been known");
    }
}
