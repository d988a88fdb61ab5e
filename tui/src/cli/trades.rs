//! `blotter trades` and `blotter show`.

use std::process::ExitCode;

use blotter_shared::domain::{Outcome, Price, TradeNumber};
use blotter_shared::protocol::market::Market;
use blotter_shared::protocol::trades::{Book, Trade, TradeList};
use chrono::{DateTime, Utc};
use clap::Args;

use super::exit::Failure;
use super::output::{print, print_json, table};
use super::{Context, block_on};
use crate::client::calls::{Call, CallError, HistoryQuery};
use crate::client::http::Daemon;
use crate::figures::{Cover, cover};
use crate::format;
use crate::widgets::text::clean;

#[derive(Debug, Args)]
pub struct ListArgs {
    /// open or closed
    #[arg(long, default_value = "open")]
    status: Book,
    /// Of the closed ones only these: win, loss or expired
    #[arg(long)]
    outcome: Option<Outcome>,
    /// Of the closed ones only those whose ticker, strategy or number matches
    #[arg(long, default_value = "")]
    find: String,
    /// Where the page before ended (its `next_cursor`)
    #[arg(long)]
    cursor: Option<String>,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The trade's number, as in 12 or #12, or its id
    id: String,
}

pub(super) fn list(context: &Context, args: &ListArgs) -> Result<ExitCode, Failure> {
    let daemon = context.daemon();
    let query = HistoryQuery {
        outcome: args.outcome,
        search: args.find.clone(),
        cursor: args.cursor.clone(),
        ..HistoryQuery::default()
    };
    let call = match args.status {
        Book::Open if query == HistoryQuery::default() => Call::OpenTrades,
        Book::Open => return Err(Failure::usage("--outcome, --find and --cursor go with --status closed")),
        Book::Closed => Call::History(query),
    };
    let list = block_on(async { Ok(trade_list(&daemon, &call).await?) })?;
    if context.global.json {
        return print_json(&list);
    }
    let now = now(context, &daemon);
    print(&match args.status {
        Book::Open => open_text(&list, now),
        Book::Closed => closed_text(&list, now),
    })
}

async fn trade_list(daemon: &Daemon, call: &Call) -> Result<TradeList, CallError> {
    daemon.ask(call).await
}

fn price(price: Option<Price>) -> String {
    price.map_or_else(|| format::UNKNOWN.to_owned(), |price| format::price(price.value()))
}

fn contract(trade: &Trade) -> String {
    let contract = &trade.contract;
    format!("{} {} {}", contract.expiry, contract.strike.normalize(), contract.option_type.letter())
}

fn open_text(list: &TradeList, now: DateTime<Utc>) -> String {
    if list.items.is_empty() {
        return "No open trades.\n".to_owned();
    }
    let rows: Vec<_> = list.items.iter().map(|trade| open_row(trade, now)).collect();
    let heading =
        ["#", "SYMBOL", "CONTRACT", "QTY", "ENTRY", "MARK", "P&L $", "STOP", "TARGET", "PROTECTED", "AGE", "STATE"];
    table(&heading, &rows)
}

fn open_row(trade: &Trade, now: DateTime<Utc>) -> Vec<String> {
    let protected = match cover(trade) {
        Cover::Stop => "yes",
        Cover::NoStop => "NO STOP",
        Cover::Unverified => "UNVERIFIED",
        Cover::Nothing => format::UNKNOWN,
    };
    let pnl = trade.unrealized_pnl.map_or_else(|| format::UNKNOWN.to_owned(), |cash| format::signed_money(cash.0));
    vec![
        trade.number.to_string(),
        clean(&trade.ticker),
        contract(trade),
        trade.held_qty.to_string(),
        price(trade.entry_price),
        price(trade.current_price),
        pnl,
        price(trade.sl_price),
        price(trade.tp_price),
        protected.to_owned(),
        format::held(trade.entry_date, now),
        trade.status.as_str().to_owned(),
    ]
}

fn closed_text(list: &TradeList, now: DateTime<Utc>) -> String {
    if list.items.is_empty() {
        return "No closed trades.\n".to_owned();
    }
    let rows: Vec<_> = list.items.iter().map(|trade| closed_row(trade, now)).collect();
    let heading =
        ["#", "CLOSED", "SYMBOL", "CONTRACT", "QTY", "ENTRY", "EXIT", "P&L $", "P&L %", "R", "REASON", "STRATEGY"];
    let mut text = table(&heading, &rows);
    if let Some(cursor) = &list.next_cursor {
        text.push_str(&format!("more: blotter trades --status closed --cursor {}\n", clean(cursor)));
    }
    text
}

fn closed_row(trade: &Trade, now: DateTime<Utc>) -> Vec<String> {
    let unknown = |text: Option<String>| text.unwrap_or_else(|| format::UNKNOWN.to_owned());
    let close = trade.close.as_ref();
    vec![
        trade.number.to_string(),
        unknown(close.map(|close| format::moment(close.at, now))),
        clean(&trade.ticker),
        contract(trade),
        trade.qty.to_string(),
        price(trade.entry_price),
        price(close.and_then(|close| close.price)),
        unknown(close.and_then(|close| close.realized_pnl).map(|cash| format::signed_money(cash.0))),
        unknown(close.and_then(|close| close.realized_pnl_pct).map(format::percent)),
        unknown(close.and_then(|close| close.r_multiple).map(format::multiple)),
        close.and_then(|close| close.reason).map_or(trade.status.as_str(), |reason| reason.as_str()).to_owned(),
        trade.strategy.as_deref().map(clean).unwrap_or_default(),
    ]
}

pub(super) fn show(context: &Context, args: &ShowArgs) -> Result<ExitCode, Failure> {
    let daemon = context.daemon();
    let trade = block_on(find(&daemon, &args.id))?;
    if context.global.json {
        return print_json(&trade);
    }
    print(&trade_text(&trade, now(context, &daemon)))
}

/// The daemon's time, which ages are counted by: a demo's is not this machine's.
pub(super) fn now(context: &Context, daemon: &Daemon) -> DateTime<Utc> {
    let told = block_on(async { Ok(daemon.ask::<Market>(&Call::Market).await?) });
    told.map_or_else(|_| context.clock.now().wall, |market| market.now)
}

pub(super) async fn find(daemon: &Daemon, id: &str) -> Result<Trade, Failure> {
    if let Ok(id) = id.parse() {
        return Ok(daemon.ask(&Call::Trade(id)).await?);
    }
    let number = id.trim_start_matches('#').parse().map(TradeNumber);
    let number = number.map_err(|_| Failure::usage(format!("`{id}` is neither a trade's number nor its id")))?;
    let history = HistoryQuery { search: number.0.to_string(), ..HistoryQuery::default() };
    for call in [Call::OpenTrades, Call::History(history)] {
        let list = trade_list(daemon, &call).await?;
        if let Some(trade) = list.items.into_iter().find(|trade| trade.number == number) {
            return Ok(trade);
        }
    }
    Err(Failure::refused(format!("There is no trade {number}.")))
}

fn trade_text(trade: &Trade, now: DateTime<Utc>) -> String {
    let mut facts = vec![
        ("Trade", format!("{}  {}  version {}", trade.number, trade.id, trade.version)),
        (
            "Contract",
            format!("{} {} ×{}  ({})", clean(&trade.ticker), contract(trade), trade.qty, clean(&trade.option_symbol)),
        ),
        ("State", format!("{}, held {}, wanted {}", trade.status, trade.held_qty, trade.desired)),
        ("Account", format!("{} {}", trade.broker_mode, clean(&trade.account_id))),
        ("Entry", format!("{}  {} ET", price(trade.entry_price), format::moment(trade.entry_date, now))),
        ("Stop", price(trade.sl_price)),
        ("Target", price(trade.tp_price)),
        ("Protection", trade.protection.to_string()),
        ("Mark", price(trade.current_price)),
    ];
    facts.extend(trade.unrealized_pnl.map(|cash| ("P&L", format::signed_money(cash.0))));
    facts.extend(trade.strategy.as_deref().map(|name| ("Strategy", clean(name))));
    facts.extend(trade.needs_person.as_deref().map(|reason| ("Needs you", clean(reason))));
    if let Some(close) = &trade.close {
        let reason = close.reason.map_or(trade.status.as_str(), |reason| reason.as_str());
        facts.push(("Closed", format!("{} ET  {reason}  {}", format::moment(close.at, now), price(close.price))));
        let fees = close.fees.map_or_else(
            || "before fees, which are not told".to_owned(),
            |fees| format!("after {} of fees", format::money(fees.0)),
        );
        facts.extend(close.realized_pnl.map(|cash| ("Result", format!("{} {fees}", format::signed_money(cash.0)))));
    }
    facts.into_iter().map(|(label, value)| format!("{label:<11} {value}\n")).collect()
}
