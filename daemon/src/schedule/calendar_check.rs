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
use crate::db::secrets::secret_users;
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
        let users = secret_users(&tx).await.map_err(|error| error.to_string())?;
        tx.commit().await.map_err(|error| error.to_string())?;
        let (mut agreed, mut silent, mut found) = (0, 0, 0);
        for user in &users {
            for (mode, opened) in self.accounts.open_all(user).await.map_err(|error| error.to_string())? {
                let Ok(account) = opened else { continue };
                match self.ask(mode, &account).await {
                    Ok(faults) => {
                        self.tell(user, &faults).await.map_err(|error| error.to_string())?;
                        agreed += usize::from(faults.is_empty());
                        found += usize::from(!faults.is_empty());
                    }
                    Err(why) => {
                        tracing::debug!(%user, %mode, "the broker's calendar is not known: {why}");
                        silent += 1;
                    }
                }
            }
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

    async fn tell(&self, user: &Username, faults: &[String]) -> Result<(), DbError> {
        let subject = Subject::Account(SUBJECT.to_owned());
        let tx = self.db.user_tx(user).await?;
        if faults.is_empty() {
            alarm_clear(&tx, AlarmKind::CalendarDisagrees, &subject).await?;
        } else {
            alarm_raise(&tx, AlarmKind::CalendarDisagrees, &subject, &faults.join("; ")).await?;
        }
        tx.commit().await?;
        self.hub.poke(user);
        Ok(())
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
