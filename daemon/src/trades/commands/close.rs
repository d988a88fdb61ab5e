//! Close: whole or part, at the market or at a limit, now or at the open; and taking it back.

use blotter_shared::domain::{Price, Quantity};

use super::super::expiry;
use super::super::facts::{FlatCause, Trade, Wish};
use super::super::pricing::{self, Sides, TickGrid};
use super::{Accepted, Desk, RefusalCode, Refused, Versioned, adjust, current, wished};

/// How much, at what price, when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    pub version: i64,
    /// A part; everything when absent.
    pub quantity: Option<Quantity>,
    /// Rests beside the old stop until it fills.
    pub limit: Option<Price>,
    /// Outside the session: wait for the open.
    pub at_open: bool,
}

pub(super) fn judge(trade: &Trade, close: &Close, desk: &Desk<'_>) -> Result<Accepted, Refused> {
    current(trade, close.version)?;
    // A close that came before the quarantine may be said again: then the person knows of it.
    let informed = trade.marks.quarantine.as_ref().is_none_or(|quarantine| quarantine.at <= trade.wish.since);
    if trade.wish.is_flat() && informed {
        let sentence = format!("already closing, {}", step(trade));
        return Err(Refused::new(RefusalCode::AlreadyClosing, sentence));
    }
    let session = desk.session(&trade.spec.contract);
    expiry::check(&trade.spec.contract, &session, desk.now)?;
    if !session.open && !close.at_open {
        let opens = session.opens;
        return Err(Refused::new(RefusalCode::MarketClosed, format!("the market opens at {opens}; ask for the open")));
    }
    match (close.quantity, close.limit) {
        (Some(_), Some(_)) => {
            let sentence = "a part is closed at the market; for a limit adjust the target";
            Err(Refused::new(RefusalCode::PartWithLimit, sentence))
        }
        (None, Some(limit)) => at_limit(trade, limit, desk),
        (Some(part), None) => part_of(trade, part, close, desk),
        (None, None) => Ok(wished(trade, flat(trade, close), desk.now)),
    }
}

fn flat(trade: &Trade, close: &Close) -> Wish {
    let at_open = close.at_open;
    Wish { keep: 0, flat: Some(FlatCause::User), limit: None, until: None, at_open, ..trade.wish.clone() }
}

/// The limit takes the place of the target, so that the position is never naked while it rests.
fn at_limit(trade: &Trade, limit: Price, desk: &Desk<'_>) -> Result<Accepted, Refused> {
    held(trade)?;
    let sides = Sides { stop: trade.wish.stop, target: Some(limit) };
    pricing::check_grid(sides, TickGrid::of_root(&trade.spec.contract.root)).map_err(|bad| adjust::refused(&bad))?;
    let until = adjust::deadline(&desk.session(&trade.spec.contract), desk);
    Ok(wished(trade, Wish { limit: Some(limit), until, ..trade.wish.clone() }, desk.now))
}

fn part_of(trade: &Trade, part: Quantity, close: &Close, desk: &Desk<'_>) -> Result<Accepted, Refused> {
    let held = held(trade)?.min(trade.wish.keep);
    if trade.entries().any(super::super::facts::Intent::is_live) {
        return Err(Refused::new(RefusalCode::EntryWorking, "the entry still works: cancel its rest first"));
    }
    match held.checked_sub(part.get()) {
        None => Err(Refused::new(
            RefusalCode::QuantityTooLarge,
            format!("{held} are held and to be kept, {part} were asked for"),
        )),
        Some(0) => Ok(wished(trade, flat(trade, close), desk.now)),
        Some(keep) => Ok(wished(trade, Wish { keep, at_open: close.at_open, ..trade.wish.clone() }, desk.now)),
    }
}

fn held(trade: &Trade) -> Result<u32, Refused> {
    let held = u32::try_from(trade.marks.held).unwrap_or_default();
    if held == 0 { Err(Refused::new(RefusalCode::NothingHeld, "nothing is held of this trade")) } else { Ok(held) }
}

/// A close may be taken back until its first mutation.
pub(super) fn withdraw(trade: &Trade, seen: Versioned, desk: &Desk<'_>) -> Result<Accepted, Refused> {
    current(trade, seen.version)?;
    if trade.wish.flat != Some(FlatCause::User) {
        return Err(Refused::new(RefusalCode::NothingToChange, "no close of yours is waiting"));
    }
    let begun = trade.intents.iter().any(|intent| intent.version >= trade.wish.version);
    if begun || trade.is_unbegun() {
        return Err(Refused::new(RefusalCode::AlreadyBegun, format!("it has begun, {}", step(trade))));
    }
    // Nothing is left to go on with, and the loop may be about to end it.
    if trade.marks.held <= 0 && !trade.entries().any(super::super::facts::Intent::is_live) {
        return Err(Refused::new(RefusalCode::NothingHeld, "nothing is held of this trade any more"));
    }
    let keep = u32::try_from(trade.marks.held).ok().filter(|held| *held > 0).unwrap_or(trade.spec.quantity.get());
    Ok(wished(trade, Wish { keep, flat: None, at_open: false, ..trade.wish.clone() }, desk.now))
}

/// Cancels what is left of an entry; what it has bought stays and is protected.
pub(super) fn cancel_entry(trade: &Trade, seen: Versioned, desk: &Desk<'_>) -> Result<Accepted, Refused> {
    current(trade, seen.version)?;
    let fresh = trade.is_unbegun();
    if !fresh && !trade.entries().any(super::super::facts::Intent::is_live) {
        return Err(Refused::new(RefusalCode::NothingToChange, "no entry of this trade works"));
    }
    if trade.wish.cut {
        return Err(Refused::new(RefusalCode::NothingToChange, "the entry is being cancelled already"));
    }
    if fresh {
        let flat = Wish { keep: 0, flat: Some(FlatCause::User), limit: None, until: None, ..trade.wish.clone() };
        return Ok(wished(trade, flat, desk.now));
    }
    Ok(wished(trade, Wish { cut: true, ..trade.wish.clone() }, desk.now))
}

/// How far a close has got, for the second device that asks.
#[must_use]
pub fn step(trade: &Trade) -> String {
    super::super::progress::close(trade).sentence()
}
