//! One version of everything: members take their dependencies from the workspace table, every entry of
//! that table has a user, and every dependency of a member is named in its code.

use toml::{Table, Value};

use super::{finding, lines};
use crate::Finding;
use crate::tree::{File, Tree};

const RULE: &str = "manifests";

/// Dependencies that are there for their features alone: `(manifest, name, why)`.
const UNNAMED: &[(&str, &str, &str)] = &[];

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let members: Vec<_> = tree.ending(&["/Cargo.toml"]).filter_map(|file| Some((file, parsed(file)?))).collect();
    let mut findings = Vec::new();
    for (file, manifest) in &members {
        findings.extend(member(tree, file, manifest));
    }
    if let Some((root, manifest)) = tree.get("Cargo.toml").and_then(|file| Some((file, parsed(file)?))) {
        findings.extend(unused(root, &manifest, &members));
        findings.extend(allowed_lints(root));
    }
    findings
}

fn parsed(file: &File) -> Option<Table> {
    file.text.parse().ok()
}

/// Names and values of all kinds of dependencies of a member.
fn dependencies(manifest: &Table) -> impl Iterator<Item = (&String, &Value)> {
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(|kind| manifest.get(kind)?.as_table())
        .flatten()
}

fn member(tree: &Tree, file: &File, manifest: &Table) -> Vec<Finding> {
    let folder = file.path.trim_end_matches("Cargo.toml");
    let nested: Vec<_> = tree
        .ending(&["/Cargo.toml"])
        .map(|other| other.path.trim_end_matches("Cargo.toml"))
        .filter(|other| other.len() > folder.len() && other.starts_with(folder))
        .collect();
    let code: Vec<_> = tree
        .rust()
        .filter(|source| source.path.starts_with(folder) && !nested.iter().any(|inner| source.path.starts_with(inner)))
        .collect();

    let mut findings = Vec::new();
    if manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool) != Some(true) {
        findings.push(finding(file, 1, RULE, "take the lints of the workspace: [lints] workspace = true"));
    }
    for (name, value) in dependencies(manifest) {
        let line = line_of(file, name);
        if value.get("workspace").and_then(Value::as_bool) != Some(true) {
            findings.push(finding(
                file,
                line,
                RULE,
                format!("{name}: name its version once, in [workspace.dependencies]"),
            ));
        }
        let ident = name.replace('-', "_");
        let is_named = code.iter().any(|source| has_ident(&source.text, &ident));
        let is_excused = UNNAMED.iter().any(|(path, excused, _)| *path == file.path && excused == name);
        if !is_named && !is_excused {
            findings.push(finding(file, line, RULE, format!("{name} is not named in {folder}; drop it")));
        }
    }
    findings
}

fn unused(root: &File, manifest: &Table, members: &[(&File, Table)]) -> Vec<Finding> {
    let table = manifest.get("workspace").and_then(|w| w.get("dependencies")).and_then(Value::as_table);
    table
        .into_iter()
        .flat_map(Table::keys)
        .filter(|name| !members.iter().any(|(_, member)| dependencies(member).any(|(used, _)| used == *name)))
        .map(|name| finding(root, line_of(root, name), RULE, format!("{name} is used by no member; drop it")))
        .collect()
}

/// A lint that is switched off for everything is a rule that nobody sees.
fn allowed_lints(root: &File) -> impl Iterator<Item = Finding> {
    lines(&root.text)
        .filter(|(_, line)| line.contains("= \"allow\"") || line.contains("level = \"allow\""))
        .map(|(number, _)| finding(root, number, RULE, "no lint is switched off for the whole workspace"))
}

fn line_of(file: &File, name: &str) -> usize {
    lines(&file.text)
        .find(|(_, line)| {
            line.starts_with(&format!("{name} "))
                || line.starts_with(&format!("{name}."))
                || line.starts_with(&format!("{name}="))
        })
        .map_or(1, |(number, _)| number)
}

fn has_ident(text: &str, ident: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|part| part == ident)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace.dependencies]\nserde = \"1\"\ntokio = \"1\"\n";

    fn advice(manifest: &str, code: &str) -> Vec<String> {
        let manifest = format!("[lints]\nworkspace = true\n{manifest}");
        let tree = Tree::planted(&[("Cargo.toml", ROOT), ("a/Cargo.toml", &manifest), ("a/src/lib.rs", code)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_table_entry_without_user_is_found() {
        let found = advice("[dependencies]\nserde.workspace = true\n", "use serde::Serialize;");
        assert_eq!(found, ["Cargo.toml:3: manifests: tokio is used by no member; drop it"]);
    }

    #[test]
    fn a_dependency_that_no_code_names_is_found() {
        let found = advice("[dependencies]\nserde.workspace = true\ntokio.workspace = true\n", "use serde::Serialize;");
        assert_eq!(found, ["a/Cargo.toml:5: manifests: tokio is not named in a/; drop it"]);
    }

    #[test]
    fn a_version_beside_the_table_is_found() {
        let found = advice("[dependencies]\nserde = \"1\"\ntokio.workspace = true\n", "use serde::tokio;");
        assert_eq!(found, ["a/Cargo.toml:4: manifests: serde: name its version once, in [workspace.dependencies]"]);
    }

    #[test]
    fn a_lint_switched_off_for_all_is_found() {
        let tree = Tree::planted(&[("Cargo.toml", "[workspace.lints.clippy]\nunwrap_used = \"allow\"\n")]);
        assert_eq!(check(&tree).len(), 1);
    }
}
