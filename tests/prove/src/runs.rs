//! Many seeds on all processors. Seeds are independent worlds, so the order in which they end does
//! not matter: what is reported is sorted by seed.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::seed::{Family, Plan, run};

/// Consecutive seeds.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    pub from: u64,
    pub count: u64,
    /// Every seed in worlds of this family; without it each is of its own.
    pub family: Option<Family>,
    /// In each of them the database is brought back from a backup; without it in those that say so.
    pub travels: bool,
}

impl Range {
    #[must_use]
    pub fn new(from: u64, count: u64) -> Self {
        Self { from, count, family: None, travels: false }
    }

    /// How a seed of this range is run.
    #[must_use]
    pub fn plan(&self, seed: u64) -> Plan {
        let plan = Plan::of(seed);
        Plan { family: self.family.unwrap_or(plan.family), travels: self.travels || plan.travels, ..plan }
    }
}

/// A seed that breaks an invariant, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub seed: u64,
    pub violations: Vec<String>,
}

/// What came of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Total {
    pub broken: Vec<Broken>,
    pub marks: BTreeMap<&'static str, u64>,
}

impl Total {
    pub fn add(&mut self, other: Self) {
        self.broken.extend(other.broken);
        for (mark, count) in other.marks {
            *self.marks.entry(mark).or_insert(0) += count;
        }
    }
}

/// Runs every seed of the range with all rules in force.
#[must_use]
pub fn all(range: Range) -> Total {
    let next = AtomicU64::new(range.from);
    let end = range.from.saturating_add(range.count);
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let mut total = Total::default();
    thread::scope(|scope| {
        let hands: Vec<_> = (0..workers).map(|_| scope.spawn(|| some(&next, end, range))).collect();
        for hand in hands {
            match hand.join() {
                Ok(part) => total.add(part),
                Err(fault) => std::panic::resume_unwind(fault),
            }
        }
    });
    total.broken.sort_by_key(|broken| broken.seed);
    total
}

fn some(next: &AtomicU64, end: u64, range: Range) -> Total {
    let mut total = Total::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return total;
        }
        let report = run(&range.plan(seed));
        let broken = (!report.violations.is_empty()).then_some(Broken { seed, violations: report.violations });
        total.add(Total { broken: broken.into_iter().collect(), marks: report.marks });
    }
}
