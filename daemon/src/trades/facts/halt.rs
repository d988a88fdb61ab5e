//! An account of real money that looks as if nothing had ever been in it: no orders, no positions, nothing of
//! value, while trades of ours are alive. In a sandbox that is a reset. Here it is a broker that shows wrong books,
//! or somebody who has taken everything away, and nobody can tell which: nothing is sent on such books, exits
//! neither, and a person is called at once.
//!
//! The halt ends by itself, as a difference between ledger and position does: after as many clean cuts over as long a
//! time as it takes to believe one, in which the account is not empty any more and each live trade agrees with its position
//! or is in quarantine. A person's word for it would add nothing, because nothing is ever sold that ledger and
//! account do not both show; but it could come late, and leave exits dead for a night because of one odd minute. What
//! is really gone is settled trade by trade, by a person, as in any quarantine; with the last of them nothing is left that the
//! cuts could disagree with.

use std::collections::BTreeMap;

use blotter_shared::domain::{AlarmKind, BrokerMode, IntentState, Severity, TradeId};
use chrono::{DateTime, Utc};

use super::super::snapshot::Snapshot;
use super::absence::since;
use super::account::Book;
use super::change::AlarmChange;
use super::fold::{Context, View};
use super::intent::Intent;
use super::trade::{Agreement, Trade};
use super::{derive, restore};

/// Seconds for which books have shown nothing at all before an entry is given up to them. Several times as long as a broker
/// shows such books by mistake; meanwhile its trade is told of as not verified.
const GIVES_UP: f64 = 600.0;

/// Whether a halted account may send again.
pub(super) fn settle(book: &mut Book, views: &BTreeMap<TradeId, View>, snapshot: &Snapshot, context: &Context<'_>) {
    if book.account.halted.is_none() {
        return;
    }
    let right = !looks_empty(book, snapshot) && book.live_trades().all(|trade| restore::has_its_place(trade, views));
    // A beginning that is to come was written by a clock that is ahead: it begins now.
    let known = book.account.halt_agreed.filter(|agreed| agreed.since <= context.now);
    let known = known.unwrap_or(Agreement { reads: 0, since: context.now });
    let agreed = right.then_some(Agreement { reads: known.reads.saturating_add(1), ..known });
    let over = agreed.is_some_and(|agreed| restore::is_enough(agreed, context));
    book.account.halt_agreed = agreed.filter(|_| !over);
    if over {
        book.account.halted = None;
    }
}

/// What is to be thought of the books of a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Books {
    /// The account is not halted, or they show something.
    Plain,
    /// They look as if nothing had ever been in the account, which is halted for that.
    Blank,
    /// They have looked so for so long that they are believed.
    LongBlank,
}

/// Notes since when they show nothing.
pub(super) fn books(book: &mut Book, snapshot: &Snapshot, context: &Context<'_>) -> Books {
    if book.account.halted.is_none() || !looks_empty(book, snapshot) {
        book.account.blank_since = None;
        return Books::Plain;
    }
    // A beginning that is to come was written by a clock that is ahead: it begins now.
    let known = book.account.blank_since.filter(|at| *at <= context.now);
    let began = *book.account.blank_since.insert(known.unwrap_or(context.now));
    if since(began, context.now) < GIVES_UP { Books::Blank } else { Books::LongBlank }
}

/// Books that show nothing prove of nothing that covers a position that it is gone: it would be a stray when they are right
/// again. Nor of an entry: it may have filled behind them, and with its trade at an end nobody would tell of that.
pub(super) fn waits_for_its_orders(trade: &Trade, books: Books) -> bool {
    let mut orders = trade.intents.iter().filter(|intent| intent.order().is_some() && intent.is_live());
    match books {
        Books::Plain => false,
        Books::Blank => derive::held(trade) > 0 || orders.any(|intent| !intent.is_exit()),
        Books::LongBlank => derive::held(trade) > 0,
    }
}

/// Of such a trade: not to be in books that show nothing says nothing about it. An exit in doubt is looked for as in any
/// others, as nothing is sent in its place before they are right.
pub(super) fn is_missed_in_vain(intent: &Intent) -> bool {
    let is_there = matches!(intent.state, IntentState::Acked | IntentState::Working);
    is_there || intent.state == IntentState::Unknown && !intent.is_exit()
}

/// Whether a cut says nothing of what a person has taken for gone a moment ago: books that show nothing are as they were
/// then, and whether they were right shows in those that come after them.
pub(super) fn shows_nothing_of_what_was_given_up(book: &Book, snapshot: &Snapshot, context: &Context<'_>) -> bool {
    let aftermath = 0.0..context.timing.aftermath.as_secs_f64();
    let lately = |trade: &Trade| trade.marks.closed_at.is_some_and(|at| aftermath.contains(&since(at, context.now)));
    let given_up = || book.trades.values().any(|trade| trade.is_given_up() && lately(trade));
    book.mode == BrokerMode::Live && is_blank(snapshot) && given_up()
}

/// Nothing is there, and something should be.
fn looks_empty(book: &Book, snapshot: &Snapshot) -> bool {
    let sent = |trade: &Trade| trade.intents.iter().any(|intent| intent.broker_id.is_some());
    is_blank(snapshot) && book.live_trades().any(sent)
}

fn is_blank(snapshot: &Snapshot) -> bool {
    snapshot.before.is_empty() && snapshot.orders.is_empty() && snapshot.positions.is_empty()
}

/// What a person is told while nothing is sent for the account, for whatever reason.
#[must_use]
pub fn alarm(book: &Book, now: DateTime<Utc>) -> Option<AlarmChange> {
    let kind = AlarmKind::NeedsPerson;
    let open = book.alarms.iter().find(|alarm| alarm.kind == kind && alarm.trade.is_none());
    let reasons: Vec<String> = [restore::sentence(book), sentence(book)].into_iter().flatten().collect();
    if reasons.is_empty() {
        return open.map(|_| AlarmChange::Clear { kind, trade: None, at: now });
    }
    let message = reasons.join(". ");
    let told = open.is_some_and(|open| open.message == message);
    (!told).then_some(AlarmChange::Raise { kind, trade: None, severity: Severity::Page, message, at: now })
}

fn sentence(book: &Book) -> Option<String> {
    let reason = book.account.halted.as_ref()?;
    Some(format!(
        "sending has stopped for the {} account, exits too: {reason}. Look at the broker's own screen now, and act there \
         if you must. Once the broker shows again what the trades have, sending goes on by itself within half a \
         minute; what is really gone, tell each of its trades by b: it takes what the broker shows for the truth",
        book.mode
    ))
}
