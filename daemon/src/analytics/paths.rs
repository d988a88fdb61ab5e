//! What there was to be had on the way from entry to exit, and what was kept of it.
//!
//! Dollars are ten-thousandths, percentages ten-thousandths of a percent. What a trade was ahead and behind at most
//! comes from the forensic figures; a trade without them is in none of these.

use blotter_shared::domain::Cash;
use blotter_shared::protocol::performance::{Paths, StopPlace};
use rust_decimal::Decimal;

use super::figures::ratio;
use super::spread::{Outcome, median};

/// Below so many hundredths of a percent of the time held the figures are marked.
const COVERED_E2: i64 = 9_000;
/// Where stops are tried, in hundredths of the risk at entry.
const PLACES: [i64; 4] = [25, 50, 75, 100];

/// What is known of a trade's way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// What the position cost, before fees.
    pub cost_e4: Option<i64>,
    /// What the stop at entry would have lost.
    pub risk_e4: Option<i64>,
    /// Furthest ahead and furthest behind, in percent of the cost.
    pub ahead_e4: Option<i64>,
    pub behind_e4: Option<i64>,
    /// Percent of the time held that prices cover, in hundredths.
    pub covered_e2: Option<i64>,
    pub efficiency_e4: Option<i64>,
    pub efficiency_bid_e4: Option<i64>,
    pub after_e4: Option<i64>,
    /// Dollars paid above the middle of the market when the entry was sent.
    pub slippage_e4: Option<i64>,
}

impl Way {
    fn ahead(&self) -> Option<i128> {
        self.of_cost(self.ahead_e4)
    }

    fn behind(&self) -> Option<i128> {
        self.of_cost(self.behind_e4)
    }

    /// Dollars of a percentage of the cost.
    fn of_cost(&self, percent_e4: Option<i64>) -> Option<i128> {
        Some(i128::from(self.cost_e4?) * i128::from(percent_e4?) / 1_000_000)
    }
}

/// What the ways of these trades add up to.
#[must_use]
pub(super) fn paths(outcomes: &[Outcome]) -> Paths {
    let known: Vec<&Outcome> = outcomes.iter().filter(|one| one.way.ahead().is_some()).collect();
    let thin = known.iter().filter(|one| one.way.covered_e2.is_none_or(|covered| covered < COVERED_E2)).count();
    let there: i128 = known.iter().filter_map(|one| one.way.ahead()).sum();
    let got: i128 = known.iter().map(|one| gross(one)).sum();
    let slips: Vec<i64> = outcomes.iter().filter_map(|one| one.way.slippage_e4).collect();
    let slipped: i128 = slips.iter().copied().map(i128::from).sum();
    let (winners, losers) = (with_risk(&known, |pnl| pnl > 0), with_risk(&known, |pnl| pnl < 0));
    Paths {
        trades: count(known.len()),
        thin: count(thin),
        exit_efficiency: middle(&known, |way| way.efficiency_e4),
        exit_efficiency_bid: middle(&known, |way| way.efficiency_bid_e4),
        kept: ratio(exact(got) * Decimal::ONE_HUNDRED, exact(there)),
        given_back: (!known.is_empty()).then(|| Cash(exact(there - got))),
        post_exit: middle(&known, |way| way.after_e4),
        stops: PLACES.iter().map(|place| stop_at(*place, &winners, &losers)).collect(),
        winners: count(winners.len()),
        losers: count(losers.len()),
        entries: count(slips.len()),
        slippage: ratio(exact(slipped), Decimal::from(slips.len())).map(Cash),
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn exact(e4: i128) -> Decimal {
    Decimal::try_from_i128_with_scale(e4, 4).unwrap_or_default()
}

/// Before fees, as prices are.
fn gross(one: &Outcome) -> i128 {
    i128::from(one.pnl_e4) + i128::from(one.fees_e4.unwrap_or(0))
}

fn middle(known: &[&Outcome], of: impl Fn(&Way) -> Option<i64>) -> Option<Decimal> {
    let mut all: Vec<i64> = known.iter().filter_map(|one| of(&one.way)).collect();
    all.sort_unstable();
    median(&all).map(|middle| middle.round_dp(4))
}

/// How far a trade was ahead and behind at most, and its risk.
struct Swing {
    ahead: i128,
    behind: i128,
    risk: i128,
}

fn with_risk(known: &[&Outcome], is: impl Fn(i64) -> bool) -> Vec<Swing> {
    let swing = |one: &&Outcome| {
        let risk = one.way.risk_e4.filter(|risk| *risk > 0)?;
        Some(Swing { ahead: one.way.ahead()?, behind: one.way.behind()?, risk: risk.into() })
    };
    known.iter().filter(|one| is(one.pnl_e4)).filter_map(swing).collect()
}

fn stop_at(hundredths: i64, winners: &[Swing], losers: &[Swing]) -> StopPlace {
    let share = |of: &[Swing], is: &dyn Fn(&Swing) -> bool| {
        let met = of.iter().filter(|swing| is(swing)).count();
        ratio(Decimal::from(met) * Decimal::ONE_HUNDRED, Decimal::from(of.len()))
    };
    let place = |risk: i128| risk * i128::from(hundredths);
    StopPlace {
        at_r: Decimal::new(hundredths, 2),
        winners: share(winners, &|swing| swing.behind * 100 > place(swing.risk)),
        losers: share(losers, &|swing| swing.ahead * 100 >= place(swing.risk)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of a position that cost 1,000 dollars and risked 200; percentages whole.
    fn one(pnl: i64, (ahead, behind): (i64, i64)) -> Outcome {
        let efficiency = (ahead > 0).then(|| (pnl + 2) * 1_000_000 / (ahead * 10));
        let way = Way {
            cost_e4: Some(10_000_000),
            risk_e4: Some(2_000_000),
            ahead_e4: Some(ahead * 10_000),
            behind_e4: Some(behind * 10_000),
            covered_e2: Some(9_900),
            efficiency_e4: efficiency,
            efficiency_bid_e4: efficiency.map(|share| share - 10_000),
            after_e4: Some(50_000),
            slippage_e4: Some(40_000),
        };
        Outcome { pnl_e4: pnl * 10_000, held_e4: None, fees_e4: Some(20_000), way }
    }

    #[test]
    fn four_ways_by_hand() {
        let thin = Outcome { way: Way { covered_e2: Some(8_999), ..one(-202, (5, 20)).way }, ..one(-202, (5, 20)) };
        let paths = paths(&[one(98, (20, 4)), one(198, (25, 11)), thin, one(-102, (11, 10))]);
        assert_eq!((paths.trades, paths.thin, paths.entries), (4, 1, 4));
        // 100 and 200 were kept of 200 and 250; 200 and 100 were lost where 50 and 110 had been there.
        assert_eq!((paths.kept, paths.given_back), (Some(Decimal::ZERO), Some(Cash(610.into()))));
        assert_eq!(paths.slippage, Some(Cash(4.into())));
        assert_eq!((paths.winners, paths.losers), (2, 2));
        let shares: Vec<_> = paths.stops.iter().map(|stop| (stop.winners, stop.losers)).collect();
        let percent = |percent: i64| Some(Decimal::from(percent));
        let expected = [(50, 100), (50, 50), (0, 0), (0, 0)];
        assert_eq!(shares, expected.map(|(winners, losers)| (percent(winners), percent(losers))));
    }

    #[test]
    fn what_is_not_known_is_in_no_figure() {
        let blind = Outcome { way: Way::default(), ..one(50, (0, 0)) };
        let paths = paths(&[blind]);
        assert_eq!((paths.trades, paths.winners, paths.entries), (0, 0, 0));
        assert_eq!((paths.kept, paths.given_back, paths.exit_efficiency, paths.slippage), (None, None, None, None));
        assert!(paths.stops.iter().all(|stop| stop.winners.is_none() && stop.losers.is_none()));
    }

    proptest! {
        /// A stop further away meets no more of them; what was kept and what was given back is all that there was.
        #[test]
        fn identities_hold(ways in prop::collection::vec((-900_i64..900, 0_i64..200, 0_i64..100), 1..40)) {
            let trades: Vec<Outcome> = ways.iter().map(|(pnl, ahead, behind)| one(*pnl, (*ahead, *behind))).collect();
            let paths = paths(&trades);
            prop_assert!(paths.stops.windows(2).all(|pair| pair[0].winners >= pair[1].winners));
            prop_assert!(paths.stops.windows(2).all(|pair| pair[0].losers >= pair[1].losers));
            let there: i64 = ways.iter().map(|(_, ahead, _)| ahead * 10).sum();
            let got: i64 = ways.iter().map(|(pnl, ..)| pnl + 2).sum();
            prop_assert_eq!(paths.given_back, Some(Cash((there - got).into())));
            let share = paths.kept.map(|kept| (kept * Decimal::from(there) / Decimal::ONE_HUNDRED).round_dp(0));
            prop_assert_eq!(share, (there != 0).then(|| Decimal::from(got)));
        }
    }
}
