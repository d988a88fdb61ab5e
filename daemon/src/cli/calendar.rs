//! `blotterd calendar`.

use std::io::{BufWriter, Write};

use anyhow::Context;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::CalendarOptions;
use crate::calendar::{Calendar, Session};

/// A session as it is printed.
#[derive(Serialize)]
struct Printed {
    date: chrono::NaiveDate,
    open: String,
    close: String,
    early_close: bool,
    /// On the few days when trading began late or ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    traded: Option<Traded>,
}

#[derive(Serialize)]
struct Traded {
    from: String,
    until: String,
    why: &'static str,
}

pub(super) fn run(options: &CalendarOptions) -> anyhow::Result<()> {
    let calendar = Calendar::new();
    let mut out = BufWriter::new(std::io::stdout().lock());
    for session in calendar.sessions(options.from, options.to)? {
        let printed = Printed::of(&session);
        if options.json {
            serde_json::to_writer(&mut out, &printed)?;
            writeln!(out).context("cannot print")?;
        } else {
            let note = if printed.early_close { "  early close" } else { "" };
            writeln!(out, "{}  {}  {}{note}", printed.date, printed.open, printed.close).context("cannot print")?;
        }
    }
    out.flush().context("cannot print")
}

impl Printed {
    fn of(session: &Session) -> Self {
        Self {
            date: session.date,
            open: at(session.open),
            close: at(session.close),
            early_close: session.early_close,
            traded: session.interruption.map(|interruption| Traded {
                from: at(interruption.open),
                until: at(interruption.close),
                why: interruption.why,
            }),
        }
    }
}

fn at(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}
