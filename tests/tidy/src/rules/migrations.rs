//! Migrations are append-only: a landed file never changes, because databases out there have run it.
//! `migrations/checksums` holds one line a file, as `sha256sum` prints it.

use ring::digest::{SHA256, digest};

use super::{finding, lines};
use crate::Finding;
use crate::tree::Tree;

const RULE: &str = "migrations";
const LIST: &str = "migrations/checksums";

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let list = tree.get(LIST).map_or("", |file| &file.text);
    let landed = |path: &str| lines(list).find_map(|(_, line)| line.strip_suffix(path)?.strip_suffix("  "));

    let mut findings = Vec::new();
    for file in tree.ending(&[".sql"]).filter(|file| file.path.starts_with("migrations/")) {
        let name = file.path.trim_start_matches("migrations/");
        let sum = sha256(&file.text);
        match landed(name) {
            Some(expected) if expected == sum => {}
            Some(_) => findings.push(finding(
                file,
                1,
                RULE,
                "a landed migration never changes; write a new one that corrects it",
            )),
            None => findings.push(finding(file, 1, RULE, format!("new: add the line `{sum}  {name}` to {LIST}"))),
        }
    }
    findings.extend(lost(tree));
    findings
}

/// Lines of the list whose file is gone.
fn lost(tree: &Tree) -> Vec<Finding> {
    let Some(list) = tree.get(LIST) else { return Vec::new() };
    lines(&list.text)
        .filter_map(|(number, line)| Some((number, line.split_once("  ")?.1)))
        .filter(|(_, name)| tree.get(&format!("migrations/{name}")).is_none())
        .map(|(number, name)| finding(list, number, RULE, format!("{name} is gone; a landed migration stays")))
        .collect()
}

fn sha256(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "0427b0db1ab50fb8f71b9b3f96ee0c1d8b2bb5a5cd3a6d5d3b3ec7eba6c2f4ab";

    fn advice(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::planted(files)).into_iter().map(|finding| finding.advice).collect()
    }

    #[test]
    fn a_new_migration_is_listed() {
        let sum = sha256("select 1;");
        assert_eq!(
            advice(&[("migrations/V001__a.sql", "select 1;")]),
            [format!("new: add the line `{sum}  V001__a.sql` to {LIST}")]
        );
        assert_eq!(
            advice(&[("migrations/V001__a.sql", "select 1;"), (LIST, &format!("{sum}  V001__a.sql\n"))]),
            [""; 0]
        );
    }

    #[test]
    fn a_landed_migration_neither_changes_nor_goes() {
        let list = format!("{SUM}  V001__a.sql\n");
        assert_eq!(advice(&[("migrations/V001__a.sql", "select 2;"), (LIST, &list)]).len(), 1);
        assert_eq!(advice(&[(LIST, &list)]), ["V001__a.sql is gone; a landed migration stays"]);
    }

    #[test]
    fn the_sum_is_what_sha256sum_prints() {
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
