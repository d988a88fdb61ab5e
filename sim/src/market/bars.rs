//! History: bars from one minute to a month, cut from the same path as the quotes.

use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;

use super::model::{DayPath, Market};
use super::path::{PER_MINUTE, weight};
use super::round::{Toward, float, int, to_tick};
use crate::core::Symbol;
use crate::rng::{at, key, unit};
use crate::time::{MINUTE, Ms};

/// Open, high, low, close and volume of a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// When it begins.
    pub at: Ms,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Shares.
    pub volume: i64,
}

/// How daily bars are gathered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interval {
    /// One bar a session.
    Daily,
    /// One bar a week, from Monday.
    Weekly,
    /// One bar a month.
    Monthly,
}

impl Market {
    /// The bar of session `number`, up to `now` when that is today.
    pub(super) fn day_bar(&mut self, index: usize, number: i64, now: Ms) -> Bar {
        let session = self.days.get(number);
        let complete = now >= session.close;
        if complete && let Some(known) = self.bars.get(&(index, number)) {
            return *known;
        }
        let day = if complete { self.fresh_day(index, number) } else { self.day(index, number) };
        let points = day.until(now);
        let bar = bar_of(session.open, points, self.volume_until(index, &day, now));
        if complete {
            self.bars.insert((index, number), bar);
        }
        bar
    }

    /// Today's bar so far, `None` before the open and on a closed day.
    pub fn today(&mut self, symbol: &Symbol, now: Ms) -> Option<Bar> {
        let index = self.index(symbol)?;
        let number = self.days.number(now.date());
        let session = self.days.get(number);
        (session.date == now.date() && now >= session.open).then(|| self.day_bar(index, number, now))
    }

    /// Daily, weekly or monthly bars of sessions from `from` to `to`, today's as far as it goes.
    pub fn history(
        &mut self,
        symbol: &Symbol,
        interval: Interval,
        (from, to): (NaiveDate, NaiveDate),
        now: Ms,
    ) -> Vec<Bar> {
        let Some(index) = self.index(symbol) else {
            let listed = self.listed(symbol);
            return listed.map_or_else(Vec::new, |l| self.option_history(&l, interval, (from, to), now));
        };
        let last = self.days.number(to.min(now.date()));
        let first = self.days.number(from);
        let mut days: Vec<Bar> = Vec::new();
        for number in first..=last {
            let session = self.days.get(number);
            if session.date < from || now < session.open {
                continue;
            }
            days.push(self.day_bar(index, number, now));
        }
        gather(days, interval)
    }

    /// Bars of `minutes` between two moments of regular sessions, labelled by their start; nothing after `now`.
    pub fn intraday(&mut self, symbol: &Symbol, minutes: i64, (from, to): (Ms, Ms), now: Ms) -> Vec<Bar> {
        let Some(index) = self.index(symbol) else {
            let (listed, size) = (self.listed(symbol), usize::try_from(minutes).unwrap_or(1));
            return listed.map_or_else(Vec::new, |l| self.option_intraday(&l, size, (from, to), now));
        };
        let (first, last) = (self.days.number(from.date()), self.days.number(to.min(now).date()));
        let mut bars = Vec::new();
        for number in first..=last {
            let day = self.day(index, number);
            let open = day.session.open;
            let per_bar = usize::try_from(minutes).unwrap_or(1).max(1) * PER_MINUTE;
            let mut start = 0;
            while start + 1 < day.points.len() {
                let at = open.plus(MINUTE * minutes * i64::try_from(start / per_bar).unwrap_or(0));
                if at >= from && at <= to && at < now {
                    bars.push(self.slice(index, &day, (start, per_bar), now));
                }
                start += per_bar;
            }
        }
        bars
    }

    fn slice(&self, index: usize, day: &DayPath, (start, count): (usize, usize), now: Ms) -> Bar {
        let known = day.until(now).len().max(start + 1);
        let end = (start + count + 1).min(day.points.len()).min(known.max(start + 2));
        let points = day.points.get(start..end).unwrap_or_default();
        let minute = |i: usize| day.session.open.plus(MINUTE * i64::try_from(i / PER_MINUTE).unwrap_or(0));
        let volume =
            self.volume_until(index, day, minute(end - 1).min(now)) - self.volume_until(index, day, minute(start));
        bar_of(minute(start), points, volume.max(0))
    }

    /// Shares traded from the open to a moment: the day's total by the day's rhythm.
    pub(super) fn volume_until(&self, index: usize, day: &DayPath, now: Ms) -> i64 {
        let Some(under) = self.underlying(index) else { return 0 };
        let mood = 0.65
            + 0.9
                * unit(at(
                    key(self.seed, "volume"),
                    day.number.cast_unsigned().wrapping_add(u64::try_from(index).unwrap_or(0) << 32),
                ));
        let minutes = day.points.len() / PER_MINUTE;
        let whole: f64 = (0..minutes).map(|m| weight(m, minutes)).sum();
        let gone =
            float(now.since(day.session.open).clamp(0, day.session.close.since(day.session.open))) / float(MINUTE);
        let full = usize::try_from(int(gone.floor())).unwrap_or(0);
        let part: f64 = (0..full).map(|m| weight(m, minutes)).sum::<f64>() + weight(full, minutes) * gone.fract();
        int(under.volume * mood * part / whole.max(1e-9))
    }

    /// A day that is computed without displacing what the quotes use.
    fn fresh_day(&mut self, index: usize, number: i64) -> std::sync::Arc<DayPath> {
        self.cached_number(index, number).unwrap_or_else(|| std::sync::Arc::new(self.lay_out(index, number)))
    }
}

/// Days put together to weeks or months.
pub(super) fn gather(days: Vec<Bar>, interval: Interval) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    let mut group = None;
    for day in days {
        let key = interval.key(day.at.date());
        match bars.last_mut().filter(|_| group == Some(key)) {
            Some(open) => open.absorb(&day),
            None => bars.push(day),
        }
        group = Some(key);
    }
    bars
}

impl Bar {
    fn absorb(&mut self, later: &Self) {
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        self.volume += later.volume;
    }
}

impl Interval {
    fn key(self, date: NaiveDate) -> (i32, u32) {
        match self {
            Self::Daily => (date.year(), date.ordinal()),
            Self::Weekly => (date.iso_week().year(), date.iso_week().week()),
            Self::Monthly => (date.year(), date.month()),
        }
    }
}

fn bar_of(at: Ms, points: &[f64], volume: i64) -> Bar {
    let price = |value: f64| to_tick(value, 10, Toward::Nearest);
    let (mut high, mut low) = (f64::MIN, f64::MAX);
    for point in points {
        high = high.max(*point);
        low = low.min(*point);
    }
    let first = points.first().copied().unwrap_or(0.0);
    let last = points.last().copied().unwrap_or(0.0);
    Bar { at, open: price(first), high: price(high.max(first)), low: price(low.min(first)), close: price(last), volume }
}
