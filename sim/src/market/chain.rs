//! Which contracts exist: expiries by calendar, strikes by ladder.

use chrono::{Datelike, NaiveDate, Weekday};

use super::model::Market;
use super::round::{float, int};
use super::universe::{Ladder, OptionClass, Underlying};
use crate::calendar::{self, Session};
use crate::core::{Contract, Right, Symbol};
use crate::time::Ms;

/// How far monthly expiries are listed.
const HORIZON_DAYS: i64 = 400;

/// One expiry of an underlying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiration {
    /// The last day.
    pub date: NaiveDate,
    /// The third Friday (or what stands for it).
    pub monthly: bool,
}

/// One expiry with its roots and strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The expiry.
    pub expiration: Expiration,
    /// `SPX` and `SPXW` may end on the same day.
    pub roots: Vec<String>,
    /// In thousandths of a dollar, ascending.
    pub strikes: Vec<u32>,
}

impl Market {
    /// The expiries that are listed on the day of `now`, today included until the close.
    pub fn expirations(&mut self, symbol: &Symbol, now: Ms) -> Vec<Expiration> {
        let Some(under) = self.index(symbol).and_then(|i| self.underlying(i)) else { return Vec::new() };
        let ladder = under.ladder;
        let today = now.date();
        let over = calendar::session(today).is_some_and(|s| now >= s.close);
        let candidates = today.iter_days().take(usize::try_from(HORIZON_DAYS).unwrap_or(0)).enumerate();
        candidates
            .filter(|(ahead, _)| *ahead > 0 || !over)
            .filter_map(|(ahead, day)| listed(ladder, day, ahead))
            .collect()
    }

    /// The strikes of one expiry, wide enough for its life, around the last session's close.
    pub fn listing(&mut self, symbol: &Symbol, expiry: NaiveDate, now: Ms) -> Option<Listing> {
        let index = self.index(symbol)?;
        let expiration = self.expirations(symbol, now).into_iter().find(|e| e.date == expiry)?;
        let number = self.days.number(now.date());
        let center = self.close_of(index, number - 1);
        let under = self.underlying(index)?;
        let step = strike_step(under);
        let life = float((expiry - now.date()).num_days() + 1) / 365.0;
        let reach = center * (4.0 * under.iv * 1.2 * life.sqrt() + 0.02);
        let each_side = int(reach / step).clamp(8, 60);
        let middle = int((center / step).round());
        let strikes = (middle - each_side..=middle + each_side)
            .filter(|n| *n > 0)
            .filter_map(|n| u32::try_from(int((float(n) * step * 1_000.0).round())).ok());
        Some(Listing { expiration, roots: roots(under, expiration), strikes: strikes.collect() })
    }

    /// Every contract of one expiry, calls and puts by strike.
    pub fn chain(&mut self, symbol: &Symbol, expiry: NaiveDate, now: Ms) -> Vec<Contract> {
        let Some(listing) = self.listing(symbol, expiry, now) else { return Vec::new() };
        let mut all = Vec::with_capacity(listing.strikes.len() * 2 * listing.roots.len());
        for strike_mils in &listing.strikes {
            for root in &listing.roots {
                for right in [Right::Call, Right::Put] {
                    all.push(Contract { root: root.clone(), expiry, right, strike_mils: *strike_mils });
                }
            }
        }
        all
    }

    /// Whether a contract could be listed at all: its root, its day, its strike. Listing does not end when the price walks away.
    pub(super) fn is_listed(&self, contract: &Contract) -> bool {
        let Some(under) = self.option_index(contract).and_then(|i| self.underlying(i)) else { return false };
        let Some(expiration) = listed(under.ladder, contract.expiry, 0) else { return false };
        let step = int((strike_step(under) * 1_000.0).round()).max(1);
        let strike = f64::from(contract.strike_mils) / 1_000.0;
        let near = strike > under.price * 0.1 && strike < under.price * 10.0;
        near && i64::from(contract.strike_mils) % step == 0 && roots(under, expiration).contains(&contract.root)
    }
}

/// Whether a ladder has an expiry on `day`, `ahead` days from today.
fn listed(ladder: Ladder, day: NaiveDate, ahead: usize) -> Option<Expiration> {
    calendar::session(day)?;
    let monthly = third_friday(day);
    let weekly = ends_week(day);
    let kept = match ladder {
        Ladder::Daily => ahead <= 14 || (weekly && ahead <= 60),
        Ladder::Weekly => weekly && ahead <= 50,
        Ladder::Wednesday => day.weekday() == Weekday::Wed && ahead <= 180,
        Ladder::Monthly => false,
        Ladder::Unlisted => return None,
    };
    let monthly_kept = monthly && ladder != Ladder::Wednesday;
    (kept || monthly_kept).then_some(Expiration {
        date: day,
        monthly: monthly_kept || (ladder == Ladder::Wednesday && (15..=21).contains(&day.day())),
    })
}

/// The third Friday, or the session before it when that Friday is closed.
pub(super) fn third_friday(day: NaiveDate) -> bool {
    let friday = match day.weekday() {
        Weekday::Fri => day,
        Weekday::Thu if calendar::session(calendar::next_day(day)).is_none() => calendar::next_day(day),
        Weekday::Mon | Weekday::Tue | Weekday::Wed | Weekday::Thu | Weekday::Sat | Weekday::Sun => return false,
    };
    (15..=21).contains(&friday.day())
}

/// A Friday, or the Thursday before one that is closed.
fn ends_week(day: NaiveDate) -> bool {
    let before_closed = |d: Session| day.weekday() == Weekday::Thu && d.date.weekday() != Weekday::Fri;
    day.weekday() == Weekday::Fri || before_closed(calendar::next_session(day))
}

/// The distance of two strikes, by the table's price, so that a ladder never shifts under a position.
pub(super) fn strike_step(under: &Underlying) -> f64 {
    match (under.options, under.ladder) {
        (OptionClass::Vix, _) => 0.5,
        (OptionClass::Index, _) => {
            if under.price > 10_000.0 {
                25.0
            } else {
                5.0
            }
        }
        (_, Ladder::Daily) => 1.0,
        _ => match under.price {
            p if p < 25.0 => 0.5,
            p if p < 100.0 => 1.0,
            p if p < 260.0 => 2.5,
            p if p < 700.0 => 5.0,
            _ => 10.0,
        },
    }
}

/// The roots that an expiry trades under: index options have a root for the third Friday's morning and one for its evening.
fn roots(under: &Underlying, expiration: Expiration) -> Vec<String> {
    let root = under.root();
    let weekly = match root.as_str() {
        "SPX" => "SPXW",
        "VIX" => "VIXW",
        "NDX" => "NDXP",
        "RUT" => "RUTW",
        _ => return vec![root],
    };
    match (expiration.monthly, root.as_str()) {
        (true, "VIX") => vec![root],
        (true, _) => vec![root, weekly.to_owned()],
        (false, _) => vec![weekly.to_owned()],
    }
}
