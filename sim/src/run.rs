//! The program: command line to server, signals to end.

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::prelude::*;

use crate::cli::Cli;
use crate::clock::machine_time;
use crate::config::RateLimits;
use crate::scenario::{SHIPPED, Scenario};
use crate::server::Server;

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    if cli.list_scenarios {
        return list();
    }
    let level = if cli.verbose { tracing::Level::INFO } else { tracing::Level::WARN };
    let filter = tracing_subscriber::filter::Targets::new().with_default(level);
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(filter))
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let ended = runtime.block_on(serve(cli));
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    drop(writeln!(std::io::stderr(), "tradier-sim: {error:#}"));
    ExitCode::FAILURE
}

fn list() -> ExitCode {
    let mut out = std::io::stdout();
    for (name, text) in SHIPPED {
        let about = Scenario::parse(text).map(|s| s.about).unwrap_or_default();
        drop(writeln!(out, "{name:<18} {about}"));
    }
    ExitCode::SUCCESS
}

async fn serve(cli: Cli) -> Result<()> {
    let lifeline = cli.lifeline;
    let (config, address) = cli.given().resolve(machine_time())?;
    if config.limits == RateLimits::Lifted {
        tracing::info!("rate limits are lifted");
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Server::bind(config, &address).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on {}", server.address()?)?;
    out.flush()?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = stdin_ends(), if lifeline => {}
        }
    };
    server.serve(stop).await;
    Ok(())
}

/// Completes when standard input ends. The reading thread is left to the process's end.
async fn stdin_ends() {
    let reading = tokio::task::spawn_blocking(|| {
        let mut waste = [0_u8; 256];
        while std::io::stdin().read(&mut waste).is_ok_and(|n| n > 0) {}
    });
    drop(reading.await);
}
