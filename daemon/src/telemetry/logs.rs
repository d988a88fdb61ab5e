//! Where messages go: stderr as text or JSON, or the systemd journal.

use std::io::IsTerminal;

use anyhow::Context;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use crate::config::{Environment, LogConfig, LogFormat};

/// A log format that is decided: nothing left to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTarget {
    Text,
    /// Text with colours, on a terminal that has them.
    ColouredText,
    Json,
    Journald,
}

impl LogTarget {
    /// Decides by what the operator said and by where stderr leads.
    #[must_use]
    pub fn choose(format: LogFormat, environment: &Environment) -> Self {
        let coloured = std::io::stderr().is_terminal() && environment.get("NO_COLOR").is_none();
        match format {
            LogFormat::Auto if environment.get("JOURNAL_STREAM").is_some() => Self::Journald,
            LogFormat::Auto | LogFormat::Text if coloured => Self::ColouredText,
            LogFormat::Auto | LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
            LogFormat::Journald => Self::Journald,
        }
    }
}

/// Libraries that repeat parameters, headers or bodies when they are asked to be loud. They are not.
const BOUNDED: [&str; 5] = ["tokio_postgres", "hyper", "axum", "rustls", "h2"];

/// Installs the log for the whole program.
///
/// # Errors
/// When the filter cannot be read, or a log is installed already.
pub fn install(config: &LogConfig, environment: &Environment) -> anyhow::Result<()> {
    let target = LogTarget::choose(config.format, environment);
    let subscriber = subscriber(&config.filter, target, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).context("a log is installed already")
}

/// A log that writes to `writer`, or to the journal where there is one.
///
/// # Errors
/// When the filter cannot be read.
pub fn subscriber<W>(
    filter: &str,
    target: LogTarget,
    writer: W,
) -> anyhow::Result<impl Subscriber + Send + Sync + use<W>>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter: Targets = filter.parse().context("the log filter cannot be read")?;
    let filter = filter.and(filter_fn(|message| is_harmless(message.target(), *message.level())));
    Ok(tracing_subscriber::registry().with(layer(target, writer).with_filter(filter)))
}

fn is_harmless(target: &str, level: Level) -> bool {
    level <= Level::INFO || !BOUNDED.iter().any(|library| target.split("::").next() == Some(library))
}

fn layer<W>(target: LogTarget, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    match target {
        LogTarget::Json => fmt::layer().json().with_writer(writer).boxed(),
        LogTarget::ColouredText => fmt::layer().with_ansi(true).with_writer(writer).boxed(),
        LogTarget::Text => fmt::layer().with_ansi(false).with_writer(writer).boxed(),
        LogTarget::Journald => match tracing_journald::layer() {
            Ok(journal) => journal.boxed(),
            // No journal on this machine: stderr is better than silence.
            Err(_) => fmt::layer().with_ansi(false).with_writer(writer).boxed(),
        },
    }
}
