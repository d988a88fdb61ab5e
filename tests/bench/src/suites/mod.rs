//! One suite a concern; each fills its rows of the report.

mod broker;
mod closing;
mod crowd;
mod daemon;
mod events;
mod history;
mod large;
mod panes;
mod postgres;
mod prices;
mod recovery;
mod screen;
mod simulator;

use anyhow::Result;
use tokio::runtime::Runtime;

use crate::report::Report;

/// Runs the suites whose goals are wanted; none named means all.
pub(crate) fn run(only: &[&str], report: &mut Report) -> Result<()> {
    let wanted = |names: &[&str]| {
        only.is_empty()
            || only.iter().any(|only| names.iter().any(|name| name.starts_with(only) || only.starts_with(name)))
    };
    let runtime = Runtime::new()?;
    if wanted(&["postgres."]) {
        runtime.block_on(postgres::run(report))?;
    }
    if wanted(&["daemon.", "socket.", "screen."]) {
        let daemon = runtime.block_on(daemon::run(report))?;
        screen::run(&daemon.socket(), report)?;
        panes::run(&runtime, &daemon, report)?;
    }
    if wanted(&["large."]) {
        runtime.block_on(large::run(report))?;
    }
    if wanted(&["recovery."]) {
        runtime.block_on(recovery::run(report))?;
    }
    if wanted(&["closing."]) {
        closing::run(&runtime, report)?;
    }
    if wanted(&["calendar.", "prices.", "forensics."]) {
        runtime.block_on(prices::run(report))?;
    }
    if wanted(&["history."]) {
        runtime.block_on(history::run(report))?;
    }
    if wanted(&["simulator."]) {
        simulator::run(report)?;
    }
    if wanted(&["broker."]) {
        runtime.block_on(broker::run(report))?;
    }
    if wanted(&["events."]) {
        runtime.block_on(events::run(report))?;
    }
    Ok(())
}
