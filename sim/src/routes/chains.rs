//! Section 6: chains, expirations, strikes, symbols.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::Who;
use super::quotes::View;
use crate::app::Sim;
use crate::core::{Symbol, World};
use crate::market::{AssetKind, Market};
use crate::pipeline::Call;
use crate::wire::{Answer, Node, one_or_many};

fn symbol_of(call: &Call) -> Result<Symbol, Answer> {
    let given = call.params.get("symbol").or_else(|| call.params.get("underlying"));
    given.map(Symbol::new).ok_or_else(|| Answer::bad("Invalid parameter, symbol: is required."))
}

fn expiration_of(call: &Call) -> Result<NaiveDate, Answer> {
    let Some(text) = call.params.get("expiration") else {
        return Err(Answer::bad("Invalid parameter, expiration: is required."));
    };
    text.parse().map_err(|_| Answer::bad("Invalid parameter, expiration: is not valid."))
}

/// The sandbox knows no indices.
fn known(market: &Market, symbol: &Symbol, world: World) -> bool {
    let found = market.underlyings().iter().find(|u| u.symbol == *symbol);
    found.is_some_and(|u| world == World::Live || u.kind != AssetKind::Index)
}

pub(crate) fn chains(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let (symbol, expiration) = (symbol_of(call)?, expiration_of(call)?);
    let now = sim.now();
    let view = View { world: who.world, greeks: call.params.is_true("greeks"), now };
    let mut market = sim.market.lock();
    let contracts =
        if known(&market, &symbol, who.world) { market.chain(&symbol, expiration, now) } else { Vec::new() };
    let mut nodes = Vec::with_capacity(contracts.len());
    for contract in contracts {
        nodes.extend(sim.shown.quote(&mut market, contract.occ().as_str(), view));
    }
    let options = if nodes.is_empty() { Node::Null } else { Node::wrap("option", one_or_many(nodes)) };
    Ok(Answer::tree(Node::wrap("options", options)))
}

pub(crate) fn expirations(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let symbol = symbol_of(call)?;
    let now = sim.now();
    let mut market = sim.market.lock();
    let dates = if known(&market, &symbol, who.world) { market.expirations(&symbol, now) } else { Vec::new() };
    if dates.is_empty() {
        return Ok(Answer::tree(Node::wrap("expirations", Node::Null)));
    }
    let flags = ["strikes", "contractSize", "expirationType"].map(|name| call.params.is_true(name));
    if flags.iter().all(|f| !f) {
        let nodes = dates.iter().map(|e| Node::Text(e.date.to_string())).collect();
        return Ok(Answer::tree(Node::wrap("expirations", Node::wrap("date", one_or_many(nodes)))));
    }
    let [strikes, size, kind] = flags;
    let mut nodes = Vec::with_capacity(dates.len());
    for expiration in dates {
        let mut fields = vec![("date", Node::Text(expiration.date.to_string()))];
        if size {
            fields.push(("contract_size", Node::Int(100)));
        }
        if kind {
            fields.push(("expiration_type", Node::text(if expiration.monthly { "standard" } else { "weeklys" })));
        }
        if strikes {
            fields.push(("strikes", Node::wrap("strike", strikes_node(&mut market, &symbol, expiration.date, now))));
        }
        nodes.push(Node::Map(fields));
    }
    Ok(Answer::tree(Node::wrap("expirations", Node::wrap("expiration", one_or_many(nodes)))))
}

fn strikes_node(market: &mut Market, symbol: &Symbol, expiry: NaiveDate, now: crate::time::Ms) -> Node {
    let mils = market.listing(symbol, expiry, now).map(|l| l.strikes).unwrap_or_default();
    one_or_many(mils.into_iter().map(|m| Node::Number(Decimal::new(i64::from(m), 3).normalize())).collect())
}

pub(crate) fn strikes(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let (symbol, expiration) = (symbol_of(call)?, expiration_of(call)?);
    let now = sim.now();
    let mut market = sim.market.lock();
    let listed = known(&market, &symbol, who.world) && market.listing(&symbol, expiration, now).is_some();
    let inner =
        if listed { Node::wrap("strike", strikes_node(&mut market, &symbol, expiration, now)) } else { Node::Null };
    Ok(Answer::tree(Node::wrap("strikes", inner)))
}

/// All contracts of an underlying, by root. Narrowed by strike, type and expiration when asked.
pub(crate) fn lookup(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let symbol = symbol_of(call)?;
    let now = sim.now();
    let mut market = sim.market.lock();
    if !known(&market, &symbol, who.world) {
        return Ok(Answer::tree(Node::wrap("symbols", Node::Null)));
    }
    let strike: Option<Decimal> = call.params.get("strike").and_then(|s| s.parse().ok());
    let right = call.params.get("type").and_then(|t| t.chars().next()).map(|c| c.to_ascii_lowercase());
    let only: Option<NaiveDate> = call.params.get("expiration").and_then(|e| e.parse().ok());
    let mut by_root: std::collections::BTreeMap<String, Vec<Node>> = std::collections::BTreeMap::new();
    for expiration in market.expirations(&symbol, now) {
        if only.is_some_and(|o| o != expiration.date) {
            continue;
        }
        for contract in market.chain(&symbol, expiration.date, now) {
            let fits = strike.is_none_or(|s| contract.strike() == s)
                && right.is_none_or(|r| contract.right.word().starts_with(r));
            if fits {
                by_root.entry(contract.root.clone()).or_default().push(Node::text(contract.occ().as_str()));
            }
        }
    }
    let nodes = by_root
        .into_iter()
        .map(|(root, options)| Node::Map(vec![("rootSymbol", Node::Text(root)), ("options", Node::List(options))]));
    Ok(Answer::tree(Node::wrap("symbols", Node::List(nodes.collect()))))
}
