//! The house rules over the real tree, one test a rule.

use std::process::Command;

use blotter_tidy::Finding;
use blotter_tidy::rules::{
    attributes, commands, config, layers, links, manifests, migrations, places, pure, scripts, size, story, supply,
    units, waiting, words,
};
use blotter_tidy::tree::{self, Tree};

#[expect(clippy::unwrap_used, reason = "a test's helper: no tree, no test")]
fn tree() -> Tree {
    Tree::of_this_repository().unwrap()
}

#[track_caller]
fn nothing_found(findings: &[Finding]) {
    let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{} broken rules:\n{}\n", told.len(), told.join("\n"));
}

macro_rules! rules {
    ($($rule:ident)*) => {$(
        #[test]
        fn $rule() {
            nothing_found(&$rule::check(&tree()));
        }
    )*};
}

rules! { layers pure size words attributes waiting story manifests migrations config links commands scripts places units }

#[test]
fn scripts_parse() {
    nothing_found(&scripts::syntax(&tree(), &tree::root()));
}

#[test]
fn lock_file_holds_nothing_banned() {
    let tree = tree();
    nothing_found(&supply::lock(&tree, &supply::Policy::read(&tree).unwrap()));
}

#[test]
fn licences_are_allowed() {
    let tree = tree();
    let said = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--workspace", "--prefix=none", "--format", supply::FORMAT])
        .current_dir(tree::root())
        .output()
        .unwrap();
    assert!(said.status.success(), "cargo tree: {}", String::from_utf8_lossy(&said.stderr));
    let crates = String::from_utf8(said.stdout).unwrap();
    assert!(crates.lines().count() > 100, "cargo tree printed too little:\n{crates}");
    nothing_found(&supply::licences(&crates, &supply::Policy::read(&tree).unwrap()));
}

/// The walk finds the tree at all: otherwise every rule would hold for nothing.
#[test]
fn the_tree_is_read() {
    let tree = tree();
    for path in ["Cargo.toml", "daemon/src/lib.rs", "tests/tidy/tests/main.rs", ".ci/run"] {
        assert!(tree.get(path).is_some_and(|file| !file.text.is_empty()), "{path} was not read");
    }
}
