//! Shell scripts stop at the first failure, say what they are for, and parse.

use std::process::Command;

use super::finding;
use crate::Finding;
use crate::tree::{File, Tree};

const RULE: &str = "scripts";

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    shell(tree).filter_map(|file| Some(finding(file, 1, RULE, fault(&file.text)?))).collect()
}

/// Files that a shell runs.
fn shell(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| {
        let first = file.text.lines().next().unwrap_or_default();
        (first.starts_with("#!") && first.ends_with("sh")) || file.path.ends_with(".sh") || file.path == ".ci/run"
    })
}

fn fault(text: &str) -> Option<&'static str> {
    let mut lines = text.lines();
    if lines.next() != Some("#!/usr/bin/env bash") {
        return Some("begin with #!/usr/bin/env bash");
    }
    if !lines.next().is_some_and(|line| line.starts_with("# ")) {
        return Some("say in the second line what the script is for");
    }
    let first_command = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    (first_command != Some("set -euo pipefail")).then_some("let `set -euo pipefail` be the first command")
}

/// What bash itself says of each script's syntax.
#[must_use]
pub fn syntax(tree: &Tree, root: &std::path::Path) -> Vec<Finding> {
    shell(tree)
        .filter_map(|file| {
            let said = Command::new("bash").arg("-n").arg(root.join(&file.path)).output();
            match said {
                Ok(output) if output.status.success() => None,
                Ok(output) => Some(finding(file, 1, RULE, String::from_utf8_lossy(&output.stderr).into_owned())),
                Err(error) => Some(finding(file, 1, RULE, format!("bash does not run: {error}"))),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        check(&Tree::planted(&[("scripts/x", text)])).len()
    }

    #[test]
    fn careless_scripts_are_found() {
        assert_eq!(count("#!/usr/bin/env bash\n# What for.\n\nset -euo pipefail\necho\n"), 0);
        assert_eq!(count("#!/bin/sh\n# What for.\nset -eu\n"), 1);
        assert_eq!(count("#!/usr/bin/env bash\nset -euo pipefail\n"), 1);
        assert_eq!(count("#!/usr/bin/env bash\n# What for.\necho\nset -euo pipefail\n"), 1);
    }
}
