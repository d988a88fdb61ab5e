//! A row whose trade has changed flashes twice, wherever it is seen: what happened is not overlooked among rows that
//! only tick. Prices make nothing flash, and nothing flashes where nothing may move by itself.

use std::time::Duration;

use blotter_shared::domain::TradeId;
use blotter_shared::protocol::trades::Trade;

/// Lit, dark, and lit again, as long each.
const PART: Duration = Duration::from_millis(150);
const PARTS: u32 = 3;

/// The rows that flash, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flashes {
    begun: Vec<(TradeId, Duration)>,
}

impl Flashes {
    pub fn begin(&mut self, now: Duration, id: TradeId) {
        self.begun.retain(|(known, _)| *known != id);
        self.begun.push((id, now));
    }

    /// Forgets those that are over.
    pub fn expire(&mut self, now: Duration) {
        self.begun.retain(|(_, since)| now < *since + PART * PARTS);
    }

    #[must_use]
    pub fn is_lit(&self, now: Duration, id: TradeId) -> bool {
        self.begun.iter().any(|(known, since)| *known == id && is_lit(now.saturating_sub(*since)))
    }

    /// Whether one is lit that is none of these rows.
    #[must_use]
    pub fn is_lit_elsewhere(&self, now: Duration, rows: &[Trade]) -> bool {
        let lit = self.begun.iter().filter(|(_, since)| is_lit(now.saturating_sub(*since)));
        lit.map(|(id, _)| id).any(|id| rows.iter().all(|trade| trade.id != *id))
    }

    /// When one of them turns.
    #[must_use]
    pub fn next_wake(&self, now: Duration) -> Option<Duration> {
        let turns = self.begun.iter().flat_map(|(_, since)| (1..=PARTS).map(|part| *since + PART * part));
        turns.filter(|turn| *turn > now).min()
    }
}

fn is_lit(passed: Duration) -> bool {
    passed < PART || (PART * 2..PART * PARTS).contains(&passed)
}

/// Whether something happened to the trade, beyond its price and the engine's next step.
#[must_use]
pub fn has_changed(was: &Trade, now: &Trade) -> bool {
    let seen = |trade: &Trade| {
        let bracket = (trade.protection, trade.sl_price, trade.tp_price);
        (trade.status, trade.version, trade.held_qty, bracket, trade.needs_person.is_some())
    };
    seen(was) != seen(now)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn it_is_lit_twice_and_then_over() {
        let id = TradeId(Uuid::from_u128(1));
        let mut flashes = Flashes::default();
        let start = Duration::from_secs(100);
        flashes.begin(start, id);
        let mut seen = Vec::new();
        let mut now = start;
        while let Some(wake) = flashes.next_wake(now) {
            seen.push(flashes.is_lit(now, id));
            now = wake;
            flashes.expire(now);
        }
        assert_eq!((seen, now - start), (vec![true, false, true], PART * 3));
        assert_eq!(flashes, Flashes::default());
    }
}
