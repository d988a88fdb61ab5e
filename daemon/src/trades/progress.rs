//! How far a trade has got with what is wanted of it, from the facts alone: what the screens show
//! while something is under way, and what a second device is told.

use blotter_shared::domain::{IntentRole, IntentState, Step};

use super::facts::{Intent, Trade};
use super::orphan::differs;

/// What happens now; none when everything is as it is wanted.
#[must_use]
pub fn step(trade: &Trade) -> Option<Step> {
    if trade.is_ended() {
        return None;
    }
    if trade.wish.is_flat() {
        return Some(close(trade));
    }
    if trade.is_unbegun() {
        return Some(Step::EntryNext);
    }
    if let Some(entry) = trade.entries().find(|entry| entry.is_live()) {
        return Some(entering(trade, entry));
    }
    if trade.marks.held <= 0 {
        return None;
    }
    holding(trade)
}

fn entering(trade: &Trade, entry: &Intent) -> Step {
    match entry.state {
        _ if trade.wish.cut || trade.cancel_of(entry.id).is_some() => Step::EntryLeaves,
        IntentState::Prepared => Step::EntryNext,
        IntentState::Working => Step::EntryWorks,
        IntentState::Sending
        | IntentState::Acked
        | IntentState::Unknown
        | IntentState::Filled
        | IntentState::Canceled
        | IntentState::Expired
        | IntentState::Rejected
        | IntentState::Void
        | IntentState::Absent
        | IntentState::Lost
        | IntentState::Done => Step::EntrySent,
    }
}

/// How far a close has got.
#[must_use]
pub fn close(trade: &Trade) -> Step {
    if trade.wish.at_open && !trade.intents.iter().any(|intent| intent.version >= trade.wish.version) {
        return Step::CloseAtOpen;
    }
    if trade.entries().any(Intent::is_live) {
        return Step::CloseEntryLeaves;
    }
    match trade.live_exits().next() {
        Some(exit) if exit.role == IntentRole::Bracket && trade.cancel_of(exit.id).is_none() => Step::CloseBracketNext,
        Some(exit) if exit.role == IntentRole::Bracket => Step::CloseBracketLeaves,
        Some(_) => Step::CloseSells,
        None if trade.marks.held > 0 => Step::CloseCounts,
        None => Step::CloseConfirms,
    }
}

/// A position that is kept, wholly or in part.
fn holding(trade: &Trade) -> Option<Step> {
    let parts = trade.marks.held > i64::from(trade.wish.keep);
    match trade.live_exits().next() {
        Some(exit) if exit.role != IntentRole::Bracket => Some(Step::PartSells),
        Some(exit) if trade.cancel_of(exit.id).is_some() => {
            Some(if parts { Step::PartBracketLeaves } else { Step::BracketLeaves })
        }
        Some(_) if parts => Some(Step::PartNext),
        Some(exit) if exit.order().is_some_and(|order| Some(order.shape) != trade.wish.shape()) => {
            Some(Step::BracketNext)
        }
        Some(exit) if exit.state != IntentState::Working => Some(coming(trade)),
        Some(_) => None,
        None if parts => Some(Step::PartSells),
        None if trade.wish.shape().is_some() => Some(coming(trade)),
        None => None,
    }
}

/// Why a bracket is being placed.
fn coming(trade: &Trade) -> Step {
    let before = trade.exits().rev().find(|exit| !exit.is_live());
    match before {
        None => Step::FirstBracket,
        Some(exit) if exit.role != IntentRole::Bracket => Step::PartBracketComes,
        Some(_) if trade.marks.good.is_some_and(|good| differs(&good, &trade.wish)) => Step::BracketComes,
        Some(_) => Step::BracketAgain,
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::{FlatCause, Shape};
    use super::super::specimen::{self, price};
    use super::*;

    fn held() -> Trade {
        let mut trade = specimen::bought(2, "5.00");
        trade.marks.held = 2;
        trade
    }

    fn oco(trade: Trade, state: IntentState) -> Trade {
        let shape = Shape::Oco { stop: price("4.00"), target: price("6.00") };
        specimen::with_order(trade, IntentRole::Bracket, state, shape)
    }

    #[test]
    fn an_entry_is_told_from_the_wish_to_the_bracket() {
        assert_eq!(step(&specimen::trade(2)), Some(Step::EntryNext));
        for (state, told) in [
            (IntentState::Prepared, Step::EntryNext),
            (IntentState::Sending, Step::EntrySent),
            (IntentState::Unknown, Step::EntrySent),
            (IntentState::Working, Step::EntryWorks),
        ] {
            let trade = specimen::with_order(specimen::trade(2), IntentRole::Entry, state, Shape::BuyMarket);
            assert_eq!(step(&trade), Some(told), "{state}");
        }
        assert_eq!(step(&held()), Some(Step::FirstBracket));
        assert_eq!(step(&oco(held(), IntentState::Sending)), Some(Step::FirstBracket));
        assert_eq!(step(&oco(held(), IntentState::Working)), None, "all is as it is wanted");
    }

    #[test]
    fn a_position_that_was_there_already_waits_for_no_entry() {
        let mut adopted = specimen::trade(2);
        (adopted.marks.adopted, adopted.marks.held) = (2, 2);
        assert_eq!(step(&adopted), Some(Step::FirstBracket));
        assert_eq!(step(&oco(adopted.clone(), IntentState::Working)), None);
        let lost = oco(adopted, IntentState::Canceled);
        assert_eq!(step(&lost), Some(Step::BracketAgain));
    }

    #[test]
    fn another_bracket_and_a_lost_one_are_told_apart() {
        let mut moved = oco(held(), IntentState::Working);
        moved.wish.stop = Some(price("4.50"));
        assert_eq!(step(&moved), Some(Step::BracketNext));
        let mut lost = oco(held(), IntentState::Canceled);
        lost.marks.good = Some(super::super::facts::Bracket { stop: lost.wish.stop, target: lost.wish.target });
        assert_eq!(step(&lost), Some(Step::BracketAgain));
        lost.wish.stop = Some(price("4.50"));
        assert_eq!(step(&lost), Some(Step::BracketComes));
    }

    #[test]
    fn a_close_is_told_step_by_step() {
        let flat = |mut trade: Trade| {
            trade.wish.flat = Some(FlatCause::User);
            trade
        };
        let steps = [
            (flat(oco(held(), IntentState::Working)), "step 2 of 5: the bracket is about to be cancelled"),
            (flat(oco(held(), IntentState::Canceled)), "step 4 of 5: what is still held is counted"),
            (
                flat(specimen::with_order(held(), IntentRole::Close, IntentState::Working, Shape::SellMarket)),
                "step 5 of 5: the sale is at the broker",
            ),
        ];
        for (trade, told) in steps {
            assert_eq!(step(&trade).map(Step::sentence).as_deref(), Some(told));
        }
        let mut waits = flat(oco(held(), IntentState::Working));
        (waits.wish.at_open, waits.wish.version) = (true, 2);
        assert_eq!(step(&waits), Some(Step::CloseAtOpen));
    }
}
