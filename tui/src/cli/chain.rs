//! `blotter chain`: what can be bought of an underlying.

use std::process::ExitCode;

use blotter_shared::protocol::prices::{ChainContract, ChainRow, OptionChain};
use chrono::NaiveDate;
use clap::Args;
use rust_decimal::Decimal;

use super::exit::Failure;
use super::output::{print, print_json, table};
use super::{Context, block_on};
use crate::client::chain::{Listed, listed};
use crate::format;
use crate::widgets::text::clean;

#[derive(Debug, Args)]
pub struct ChainArgs {
    /// The ticker, as in SPY
    symbol: String,
    /// One of the listed expiries; about a month away without it
    #[arg(long, value_name = "YYYY-MM-DD")]
    expiry: Option<NaiveDate>,
    /// Strikes on each side of the money
    #[arg(long, default_value = "8")]
    strikes: u16,
}

pub(super) fn run(context: &Context, args: &ChainArgs) -> Result<ExitCode, Failure> {
    let daemon = context.daemon();
    let listed = block_on(async { Ok(listed(&daemon, &args.symbol, args.expiry, args.strikes).await?) })?;
    if context.global.json { print_json(&listed) } else { print(&text(&args.symbol, &listed)) }
}

fn text(symbol: &str, listed: &Listed) -> String {
    let expirations: Vec<String> = listed.expirations.iter().map(ToString::to_string).collect();
    match &listed.chain {
        None => format!("no options of {} are listed\n", clean(symbol)),
        Some(chain) => format!("{}expiries: {}\n", contracts(chain), expirations.join(" ")),
    }
}

fn contracts(chain: &OptionChain) -> String {
    let heading = format!("{} {}  expiry {}\n", clean(&chain.symbol), figure(chain.underlying), chain.expiry);
    let rows: Vec<Vec<String>> = chain.rows.iter().flat_map(of_strike).collect();
    format!("{heading}{}", table(&["STRIKE", "BID", "ASK", "DELTA", "SYMBOL"], &rows))
}

fn of_strike(row: &ChainRow) -> impl Iterator<Item = Vec<String>> {
    let sides = [("C", &row.call), ("P", &row.put)];
    sides.into_iter().filter_map(|(letter, side)| Some(cells(row.strike, letter, side.as_ref()?)))
}

fn cells(strike: Decimal, letter: &str, contract: &ChainContract) -> Vec<String> {
    vec![
        format!("{} {letter}", strike.normalize()),
        figure(contract.bid),
        figure(contract.ask),
        figure(contract.delta.map(|delta| delta.round_dp(2))),
        clean(&contract.symbol),
    ]
}

fn figure(value: Option<Decimal>) -> String {
    value.map_or_else(|| format::UNKNOWN.to_owned(), format::price)
}
