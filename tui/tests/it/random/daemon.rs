//! A daemon at play: trades that move, begin and end by themselves, alarms that come and go, and actions that are held
//! for a while and then done, refused or lost. What it says once is what it answers later.

use blotter_shared::domain::{
    AlarmId, CloseReason, Desired, Protection, Step as Progress, TradeId, TradeNumber, TradeStatus,
};
use blotter_shared::protocol::events::Event;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_tui::client::calls::CallError;
use proptest::prelude::*;
use uuid::Uuid;

use crate::fixture::{Desk, World, alarm, noon};

/// So few trades stay open, whatever ends: there is always something to ask about.
const FEWEST: usize = 3;
/// So many are open at most.
const MOST: usize = 12;

#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
    /// The trade in this row is another one now.
    Moves(usize, Move),
    Begins,
    Ends(usize, usize),
    Alarm(u128, Seen),
    /// From now on actions wait for their answer.
    Holds,
    /// The action that waits longest is done.
    Does,
    /// It is refused.
    Refuses(usize),
    /// Its answer is lost.
    Loses,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Move {
    Version,
    Naked,
    Protected,
    Closing,
    NeedsPerson,
    Part,
    NoPrice,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    Nobody,
    Somebody,
    Over,
}

impl Move {
    const ALL: &'static [Self] =
        &[Self::Version, Self::Naked, Self::Protected, Self::Closing, Self::NeedsPerson, Self::Part, Self::NoPrice];
}

impl Seen {
    const ALL: &'static [Self] = &[Self::Nobody, Self::Somebody, Self::Over];
}

pub(super) fn any() -> impl Strategy<Value = Happening> {
    use Happening as H;
    prop_oneof![
        6 => (0_usize..MOST, proptest::sample::select(Move::ALL)).prop_map(|(row, what)| H::Moves(row, what)),
        1 => Just(H::Begins),
        1 => (0_usize..MOST, 0_usize..CloseReason::ALL.len()).prop_map(|(row, reason)| H::Ends(row, reason)),
        2 => (1_u128..6, proptest::sample::select(Seen::ALL)).prop_map(|(id, seen)| H::Alarm(id, seen)),
        1 => Just(H::Holds),
        3 => Just(H::Does),
        2 => (0_usize..ProblemCode::ALL.len()).prop_map(H::Refuses),
        1 => Just(H::Loses),
    ]
}

impl Happening {
    pub(super) fn happen(self, desk: &mut Desk) {
        match self {
            Self::Moves(row, what) => moves(desk, row, what),
            Self::Begins => begins(desk),
            Self::Ends(row, reason) => ends(desk, row, CloseReason::ALL[reason]),
            Self::Alarm(id, seen) => alarms(desk, id, seen),
            Self::Holds => desk.holds_actions = !desk.holds_actions,
            Self::Does => {
                if let Some(call) = desk.held.first() {
                    let answer = desk.world.answer(call);
                    desk.answer_held(Ok(answer));
                }
            }
            Self::Refuses(code) if !desk.held.is_empty() => {
                let mut problem = Problem::new(ProblemCode::ALL[code], "it is not as you think");
                (problem.local_version, problem.remote_version) = (Some(7), Some(9));
                desk.answer_held(Err(CallError::Refused(Box::new(problem))));
            }
            Self::Loses if !desk.held.is_empty() => desk.answer_held(Err(CallError::Broken)),
            Self::Refuses(_) | Self::Loses => {}
        }
    }
}

fn moves(desk: &mut Desk, row: usize, what: Move) {
    let count = desk.world.open.len();
    let trade = &mut desk.world.open[row % count];
    match what {
        Move::Version => trade.version += 1,
        Move::Naked => trade.protection = Protection::Naked,
        Move::Protected => (trade.protection, trade.needs_person) = (Protection::Confirmed, None),
        Move::Closing => {
            (trade.status, trade.desired) = (TradeStatus::Closing, Desired::Flat);
            trade.step = Some(Progress::CloseBracketLeaves);
        }
        Move::NeedsPerson => trade.needs_person = Some("somebody else sold it".to_owned()),
        Move::Part => trade.held_qty = trade.held_qty.saturating_sub(1).max(1),
        Move::NoPrice => (trade.current_price, trade.unrealized_pnl) = (None, None),
    }
    let trade = trade.clone();
    desk.push(Event::Trade(Box::new(trade)));
}

fn begins(desk: &mut Desk) {
    if desk.world.open.len() >= MOST {
        return;
    }
    let all = desk.world.open.iter().chain(&desk.world.closed);
    let number = all.map(|trade| trade.number.0).max().unwrap_or(0) + 1;
    let mut trade = World::busy().open[1].clone();
    trade.number = TradeNumber(number);
    trade.id = TradeId(Uuid::from_u128(u128::from(number)));
    desk.world.open.push(trade.clone());
    desk.push(Event::Trade(Box::new(trade)));
}

fn ends(desk: &mut Desk, row: usize, reason: CloseReason) {
    let count = desk.world.open.len();
    if count <= FEWEST {
        return;
    }
    let mut trade = desk.world.open.remove(row % count);
    (trade.status, trade.held_qty, trade.step) = (TradeStatus::Closed, 0, None);
    (trade.desired, trade.protection) = (Desired::Flat, Protection::NotApplicable);
    trade.close = World::busy().closed[0].close.clone();
    if let Some(close) = &mut trade.close {
        close.reason = Some(reason);
    }
    desk.world.closed.insert(0, trade.clone());
    desk.push(Event::Trade(Box::new(trade)));
}

fn alarms(desk: &mut Desk, id: u128, seen: Seen) {
    let mut alarm = alarm();
    alarm.id = AlarmId(Uuid::from_u128(id));
    match seen {
        Seen::Nobody => {}
        Seen::Somebody => alarm.acked_at = Some(noon()),
        Seen::Over => alarm.cleared_at = Some(noon()),
    }
    // One that is over can still be acknowledged by whoever has not heard of its end.
    desk.world.alarms.retain(|other| other.id != alarm.id);
    desk.world.alarms.push(alarm.clone());
    desk.push(Event::Alarm(Box::new(alarm)));
}
