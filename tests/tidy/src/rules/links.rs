//! Documents point at what is there: relative links and their anchors resolve, and a path in backticks
//! that looks like one of ours exists.

use std::collections::BTreeMap;

use super::{finding, lines};
use crate::Finding;
use crate::tree::{File, Tree};

const RULE: &str = "links";

/// Paths in backticks are checked when they begin in one of these folders.
const FOLDERS: [&str; 11] = [
    "shared/",
    "daemon/",
    "tui/",
    "sim/",
    "migrations/",
    "assets/",
    "packaging/",
    "tests/",
    "docs/",
    "scripts/",
    ".ci/",
];

/// Pictures that a command draws, and which therefore need not be there before it has run once.
const DRAWN: &[&str] = &[];

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    tree.ending(&[".md"])
        .flat_map(|file| {
            prose(&file.text).into_iter().flat_map(move |(number, line)| {
                let links = targets(line).into_iter().filter_map(move |target| broken(tree, file, target));
                let paths = backticked(line).into_iter().filter_map(move |path| absent(tree, path));
                links.chain(paths).map(move |advice| finding(file, number, RULE, advice)).collect::<Vec<_>>()
            })
        })
        .collect()
}

/// Lines outside of fenced code.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    lines(text)
        .filter(|(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            fenced ^= is_fence;
            !fenced && !is_fence
        })
        .collect()
}

/// What stands in `](…)`.
fn targets(line: &str) -> Vec<&str> {
    line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()).collect()
}

fn broken(tree: &Tree, file: &File, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let path = if path.is_empty() { file.path.clone() } else { resolved(&file.path, path) };
    if !tree.has(&path) && !DRAWN.contains(&path.as_str()) {
        return Some(format!("{target} leads nowhere"));
    }
    let anchor = anchor?;
    let headings = tree.get(&path).map(|file| anchors(&file.text)).unwrap_or_default();
    (!headings.contains(&anchor.to_owned())).then(|| format!("{target}: there is no such heading"))
}

/// `docs/x.md` + `../y.md` = `y.md`.
fn resolved(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The anchors of a document's headings, as they are made for a reader's browser.
fn anchors(text: &str) -> Vec<String> {
    let mut seen = BTreeMap::<String, usize>::new();
    prose(text)
        .into_iter()
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| line.trim_start_matches('#').trim())
        .map(|heading| {
            let kept = heading.to_lowercase();
            let slug: String = kept
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect();
            let count = seen.entry(slug.clone()).or_default();
            *count += 1;
            if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
        })
        .collect()
}

fn backticked(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// A path of ours that is not there; anything with a placeholder or a space in it is no path.
fn absent(tree: &Tree, path: &str) -> Option<String> {
    let is_ours = FOLDERS.iter().any(|folder| path.starts_with(folder));
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'));
    (is_ours && is_plain && !tree.has(path) && !DRAWN.contains(&path)).then(|| format!("`{path}` is not there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(text: &str) -> Vec<String> {
        let tree = Tree::planted(&[
            ("docs/A.md", text),
            ("docs/B.md", "# The title\n\n## What's `x_y` for?\n\n```\n# no heading\n```\n"),
            ("README.md", "# Top\n"),
            ("daemon/src/db/pool.rs", "//! x"),
        ]);
        check(&tree).into_iter().map(|finding| finding.advice).collect()
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(advice("[x](C.md) and [y](../nowhere.md)").len(), 2);
        assert_eq!(advice("[x](B.md#nothing)"), ["B.md#nothing: there is no such heading"]);
        assert_eq!(advice("[x](B.md#no-heading)").len(), 1, "a comment in fenced code is no heading");
        assert_eq!(advice("`daemon/src/db/gone.rs`"), ["`daemon/src/db/gone.rs` is not there"]);
    }

    #[test]
    fn good_links_are_left_alone() {
        let text = "# Here\n[x](B.md#whats-x_y-for) [y](../README.md) [z](#here) [w](https://example.com/)\n\
                    `daemon/src/db` `daemon/src/{a,b}` `daemon run`\n```\n[x](C.md)\n```\n";
        assert_eq!(advice(text), [""; 0]);
    }
}
