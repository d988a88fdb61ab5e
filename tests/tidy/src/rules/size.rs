//! Small pieces: a file has at most 600 lines without its tests, a function at most 70.

use super::{finding, sources};
use crate::Finding;
use crate::tree::Tree;

const RULE: &str = "size";
const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;

/// What may be longer, each with its reason: `(path or path::function, why)`.
const EXCEPTIONS: &[(&str, &str)] = &[(
    "daemon/src/trades/state.rs::place_move",
    "one table of every pair of states; split, it could not be seen to be total",
)];

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in sources(tree) {
        let lines = file.text.lines().count().saturating_sub(source.test_lines);
        if lines > FILE_LINES && !is_exception(&file.path) {
            findings.push(finding(
                file,
                FILE_LINES,
                RULE,
                format!("{lines} lines; split out a leaf ({FILE_LINES} at most)"),
            ));
        }
        for function in source.functions.iter().filter(|function| function.lines > FUNCTION_LINES) {
            if !is_exception(&format!("{}::{}", file.path, function.name)) {
                let (name, lines) = (&function.name, function.lines);
                let advice = format!("{name} has {lines} lines; split out pure leaves ({FUNCTION_LINES} at most)");
                findings.push(finding(file, function.line, RULE, advice));
            }
        }
    }
    findings
}

fn is_exception(what: &str) -> bool {
    EXCEPTIONS.iter().any(|(exception, _)| *exception == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_and_functions_are_found() {
        let file = "fn f() {}\n".repeat(601);
        assert_eq!(check(&Tree::planted(&[("a/src/x.rs", &file)])).len(), 1);
        let function = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(70));
        let findings = check(&Tree::planted(&[("a/src/x.rs", &function)]));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].advice.starts_with("f has 72 lines"), "{}", findings[0]);
    }

    #[test]
    fn tests_do_not_count_against_a_file() {
        let file = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "    fn g() {}\n".repeat(700));
        assert_eq!(check(&Tree::planted(&[("a/src/x.rs", &file)])), []);
    }
}
