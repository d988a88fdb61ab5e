//! The figures of random books beside figures from the raw fills of the same books, which share no code
//! with them: there everything is counted in whole cents, from the list as a whole.
//!
//! The books have scratches, part closes at several prices, adjusted stops and trades without a stop.

use blotter_shared::domain::{BrokerMode, Cash, IntentRole, IntentState, OptionType};
use blotter_shared::protocol::performance::{Figures, Period};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::facts::{Shape, Trade};
use super::pnl::realized;
use super::specimen::{at, bought, filled, price, with_order};
use crate::analytics::paths::Way;
use crate::analytics::spread::{Outcome, spread};
use crate::analytics::{Ending, Fact, Tally, figures, streaks};

/// What happened, in cents and contracts.
#[derive(Clone, Debug)]
struct Story {
    entry: i64,
    /// Each sale: contracts, price.
    sales: Vec<(i64, i64)>,
    fees: i64,
    /// The stop at entry, and what it was moved to.
    stop: Option<i64>,
    moved_stop: Option<i64>,
}

impl Story {
    fn contracts(&self) -> i64 {
        self.sales.iter().map(|(contracts, _)| contracts).sum()
    }

    /// By hand: what came in less what went out.
    fn cents(&self) -> i64 {
        let sold: i64 = self.sales.iter().map(|(contracts, price)| contracts * price).sum();
        (sold - self.contracts() * self.entry) * 100 - self.fees
    }

    /// Dollars lost if the first stop is hit.
    fn risk_cents(&self) -> Option<i64> {
        self.stop.map(|stop| (self.entry - stop) * self.contracts() * 100).filter(|risk| *risk > 0)
    }

    fn trade(&self) -> Trade {
        let contracts = u32::try_from(self.contracts()).unwrap();
        let mut trade = bought(contracts, &dollars(self.entry));
        trade.spec.initial_stop = self.stop.map(|stop| price(&dollars(stop)));
        trade.wish.stop = self.moved_stop.map(|stop| price(&dollars(stop)));
        for (contracts, at_price) in &self.sales {
            trade = with_order(trade, IntentRole::Close, IntentState::Filled, Shape::SellMarket);
            trade = filled(trade, u32::try_from(*contracts).unwrap(), &dollars(*at_price), at(5_400));
        }
        trade.marks.closed_at = Some(at(5_400));
        trade
    }

    fn fact(&self) -> Fact {
        let result = realized(&self.trade(), Cash(Decimal::new(self.fees, 2))).unwrap();
        Fact {
            day: at(5_400).date_naive(),
            closed_at: at(5_400),
            ticker: "ABC".to_owned(),
            side: OptionType::Call,
            expiry: at(864_000).date_naive(),
            strategy: String::new(),
            verdict: String::new(),
            entered_at: at(0),
            ended_as: "MANUAL_CLOSE".to_owned(),
            ending: Ending::of("MANUAL_CLOSE", Some(result.pnl.0)),
            fees: Some(Decimal::new(self.fees, 2)),
            r: result.r_multiple,
            held_hours: result.hold_hours,
            turn: None,
            delta: None,
        }
    }
}

fn dollars(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

prop_compose! {
    fn story()(
        entry in 5_i64..400,
        mut sales in proptest::collection::vec((1_i64..4, 1_i64..600), 1..4),
        kind in 0_u8..5,
        fees in 0_i64..300,
        stop in proptest::option::of(1_i64..300),
        moved_stop in proptest::option::of(1_i64..300),
    ) -> Story {
        // One in five is a scratch to the cent.
        let fees = if kind == 0 { 0 } else { fees };
        if kind == 0 {
            sales.iter_mut().for_each(|(_, price)| *price = entry);
        }
        Story { entry, sales, fees, stop, moved_stop }
    }
}

fn near(a: Option<Decimal>, b: Option<f64>, what: &str) -> Result<(), TestCaseError> {
    use rust_decimal::prelude::ToPrimitive;
    let a = a.map(|a| a.to_f64().unwrap());
    let agree = match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-3 * (1.0 + b.abs()),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    prop_assert!(agree, "{what}: {a:?} and {b:?}");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "cents of a small book")]
fn check(stories: &[Story], found: &Figures) -> Result<(), TestCaseError> {
    let cents: Vec<i64> = stories.iter().map(Story::cents).collect();
    let count = |wanted: fn(&i64) -> bool| cents.iter().filter(|cents| wanted(cents)).count();
    let (wins, losses) = (count(|c| *c > 0), count(|c| *c < 0));
    prop_assert_eq!(found.wins, wins as u64);
    prop_assert_eq!(found.losses, losses as u64);
    prop_assert_eq!(found.scratches, (cents.len() - wins - losses) as u64);
    prop_assert_eq!(found.net.0, Decimal::new(cents.iter().sum(), 2));
    prop_assert_eq!(found.best.map(|best| best.0), cents.iter().max().map(|best| Decimal::new(*best, 2)));
    prop_assert_eq!(found.worst.map(|worst| worst.0), cents.iter().min().map(|worst| Decimal::new(*worst, 2)));
    let won: i64 = cents.iter().filter(|c| **c > 0).sum();
    let lost: i64 = cents.iter().filter(|c| **c < 0).sum();
    let over = |a: f64, b: f64| (b != 0.0).then(|| a / b);
    near(found.profit_factor, over(won as f64, -lost as f64), "profit factor")?;
    near(found.win_rate, over(wins as f64 * 100.0, (wins + losses) as f64), "win rate")?;
    near(found.average_win.map(|cash| cash.0), over(won as f64 / 100.0, wins as f64), "average win")?;
    near(found.average_loss.map(|cash| cash.0), over(lost as f64 / 100.0, losses as f64), "average loss")?;
    let multiples: Vec<f64> =
        stories.iter().filter_map(|story| Some(story.cents() as f64 / story.risk_cents()? as f64)).collect();
    prop_assert_eq!(found.r_trades, multiples.len() as u64);
    near(found.expectancy_r, over(multiples.iter().sum(), multiples.len() as f64), "expectancy in R")?;
    prop_assert_eq!(found.fees.0, Decimal::new(stories.iter().map(|story| story.fees).sum(), 2));
    Ok(())
}

/// Rank by rank, and the line through the sums by its normal equations.
#[expect(clippy::cast_precision_loss, reason = "cents of a small book")]
fn check_spread(stories: &[Story]) -> Result<(), TestCaseError> {
    let outcomes: Vec<Outcome> = stories.iter().map(|story| outcome(&story.fact())).collect();
    let found = spread(BrokerMode::Sim, Period::All, &outcomes);
    let mut cents: Vec<i64> = stories.iter().map(Story::cents).collect();
    let n = cents.len() as f64;
    let (mut sum, mut sums) = (0, [0.0_f64; 4]);
    let mut path = Vec::new();
    for (x, one) in (1..).zip(&cents) {
        sum += one;
        let (x, y) = (f64::from(x), sum as f64);
        for (total, more) in sums.iter_mut().zip([x, y, x * y, x * x]) {
            *total += more;
        }
        path.push((x, y));
    }
    let [x1, y1, xy, x2] = sums;
    let slope = (n * xy - x1 * y1) / (n * x2 - x1 * x1);
    let left: f64 = path.iter().map(|(x, y)| (y - (y1 - slope * x1) / n - slope * x).powi(2)).sum();
    let error = (left / (n - 2.0) / (x2 - x1 * x1 / n)).sqrt();
    if cents.len() >= 10 && error > slope.abs() * 1e-6 {
        near(found.k_ratio, Some(slope / error), "K-ratio")?;
    }
    cents.sort_unstable();
    let twice = cents[(cents.len() - 1) / 2] + cents[cents.len() / 2];
    prop_assert_eq!(found.median.map(|cash| cash.0), Some(Decimal::new(twice * 5, 3)));
    if cents.len() >= 20 {
        let at_or_below =
            |bound: Decimal| cents.iter().filter(|one| Decimal::new(**one, 2) <= bound).count() as f64 / n;
        let (low, high) = (found.low.unwrap().0, found.high.unwrap().0);
        prop_assert!(at_or_below(low) >= 0.05 && at_or_below(high) >= 0.95);
        prop_assert!(at_or_below(low - Decimal::new(1, 3)) < 0.05 && at_or_below(high - Decimal::new(1, 3)) < 0.95);
    }
    let won: i64 = cents.iter().filter(|one| **one > 0).sum();
    let best: i64 = cents.iter().rev().take(3).filter(|one| **one > 0).sum();
    near(found.best_three, (won > 0).then(|| best as f64 * 100.0 / won as f64), "best three")
}

fn outcome(fact: &Fact) -> Outcome {
    let Ending::Counted(pnl) = fact.ending else { panic!("{fact:?}") };
    let e4 = |value: Decimal| i64::try_from((value * Decimal::from(10_000)).round()).unwrap();
    Outcome { pnl_e4: e4(pnl), held_e4: fact.held_hours.map(e4), fees_e4: fact.fees.map(e4), way: Way::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn results_lie_as_the_raw_fills_do(stories in proptest::collection::vec(story(), 1..40)) {
        check_spread(&stories)?;
    }
}

proptest! {
    #[test]
    fn figures_are_those_of_the_raw_fills(stories in proptest::collection::vec(story(), 1..40)) {
        let sum = stories.iter().fold(Tally::default(), |sum, story| sum.then(&Tally::of(&story.fact())));
        check(&stories, &figures(&sum))?;
        let (mut net, mut peak, mut fall, mut losing, mut longest) = (0, 0, 0, 0_u64, 0);
        for story in &stories {
            net += story.cents();
            peak = peak.max(net);
            fall = fall.max(peak - net);
            losing = if story.cents() < 0 { losing + 1 } else if story.cents() > 0 { 0 } else { losing };
            longest = longest.max(losing);
        }
        prop_assert_eq!(sum.fall, Decimal::new(fall, 2));
        prop_assert_eq!(streaks(&sum).longest_loss, longest);
    }
}
