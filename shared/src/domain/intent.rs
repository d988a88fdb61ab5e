//! One intended mutation at the broker: what it is, for what, and how far it got.

use crate::domain::values::words;

words! {
    /// What is asked of the broker.
    IntentOp {
        Place = "PLACE",
        Cancel = "CANCEL",
        Modify = "MODIFY",
    }
}

words! {
    /// What the order is for.
    IntentRole {
        Entry = "ENTRY",
        Bracket = "BRACKET",
        Close = "CLOSE",
        Emergency = "EMERGENCY",
    }
}

words! {
    /// How far it got. `UNKNOWN` is not a failure: it is resolved by reading.
    IntentState {
        Prepared = "PREPARED",
        Sending = "SENDING",
        /// The broker gave an id; it need not be working yet.
        Acked = "ACKED",
        Unknown = "UNKNOWN",
        Working = "WORKING",
        Filled = "FILLED",
        Canceled = "CANCELED",
        Expired = "EXPIRED",
        Rejected = "REJECTED",
        /// Never sent.
        Void = "VOID",
        /// Proven not to have arrived.
        Absent = "ABSENT",
        /// Was there, is gone, and nobody knows why.
        Lost = "LOST",
        /// A cancel or a change whose effect was seen.
        Done = "DONE",
    }
}
