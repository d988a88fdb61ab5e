//! What may become of a trade and of an intent: two total functions, every pair listed.
//!
//! The database has the same tables in `trade_move` and `intent_move` and refuses what they refuse;
//! a test compares every pair. A new state breaks the build here, and that test there.

use blotter_shared::domain::{IntentOp, IntentState, TradeStatus};

/// What a change of status is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradeMove {
    /// No change.
    Stay,
    Step,
    /// Out of an end, by a fill that came late: through `trade_reopen` alone, and with an alarm.
    Reopen,
}

/// What a change of state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentMove {
    /// No change.
    Stay,
    Step,
    /// Out of an end, by evidence that came late: with an alarm.
    Late,
}

impl TradeMove {
    /// The word that the database's twin answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stay => "STAY",
            Self::Step => "STEP",
            Self::Reopen => "REOPEN",
        }
    }
}

impl IntentMove {
    /// The word that the database's twin answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stay => "STAY",
            Self::Step => "STEP",
            Self::Late => "LATE",
        }
    }
}

/// What it means that a trade goes from one status to another; `None` when it must not.
#[must_use]
pub fn trade_move(from: TradeStatus, to: TradeStatus) -> Option<TradeMove> {
    use TradeMove::{Reopen, Stay, Step};
    use TradeStatus::{Canceled, Closed, Closing, Filled, Open, Partial, Pending, Rejected, Void};
    match (from, to) {
        (Pending, Pending)
        | (Open, Open)
        | (Partial, Partial)
        | (Filled, Filled)
        | (Closing, Closing)
        | (Closed, Closed)
        | (Void, Void)
        | (Rejected, Rejected)
        | (Canceled, Canceled) => Some(Stay),

        // The entry works, fills, or ends with nothing. A wish to be out changes nothing before
        // the entry's fate is known.
        (Pending, Open | Partial | Filled | Void | Rejected | Canceled) => Some(Step),
        (Pending, Closing | Closed) => None,

        // With a wish to be out, the rest of the entry is cancelled first.
        (Open, Partial | Filled | Closing | Void | Rejected | Canceled) => Some(Step),
        (Open, Pending | Closed) => None,

        (Partial, Filled | Closing | Closed) => Some(Step),
        (Partial, Pending | Open | Void | Rejected | Canceled) => None,

        (Filled, Closing | Closed) => Some(Step),
        (Filled, Pending | Open | Partial | Void | Rejected | Canceled) => None,

        // Back to FILLED when the wish is withdrawn; without a position when the entry was
        // cancelled before anything filled.
        (Closing, Filled | Closed | Void | Rejected | Canceled) => Some(Step),
        (Closing, Pending | Open | Partial) => None,

        (Closed | Void | Rejected | Canceled, Filled) => Some(Reopen),
        (Closed, Pending | Open | Partial | Closing | Void | Rejected | Canceled)
        | (Void, Pending | Open | Partial | Closing | Closed | Rejected | Canceled)
        | (Rejected, Pending | Open | Partial | Closing | Closed | Void | Canceled)
        | (Canceled, Pending | Open | Partial | Closing | Closed | Void | Rejected) => None,
    }
}

/// What it means that an intent goes from one state to another; `None` when it must not.
#[must_use]
pub fn intent_move(op: IntentOp, from: IntentState, to: IntentState) -> Option<IntentMove> {
    match op {
        IntentOp::Place => place_move(from, to),
        IntentOp::Cancel | IntentOp::Modify => change_move(from, to),
    }
}

fn place_move(from: IntentState, to: IntentState) -> Option<IntentMove> {
    use IntentMove::{Late, Stay, Step};
    use IntentState::{
        Absent, Acked, Canceled, Done, Expired, Filled, Lost, Prepared, Rejected, Sending, Unknown, Void, Working,
    };
    match (from, to) {
        (Prepared, Prepared)
        | (Sending, Sending)
        | (Acked, Acked)
        | (Unknown, Unknown)
        | (Working, Working)
        | (Filled, Filled)
        | (Canceled, Canceled)
        | (Expired, Expired)
        | (Rejected, Rejected)
        | (Void, Void)
        | (Absent, Absent)
        | (Lost, Lost) => Some(Stay),

        (Prepared, Sending | Void) => Some(Step),
        (Prepared, Acked | Unknown | Working | Filled | Canceled | Expired | Rejected | Absent | Lost) => None,

        // Back to PREPARED when no byte left: never connected.
        (Sending, Prepared | Acked | Unknown | Working | Filled | Canceled | Expired | Rejected | Absent) => Some(Step),
        (Sending, Void | Lost) => None,

        (Acked, Working | Filled | Canceled | Expired | Rejected | Lost) => Some(Step),
        (Acked, Prepared | Sending | Unknown | Void | Absent) => None,

        (Unknown, Working | Filled | Canceled | Expired | Rejected | Absent) => Some(Step),
        (Unknown, Prepared | Sending | Acked | Void | Lost) => None,

        (Working, Filled | Canceled | Expired | Rejected | Lost) => Some(Step),
        (Working, Prepared | Sending | Acked | Unknown | Void | Absent) => None,

        // It filled after all.
        (Canceled | Expired | Rejected, Filled) => Some(Late),
        (Canceled, Prepared | Sending | Acked | Unknown | Working | Expired | Rejected | Void | Absent | Lost)
        | (Expired, Prepared | Sending | Acked | Unknown | Working | Canceled | Rejected | Void | Absent | Lost)
        | (Rejected, Prepared | Sending | Acked | Unknown | Working | Canceled | Expired | Void | Absent | Lost) => {
            None
        }

        // It arrived after all.
        (Absent, Working | Filled | Canceled | Expired | Rejected) => Some(Late),
        (Absent, Prepared | Sending | Acked | Unknown | Void | Lost) => None,

        (
            Filled,
            Prepared | Sending | Acked | Unknown | Working | Canceled | Expired | Rejected | Void | Absent | Lost,
        )
        | (
            Void,
            Prepared | Sending | Acked | Unknown | Working | Filled | Canceled | Expired | Rejected | Absent | Lost,
        )
        | (
            Lost,
            Prepared | Sending | Acked | Unknown | Working | Filled | Canceled | Expired | Rejected | Void | Absent,
        ) => None,

        // An order is never merely done.
        (
            Prepared | Sending | Acked | Unknown | Working | Filled | Canceled | Expired | Rejected | Void | Absent
            | Lost,
            Done,
        )
        | (
            Done,
            Prepared | Sending | Acked | Unknown | Working | Filled | Canceled | Expired | Rejected | Void | Absent
            | Lost | Done,
        ) => None,
    }
}

/// A cancel or a change of an order has no answer of its own: DONE is seen on its target.
fn change_move(from: IntentState, to: IntentState) -> Option<IntentMove> {
    use IntentMove::{Stay, Step};
    use IntentState::{
        Absent, Acked, Canceled, Done, Expired, Filled, Lost, Prepared, Rejected, Sending, Unknown, Void, Working,
    };
    match (from, to) {
        (Prepared, Prepared)
        | (Sending, Sending)
        | (Acked, Acked)
        | (Unknown, Unknown)
        | (Rejected, Rejected)
        | (Void, Void)
        | (Absent, Absent)
        | (Done, Done) => Some(Stay),

        (Prepared, Sending | Void) => Some(Step),
        (Prepared, Acked | Unknown | Rejected | Absent | Done) => None,

        (Sending, Prepared | Acked | Unknown | Rejected | Absent | Done) => Some(Step),
        (Sending, Void) => None,

        (Acked | Unknown, Rejected | Absent | Done) => Some(Step),
        (Acked, Prepared | Sending | Unknown | Void) | (Unknown, Prepared | Sending | Acked | Void) => None,

        (Rejected, Prepared | Sending | Acked | Unknown | Void | Absent | Done)
        | (Void, Prepared | Sending | Acked | Unknown | Rejected | Absent | Done)
        | (Absent, Prepared | Sending | Acked | Unknown | Rejected | Void | Done)
        | (Done, Prepared | Sending | Acked | Unknown | Rejected | Void | Absent) => None,

        // What only an order can be.
        (
            Prepared | Sending | Acked | Unknown | Working | Filled | Canceled | Expired | Rejected | Void | Absent
            | Lost | Done,
            Working | Filled | Canceled | Expired | Lost,
        )
        | (
            Working | Filled | Canceled | Expired | Lost,
            Prepared | Sending | Acked | Unknown | Rejected | Void | Absent | Done,
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_left_by_a_late_fill_alone() {
        for from in TradeStatus::ALL.iter().filter(|status| status.is_terminal()) {
            for to in TradeStatus::ALL {
                let expected = match (from == to, *to == TradeStatus::Filled) {
                    (true, _) => Some(TradeMove::Stay),
                    (false, true) => Some(TradeMove::Reopen),
                    (false, false) => None,
                };
                assert_eq!(trade_move(*from, *to), expected, "{from} -> {to}");
            }
        }
    }

    #[test]
    fn every_status_can_be_reached_and_every_live_one_can_end() {
        for to in TradeStatus::ALL.iter().filter(|status| **status != TradeStatus::Pending) {
            assert!(TradeStatus::ALL.iter().any(|from| trade_move(*from, *to) == Some(TradeMove::Step)), "{to}");
        }
        for from in TradeStatus::ALL.iter().filter(|status| !status.is_terminal()) {
            let ends = TradeStatus::ALL.iter().filter(|to| to.is_terminal() && trade_move(*from, **to).is_some());
            assert!(ends.count() > 0, "{from}");
        }
    }

    #[test]
    fn nothing_is_ever_sent_again() {
        for op in IntentOp::ALL {
            for from in IntentState::ALL.iter().filter(|state| **state != IntentState::Prepared) {
                let again = intent_move(*op, *from, IntentState::Sending);
                assert!(again.is_none() || *from == IntentState::Sending, "{op} {from}");
            }
        }
    }
}
