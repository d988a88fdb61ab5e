//! The daemon's entry: protect the process, read the command line, do it.

use std::process::ExitCode;

use blotter_daemon::cli::{Cli, protect};
use blotter_daemon::config::Environment;
use clap::Parser;

fn main() -> ExitCode {
    protect();
    // One provider of cryptography for the whole program, before anything can ask for another.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("a TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    Cli::parse().execute(&Environment::of_process())
}
