//! From a failing seed to the few faults that make it fail (ddmin). Every fault of a run is named
//! by its class and number; a run may be repeated with some of them only.

use std::collections::BTreeSet;

use crate::faults::Fired;
use crate::seed::{Plan, Report, run};

/// Runs at most so many times.
const BUDGET: u32 = 400;

/// The smallest set of faults found that still breaks an invariant of the same number.
#[must_use]
pub fn shrink(plan: &Plan) -> (Vec<Fired>, Report) {
    let first = run(plan);
    let Some(kind) = kind(&first) else { return (Vec::new(), first) };
    let mut best: Vec<Fired> = first.fired.clone();
    let mut report = first;
    let mut parts = 2;
    let mut spent = 0;
    while best.len() > 1 && spent < BUDGET {
        let size = best.len().div_ceil(parts).max(1);
        let mut smaller = None;
        for part in 0..best.len().div_ceil(size) {
            let keep = best.iter().enumerate().filter(|(at, _)| at / size != part).map(|(_, fired)| *fired);
            let candidate: BTreeSet<Fired> = keep.collect();
            spent += 1;
            let answer = run(&Plan { only: Some(candidate), ..plan.clone() });
            if self::kind(&answer) == Some(kind.clone()) {
                smaller = Some(answer);
                break;
            }
        }
        match smaller {
            Some(answer) => {
                best.clone_from(&answer.fired);
                report = answer;
                parts = parts.saturating_sub(1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(best.len()),
        }
    }
    (best, report)
}

/// Which invariant broke: `I3`, `L2`.
#[must_use]
pub fn kind(report: &Report) -> Option<String> {
    report.violations.first().map(|first| first.split(' ').next().unwrap_or_default().to_owned())
}
