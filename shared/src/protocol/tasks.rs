//! `GET /v1/tasks`: what the daemon does by itself, and when.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::values::words;

words! {
    /// What the daemon does at its times. The sync with the broker is not here: each account's engine
    /// paces itself.
    TaskName {
        /// Marks of every position, while the market is open.
        Snapshots = "snapshots",
        /// The mark before the session opens: 09:25 in New York.
        PreMarket = "pre_market",
        /// The mark after it has closed: 16:05, on short days 13:05.
        PostMarket = "post_market",
        /// The same for contracts that trade a quarter of an hour longer: 16:20, 13:20.
        PostMarketLate = "post_market_late",
        /// What a trade might have brought: nightly, from recorded prices.
        Forensics = "forensics",
        /// What the broker has charged, from its history.
        Fees = "fees",
        /// The trading calendar against the broker's.
        CalendarCheck = "calendar_check",
        /// Room for the prices of the next months.
        Partitions = "partitions",
        /// Old prices are packed, and the room they took is given back.
        Retention = "retention",
        /// Answers that no repetition can ask for any more, and changes that no screen can, go.
        Housekeeping = "housekeeping",
        /// A backup is made, or the age of those that somebody else makes is looked at.
        Backup = "backup",
    }
}

words! {
    /// How a task is.
    TaskState {
        /// It waits for its next time.
        Waiting = "waiting",
        Running = "running",
        /// Its last run failed; it is tried again.
        Failing = "failing",
        /// It has not run yet.
        Never = "never",
    }
}

/// One task, as its last run left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskReport {
    pub name: TaskName,
    pub state: TaskState,
    /// The time that the last run was for; it may have begun later, to catch up.
    pub slot: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub succeeded_at: Option<DateTime<Utc>>,
    /// Failures in a row.
    pub failures: u32,
    /// What the last run says about itself; only whoever runs the daemon is told.
    pub detail: Option<String>,
    /// Times that passed without a run that succeeded, ever.
    pub missed: u64,
    /// When it runs next; nothing when the calendar does not reach that far.
    pub next_at: Option<DateTime<Utc>>,
}

/// `GET /v1/tasks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskList {
    pub now: DateTime<Utc>,
    pub tasks: Vec<TaskReport>,
}
