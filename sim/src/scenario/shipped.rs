//! The scenarios that come with the program, by name.

use super::file::{Scenario, ScenarioError};

/// Name and text of every shipped scenario.
pub const SHIPPED: [(&str, &str); 14] = [
    ("calm-day", include_str!("files/calm-day.toml")),
    ("demo", include_str!("files/demo.toml")),
    ("wild-open", include_str!("files/wild-open.toml")),
    ("flash-crash", include_str!("files/flash-crash.toml")),
    ("slow-broker", include_str!("files/slow-broker.toml")),
    ("lost-answers", include_str!("files/lost-answers.toml")),
    ("rate-limited", include_str!("files/rate-limited.toml")),
    ("backend-outage", include_str!("files/backend-outage.toml")),
    ("brackets-vanish", include_str!("files/brackets-vanish.toml")),
    ("stale-lists", include_str!("files/stale-lists.toml")),
    ("odd-shapes", include_str!("files/odd-shapes.toml")),
    ("token-revoked", include_str!("files/token-revoked.toml")),
    ("sandbox-wipe", include_str!("files/sandbox-wipe.toml")),
    ("everything-fails", include_str!("files/everything-fails.toml")),
];

/// A shipped scenario.
#[must_use]
pub fn shipped(name: &str) -> Option<Result<Scenario, ScenarioError>> {
    SHIPPED.iter().find(|(n, _)| *n == name).map(|(_, text)| Scenario::parse(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_can_be_read_and_says_what_it_is() {
        for (name, text) in SHIPPED {
            let read = Scenario::parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!read.about.is_empty(), "{name}");
        }
    }
}
