//! The example of the configuration shows every key with its default, commented out: copied as it is, it
//! changes nothing, and uncommented it is valid. That it is complete is the daemon's own test.

use toml::{Table, Value};

use super::finding;
use crate::Finding;
use crate::tree::{File, Tree};

const RULE: &str = "config example";
const EXAMPLE: &str = "config.toml.example";

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.get(EXAMPLE) else {
        let nowhere = File { path: EXAMPLE.to_owned(), text: String::new() };
        return vec![finding(
            &nowhere,
            1,
            RULE,
            "is missing: every key, default commented out, why you would change it",
        )];
    };
    let mut findings = Vec::new();
    match file.text.parse::<Table>() {
        Err(error) => findings.push(finding(file, 1, RULE, format!("does not parse: {}", error.message()))),
        Ok(table) => {
            let set = table.values().any(|value| !value.as_table().is_some_and(Table::is_empty));
            if set {
                findings.push(finding(file, 1, RULE, "sets a key; every key is commented out"));
            }
        }
    }
    match uncommented(&file.text).parse::<Table>() {
        Err(error) => {
            findings.push(finding(file, 1, RULE, format!("does not parse when uncommented: {}", error.message())));
        }
        Ok(table) if !table.values().any(has_keys) => {
            findings.push(finding(file, 1, RULE, "shows no key at all"));
        }
        Ok(_) => {}
    }
    findings
}

fn has_keys(value: &Value) -> bool {
    value.as_table().is_none_or(|table| !table.is_empty())
}

/// `# key = value` and `#key = value` without the mark; prose stays a comment.
fn uncommented(text: &str) -> String {
    let bare = |line: &str| {
        let inner = line.strip_prefix('#')?.trim_start();
        let (key, _) = inner.split_once('=')?;
        let key = key.trim();
        (!key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '"')))
            .then(|| inner.to_owned())
    };
    text.lines().map(|line| bare(line).unwrap_or_else(|| line.to_owned())).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        check(&Tree::planted(&[(EXAMPLE, text)])).len()
    }

    #[test]
    fn an_example_that_lies_is_found() {
        assert_eq!(count("# The socket.\n[daemon]\n# socket = \"/run/x\"\n"), 0);
        assert_eq!(count("[daemon]\nsocket = \"/run/x\"\n"), 1, "a key that is set");
        assert_eq!(count("[daemon]\n# socket = /run/x\n"), 1, "a value that does not parse");
        assert_eq!(count("[daemon\n"), 2, "a section that does not parse");
        assert_eq!(count("# only prose\n"), 1, "no key");
        assert_eq!(check(&Tree::default()).len(), 1, "no file");
    }
}
