//! What is wrong with a configuration, one line each.

use std::fmt;

use super::sources::Origin;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// As in `limits.body_bytes`.
    pub key: String,
    /// What was written, shortened; absent for a secret and where there is no value.
    pub value: Option<String>,
    pub rule: String,
    pub origin: Origin,
}

/// Longest value that a fault repeats.
const SHOWN_CHARS: usize = 60;

impl Fault {
    pub(super) fn new(key: impl Into<String>, value: Option<String>, rule: impl Into<String>, origin: Origin) -> Self {
        Self { key: key.into(), value: value.map(|value| shorten(&value)), rule: rule.into(), origin }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {}{}", self.rule, self.origin)
    }
}

/// All that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Faults {}

/// One line, printable, not too long.
fn shorten(value: &str) -> String {
    let mut shown: String = value.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if value.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}
