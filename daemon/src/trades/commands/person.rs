//! What only a person can settle: an alarm that was seen, a position that differs, a position
//! that no trade of ours holds.

use blotter_shared::domain::{AlarmKind, TradeId};
use rust_decimal::Decimal;

use super::super::expiry;
use super::super::facts::evidence::adjusted_contract;
use super::super::facts::{AlarmChange, Change, Trade, Wish};
use super::super::ports::Symbol;
use super::super::pricing::{self, Sides, TickGrid};
use super::place::{NewTrade, begin, free_symbol};
use super::{Accepted, Desk, RefusalCode, Refused, Versioned, adjust, current, said};

/// Tries the bracket again, with the count of refusals at zero. For a trade in quarantine it says
/// that the position is what the broker shows: contracts that are missing are booked as having
/// left; contracts that are too many belong to somebody else. The next cut that agrees releases it.
pub(super) fn protect(trade: &Trade, seen: Versioned, desk: &Desk<'_>) -> Result<Accepted, Refused> {
    current(trade, seen.version)?;
    // Nothing is left of the trade, and the position still differs: that is somebody else's, if a person says so.
    if trade.marks.held <= 0 && trade.marks.quarantine.is_none() {
        return Err(Refused::new(RefusalCode::NothingHeld, "nothing is held of this trade"));
    }
    if trade.marks.quarantine.is_none() {
        expiry::check(&trade.spec.contract, &desk.session(&trade.spec.contract), desk.now)?;
    }
    let shown = trade.marks.mismatch.map_or(trade.marks.held, |mismatch| mismatch.position);
    let accepts = trade.marks.quarantine.is_some().then_some(shown);
    Ok(said(trade, Wish { until: None, accepts, ..trade.wish.clone() }, desk.now))
}

pub(super) fn ack(kind: AlarmKind, trade: Option<TradeId>, desk: &Desk<'_>) -> Result<Accepted, Refused> {
    let open = desk.book.alarms.iter().any(|alarm| alarm.kind == kind && alarm.trade == trade);
    if !open {
        return Err(Refused::new(RefusalCode::NotFound, "there is no such alarm"));
    }
    Ok(Accepted { changes: vec![Change::Alarm(AlarmChange::Ack { kind, trade, at: desk.now })], trade: None })
}

/// A position that is there already becomes a trade, at the cost that the broker says. When a trade in
/// quarantine has become it, that one is settled by the same word.
pub(super) fn adopt(wanted: &NewTrade, desk: &Desk<'_>) -> Result<Accepted, Refused> {
    let symbol = free_symbol(wanted, desk)?;
    let found = desk.positions.iter().find(|position| position.symbol == symbol && position.quantity > 0);
    let Some(position) = found else {
        return Err(Refused::new(RefusalCode::NoPosition, format!("the account holds no {symbol}")));
    };
    if position.quantity != i64::from(wanted.quantity.get()) {
        let sentence = format!("the account holds {}, {} were asked for", position.quantity, wanted.quantity);
        return Err(Refused::new(RefusalCode::QuantityTooLarge, sentence));
    }
    let sides = Sides { stop: wanted.stop, target: wanted.target };
    pricing::check_grid(sides, TickGrid::of_root(&wanted.contract.root)).map_err(|bad| adjust::refused(&bad))?;
    let is_open = desk.session(&wanted.contract).open;
    if let Some(bid) = desk.quotes.get(&symbol).and_then(|quote| quote.bid).filter(|_| is_open) {
        pricing::check_market(sides, bid).map_err(|bad| adjust::refused(&bad))?;
    }
    let mut accepted = begin(wanted, symbol, position.quantity, desk);
    let multiplier = Decimal::from(wanted.multiplier.get());
    for change in &mut accepted.changes {
        if let Change::Begin(trade) = change {
            trade.marks.adopted_value = Some(position.cost.0 / multiplier);
        }
    }
    accepted.changes.extend(desk.book.live_trades().filter_map(|old| succeeded(old, &position.symbol, desk)));
    Ok(accepted)
}

/// A trade that waits in quarantine because its contract seems to have become this one: whoever takes this
/// one up has said that it did. The cuts that follow must still show that nothing is left of the old one.
fn succeeded(old: &Trade, heir: &Symbol, desk: &Desk<'_>) -> Option<Change> {
    let gone = !desk.positions.iter().any(|position| position.symbol == old.spec.symbol && position.quantity != 0);
    let waits = old.marks.quarantine.is_some() && old.marks.held > 0 && gone;
    let becomes_this = adjusted_contract(old, desk.positions) == Some(heir);
    let becomes = Wish { until: None, accepts: Some(0), ..old.wish.clone() };
    (waits && becomes_this).then(|| said(old, becomes, desk.now).changes).and_then(|changes| changes.into_iter().next())
}
