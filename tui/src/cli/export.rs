//! `blotter export`. What ends it early takes the part of the file with it that is written by then.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use blotter_shared::domain::{BrokerMode, Outcome};
use blotter_shared::protocol::trades::{Book, ExportFormat, ExportQuery, Order, Sort};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Failure;
use super::{Context, block_on};
use crate::client::export::{Existing, ExportError, to_file, to_writer};

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// csv or json
    #[arg(long, default_value = "csv")]
    format: ExportFormat,
    /// open or closed
    #[arg(long, default_value = "closed")]
    status: Book,
    /// Of the closed ones only these: win, loss or expired
    #[arg(long)]
    outcome: Option<Outcome>,
    /// Only those whose ticker, strategy or number matches
    #[arg(long)]
    find: Option<String>,
    /// Only those of this mode: SIM, SANDBOX or LIVE
    #[arg(long)]
    mode: Option<BrokerMode>,
    /// Of the closed ones: closed, symbol, pnl, pnl_pct, r, held, reason or strategy
    #[arg(long)]
    sort: Option<Sort>,
    /// desc or asc
    #[arg(long)]
    order: Option<Order>,
    /// The file, which appears when it is whole; without it everything goes to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(context: &Context, args: &ExportArgs) -> Result<ExitCode, Failure> {
    let daemon = context.daemon();
    let query = ExportQuery {
        format: Some(args.format),
        status: Some(args.status),
        outcome: args.outcome,
        q: args.find.clone(),
        mode: args.mode,
        sort: args.sort,
        order: args.order,
    };
    block_on(async {
        let written = match &args.output {
            Some(path) => tokio::select! {
                written = to_file(&daemon, &query, path, Existing::Replaced, |_| {}) => written.map(|_| ()),
                failure = interruption() => return Err(failure),
            },
            None => to_writer(&daemon, &query, &mut io::stdout().lock()).await,
        };
        written.map_err(|error| match error {
            ExportError::Daemon(error) => Failure::from(error),
            ExportError::File { .. } => Failure::refused(error.to_string()),
        })
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for whatever ends a program by hand.
async fn interruption() -> Failure {
    let listen = |kind| signal(kind).map_err(|error| Failure::fault(error.to_string()));
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [interrupt, terminate, hangup] = kinds.map(listen);
    let (mut interrupt, mut terminate, mut hangup) = match (interrupt, terminate, hangup) {
        (Ok(interrupt), Ok(terminate), Ok(hangup)) => (interrupt, terminate, hangup),
        (Err(failure), _, _) | (_, Err(failure), _) | (_, _, Err(failure)) => return failure,
    };
    let kind = tokio::select! {
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = terminate.recv() => SignalKind::terminate(),
        _ = hangup.recv() => SignalKind::hangup(),
    };
    Failure::interrupted(kind.as_raw_value(), "The export was interrupted; no file is written.")
}
