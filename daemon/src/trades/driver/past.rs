//! The lists of earlier days on which something was sent whose fate, or price, is not known. The last day of a live trade is
//! looked at once when it is over: what was executed before its orders were cancelled may have been reported when nobody
//! looked any more, and no list of today shows it.
//!
//! The broker does not like to be asked for them often. One that was answered is kept until it is time to
//! ask again: a day that is over gains no order, and each cut in between looks into it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use blotter_shared::domain::IntentState;
use chrono::NaiveDate;

use super::super::facts::{Book, Intent, Trade};
use super::super::ports::{BrokerOrder, BrokerPort, Clock, Sessions, Store};
use super::super::rules::Rule;
use super::Engine;

/// One earlier day.
#[derive(Debug)]
struct Day {
    /// When it was last asked for, on the boot clock.
    asked: Duration,
    /// What was answered then; nothing when nothing was.
    listed: Option<Vec<BrokerOrder>>,
}

/// Earlier days as they were last answered, and those whose answer is recorded: what they show is durable.
#[derive(Debug, Default)]
pub(super) struct Past {
    days: BTreeMap<NaiveDate, Day>,
    done: BTreeSet<NaiveDate>,
}

impl Past {
    /// Days that are asked for now. What nobody asks about any more is forgotten.
    fn due(&mut self, wanted: &BTreeSet<NaiveDate>, now: Duration, every: Duration) -> Vec<NaiveDate> {
        self.days.retain(|day, _| wanted.contains(day));
        let fresh = |day: &NaiveDate| self.days.get(day).is_some_and(|known| now.saturating_sub(known.asked) < every);
        wanted.iter().copied().filter(|day| !fresh(day)).collect()
    }

    fn answered(&mut self, date: NaiveDate, day: Day) {
        self.days.insert(date, day);
    }

    /// What the pass has learnt is durable. Before that a day that was answered has shown nothing: the rest of its cut may fail.
    pub(super) fn recorded(&mut self) {
        self.done.extend(self.days.iter().filter(|(_, known)| known.listed.is_some()).map(|(day, _)| *day));
    }

    fn lists(&self) -> BTreeMap<NaiveDate, Vec<BrokerOrder>> {
        self.days.iter().filter_map(|(day, known)| Some((*day, known.listed.clone()?))).collect()
    }
}

impl<S: Store, B: BrokerPort, C: Clock, T: Sessions> Engine<S, B, C, T> {
    /// Calls that the next cut makes for earlier days.
    pub(super) fn past_calls(&mut self, book: &Book) -> u32 {
        let today = self.ports.sessions.at(self.ports.clock.now()).date;
        u32::try_from(self.past_due(book, today).len()).unwrap_or(u32::MAX)
    }

    fn past_due(&mut self, book: &Book, today: NaiveDate) -> Vec<NaiveDate> {
        let mut wanted = BTreeSet::new();
        if self.settings.rules.has(Rule::AbsenceNeedsItsDay) {
            wanted = doubtful(book, today);
            let once = last_days(book, today).chain(given_up(book, today));
            wanted.extend(once.filter(|day| !self.past.done.contains(day)));
        }
        self.past.due(&wanted, self.ports.clock.boot(), self.settings.timing.past_day)
    }

    /// Earlier days, no older than the distance at which they are asked for.
    pub(super) async fn history(
        &mut self,
        book: &Book,
        today: NaiveDate,
        begun: Duration,
    ) -> BTreeMap<NaiveDate, Vec<BrokerOrder>> {
        for day in self.past_due(book, today) {
            // Several that hang would take longer than the lease.
            if self.is_in_time(begun).is_err() {
                break;
            }
            let asked = self.ports.clock.boot();
            // One that is not answered leaves its orders in doubt and their alarm open.
            let listed = self.ports.broker.orders_on(day).await.ok();
            self.past.answered(day, Day { asked, listed });
        }
        self.past.lists()
    }
}

/// Days before today on which something was sent that is in doubt, or has no price. What today's list does not show may have
/// been sent yesterday, by a clock that was ahead over midnight.
fn doubtful(book: &Book, today: NaiveDate) -> BTreeSet<NaiveDate> {
    let sent_on = |intent: &Intent| {
        let unpriced = intent.legs.iter().any(|leg| leg.executed > 0 && leg.average.is_none());
        let unknown = matches!(intent.state, IntentState::Unknown | IntentState::Sending);
        let day = intent.sent_on.filter(|_| intent.order().is_some() && (unpriced || unknown))?;
        match day.cmp(&today) {
            Ordering::Less => Some(day),
            Ordering::Equal => day.pred_opt().filter(|_| intent.absence.reads > 0),
            Ordering::Greater => None,
        }
    };
    book.trades.values().flat_map(|trade| &trade.intents).filter_map(sent_on).collect()
}

/// The last day before today on which each live trade sent an order that has come to an end with less than it was for.
fn last_days(book: &Book, today: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    let short = |intent: &&Intent| {
        let ended = !intent.is_live() && intent.state != IntentState::Void;
        ended && intent.order().is_some_and(|order| intent.executed < order.quantity.get())
    };
    book.live_trades().filter_map(move |trade| {
        let days = trade.intents.iter().filter(short).filter_map(|intent| intent.sent_on);
        days.filter(|day| *day < today).max()
    })
}

/// Days before today on which an entry was given up whose contracts are there after all: it arrived when nobody could
/// read any more, and no list of today shows it.
fn given_up(book: &Book, today: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    let trades = book.trades.values().filter(|trade| trade.marks.mismatch.is_some_and(|shown| shown.position > 0));
    let entries = trades.flat_map(Trade::entries).filter(|entry| entry.state == IntentState::Absent);
    entries.filter_map(move |entry| entry.sent_on.filter(|day| *day < today))
}

#[cfg(test)]
mod tests {
    use blotter_shared::domain::{BrokerMode, Cash, IntentRole, TradeStatus};
    use chrono::Days;

    use super::super::super::facts::{Mismatch, Shape};
    use super::super::super::specimen::{at, bought, trade, with_order};
    use super::*;

    const EVERY: Duration = Duration::from_secs(30);

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn answered(past: &mut Past, day: NaiveDate, second: u64, listed: Option<Vec<BrokerOrder>>) {
        past.answered(day, Day { asked: Duration::from_secs(second), listed });
    }

    #[test]
    fn a_day_is_asked_for_once_in_a_while_and_looked_at_in_between() {
        let (yesterday, wanted) = (day("2026-11-23"), BTreeSet::from([day("2026-11-23")]));
        let mut past = Past::default();
        assert_eq!(past.due(&wanted, Duration::from_secs(100), EVERY), [yesterday]);
        answered(&mut past, yesterday, 100, Some(Vec::new()));
        assert_eq!(past.due(&wanted, Duration::from_secs(129), EVERY), []);
        assert_eq!(past.lists(), BTreeMap::from([(yesterday, Vec::new())]));
        assert_eq!(past.due(&wanted, Duration::from_secs(130), EVERY), [yesterday]);
    }

    #[test]
    fn a_day_that_was_not_answered_shows_nothing_and_is_not_asked_for_at_once() {
        let (yesterday, wanted) = (day("2026-11-23"), BTreeSet::from([day("2026-11-23")]));
        let mut past = Past::default();
        answered(&mut past, yesterday, 100, Some(Vec::new()));
        answered(&mut past, yesterday, 130, None);
        assert_eq!(past.lists(), BTreeMap::new(), "what it showed before is too old");
        assert_eq!(past.due(&wanted, Duration::from_secs(159), EVERY), []);
    }

    #[test]
    fn a_day_is_done_with_when_what_it_showed_is_recorded() {
        let mut past = Past::default();
        answered(&mut past, day("2026-11-23"), 100, Some(Vec::new()));
        answered(&mut past, day("2026-11-20"), 100, None);
        assert_eq!(past.done, BTreeSet::new(), "the rest of the cut may fail");
        past.recorded();
        assert_eq!(past.done, BTreeSet::from([day("2026-11-23")]));
    }

    #[test]
    fn a_day_that_nothing_is_in_doubt_of_is_forgotten() {
        let mut past = Past::default();
        answered(&mut past, day("2026-11-23"), 100, Some(Vec::new()));
        assert_eq!(past.due(&BTreeSet::new(), Duration::from_secs(101), EVERY), []);
        assert_eq!(past.lists(), BTreeMap::new());
    }

    #[test]
    fn the_last_day_of_a_live_trade_is_looked_at_once_it_is_over() {
        let mut book = Book::new(BrokerMode::Sim, Cash::ZERO);
        let mut held = bought(2, "5.00");
        let id = held.id();
        let today = at(0).date_naive() + Days::new(3);
        let stop = Shape::Stop("4.00".parse().unwrap());
        held = with_order(held, IntentRole::Bracket, IntentState::Working, stop);
        book.trades.insert(id, held.clone());
        assert_eq!(last_days(&book, today).next(), None, "one is whole, and one works");
        held.intents[0].executed = 1;
        book.trades.insert(id, held.clone());
        assert_eq!(last_days(&book, today).collect::<Vec<_>>(), [at(0).date_naive()]);
        assert_eq!(last_days(&book, at(0).date_naive()).next(), None, "today's list shows it");
        held.marks.status = TradeStatus::Closed;
        book.trades.insert(id, held);
        assert_eq!(last_days(&book, today).next(), None);
    }

    #[test]
    fn an_order_that_todays_list_does_not_show_is_looked_for_in_yesterdays() {
        let today = at(0).date_naive();
        let mut sent = with_order(trade(2), IntentRole::Entry, IntentState::Unknown, Shape::BuyMarket);
        let days = |sent: &Trade, today: NaiveDate| {
            let mut book = Book::new(BrokerMode::Sim, Cash::ZERO);
            book.trades.insert(sent.id(), sent.clone());
            doubtful(&book, today)
        };
        assert_eq!(days(&sent, today + Days::new(1)), BTreeSet::from([today]), "it was sent yesterday");
        assert_eq!(days(&sent, today), BTreeSet::new(), "nobody has looked for it");
        sent.intents[0].absence.reads = 1;
        assert_eq!(
            days(&sent, today),
            BTreeSet::from([today - Days::new(1)]),
            "the clock may have been ahead over midnight"
        );
        assert_eq!(days(&sent, today - Days::new(1)), BTreeSet::new(), "the clock was set back: today's list shows it");
        sent.intents[0].state = IntentState::Working;
        assert_eq!(days(&sent, today), BTreeSet::new(), "nothing is in doubt");
    }

    #[test]
    fn the_day_of_an_entry_that_was_given_up_is_looked_at_when_its_contracts_are_there() {
        let today = at(0).date_naive() + Days::new(1);
        let mut given = with_order(trade(2), IntentRole::Entry, IntentState::Absent, Shape::BuyMarket);
        given.marks.status = TradeStatus::Void;
        let id = given.id();
        let days = |given: &Trade, today: NaiveDate| {
            let mut book = Book::new(BrokerMode::Sim, Cash::ZERO);
            book.trades.insert(id, given.clone());
            given_up(&book, today).collect::<Vec<_>>()
        };
        assert_eq!(days(&given, today), [], "nothing of it is there");
        let shown = Mismatch { position: 2, reads: 1, since: at(90), gone: None, looked: None };
        given.marks.mismatch = Some(shown);
        assert_eq!(days(&given, today), [at(0).date_naive()]);
        assert_eq!(days(&given, at(0).date_naive()), [], "today's list shows it");
        given.marks.mismatch = Some(Mismatch { position: -2, ..shown });
        assert_eq!(days(&given, today), [], "an entry of ours has sold nothing");
    }
}
