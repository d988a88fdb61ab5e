//! What the next pass has to expect, from the book alone: how soon it is worth looking again.

use blotter_shared::domain::CloseReason;
use chrono::{DateTime, Utc};

use super::super::facts::absence::since;
use super::super::facts::{Book, Intent, Trade};
use super::super::timing::Timing;

/// Seconds after a fill in which its price is looked for at the pace of something in flight.
const PRICE_PATIENCE: f64 = 120.0;

/// What the next pass has to expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// Something was just sent.
    Wrote,
    /// Something is under way.
    Flying,
    Holding,
    Flat,
}

/// When this process last wrote to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    InThisPass,
    Recently,
    LongAgo,
}

/// `open` tells whether a trade's contract is traded now.
pub(super) fn of(
    book: &Book,
    open: impl Fn(&Trade) -> bool,
    wrote: Wrote,
    (now, timing): (DateTime<Utc>, &Timing),
) -> Outlook {
    let any = |is: &dyn Fn(&Trade) -> bool| book.trades.values().any(is);
    let any_live = |is: &dyn Fn(&Trade) -> bool| book.live_trades().any(is);
    // Contracts under a trade that has ended: is it so, or does a list flap?
    let unclaimed = |trade: &Trade| {
        trade.is_ended() && trade.marks.mismatch.is_some_and(|mismatch| mismatch.reads < timing.mismatch_reads)
    };
    // A person has taken an empty list for the truth; if it was not, the contracts are bare.
    let unexplained = Some(CloseReason::ExternalUnexplained);
    let doubted = |trade: &Trade| trade.marks.close_reason == unexplained && just_ended(trade, now, timing);
    // What is settled needs no second look, however young it is.
    if wrote == Wrote::InThisPass || (wrote == Wrote::Recently && any_live(&stirs)) {
        return Outlook::Wrote;
    }
    // The list of the next day does not show a price any more.
    if any(&|trade| waits_for_price(trade, now) || unclaimed(trade) || doubted(trade)) {
        return Outlook::Flying;
    }
    if book.account.reconciling.is_some() || any_live(&|trade| open(trade) && stirs(trade)) {
        return Outlook::Flying;
    }
    let held = any_live(&|trade| open(trade) || trade.marks.naked_since.is_some());
    let ended = book.live_trades().next().is_none() && any(&|trade| just_ended(trade, now, timing));
    if held || ended { Outlook::Holding } else { Outlook::Flat }
}

/// An entry may fill at any moment, and is bare until that is seen.
fn stirs(trade: &Trade) -> bool {
    flies(trade) || trade.entries().any(Intent::is_live) || is_unsent(trade)
}

/// Whether an entry still waits to be sent, for the end of the quiet period above all: it is void in seconds.
fn is_unsent(trade: &Trade) -> bool {
    trade.is_unbegun() && trade.marks.restored.is_none()
}

/// Whether something about a trade is on its way, or should be.
pub(super) fn flies(trade: &Trade) -> bool {
    trade.has_doubt() || trade.wish.is_flat() || trade.marks.naked_since.is_some() || trade.marks.mismatch.is_some()
}

/// Whether something executed lately has no price yet. Nobody is asked for one for ever.
fn waits_for_price(trade: &Trade, now: DateTime<Utc>) -> bool {
    let orders = trade.intents.iter().filter(|intent| {
        let executed = intent.first_executed_at.map(|at| since(at, now));
        executed.is_some_and(|seconds| seconds < PRICE_PATIENCE)
    });
    orders.flat_map(|intent| &intent.legs).any(|leg| leg.executed > 0 && leg.average.is_none())
}

/// What was cancelled may turn out to have traded: the trade comes back, and is to be protected.
fn just_ended(trade: &Trade, now: DateTime<Utc>, timing: &Timing) -> bool {
    let span = timing.aftermath.as_secs_f64();
    trade.marks.closed_at.is_some_and(|at| (0.0..span).contains(&since(at, now)))
}

#[cfg(test)]
mod tests {
    use blotter_shared::domain::{BrokerMode, Cash};

    use super::super::super::facts::FlatCause;
    use super::super::super::specimen::{at, bought, trade};
    use super::*;

    fn seen(trade: Trade, is_open: bool) -> Outlook {
        let mut book = Book::new(BrokerMode::Sim, Cash::ZERO);
        book.trades.insert(trade.id(), trade);
        of(&book, |_| is_open, Wrote::LongAgo, (at(100_000), &Timing::PRODUCTION))
    }

    #[test]
    fn a_close_is_looked_after_for_as_long_as_its_contract_trades() {
        let mut held = bought(2, "5.00");
        held.marks.held = 2;
        assert_eq!((seen(held.clone(), true), seen(held.clone(), false)), (Outlook::Holding, Outlook::Flat));
        held.wish.flat = Some(FlatCause::User);
        assert_eq!((seen(held.clone(), true), seen(held, false)), (Outlook::Flying, Outlook::Flat));
    }

    #[test]
    fn an_entry_that_could_not_be_sent_yet_is_not_left_until_it_is_void() {
        assert_eq!(seen(trade(2), true), Outlook::Flying);
    }

    #[test]
    fn what_is_bare_is_looked_after_by_night_as_well() {
        let mut bare = bought(2, "5.00");
        bare.marks.naked_since = Some(at(60));
        assert_eq!((seen(bare.clone(), true), seen(bare, false)), (Outlook::Flying, Outlook::Holding));
    }
}
