//! `blotterd demo-history`: some months of closed trades beside the running daemon of a demo.
//!
//! Trades begin and end while the exchange trades, and their contracts live until a day on which contracts
//! expire. Sessions are laid end to end, a trade is a stretch of that line: what is held over a night or a
//! weekend goes on at the next opening.

use anyhow::Context;
use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc, Weekday};
use chrono_tz::America::New_York;

use super::serve::MARK;
use super::{places, process, ready};
use crate::calendar::{Calendar, OutsideCalendar, Session};
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::db::Db;
use crate::db::demo::{Span, history_put};
use crate::market::sim_time::SimTime;
use crate::postgres;

/// Closed trades of a demo, and some more than the hundred that a month of them has.
const HISTORY: i64 = 120;
/// Trading minutes from the end of one trade to the end of the next: about two a session.
const PACE: i64 = 200;
/// Days back from which sessions are taken: enough for every trade, with all holidays of a year.
const FAR: Days = Days::new(150);
/// A contract lives for about so long after the trade.
const LIVES_ON: Days = Days::new(14);

/// Writes a demo's history into the database that its daemon keeps: only where the whole directory
/// goes with the daemon.
pub(super) fn history(config: &Config, environment: &Environment, account: &str) -> anyhow::Result<()> {
    let places = places(config, environment);
    anyhow::ensure!(places.data_dir.join(MARK).exists(), "{} is no demo's", places.data_dir.display());
    let me = nix::unistd::User::from_uid(nix::unistd::Uid::effective())?.context("this user has no name")?.name;
    process::runtime()?.block_on(async {
        let clock = trading_clock(config).await?;
        let spans = spans(&Calendar::new(), clock.now())?;
        let db = Db::connect(postgres::beside(&places.data_dir), &Clock::system());
        ready(&db, config.database.migration_timeout_s).await?;
        let tx = db.user_tx(&me.parse()?).await?;
        history_put(&tx, account, &spans).await?;
        tx.commit().await?;
        db.close().await;
        Ok(())
    })
}

/// The time that the demo's daemon lives in.
async fn trading_clock(config: &Config) -> anyhow::Result<Clock> {
    if !config.broker.sim_time {
        return Ok(Clock::system());
    }
    let time = SimTime::new(config.broker.sim_url.as_deref(), Clock::system())?;
    time.begin().await;
    Ok(time.clock())
}

/// When each trade was, the oldest first; all of them over before the session that is on, or comes next.
fn spans(calendar: &Calendar, now: DateTime<Utc>) -> anyhow::Result<Vec<Span>> {
    let today = now.with_timezone(&New_York).date_naive();
    let (from, to) = (today.checked_sub_days(FAR).context("too early")?, today.pred_opt().context("too early")?);
    let line = Line::of(calendar.sessions(from, to)?.collect());
    (1..=HISTORY).map(|number| line.span(calendar, number)).collect()
}

/// Sessions laid end to end, in minutes.
struct Line {
    sessions: Vec<Session>,
    minutes: i64,
}

impl Line {
    fn of(sessions: Vec<Session>) -> Self {
        let minutes = sessions.iter().map(length).sum();
        Self { sessions, minutes }
    }

    /// The trade with this number: the newest has the highest.
    fn span(&self, calendar: &Calendar, number: i64) -> anyhow::Result<Span> {
        let end = self.minutes - 1 - (HISTORY - number) * PACE - number * 53 % PACE;
        let begin = end - 20 - number * 91 % 340;
        let within = TimeDelta::seconds(number * 37 % 60);
        let at = |minute: i64| self.at(minute).map(|at| at + within).context("a history that is too long");
        let (opened, closed) = (at(begin)?, at(end)?);
        let expiry = expiry_after(calendar, closed.with_timezone(&New_York).date_naive())?;
        Ok(Span { opened, closed, expiry })
    }

    /// The instant at which a minute of the line begins.
    fn at(&self, minute: i64) -> Option<DateTime<Utc>> {
        let mut rest = minute;
        for session in &self.sessions {
            if (0..length(session)).contains(&rest) {
                return Some(session.traded_from() + TimeDelta::minutes(rest));
            }
            rest -= length(session);
        }
        None
    }
}

fn length(session: &Session) -> i64 {
    (session.traded_until() - session.traded_from()).num_minutes()
}

/// The last session of a week two weeks or more after a date: the day on which weekly contracts expire.
fn expiry_after(calendar: &Calendar, date: NaiveDate) -> Result<NaiveDate, OutsideCalendar> {
    let far = date.checked_add_days(LIVES_ON).ok_or(OutsideCalendar { year: date.year() })?;
    let week = far.week(Weekday::Mon).days();
    let sessions = calendar.sessions(*week.start(), *week.end())?;
    Ok(sessions.last().map_or(far, |session| session.date))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveTime;

    use super::*;

    #[test]
    fn every_trade_begins_and_ends_while_the_exchange_trades() {
        let calendar = Calendar::new();
        let trades = |at: DateTime<Utc>| {
            let session = calendar.session_on(at.date_naive()).unwrap();
            session.is_some_and(|session| (session.traded_from()..session.traded_until()).contains(&at))
        };
        // Every day of a year, among them weekends, holidays, early closes and both changes of the clocks.
        let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        for day in first.iter_days().take(365) {
            let now = day.and_time(NaiveTime::from_hms_opt(3, 31, 0).unwrap()).and_utc();
            let spans = spans(&calendar, now).unwrap();
            assert_eq!(spans.len(), usize::try_from(HISTORY).unwrap());
            let newest = spans.iter().map(|span| span.closed).max().unwrap();
            assert!(newest < now && now - newest < TimeDelta::days(8), "{newest} for {now}");
            for span in spans {
                assert!(trades(span.opened) && trades(span.closed), "{span:?}");
                assert!(span.opened < span.closed, "{span:?}");
                let last = calendar.session_on(span.expiry).unwrap();
                assert!(last.is_some() && span.expiry > span.closed.date_naive(), "{span:?}");
                assert!([Weekday::Thu, Weekday::Fri].contains(&span.expiry.weekday()), "{span:?}");
            }
        }
    }
}
