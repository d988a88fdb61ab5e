//! What comes into the build: licences, banned crates and sources, by the lists of `deny.toml`, so that
//! they hold where cargo-deny is not installed. Reads the lock file and what `cargo tree` says of the crates
//! that are built here; asks no network.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::{finding, lines};
use crate::Finding;
use crate::tree::{File, Tree};

const RULE: &str = "dependencies";
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The lists of `deny.toml` that are read here.
#[derive(Debug)]
pub struct Policy {
    licences: Vec<String>,
    banned: Vec<(String, String)>,
}

impl Policy {
    pub fn read(tree: &Tree) -> Result<Self> {
        let table: Table = tree.get("deny.toml").context("there is no deny.toml")?.text.parse()?;
        let list = |section: &str, key: &str| {
            table
                .get(section)
                .and_then(|s| s.get(key))
                .and_then(Value::as_array)
                .with_context(|| format!("{section}.{key}"))
        };
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Self {
            licences: list("licenses", "allow")?.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            banned: list("bans", "deny")?.iter().map(|entry| (text(entry, "crate"), text(entry, "reason"))).collect(),
        })
    }
}

/// Banned names and foreign sources in the lock file.
#[must_use]
pub fn lock(tree: &Tree, policy: &Policy) -> Vec<Finding> {
    let Some(file) = tree.get("Cargo.lock") else { return Vec::new() };
    lines(&file.text).filter_map(|(number, line)| Some(finding(file, number, RULE, locked(line, policy)?))).collect()
}

fn locked(line: &str, policy: &Policy) -> Option<String> {
    if let Some(name) = quoted(line, "name = ") {
        let (_, reason) = policy.banned.iter().find(|(banned, _)| banned == name)?;
        return Some(format!("{name} is banned: {reason}"));
    }
    let source = quoted(line, "source = ")?;
    (source != REGISTRY).then(|| format!("{source}: only published crates come into the build"))
}

fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.strip_prefix('"')?.strip_suffix('"')
}

/// How `cargo tree` is to print a crate for `licences`.
pub const FORMAT: &str = "{p}|{l}";

/// Licences of every crate that is built, one a line in the format above.
#[must_use]
pub fn licences(crates: &str, policy: &Policy) -> Vec<Finding> {
    let at = File { path: "Cargo.lock".to_owned(), text: String::new() };
    let built: BTreeSet<_> = crates.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    built
        .into_iter()
        .filter_map(|line| line.split_once('|'))
        .filter(|(_, licence)| !is_allowed(licence, policy))
        .map(|(name, licence)| match licence {
            "" => finding(&at, 1, RULE, format!("{name} names no licence")),
            _ => finding(&at, 1, RULE, format!("{name} is {licence}, which deny.toml does not allow")),
        })
        .collect()
}

/// Understands what SPDX expressions in practice use: AND, OR, WITH, brackets and the old slash for OR.
fn is_allowed(expression: &str, policy: &Policy) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest, policy) && rest.is_empty()
}

fn any_of(words: &mut &[&str], policy: &Policy) -> bool {
    let mut allowed = all_of(words, policy);
    while let Some(("OR", tail)) = words.split_first().map(|(first, tail)| (*first, tail)) {
        *words = tail;
        allowed |= all_of(words, policy);
    }
    allowed
}

fn all_of(words: &mut &[&str], policy: &Policy) -> bool {
    let mut allowed = one(words, policy);
    while let Some(("AND", tail)) = words.split_first().map(|(first, tail)| (*first, tail)) {
        *words = tail;
        allowed &= one(words, policy);
    }
    allowed
}

fn one(words: &mut &[&str], policy: &Policy) -> bool {
    match **words {
        ["(", ref tail @ ..] => {
            *words = tail;
            let allowed = any_of(words, policy);
            *words = words.split_first().map_or(*words, |(_, tail)| tail);
            allowed
        }
        [licence, "WITH", exception, ref tail @ ..] => {
            *words = tail;
            policy.licences.contains(&format!("{licence} WITH {exception}"))
        }
        [licence, ref tail @ ..] => {
            *words = tail;
            policy.licences.iter().any(|allowed| allowed == licence)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let banned = vec![("openssl-sys".to_owned(), "rustls is here".to_owned())];
        let licences = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).to_vec();
        Policy { licences, banned }
    }

    #[test]
    fn the_lock_file_is_searched() {
        let text = "[[package]]\nname = \"openssl-sys\"\nsource = \"git+https://example.com/x\"\n\n[[package]]\nname = \"serde\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        let found: Vec<_> = lock(&Tree::planted(&[("Cargo.lock", text)]), &policy()).iter().map(|f| f.line).collect();
        assert_eq!(found, [2, 3]);
    }

    #[test]
    fn licence_expressions_are_understood() {
        let allowed =
            ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "(MIT OR GPL-3.0) AND ISC", "Apache-2.0 WITH LLVM-exception"];
        let refused = ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "(MIT AND GPL-3.0) OR GPL-2.0", "", "MIT GPL-3.0"];
        for expression in allowed {
            assert!(is_allowed(expression, &policy()), "{expression}");
        }
        for expression in refused {
            assert!(!is_allowed(expression, &policy()), "{expression}");
        }
    }

    #[test]
    fn crates_are_judged_by_their_licence() {
        let crates = "good v1|MIT\nbad v1|GPL-3.0\nmute v1|\nbad v1|GPL-3.0 (*)\n";
        let found: Vec<_> = licences(crates, &policy()).into_iter().map(|finding| finding.advice).collect();
        assert_eq!(found, ["bad v1 is GPL-3.0, which deny.toml does not allow", "mute v1 names no licence"]);
    }
}
