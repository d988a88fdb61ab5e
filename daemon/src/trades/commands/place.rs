//! Place: a long call or put, with its stop and target. The trade is durable before anything is
//! sent, and its entry is sent in the next seconds or never.

use blotter_shared::domain::{Multiplier, OptionContract, Price, Quantity, TradeId};

use super::super::expiry;
use super::super::facts::{Change, Marks, Spec, Trade, Wish};
use super::super::ports::Symbol;
use super::super::pricing::{self, Sides, TickGrid};
use super::super::risk::{self, Asked, Limits, Standing};
use super::{Accepted, Desk, RefusalCode, Refused, adjust};

/// A trade as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTrade {
    pub id: TradeId,
    pub contract: OptionContract,
    pub multiplier: Multiplier,
    pub quantity: Quantity,
    pub limit: Option<Price>,
    pub stop: Option<Price>,
    pub target: Option<Price>,
    /// The person said that it is to have no stop.
    pub stop_waived: bool,
    pub limits: Limits,
    pub standing: Standing,
}

pub(super) fn judge(wanted: &NewTrade, desk: &Desk<'_>) -> Result<Accepted, Refused> {
    let symbol = free_symbol(wanted, desk)?;
    if desk.book.account.reconciling.is_some() {
        let sentence = "a backup was brought back: nothing is sent before every order at the broker is matched";
        return Err(Refused::new(RefusalCode::Halted, sentence));
    }
    if let Some(reason) = &desk.book.account.halted {
        return Err(Refused::new(RefusalCode::Halted, format!("sending has stopped: {reason}")));
    }
    if desk.book.account.entries_stopped {
        return Err(Refused::new(RefusalCode::EntriesStopped, "the kill switch is set: no entries"));
    }
    let session = desk.session(&wanted.contract);
    expiry::check_entry(&wanted.contract, &session, desk.now)?;
    if !session.open {
        let opens = session.opens;
        return Err(Refused::new(RefusalCode::MarketClosed, format!("the market opens at {opens}")));
    }
    let quote = desk.quotes.get(&symbol).copied();
    let Some((bid, ask)) = quote.and_then(|quote| quote.bid.zip(quote.ask)) else {
        return Err(Refused::new(
            RefusalCode::NoQuote,
            format!("{symbol} has no quote on both sides: it is halted, or nobody trades it"),
        ));
    };
    let sides = Sides { stop: wanted.stop, target: wanted.target };
    let grid = TickGrid::of_root(&wanted.contract.root);
    pricing::check_grid(sides, grid).map_err(|bad| adjust::refused(&bad))?;
    pricing::check_market(sides, bid).map_err(|bad| adjust::refused(&bad))?;
    if let Some(limit) = wanted.limit.filter(|limit| !grid.holds(*limit) || *limit == Price::ZERO) {
        return Err(Refused::new(RefusalCode::OffGrid, format!("the limit {limit} is not on the price grid")));
    }
    within_limits(wanted, wanted.limit.unwrap_or(ask), desk)?;
    Ok(begin(wanted, symbol, 0, desk))
}

/// One live trade of a symbol, and none while an exit of an older one still works.
pub(super) fn free_symbol(wanted: &NewTrade, desk: &Desk<'_>) -> Result<Symbol, Refused> {
    let symbol = Symbol::new(&wanted.contract.occ());
    let of_symbol = |trade: &&Trade| trade.spec.symbol == symbol;
    let mut trades = desk.book.trades.values().filter(of_symbol);
    let taken = trades.find(|trade| !trade.is_ended() || trade.live_exits().next().is_some());
    let Some(trade) = taken else { return Ok(symbol) };
    let sentence = match trade.marks.quarantine.as_ref().filter(|_| !trade.is_ended()) {
        Some(quarantine) => format!(
            "the trade in {symbol} waits for a person first: {}; to protect it takes what the broker shows for the truth",
            quarantine.reason
        ),
        None => format!("a trade in {symbol} is alive already"),
    };
    Err(Refused::new(RefusalCode::SymbolTaken, sentence))
}

fn within_limits(wanted: &NewTrade, price: Price, desk: &Desk<'_>) -> Result<(), Refused> {
    let cost = price.times(wanted.quantity, wanted.multiplier);
    let kept =
        wanted.stop.map_or(blotter_shared::domain::Cash::ZERO, |stop| stop.times(wanted.quantity, wanted.multiplier));
    let asked =
        Asked { risk: cost - kept, has_stop: wanted.stop.is_some(), stop_waived: wanted.stop_waived, at: desk.now };
    let breaches = risk::breaches(&wanted.limits, &wanted.standing, &asked);
    if breaches.is_empty() {
        return Ok(());
    }
    let sentence = breaches.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Err(Refused { breaches, ..Refused::new(RefusalCode::Limit, sentence) })
}

/// The trade as it begins, with the contracts that are there already.
pub(super) fn begin(wanted: &NewTrade, symbol: Symbol, adopted: i64, desk: &Desk<'_>) -> Accepted {
    let spec = Spec {
        id: wanted.id,
        symbol,
        contract: wanted.contract.clone(),
        multiplier: wanted.multiplier,
        quantity: wanted.quantity,
        limit: wanted.limit,
        initial_stop: wanted.stop,
        initial_target: wanted.target,
        asked_at: desk.now,
    };
    let kept = Wish::keeping(wanted.quantity, 1, desk.now);
    let wish = Wish { stop: wanted.stop, target: wanted.target, ..kept };
    let marks = Marks { adopted, ..Marks::new() };
    let trade = Trade { spec, wish, marks, intents: Vec::new(), fills: Vec::new() };
    Accepted { changes: vec![Change::Begin(Box::new(trade))], trade: Some((wanted.id, 1)) }
}
