//! A `make` target or a script that a document names is there, and every target calls something that is.

use super::{finding, lines};
use crate::Finding;
use crate::tree::Tree;

const RULE: &str = "commands";

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let makefile = tree.get("Makefile").map_or("", |file| &file.text);
    let targets: Vec<_> = makefile.lines().filter_map(|line| line.split_once(':')).map(|(target, _)| target).collect();

    let mut findings = Vec::new();
    for file in tree.ending(&[".md", ".ci/run", ".rs"]) {
        for (number, line) in lines(&file.text) {
            for target in make_targets(line).into_iter().filter(|target| !targets.contains(target)) {
                findings.push(finding(file, number, RULE, format!("there is no `make {target}`")));
            }
        }
    }
    if let Some(file) = tree.get("Makefile") {
        for (number, line) in lines(&file.text).filter(|(_, line)| line.starts_with('\t')) {
            for script in line
                .split_whitespace()
                .map(|word| word.trim_start_matches('@'))
                .filter(|word| word.starts_with("scripts/"))
            {
                if tree.get(script).is_none() {
                    findings.push(finding(file, number, RULE, format!("{script} is not there")));
                }
            }
        }
    }
    findings
}

/// What stands behind `make ` in backticks, in a command line, or after `exec … make`.
fn make_targets(line: &str) -> Vec<&str> {
    let is_command = line.trim_start().trim_start_matches("$ ").starts_with("make ");
    let mut found = Vec::new();
    if let Some(rest) = line.trim_start().trim_start_matches("$ ").strip_prefix("make ").filter(|_| is_command) {
        found.extend(first_word(rest));
    }
    found.extend(line.split("`make ").skip(1).filter_map(first_word));
    found
}

fn first_word(text: &str) -> Option<&str> {
    let word = text.split(|c: char| !c.is_ascii_lowercase() && c != '-').next()?;
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        let makefile = "test: ## Test\n\t@scripts/test\n";
        check(&Tree::planted(&[("Makefile", makefile), ("scripts/test", ""), ("README.md", text)])).len()
    }

    #[test]
    fn commands_that_are_not_there_are_found() {
        assert_eq!(count("Run `make demo`."), 1);
        assert_eq!(count("```sh\nmake demo   # opens it\n```"), 1);
        assert_eq!(count("Run `make test` to make sure, and `make test FLAG=1`."), 0);
        let tree = Tree::planted(&[("Makefile", "test: ## Test\n\t@scripts/test\n")]);
        assert_eq!(check(&tree).len(), 1, "the script behind a target is not there");
    }
}
