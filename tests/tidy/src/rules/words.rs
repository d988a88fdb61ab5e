//! Left-overs: a note to do something later, a macro that stands for it, a test that is switched off.

use super::{finding, lines, sources};
use crate::Finding;
use crate::tree::Tree;

const RULE: &str = "left-overs";
const TEXTS: [&str; 8] = [".rs", ".sql", ".sh", ".md", ".toml", ".example", ".yml", "Makefile"];
const MACROS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree
        .files
        .iter()
        .filter(|file| TEXTS.iter().any(|e| file.path.ends_with(e)) || file.path.starts_with("scripts/"))
    {
        for (number, line) in lines(&file.text) {
            if let Some(word) = notes().iter().find(|word| has_word(line, word)) {
                findings.push(finding(
                    file,
                    number,
                    RULE,
                    format!("{word}: do it now, or open an issue and say so there"),
                ));
            }
        }
    }
    for (file, source) in sources(tree) {
        for named in &source.named {
            if let Some(name) = named.segments.first().filter(|name| MACROS.contains(&name.as_str())) {
                findings.push(finding(file, named.line, RULE, format!("{name} is no behaviour; write it")));
            }
        }
        for attribute in source.attributes.iter().filter(|attribute| attribute.name == "ignore") {
            findings.push(finding(
                file,
                attribute.line,
                RULE,
                "a test that does not run proves nothing; fix or delete it",
            ));
        }
    }
    findings
}

/// Written apart, so that this file does not find itself.
fn notes() -> [String; 3] {
    [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["X", "XX"].concat()]
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::planted(&[(path, text)])).len()
    }

    #[test]
    fn left_overs_are_found() {
        for word in notes() {
            assert_eq!(count("a/src/x.rs", &format!("// {word}: later")), 1);
            assert_eq!(count("docs/x.md", &format!("({word})")), 1);
            assert_eq!(count("scripts/x", &format!("# {word}")), 1);
        }
        assert_eq!(count("a/src/x.rs", "fn f() { todo!() }"), 1);
        assert_eq!(count("a/src/x.rs", "fn f() { g(unimplemented!()) }"), 1);
        assert_eq!(count("a/src/x.rs", "#[test]\n#[ignore]\nfn f() {}"), 1);
        assert_eq!(count("a/src/x.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}"), 1);
    }

    #[test]
    fn the_words_inside_others_are_not() {
        assert_eq!(count("a/src/x.rs", "// a todo list in small letters\nfn mastodon() {}"), 0);
    }
}
