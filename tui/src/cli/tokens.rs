//! `blotter tokens`, `blotter tokens set MODE`.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::accounts::{AccountList, AccountReport, TokenText, TokenUpdate};
use blotter_shared::protocol::settings::Settings;
use clap::{Args, Subcommand};

use super::exit::Failure;
use super::output::{print, print_json};
use super::{Context, block_on};
use crate::client::calls::Call;
use crate::model::Access;
use crate::terminal::hidden::read_hidden;
use crate::widgets::text::clean;

#[derive(Debug, Args)]
pub struct TokensArgs {
    #[command(subcommand)]
    command: Option<TokensCommand>,
}

#[derive(Debug, Subcommand)]
enum TokensCommand {
    /// Store a broker token: typed without being shown, or read from standard input
    Set {
        /// sim, sandbox or live
        #[arg(value_parser = mode)]
        mode: BrokerMode,
        /// Which account, when the token opens more than one
        #[arg(long, value_name = "NUMBER")]
        account: Option<String>,
    },
}

pub(super) fn run(context: &Context, args: TokensArgs) -> Result<ExitCode, Failure> {
    match args.command {
        None => list(context),
        Some(TokensCommand::Set { mode, account }) => set(context, mode, account),
    }
}

fn mode(text: &str) -> Result<BrokerMode, String> {
    text.to_uppercase().parse().map_err(|_| "sim, sandbox or live".to_owned())
}

fn list(context: &Context) -> Result<ExitCode, Failure> {
    let daemon = context.daemon();
    let accounts: AccountList = block_on(async { Ok(daemon.ask(&Call::Accounts).await?) })?;
    if context.global.json {
        return print_json(&accounts);
    }
    if accounts.accounts.is_empty() {
        return print("No token is stored: `blotter tokens set sandbox` stores one.\n");
    }
    print(&accounts.accounts.iter().map(row).collect::<String>())
}

fn row(account: &AccountReport) -> String {
    let number = clean(account.account_id.as_deref().unwrap_or("-"));
    let detail = account.detail.as_deref().map(|detail| format!("  {}", clean(detail))).unwrap_or_default();
    format!("{:<8} {number:<12} {}{detail}\n", account.mode.as_str(), account.state)
}

fn set(context: &Context, mode: BrokerMode, account_id: Option<String>) -> Result<ExitCode, Failure> {
    if context.access() == Access::ReadOnly {
        return Err(Failure::refused("This client is read-only (--read-only)."));
    }
    let token = TokenText(read(mode)?);
    let key = super::sync::new_key(context);
    let daemon = context.daemon();
    let call = Call::PutToken { update: TokenUpdate { mode, token, account_id }, key };
    let settings: Settings = block_on(async { Ok(daemon.ask(&call).await?) })?;
    if context.global.json {
        return print_json(&settings);
    }
    let number = match mode {
        BrokerMode::Sim => settings.sim_account_id,
        BrokerMode::Sandbox => settings.sandbox_account_id,
        BrokerMode::Live => settings.live_account_id,
    };
    print(&format!("{mode}: the broker accepted the token; account {}.\n", clean(number.as_deref().unwrap_or("-"))))
}

/// Never from the command line: arguments are in the list of processes and in the shell's history.
fn read(mode: BrokerMode) -> Result<String, Failure> {
    let line = if io::stdin().is_terminal() {
        read_hidden(&format!("{mode} token (it is not shown): "))
    } else {
        io::read_to_string(io::stdin())
    };
    let line = line.map_err(|error| Failure::usage(format!("no token could be read: {error}")))?;
    let token = line.trim();
    if token.is_empty() { Err(Failure::usage("no token was given")) } else { Ok(token.to_owned()) }
}
