//! What calls for a person, worked out from the facts. Judged twice: by the owner of the account
//! after each cut, and by anybody at all before any call to the broker, because a daemon that is
//! blind, dead or crash-looping must not be the only one who could notice.

use blotter_shared::domain::{AlarmKind, IntentState, Severity, TradeId, TradeStatus};
use chrono::{DateTime, Utc};

use super::expiry::{self, Stage};
use super::facts::absence::since;
use super::facts::restore::without_a_stop;
use super::facts::{AlarmChange, Book, Intent, Trade, derive};
use super::plan::refused_in_a_row;
use super::ports::Session;
use super::timing::Timing;

/// Seconds by which two daemons' clocks may differ.
const CLOCK_STEP: f64 = 2.0;

/// Since when a trade is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// It was last seen to be as it should be.
    pub verified: Option<DateTime<Utc>>,
    /// It has no cover.
    pub naked: Option<DateTime<Utc>>,
    /// Its account was last read whole.
    pub seen: Option<DateTime<Utc>>,
}

impl Since {
    /// As it was written down.
    #[must_use]
    pub fn of(book: &Book, trade: &Trade) -> Self {
        Self { verified: trade.marks.verified_at, naked: trade.marks.naked_since, seen: book.account.seen_at }
    }
}

/// When somebody looks, and by what.
#[derive(Clone, Copy)]
struct Look<'a> {
    /// The one that the trade's contract is traded in.
    session: Session,
    now: DateTime<Utc>,
    timing: &'a Timing,
}

impl Look<'_> {
    /// The contract has had its last session: nothing covers it, sells it or needs to.
    fn settles(self, trade: &Trade) -> bool {
        self.stage(trade) == Stage::AwaitsSettlement
    }

    fn stage(self, trade: &Trade) -> Stage {
        expiry::stage(&trade.spec.contract, &self.session, self.now)
    }
}

/// Whether an alarm is to be open, and with what to say.
struct Verdict {
    kind: AlarmKind,
    raise: Option<(Severity, String)>,
}

/// The watch that needs neither lease nor broker (pass step 0): what is durable says since when a
/// trade is naked or unverified, also to a daemon that cannot read the broker any more.
#[must_use]
pub fn watchdog(
    book: &Book,
    known: impl Fn(&Trade) -> (Session, Since),
    now: DateTime<Utc>,
    timing: &Timing,
) -> Vec<AlarmChange> {
    let watched = book.trades.values().filter(|trade| !trade.is_ended() || may_be_held(trade));
    let verdicts = watched.flat_map(|trade| {
        let (session, since) = known(trade);
        let look = Look { session, now, timing };
        let verdicts = [unverified(trade, since, look), naked(trade, since, look)];
        verdicts.map(|verdict| (trade.id(), verdict))
    });
    changes(book, verdicts.filter(|(_, verdict)| verdict.raise.is_some()), now)
}

/// Everything that a fresh cut says about alarms.
#[must_use]
pub fn judge(
    book: &Book,
    session: impl Fn(&Trade) -> Session,
    now: DateTime<Utc>,
    timing: &Timing,
) -> Vec<AlarmChange> {
    let verdicts = book.trades.iter().flat_map(|(id, trade)| {
        let (look, since) = (Look { session: session(trade), now, timing }, Since::of(book, trade));
        let all = [
            unverified(trade, since, look),
            naked(trade, since, look),
            quarantined(trade),
            late(trade),
            filled_after_end(trade),
            refused(trade, timing),
            needs_person(book, trade, look),
        ];
        all.map(|verdict| (*id, verdict))
    });
    changes(book, verdicts, now)
}

/// Only what differs from what is open.
fn changes(book: &Book, verdicts: impl Iterator<Item = (TradeId, Verdict)>, at: DateTime<Utc>) -> Vec<AlarmChange> {
    verdicts
        .filter_map(|(id, Verdict { kind, raise })| {
            let open = book.alarms.iter().find(|alarm| alarm.kind == kind && alarm.trade == Some(id));
            match (raise, open) {
                (Some((severity, message)), None) => {
                    Some(AlarmChange::Raise { kind, trade: Some(id), severity, message, at })
                }
                // The cause is another one now, and the sentence with it.
                (Some((severity, message)), Some(open)) if open.severity < severity || open.message != message => {
                    Some(AlarmChange::Raise { kind, trade: Some(id), severity, message, at })
                }
                (None, Some(_)) if clears_itself(kind) => Some(AlarmChange::Clear { kind, trade: Some(id), at }),
                (_, _) => None,
            }
        })
        .collect()
}

/// A notice of something that happened stays until a person has seen it; a state that is over is over.
fn clears_itself(kind: AlarmKind) -> bool {
    !matches!(kind, AlarmKind::LateArrival | AlarmKind::FillAfterTerminal)
}

/// Not positively verified for too long: whatever the reason, nobody knows that it is safe.
fn unverified(trade: &Trade, since_when: Since, look: Look<'_>) -> Verdict {
    let Look { session, now, timing } = look;
    let (symbol, span) = (&trade.spec.symbol, timing.unverified);
    let known =
        if trade.is_ended() { last_awaited(trade, since_when, timing) } else { last_verified(trade, since_when) };
    let late = |known: DateTime<Utc>| since(known.max(session.opens), now) > span.as_secs_f64();
    let raise = session.open && known.is_some_and(late) && !look.settles(trade);
    let what = if !trade.is_ended() {
        format!("{symbol} has not been verified at the broker")
    } else if may_still_buy(trade) {
        format!("an entry of {symbol} was given up and may have bought, and its account has not been read")
    } else {
        format!("{symbol} was taken for gone without an order, and no books that show anything have been read")
    };
    let message = format!("{what} for {} s and more: look at the broker's own screen", span.as_secs());
    Verdict { kind: AlarmKind::Unverified, raise: raise.then_some((Severity::Page, message)) }
}

/// A trade that nothing is known to be sent for is told of, too: a backup may have forgotten what was.
fn last_verified(trade: &Trade, since_when: Since) -> Option<DateTime<Utc>> {
    let sent = trade.intents.iter().filter_map(|intent| intent.sent_at).min();
    since_when.verified.or(sent).or(Some(trade.spec.asked_at))
}

/// When it was last looked for what may show up after the end of a trade. It is not looked for any longer than such a
/// thing takes.
fn last_awaited(trade: &Trade, since_when: Since, timing: &Timing) -> Option<DateTime<Utc>> {
    let (ended, seen) = trade.marks.closed_at.zip(since_when.seen)?;
    let late = trade.entries().any(Intent::is_live);
    let awaited = may_be_held(trade) && since(ended, seen) < timing.aftermath.as_secs_f64();
    (late || awaited).then_some(seen)
}

/// An order of it may arrive, or be reported, after its end; or its end rests on a list that may have been empty by mistake.
fn may_be_held(trade: &Trade) -> bool {
    may_still_buy(trade) || trade.is_given_up()
}

/// Its entry came to an end with less than it was for: that it has bought nothing more is not proven for ever. One that arrived
/// late buys until its cancel is seen.
fn may_still_buy(trade: &Trade) -> bool {
    let ended =
        |state| matches!(state, IntentState::Absent | IntentState::Canceled | IntentState::Expired | IntentState::Lost);
    let short = |entry: &Intent| entry.order().is_some_and(|order| entry.executed < order.quantity.get());
    trade.entries().any(|entry| (ended(entry.state) || entry.is_live()) && short(entry))
}

fn naked(trade: &Trade, since_when: Since, look: Look<'_>) -> Verdict {
    let Look { session, now, timing } = look;
    // By night too: what is naked at the open was naked when somebody could still have acted.
    let bare = since_when.naked.filter(|_| !look.settles(trade)).map(|at| since(at, now));
    let loud = bare.and_then(|seconds| {
        // Bare since a moment that is to come: the wall clock went back, and nobody knows for how
        // long. The next cut that shows cover ends it.
        if seconds >= timing.naked_page.as_secs_f64() || seconds < -CLOCK_STEP {
            Some(Severity::Page)
        } else {
            (seconds >= timing.naked_alarm.as_secs_f64()).then_some(Severity::Warning)
        }
    });
    let (held, symbol) = (trade.marks.held, &trade.spec.symbol);
    let message = if session.open && look.stage(trade) == Stage::LastMinutes {
        let closes = session.closes.format("%H:%M UTC");
        format!(
            "{held} of {symbol} have no working stop and trade for the last time, until {closes}: close, or press b"
        )
    } else if session.open {
        format!("{held} of {symbol} have no working stop: press b to place it again, or close")
    } else {
        let opens = session.opens.format("%Y-%m-%d %H:%M UTC");
        format!(
            "{held} of {symbol} have no stop that waits for the open at {opens}: the bracket is offered again until then"
        )
    };
    Verdict { kind: AlarmKind::Naked, raise: loud.map(|severity| (severity, message)) }
}

fn quarantined(trade: &Trade) -> Verdict {
    let raise = trade.marks.quarantine.as_ref().map(|quarantine| {
        (
            Severity::Page,
            format!(
                "{} waits for you: {}; b takes what the broker shows for the truth",
                trade.spec.symbol, quarantine.reason
            ),
        )
    });
    Verdict { kind: AlarmKind::Quarantine, raise }
}

fn late(trade: &Trade) -> Verdict {
    let late = trade.intents.iter().any(|intent| intent.late);
    let message = format!("an order for {} arrived after it was believed lost; it was taken up", trade.spec.symbol);
    Verdict { kind: AlarmKind::LateArrival, raise: late.then_some((Severity::Notice, message)) }
}

fn filled_after_end(trade: &Trade) -> Verdict {
    let reopened = trade.marks.status == TradeStatus::Filled
        && trade.entries().any(|entry| matches!(entry.state, IntentState::Absent | IntentState::Void));
    let message = format!("{} filled after its end", trade.spec.symbol);
    Verdict { kind: AlarmKind::FillAfterTerminal, raise: reopened.then_some((Severity::Notice, message)) }
}

fn refused(trade: &Trade, timing: &Timing) -> Verdict {
    let held = trade.marks.held > 0 && !trade.is_ended();
    let raise = held && refused_in_a_row(trade) >= timing.refusals.min(2);
    let why = trade.exits().rev().find_map(|exit| exit.refusal.as_deref()).unwrap_or("no reason given");
    let message = format!("the broker refuses exits for {}: {why}", trade.spec.symbol);
    Verdict { kind: AlarmKind::CannotProtect, raise: raise.then_some((Severity::Page, message)) }
}

fn needs_person(book: &Book, trade: &Trade, look: Look<'_>) -> Verdict {
    let sentence = late_fill(book, trade)
        .or_else(|| unclaimed(book, trade, look.now, look.timing))
        .or_else(|| below_zero(trade))
        .or_else(|| without_a_stop(trade))
        .or_else(|| slow_close(trade, look))
        .or_else(|| last_minutes(trade, look));
    Verdict { kind: AlarmKind::NeedsPerson, raise: sentence.map(|sentence| (Severity::Page, sentence)) }
}

/// A fill came for a trade at its end while another trade has the symbol.
fn late_fill(book: &Book, trade: &Trade) -> Option<String> {
    let held = Some(trade.marks.held).filter(|held| trade.is_ended() && *held > 0)?;
    let taken = book.live_trades().any(|live| live.spec.symbol == trade.spec.symbol);
    taken.then(|| {
        format!(
            "{held} more of {} were bought by an order that was over, and another trade has the symbol: \
             they have no stop before that trade ends",
            trade.spec.symbol
        )
    })
}

/// The account holds contracts of a symbol for which no trade that is alive has bought anything. Of the trades under which
/// they are seen the newest one tells it.
fn unclaimed(book: &Book, trade: &Trade, now: DateTime<Utc>, timing: &Timing) -> Option<String> {
    let there = trade.marks.mismatch.filter(|_| trade.is_ended())?;
    let of_symbol = || book.trades.values().filter(|other| other.spec.symbol == trade.spec.symbol);
    let doubted = of_symbol().any(Trade::is_doubted);
    let tells = |other: &&Trade| {
        let there = other.marks.mismatch.filter(|_| other.is_ended());
        there.is_some_and(|there| there.is_told(doubted, now, timing))
    };
    let newest = of_symbol().filter(tells).max_by_key(|other| (other.spec.asked_at, other.id()))?;
    let alone = of_symbol().all(|other| other.is_ended() || !derive::has_bought(other));
    let (held, symbol) = (there.position, &trade.spec.symbol);
    (alone && newest.id() == trade.id()).then(|| {
        if held < 0 {
            let short = held.unsigned_abs();
            return format!(
                "the account is short of {short} of {symbol} and no trade looks after it: buy back at the broker"
            );
        }
        format!(
            "the account holds {held} of {symbol} and no trade looks after them: adopt them, or close them at the broker"
        )
    })
}

fn below_zero(trade: &Trade) -> Option<String> {
    let sentence = format!("the ledger of {} is below zero: more was sold than bought", trade.spec.symbol);
    (trade.marks.held < 0).then_some(sentence)
}

fn slow_close(trade: &Trade, look: Look<'_>) -> Option<String> {
    let Look { session, now, timing } = look;
    let waits = trade.wish.is_flat() && !trade.is_ended() && session.open && !look.settles(trade);
    let long = since(trade.wish.since.max(session.opens), now) > timing.close_slow.as_secs_f64();
    (waits && long).then(|| format!("the close of {} is not done after a minute", trade.spec.symbol))
}

/// It was to have no stop, and its last session is nearly over: what is not sold by then is settled, in shares where it
/// is worth anything. That is decided by a person or by the clock.
fn last_minutes(trade: &Trade, look: Look<'_>) -> Option<String> {
    let by_choice = trade.marks.held > 0 && trade.wish.stop.is_none() && !trade.wish.is_flat() && !trade.is_ended();
    let (held, symbol) = (trade.marks.held, &trade.spec.symbol);
    (by_choice && look.stage(trade) == Stage::LastMinutes).then(|| {
        let closes = look.session.closes.format("%H:%M UTC");
        format!("{held} of {symbol} expire today without a stop, and trade until {closes}: close, or they are settled")
    })
}
