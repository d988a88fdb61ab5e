//! The calendar's answer for the present, with the operator's override.

use std::sync::Arc;

use blotter_shared::protocol::market::{Market, SessionPhase};

use super::{Calendar, OutsideCalendar};
use crate::clock::Clock;

/// Says whether the market is open.
#[derive(Clone, Debug)]
pub struct MarketClock {
    calendar: Arc<Calendar>,
    clock: Clock,
    force: Force,
}

/// Whether the calendar's word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It does.
    No,
    /// Open, whatever the calendar says: tests and demos.
    Open,
}

impl MarketClock {
    #[must_use]
    pub fn new(calendar: Arc<Calendar>, clock: Clock, force: Force) -> Self {
        Self { calendar, clock, force }
    }

    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The market now. When it is forced open, `next_change` and the session are still the
    /// calendar's.
    ///
    /// # Errors
    /// When the clock is outside the calendar's years.
    pub fn market(&self) -> Result<Market, OutsideCalendar> {
        let now = self.clock.now();
        let at = self.calendar.phase_at(now)?;
        let (phase, forced_open) = match self.force {
            Force::No => (at.phase, false),
            Force::Open => (SessionPhase::Open, true),
        };
        Ok(Market {
            now,
            phase,
            next_change: at.next_change,
            session_date: at.session.date,
            early_close: at.session.early_close,
            forced_open,
        })
    }
}
