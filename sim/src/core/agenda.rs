//! What is due when. Two things due at the same moment happen in the order in which they were planned.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::OrderId;
use crate::time::Ms;

/// A thing that will happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// The broker looks at a new order or group.
    Review(OrderId),
    /// A refusal becomes visible.
    Reject(OrderId),
    /// A cancel takes effect.
    Cancel(OrderId),
    /// The exits beside `keep` are cancelled.
    Sibling {
        /// The group.
        parent: OrderId,
        /// The leg that filled.
        keep: OrderId,
    },
    /// A parent takes the status that its legs add up to.
    Parent(OrderId),
    /// An entry filled; its exits come alive.
    Activate(OrderId),
    /// The price of a fill becomes visible.
    Reveal(OrderId),
}

/// The plan, in order of time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(Ms, u64, Due)>", into = "Vec<(Ms, u64, Due)>")]
pub struct Agenda {
    planned: BTreeMap<(Ms, u64), Due>,
    next: u64,
}

impl Agenda {
    /// Plans a thing.
    pub fn add(&mut self, at: Ms, due: Due) {
        self.planned.insert((at, self.next), due);
        self.next += 1;
    }

    /// When the next thing is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Ms> {
        self.planned.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next thing that is due by `now`.
    pub fn pop(&mut self, now: Ms) -> Option<Due> {
        let entry = self.planned.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

impl From<Vec<(Ms, u64, Due)>> for Agenda {
    fn from(items: Vec<(Ms, u64, Due)>) -> Self {
        let next = items.iter().map(|(_, n, _)| n + 1).max().unwrap_or(0);
        Self { planned: items.into_iter().map(|(at, n, due)| ((at, n), due)).collect(), next }
    }
}

impl From<Agenda> for Vec<(Ms, u64, Due)> {
    fn from(agenda: Agenda) -> Self {
        agenda.planned.into_iter().map(|((at, n), due)| (at, n, due)).collect()
    }
}
