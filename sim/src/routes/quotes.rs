//! Section 6: quotes, with greeks when they are asked for.

use rust_decimal::Decimal;

use super::Who;
use crate::app::Sim;
use crate::core::{Contract, Symbol, World};
use crate::market::{Market, OptionPart, Quote, figure};
use crate::pipeline::Call;
use crate::time::Ms;
use crate::wire::{Answer, Node, one_or_many};

pub(crate) fn quotes(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let symbols = call.params.symbols("symbols");
    if symbols.is_empty() {
        return Err(Answer::bad("Invalid parameter, symbols: is required."));
    }
    let greeks = call.params.is_true("greeks");
    let now = sim.now();
    let mut market = sim.market.lock();
    let (mut found, mut unmatched) = (Vec::new(), Vec::new());
    for symbol in symbols {
        match visible_quote(&mut market, &Symbol::new(&symbol), who.world, now) {
            Some(quote) => found.push(quote_node(&quote, (greeks, who.world, now))),
            None => unmatched.push(Node::Text(symbol)),
        }
    }
    let mut fields = Vec::new();
    if !found.is_empty() {
        fields.push(("quote", one_or_many(found)));
    }
    if !unmatched.is_empty() {
        fields.push(("unmatched_symbols", Node::wrap("symbol", one_or_many(unmatched))));
    }
    Ok(Answer::tree(Node::wrap("quotes", Node::Map(fields))))
}

/// A quote as a world sees it: the sandbox is late and has no indices.
pub(crate) fn visible_quote(market: &mut Market, symbol: &Symbol, world: World, now: Ms) -> Option<Quote> {
    let quote = market.quote(symbol, world.view(now));
    // A contract that ended between the sandbox's moment and now is quoted to its end.
    let ended = |s: &Symbol| Contract::parse(s.as_str()).is_some_and(|c| c.expiry < now.date());
    let withheld = |q: &Quote| world == World::Sandbox && q.kind == "index";
    quote.filter(|q| !withheld(q) && !ended(symbol))
}

/// A quote as the wire has it.
pub(crate) fn quote_node(q: &Quote, (greeks, world, now): (bool, World, Ms)) -> Node {
    let (open, high, low) = q.day.map_or((None, None, None), |(o, h, l)| (Some(o), Some(h), Some(l)));
    let mut fields = vec![
        ("symbol", Node::text(q.symbol.as_str())),
        ("description", Node::text(&q.description)),
        ("exch", Node::text(q.exchange)),
        ("type", Node::text(q.kind)),
        ("last", Node::Number(q.touch.last)),
        ("change", Node::Number(q.change)),
        ("volume", Node::Int(q.volume)),
        ("open", Node::maybe(open)),
        ("high", Node::maybe(high)),
        ("low", Node::maybe(low)),
        ("close", Node::maybe(q.close)),
        ("bid", Node::Number(q.touch.bid)),
        ("ask", Node::Number(q.touch.ask)),
    ];
    if let Some(option) = &q.option {
        let contract = &option.contract;
        let root_type = if option.monthly { "standard" } else { "weeklys" };
        fields.extend([
            ("underlying", Node::text(contract.underlying().as_str())),
            ("strike", Node::Number(contract.strike())),
            ("greeks", if greeks && world == World::Live { greeks_node(q, option, now) } else { Node::Null }),
        ]);
        if !greeks {
            fields.pop();
        }
        fields.extend([
            ("change_percentage", Node::Number(q.change_percent)),
            ("average_volume", Node::Int(q.average_volume)),
            ("last_volume", Node::Int(q.last_volume)),
            ("trade_date", Node::Int(q.traded_at.0)),
            ("prevclose", Node::Number(q.previous_close)),
            ("week_52_high", Node::Number(q.year_range.0)),
            ("week_52_low", Node::Number(q.year_range.1)),
        ]);
        fields.extend(sizes(q, 1));
        fields.extend([
            ("open_interest", Node::Int(option.open_interest)),
            ("contract_size", Node::Int(100)),
            ("expiration_date", Node::Text(contract.expiry.to_string())),
            ("expiration_type", Node::text(root_type)),
            ("option_type", Node::text(contract.right.word())),
            ("root_symbol", Node::text(&contract.root)),
        ]);
    } else {
        fields.extend([
            ("change_percentage", Node::Number(q.change_percent)),
            ("average_volume", Node::Int(q.average_volume)),
            ("last_volume", Node::Int(q.last_volume)),
            ("trade_date", Node::Int(q.traded_at.0)),
            ("prevclose", Node::Number(q.previous_close)),
            ("week_52_high", Node::Number(q.year_range.0)),
            ("week_52_low", Node::Number(q.year_range.1)),
        ]);
        // Shares count their sides in round lots.
        fields.extend(sizes(q, 100));
        fields.push(("root_symbols", Node::text(&q.roots)));
    }
    Node::Map(fields)
}

fn sizes(q: &Quote, lot: i64) -> [(&'static str, Node); 6] {
    [
        ("bidsize", Node::Int(q.touch.bid_size / lot)),
        ("bidexch", Node::text(q.exchange)),
        ("bid_date", Node::Int(q.quoted_at.0)),
        ("asksize", Node::Int(q.touch.ask_size / lot)),
        ("askexch", Node::text(q.exchange)),
        ("ask_date", Node::Int(q.quoted_at.0)),
    ]
}

/// Greeks are taken once an hour.
fn greeks_node(q: &Quote, option: &OptionPart, now: Ms) -> Node {
    let g = option.view.greeks();
    let vol = option.view.volatility();
    let four = |value: f64| Node::Number(figure(value, 4));
    let implied = |price: Decimal| {
        if price.is_zero() { Node::Number(Decimal::ZERO) } else { Node::Number(figure(option.view.implied(price), 4)) }
    };
    let hour = Ms(now.0 - now.0 % crate::time::HOUR);
    Node::Map(vec![
        ("delta", four(g.delta)),
        ("gamma", Node::Number(figure(g.gamma, 6))),
        ("theta", four(g.theta)),
        ("vega", four(g.vega)),
        ("rho", four(g.rho)),
        ("phi", four(g.phi)),
        ("bid_iv", implied(q.touch.bid)),
        ("mid_iv", implied(q.touch.mid())),
        ("ask_iv", implied(q.touch.ask)),
        ("smv_vol", four(vol)),
        ("updated_at", Node::Text(hour.utc().format("%Y-%m-%d %H:%M:%S").to_string())),
    ])
}
