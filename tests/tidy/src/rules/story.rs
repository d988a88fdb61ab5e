//! Every module opens with its story, and so does every statement and every migration. A `tests.rs` tells
//! its module's.

use super::{finding, sources};
use crate::Finding;
use crate::tree::Tree;

const RULE: &str = "story";

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let modules = sources(tree)
        .filter(|(file, source)| !source.has_story && !file.path.ends_with("/tests.rs"))
        .map(|(file, _)| finding(file, 1, RULE, "open with `//!`: purpose, invariants, what is deliberately absent"));
    let statements = tree
        .ending(&[".sql"])
        .filter(|file| !file.text.trim_start().starts_with("--"))
        .map(|file| finding(file, 1, RULE, "open with `--`: what this statement or migration is for"));
    modules.chain(statements).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_a_story_are_found() {
        let tree = Tree::planted(&[
            ("a/src/bad.rs", "use a::b;\n"),
            ("a/src/bad_too.rs", "/// About f.\nfn f() {}\n"),
            ("a/src/good.rs", "//! A story.\n"),
            ("a/src/good/tests.rs", "use super::*;\n"),
            ("a/bad.sql", "select 1"),
            ("a/good.sql", "-- One.\nselect 1"),
        ]);
        let paths: Vec<_> = check(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["a/src/bad.rs", "a/src/bad_too.rs", "a/bad.sql"]);
    }
}
