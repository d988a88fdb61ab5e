//! What a way out would bring: a stop and a target as they are typed, and a sale at the bid. Worked out
//! from the newest quote while the dialog is seen; the daemon judges with a quote of its own.

use blotter_shared::domain::{Price, TickGrid};
use blotter_shared::protocol::prices::LivePrice;
use blotter_shared::protocol::trades::Trade;
use rust_decimal::Decimal;

use crate::format;
use crate::panes::details::sides;
use crate::theme::Role;
use crate::widgets::facts::Fact;
use crate::widgets::rail::Rail;

/// A bracket as it is typed; a side that cannot be read is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    pub stop: Option<Price>,
    pub target: Option<Price>,
    /// The stop that the trade began with, once it is known: multiples of the risk are of what lies between it and the
    /// entry, wherever the stop is by now.
    pub initial_stop: Option<Decimal>,
}

/// A rail with its two ends in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    pub stop: String,
    pub rail: Rail,
    pub target: String,
}

/// The typed bracket as a rail, when it makes one.
#[must_use]
pub fn scale(trade: &Trade, quote: Option<&LivePrice>, typed: Typed) -> Option<Scale> {
    let (stop, target) = (typed.stop?, typed.target?);
    let mark = quote.and_then(|quote| quote.mark).or(trade.current_price.map(Price::value));
    let rail = Rail::new(stop.value(), target.value())?.entry(trade.entry_price.map(Price::value)).mark(mark);
    Some(Scale { stop: format::price(stop.value()), rail, target: format::price(target.value()) })
}

/// What stop and target would come to, and what speaks against them.
#[must_use]
pub fn bracket(trade: &Trade, quote: Option<&LivePrice>, typed: Typed) -> Vec<Fact> {
    let mut facts = quoted(trade, quote);
    facts.push(match typed.stop {
        None => Fact { role: Role::Danger, ..Fact::new("Stop", "none") },
        Some(stop) => at_end(trade, stop, typed.initial_stop, ("Stop", "locks in")),
    });
    if let Some(target) = typed.target {
        facts.push(at_end(trade, target, typed.initial_stop, ("Target", "pays")));
    }
    let bid = quote.filter(|quote| quote.quality.is_shown()).and_then(|quote| quote.bid);
    facts.extend(ahead(bid, typed).map(|ratio| Fact::new("Reward/risk", format!("{ratio} from the bid"))));
    let against = objections(trade, bid, typed).into_iter();
    facts.extend(against.map(|(_, words)| Fact { role: Role::Danger, ..Fact::new("✗", words) }));
    // Refused is only what the bid has reached; between the two sides somebody may take it at once.
    let ask = quote.filter(|quote| quote.quality.is_shown()).and_then(|quote| quote.ask);
    let inside = typed.target.map(Price::value).zip(bid.zip(ask));
    if let Some((_, (_, ask))) = inside.filter(|(target, (bid, ask))| target > bid && target <= ask) {
        let words = format!("target not above the ask {}: it may fill at once", format::price(ask));
        facts.push(Fact { role: Role::Warn, ..Fact::new("!", words) });
    }
    facts
}

/// What a sale of so many at the bid would bring.
#[must_use]
pub fn sale(trade: &Trade, quote: Option<&LivePrice>, qty: u32) -> Vec<Fact> {
    let mut facts = quoted(trade, quote);
    let at_bid = quote.and_then(|quote| quote.bid);
    let estimated = at_bid.or(trade.current_price.map(Price::value));
    let gained = estimated.and_then(|price| gain(trade, price, qty));
    let percent = trade.entry_price.zip(estimated).and_then(|(entry, price)| {
        (price - entry.value()).checked_mul(Decimal::ONE_HUNDRED)?.checked_div(entry.value())
    });
    let Some(gained) = gained else { return facts };
    let percent = percent.map(|percent| format!(" ({})", format::percent(percent))).unwrap_or_default();
    let label = if at_bid.is_some() { "At the bid" } else { "At the mark" };
    facts.push(Fact { role: role_of(gained), ..Fact::new(label, format!("{}{percent}", format::trend(gained))) });
    facts
}

/// Entry and market; the mark where there is no quote.
fn quoted(trade: &Trade, quote: Option<&LivePrice>) -> Vec<Fact> {
    let shown = |price: Option<Price>| price.map_or(format::UNKNOWN.to_owned(), |price| format::price(price.value()));
    let mut facts = vec![Fact::new("Entry", shown(trade.entry_price))];
    match quote {
        Some(quote) => facts.extend(sides(quote)),
        None => facts.push(Fact::new("Mark", shown(trade.current_price))),
    }
    facts
}

fn gain(trade: &Trade, price: Decimal, qty: u32) -> Option<Decimal> {
    let units = Decimal::from(qty) * Decimal::from(trade.multiplier.get());
    (price - trade.entry_price?.value()).checked_mul(units)
}

/// What one end of the bracket comes to, in dollars and in multiples of the risk at entry.
fn at_end(trade: &Trade, price: Price, initial_stop: Option<Decimal>, (label, wins): (&'static str, &str)) -> Fact {
    let Some(gained) = gain(trade, price.value(), trade.held_qty) else { return Fact::new(label, format::UNKNOWN) };
    let words = if gained.is_sign_negative() && !gained.is_zero() { "loses" } else { wins };
    let multiple =
        multiple_of(trade, price, initial_stop).map(|multiple| format!(" ({} R)", format::multiple(multiple)));
    let words = format!("{words} {}{}", format::trend(gained), multiple.unwrap_or_default());
    Fact { role: role_of(gained), ..Fact::new(label, words) }
}

fn multiple_of(trade: &Trade, price: Price, initial_stop: Option<Decimal>) -> Option<Decimal> {
    let entry = trade.entry_price?.value();
    let risk = Some(entry - initial_stop?).filter(|risk| *risk > Decimal::ZERO)?;
    (price.value() - entry).checked_div(risk)
}

/// What is still ahead, against what is given back at the stop, of a sale at the bid.
fn ahead(bid: Option<Decimal>, typed: Typed) -> Option<String> {
    let (reward, risk) = (typed.target?.value() - bid?, bid? - typed.stop?.value());
    let both = reward > Decimal::ZERO && risk > Decimal::ZERO;
    both.then(|| reward.checked_div(risk)).flatten().map(|ratio| format!("{:.1}", ratio.round_dp(1)))
}

fn role_of(gained: Decimal) -> Role {
    if gained.is_zero() {
        Role::Text
    } else if gained.is_sign_negative() {
        Role::Loss
    } else {
        Role::Profit
    }
}

/// What the daemon would refuse, as far as it can be seen from here: which side, the stop first, and why.
#[must_use]
pub fn objections(trade: &Trade, bid: Option<Decimal>, typed: Typed) -> Vec<(usize, String)> {
    let grid = TickGrid::of_root(&trade.contract.root);
    let mut found = Vec::new();
    for (index, name, price) in [(0, "stop", typed.stop), (1, "target", typed.target)] {
        let Some(price) = price else { continue };
        if price == Price::ZERO {
            found.push((index, format!("{name} must be above zero")));
        } else if !grid.holds(price) {
            found.push((index, format!("{name} off the grid of {}", format::price(grid.step(price)))));
        }
    }
    let Some(bid) = bid else { return found };
    if typed.stop.is_some_and(|stop| stop.value() >= bid) {
        found.push((0, format!("stop not below the bid {}", format::price(bid))));
    }
    if typed.target.is_some_and(|target| target.value() <= bid) {
        found.push((1, format!("target not above the bid {}", format::price(bid))));
    }
    found
}
