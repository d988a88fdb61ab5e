//! `GET /v1/performance`: what closed trades add up to.
//!
//! Every figure stands beside the count that it is made of; one that needs more trades than there are
//! is `null`, and so is a profit factor without a loss. Wins, losses and scratches go by the result
//! after fees; a trade whose fees nobody has told counts before fees, and `fees_untold` says so. Trades whose price nobody knows are counted apart and enter no figure.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::values::words;
use crate::domain::{BrokerMode, Cash};

/// Fewer trades say nothing about a ratio of ratios.
pub const ENOUGH_TRADES: u16 = 30;
/// Fewer trading days say nothing about a deviation.
pub const ENOUGH_DAYS: u16 = 20;
/// Fewer trading days, a quarter of them, are not made a year of.
pub const ENOUGH_DAYS_OF_A_YEAR: u16 = 63;
/// Fewer trades say nothing about an interval or a line.
pub const ENOUGH_FOR_INTERVAL: u16 = 10;
/// Fewer trades have no twentieths.
pub const ENOUGH_FOR_TWENTIETHS: u16 = 20;

words! {
    /// Which trading days count, the newest included. A trading day begins at 18:00 in New York, the
    /// evening before.
    Period {
        Week = "7d",
        Month = "30d",
        Quarter = "90d",
        /// Since the first of January.
        YearToDate = "ytd",
        All = "all",
    }
}

words! {
    /// What the table of a breakdown is grouped by.
    Breakdown {
        Strategy = "strategy",
        Ticker = "ticker",
        /// Calls and puts.
        Side = "side",
        /// The weekday of the entry, in New York.
        Weekday = "weekday",
        /// The hour of the entry, in New York.
        Hour = "hour",
        /// The hour of the last exit, in New York.
        ExitHour = "exit_hour",
        /// The week and the month of the trading day on which the position ended.
        Week = "week",
        Month = "month",
        /// Its turn in the day of the entry: the first that was asked for, or one after a win, after a loss.
        Turn = "turn",
        /// Days from entry to expiry.
        DaysToExpiry = "dte",
        /// Of the contract at the entry, without its sign.
        Delta = "delta",
        Held = "held",
        /// What the AI said at entry.
        Verdict = "verdict",
        /// Why the position is gone.
        Reason = "reason",
    }
}

/// Query of `GET /v1/performance`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PerformanceQuery {
    /// Default: `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// Default: `strategy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Breakdown>,
    /// Default: the mode in the settings. Play money and real money are never added up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<BrokerMode>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Performance {
    pub mode: BrokerMode,
    pub period: Period,
    /// First trading day that counts; absent for `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<NaiveDate>,
    /// The trading day of the answer.
    pub today: NaiveDate,
    pub figures: Figures,
    pub drawdown: Drawdown,
    pub streaks: Streaks,
    pub ratios: Ratios,
    /// The balance of the settings, from which percentages of equity are reckoned.
    pub starting_equity: Cash,
    /// The sum of results at the end of trading days, oldest first; at most 400 points.
    pub equity: Vec<EquityPoint>,
    /// Trading days with results, oldest first; at most the newest 400.
    pub days: Vec<DayResult>,
    pub by: Breakdown,
    /// The best result first; at most 100 rows.
    pub rows: Vec<BreakdownRow>,
    /// Rows that are not among `rows`.
    pub rows_left_out: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_strategy: Option<BestStrategy>,
}

/// What a set of trades adds up to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Trades that count: wins, losses and scratches.
    pub trades: u64,
    pub wins: u64,
    pub losses: u64,
    pub scratches: u64,
    /// How many of them count with a price that is worked out.
    pub estimated: u64,
    /// Positions that are gone at a price nobody knows: in no figure.
    pub unknown: u64,
    /// After the fees that are told.
    pub net: Cash,
    /// Those that are told.
    pub fees: Cash,
    /// How many of `trades` count before fees, because nobody has told these.
    #[serde(default)]
    pub fees_untold: u64,
    /// Sum of the winners, and of the losers (zero or below).
    pub won: Cash,
    pub lost: Cash,
    /// Percent of wins and losses; scratches are not among them.
    pub win_rate: Option<Decimal>,
    /// Percent of all.
    pub scratch_rate: Option<Decimal>,
    /// Null without a loss.
    pub profit_factor: Option<Decimal>,
    pub average_win: Option<Cash>,
    /// Below zero.
    pub average_loss: Option<Cash>,
    /// Average win to average loss.
    pub payoff: Option<Decimal>,
    /// Percent of wins at which `payoff` neither wins nor loses.
    pub break_even_win_rate: Option<Decimal>,
    /// Net result a trade.
    pub expectancy: Option<Cash>,
    /// Trades that had a stop at entry.
    pub r_trades: u64,
    /// Mean multiple of the risk at entry, over `r_trades`.
    pub expectancy_r: Option<Decimal>,
    pub best: Option<Cash>,
    pub worst: Option<Cash>,
    /// Fees of all trades in percent of what the winners brought before fees.
    pub fee_drag: Option<Decimal>,
    /// Mean hours held: all, winners, losers.
    pub held_hours: Option<Decimal>,
    pub held_hours_winners: Option<Decimal>,
    pub held_hours_losers: Option<Decimal>,
    /// How many trades ended in which multiple of their risk: below -2, to -1, to -0.5, to 0, to 0.5, to 1, to
    /// 2, and above. A bound belongs to the lower one.
    pub r_distribution: [u64; 8],
}

/// The deepest fall of the sum of results below its peak, trade by trade; the peak includes the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drawdown {
    /// Zero or above.
    pub deepest: Cash,
    /// Of the equity that it fell from; null without a balance.
    pub deepest_pct: Option<Decimal>,
    /// How far below its peak the sum is now.
    pub current: Cash,
    /// Trading days that ended below the peak without a break, the longest time.
    pub longest_days: u32,
    /// Net result to deepest fall; null without one.
    pub recovery_factor: Option<Decimal>,
    /// The deepest fall of the ends of trading days: its peak, its bottom, and the day on which the peak was
    /// reached again. Absent without a fall, and while it lasts.
    #[serde(default)]
    pub peak_on: Option<NaiveDate>,
    #[serde(default)]
    pub bottom_on: Option<NaiveDate>,
    #[serde(default)]
    pub recovered_on: Option<NaiveDate>,
    /// Trading days from the peak to the bottom, and from the peak until it was reached again.
    #[serde(default)]
    pub days_down: Option<u32>,
    #[serde(default)]
    pub days_under: Option<u32>,
}

/// Wins and losses in a row. A scratch neither extends nor breaks one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Streaks {
    /// Above zero: wins; below: losses.
    pub current: i64,
    pub longest_win: u64,
    pub longest_loss: u64,
    /// How many losses in a row so many trades of this win rate should have brought, about; null with
    /// fewer than 30 wins and losses, or only one kind.
    pub expected_longest_loss: Option<Decimal>,
    /// Are wins clustered? Above zero they alternate, below zero they come together; null with fewer
    /// than 30 wins and losses, or only one kind.
    pub z_score: Option<Decimal>,
}

/// Ratios of result to risk. Null where there are too few days or trades, or where a deviation is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ratios {
    /// Trading days in the period, those without a trade included.
    pub days: u64,
    /// Of daily returns on equity, a year of 252 days, nothing deducted for a risk-free rate.
    pub sharpe: Option<Decimal>,
    pub sortino: Option<Decimal>,
    /// System quality number, of multiples of risk; from 30 trades on.
    pub sqn: Option<Decimal>,
    /// Half of the Kelly fraction in percent, zero at least; from 30 trades on.
    pub half_kelly: Option<Decimal>,
    /// Student's t of the mean result.
    pub t_statistic: Option<Decimal>,
    /// Growth of equity in percent, as if the whole year were like the period; from 63 trading days (a
    /// quarter) on.
    pub annual_growth: Option<Decimal>,
    /// `annual_growth` to the deepest fall of daily equity in percent; from 63 trading days on.
    pub calmar: Option<Decimal>,
    /// Root of the mean square of how far, in percent, equity was below its peak at the end of each day.
    pub ulcer: Option<Decimal>,
    /// How sure, in percent, it is that the Sharpe ratio is above zero, given its sample's skew and tails.
    pub probabilistic_sharpe: Option<Decimal>,
}

/// Query of `GET /v1/performance/spread`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpreadQuery {
    /// Default: `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// Default: the mode in the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<BrokerMode>,
}

words! {
    /// How the interval of the expectancy was had.
    IntervalKind {
        /// The middle 95 % of the means of 10,000 samples drawn with replacement, from a fixed seed.
        Bootstrap = "bootstrap",
        /// The mean and 1.96 standard errors on either side: what samples of many trades come to.
        Normal = "normal",
    }
}

/// `GET /v1/performance/spread`: how results lie, which sums cannot tell. Each trade is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    pub mode: BrokerMode,
    pub period: Period,
    /// Trades that count.
    pub trades: u64,
    pub median: Option<Cash>,
    /// Every twentieth result is at or below `low`, and every twentieth at or above `high`; from 20 trades on.
    pub low: Option<Cash>,
    pub high: Option<Cash>,
    /// Percent of what the winners brought that the best three of them brought.
    pub best_three: Option<Decimal>,
    /// 95 % interval of the expectancy; from 10 trades on.
    pub expectancy_low: Option<Cash>,
    pub expectancy_high: Option<Cash>,
    pub interval: IntervalKind,
    /// Slope of a line through the sum of results against the number of the trade, to the slope's standard
    /// error; from 10 trades on.
    pub k_ratio: Option<Decimal>,
    /// Median hours held: all, winners, losers.
    pub held_hours: Option<Decimal>,
    pub held_hours_winners: Option<Decimal>,
    pub held_hours_losers: Option<Decimal>,
    #[serde(default)]
    pub paths: Paths,
}

/// What there was to be had on the way, from recorded prices, and what was kept of it. Percentages of single trades are
/// medians. At the middle of bid and ask unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Paths {
    /// Trades whose way is known.
    pub trades: u64,
    /// Of them, those whose prices cover less than nine tenths of the time held.
    pub thin: u64,
    /// The result before fees in percent of the best that there was, at the middle and at the bid; of trades that were
    /// ever ahead.
    pub exit_efficiency: Option<Decimal>,
    pub exit_efficiency_bid: Option<Decimal>,
    /// All results before fees in percent of all that there was to be had, and what of it was given back.
    pub kept: Option<Decimal>,
    pub given_back: Option<Cash>,
    /// What the two hours after the exit would still have brought, in percent of the entry cost.
    pub post_exit: Option<Decimal>,
    /// Winners and losers that had a stop at entry: what a stop or a target at so many times the risk would have met.
    pub winners: u64,
    pub losers: u64,
    pub stops: Vec<StopPlace>,
    /// Entries whose market was known when they were sent, and what they paid above its middle, on average.
    pub entries: u64,
    pub slippage: Option<Cash>,
}

/// So many times the risk at entry away from the entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StopPlace {
    pub at_r: Decimal,
    /// Percent of the winners that were further behind before they won.
    pub winners: Option<Decimal>,
    /// Percent of the losers that were as far ahead before they lost.
    pub losers: Option<Decimal>,
}

/// The sum of results at the end of a trading day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EquityPoint {
    pub day: NaiveDate,
    pub net: Cash,
    /// The highest sum so far, zero at least.
    pub peak: Cash,
}

/// What a trading day brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DayResult {
    pub day: NaiveDate,
    pub trades: u64,
    pub wins: u64,
    pub net: Cash,
}

/// One row of a breakdown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BreakdownRow {
    /// The group's name; empty for trades that have none (no strategy, no verdict).
    pub bucket: String,
    pub figures: Figures,
}

/// The strategy with the highest net result; only one that won.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BestStrategy {
    pub strategy: String,
    pub trades: u64,
    pub net: Cash,
}
