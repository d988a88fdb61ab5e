//! `blotter settings`, `… get NAME`, `… set NAME=VALUE …`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use blotter_shared::protocol::problem::FieldError;
use blotter_shared::protocol::settings::{Settings, SettingsUpdate};
use clap::{Args, Subcommand};

use super::exit::Failure;
use super::output::{print, print_json};
use super::{Context, block_on};
use crate::client::calls::{Call, CallError};
use crate::client::http::Daemon;
use crate::model::Access;
use crate::panes::settings::model::{Field, to_update};
use crate::widgets::text::clean;

#[derive(Debug, Args)]
pub struct SettingsArgs {
    #[command(subcommand)]
    command: Option<SettingsCommand>,
}

#[derive(Debug, Subcommand)]
enum SettingsCommand {
    /// Print one setting's value, or all of them
    Get { name: Option<String> },
    /// Change settings: `blotter settings set max_positions=5 heat_limit_pct=6`
    Set {
        #[arg(required = true, value_name = "NAME=VALUE")]
        changes: Vec<String>,
        /// Refuse unless the settings still have this version
        #[arg(long)]
        version: Option<i64>,
        /// The number of the live account, to go to LIVE
        #[arg(long, value_name = "NUMBER")]
        live_account: Option<String>,
    },
}

pub(super) fn run(context: &Context, args: SettingsArgs) -> Result<ExitCode, Failure> {
    let daemon = context.daemon();
    match args.command {
        None | Some(SettingsCommand::Get { name: None }) => {
            let settings = block_on(async { Ok(fetch(&daemon).await?) })?;
            show(context, &settings)
        }
        Some(SettingsCommand::Get { name: Some(name) }) => {
            let field = field(&name)?;
            let settings = block_on(async { Ok(fetch(&daemon).await?) })?;
            print(&format!("{}\n", clean(&field.stored(&settings).to_string())))
        }
        Some(SettingsCommand::Set { changes, version, live_account }) => {
            let settings = block_on(set(context, &daemon, &changes, (version, live_account)))?;
            show(context, &settings)
        }
    }
}

fn show(context: &Context, settings: &Settings) -> Result<ExitCode, Failure> {
    if context.global.json {
        return print_json(settings);
    }
    let stored = |is_stored: bool| if is_stored { "stored" } else { "none" };
    let mut text = String::new();
    for field in Field::ALL {
        text.push_str(&format!("{:<18} {}\n", field.key(), clean(&field.stored(settings).to_string())));
    }
    let tokens = settings.tokens;
    for (name, is_stored) in
        [("sim", tokens.sim), ("sandbox", tokens.sandbox), ("live", tokens.live), ("orats", tokens.orats)]
    {
        text.push_str(&format!("{:<18} {}\n", format!("token.{name}"), stored(is_stored)));
    }
    text.push_str(&format!("{:<18} {}\n", "version", settings.version));
    print(&text)
}

fn field(name: &str) -> Result<Field, Failure> {
    Field::from_key(name).ok_or_else(|| {
        let known: Vec<_> = Field::ALL.iter().map(|field| field.key()).collect();
        Failure::usage(format!("`{name}` is no setting; there are: {}", known.join(" ")))
    })
}

async fn fetch(daemon: &Daemon) -> Result<Settings, CallError> {
    daemon.ask(&Call::Settings).await
}

async fn set(
    context: &Context,
    daemon: &Daemon,
    changes: &[String],
    (version, live_account): (Option<i64>, Option<String>),
) -> Result<Settings, Failure> {
    if context.access() == Access::ReadOnly {
        return Err(Failure::refused("This client is read-only (--read-only)."));
    }
    let mut texts = BTreeMap::new();
    for change in changes {
        let (name, value) =
            change.split_once('=').ok_or_else(|| Failure::usage(format!("`{change}` is not NAME=VALUE")))?;
        texts.insert(field(name.trim())?, value.to_owned());
    }
    // Checked before anything is asked, so that a slip costs nothing.
    to_update(0, &texts).map_err(|errors| Failure::usage(sentence(&errors)))?;
    let version = match version {
        Some(version) => version,
        None => fetch(daemon).await?.version,
    };
    let update = to_update(version, &texts).map_err(|errors| Failure::usage(sentence(&errors)))?;
    let update = SettingsUpdate { typed_live_account: live_account, ..update };
    let key = super::sync::new_key(context);
    Ok(daemon.ask(&Call::PutSettings { update, key }).await?)
}

fn sentence(errors: &[FieldError]) -> String {
    errors.iter().map(|error| format!("{}: {}", error.field, error.rule)).collect::<Vec<_>>().join("; ")
}
