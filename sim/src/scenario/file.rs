//! The scenario file: TOML, strict, and an error names line and key.

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::act::Act;
use crate::core::Settings;
use crate::faults::Fault;

/// What a day is like and what happens in it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// One line about it.
    pub about: String,
    /// The seed, unless the command line gives one.
    pub seed: Option<u64>,
    /// `manual`, `real`, `x60`.
    pub clock: Option<String>,
    /// `2026-09-10T10:30`, or `10:30` on the last session.
    pub start: Option<String>,
    /// Knobs of the engine.
    pub settings: Settings,
    /// How numbers are spelled.
    pub(crate) numbers: crate::wire::NumberStyle,
    /// Faults in force from the start.
    pub fault: Vec<Spanned<Fault>>,
    /// What happens when.
    pub event: Vec<Spanned<Act>>,
}

/// A scenario file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {what}")]
pub struct ScenarioError {
    /// Counted from 1.
    pub line: usize,
    /// The key and what is wrong with it.
    pub what: String,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// [`ScenarioError`] with line and key.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let line = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
        let scenario: Self = toml::from_str(text).map_err(|e| {
            let at = e.span().map_or(0, |s| s.start);
            let source = text.lines().nth(line(at) - 1).unwrap_or_default();
            let key = source.split('=').next().unwrap_or_default().trim();
            ScenarioError { line: line(at), what: format!("{key}: {}", e.message()) }
        })?;
        for fault in &scenario.fault {
            let wrong = |what: String| ScenarioError { line: key_line(text, fault.span().start, &what), what };
            fault.get_ref().check().map_err(wrong)?;
        }
        for event in &scenario.event {
            let wrong = |what: String| ScenarioError { line: key_line(text, event.span().start, &what), what };
            event.get_ref().check().map_err(wrong)?;
            if event.get_ref().is_immediate() {
                return Err(wrong("do: needs one of at, after, when".to_owned()));
            }
        }
        if let Some(pace) = &scenario.clock {
            crate::clock::parse_pace(pace)
                .map_err(|e| ScenarioError { line: key_line(text, 0, "clock:"), what: format!("clock: {e}") })?;
        }
        Ok(scenario)
    }
}

/// The line of the key that a message begins with, looked for from `start` on; the line of `start` when it is not there.
fn key_line(text: &str, start: usize, message: &str) -> usize {
    let key = message.split(':').next().unwrap_or_default();
    let before = text.get(..start).unwrap_or_default().matches('\n').count();
    let rest = text.get(start..).unwrap_or_default();
    let block = rest.lines().enumerate().take_while(|(i, l)| *i == 0 || !l.starts_with('['));
    let found = block
        .filter(|(_, l)| l.trim_start().starts_with(key) || l.contains(&format!("{key} =")))
        .map(|(i, _)| i)
        .next();
    before + 1 + found.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Scenario::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_bad_file_names_line_and_key() {
        let cases = [
            ("about = \"x\"\nsede = 7\n", "line 2: sede: unknown field `sede`"),
            ("seed = \"x\"\n", "line 1: seed: invalid type"),
            ("[settings]\nstep_ms = 1000\naccept_sm = [1, 2]\n", "line 3: accept_sm: unknown field"),
            ("[[fault]]\nkind = \"latency\"\nchance = 2.0\n", "line 3: chance: 2 is not between 0 and 1"),
            ("[[fault]]\nkind = \"latencies\"\n", "line 2: kind: unknown variant"),
            ("\n\n[[fault]]\nkind = \"latency\"\nendpoint = \"nowhere\"\n", "line 5: endpoint: \"nowhere\""),
            ("[[event]]\nafter = \"soon\"\ndo = \"wipe\"\n", "line 2: after: expected a time"),
            ("[[event]]\nafter = \"2s\"\ndo = \"price\"\n", "symbol: is needed"),
            ("clock = \"fast\"\n", "line 1: clock:"),
            ("about = \n", "line 1"),
        ];
        for (text, expected) in cases {
            let told = error(text);
            assert!(told.contains(expected), "{told:?} does not say {expected:?}");
        }
    }
}
