//! The command line. `blotter` alone opens the screen; every screen has a twin here for scripts.
//!
//! Exit codes: 0 done, 1 a fault of ours, 2 usage or configuration, 3 refused by a rule,
//! 4 conflict, 5 daemon unreachable, 6 broker unavailable.

mod alarms;
mod chain;
mod config_file;
pub mod demo;
mod doctor;
mod exit;
mod export;
mod manual;
mod orders;
mod output;
mod settings;
mod snapshot;
mod sync;
mod tasks;
mod tokens;
mod trades;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::app::{self, surroundings};
use crate::client::connect::{self, Place};
use crate::client::http::Daemon;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::environment::Environment;
use crate::model::Access;
pub use exit::Failure;

/// A terminal for options traders: positions, their brackets, history and figures.
#[derive(Debug, Parser)]
#[command(name = "blotter", version, about, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    /// Without one the screen opens.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What every command takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    /// Where blotterd listens [env: BLOTTER_SOCKET]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    /// Show everything and change nothing
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Read this file and no other configuration
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Fail after the first frame, to see the terminal given back
    #[arg(long, hide = true)]
    pub panic_after_first_frame: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List trades
    Trades(trades::ListArgs),
    /// Show one trade
    Show(trades::ShowArgs),
    /// List what can be bought of an underlying
    Chain(chain::ChainArgs),
    /// Write trades as CSV or JSON
    Export(export::ExportArgs),
    /// Buy a call or a put to open, with its stop and target; a JSON signal on standard input without arguments
    Place(orders::PlaceArgs),
    /// Close a trade: whole or part, at the market or a limit, now or at the open
    Close(orders::CloseArgs),
    /// Move, set or remove stop and target
    Adjust(orders::AdjustArgs),
    /// Place the bracket of a position again
    Protect(orders::WhichArgs),
    /// Cancel what is left of an entry
    Cancel(orders::WhichArgs),
    /// Take up a position that no trade holds
    Adopt(orders::AdoptArgs),
    /// Every position out and every entry cancelled
    Flatten(orders::FlattenArgs),
    /// Stop all entries, or let them in again; exits are left alone
    KillSwitch(orders::KillSwitchArgs),
    /// Tell a trade's story: what was asked by whom, sent, answered, seen
    Why(orders::WhichArgs),
    /// List the alarms that are open
    Alarms,
    /// Say that somebody has seen an alarm: it is not heard again
    Ack(alarms::AckArgs),
    /// Show or change the settings
    Settings(settings::SettingsArgs),
    /// Show the accounts at the broker, or store a token
    Tokens(tokens::TokensArgs),
    /// Ask the daemon for the newest now
    Sync,
    /// Show what the daemon does by itself: each task, its last run, when it comes again
    Tasks,
    /// Check everything this client needs, and say what to do
    Doctor,
    /// Try Blotter: everything on a database of its own, and nothing left of it afterwards
    Demo(demo::DemoArgs),
    /// The client's configuration
    #[command(subcommand)]
    Config(config_file::ConfigCommand),
    /// Print completions for a shell
    Completions { shell: Shell },
    /// Print the manual page, or write all of them to a folder
    Man(manual::ManArgs),
    /// Print the screen as it would be drawn now
    #[command(hide = true)]
    Snapshot(snapshot::SnapshotArgs),
}

/// What the command line gives every command.
#[derive(Clone, Debug)]
pub struct Context {
    pub global: Global,
    pub environment: Environment,
    pub config: Config,
    pub clock: Clock,
}

impl Context {
    /// Where the daemon is.
    #[must_use]
    pub fn place(&self) -> Place {
        connect::find(self.global.socket.as_deref(), &self.environment, self.config.socket.as_deref())
    }

    #[must_use]
    pub fn daemon(&self) -> Daemon {
        let device = self.config.device.clone().unwrap_or_else(|| self.environment.device());
        Daemon::new(self.place(), device)
    }

    #[must_use]
    pub fn access(&self) -> Access {
        if self.global.read_only { Access::ReadOnly } else { Access::Full }
    }
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let clock = Clock::start();
    match run(std::env::args_os().collect(), Environment::read(), clock) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

/// Parses and dispatches.
///
/// # Errors
/// With the exit code that says what kind of failure it was.
pub fn run(arguments: Vec<OsString>, environment: Environment, clock: Clock) -> Result<ExitCode, Failure> {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { 0 };
            let _ = error.print();
            return Ok(ExitCode::from(code));
        }
    };
    // These need no configuration, and help to repair one.
    match &cli.command {
        Some(Command::Config(command)) => return config_file::run(command, &cli.global, &environment),
        Some(Command::Completions { shell }) => return completions(*shell),
        _ => {}
    }
    let config = config::load(&environment, cli.global.config.as_deref()).map_err(|errors| Failure::config(&errors))?;
    let context = Context { global: cli.global, environment, config, clock };
    match cli.command {
        None => open_screen(&context),
        Some(Command::Trades(args)) => trades::list(&context, &args),
        Some(Command::Export(args)) => export::run(&context, &args),
        Some(Command::Show(args)) => trades::show(&context, &args),
        Some(Command::Chain(args)) => chain::run(&context, &args),
        Some(Command::Place(args)) => orders::place(&context, args),
        Some(Command::Close(args)) => orders::close(&context, &args),
        Some(Command::Adjust(args)) => orders::adjust(&context, &args),
        Some(Command::Protect(args)) => orders::protect(&context, &args),
        Some(Command::Cancel(args)) => orders::cancel(&context, &args),
        Some(Command::Adopt(args)) => orders::adopt(&context, args),
        Some(Command::Flatten(args)) => orders::flatten(&context, &args),
        Some(Command::KillSwitch(args)) => orders::kill_switch(&context, &args),
        Some(Command::Why(args)) => orders::why(&context, &args),
        Some(Command::Alarms) => alarms::list(&context),
        Some(Command::Ack(args)) => alarms::ack(&context, &args),
        Some(Command::Settings(args)) => settings::run(&context, args),
        Some(Command::Tokens(args)) => tokens::run(&context, args),
        Some(Command::Sync) => sync::run(&context),
        Some(Command::Tasks) => tasks::run(&context),
        Some(Command::Doctor) => doctor::run(&context),
        Some(Command::Demo(args)) => demo::run(&context, &args),
        Some(Command::Man(args)) => manual::run(&context, &args),
        Some(Command::Snapshot(args)) => snapshot::run(&context, &args),
        Some(Command::Config(_) | Command::Completions { .. }) => Ok(ExitCode::SUCCESS),
    }
}

/// Opens the screen on the daemon that the context names.
///
/// # Errors
/// When the terminal cannot show one.
pub fn open_screen(context: &Context) -> Result<ExitCode, Failure> {
    refuse_without_screen(context, "`blotter trades` prints text")?;
    let options = app::Options {
        clock: context.clock,
        environment: context.environment.clone(),
        config: context.config.clone(),
        place: context.place(),
        access: context.access(),
        panics: context.global.panic_after_first_frame,
    };
    app::run(&options).map_err(|error| {
        Failure::usage(format!("no screen here: {error}. For text without a screen: `blotter trades`."))
    })
}

/// Whoever cannot be shown a screen is told so, and what to do instead, before anything is started.
fn refuse_without_screen(context: &Context, instead: &str) -> Result<(), Failure> {
    if let Some(reason) = surroundings::refusal(&context.environment) {
        return Err(Failure::usage(reason));
    }
    let stream = match (io::stdin().is_terminal(), io::stdout().is_terminal()) {
        (true, true) => return Ok(()),
        (false, true | false) => "input",
        (true, false) => "output",
    };
    Err(Failure::usage(format!("standard {stream} is not a terminal, so no screen can open here; {instead}.")))
}

fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "blotter", &mut text);
    output::print(&String::from_utf8_lossy(&text))
}

/// Runs what talks to the daemon.
fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::fault(error.to_string()))?.block_on(future)
}
