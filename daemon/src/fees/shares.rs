//! Whose part of the broker's charges is whose. Pure: history and executions in, fees out.
//!
//! The history names no orders. It says of a contract and a day what was bought, what was sold and what that
//! cost; a [`Slot`] is one such sum, and the parts of our trades that lie in it share it by contracts.
//!
//! Invariants:
//! * Parts that are all of a slot's contracts are charged all of its commission, to the last digit.
//! * Beside somebody else's contracts ours are charged what falls to them, to the cent.
//! * Less in the history than we have traded is a history that is not complete: nobody is charged.
//! * What was charged once stays charged, and the rest of the slot's parts share the rest.

use std::collections::{BTreeMap, BTreeSet};

use blotter_shared::domain::TradeId;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::America::New_York;
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::broker::{HistoryEvent, HistoryKind};
use crate::db::fees::FillKey;

/// So many days after an execution its day is told, if it ever will be: it was seen later than it was made, and an
/// earlier day may have it.
const TOLD_BY: Days = Days::new(3);
/// Digits that the columns of money keep.
const DIGITS: u32 = 4;

/// What the broker adds up: one contract, one day in New York, one side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    pub symbol: String,
    pub bought: bool,
    pub day: NaiveDate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Charge {
    contracts: u32,
    commission: Decimal,
}

/// What the broker has told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    slots: BTreeMap<Slot, Charge>,
    /// Of these something was told that is not understood.
    unclear: BTreeSet<String>,
}

/// A part of a trade.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    Fill(FillKey),
    /// What somebody else sold of it.
    Outside(TradeId),
}

/// Contracts of a trade that changed hands together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub whose: Whose,
    pub symbol: String,
    pub bought: bool,
    pub contracts: u32,
    /// The day on which it was seen.
    pub seen_on: NaiveDate,
    /// It was not made before.
    pub earliest: NaiveDate,
    pub fee: Option<Decimal>,
}

impl Part {
    /// The first day that may tell of it.
    #[must_use]
    pub fn asks_from(&self, today: NaiveDate) -> NaiveDate {
        if self.is_late(today) { self.earliest.min(self.seen_on) } else { self.seen_on }
    }

    fn is_late(&self, today: NaiveDate) -> bool {
        self.seen_on.checked_add_days(TOLD_BY).is_some_and(|by| by <= today)
    }

    fn on(&self, day: NaiveDate) -> Slot {
        Slot { symbol: self.symbol.clone(), bought: self.bought, day }
    }
}

impl Told {
    /// Of the contracts in `multipliers`, the days before `today`: a day is told when it is over.
    #[must_use]
    pub fn of(events: &[HistoryEvent], multipliers: &BTreeMap<String, u32>, today: NaiveDate) -> Self {
        let mut told = Self::default();
        for event in events.iter().filter(|event| event.kind == HistoryKind::Trade) {
            let symbol: String = event.symbol.iter().flat_map(|symbol| symbol.split_whitespace()).collect();
            let Some(multiplier) = multipliers.get(&symbol) else { continue };
            match charge_of(event, *multiplier) {
                Some((day, _, _)) if day >= today => {}
                Some((day, bought, charge)) => {
                    let sum = told.slots.entry(Slot { symbol, bought, day }).or_default();
                    sum.contracts = sum.contracts.saturating_add(charge.contracts);
                    sum.commission += charge.commission;
                }
                None => {
                    told.unclear.insert(symbol);
                }
            }
        }
        told
    }

    /// Which slot each part lies in; the days of those that were seen late are looked for last.
    fn slots_of(&self, parts: &[Part], today: NaiveDate) -> BTreeMap<Slot, Vec<usize>> {
        let mut groups: BTreeMap<Slot, Vec<usize>> = BTreeMap::new();
        let (there, elsewhere): (Vec<_>, Vec<_>) =
            parts.iter().enumerate().partition(|(_, part)| self.slots.contains_key(&part.on(part.seen_on)));
        for (index, part) in there {
            groups.entry(part.on(part.seen_on)).or_default().push(index);
        }
        for (index, part) in elsewhere.into_iter().filter(|(_, part)| part.is_late(today)) {
            let days = part.on(part.earliest.min(part.seen_on))..part.on(part.seen_on);
            let has_room = |slot: &Slot, charge: &Charge| {
                let taken = contracts(parts, groups.get(slot).map_or(&[][..], Vec::as_slice));
                charge.contracts >= taken.saturating_add(part.contracts)
            };
            let found = self.slots.range(days).rev().find(|(slot, charge)| has_room(slot, charge));
            if let Some((slot, _)) = found {
                groups.entry(slot.clone()).or_default().push(index);
            }
        }
        groups
    }
}

/// Day, side, contracts and commission of an event; nothing when one of them is not said.
fn charge_of(event: &HistoryEvent, multiplier: u32) -> Option<(NaiveDate, bool, Charge)> {
    let quantity = event.quantity.filter(|quantity| !quantity.is_zero() && quantity.fract().is_zero())?;
    let charge = Charge { contracts: quantity.abs().to_u32()?, commission: event.commission? };
    let bought = !quantity.is_sign_negative() && is_purchase(event, quantity, (multiplier, charge.commission));
    Some((day_of(event.at?), bought, charge))
}

/// History is dated by midnight: of the day, in UTC, and not of the evening before in New York.
fn day_of(at: DateTime<Utc>) -> NaiveDate {
    if at.time() == NaiveTime::MIN { at.date_naive() } else { at.with_timezone(&New_York).date_naive() }
}

/// Some lists give sales no sign of their own: then the money has it. With commission or without, whichever is nearer.
fn is_purchase(event: &HistoryEvent, quantity: Decimal, (multiplier, commission): (u32, Decimal)) -> bool {
    let Some(price) = event.price else { return event.amount <= Decimal::ZERO };
    let value = price * quantity * Decimal::from(multiplier);
    let off = |amount: Decimal| (event.amount - amount).abs().min((event.amount - amount + commission).abs());
    off(-value) <= off(value)
}

/// The fees of those parts that have none yet and are told, by their place in `parts`.
#[must_use]
pub fn shares(parts: &[Part], told: &Told, today: NaiveDate) -> Vec<(usize, Decimal)> {
    let mut fees = Vec::new();
    for (slot, members) in told.slots_of(parts, today) {
        let Some(charge) = told.slots.get(&slot).filter(|_| !told.unclear.contains(&slot.symbol)) else { continue };
        let ours = contracts(parts, &members);
        if ours <= charge.contracts {
            fees.extend(divided(parts, &members, our_part(*charge, ours)));
        }
    }
    fees
}

/// All of it, exactly, when all contracts are ours.
fn our_part(charge: Charge, ours: u32) -> Decimal {
    if ours == charge.contracts {
        return charge.commission.round_dp(DIGITS);
    }
    to_the_cent(charge.commission * Decimal::from(ours) / Decimal::from(charge.contracts.max(1)))
}

/// What is left of a sum for the parts without a fee. Each sum of the first of them is rounded, and a part is the
/// difference of two: no cent is lost, and no part is further than a cent from what falls to it.
fn divided(parts: &[Part], members: &[usize], total: Decimal) -> Vec<(usize, Decimal)> {
    let members = || members.iter().filter_map(|index| Some((*index, parts.get(*index)?)));
    let left = total - members().filter_map(|(_, part)| part.fee).sum::<Decimal>();
    let open = || members().filter(|(_, part)| part.fee.is_none());
    let all: u32 = open().map(|(_, part)| part.contracts).sum();
    let (mut so_far, mut charged) = (0, Decimal::ZERO);
    let mut fees = Vec::new();
    for (index, part) in open() {
        so_far += part.contracts;
        let upto = if so_far == all { left } else { to_the_cent(left * Decimal::from(so_far) / Decimal::from(all)) };
        fees.push((index, upto - charged));
        charged = upto;
    }
    fees
}

fn contracts(parts: &[Part], members: &[usize]) -> u32 {
    members.iter().filter_map(|index| parts.get(*index)).fold(0, |sum, part| sum.saturating_add(part.contracts))
}

fn to_the_cent(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

#[cfg(test)]
mod tests;
