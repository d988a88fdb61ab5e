//! The command line: each subcommand is a few lines that call a module and print.

mod audit;
mod calendar;
mod demo;
mod doctor;
mod forensics;
mod process;
mod serve;
mod tasks;
mod vault;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand};
use secrecy::ExposeSecret;

use crate::api::openapi_document;
use crate::app::Database;
use crate::clock::Clock;
use crate::config::{CLIENT_SECTIONS, Config, Environment, Faults, Places, example};
use crate::db::{DatabaseConfig, Db, DbState, Endpoint, Setup, schema_version};
use crate::postgres::{Leftover, Private, PrivateError, PrivateOptions, beside};

pub use process::protect;

/// Exit code of a failure, and of a configuration or a command line that is wrong.
const FAILED: u8 = 1;
const WRONG: u8 = 2;

/// Blotter's daemon: keeps stops and targets alive, and is the one truth beside the broker.
#[derive(Debug, Parser)]
#[command(name = "blotterd", version, about)]
pub struct Cli {
    /// Reads this configuration file and no other.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves clients until it is told to stop (this is the default).
    Run(RunOptions),
    /// Brings the database up to this version, and ends.
    Migrate,
    /// Checks the configuration and names everything that is wrong.
    CheckConfig {
        /// Prints config.toml.example instead: every key, at its default.
        #[arg(long)]
        example: bool,
    },
    /// Looks at everything that the daemon needs, with a verdict and what to do.
    Doctor,
    /// Prints the exchange's sessions.
    Calendar(CalendarOptions),
    /// Shows what the daemon does by itself: each task, its last run, when it comes again.
    Tasks {
        /// One JSON object a task, each on its line.
        #[arg(long)]
        json: bool,
    },
    /// Works out what closed trades might have brought; may be stopped and run again.
    Forensics(ForensicsOptions),
    /// The record of what was done, and by whom.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// The private PostgreSQL server.
    #[command(subcommand)]
    Postgres(PostgresCommand),
    /// The keys that seal broker tokens.
    #[command(subcommand)]
    Vault(vault::VaultCommand),
    /// Prints the interface as an OpenAPI document.
    Openapi,
    /// Writes the history of a demo beside its running daemon.
    #[command(hide = true)]
    DemoHistory {
        /// The simulator's account.
        account: String,
    },
}

#[derive(Clone, Debug, Default, Args)]
struct RunOptions {
    /// Listens here.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Stops when standard input ends: whoever started us is gone.
    #[arg(long, hide = true)]
    lifeline: bool,
    /// Removes the data directory after an orderly stop.
    #[arg(long, hide = true)]
    ephemeral: bool,
    /// The folder around the data directory, of whoever holds the lifeline: removed when that is cut.
    #[arg(long, hide = true, value_name = "FOLDER", requires_all = ["lifeline", "ephemeral"])]
    around: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CalendarOptions {
    /// The first day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: NaiveDate,
    /// The last day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: NaiveDate,
    /// One JSON object a session, each on its line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ForensicsOptions {
    /// The first day on which a trade was closed, in New York.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: NaiveDate,
    /// The last day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: NaiveDate,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Walks along everybody's chains of hashes; fails when a row was altered or is missing.
    Verify {
        /// One JSON object a chain, each on its line.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum PostgresCommand {
    /// Stops the server that a killed daemon left behind.
    Stop,
}

impl Cli {
    /// Does what was asked; prints the reason in one line when it cannot.
    #[must_use]
    pub fn execute(self, environment: &Environment) -> ExitCode {
        match self.dispatch(environment) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::from(if error.is::<Faults>() { WRONG } else { FAILED })
            }
        }
    }

    fn dispatch(self, environment: &Environment) -> anyhow::Result<()> {
        let file = self.config.clone();
        let load = || Config::load(file.as_deref(), environment);
        match self.command.unwrap_or(Command::Run(RunOptions::default())) {
            Command::Run(options) => serve::run(load()?, environment, &options),
            Command::Migrate => migrate(&load()?, environment),
            Command::CheckConfig { example: true } => print(&example()),
            Command::CheckConfig { example: false } => check_config(&load()?, environment),
            Command::Doctor => doctor::run(load(), environment),
            Command::Calendar(options) => calendar::run(&options),
            Command::Tasks { json } => tasks::run(json, &load()?, environment),
            Command::Forensics(options) => forensics::run(&options, &load()?, environment),
            Command::Audit(AuditCommand::Verify { json }) => audit::run(json, &load()?, environment),
            Command::Postgres(PostgresCommand::Stop) => stop_postgres(&load()?, environment),
            Command::Vault(command) => vault::run(&command, &load()?, environment),
            Command::Openapi => print(&openapi_document()),
            Command::DemoHistory { account } => demo::history(&load()?, environment, &account),
        }
    }
}

fn check_config(config: &Config, environment: &Environment) -> anyhow::Result<()> {
    let places = places(config, environment);
    let (socket, data) = (places.socket.display(), places.data_dir.display());
    let database = if config.database.url.is_some() { "a server of yours" } else { "private" };
    let client = CLIENT_SECTIONS.join("], [");
    print(&format!(
        "The configuration is sound ([{client}] are checked by the client).\nsocket   {socket}\ndata     {data}\ndatabase {database}\n"
    ))
}

fn migrate(config: &Config, environment: &Environment) -> anyhow::Result<()> {
    connected(config, environment, async |_: &Db| print(&format!("The database is at version {}.\n", schema_version())))
}

/// Does `deed` with the database, which is migrated and checked. A private server is started for it.
fn connected(
    config: &Config,
    environment: &Environment,
    deed: impl AsyncFnOnce(&Db) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    process::runtime()?.block_on(async {
        let (private, database) = match database(config, &places(config, environment), environment)? {
            Database::External(database) => (None, *database),
            Database::Private(options) => {
                match Private::start(&options).await {
                    Ok(private) => {
                        let database = private.connect_config();
                        (Some(private), database)
                    }
                    // A daemon runs it: we are a guest beside it.
                    Err(PrivateError::InUse { .. }) => (None, beside(&options.data_dir)),
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let db = Db::connect(database, &Clock::system());
        let done = match ready(&db, config.database.migration_timeout_s).await {
            Ok(()) => deed(&db).await,
            Err(error) => Err(error),
        };
        db.close().await;
        if let Some(private) = private {
            private.stop(config.daemon.stop_timeout_s).await?;
        }
        done
    })
}

/// Brings a database up and lets go of it.
async fn prepare(database: DatabaseConfig, patience: Duration) -> anyhow::Result<()> {
    let db = Db::connect(database, &Clock::system());
    let ready = ready(&db, patience).await;
    db.close().await;
    ready
}

/// Waits until the database is migrated and checked.
async fn ready(db: &Db, patience: Duration) -> anyhow::Result<()> {
    let mut status = db.status();
    let settled = tokio::time::timeout(
        patience,
        status.wait_for(|status| matches!(status.state, DbState::Ready | DbState::Refused)),
    );
    let settled = settled.await.map(|status| status.map(|status| status.clone()));
    let last = db.status().borrow().detail.clone().unwrap_or_else(|| "it does not answer".to_owned());
    match settled {
        Ok(Ok(status)) if status.state == DbState::Ready => Ok(()),
        Ok(_) | Err(_) => anyhow::bail!("the database cannot be used: {last}"),
    }
}

fn stop_postgres(config: &Config, environment: &Environment) -> anyhow::Result<()> {
    let data_dir = places(config, environment).data_dir;
    let stopped = process::runtime()?.block_on(crate::postgres::stop(&data_dir, config.daemon.stop_timeout_s))?;
    match stopped {
        Leftover::Stopped { pid } => print(&format!("PostgreSQL (process {pid}) was stopped.\n")),
        Leftover::NothingRan => print(&format!("No PostgreSQL runs in {}.\n", data_dir.display())),
    }
}

fn places(config: &Config, environment: &Environment) -> Places {
    let us = nix::unistd::Uid::effective().as_raw();
    Places::find(config, environment, us, process::is_our_folder)
}

/// Which database the configuration means.
fn database(config: &Config, places: &Places, environment: &Environment) -> anyhow::Result<Database> {
    let section = &config.database;
    let Some(url) = &section.url else {
        let mut options = PrivateOptions::new(&places.data_dir);
        options.binaries.clone_from(&section.binaries);
        options.path = std::env::split_paths(environment.get("PATH").unwrap_or_default()).collect();
        return Ok(Database::Private(options));
    };
    let mut database = DatabaseConfig::external(url.expose_secret()).context("database.url")?;
    if let Some(migrate) = &section.migrate_url {
        let endpoint = Endpoint::parse(migrate.expose_secret()).context("database.migrate_url")?;
        database.setup = Setup::Apart(Box::new(endpoint));
    }
    Ok(Database::External(Box::new(database)))
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("cannot print")
}
