//! `make bench`: every figure that the project promises, each beside a floor from the same run.
//!
//! Prints a table and writes the same rows as JSON lines. Fails when a goal is not met or was not
//! measured. Only ratios are judged where the machine's mood would decide otherwise.

mod bare;
mod goals;
mod ours;
mod readers;
mod report;
mod stats;
mod suites;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::report::Report;

/// Measures what the project promises and compares it with floors taken in the same run.
#[derive(Debug, Parser)]
struct Options {
    /// Only the goals whose names begin so; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Where the rows go as JSON lines.
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
}

fn main() -> ExitCode {
    match measure(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn measure(options: &Options) -> Result<bool> {
    let only: Vec<&str> = options.only.iter().map(String::as_str).collect();
    let mut report = Report::default();
    let ran = suites::run(&only, &mut report);
    // What was measured until then is told in any case.
    let met = report.finish(&only, &options.json)?;
    ran.map(|()| met)
}
