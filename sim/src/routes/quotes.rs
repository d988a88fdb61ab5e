//! Section 6: quotes, with greeks when they are asked for.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rust_decimal::Decimal;

use super::Who;
use crate::app::Sim;
use crate::core::{Contract, Symbol, World};
use crate::market::{Market, OptionPart, Quote, figure};
use crate::pipeline::Call;
use crate::time::Ms;
use crate::wire::{Answer, Node, Written, one_or_many, split_symbols};

/// Which face of a quote a client sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct View {
    pub(crate) world: World,
    pub(crate) greeks: bool,
    pub(crate) now: Ms,
}

/// Quotes that were written at this moment. Prices are a function of seed, time and what the hand did, so a quote stays
/// as it is for as long as these do; clients that poll faster than the clock moves get it as it was written.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    at: (Ms, u64),
    known: Vec<(View, HashMap<String, Arc<Written>>)>,
    /// Whole answers by what was asked, the latest last: who polls asks for the same list.
    lists: VecDeque<(View, String, Arc<Written>)>,
}

/// How many whole answers are kept.
const LISTS_KEPT: usize = 8;

/// How many quotes of one face are kept: more than any list that is polled, less than all contracts there are.
const KEPT: usize = 2_000;

impl Shown {
    /// The quote of a symbol, if there is one.
    pub(crate) fn quote(&mut self, market: &mut Market, symbol: &str, view: View) -> Option<Node> {
        self.forget_what_moved(market, view.now);
        let place = self.known.iter().position(|(v, _)| *v == view);
        let face = place.and_then(|p| self.known.get(p));
        if let Some(known) = face.and_then(|(_, quotes)| quotes.get(symbol)) {
            return Some(Node::Shared(Arc::clone(known)));
        }
        let quote = visible_quote(market, &Symbol::new(symbol), view)?;
        let written = Arc::new(Written::new(quote_node(&quote, view)));
        self.keep(symbol, view, Arc::clone(&written));
        Some(Node::Shared(written))
    }

    fn list(&mut self, market: &Market, symbols: &str, view: View) -> Option<Node> {
        self.forget_what_moved(market, view.now);
        let known = self.lists.iter().find(|(v, text, _)| *v == view && text == symbols);
        known.map(|(_, _, answer)| Node::Shared(Arc::clone(answer)))
    }

    fn keep_list(&mut self, symbols: &str, view: View, answer: Node) -> Node {
        let written = Arc::new(Written::new(answer));
        self.lists.push_back((view, symbols.to_owned(), Arc::clone(&written)));
        if self.lists.len() > LISTS_KEPT {
            self.lists.pop_front();
        }
        Node::Shared(written)
    }

    fn forget_what_moved(&mut self, market: &Market, now: Ms) {
        let at = (now, market.changes());
        if self.at != at {
            self.at = at;
            self.known.clear();
            self.lists.clear();
        }
    }

    fn keep(&mut self, symbol: &str, view: View, written: Arc<Written>) {
        if !self.known.iter().any(|(v, _)| *v == view) {
            self.known.push((view, HashMap::new()));
        }
        let face = self.known.iter_mut().find(|(v, _)| *v == view).map(|(_, quotes)| quotes);
        if let Some(quotes) = face.filter(|quotes| quotes.len() < KEPT) {
            quotes.insert(symbol.to_owned(), written);
        }
    }
}

pub(crate) fn quotes(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let view = View { world: who.world, greeks: call.params.is_true("greeks"), now: sim.now() };
    let mut market = sim.market.lock();
    let asked = call.params.joined("symbols");
    if let Some(known) = sim.shown.list(&market, &asked, view) {
        return Ok(Answer::tree(known));
    }
    let (mut found, mut unmatched) = (Vec::new(), Vec::new());
    for symbol in split_symbols(&asked) {
        match sim.shown.quote(&mut market, &symbol, view) {
            Some(quote) => found.push(quote),
            None => unmatched.push(Node::Text(symbol.into_owned())),
        }
    }
    let mut fields = Vec::new();
    if found.is_empty() && unmatched.is_empty() {
        return Err(Answer::bad("Invalid parameter, symbols: is required."));
    }
    if !found.is_empty() {
        fields.push(("quote", one_or_many(found)));
    }
    if !unmatched.is_empty() {
        fields.push(("unmatched_symbols", Node::wrap("symbol", one_or_many(unmatched))));
    }
    Ok(Answer::tree(sim.shown.keep_list(&asked, view, Node::wrap("quotes", Node::Map(fields)))))
}

/// A quote as a world sees it: the sandbox is late and has no indices.
fn visible_quote(market: &mut Market, symbol: &Symbol, View { world, now, .. }: View) -> Option<Quote> {
    let quote = market.quote(symbol, world.view(now));
    // A contract that ended between the sandbox's moment and now is quoted to its end.
    let ended = |s: &Symbol| Contract::parse(s.as_str()).is_some_and(|c| c.expiry < now.date());
    let withheld = |q: &Quote| world == World::Sandbox && q.kind == "index";
    quote.filter(|q| !withheld(q) && !ended(symbol))
}

/// A quote as the wire has it.
fn quote_node(q: &Quote, View { world, greeks, now }: View) -> Node {
    let (open, high, low) = q.day.map_or((None, None, None), |(o, h, l)| (Some(o), Some(h), Some(l)));
    let mut fields = vec![
        ("symbol", Node::text(q.symbol.as_str())),
        ("description", Node::text(&q.description)),
        ("exch", Node::Word(q.exchange)),
        ("type", Node::Word(q.kind)),
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
            ("expiration_type", Node::Word(root_type)),
            ("option_type", Node::Word(contract.right.word())),
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
        ("bidexch", Node::Word(q.exchange)),
        ("bid_date", Node::Int(q.quoted_at.0)),
        ("asksize", Node::Int(q.touch.ask_size / lot)),
        ("askexch", Node::Word(q.exchange)),
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
