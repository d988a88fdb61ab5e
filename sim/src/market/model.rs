//! The market's memory and its central question: what does an underlying cost at a moment?

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;

use super::days::Days;
use super::path::{PER_MINUTE, Path};
use super::round::float;
use super::script::{Pinned, Shift, factor_of};
use super::tape::Tape;
use super::universe::{Underlying, universe};
use super::volatility::Regime;
use crate::calendar::Session;
use crate::core::{Contract, Symbol};
use crate::rng::{at, bell, key};
use crate::time::{MINUTE, Ms};

/// Milliseconds between two points of the grid.
const GRID: i64 = MINUTE / 4;

/// Days kept per underlying: today, the last session, and one that somebody looks at.
const KEPT: usize = 3;

/// One session of one underlying on its grid.
#[derive(Clone, Debug)]
pub(crate) struct DayPath {
    pub(crate) number: i64,
    pub(crate) session: Session,
    /// Prices from the open to the close, both included.
    pub(crate) points: Vec<f64>,
    /// When scripts move the price: the points without them, and the moves, so that a move takes hold at its very moment.
    steered: Option<(Vec<f64>, Vec<Shift>)>,
}

/// A contract that exists, with what is asked of it again and again.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) contract: Contract,
    pub(crate) symbol: Symbol,
    pub(crate) index: usize,
    /// The close of its last day.
    pub(crate) end: Ms,
    /// The key of its own noise.
    pub(crate) noise: u64,
}

/// The seeded market.
#[derive(Debug)]
pub struct Market {
    pub(super) seed: u64,
    pub(super) underlyings: Vec<Underlying>,
    pub(super) by_symbol: BTreeMap<String, usize>,
    pub(super) days: Days,
    pub(super) regime: Regime,
    market: Path,
    sectors: Vec<Path>,
    own: Vec<Path>,
    cache: Vec<Vec<Arc<DayPath>>>,
    /// The market factor's own days, shared by all underlyings.
    factor_cache: BTreeMap<(usize, i64), Arc<Vec<f64>>>,
    pub(super) bars: BTreeMap<(usize, i64), super::bars::Bar>,
    pub(super) option_minutes: super::option_bars::OptionMinutes,
    pub(super) contracts: BTreeMap<Symbol, Option<Arc<Listed>>>,
    /// The last two days of New York that were asked for, with their bounds: a conversion saved on every price.
    dates: [(Ms, Ms, NaiveDate); 2],
    /// Session, highest and lowest close of the year before it.
    pub(super) year_ranges: Vec<Option<(i64, rust_decimal::Decimal, rust_decimal::Decimal)>>,
    pub(super) fears: BTreeMap<i64, super::volatility::FearDay>,
    pub(super) shifts: Vec<Shift>,
    pub(super) pinned: BTreeMap<Symbol, Pinned>,
    pub(super) tape: Tape,
    /// Grows with everything that moves prices but time.
    pub(super) changes: u64,
}

impl Market {
    /// A market under `seed`, anchored on the session of `anchor`: the table's prices are the closes before it.
    #[must_use]
    pub fn new(seed: u64, anchor: NaiveDate) -> Self {
        let underlyings = universe();
        let by_symbol = underlyings.iter().enumerate().map(|(i, u)| (u.symbol.as_str().to_owned(), i)).collect();
        let own = underlyings.iter().map(|u| Path::new(seed, u.symbol.as_str(), (u.vol, 0.0))).collect();
        Self {
            seed,
            by_symbol,
            days: Days::anchored(anchor),
            regime: Regime::new(seed),
            market: Path::new(seed, "market", (0.0085, 0.0003)),
            sectors: (0..12).map(|n| Path::new(seed, &format!("sector {n}"), (0.0055, 0.0))).collect(),
            own,
            cache: vec![Vec::new(); underlyings.len()],
            factor_cache: BTreeMap::new(),
            bars: BTreeMap::new(),
            option_minutes: BTreeMap::new(),
            contracts: BTreeMap::new(),
            dates: [(Ms(0), Ms(0), anchor); 2],
            year_ranges: vec![None; underlyings.len()],
            fears: BTreeMap::new(),
            shifts: Vec::new(),
            pinned: BTreeMap::new(),
            tape: Tape::default(),
            changes: 0,
            underlyings,
        }
    }

    /// The underlyings, in the table's order.
    #[must_use]
    pub fn underlyings(&self) -> &[Underlying] {
        &self.underlyings
    }

    /// Counts what moved prices but time: while it and the time stand still, so does every quote.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn index(&self, symbol: &Symbol) -> Option<usize> {
        self.by_symbol.get(symbol.as_str()).copied()
    }

    pub(super) fn underlying(&self, index: usize) -> Option<&Underlying> {
        self.underlyings.get(index)
    }

    /// The day in New York.
    pub(super) fn date(&mut self, now: Ms) -> NaiveDate {
        let [first, second] = self.dates;
        if first.0 <= now && now < first.1 {
            return first.2;
        }
        let found = if second.0 <= now && now < second.1 {
            second
        } else {
            let date = now.date();
            (Ms::at_et(date, 0, 0), Ms::at_et(crate::calendar::next_day(date), 0, 0), date)
        };
        self.dates = [found, first];
        found.2
    }

    /// The number and session that a moment belongs to: its own day's, or the last one before.
    pub(super) fn session_of(&mut self, now: Ms) -> (i64, Session) {
        let date = self.date(now);
        let number = self.days.number(date);
        (number, self.days.get(number))
    }

    /// The price of underlying `index` at a moment, before rounding. 0 for an index that is none.
    pub(super) fn spot(&mut self, index: usize, now: Ms) -> f64 {
        let (number, session) = self.session_of(now);
        if now < session.open {
            return if session.date == self.date(now) {
                self.before_open(index, number, now)
            } else {
                self.close_of(index, number)
            };
        }
        let day = self.day(index, number);
        if now <= session.close { day.at(now) } else { self.after_close(index, number, now) }
    }

    /// From the last close to the open: the night's gap comes over the morning.
    fn before_open(&mut self, index: usize, number: i64, now: Ms) -> f64 {
        let open = self.day(index, number).points.first().copied().unwrap_or(0.0);
        let close = self.close_of(index, number - 1);
        let session = self.days.get(number);
        let morning = float(now.since(session.premarket.plus(-3 * 60 * MINUTE)))
            / float(session.open.since(session.premarket) + 3 * 60 * MINUTE);
        let x = morning.clamp(0.0, 1.0);
        close * (open / close).powf(0.2 + 0.8 * x) * self.murmur(index, now, x * (1.0 - x))
    }

    /// After the close: a fifth of the coming night's gap, until the evening session ends.
    fn after_close(&mut self, index: usize, number: i64, now: Ms) -> f64 {
        let close = self.close_of(index, number);
        let next_open = self.day(index, number + 1).points.first().copied().unwrap_or(close);
        let session = self.days.get(number);
        let x = (float(now.since(session.close)) / float(session.end.since(session.close))).clamp(0.0, 1.0);
        close * (next_open / close).powf(0.2 * x) * self.murmur(index, now, x * (1.0 - x))
    }

    /// The small noise of thin trading, a new value each half minute.
    fn murmur(&self, index: usize, now: Ms, envelope: f64) -> f64 {
        let n = (now.0 / (MINUTE / 2)).cast_unsigned();
        let noise = bell(at(key(self.seed, "murmur").wrapping_add(u64::try_from(index).unwrap_or(0)), n));
        1.0 + noise * 0.0012 * envelope
    }

    /// The last price of session `number`.
    pub(super) fn close_of(&mut self, index: usize, number: i64) -> f64 {
        let steered = self.tape.has(index) || self.shifts.iter().any(|s| s.index == index);
        if steered {
            return self.day(index, number).points.last().copied().unwrap_or(0.0);
        }
        self.level(index, number)
    }

    /// The model's close of session `number`.
    fn level(&mut self, index: usize, number: i64) -> f64 {
        let Some(under) = self.underlyings.get(index) else { return 0.0 };
        if under.options == super::universe::OptionClass::Vix || under.kind_is_volatility() {
            return self.volatility_index(index, number, None);
        }
        let Some(under) = self.underlyings.get(index) else { return 0.0 };
        let (price, beta, (sector, share)) = (under.price, under.beta, under.sector);
        let regime = &self.regime;
        let scale = |n: i64| regime.scale(n);
        let market = self.market.close(number, &scale);
        let sector = self.sectors.get_mut(sector).map_or(0.0, |s| share * s.close(number, &scale));
        let own = self.own.get_mut(index).map_or(0.0, |o| o.close(number, &scale));
        price * (beta * market + sector + own).exp()
    }

    /// Session `number` of an underlying on its grid.
    pub(super) fn day(&mut self, index: usize, number: i64) -> Arc<DayPath> {
        if let Some(found) = self.cache.get(index).and_then(|days| days.iter().find(|d| d.number == number)) {
            return Arc::clone(found);
        }
        let made = Arc::new(self.lay_out(index, number));
        if let Some(days) = self.cache.get_mut(index) {
            days.insert(0, Arc::clone(&made));
            days.truncate(KEPT);
        }
        made
    }

    pub(super) fn lay_out(&mut self, index: usize, number: i64) -> DayPath {
        let session = self.days.get(number);
        let steps = steps_of(&session);
        let mut points = if self.underlyings.get(index).is_some_and(Underlying::kind_is_volatility) {
            let factor = self.factor(0, number, steps);
            let moves: Vec<f64> = factor.iter().copied().collect();
            moves.into_iter().map(|m| self.volatility_index(index, number, Some(m))).collect()
        } else {
            self.composite(index, number, steps)
        };
        let moment = |i: usize| session.open.plus(GRID * i64::try_from(i).unwrap_or(0));
        if self.tape.has(index) {
            for (i, point) in points.iter_mut().enumerate() {
                *point = self.tape.price(index, moment(i)).unwrap_or(*point);
            }
        }
        let shifts: Vec<Shift> = self.shifts.iter().filter(|s| s.index == index).cloned().collect();
        let mut steered = None;
        if !shifts.is_empty() {
            let moved = points.iter().enumerate().map(|(i, p)| p * factor_of(&shifts, moment(i))).collect();
            steered = Some((std::mem::replace(&mut points, moved), shifts));
        }
        DayPath { number, session, points, steered }
    }

    fn composite(&mut self, index: usize, number: i64, steps: usize) -> Vec<f64> {
        let Some(under) = self.underlyings.get(index) else { return Vec::new() };
        let (beta, (sector, share)) = (under.beta, under.sector);
        let close = self.level(index, number);
        let scale = self.regime.scale(number);
        let market = self.factor(0, number, steps);
        let sector = self.factor(sector + 1, number, steps);
        let own = self.own.get(index).map(|o| o.shape(number, steps, scale)).unwrap_or_default();
        let walk = |i: usize| {
            let get = |v: &[f64]| v.get(i).copied().unwrap_or(0.0);
            beta * get(&market) + share * get(&sector) + get(&own)
        };
        let end = walk(steps);
        (0..=steps).map(|i| close * (walk(i) - end).exp()).collect()
    }

    /// A factor's session: 0 is the market, n + 1 is sector n.
    fn factor(&mut self, which: usize, number: i64, steps: usize) -> Arc<Vec<f64>> {
        if let Some(found) = self.factor_cache.get(&(which, number)) {
            return Arc::clone(found);
        }
        let scale = self.regime.scale(number);
        let path = which.checked_sub(1).and_then(|n| self.sectors.get(n)).unwrap_or(&self.market);
        let made = Arc::new(path.shape(number, steps, scale));
        if self.factor_cache.len() >= 39 {
            self.factor_cache.clear();
        }
        self.factor_cache.insert((which, number), Arc::clone(&made));
        made
    }

    /// The market factor's level at a moment of session `number`: `within` is its move since the open, `None` at the close.
    pub(super) fn market_level(&mut self, number: i64, within: Option<f64>) -> f64 {
        let regime = &self.regime;
        let scale = |n: i64| regime.scale(n);
        let close = self.market.close(number, &scale);
        let (_, session) = self.market.moves(number, regime.scale(number));
        within.map_or(close, |w| close - session + w)
    }

    /// The market factor's move since the open of session `number` at `now`.
    pub(super) fn market_within(&mut self, number: i64, now: Ms) -> f64 {
        let session = self.days.get(number);
        let steps = steps_of(&session);
        let factor = self.factor(0, number, steps);
        interpolate(&factor, session.open, now)
    }

    /// A session that is laid out already.
    pub(super) fn cached_number(&self, index: usize, number: i64) -> Option<Arc<DayPath>> {
        self.cache.get(index)?.iter().find(|d| d.number == number).map(Arc::clone)
    }

    /// The session of `now` if it is laid out already.
    pub(super) fn cached_day(&self, index: usize, now: Ms) -> Option<&DayPath> {
        let days = self.cache.get(index)?;
        days.iter().map(Arc::as_ref).find(|d| d.session.open <= now && now <= d.session.close)
    }

    /// The close of a session far back, without the detail of scripts.
    pub(super) fn close_of_model(&mut self, index: usize, number: i64) -> f64 {
        self.level(index, number)
    }

    pub(super) fn forget_days(&mut self, index: usize) {
        if let Some(days) = self.cache.get_mut(index) {
            days.clear();
        }
        self.bars.retain(|(i, _), _| *i != index);
    }
}

impl DayPath {
    /// The price at a moment of the session.
    pub(crate) fn at(&self, now: Ms) -> f64 {
        match &self.steered {
            None => interpolate(&self.points, self.session.open, now),
            Some((raw, shifts)) => interpolate(raw, self.session.open, now) * factor_of(shifts, now),
        }
    }

    /// The points up to a moment, with their indices' meaning: one each fifteen seconds.
    pub(crate) fn until(&self, now: Ms) -> &[f64] {
        let whole = usize::try_from(now.since(self.session.open).max(0) / GRID).unwrap_or(0);
        self.points.get(..=whole.min(self.points.len().saturating_sub(1))).unwrap_or(&self.points)
    }
}

fn interpolate(points: &[f64], open: Ms, now: Ms) -> f64 {
    let since = now.since(open).max(0);
    let index = usize::try_from(since / GRID).unwrap_or(0);
    let Some(here) = points.get(index) else { return points.last().copied().unwrap_or(0.0) };
    let next = points.get(index + 1).unwrap_or(here);
    here + (next - here) * float(since % GRID) / float(GRID)
}

/// Grid steps of a session.
pub(super) fn steps_of(session: &Session) -> usize {
    usize::try_from(session.close.since(session.open) / MINUTE).unwrap_or(0) * PER_MINUTE
}
