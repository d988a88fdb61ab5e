//! A lint is silenced with `expect` and a reason, so that the silence ends when its cause does.

use super::{finding, sources};
use crate::Finding;
use crate::source::Attribute;
use crate::tree::Tree;

const RULE: &str = "suppressions";

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    sources(tree)
        .flat_map(|(file, source)| {
            source
                .attributes
                .into_iter()
                .filter_map(move |attribute| Some(finding(file, attribute.line, RULE, fault(&attribute)?)))
        })
        .collect()
}

fn fault(attribute: &Attribute) -> Option<&'static str> {
    let silences = |level: &str| {
        attribute.name == level
            || (attribute.name == "cfg_attr" && attribute.tokens.contains(&format!("{level} (")))
            || (attribute.name == "cfg_attr" && attribute.tokens.contains(&format!("{level}(")))
    };
    if silences("allow") {
        return Some("write #[expect(lint, reason = \"…\")], which ends when its cause does");
    }
    let has_reason = attribute.tokens.contains("reason = \"") && !attribute.tokens.contains("reason = \"\"");
    (silences("expect") && !has_reason).then_some("say why: #[expect(lint, reason = \"…\")]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        check(&Tree::planted(&[("a/src/x.rs", text)])).len()
    }

    #[test]
    fn silence_needs_a_reason() {
        assert_eq!(count("#[allow(dead_code)] fn f() {}"), 1);
        assert_eq!(count("#![allow(dead_code)]"), 1);
        assert_eq!(count("#[cfg_attr(test, allow(dead_code))] fn f() {}"), 1);
        assert_eq!(count("fn f() { #[allow(clippy::panic)] g(); }"), 1);
        assert_eq!(count("#[expect(dead_code)] fn f() {}"), 1);
        assert_eq!(count("#[expect(dead_code, reason = \"\")] fn f() {}"), 1);
        assert_eq!(count("#[expect(dead_code, reason = \"the other half reads it\")] fn f() {}"), 0);
    }
}
