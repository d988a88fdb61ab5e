//! `blotter place`, `close`, `adjust`, `protect`, `cancel`, `adopt`, `flatten` and `why`.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use blotter_shared::domain::{BrokerMode, Price, Quantity};
use blotter_shared::protocol::commands::{
    AdjustTrade, AdoptPosition, CloseTrade, Flatten, Flattened, PlaceTrade, SeenVersion, SendKind,
};
use blotter_shared::protocol::settings::{KillSwitch, Settings};
use blotter_shared::protocol::timeline::Timeline;
use blotter_shared::protocol::trades::Trade;
use clap::Args;
use serde::de::DeserializeOwned;

use super::exit::Failure;
use super::output::{print, print_json};
use super::trades::find;
use super::{Context, block_on};
use crate::client::calls::Call;
use crate::client::orders::{Ask, OrderCall};
use crate::format;
use crate::model::Access;
use crate::update::{contract_of, what_waits};
use crate::widgets::text::clean;

/// Buys to open: the order as arguments, or as a JSON signal on standard input.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// The OCC symbol, or as \"SPY 2026-12-18 600 C\"; without it a JSON signal is read
    contract: Option<String>,
    /// Contracts
    #[arg(long, default_value = "1", value_parser = quantity)]
    qty: Quantity,
    /// The most to pay for one; at the market without it
    #[arg(long)]
    limit: Option<Price>,
    #[arg(long)]
    stop: Option<Price>,
    #[arg(long)]
    target: Option<Price>,
    /// It is to have no stop
    #[arg(long, conflicts_with = "stop")]
    no_stop: bool,
    /// A label of yours
    #[arg(long)]
    strategy: Option<String>,
}

/// Which trade, and the version that it must still have.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The trade's number, as in 12 or #12, or its id
    id: String,
    /// Refuse unless the trade still has this version
    #[arg(long)]
    version: Option<i64>,
}

#[derive(Debug, Args)]
pub struct CloseArgs {
    #[command(flatten)]
    which: Which,
    /// Only so many contracts
    #[arg(long, value_parser = quantity)]
    qty: Option<Quantity>,
    /// Rest at this price beside the stop
    #[arg(long)]
    limit: Option<Price>,
    /// While the market is closed: sell at the open
    #[arg(long)]
    at_open: bool,
    /// Take a close back that has not begun
    #[arg(long, conflicts_with_all = ["qty", "limit", "at_open"])]
    withdraw: bool,
}

#[derive(Debug, Args)]
pub struct AdjustArgs {
    #[command(flatten)]
    which: Which,
    /// A price, none, or entry for the entry price
    #[arg(long)]
    stop: Option<String>,
    /// A price, or none
    #[arg(long)]
    target: Option<String>,
}

#[derive(Debug, Args)]
pub struct WhichArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// The OCC symbol, or as \"SPY 2026-12-18 600 C\"
    contract: String,
    /// What the account holds of it
    #[arg(long, value_parser = quantity)]
    qty: Quantity,
    #[arg(long)]
    stop: Option<Price>,
    #[arg(long)]
    target: Option<Price>,
    /// A label of yours
    #[arg(long)]
    strategy: Option<String>,
}

#[derive(Debug, Args)]
pub struct FlattenArgs {
    /// Say what would be sent, and change nothing
    #[arg(long)]
    drill: bool,
    /// Only the account of this world: sim, sandbox or live
    #[arg(long, value_parser = mode)]
    mode: Option<BrokerMode>,
    /// Really everything
    #[arg(long, conflicts_with = "drill")]
    yes: bool,
}

#[derive(Debug, Args)]
pub struct KillSwitchArgs {
    /// on stops entries, off lets them in again
    #[arg(value_name = "on|off", action = clap::ArgAction::Set, value_parser = on_off)]
    stopped: bool,
}

fn on_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".to_owned()),
    }
}

pub(super) fn kill_switch(context: &Context, args: &KillSwitchArgs) -> Result<ExitCode, Failure> {
    let wanted = Ask::StopEntries(KillSwitch { stopped: args.stopped });
    let words = wanted.done();
    let settings: Settings = ask(context, wanted)?;
    if context.global.json { print_json(&settings) } else { print(&format!("{words}\n")) }
}

fn quantity(text: &str) -> Result<Quantity, String> {
    let count: u32 = text.parse().map_err(|_| format!("`{text}` is no number of contracts"))?;
    Quantity::new(count).map_err(|error| error.to_string())
}

fn mode(text: &str) -> Result<BrokerMode, String> {
    text.to_uppercase().parse().map_err(|_| "sim, sandbox or live".to_owned())
}

pub(super) fn place(context: &Context, args: PlaceArgs) -> Result<ExitCode, Failure> {
    let order = match args.contract {
        Some(contract) => PlaceTrade {
            option_symbol: contract_of(&contract).map_err(Failure::usage)?.occ(),
            qty: args.qty,
            limit: args.limit,
            sl_price: args.stop,
            tp_price: args.target,
            no_stop: args.no_stop,
            story: blotter_shared::protocol::commands::Story { strategy: args.strategy, ..Default::default() },
        },
        None => signal()?,
    };
    tell_trade(context, Ask::Place(order))
}

/// A scanner's order on standard input.
fn signal() -> Result<PlaceTrade, Failure> {
    if io::stdin().is_terminal() {
        return Err(Failure::usage("say what to buy, or give a JSON signal on standard input"));
    }
    let text = io::read_to_string(io::stdin());
    let text = text.map_err(|error| Failure::usage(format!("standard input: {error}")))?;
    serde_json::from_str(&text).map_err(|error| Failure::usage(format!("this is no signal: {error}")))
}

pub(super) fn close(context: &Context, args: &CloseArgs) -> Result<ExitCode, Failure> {
    let trade = trade(context, &args.which)?;
    let version = args.which.version.unwrap_or(trade.version);
    let ask = if args.withdraw {
        Ask::Withdraw(trade.id, SeenVersion { version })
    } else {
        Ask::Close(trade.id, CloseTrade { version, qty: args.qty, limit: args.limit, at_open: args.at_open })
    };
    tell_trade(context, ask)
}

pub(super) fn adjust(context: &Context, args: &AdjustArgs) -> Result<ExitCode, Failure> {
    let side = |text: Option<&str>| match text {
        None => Ok(None),
        Some("none") => Ok(Some(None)),
        Some(text) => text.parse().map(|price| Some(Some(price))).map_err(|error| Failure::usage(format!("{error}"))),
    };
    let break_even = args.stop.as_deref() == Some("entry");
    let new_sl = if break_even { None } else { side(args.stop.as_deref())? };
    let new_tp = side(args.target.as_deref())?;
    if !break_even && new_sl.is_none() && new_tp.is_none() {
        return Err(Failure::usage("say --stop, --target or both"));
    }
    let trade = trade(context, &args.which)?;
    let version = args.which.version.unwrap_or(trade.version);
    tell_trade(context, Ask::Adjust(trade.id, AdjustTrade { version, new_sl, new_tp, break_even }))
}

pub(super) fn protect(context: &Context, args: &WhichArgs) -> Result<ExitCode, Failure> {
    let trade = trade(context, &args.which)?;
    let version = args.which.version.unwrap_or(trade.version);
    tell_trade(context, Ask::Protect(trade.id, SeenVersion { version }))
}

pub(super) fn cancel(context: &Context, args: &WhichArgs) -> Result<ExitCode, Failure> {
    let trade = trade(context, &args.which)?;
    let version = args.which.version.unwrap_or(trade.version);
    tell_trade(context, Ask::Cancel(trade.id, SeenVersion { version }))
}

pub(super) fn adopt(context: &Context, args: AdoptArgs) -> Result<ExitCode, Failure> {
    let option_symbol = contract_of(&args.contract).map_err(Failure::usage)?.occ();
    let AdoptArgs { qty, stop: sl_price, target: tp_price, strategy, .. } = args;
    tell_trade(context, Ask::Adopt(AdoptPosition { option_symbol, qty, sl_price, tp_price, strategy }))
}

pub(super) fn flatten(context: &Context, args: &FlattenArgs) -> Result<ExitCode, Failure> {
    if !args.drill && !args.yes {
        return Err(Failure::usage("everything would be sold: --drill says what would be sent, --yes does it"));
    }
    let done: Flattened = ask(context, Ask::Flatten(Flatten { drill: args.drill, mode: args.mode }))?;
    if context.global.json { print_json(&done) } else { print(&sends(&done)) }
}

fn sends(done: &Flattened) -> String {
    if done.sends.is_empty() {
        return "Nothing is held and no entry works.\n".to_owned();
    }
    let mut text = if done.drill { "Would be sent, in this order:\n" } else { "Is sent, in this order:\n" }.to_owned();
    for send in &done.sends {
        let what = match send.what {
            SendKind::CancelEntry => "cancel the entry".to_owned(),
            SendKind::CancelBracket => "cancel the bracket".to_owned(),
            SendKind::SellAtMarket => send.qty.map_or("sell".to_owned(), |qty| format!("sell {qty} at the market")),
        };
        let order = send.order_id.as_deref().map(|id| format!("  order {}", clean(id))).unwrap_or_default();
        let symbol = clean(&send.option_symbol);
        let when = if send.waits_for_open { "  at the open" } else { "" };
        text.push_str(&format!(
            "{:<5} {} {symbol:<22} {what}{order}{when}\n",
            send.trade_number.to_string(),
            send.broker_mode
        ));
    }
    if let Some(sentence) = what_waits(done) {
        text.push_str(sentence);
        text.push('\n');
    }
    text
}

pub(super) fn why(context: &Context, args: &WhichArgs) -> Result<ExitCode, Failure> {
    let daemon = context.daemon();
    let story = block_on(async {
        let trade = find(&daemon, &args.which.id).await?;
        let answer: Timeline = daemon.ask(&Call::Order(OrderCall::Timeline(trade.id))).await?;
        Ok(answer)
    })?;
    if context.global.json {
        return print_json(&story);
    }
    let mut text = format!("{} {}\n", story.trade.number, clean(&story.trade.option_symbol));
    for moment in &story.moments {
        let device = moment.device.as_deref().map(|device| format!("{}: ", clean(device))).unwrap_or_default();
        let at = format::exchange_date(moment.at);
        let clock = format::clock_s(moment.at);
        text.push_str(&format!("{at} {clock}  {:<9} {device}{}\n", moment.kind.as_str(), clean(&moment.what)));
    }
    print(&text)
}

fn trade(context: &Context, which: &Which) -> Result<Trade, Failure> {
    let daemon = context.daemon();
    block_on(find(&daemon, &which.id))
}

/// Asks, and says what the trade is wanted to be now.
fn tell_trade(context: &Context, wanted: Ask) -> Result<ExitCode, Failure> {
    let words = wanted.done();
    let trade: Trade = ask(context, wanted)?;
    if context.global.json {
        return print_json(&trade);
    }
    let step = trade.step.map(|step| format!("  ({})", step.sentence())).unwrap_or_default();
    print(&format!("{} {}: {words}{step}\n", trade.number, clean(&trade.option_symbol)))
}

/// Asks for something to be done, under a key of its own.
pub(super) fn ask<T: DeserializeOwned>(context: &Context, wanted: Ask) -> Result<T, Failure> {
    if context.access() == Access::ReadOnly {
        return Err(Failure::refused("This client is read-only (--read-only)."));
    }
    let key = super::sync::new_key(context);
    let daemon = context.daemon();
    let call = Call::Order(OrderCall::Ask { ask: Box::new(wanted), key });
    block_on(async { Ok(daemon.ask(&call).await?) })
}
