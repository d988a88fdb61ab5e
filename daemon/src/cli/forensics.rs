//! `blotterd forensics`.

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::America::New_York;

use super::{ForensicsOptions, connected, print};
use crate::app::accounts;
use crate::calendar::Calendar;
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::db::Db;
use crate::db::forensics::ClosedScope;
use crate::forensics::{Forensics, Progress};

pub(super) fn run(options: &ForensicsOptions, config: &Config, environment: &Environment) -> anyhow::Result<()> {
    anyhow::ensure!(options.from <= options.to, "--from is after --to");
    let scope = ClosedScope { from: midnight(options.from)?, to: midnight(next(options.to)?)?, settled_before: None };
    connected(config, environment, async |db: &Db| {
        let clock = Clock::system();
        let interval = TimeDelta::from_std(config.market.snapshot_every_s)?;
        let forensics = Forensics {
            accounts: accounts(config, db, &clock).ok(),
            db: db.clone(),
            clock,
            calendar: Arc::new(Calendar::new()),
            interval,
        };
        let report = forensics.run(&scope, show).await?;
        print(&format!("{report}\n"))
    })
}

/// A line that is written over, for a person; nothing for a program.
fn show(progress: Progress) {
    if std::io::stderr().is_terminal() {
        eprint!("\r{} of {} trades", progress.done, progress.of);
        if progress.done >= progress.of {
            eprintln!();
        }
    }
}

/// The beginning of a day in New York.
fn midnight(date: NaiveDate) -> anyhow::Result<DateTime<Utc>> {
    let local = date.and_time(NaiveTime::MIN).and_local_timezone(New_York).earliest();
    local.map(|at| at.with_timezone(&Utc)).context("no such day")
}

fn next(date: NaiveDate) -> anyhow::Result<NaiveDate> {
    date.succ_opt().context("no such day")
}
