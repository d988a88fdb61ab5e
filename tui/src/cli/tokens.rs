//! `blotter tokens`, `blotter tokens set KIND`, `blotter tokens remove KIND`.

use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::accounts::{AccountList, AccountReport, TokenKind, TokenText, TokenUpdate};
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
    /// Store a token: typed without being shown, or read from standard input
    Set {
        /// sim, sandbox, live or orats
        #[arg(value_parser = kind)]
        kind: TokenKind,
        /// Which account, when the token opens more than one
        #[arg(long, value_name = "NUMBER")]
        account: Option<String>,
    },
    /// Forget a token; refused while its account has open trades
    Remove {
        /// sim, sandbox, live or orats
        #[arg(value_parser = kind)]
        kind: TokenKind,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(super) fn run(context: &Context, args: TokensArgs) -> Result<ExitCode, Failure> {
    match args.command {
        None => list(context),
        Some(TokensCommand::Set { kind, account }) => set(context, kind, account),
        Some(TokensCommand::Remove { kind, yes }) => remove(context, kind, yes),
    }
}

fn kind(text: &str) -> Result<TokenKind, String> {
    text.to_uppercase().parse().map_err(|_| "sim, sandbox, live or orats".to_owned())
}

fn list(context: &Context) -> Result<ExitCode, Failure> {
    let daemon = context.daemon();
    let (accounts, settings) = block_on(async {
        let accounts: AccountList = daemon.ask(&Call::Accounts).await?;
        let settings: Settings = daemon.ask(&Call::Settings).await?;
        Ok((accounts, settings))
    })?;
    if context.global.json {
        return print_json(&accounts);
    }
    let mut rows: String = accounts.accounts.iter().map(row).collect();
    if settings.tokens.orats {
        rows += &line(TokenKind::Orats.as_str(), None, "stored", None);
    }
    if rows.is_empty() {
        return print("No token is stored: `blotter tokens set sandbox` stores one.\n");
    }
    print(&rows)
}

fn row(account: &AccountReport) -> String {
    let (number, detail) = (account.account_id.as_deref(), account.detail.as_deref());
    line(account.mode.as_str(), number, account.state.as_str(), detail)
}

fn line(kind: &str, number: Option<&str>, state: &str, detail: Option<&str>) -> String {
    let detail = detail.map(|detail| format!("  {}", clean(detail))).unwrap_or_default();
    format!("{kind:<8} {:<12} {state}{detail}\n", clean(number.unwrap_or("-")))
}

fn set(context: &Context, kind: TokenKind, account_id: Option<String>) -> Result<ExitCode, Failure> {
    may_act(context)?;
    let token = TokenText(read(kind)?);
    let key = super::sync::new_key(context);
    let daemon = context.daemon();
    let call = Call::PutToken { update: TokenUpdate { mode: kind, token, account_id }, key };
    let settings: Settings = block_on(async { Ok(daemon.ask(&call).await?) })?;
    if context.global.json {
        return print_json(&settings);
    }
    match kind.mode() {
        Some(mode) => {
            let number = account_of(&settings, mode).unwrap_or("-");
            print(&format!("{kind}: the broker accepted the token; account {}.\n", clean(number)))
        }
        None => print("ORATS accepted the token.\n"),
    }
}

fn remove(context: &Context, kind: TokenKind, yes: bool) -> Result<ExitCode, Failure> {
    may_act(context)?;
    if !yes && !agreed(kind)? {
        return Err(Failure::refused("Nothing was removed."));
    }
    let key = super::sync::new_key(context);
    let daemon = context.daemon();
    let call = Call::RemoveToken { kind, key };
    let settings: Settings = block_on(async { Ok(daemon.ask(&call).await?) })?;
    if context.global.json {
        return print_json(&settings);
    }
    print(&format!("{kind}: the token is forgotten.\n"))
}

/// Asks on the terminal; without one, `--yes` has to say it.
fn agreed(kind: TokenKind) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("say --yes to remove a token without being asked"));
    }
    let mut out = io::stderr();
    let mut answer = String::new();
    let asked = write!(out, "Forget the {kind} token? Nothing can be read or sent with it then. [y/N] ")
        .and_then(|()| out.flush())
        .and_then(|()| io::stdin().read_line(&mut answer));
    asked.map_err(|error| Failure::usage(format!("no answer could be read: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn may_act(context: &Context) -> Result<(), Failure> {
    match context.access() {
        Access::ReadOnly => Err(Failure::refused("This client is read-only (--read-only).")),
        Access::Full => Ok(()),
    }
}

fn account_of(settings: &Settings, mode: BrokerMode) -> Option<&str> {
    match mode {
        BrokerMode::Sim => settings.sim_account_id.as_deref(),
        BrokerMode::Sandbox => settings.sandbox_account_id.as_deref(),
        BrokerMode::Live => settings.live_account_id.as_deref(),
    }
}

/// Never from the command line: arguments are in the list of processes and in the shell's history.
fn read(kind: TokenKind) -> Result<String, Failure> {
    let line = if io::stdin().is_terminal() {
        read_hidden(&format!("{kind} token (it is not shown): "))
    } else {
        io::read_to_string(io::stdin())
    };
    let line = line.map_err(|error| Failure::usage(format!("no token could be read: {error}")))?;
    let token = line.trim();
    if token.is_empty() { Err(Failure::usage("no token was given")) } else { Ok(token.to_owned()) }
}
