//! From parameters to a ticket. What is malformed is a 400 that names the parameter; what is unwise is for the review.

use rust_decimal::Decimal;

use super::params::Params;
use crate::calendar;
use crate::core::{Change, Class, Contract, Duration, Kind, Leg, Net, Refusal, Side, Symbol, Ticket, World};
use crate::time::{MINUTE, Ms};

type Read<T> = Result<T, Refusal>;

/// The session before the regular one ends at 09:24.
const PREMARKET_ENDS: i64 = 6 * MINUTE;

fn invalid<T>(name: &str) -> Read<T> {
    Err(Refusal::parameter(name, "is not valid"))
}

/// Reads a request to place an order.
pub(crate) fn read_ticket(params: &Params, world: World, now: Ms) -> Read<Ticket> {
    let Some(class) = params.get("class").and_then(|c| Class::parse(&c.to_ascii_lowercase())) else {
        return invalid("class");
    };
    let tag = read_tag(params)?;
    let ticket = match class {
        Class::Equity | Class::Option => Ticket { class, tag, net: None, legs: vec![read_single(params, class)?] },
        Class::Multileg | Class::Combo => read_package(params, class, tag)?,
        Class::Oto | Class::Oco | Class::Otoco => read_group(params, class, tag)?,
    };
    for leg in &ticket.legs {
        check_session(leg.duration, world, now)?;
    }
    Ok(ticket)
}

/// Reads a request to change an order.
pub(crate) fn read_change(params: &Params, world: World, now: Ms) -> Read<Change> {
    let kind = params.get("type").map(|t| read_kind(Some(t), "type")).transpose()?;
    if kind.is_some_and(|k| matches!(k, Kind::Debit | Kind::Credit | Kind::Even)) {
        return invalid("type");
    }
    let duration = params.get("duration").map(|d| read_duration(Some(d), "duration")).transpose()?;
    if let Some(duration) = duration {
        check_session(duration, world, now)?;
    }
    let price = params.get("price").map(|p| read_price(Some(p), "price")).transpose()?.flatten();
    let stop = params.get("stop").map(|p| read_price(Some(p), "stop")).transpose()?.flatten();
    Ok(Change { kind, duration, price, stop })
}

fn read_tag(params: &Params) -> Read<Option<String>> {
    let Some(tag) = params.get("tag") else { return Ok(None) };
    if tag.chars().count() > 255 {
        return Err(Refusal::parameter("tag", "contains more than 255 characters"));
    }
    if !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(Refusal::parameter("tag", "contains invalid characters"));
    }
    Ok(Some(tag.to_owned()))
}

/// The sandbox knows no trading outside the session. In the live world an order for a session before or after the
/// regular one is taken until that session is over.
fn check_session(duration: Duration, world: World, now: Ms) -> Read<()> {
    let today = calendar::session(now.date());
    let (name, over) = match duration {
        Duration::Day | Duration::Gtc => return Ok(()),
        Duration::Pre => ("pre", today.is_some_and(|s| now >= s.open.plus(-PREMARKET_ENDS))),
        Duration::Post => ("post", today.is_some_and(|s| now >= s.end)),
    };
    if over || world == World::Sandbox {
        return Err(Refusal::parameter("duration", &format!("{name} market no longer available")));
    }
    Ok(())
}

fn read_single(params: &Params, class: Class) -> Read<Leg> {
    let Some(symbol) = params.get("symbol").filter(|s| is_symbol(s)) else { return invalid("symbol") };
    let contract =
        if class == Class::Option { Some(read_contract(params.get("option_symbol"), "option_symbol")?) } else { None };
    let underlying = match &contract {
        Some(contract) => check_underlying(contract, symbol)?,
        None => Symbol::new(symbol),
    };
    let side = read_side(params.get("side"), contract.is_some(), "side")?;
    let kind = read_kind(params.get("type"), "type")?;
    if matches!(kind, Kind::Debit | Kind::Credit | Kind::Even) {
        return invalid("type");
    }
    Ok(Leg {
        symbol: underlying,
        side,
        quantity: read_quantity(params.get("quantity"), "quantity")?,
        kind,
        price: needed(read_price(params.get("price"), "price")?, kind.has_price(), "price")?,
        stop: needed(read_price(params.get("stop"), "stop")?, kind.has_stop(), "stop")?,
        duration: read_duration(params.get("duration"), "duration")?,
        contract,
    })
}

/// OCO, OTO, OTOCO: everything is per leg, the duration at the top or per leg.
fn read_group(params: &Params, class: Class, tag: Option<String>) -> Read<Ticket> {
    let indices = params.indices();
    let wanted = if class == Class::Otoco { 3 } else { 2 };
    if indices.is_empty() || !(0..wanted).all(|i| params.at("type", i).is_some()) {
        return invalid("type");
    }
    if indices.len() != wanted {
        return Err(Refusal::parameter("legs", &format!("number of legs must be {wanted}")));
    }
    let legs: Vec<Leg> = (0..wanted).map(|i| read_leg(params, i)).collect::<Read<_>>()?;
    let exits = if class == Class::Otoco { legs.get(1..).unwrap_or_default() } else { legs.as_slice() };
    if class != Class::Oto && exits.windows(2).any(|w| matches!(w, [a, b] if a.kind == b.kind)) {
        return invalid("type");
    }
    if class == Class::Oco
        && exits.windows(2).any(|w| matches!(w, [a, b] if a.symbol != b.symbol || a.contract != b.contract))
    {
        return invalid("symbol");
    }
    Ok(Ticket { class, tag, net: None, legs })
}

fn read_leg(params: &Params, i: usize) -> Read<Leg> {
    let name = |field: &str| format!("{field}[{i}]");
    let (symbol, contract) = match params.at("option_symbol", i) {
        Some(text) => {
            let contract = read_contract(Some(text), &name("option_symbol"))?;
            let given = params.at("symbol", i).or_else(|| params.get("symbol"));
            let symbol = given.map_or_else(|| Ok(contract.underlying()), |s| check_underlying(&contract, s))?;
            (symbol, Some(contract))
        }
        None => match params.at("symbol", i).filter(|s| is_symbol(s)) {
            Some(symbol) => (Symbol::new(symbol), None),
            None => return invalid("symbol"),
        },
    };
    let kind = read_kind(params.at("type", i), "type")?;
    if matches!(kind, Kind::Debit | Kind::Credit | Kind::Even) {
        return invalid("type");
    }
    let duration = params.at("duration", i).or_else(|| params.get("duration"));
    Ok(Leg {
        symbol,
        side: read_side(params.at("side", i), contract.is_some(), &name("side"))?,
        quantity: read_quantity(params.at("quantity", i), &name("quantity"))?,
        kind,
        price: needed(read_price(params.at("price", i), &name("price"))?, kind.has_price(), &name("price"))?,
        stop: needed(read_price(params.at("stop", i), &name("stop"))?, kind.has_stop(), &name("stop"))?,
        duration: read_duration(duration, "duration")?,
        contract,
    })
}

/// Multileg and combo: one price for all, legs that only say what and how much.
fn read_package(params: &Params, class: Class, tag: Option<String>) -> Read<Ticket> {
    let Some(symbol) = params.get("symbol").filter(|s| is_symbol(s)) else { return invalid("symbol") };
    let kind = match read_kind(params.get("type"), "type")? {
        kind @ (Kind::Market | Kind::Debit | Kind::Credit | Kind::Even) => kind,
        Kind::Limit | Kind::Stop | Kind::StopLimit => return invalid("type"),
    };
    let price = needed(read_price(params.get("price"), "price")?, kind.has_price(), "price")?;
    let duration = read_duration(params.get("duration"), "duration")?;
    let indices = params.indices();
    if indices.len() < 2 {
        return Err(Refusal::parameter("legs", "number of legs must be > 1"));
    }
    let mut legs = Vec::with_capacity(indices.len());
    for i in indices {
        let name = |field: &str| format!("{field}[{i}]");
        let contract = match params.at("option_symbol", i) {
            Some(text) => Some(read_contract(Some(text), &name("option_symbol"))?),
            None if class == Class::Combo => None,
            None => return invalid(&name("option_symbol")),
        };
        let underlying = contract.as_ref().map_or_else(|| Ok(Symbol::new(symbol)), |c| check_underlying(c, symbol))?;
        legs.push(Leg {
            symbol: underlying,
            side: read_side(params.at("side", i), contract.is_some(), &name("side"))?,
            quantity: read_quantity(params.at("quantity", i), &name("quantity"))?,
            kind,
            price: None,
            stop: None,
            duration,
            contract,
        });
    }
    Ok(Ticket { class, tag, net: Some(Net { kind, price }), legs })
}

fn read_contract(text: Option<&str>, name: &str) -> Read<Contract> {
    text.map(str::to_ascii_uppercase).and_then(|t| Contract::parse(&t)).map_or_else(|| invalid(name), Ok)
}

/// The top-level symbol of an option may be its underlying or its root.
fn check_underlying(contract: &Contract, symbol: &str) -> Read<Symbol> {
    let given = symbol.to_ascii_uppercase();
    let under = contract.underlying();
    if under.as_str() == given || contract.root == given { Ok(under) } else { invalid("symbol") }
}

fn read_side(text: Option<&str>, option: bool, name: &str) -> Read<Side> {
    let Some(side) = text.and_then(|t| Side::parse(&t.to_ascii_lowercase())) else { return invalid(name) };
    let for_options = matches!(side, Side::BuyToOpen | Side::BuyToClose | Side::SellToOpen | Side::SellToClose);
    if for_options == option { Ok(side) } else { invalid(name) }
}

fn read_kind(text: Option<&str>, name: &str) -> Read<Kind> {
    text.and_then(|t| Kind::parse(&t.to_ascii_lowercase())).map_or_else(|| invalid(name), Ok)
}

fn read_duration(text: Option<&str>, name: &str) -> Read<Duration> {
    text.and_then(|t| Duration::parse(&t.to_ascii_lowercase())).map_or_else(|| invalid(name), Ok)
}

/// A whole number, also when it is spelled `1.0`. Whether it is too large is for the review.
fn read_quantity(text: Option<&str>, name: &str) -> Read<i64> {
    let number: Option<Decimal> = text.and_then(|t| t.parse().ok());
    let whole = number.filter(|n| n.fract().is_zero() && *n >= Decimal::ONE && *n <= Decimal::new(1_000_000_000, 0));
    whole.and_then(|n| i64::try_from(n).ok()).map_or_else(|| invalid(name), Ok)
}

fn read_price(text: Option<&str>, name: &str) -> Read<Option<Decimal>> {
    let Some(text) = text else { return Ok(None) };
    let price: Option<Decimal> = text.parse().ok();
    let sane = price.filter(|p| !p.is_sign_negative() && *p <= Decimal::new(10_000_000, 0) && p.scale() <= 8);
    sane.map_or_else(|| invalid(name), |p| Ok(Some(p)))
}

/// A price that the type needs must be there; one that it does not need is left aside.
fn needed(price: Option<Decimal>, needs: bool, name: &str) -> Read<Option<Decimal>> {
    match (price, needs) {
        (None, true) => invalid(name),
        (price, true) => Ok(price),
        (_, false) => Ok(None),
    }
}

fn is_symbol(text: &str) -> bool {
    text.len() <= 24 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'^'))
}
