//! The house rules that a program can check.
//!
//! A rule is a function from the `Tree` (every text file of the repository, in memory) to findings; a
//! finding names file, line, rule and what to do. `tests/main.rs` runs each rule over the real tree; each
//! rule's own tests plant a violation in a tree of a few lines and see it caught, so that no rule can go
//! blind unnoticed.
//!
//! Rust is read with `syn`, not searched as text: a word in a comment or a string is no violation.
//! Nothing here asks git or the network, so the rules hold in a source archive as well.

pub mod rules;
pub mod source;
pub mod tree;

use std::fmt;

/// A broken rule: where, which, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub rule: &'static str,
    pub advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}
