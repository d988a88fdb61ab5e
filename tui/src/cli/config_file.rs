//! `blotter config path|dump|check`.

use std::process::ExitCode;

use clap::Subcommand;

use super::Global;
use super::exit::Failure;
use super::output::{print, print_json};
use crate::config;
use crate::environment::Environment;

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print where configuration is read from
    Path,
    /// Print every key with its present value
    Dump,
    /// Check the files and print every mistake
    Check,
}

pub(super) fn run(command: &ConfigCommand, global: &Global, environment: &Environment) -> Result<ExitCode, Failure> {
    let places = config::places(environment, global.config.as_deref());
    match command {
        ConfigCommand::Path if global.json => print_json(&places),
        ConfigCommand::Path => {
            let lines = places.iter().map(|place| {
                let state = if place.exists() { "" } else { "  (not there)" };
                format!("{}{state}\n", place.display())
            });
            print(&lines.collect::<String>())
        }
        ConfigCommand::Dump => {
            let config =
                config::load(environment, global.config.as_deref()).map_err(|errors| Failure::config(&errors))?;
            print(&config::dump(&config))
        }
        ConfigCommand::Check => {
            config::load(environment, global.config.as_deref()).map_err(|errors| Failure::config(&errors))?;
            print("The client's configuration has no mistakes.\n")
        }
    }
}
