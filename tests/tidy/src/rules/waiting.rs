//! Tests wait for conditions, not for time. Only the test kit's own waiting helper may pause, and it ends
//! when the condition holds or the deadline has passed.

use super::{finding, sources};
use crate::Finding;
use crate::tree::Tree;

const RULE: &str = "no sleep in tests";
const SLEEPS: [&str; 3] = ["sleep", "sleep_until", "sleep_ms"];

/// The one place that pauses between two looks.
const HELPER: &str = "tests/support/src/wait.rs";

/// Measuring that nothing happens takes time that passes; a benchmark is no test.
const BENCH: &str = "tests/bench/";

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    sources(tree)
        .filter(|(file, _)| file.path != HELPER && !file.path.starts_with(BENCH))
        .flat_map(|(file, source)| {
            source
                .named
                .into_iter()
                .filter(|named| {
                    named.in_test && named.segments.last().is_some_and(|last| SLEEPS.contains(&last.as_str()))
                })
                .map(move |named| finding(file, named.line, RULE, "wait for what the sleep was to give time to"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::planted(&[(path, text)])).len()
    }

    #[test]
    fn sleeps_in_tests_are_found() {
        assert_eq!(count("tests/e2e/tests/x.rs", "use tokio::time::sleep;"), 1);
        assert_eq!(count("daemon/tests/it/x.rs", "fn f() { std::thread::sleep(d); }"), 1);
        assert_eq!(
            count("daemon/src/x.rs", "#[cfg(test)] mod tests { use tokio::time; fn f() { time::sleep(d); } }"),
            1
        );
        assert_eq!(count("daemon/src/x.rs", "#[tokio::test] async fn f() { select! { _ = time::sleep(d) => {} } }"), 1);
    }

    #[test]
    fn the_program_and_the_helper_may() {
        assert_eq!(count("daemon/src/x.rs", "use tokio::time::sleep;"), 0);
        assert_eq!(count(HELPER, "use tokio::time::sleep;"), 0);
    }
}
