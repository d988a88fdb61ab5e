//! `blotter chain`: what can be bought of an underlying.

use std::process::ExitCode;

use blotter_shared::domain::OptionType;
use blotter_shared::protocol::chain::{Chain, ChainRow};
use chrono::NaiveDate;
use clap::Args;
use rust_decimal::Decimal;

use super::exit::Failure;
use super::output::{print, print_json, table};
use super::{Context, block_on};
use crate::client::calls::Call;
use crate::client::orders::OrderCall;
use crate::format;
use crate::widgets::text::clean;

#[derive(Debug, Args)]
pub struct ChainArgs {
    /// The ticker, as in SPY
    symbol: String,
    /// One of the listed expiries; about a month away without it
    #[arg(long, value_name = "YYYY-MM-DD")]
    expiry: Option<NaiveDate>,
    /// Strikes above and below the price of the underlying
    #[arg(long, default_value = "8")]
    strikes: usize,
}

pub(super) fn run(context: &Context, args: &ChainArgs) -> Result<ExitCode, Failure> {
    let daemon = context.daemon();
    let call = Call::Order(OrderCall::Chain { symbol: args.symbol.clone(), expiry: args.expiry });
    let chain: Chain = block_on(async { Ok(daemon.ask(&call).await?) })?;
    if context.global.json {
        return print_json(&chain);
    }
    print(&text(&chain, args.strikes))
}

fn text(chain: &Chain, strikes: usize) -> String {
    let figure = |value: Option<Decimal>| value.map_or_else(|| format::UNKNOWN.to_owned(), format::price);
    let near = around(chain, strikes);
    let rows: Vec<Vec<String>> = near
        .iter()
        .map(|row| {
            let right = match row.option_type {
                OptionType::Call => "C",
                OptionType::Put => "P",
            };
            let strike = format!("{} {right}", row.strike.normalize());
            vec![
                strike,
                figure(row.bid),
                figure(row.ask),
                figure(row.delta.map(|delta| delta.round_dp(2))),
                clean(&row.option_symbol),
            ]
        })
        .collect();
    let expiries: Vec<String> = chain.expiries.iter().map(ToString::to_string).collect();
    let heading = format!("{} {}  expiry {}\n", clean(&chain.symbol), figure(chain.underlying), chain.expiry);
    format!("{heading}{}expiries: {}\n", table(&["STRIKE", "BID", "ASK", "DELTA", "SYMBOL"], &rows), expiries.join(" "))
}

/// The rows whose strikes are nearest to the price.
fn around(chain: &Chain, strikes: usize) -> Vec<&ChainRow> {
    let Some(price) = chain.underlying else { return chain.rows.iter().collect() };
    let below = chain.rows.iter().filter(|row| row.strike < price).count();
    let from = below.saturating_sub(strikes * 2);
    chain.rows.iter().skip(from).take(strikes * 4).collect()
}
