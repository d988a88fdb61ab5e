//! Who may use whom. Each table is an explicit list of allowed edges: a new edge is a visible diff here,
//! beside its reason, and not a line in a file far away.

use toml::{Table, Value};

use super::{finding, sources};
use crate::Finding;
use crate::source::Named;
use crate::tree::{File, Tree};

const RULE: &str = "layers";

/// Our crates, and which of ours each may use. `tui` and `daemon` meet only in `shared`; `sim` uses none,
/// because sharing types with what it checks would share mistakes.
const CRATES: &[(&str, &[&str])] = &[
    ("shared/", &[]),
    ("daemon/src/", &["blotter_shared"]),
    ("daemon/tests/", &["blotter_shared", "blotter_daemon", "blotter_testkit", "blotter_sim"]),
    ("tui/chime/", &[]),
    ("tui/", &["blotter_shared"]),
    ("sim/", &[]),
    ("tests/support/", &["blotter_shared"]),
    ("tests/e2e/", &["blotter_shared", "blotter_testkit"]),
    ("tests/tidy/", &[]),
    // The engine's own code between two brokers: ours, and the simulator's matching core.
    ("tests/prove/", &["blotter_shared", "blotter_daemon", "blotter_sim"]),
    // A second opinion shares nothing.
    ("tests/recount/", &[]),
    // Measures the event hub and the private server without a process between.
    ("tests/bench/", &["blotter_shared", "blotter_daemon", "blotter_testkit"]),
];

/// A package's own library, as its programs, integration tests and examples see it.
const OWN: &[(&str, &str)] = &[
    ("shared/", "blotter_shared"),
    ("daemon/", "blotter_daemon"),
    ("tui/", "blotter_tui"),
    ("sim/", "blotter_sim"),
    ("tests/support/", "blotter_testkit"),
    ("tests/tidy/", "blotter_tidy"),
    ("tests/bench/", "blotter_bench"),
    ("tests/prove/", "blotter_prove"),
];

/// Libraries with one owner, and where they may be named. What is not listed here may be used by whoever
/// has it in the manifest.
const OWNERS: &[(&str, &[&str])] = &[
    ("tokio_postgres", &["daemon/src/db/", "daemon/tests/", "tests/support/", "tests/bench/"]),
    ("deadpool_postgres", &["daemon/src/db/"]),
    ("tokio_postgres_rustls", &["daemon/src/db/"]),
    // The tests bring a database to an older version, as a daemon of that time would have.
    ("refinery", &["daemon/src/db/", "daemon/tests/it/schema/"]),
    ("axum", &["daemon/src/api/", "sim/"]),
    // The gate in front of a write is a layer of its client.
    ("tower", &["daemon/src/api/", "daemon/src/broker/tradier/", "sim/"]),
    ("tower_http", &["daemon/src/api/"]),
    // `world` says which addresses a token may be sent to.
    ("reqwest", &["daemon/src/broker/tradier/", "daemon/src/broker/world.rs", "daemon/src/market/", "tests/bench/"]),
    ("clokwerk", &["daemon/src/schedule/"]),
    ("crossterm", &["tui/src/terminal.rs", "tui/src/terminal/", "tui/src/input.rs", "tui/src/input/", "tests/bench/"]),
    ("ratatui", &["tui/src/", "tui/tests/", "tests/bench/"]),
    ("rodio", &["tui/chime/"]),
    ("ring", &["daemon/src/", "tests/tidy/"]),
    ("sd_notify", &["daemon/src/"]),
    // The rule of a log filter is its own parser's; tests read what is logged.
    (
        "tracing_subscriber",
        &[
            "daemon/src/telemetry",
            "daemon/src/config/rule.rs",
            "daemon/src/auth/admission.rs",
            "daemon/tests/it/broker/secrecy.rs",
            "sim/",
        ],
    ),
    ("tracing_journald", &["daemon/src/telemetry"]),
    ("metrics_exporter_prometheus", &["daemon/src/telemetry", "daemon/src/api/"]),
    ("rustix", &["tests/support/"]),
    ("vt100", &["tests/support/", "tests/bench/"]),
    ("syn", &["tests/tidy/"]),
];

/// What `shared` may be built from: data, no IO.
const SHARED_MAY_USE: &[&str] =
    &["chrono", "chrono-tz", "rust_decimal", "schemars", "serde", "serde_json", "thiserror", "uuid"];

/// Parts of the standard library that reach out of the program.
const STD_IO: &[&str] = &["fs", "net", "process", "env", "thread"];

/// Which modules of the daemon may name which others, in reading order. Callers name services, services
/// name traits and rows, and nothing names its callers. `app`, `cli`, `lib` and `main` compose and may name
/// all but each other's insides.
const MODULES: &[(&str, &str)] = &[
    ("clock", ""),
    ("ours", ""),
    ("shutdown", "clock"),
    ("config", "db"),
    ("telemetry", "config"),
    ("auth", "clock config"),
    ("calendar", "clock"),
    ("analytics", ""),
    ("export", ""),
    // The sums of closed trades are made by pure functions; a line of a file is made of a row.
    ("db", "analytics auth clock export"),
    ("postgres", "db ours"),
    ("health", "clock db"),
    ("events", "auth calendar clock config db health telemetry"),
    // Which variables are secret follows from the table of keys.
    ("program", "config"),
    ("backup", "clock db events program"),
    ("herald", "auth db program"),
    ("vault", "auth clock config db"),
    ("broker", "clock config telemetry vault"),
    ("market", "broker calendar clock config db telemetry"),
    ("accounts", "auth broker clock db health market vault"),
    ("trades", "accounts analytics auth broker calendar clock config db events health market telemetry"),
    ("prices", "accounts auth broker calendar clock config db events health market telemetry"),
    ("forensics", "accounts auth broker calendar clock db market prices"),
    ("context", "accounts auth broker calendar clock db market prices trades"),
    ("fees", "accounts auth broker clock db events trades"),
    (
        "schedule",
        "accounts analytics auth backup broker calendar clock config context db events fees forensics health market prices telemetry trades",
    ),
    (
        "api",
        "accounts analytics auth broker calendar clock config context db events export forensics health market prices schedule telemetry trades vault",
    ),
];

/// Those that put the others together.
const COMPOSERS: &[&str] = &["app", "cli", "lib", "main"];

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let named = sources(tree).flat_map(|(file, source)| {
        source.named.into_iter().filter_map(move |named| {
            let first = named.segments.first()?;
            let advice = our_crates(file, first)
                .or_else(|| owners(file, first))
                .or_else(|| shared_is_pure(file, &named))
                .or_else(|| modules(file, &named))?;
            Some(finding(file, named.line, RULE, advice))
        })
    });
    named.chain(shared_manifest(tree)).collect()
}

fn our_crates(file: &File, first: &str) -> Option<String> {
    if !first.starts_with("blotter_") || first.ends_with('!') {
        return None;
    }
    let own = OWN.iter().any(|(prefix, name)| file.path.starts_with(prefix) && *name == first);
    let (prefix, allowed) = CRATES.iter().find(|(prefix, _)| file.path.starts_with(prefix))?;
    (!own && !allowed.contains(&first)).then(|| {
        format!("{prefix} may not use {first}; move what both need to shared/, or argue for the edge in tests/tidy")
    })
}

fn owners(file: &File, first: &str) -> Option<String> {
    let (_, places) = OWNERS.iter().find(|(library, _)| *library == first)?;
    (!places.iter().any(|place| file.path.starts_with(place)))
        .then(|| format!("{first} is named only in {}; call that module instead", places.join(", ")))
}

fn shared_is_pure(file: &File, named: &Named) -> Option<String> {
    let [root, part, ..] = named.segments.as_slice() else { return None };
    let reaches_out = root == "std" && STD_IO.contains(&part.as_str());
    (file.path.starts_with("shared/") && reaches_out && !named.in_test)
        .then(|| format!("shared/ is pure: std::{part} does IO"))
}

/// What is not in the manifest cannot be named at all.
fn shared_manifest(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.get("shared/Cargo.toml") else { return Vec::new() };
    let manifest: Table = file.text.parse().unwrap_or_default();
    let dependencies = manifest.get("dependencies").and_then(Value::as_table);
    dependencies
        .into_iter()
        .flat_map(Table::keys)
        .filter(|name| !SHARED_MAY_USE.contains(&name.as_str()))
        .map(|name| finding(file, 1, RULE, format!("shared/ is vocabulary without IO and may not use {name}")))
        .collect()
}

fn modules(file: &File, named: &Named) -> Option<String> {
    let inside = file.path.strip_prefix("daemon/src/")?;
    let me = inside.split(['/', '.']).next()?;
    let [root, other, ..] = named.segments.as_slice() else { return None };
    let is_module = other.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if root != "crate" || other == me || named.in_test || COMPOSERS.contains(&me) || !is_module {
        return None;
    }
    let known = MODULES.iter().find(|(name, _)| *name == me).map(|(_, may)| *may);
    match known {
        Some(may) if may.split(' ').any(|name| name == other) => None,
        Some(_) => {
            Some(format!("{me} may not use {other}; pass a trait or a value, or argue for the edge in tests/tidy"))
        }
        None => Some(format!("{me} is a new module; say in tests/tidy whom it may use")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(path: &str, text: &str) -> Vec<String> {
        check(&Tree::planted(&[(path, text)])).into_iter().map(|finding| finding.advice).collect()
    }

    #[test]
    fn a_library_has_one_owner() {
        assert_eq!(advice("daemon/src/api/x.rs", "use tokio_postgres::Client;").len(), 1);
        assert_eq!(advice("daemon/src/trades/x.rs", "fn f() { let c: tokio_postgres::Client; }").len(), 1);
        assert_eq!(advice("daemon/src/trades/x.rs", "fn f() { wrap!(tokio_postgres::NoTls); }").len(), 1);
        assert_eq!(advice("daemon/src/trades/x.rs", "use tokio_postgres as pg;").len(), 1);
        assert!(advice("daemon/src/db/x.rs", "use tokio_postgres::Client;").is_empty());
        assert_eq!(advice("tui/src/panes/x.rs", "use crossterm::event::Event;").len(), 1);
        assert_eq!(advice("daemon/src/broker/mod.rs", "use reqwest::Client;").len(), 1);
    }

    #[test]
    fn our_crates_meet_in_shared() {
        assert_eq!(advice("tui/src/x.rs", "use blotter_daemon::db;").len(), 1);
        assert_eq!(advice("sim/src/x.rs", "use blotter_shared::domain::Price;").len(), 1);
        assert!(advice("sim/src/main.rs", "use blotter_sim::run;").is_empty());
        assert!(advice("tui/src/x.rs", "use blotter_shared::domain::Price;").is_empty());
    }

    #[test]
    fn shared_does_no_io() {
        assert_eq!(
            advice("shared/Cargo.toml", "[dependencies]\ntokio.workspace = true\nserde.workspace = true\n").len(),
            1
        );
        assert_eq!(advice("shared/src/x.rs", "fn f() { std::fs::read(\"x\"); }").len(), 1);
        assert!(advice("shared/src/x.rs", "use std::fmt; use chrono::Utc; fn f() -> u8 { u8::from(true) }").is_empty());
    }

    #[test]
    fn a_modules_edges_are_listed() {
        assert_eq!(advice("daemon/src/trades/driver.rs", "use crate::api::Router;").len(), 1);
        assert_eq!(advice("daemon/src/trades/driver.rs", "use super::super::schedule::Task;").len(), 1);
        assert_eq!(advice("daemon/src/db/pool.rs", "fn f() { crate::trades::close(); }").len(), 1);
        assert_eq!(advice("daemon/src/novelty.rs", "use crate::db::UserTx;").len(), 1);
        assert!(advice("daemon/src/app.rs", "use crate::api::Router;").is_empty());
        assert!(advice("daemon/src/api/routes/x.rs", "use crate::api::Router; use crate::events::Hub;").is_empty());
        assert!(advice("daemon/src/db/pool.rs", "#[cfg(test)] mod tests { use crate::config::Config; }").is_empty());
    }

    /// Modules that name each other are one module in two places.
    #[test]
    fn the_list_has_no_circle() {
        /// The one edge back: an address in the configuration is checked by the parser that will read it.
        const BACK: (&str, &str) = ("config", "db");

        fn reaches(from: &str, to: &str, seen: &mut Vec<String>) -> bool {
            let may = MODULES.iter().find(|(name, _)| *name == from).map_or("", |(_, may)| may);
            may.split_whitespace().filter(|next| (from, *next) != BACK).any(|next| {
                let is_new = !seen.iter().any(|name| name == next);
                if is_new {
                    seen.push(next.to_owned());
                }
                next == to || (is_new && reaches(next, to, seen))
            })
        }
        for (name, _) in MODULES {
            assert!(!reaches(name, name, &mut Vec::new()), "{name} reaches itself");
        }
    }
}
