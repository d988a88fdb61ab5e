//! Answers that were worked out, each with what it is an answer to: as long as that stays, so does the answer.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use blotter_shared::domain::{BrokerMode, Cash};
use blotter_shared::protocol::performance::{Breakdown, DayResult, Period, Spread};
use bytes::Bytes;
use chrono::NaiveDate;

use crate::auth::Username;
use crate::db::performance::Groups;

/// Answers by what was asked, each with what it is of; a few at most.
#[derive(Debug)]
pub(super) struct Kept<Asked, Of, Answer> {
    kept: Mutex<HashMap<Asked, (Of, Answer)>>,
    max: usize,
}

/// What a look at the performance is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub who: Username,
    pub mode: BrokerMode,
    pub from: Option<NaiveDate>,
    pub period: Period,
    pub by: Breakdown,
}

/// A stretch of the past.
#[derive(Clone, Debug)]
pub(super) struct Before {
    pub groups: Groups,
    pub days: Vec<DayResult>,
}

/// A screen looks every few seconds at what seldom changes, and a close changes the newest day alone.
#[derive(Debug)]
pub struct Looks {
    /// Of a version of the sums: whose, of which mode, from which day on. A look at each result costs what there are
    /// trades.
    pub(super) spreads: Kept<(Username, BrokerMode, Option<NaiveDate>), i64, Spread>,
    /// Of a version of the sums, on a day, with an equity to begin with.
    pub(super) answers: Kept<Asked, (i64, NaiveDate, Cash), Bytes>,
    /// Of a version of the sums: what is before a day.
    pub(super) before: Kept<Asked, (i64, NaiveDate), Arc<Before>>,
}

impl Default for Looks {
    /// Some megabytes at most: ten years are a sixth of one.
    fn default() -> Self {
        Self { spreads: Kept::of(500), answers: Kept::of(24), before: Kept::of(24) }
    }
}

impl<Asked: Eq + Hash, Of: PartialEq, Answer: Clone> Kept<Asked, Of, Answer> {
    fn of(max: usize) -> Self {
        Self { kept: Mutex::default(), max }
    }

    pub(super) fn get(&self, asked: &Asked, now: &Of) -> Option<Answer> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(asked).filter(|(of, _)| of == now).map(|(_, answer)| answer.clone())
    }

    pub(super) fn put(&self, asked: Asked, of: Of, answer: Answer) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= self.max && !kept.contains_key(&asked) {
            kept.clear();
        }
        kept.insert(asked, (of, answer));
    }
}
