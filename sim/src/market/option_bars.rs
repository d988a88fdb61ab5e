//! An option's prices minute by minute: the day's range in its quote, its bars, its days. All are cut from the same
//! points, one a minute, so that they agree.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::bars::{Bar, Interval, gather};
use super::model::{Listed, Market};
use super::option::tick_mils;
use super::round::{Toward, float, int, to_tick};
use super::universe::OptionClass;
use crate::calendar::Session;
use crate::core::Symbol;
use crate::time::{MINUTE, Ms};

/// Contracts whose minutes are remembered.
const KEPT: usize = 5_000;

/// The minutes of one contract on one session, as far as somebody asked.
#[derive(Clone, Debug)]
pub(super) struct Minutes {
    number: i64,
    /// What the market's moves were when these were computed.
    changes: u64,
    worths: Vec<f64>,
}

/// A price as it prints: on its tick, never below one.
pub(super) fn printed(class: OptionClass, worth: f64) -> Decimal {
    let tick = tick_mils(class, worth);
    to_tick(worth.max(float(tick) / 1_000.0), tick, Toward::Nearest)
}

impl Market {
    pub(super) fn class_of(&self, listed: &Listed) -> OptionClass {
        self.underlying(listed.index).map_or(OptionClass::Penny, |u| u.options)
    }

    /// Open, high and low of session `number` up to `now`.
    pub(super) fn option_day(&mut self, listed: &Listed, number: i64, now: Ms) -> (Decimal, Decimal, Decimal) {
        let session = self.days.get(number);
        let worths = self.minutes(listed, number, full_minutes(&session, now));
        let class = self.class_of(listed);
        let (low, high) = extremes(&worths);
        (printed(class, worths.first().copied().unwrap_or(0.0)), printed(class, high), printed(class, low))
    }

    /// The price at which session `number` ended.
    pub(super) fn option_close(&mut self, listed: &Listed, number: i64) -> Decimal {
        let end = self.days.get(number).close.plus(-1);
        printed(self.class_of(listed), self.terms(listed, end).price())
    }

    /// Bars of `minutes` of a contract, as [`Market::intraday`] has them of a share.
    pub(super) fn option_intraday(
        &mut self,
        listed: &Listed,
        minutes: usize,
        (from, to): (Ms, Ms),
        now: Ms,
    ) -> Vec<Bar> {
        let (first, last) = (self.days.number(from.date()), self.days.number(to.min(now).date()));
        let mut bars = Vec::new();
        for number in first..=last {
            let session = self.days.get(number);
            if now > session.open && session.date <= listed.contract.expiry {
                bars.extend(self.option_session(listed, number, minutes.max(1), now));
            }
        }
        bars.retain(|b| b.at >= from && b.at <= to && b.at < now);
        bars
    }

    /// Daily, weekly or monthly bars of a contract.
    pub(super) fn option_history(
        &mut self,
        listed: &Listed,
        interval: Interval,
        (from, to): (NaiveDate, NaiveDate),
        now: Ms,
    ) -> Vec<Bar> {
        let last = self.days.number(to.min(now.date()).min(listed.contract.expiry));
        let mut days = Vec::new();
        for number in self.days.number(from)..=last {
            let session = self.days.get(number);
            if session.date >= from && now > session.open {
                let whole = full_minutes(&session, session.close);
                days.extend(self.option_session(listed, number, whole, now));
            }
        }
        gather(days, interval)
    }

    fn option_session(&mut self, listed: &Listed, number: i64, size: usize, now: Ms) -> Vec<Bar> {
        let session = self.days.get(number);
        let known = full_minutes(&session, now);
        let worths = self.minutes(listed, number, known);
        let class = self.class_of(listed);
        let total = self.usual_volume(listed, now.min(session.close.plus(-1)));
        let live = (now < session.close).then(|| self.view(listed, now)).flatten().map(|v| v.touch.last);
        let whole = float(session.close.since(session.open).max(1));
        let traded = |at: Ms| int(total * (float(at.since(session.open)) / whole).clamp(0.0, 1.0));
        let minute = |i: usize| session.open.plus(MINUTE * i64::try_from(i).unwrap_or(0));
        let mut bars = Vec::new();
        for start in (0..full_minutes(&session, session.close)).step_by(size) {
            let Some(points) = worths.get(start..(start + size + 1).min(worths.len())).filter(|p| !p.is_empty()) else {
                break;
            };
            let (low, high) = extremes(points);
            let ended = start + size < worths.len() || now >= session.close;
            let last = printed(class, points.last().copied().unwrap_or(0.0));
            let close = live.filter(|_| !ended).unwrap_or(last);
            bars.push(Bar {
                at: minute(start),
                open: printed(class, points.first().copied().unwrap_or(0.0)),
                high: printed(class, high).max(close),
                low: printed(class, low).min(close),
                close,
                volume: traded(minute(start + size).min(now)) - traded(minute(start)),
            });
        }
        bars
    }

    /// The worth at each full minute from the open, `upto` included.
    fn minutes(&mut self, listed: &Listed, number: i64, upto: usize) -> Vec<f64> {
        let known = self.option_minutes.remove(&listed.symbol);
        let fresh = || Minutes { number, changes: self.changes, worths: Vec::new() };
        let mut known = known.filter(|m| m.number == number && m.changes == self.changes).unwrap_or_else(fresh);
        if known.worths.len() <= upto {
            let day = self.day(listed.index, number);
            for i in known.worths.len()..=upto {
                let at = day.session.open.plus(MINUTE * i64::try_from(i).unwrap_or(0)).min(day.session.close.plus(-1));
                let fear = self.fear_at(at);
                known.worths.push(self.terms_at(listed, (day.at(at), fear, at)).price());
            }
        }
        let asked = known.worths.get(..=upto).unwrap_or(&known.worths).to_vec();
        if self.option_minutes.len() >= KEPT {
            self.option_minutes.clear();
        }
        self.option_minutes.insert(listed.symbol.clone(), known);
        asked
    }
}

/// How many whole minutes of a session are over.
fn full_minutes(session: &Session, now: Ms) -> usize {
    usize::try_from(now.min(session.close).since(session.open).max(0) / MINUTE).unwrap_or(0)
}

fn extremes(worths: &[f64]) -> (f64, f64) {
    worths.iter().fold((f64::MAX, f64::MIN), |(low, high), w| (low.min(*w), high.max(*w)))
}

/// Remembered minutes by contract.
pub(super) type OptionMinutes = std::collections::BTreeMap<Symbol, Minutes>;
