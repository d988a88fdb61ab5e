//! The table on the screen and the same rows as JSON lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::goals::{GOALS, Goal, Rule};
use crate::stats::Sample;

/// What was measured, by the name of its goal.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: BTreeMap<&'static str, Figure>,
}

#[derive(Clone, Copy, Debug)]
struct Figure {
    value: f64,
    runs: usize,
    spread: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Met,
    Failed,
    Missing,
    Shown,
}

#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    value: Option<f64>,
    unit: &'static str,
    goal: Option<f64>,
    met: Verdict,
    n: usize,
    spread: Option<f64>,
}

impl Report {
    /// # Errors
    /// When the table has no such goal: a typing error must not look like a missing figure.
    pub(crate) fn set(&mut self, name: &'static str, value: f64, sample: &Sample) -> Result<()> {
        ensure!(GOALS.iter().any(|goal| goal.name == name), "no goal is called {name}");
        self.figures.insert(name, Figure { value, runs: sample.len(), spread: sample.spread() });
        Ok(())
    }

    /// Prints the table, writes the JSON lines, and says whether every goal is met.
    pub(crate) fn finish(&self, names: &[&str], json: &Path) -> Result<bool> {
        let lines: Vec<Line> = GOALS
            .iter()
            .filter(|goal| names.is_empty() || names.iter().any(|name| goal.name.starts_with(name)))
            .map(|goal| self.line(goal))
            .collect();
        print!("{}", table(&lines)?);
        let text = lines.iter().map(|line| Ok(serde_json::to_string(line)? + "\n")).collect::<Result<String>>()?;
        fs::write(json, text).with_context(|| format!("writing {}", json.display()))?;
        Ok(lines.iter().all(|line| matches!(line.met, Verdict::Met | Verdict::Shown)))
    }

    fn line(&self, goal: &Goal) -> Line {
        let figure = self.figures.get(goal.name);
        let limit = match goal.rule {
            Rule::AtMost(limit) => Some(limit),
            Rule::Shown => None,
        };
        let met = match (figure, limit) {
            (None, _) => Verdict::Missing,
            (Some(_), None) => Verdict::Shown,
            (Some(figure), Some(limit)) if figure.value <= limit => Verdict::Met,
            (Some(_), Some(_)) => Verdict::Failed,
        };
        Line {
            name: goal.name,
            value: figure.map(|figure| figure.value),
            unit: goal.unit,
            goal: limit,
            met,
            n: figure.map_or(0, |figure| figure.runs),
            spread: figure.and_then(|figure| figure.spread),
        }
    }
}

fn table(lines: &[Line]) -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "{:<40} {:>10} {:<12} {:>8} {:<8} {:>6} {:>7}",
        "name", "value", "unit", "goal", "met", "n", "spread"
    )?;
    for line in lines {
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
        let verdict = match line.met {
            Verdict::Met => "yes",
            Verdict::Failed => "NO",
            Verdict::Missing => "missing",
            Verdict::Shown => "",
        };
        let spread = line.spread.map_or_else(String::new, |spread| format!("±{:.0} %", spread * 100.0));
        writeln!(
            text,
            "{:<40} {:>10} {:<12} {:>8} {:<8} {:>6} {:>7}",
            line.name,
            number(line.value),
            line.unit,
            line.goal.map_or_else(|| "-".to_owned(), |goal| format!("≤ {goal}")),
            verdict,
            line.n,
            spread
        )?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_without_a_figure_is_missing_and_fails() {
        let directory = std::env::temp_dir().join(format!("bench-report-{}", std::process::id()));
        let report = Report::default();
        assert!(!report.finish(&["postgres."], &directory).unwrap());
        let text = fs::read_to_string(&directory).unwrap();
        assert!(text.contains(r#""met":"missing""#), "{text}");
        fs::remove_file(directory).unwrap();
    }

    #[test]
    fn a_name_that_is_no_goal_is_refused() {
        assert!(Report::default().set("screen.typo", 1.0, &Sample::default()).is_err());
    }
}
