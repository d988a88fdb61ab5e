//! The ledger: everything that happened, in order, with exact times. Tests judge by it.
//!
//! Orders and fills are kept whole. Requests, which a polling client makes by the hundred thousand, are kept in a
//! window; the number of those that left it is counted, so that a reader knows. A state file holds none of them.

use std::collections::VecDeque;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::ids::{AccountId, OrderId, Symbol};
use super::order::{Side, Status};
use crate::time::Ms;

/// How many requests stay.
const REQUESTS_KEPT: usize = 20_000;

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts every entry since the start.
    pub seq: u64,
    /// When.
    pub at: Ms,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the field names are the documentation, and the README lists them")]
pub enum Fact {
    /// A request came in over the wire. The token is never here.
    Request { method: String, path: String, params: String, status: u16, fault: Option<String> },
    /// An order was taken in.
    Placed {
        account: AccountId,
        order: OrderId,
        parent: Option<OrderId>,
        symbol: Symbol,
        side: Option<Side>,
        quantity: i64,
        tag: Option<String>,
    },
    /// An order was refused in the answer and never existed.
    Refused { account: AccountId, reason: String },
    /// An order changed its status.
    Status { order: OrderId, from: Status, to: Status, reason: Option<String> },
    /// A client changed an order's terms.
    Changed { order: OrderId, price: Option<Decimal>, stop: Option<Decimal> },
    /// A cancel was accepted.
    CancelSent { order: OrderId },
    /// A stop was touched.
    Triggered { order: OrderId },
    /// An execution. `cash` is what it did to the account, commission included.
    Fill {
        account: AccountId,
        order: OrderId,
        symbol: Symbol,
        side: Side,
        quantity: i64,
        price: Decimal,
        commission: Decimal,
        cash: Decimal,
    },
    /// Something other than an order moved a position or cash: expiry, exercise, assignment, a script.
    Moved { account: AccountId, symbol: Symbol, quantity: i64, cash: Decimal, cause: String },
    /// An account went back to its first day.
    Wiped { account: AccountId },
    /// A fault, a scripted move, a step of the clock.
    Control { what: String },
}

/// The entries, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    next: u64,
    facts: Vec<Entry>,
    #[serde(skip)]
    requests: VecDeque<Entry>,
    #[serde(skip)]
    requests_dropped: u64,
}

impl Ledger {
    /// Adds an entry.
    pub fn push(&mut self, at: Ms, fact: Fact) {
        let entry = Entry { seq: self.next, at, fact };
        self.next += 1;
        if matches!(entry.fact, Fact::Request { .. }) {
            self.requests.push_back(entry);
            if self.requests.len() > REQUESTS_KEPT {
                self.requests.pop_front();
                self.requests_dropped += 1;
            }
        } else {
            self.facts.push(entry);
        }
    }

    /// Everything but requests.
    #[must_use]
    pub fn facts(&self) -> &[Entry] {
        &self.facts
    }

    /// The requests that are still kept.
    pub fn requests(&self) -> impl Iterator<Item = &Entry> {
        self.requests.iter()
    }

    /// How many requests were let go.
    #[must_use]
    pub fn requests_dropped(&self) -> u64 {
        self.requests_dropped
    }

    /// The sequence number that the next entry will have.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    /// Counts the requests that a state file did not hold.
    pub(super) fn resume(&mut self) {
        let facts = u64::try_from(self.facts.len()).unwrap_or(u64::MAX);
        self.requests_dropped = self.next.saturating_sub(facts);
    }

    /// All kept entries from `since` on, merged in order.
    #[must_use]
    pub fn since(&self, since: u64) -> Vec<&Entry> {
        let facts = self.facts.iter().skip(self.facts.partition_point(|e| e.seq < since));
        let mut all: Vec<&Entry> = facts.chain(self.requests.iter().filter(|e| e.seq >= since)).collect();
        all.sort_by_key(|e| e.seq);
        all
    }

    /// All kept entries as JSON lines.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let lines = self.since(0).into_iter().filter_map(|e| serde_json::to_string(e).ok());
        lines.fold(String::new(), |text, line| text + &line + "\n")
    }
}
