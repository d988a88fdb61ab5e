//! How the broker shows an order of ours that is alive: whether it protects, and whether it is what
//! was sent. Taken is not working: the risk system refuses seconds later. A pair whose stop died
//! alone, or was moved by somebody, is open and protects nothing.

use super::super::ports::{BrokerLeg, BrokerOrder, LegKind, OrderState};
use super::intent::{Order, Shape};

/// One order of ours in one cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Taken, and not seen at the market.
    Unproven,
    /// At the market as it was sent.
    Sound,
    /// Its stop works; its target is gone or elsewhere.
    Bent,
    /// Its stop is gone or elsewhere.
    Hollow,
}

/// How an order stands against what was sent.
#[must_use]
pub fn of(sent: &Order, shown: &BrokerOrder) -> Standing {
    let target = match sent.shape {
        Shape::Oco { target, .. } => Some(LegKind::Limit(target)),
        Shape::BuyMarket | Shape::BuyLimit(_) | Shape::SellMarket | Shape::Stop(_) | Shape::Limit(_) => None,
    };
    if is_dead(shown.head) {
        return Standing::Hollow;
    }
    let Some(stop) = sent.shape.stop().map(LegKind::Stop) else {
        let works = shown.head == OrderState::Live || shown.legs.iter().any(works);
        return if works { Standing::Sound } else { Standing::Unproven };
    };
    match shown.legs.iter().find(|leg| leg.kind == stop) {
        Some(leg) if is_dead(leg.state) => Standing::Hollow,
        // A leg whose price or kind cannot be read may be the stop.
        None if shown.legs.iter().any(|leg| leg.kind == LegKind::Other) => Standing::Unproven,
        None => Standing::Hollow,
        Some(leg) if shown.head != OrderState::Live && !works(leg) => Standing::Unproven,
        // While the stop executes, its target is on its way out.
        Some(leg) if leg.executed > 0 => Standing::Sound,
        Some(_) => {
            let alive = |kind: LegKind| shown.legs.iter().any(|leg| leg.kind == kind && !is_dead(leg.state));
            if target.is_none_or(alive) { Standing::Sound } else { Standing::Bent }
        }
    }
}

/// It came to an end without a fill.
fn is_dead(state: OrderState) -> bool {
    match state {
        OrderState::Canceled | OrderState::Expired | OrderState::Rejected => true,
        OrderState::Pending | OrderState::Live | OrderState::Filled => false,
    }
}

fn works(leg: &BrokerLeg) -> bool {
    matches!(leg.state, OrderState::Live | OrderState::Filled)
}

/// The broker refused the stop of a pair and kept the rest.
#[must_use]
pub fn lost_its_stop(sent: &Order, shown: &BrokerOrder) -> bool {
    let stop = sent.shape.stop().map(LegKind::Stop);
    let refused = shown.legs.iter().any(|leg| Some(leg.kind) == stop && leg.state == OrderState::Rejected);
    refused && shown.executed() == 0
}
