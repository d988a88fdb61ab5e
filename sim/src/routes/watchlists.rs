//! Watchlists, kept for each token.

use super::Who;
use super::accounts::not_found;
use crate::app::Sim;
use crate::core::Symbol;
use crate::pipeline::Call;
use crate::wire::{Answer, Node, one_or_many};

/// A named list of symbols.
#[derive(Clone, Debug)]
pub(crate) struct Watchlist {
    id: String,
    name: String,
    symbols: Vec<Symbol>,
}

fn mine(sim: &mut Sim, who: Who) -> &mut Vec<Watchlist> {
    let default = || vec![Watchlist { id: "default".to_owned(), name: "Default".to_owned(), symbols: Vec::new() }];
    sim.watchlists.entry(who.token).or_insert_with(default)
}

fn found<'a>(sim: &'a mut Sim, call: &Call, who: Who) -> Result<&'a mut Watchlist, Answer> {
    mine(sim, who).iter_mut().find(|w| w.id == call.arg(0)).ok_or_else(not_found)
}

fn whole(list: &Watchlist) -> Answer {
    let item = |s: &Symbol| {
        Node::Map(vec![("symbol", Node::text(s.as_str())), ("id", Node::Text(s.as_str().to_ascii_lowercase()))])
    };
    let items = if list.symbols.is_empty() {
        Node::text("null")
    } else {
        Node::wrap("item", one_or_many(list.symbols.iter().map(item).collect()))
    };
    let fields = vec![
        ("name", Node::text(&list.name)),
        ("id", Node::text(&list.id)),
        ("public_id", Node::Text(format!("public-{}", list.id))),
        ("items", items),
    ];
    Answer::tree(Node::wrap("watchlist", Node::Map(fields)))
}

fn names(lists: &[Watchlist]) -> Answer {
    let one = |w: &Watchlist| {
        Node::Map(vec![
            ("name", Node::text(&w.name)),
            ("id", Node::text(&w.id)),
            ("public_id", Node::Text(format!("public-{}", w.id))),
        ])
    };
    Answer::tree(Node::wrap("watchlists", Node::wrap("watchlist", one_or_many(lists.iter().map(one).collect()))))
}

fn symbols(call: &Call) -> Vec<Symbol> {
    let mut all: Vec<Symbol> = Vec::new();
    for symbol in call.params.symbols("symbols").iter().map(|s| Symbol::new(s)) {
        if !all.contains(&symbol) {
            all.push(symbol);
        }
    }
    all
}

pub(crate) fn list(sim: &mut Sim, _call: &Call, who: Who) -> Result<Answer, Answer> {
    Ok(names(mine(sim, who)))
}

pub(crate) fn one(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    found(sim, call, who).map(|w| whole(w))
}

fn named(call: &Call) -> Result<(String, String), Answer> {
    let Some(name) = call.params.get("name").filter(|n| n.len() <= 200) else {
        return Err(Answer::bad("Invalid parameter, name: is required."));
    };
    let id: String =
        name.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Ok((id, name.to_owned()))
}

pub(crate) fn create(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let (id, name) = named(call)?;
    let lists = mine(sim, who);
    if lists.iter().any(|w| w.id == id) || lists.len() >= 100 {
        return Err(Answer::bad("Invalid parameter, name: is not valid."));
    }
    let fresh = Watchlist { id, name, symbols: symbols(call) };
    let answer = whole(&fresh);
    lists.push(fresh);
    Ok(answer)
}

pub(crate) fn update(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let (_, name) = named(call)?;
    let list = found(sim, call, who)?;
    list.name = name;
    if call.params.get("symbols").is_some() {
        list.symbols = symbols(call);
    }
    Ok(whole(list))
}

pub(crate) fn delete(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    found(sim, call, who)?;
    let lists = mine(sim, who);
    lists.retain(|w| w.id != call.arg(0));
    Ok(names(lists))
}

pub(crate) fn add_symbols(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let more = symbols(call);
    let list = found(sim, call, who)?;
    for symbol in more {
        if !list.symbols.contains(&symbol) && list.symbols.len() < 1_000 {
            list.symbols.push(symbol);
        }
    }
    Ok(whole(list))
}

pub(crate) fn remove_symbol(sim: &mut Sim, call: &Call, who: Who) -> Result<Answer, Answer> {
    let gone = Symbol::new(call.arg(1));
    let list = found(sim, call, who)?;
    list.symbols.retain(|s| *s != gone);
    Ok(whole(list))
}
