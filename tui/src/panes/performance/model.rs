//! What the Performance pane remembers, and when it asks.

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::performance::{Breakdown, Performance, PerformanceQuery, Period, Spread, SpreadQuery};

use crate::client::calls::{Call, CallError};
use crate::client::looks::LookCall;
use crate::effect::Effect;
use crate::panes::Pane;

#[derive(Clone, Debug)]
pub struct PerformancePane {
    pub period: Period,
    pub by: Breakdown,
    pub mode: Option<BrokerMode>,
    pub data: Option<Performance>,
    /// Why there are no figures, when the daemon said no.
    pub refusal: Option<String>,
    /// Rows of the breakdown that are scrolled away.
    pub top: usize,
    /// How results lie, once it was asked for.
    pub spread: Option<(SpreadQuery, Result<Spread, String>)>,
}

impl Default for PerformancePane {
    fn default() -> Self {
        Self {
            period: Period::Month,
            by: Breakdown::Strategy,
            mode: None,
            data: None,
            refusal: None,
            top: 0,
            spread: None,
        }
    }
}

/// The periods in the order of their pills.
pub const PERIODS: &[Period] = Period::ALL;

/// What a pill says.
#[must_use]
pub fn period_name(period: Period) -> &'static str {
    match period {
        Period::Week => "7d",
        Period::Month => "30d",
        Period::Quarter => "90d",
        Period::YearToDate => "YTD",
        Period::All => "All",
    }
}

/// What the groups are.
#[must_use]
pub fn breakdown_name(by: Breakdown) -> &'static str {
    match by {
        Breakdown::Strategy => "strategy",
        Breakdown::Ticker => "ticker",
        Breakdown::Side => "call and put",
        Breakdown::Weekday => "weekday of entry",
        Breakdown::Hour => "hour of entry (ET)",
        Breakdown::ExitHour => "hour of exit (ET)",
        Breakdown::Week => "week",
        Breakdown::Month => "month",
        Breakdown::Turn => "turn in the day",
        Breakdown::DaysToExpiry => "days to expiry",
        Breakdown::Delta => "delta at entry",
        Breakdown::Held => "holding time",
        Breakdown::Verdict => "AI verdict",
        Breakdown::Reason => "exit reason",
    }
}

impl PerformancePane {
    #[must_use]
    pub fn query(&self) -> PerformanceQuery {
        PerformanceQuery { period: Some(self.period), by: Some(self.by), mode: self.mode }
    }

    /// What the list of every figure is made of beside the figures of the pane.
    #[must_use]
    pub fn spread_query(&self) -> SpreadQuery {
        SpreadQuery { period: Some(self.period), mode: self.mode }
    }

    #[must_use]
    pub fn ask_spread(&self) -> Vec<Effect> {
        vec![Effect::Call(Call::Look(LookCall::Spread(self.spread_query())))]
    }

    pub fn take_spread(&mut self, query: SpreadQuery, spread: Spread) {
        self.spread = Some((query, Ok(spread)));
    }

    pub fn spread_refused(&mut self, query: SpreadQuery, error: &CallError) {
        self.spread = Some((query, Err(error.to_string())));
    }

    pub fn take(&mut self, query: PerformanceQuery, performance: Performance) {
        if query == self.query() {
            self.refusal = None;
            self.data = Some(performance);
        }
    }

    pub fn refused(&mut self, query: PerformanceQuery, error: &CallError) {
        if query == self.query() && !error.may_pass() {
            self.refusal = Some(error.to_string());
        }
    }

    /// Chooses the period that lies so many to the right.
    pub fn turn_period(&mut self, by: usize) -> Vec<Effect> {
        let at = PERIODS.iter().position(|period| *period == self.period).unwrap_or(0);
        self.period = PERIODS.get((at + by) % PERIODS.len()).copied().unwrap_or(self.period);
        self.ask()
    }

    pub fn turn_breakdown(&mut self) -> Vec<Effect> {
        let at = Breakdown::ALL.iter().position(|by| *by == self.by).unwrap_or(0);
        self.by = Breakdown::ALL.get((at + 1) % Breakdown::ALL.len()).copied().unwrap_or(self.by);
        self.top = 0;
        self.ask()
    }

    /// Another mode's figures; those of this one are not kept to be mistaken for them.
    pub fn choose_mode(&mut self, mode: BrokerMode, shown: Pane) -> Vec<Effect> {
        if self.mode == Some(mode) {
            return vec![];
        }
        self.mode = Some(mode);
        self.data = None;
        self.load_if_shown(shown)
    }

    /// Asks when the pane is shown and has nothing yet.
    #[must_use]
    pub fn load_if_shown(&self, shown: Pane) -> Vec<Effect> {
        if shown == Pane::Performance && self.data.is_none() { self.ask() } else { vec![] }
    }

    /// Asks again for what is shown; what is not shown is asked for when it is.
    pub fn reload_if_shown(&mut self, shown: Pane) -> Vec<Effect> {
        if shown == Pane::Performance {
            return self.ask();
        }
        self.data = None;
        vec![]
    }

    fn ask(&self) -> Vec<Effect> {
        vec![Effect::Call(Call::Performance(self.query()))]
    }
}
