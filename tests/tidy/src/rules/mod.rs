//! One file per family of rules, in the order in which a newcomer meets them.

pub mod attributes;
pub mod commands;
pub mod config;
pub mod layers;
pub mod links;
pub mod manifests;
pub mod migrations;
pub mod places;
pub mod pure;
pub mod scripts;
pub mod size;
pub mod story;
pub mod supply;
pub mod units;
pub mod waiting;
pub mod words;

use crate::Finding;
use crate::source::{self, Source};
use crate::tree::{File, Tree};

/// Every Rust file with what it holds. A file that does not parse is left to the compiler, which says more.
fn sources(tree: &Tree) -> impl Iterator<Item = (&File, Source)> {
    tree.rust().filter_map(|file| source::read(file).ok().map(|source| (file, source)))
}

/// The lines of a text with their numbers, from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

fn finding(file: &File, line: usize, rule: &'static str, advice: impl Into<String>) -> Finding {
    Finding { path: file.path.clone(), line, rule, advice: advice.into() }
}
