//! Planning decides and returns data: no `async`, no clock, no IO. What is decided there can be replayed,
//! and is tested without a world around it.

use super::{finding, sources};
use crate::Finding;
use crate::source::Named;
use crate::tree::Tree;

const RULE: &str = "planning is pure";

/// The planning modules, each a file or a folder.
const PURE: &[&str] = &[
    "daemon/src/trades/facts",
    "daemon/src/trades/state",
    "daemon/src/trades/plan",
    "daemon/src/trades/risk",
    "daemon/src/trades/pricing",
    "daemon/src/calendar",
    "daemon/src/analytics",
    // The client decides the same way: messages in, effects out, and drawing changes nothing.
    "tui/src/charts",
    "tui/src/figures",
    "tui/src/format",
    "tui/src/model",
    "tui/src/msg",
    "tui/src/overlays",
    "tui/src/panes",
    "tui/src/update",
    "tui/src/view",
    "tui/src/widgets",
];

/// Files among them that are not planning: `(path, why)`.
const BESIDE: &[(&str, &str)] =
    &[("daemon/src/calendar/market.rs", "hands the clock's time to the pure calendar beside it; plans nothing")];

/// What reaches out of the module: the first segments of a path, and what to do instead.
const IMPURE: &[(&[&str], &str)] = &[
    (&["tokio"], "the driver acts; return what is to be done"),
    (&["futures_util"], "the driver acts; return what is to be done"),
    (&["std", "fs"], "read before, pass the text in"),
    (&["std", "net"], "the driver acts; return what is to be done"),
    (&["std", "process"], "the driver acts; return what is to be done"),
    (&["std", "env"], "the environment is read once, by config"),
    (&["std", "thread"], "the driver acts; return what is to be done"),
    (&["std", "time", "SystemTime"], "take the time as a parameter"),
    (&["std", "time", "Instant"], "take the time as a parameter"),
    (&["crate", "clock", "Clock"], "take the time as a parameter"),
    (&["crate", "db"], "take the rows as parameters"),
    (&["crate", "broker"], "take the broker's answer as a parameter"),
    (&["Utc", "now"], "take the time as a parameter"),
    (&["chrono", "Utc", "now"], "take the time as a parameter"),
];

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in sources(tree).filter(|(file, _)| is_pure(&file.path)) {
        for named in source.named.iter().filter(|named| !named.in_test) {
            if let Some(advice) = impure(named) {
                findings.push(finding(file, named.line, RULE, advice));
            }
        }
        for function in source.functions.iter().filter(|function| function.is_async && !function.in_test) {
            findings.push(finding(
                file,
                function.line,
                RULE,
                format!("{} is async; planning never waits", function.name),
            ));
        }
        for line in source.awaits {
            findings.push(finding(file, line, RULE, "planning never waits; the driver does"));
        }
    }
    findings
}

fn is_pure(path: &str) -> bool {
    let is_beside = BESIDE.iter().any(|(other, _)| *other == path);
    !is_beside && PURE.iter().any(|module| path.strip_prefix(module).is_some_and(|rest| rest.starts_with(['/', '.'])))
}

fn impure(named: &Named) -> Option<String> {
    let (path, advice) = IMPURE.iter().find(|(path, _)| {
        named.segments.len() >= path.len() && path.iter().zip(&named.segments).all(|(a, b)| a == b)
    })?;
    Some(format!("names {}; {advice}", path.join("::")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::planted(&[(path, text)])).len()
    }

    #[test]
    fn planning_neither_waits_nor_asks_the_world() {
        assert_eq!(count("daemon/src/trades/plan.rs", "async fn f() {}"), 1);
        assert_eq!(count("daemon/src/trades/plan/close.rs", "fn f() { g().await; }"), 1);
        assert_eq!(count("daemon/src/calendar/mod.rs", "use crate::clock::Clock;"), 1);
        assert_eq!(count("daemon/src/calendar/mod.rs", "fn f() { Utc::now(); }"), 1);
        assert_eq!(count("daemon/src/analytics/r.rs", "use std::fs;"), 1);
        assert_eq!(count("tui/src/update/close.rs", "use crate::clock::Clock;"), 1);
        assert_eq!(count("tui/src/update/close.rs", "use crate::clock::Now;"), 0, "a moment is a value");
        assert_eq!(count("tui/src/charts/rail.rs", "fn f() { std::time::Instant::now(); }"), 1);
    }

    #[test]
    fn drivers_and_tests_may() {
        assert_eq!(count("daemon/src/trades/driver.rs", "async fn f() { g().await; }"), 0);
        assert_eq!(count("daemon/src/trades/planner.rs", "use std::fs;"), 0);
        assert_eq!(count("daemon/src/trades/plan.rs", "#[cfg(test)] mod tests { use std::fs; }"), 0);
    }
}
