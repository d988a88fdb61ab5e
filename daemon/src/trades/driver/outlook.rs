//! What the next pass has to expect, from the book alone: how soon it is worth looking again.

use blotter_shared::domain::CloseReason;
use chrono::{DateTime, Utc};

use super::super::facts::absence::since;
use super::super::facts::{Book, Intent, Mismatch, Trade};
use super::super::timing::Timing;

/// Seconds after a fill in which its price is looked for at the pace of something in flight.
const PRICE_PATIENCE: f64 = 120.0;

/// Seconds after an end that nothing explains in which its contract is looked after as if it were held.
const DOUBT: f64 = 86_400.0;

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
    // Contracts under a trade that has ended: is it so, and have they really gone, or does a list flap? One that is
    // looked at from time to time shows two short gaps as a long one.
    let unclaimed = |trade: &Trade| {
        let open = |mismatch: Mismatch| !mismatch.is_believed(now, timing) || mismatch.gone.is_some();
        trade.is_ended() && trade.marks.mismatch.is_some_and(open)
    };
    // A person has taken an empty list for the truth; if it was not, the contracts are bare. A list that was empty by
    // mistake is so again on the same day.
    let unexplained = |trade: &Trade| trade.marks.close_reason == Some(CloseReason::ExternalUnexplained);
    let doubted = |trade: &Trade| unexplained(trade) && just_ended(trade, now, timing);
    let watched = |trade: &Trade| unexplained(trade) && ended_within(DOUBT, trade, now) && open(trade);
    // What is settled needs no second look, however young it is.
    if wrote == Wrote::InThisPass || (wrote == Wrote::Recently && any_live(&stirs)) {
        return Outlook::Wrote;
    }
    // The list of the next day does not show a price any more.
    if any(&|trade| waits_for_price(trade, now) || unclaimed(trade) || doubted(trade)) {
        return Outlook::Flying;
    }
    let stands = book.account.reconciling.is_some() || book.account.halted.is_some();
    if stands || any_live(&|trade| open(trade) && stirs(trade)) {
        return Outlook::Flying;
    }
    let held = any_live(&|trade| open(trade) || trade.marks.naked_since.is_some()) || any(&watched);
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
    let bare = trade.marks.naked_since.is_some();
    trade.has_doubt() || trade.wish.is_flat() || bare || trade.marks.mismatch.is_some() || trade.misses_a_live_order()
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
    ended_within(timing.aftermath.as_secs_f64(), trade, now)
}

fn ended_within(span: f64, trade: &Trade, now: DateTime<Utc>) -> bool {
    trade.marks.closed_at.is_some_and(|at| (0.0..span).contains(&since(at, now)))
}

#[cfg(test)]
mod tests {
    use blotter_shared::domain::{BrokerMode, Cash, IntentRole, IntentState, TradeStatus};

    use super::super::super::facts::{FlatCause, Shape};
    use super::super::super::specimen::{at, bought, trade, with_order};
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
    fn an_end_that_nothing_explains_is_doubted_for_a_day() {
        let mut gone = bought(2, "5.00");
        gone.marks.status = TradeStatus::Closed;
        gone.marks.close_reason = Some(CloseReason::ExternalUnexplained);
        let ago = |seconds: i64| {
            let mut gone = gone.clone();
            gone.marks.closed_at = Some(at(100_000 - seconds));
            (seen(gone.clone(), true), seen(gone, false))
        };
        assert_eq!(ago(60), (Outlook::Flying, Outlook::Flying));
        assert_eq!(ago(3_600), (Outlook::Holding, Outlook::Flat));
        assert_eq!(ago(90_000), (Outlook::Flat, Outlook::Flat));
        gone.marks.close_reason = Some(CloseReason::Manual);
        gone.marks.closed_at = Some(at(96_400));
        assert_eq!(seen(gone, true), Outlook::Flat);
    }

    #[test]
    fn contracts_without_a_trade_are_looked_after_until_it_is_told_or_they_are_gone() {
        let mut ended = bought(2, "5.00");
        ended.marks.status = TradeStatus::Closed;
        let mut after = |mismatch| {
            ended.marks.mismatch = Some(mismatch);
            seen(ended.clone(), true)
        };
        let shown = Mismatch { position: 2, reads: 5, since: at(99_000), gone: None, looked: None };
        assert_eq!(after(Mismatch { reads: 4, ..shown }), Outlook::Flying);
        assert_eq!(after(Mismatch { since: at(99_990), ..shown }), Outlook::Flying, "five reads in ten seconds");
        assert_eq!(after(shown), Outlook::Flat, "told, and a person's business");
        assert_eq!(after(Mismatch { gone: Some(at(99_995)), ..shown }), Outlook::Flying);
    }

    #[test]
    fn what_is_bare_is_looked_after_by_night_as_well() {
        let mut bare = bought(2, "5.00");
        bare.marks.naked_since = Some(at(60));
        assert_eq!((seen(bare.clone(), true), seen(bare, false)), (Outlook::Flying, Outlook::Holding));
    }

    #[test]
    fn a_bracket_that_the_list_does_not_show_is_looked_for_soon() {
        let stop = Shape::Stop("4.00".parse().unwrap());
        let mut held = with_order(bought(2, "5.00"), IntentRole::Bracket, IntentState::Working, stop);
        assert_eq!(seen(held.clone(), true), Outlook::Holding);
        held.intents.last_mut().unwrap().missing_reads = 1;
        assert_eq!((seen(held.clone(), true), seen(held, false)), (Outlook::Flying, Outlook::Flat));
    }
}
