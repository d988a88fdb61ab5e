//! Committed text speaks of the project alone: no path of one machine, and only hosts that a reader or the
//! program has a use for.

use super::{finding, lines};
use crate::Finding;
use crate::tree::{File, Tree};

const RULE: &str = "places";

/// Folders under `/` that belong to somebody's machine; a home is `$HOME` or `~`.
const PRIVATE: [&str; 6] = ["home", "root", "work", "mnt", "Users", "workspace"];

/// A user that examples and tests may have.
const SOMEBODY: &str = "ann";

/// Hosts that may be named, with all below them. Loopback and the reserved example names always may.
const HOSTS: &[&str] = &[
    // The broker and the data vendor: constants of the daemon.
    "tradier.com",
    "orats.io",
    // Where our words come from.
    "crates.io",
    "docs.rs",
    "github.com",
    "rustup.rs",
    "postgresql.org",
    "keepachangelog.com",
    "semver.org",
    "spdx.org",
    "json-schema.org",
    "w3.org",
    "rfc-editor.org",
];

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    tree.files
        .iter()
        .filter(|file| file.path != "Cargo.lock")
        .flat_map(|file| lines(&file.text).filter_map(move |(number, line)| fault(file, number, line)))
        .collect()
}

fn fault(file: &File, number: usize, line: &str) -> Option<Finding> {
    let private = PRIVATE.iter().find(|name| has_path(line, name));
    if let Some(name) = private {
        return Some(finding(
            file,
            number,
            RULE,
            format!("/{name} is a path of one machine; use a variable or a relative path"),
        ));
    }
    let host = line.split("://").skip(1).map(host).find(|host| !is_known(host))?;
    Some(finding(
        file,
        number,
        RULE,
        format!("{host}: a host that no reader needs; drop it, or list it in tests/tidy with a reason"),
    ))
}

/// `/name/` where a path begins there.
fn has_path(line: &str, name: &str) -> bool {
    let path = format!("/{name}/");
    line.match_indices(&path).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let is_somebody = line.get(at + path.len()..).is_some_and(|rest| rest.starts_with(SOMEBODY));
        !is_somebody
            && before.is_none_or(|c| {
                !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '/' | '~' | ')' | '$'))
            })
    })
}

fn host(rest: &str) -> &str {
    let authority =
        rest.split(|c: char| c.is_whitespace() || "/\"'`)>,;?#|\\]}".contains(c)).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.split(':').next().unwrap_or_default()
}

/// Templates (`{host}`), variables and bare words (`h`, `localhost`, `daemon`) reach nothing outside.
fn is_known(host: &str) -> bool {
    let below = |known: &str| host == known || host.ends_with(&format!(".{known}"));
    !host.contains('.')
        || host.starts_with("127.")
        || host.starts_with(['{', '$', '<', '%', '['])
        || host == "0.0.0.0"
        || ["example.com", "example.org", "example.net", "example", "invalid", "test", "localhost"]
            .into_iter()
            .any(below)
        || HOSTS.iter().any(|known| below(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(line: &str) -> usize {
        check(&Tree::planted(&[("docs/x.md", line)])).len()
    }

    #[test]
    fn places_of_one_machine_are_found() {
        for name in PRIVATE {
            assert_eq!(count(&format!("see /{name}/me/blotter")), 1, "{name}");
            assert_eq!(count(&format!("PATH=/{name}/x")), 1, "{name}");
        }
        let scheme = ["https:", "//"].concat();
        assert_eq!(count(&format!("see {scheme}registry.internal.corp/crates")), 1);
        assert_eq!(count(&format!("{scheme}me:pw@10.1.2.3:5432/db")), 1);
    }

    #[test]
    fn places_of_everyone_are_not() {
        let line = "tests/work/x, $HOME/work/x, https://api.tradier.com/v1 http://127.0.0.1:{port}/ http://[::1]/ postgres://u@db.example/x";
        assert_eq!(count(line), 0);
        assert_eq!(count("format!(\"http://{address}/v1\") http://localhost/v1/health unix:// x://"), 0);
    }
}
