//! The trading calendar against the broker's: a day that they see differently is an alarm, because
//! everything that moves money asks ours.
//!
//! `disagreements` is pure. Clocks are compared as well: who is an hour off closes an hour late.

use std::sync::Arc;

use blotter_shared::domain::{AlarmKind, BrokerMode};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use chrono_tz::America::New_York;

use crate::accounts::Accounts;
use crate::auth::Username;
use crate::broker::factory::Account;
use crate::broker::{DayStatus, MarketDay, Priority};
use crate::calendar::Calendar;
use crate::clock::Clock;
use crate::db::alarms::{Subject, alarm_clear, alarm_raise};
use crate::db::settings::settings_users;
use crate::db::{Db, DbError};
use crate::events::Hub;

/// Clocks may differ by so much.
const CLOCK: TimeDelta = TimeDelta::seconds(60);
/// What the alarm is about.
const SUBJECT: &str = "calendar";

/// Asks every account's broker once.
#[derive(Clone, Debug)]
pub struct CalendarCheck {
    pub db: Db,
    pub accounts: Accounts,
    pub hub: Hub,
    pub clock: Clock,
    pub calendar: Arc<Calendar>,
}

impl CalendarCheck {
    /// Compares this month and the next; says how many accounts were asked.
    ///
    /// # Errors
    /// When the database does not answer, or no broker does.
    pub async fn check(&self) -> Result<Option<String>, String> {
        let tx = self.db.system_tx().await.map_err(|error| error.to_string())?;
        let users = settings_users(&tx).await.map_err(|error| error.to_string())?;
        tx.commit().await.map_err(|error| error.to_string())?;
        let (mut agreed, mut silent, mut found) = (0, 0, 0);
        for user in &users {
            let mut said = Said::default();
            for (mode, opened) in self.accounts.open_all(user).await.map_err(|error| error.to_string())? {
                let Ok(account) = opened else { continue };
                let answer = self.ask(mode, &account).await;
                if let Err(why) = &answer {
                    tracing::debug!(%user, %mode, "the broker's calendar is not known: {why}");
                }
                said.take(mode, answer);
            }
            self.tell(user, &said).await.map_err(|error| error.to_string())?;
            agreed += said.agreed;
            found += said.disagreed;
            silent += said.silent;
        }
        match (agreed, found, silent) {
            (0, 0, 0) => Ok(None),
            (0, 0, silent) => Err(format!("none of {silent} accounts answered")),
            (agreed, found, _) => Ok(Some(format!("{agreed} accounts agree, {found} do not"))),
        }
    }

    async fn ask(&self, mode: BrokerMode, account: &Account) -> Result<Vec<String>, String> {
        let said = |error: crate::broker::ReadError| error.to_string();
        let clock = account.broker.clock(Priority::Read).await.map_err(said)?;
        let ours = self.clock.now();
        // The simulator has a time of its own; its calendar is the exchange's.
        let now = if mode == BrokerMode::Sim { clock.at.unwrap_or(ours) } else { ours };
        let today = now.with_timezone(&New_York).date_naive();
        let mut days = account.broker.calendar(today.year(), today.month(), Priority::Read).await.map_err(said)?;
        let next = today.checked_add_months(chrono::Months::new(1)).unwrap_or(today);
        days.extend(account.broker.calendar(next.year(), next.month(), Priority::Read).await.map_err(said)?);
        let mut faults = disagreements(&self.calendar, today, &days);
        faults.extend(clock.at.filter(|_| mode != BrokerMode::Sim).and_then(|theirs| clock_fault(ours, theirs)));
        Ok(faults)
    }

    /// One account that agrees is no answer to another that does not, and silence is none at all.
    async fn tell(&self, user: &Username, said: &Said) -> Result<(), DbError> {
        let subject = Subject::Account(SUBJECT.to_owned());
        let tx = self.db.user_tx(user).await?;
        let changed = match (said.disagreed, said.agreed, said.silent) {
            (0, 0, _) => None,
            (0, _, 0) => alarm_clear(&tx, AlarmKind::CalendarDisagrees, &subject).await?,
            (0, _, _) => None,
            (_, _, _) => alarm_raise(&tx, AlarmKind::CalendarDisagrees, &subject, &said.faults.join("; ")).await?,
        };
        tx.commit().await?;
        if changed.is_some() {
            self.hub.poke(user);
        }
        Ok(())
    }
}

/// What a user's accounts said.
#[derive(Debug, Default)]
struct Said {
    agreed: usize,
    disagreed: usize,
    silent: usize,
    faults: Vec<String>,
}

impl Said {
    fn take(&mut self, mode: BrokerMode, answer: Result<Vec<String>, String>) {
        match answer {
            Err(_) => self.silent += 1,
            Ok(faults) if faults.is_empty() => self.agreed += 1,
            Ok(faults) => {
                self.disagreed += 1;
                self.faults.extend(faults.into_iter().map(|fault| format!("{mode}: {fault}")));
            }
        }
    }
}

/// What the two calendars say differently about the days from `today` on, a sentence each.
#[must_use]
pub fn disagreements(calendar: &Calendar, today: NaiveDate, theirs: &[MarketDay]) -> Vec<String> {
    let coming = theirs.iter().filter(|day| day.date >= today);
    coming.filter_map(|day| disagreement(calendar, day)).collect()
}

fn disagreement(calendar: &Calendar, theirs: &MarketDay) -> Option<String> {
    let date = theirs.date;
    let ours = calendar.session_on(date).ok()?;
    let ny = |at: DateTime<Utc>| at.with_timezone(&New_York).time().format("%H:%M").to_string();
    match (&theirs.status, ours) {
        (DayStatus::Open, None) => Some(format!("on {date} the broker trades, by our calendar it is a holiday")),
        (DayStatus::Closed, Some(_)) => {
            Some(format!("on {date} the broker is closed, by our calendar it is a session"))
        }
        (DayStatus::Open, Some(session)) => {
            let hours = theirs.open.as_ref()?;
            let (open, close) = (hours.start.format("%H:%M").to_string(), hours.end.format("%H:%M").to_string());
            let same = open == ny(session.open) && close == ny(session.close);
            (!same).then(|| {
                format!(
                    "on {date} the broker trades {open}-{close}, by our calendar {}-{}",
                    ny(session.open),
                    ny(session.close)
                )
            })
        }
        (DayStatus::Closed, None) | (DayStatus::Unknown(_), _) => None,
    }
}

fn clock_fault(ours: DateTime<Utc>, theirs: DateTime<Utc>) -> Option<String> {
    let ahead = ours - theirs;
    let word = if ahead > TimeDelta::zero() { "ahead of" } else { "behind" };
    (ahead.abs() > CLOCK)
        .then(|| format!("this machine's clock is {} s {word} the broker's", ahead.num_seconds().abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Hours;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn day(text: &str, status: DayStatus, hours: Option<(&str, &str)>) -> MarketDay {
        let open = hours.map(|(start, end)| Hours { start: start.parse().unwrap(), end: end.parse().unwrap() });
        MarketDay { date: date(text), status, description: None, open, premarket: None, postmarket: None }
    }

    #[test]
    fn each_way_to_see_a_day_differently_is_a_sentence() {
        let calendar = Calendar::new();
        let full = Some(("09:30:00", "16:00:00"));
        let theirs = [
            // Past, and agreed on.
            day("2026-11-18", DayStatus::Closed, None),
            day("2026-11-20", DayStatus::Open, full),
            day("2026-11-21", DayStatus::Closed, None),
            day("2026-11-27", DayStatus::Open, Some(("09:30:00", "13:00:00"))),
            day("2026-11-28", DayStatus::Unknown("half".to_owned()), None),
        ];
        assert_eq!(disagreements(&calendar, date("2026-11-19"), &theirs), Vec::<String>::new());
        let theirs = [
            day("2026-11-26", DayStatus::Open, full),
            day("2026-11-27", DayStatus::Open, full),
            day("2026-11-30", DayStatus::Closed, None),
        ];
        let found = disagreements(&calendar, date("2026-11-19"), &theirs);
        assert_eq!(
            found,
            [
                "on 2026-11-26 the broker trades, by our calendar it is a holiday",
                "on 2026-11-27 the broker trades 09:30-16:00, by our calendar 09:30-13:00",
                "on 2026-11-30 the broker is closed, by our calendar it is a session",
            ]
        );
    }

    #[test]
    fn a_clock_that_is_an_hour_off_is_told_and_a_second_is_not() {
        let ours: DateTime<Utc> = "2026-11-20T15:00:00Z".parse().unwrap();
        assert_eq!(clock_fault(ours, ours + TimeDelta::seconds(59)), None);
        let behind = clock_fault(ours, ours + TimeDelta::hours(1)).unwrap();
        assert_eq!(behind, "this machine's clock is 3600 s behind the broker's");
        let ahead = clock_fault(ours, ours - TimeDelta::hours(1)).unwrap();
        assert_eq!(ahead, "this machine's clock is 3600 s ahead of the broker's");
    }

    #[test]
    fn an_account_that_agrees_does_not_silence_one_that_does_not() {
        let mut said = Said::default();
        said.take(BrokerMode::Sandbox, Ok(vec!["it is an hour off".to_owned()]));
        said.take(BrokerMode::Sim, Ok(Vec::new()));
        said.take(BrokerMode::Live, Err("503".to_owned()));
        assert_eq!((said.agreed, said.disagreed, said.silent), (1, 1, 1));
        assert_eq!(said.faults, ["SANDBOX: it is an hour off"]);
    }
}
