//! The judge's own tables of transitions (I14), written down a second time on purpose.

use blotter_shared::domain::{IntentState, TradeStatus};

/// The judge's own table of trade transitions (I14).
#[must_use]
pub fn trade_may_move(was: TradeStatus, becomes: TradeStatus) -> bool {
    use TradeStatus::{Canceled, Closed, Closing, Filled, Open, Partial, Pending, Rejected, Void};
    was == becomes
        || matches!(
            (was, becomes),
            (Pending, Open | Partial | Filled | Void | Rejected | Canceled)
                | (Open, Partial | Filled | Closing | Void | Rejected | Canceled)
                | (Partial, Filled | Closing | Closed)
                | (Filled, Closing | Closed)
                | (Closing, Filled | Closed | Void | Rejected | Canceled)
                | (Closed | Void | Rejected | Canceled, Filled)
        )
}

/// The judge's own table of intent transitions (I14). A commit may take several steps at once.
#[must_use]
pub fn intent_may_move(was: IntentState, becomes: IntentState, is_cancel: bool) -> bool {
    use IntentState::{
        Absent, Acked, Canceled, Done, Expired, Filled, Lost, Prepared, Rejected, Sending, Unknown, Void, Working,
    };
    if was == becomes {
        return true;
    }
    if is_cancel {
        return matches!((was, becomes), (Prepared, Sending | Void) | (Sending, Done | Unknown) | (Unknown, Done));
    }
    matches!(
        (was, becomes),
        (Prepared, Sending | Void)
            | (Sending, Prepared | Acked | Rejected | Unknown | Absent | Working | Filled | Canceled | Expired)
            | (Acked | Unknown, Working | Filled | Canceled | Expired | Rejected)
            | (Unknown, Absent)
            | (Working, Filled | Canceled | Expired | Rejected | Lost)
            | (Acked, Lost)
            | (Canceled | Expired | Rejected, Filled)
            | (Absent, Working | Filled | Canceled | Expired | Rejected)
    )
}
