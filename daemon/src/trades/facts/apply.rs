//! What a change does to a book: the meaning of a commit, as a function. The simulated store is
//! this function; the store in PostgreSQL is tested against it.

use blotter_shared::domain::{IntentState, TradeId};
use thiserror::Error;

use super::super::rules::{Rule, Rules};
use super::account::Book;
use super::change::{AlarmChange, AlarmState, Change, WishStamp};
use super::intent::Intent;
use super::restore::{beginning, walk};
use super::trade::Trade;

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Illegal {
    #[error("there is no such trade")]
    NoTrade,
    #[error("another wish is durable by now")]
    OtherWish,
    #[error("an exit of this symbol is alive already")]
    SecondExit,
    #[error("this trade has had its entry")]
    SecondEntry,
    #[error("a live trade has this symbol already")]
    SymbolTaken,
    #[error("the tag is in use")]
    TagTaken,
    #[error("what was executed never shrinks")]
    Shrinks,
}

/// Makes the change, or says why it cannot be made; then nothing has changed.
///
/// # Errors
/// When a condition of the change does not hold.
pub fn apply(book: &mut Book, change: &Change, rules: Rules) -> Result<(), Illegal> {
    match change {
        Change::Begin(trade) => begin(book, trade),
        Change::Wish { trade, expect, becomes } => {
            let trade = wished(book, *trade, *expect)?;
            trade.wish = (**becomes).clone();
            Ok(())
        }
        Change::Marks { trade, becomes } => {
            let known = trade_of(book, *trade)?;
            let (reopens, symbol) = (known.is_ended() && !becomes.status.is_terminal(), known.spec.symbol.clone());
            if reopens && book.live_trades().any(|live| live.spec.symbol == symbol) {
                return Err(Illegal::SymbolTaken);
            }
            trade_of(book, *trade)?.marks = (**becomes).clone();
            Ok(())
        }
        Change::Intent(intent) => write_intent(book, intent, rules),
        Change::Gate { intent, expect } => {
            if rules.has(Rule::GateChecksWish) {
                wished(book, intent.trade_id, *expect)?;
            }
            write_intent(book, intent, rules)
        }
        Change::Fill(fill) => {
            let trade = trade_of(book, fill.trade_id)?;
            if !trade.fills.iter().any(|known| known.leg == fill.leg && known.cumulative == fill.cumulative) {
                trade.fills.push(fill.clone());
            }
            Ok(())
        }
        Change::Account(marks) => {
            book.account = marks.clone();
            Ok(())
        }
        Change::Alarm(alarm) => {
            apply_alarm(book, alarm);
            Ok(())
        }
    }
}

fn begin(book: &mut Book, trade: &Trade) -> Result<(), Illegal> {
    if book.live_trades().any(|live| live.spec.symbol == trade.spec.symbol) {
        return Err(Illegal::SymbolTaken);
    }
    book.trades.insert(trade.id(), trade.clone());
    Ok(())
}

fn trade_of(book: &mut Book, id: TradeId) -> Result<&mut Trade, Illegal> {
    book.trades.get_mut(&id).ok_or(Illegal::NoTrade)
}

fn wished(book: &mut Book, id: TradeId, expect: WishStamp) -> Result<&mut Trade, Illegal> {
    let trade = trade_of(book, id)?;
    if WishStamp::of(&trade.wish) == expect { Ok(trade) } else { Err(Illegal::OtherWish) }
}

/// Writes one intent under the unique rules.
fn write_intent(book: &mut Book, intent: &Intent, rules: Rules) -> Result<(), Illegal> {
    let symbol = trade_of(book, intent.trade_id)?.spec.symbol.clone();
    if rules.has(Rule::UniqueLiveExit) && intent.is_exit() && intent.is_live() && !intent.late {
        let twin = book
            .trades
            .values()
            .filter(|trade| trade.spec.symbol == symbol)
            .flat_map(Trade::live_exits)
            .any(|other| other.id != intent.id && !other.late);
        if twin {
            return Err(Illegal::SecondExit);
        }
    }
    let trade = trade_of(book, intent.trade_id)?;
    if rules.has(Rule::OneEntry) && intent.is_entry() && trade.entries().any(|other| other.id != intent.id) {
        return Err(Illegal::SecondEntry);
    }
    let same_tag = |other: &&Intent| other.order().zip(intent.order()).is_some_and(|(a, b)| a.tag == b.tag);
    if trade.intents.iter().filter(same_tag).any(|other| other.id != intent.id) {
        return Err(Illegal::TagTaken);
    }
    match trade.intents.iter_mut().find(|known| known.id == intent.id) {
        Some(known) if rules.has(Rule::ExecutedIsMonotone) && intent.executed < known.executed => {
            return Err(Illegal::Shrinks);
        }
        Some(known) => *known = intent.clone(),
        None => trade.intents.push(intent.clone()),
    }
    Ok(())
}

/// Alarms cannot fail: raising twice raises once, clearing what is clear does nothing.
pub fn apply_alarm(book: &mut Book, change: &AlarmChange) {
    match change {
        AlarmChange::Raise { kind, trade, severity, message, at } => {
            match book.alarms.iter_mut().find(|alarm| alarm.kind == *kind && alarm.trade == *trade) {
                Some(open) if open.severity < *severity => {
                    open.severity = *severity;
                    open.message.clone_from(message);
                    open.acked_at = None;
                }
                Some(open) => open.message.clone_from(message),
                None => book.alarms.push(AlarmState {
                    kind: *kind,
                    trade: *trade,
                    severity: *severity,
                    message: message.clone(),
                    raised_at: *at,
                    acked_at: None,
                }),
            }
        }
        AlarmChange::Clear { kind, trade, .. } => {
            book.alarms.retain(|alarm| !(alarm.kind == *kind && alarm.trade == *trade));
        }
        AlarmChange::Ack { kind, trade, at } => {
            for alarm in book.alarms.iter_mut().filter(|alarm| alarm.kind == *kind && alarm.trade == *trade) {
                alarm.acked_at = alarm.acked_at.or(Some(*at));
            }
        }
    }
}

/// What turns one book into another, trade by trade, in an order in which no condition trips over
/// another: ends of intents before the marks that rest on them.
#[must_use]
pub fn difference(before: &Book, after: &Book) -> Vec<Change> {
    let (mut changes, mut begins) = (Vec::new(), Vec::new());
    for (id, now) in &after.trades {
        let Some(was) = before.trades.get(id) else {
            // After the end of the trade that had its symbol.
            begins.extend(beginning(now));
            continue;
        };
        if was == now {
            continue;
        }
        let mut moved: Vec<&Intent> =
            now.intents.iter().filter(|intent| was.intent(intent.id) != Some(*intent)).collect();
        moved.sort_by_key(|intent| intent.is_live());
        let fresh = |intent: &Intent| was.intent(intent.id).is_none();
        changes.extend(moved.into_iter().flat_map(|intent| {
            if fresh(intent) { walk(intent) } else { vec![Change::Intent(Box::new(intent.clone()))] }
        }));
        let fresh = now.fills.iter().filter(|fill| !was.fills.contains(fill));
        changes.extend(fresh.map(|fill| Change::Fill(fill.clone())));
        if was.wish != now.wish {
            let expect = WishStamp::of(&was.wish);
            changes.push(Change::Wish { trade: *id, expect, becomes: Box::new(now.wish.clone()) });
        }
        if was.marks != now.marks {
            changes.push(Change::Marks { trade: *id, becomes: Box::new(now.marks.clone()) });
        }
    }
    changes.append(&mut begins);
    if before.account != after.account {
        changes.push(Change::Account(after.account.clone()));
    }
    changes
}

/// Whether an intent in this state was ever at the send gate.
#[must_use]
pub fn was_sent(state: IntentState) -> bool {
    !matches!(state, IntentState::Prepared | IntentState::Void)
}
