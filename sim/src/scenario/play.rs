//! A script under way: which events wait, which are due, and for which order.

use serde::{Deserialize, Serialize};

use super::act::{Act, When};
use crate::core::{Class, Engine, Fact, OrderId, Role, Status};
use crate::time::{HOUR, MINUTE, Ms, SECOND};

/// The events of a scenario with their progress.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Script {
    started: Ms,
    waiting: Vec<Waiting>,
    seen: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Waiting {
    event: Act,
    /// How many of what it waits for came by.
    count: u32,
    /// When it is due, once that is known, and the order that set it off.
    due: Option<(Ms, Option<OrderId>)>,
    done_on: Option<chrono::NaiveDate>,
    done: bool,
}

impl Script {
    /// A script that begins now: what the engine's ledger holds already sets nothing off.
    pub(crate) fn new(events: Vec<Act>, engine: &Engine, now: Ms) -> Self {
        let mut script = Self { started: now, waiting: Vec::new(), seen: engine.ledger().next_seq() };
        for event in events {
            script.add(event, now);
        }
        script
    }

    /// Goes on where the same script stood; a script with other events begins.
    pub(crate) fn resumed(self, before: Option<Self>) -> Self {
        let same = |a: &Self, b: &Self| {
            a.waiting.len() <= b.waiting.len() && a.waiting.iter().zip(&b.waiting).all(|(a, b)| a.event == b.event)
        };
        before.filter(|b| same(&self, b)).unwrap_or(self)
    }

    /// Adds an act that waits from `now` on.
    pub(crate) fn add(&mut self, event: Act, now: Ms) {
        let due = match (&event.when, &event.after) {
            (None, Some(after)) => Some((now.plus(parse_span(after).unwrap_or(0)), None)),
            _ => None,
        };
        let done_on =
            event.at.as_deref().and_then(parse_minute).filter(|m| now.minute_of_day() > *m).map(|_| now.date());
        self.waiting.push(Waiting { event, count: 0, due, done_on, done: false });
    }

    /// The moment of the next event that is known to come.
    pub(crate) fn next_at(&self) -> Option<Ms> {
        self.waiting.iter().filter(|w| !w.done).filter_map(|w| w.due.map(|(at, _)| at)).min()
    }

    /// Whether anything waits whose moment is not known.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.iter().any(|w| !w.done && w.due.is_none())
    }

    /// Looks at what happened since the last time and gives the acts that are due.
    pub(crate) fn due(&mut self, engine: &Engine) -> Vec<(Act, Option<OrderId>)> {
        self.watch(engine);
        let now = engine.now().max(self.started);
        let mut acts = Vec::new();
        for waiting in self.waiting.iter_mut().filter(|w| !w.done) {
            if let Some((_, order)) = waiting.due.filter(|(at, _)| *at <= now) {
                waiting.done = true;
                acts.push((waiting.event.clone(), order));
            } else if let Some(minute) = waiting.event.at.as_deref().and_then(parse_minute) {
                let today = now.date();
                if now.minute_of_day() >= minute && waiting.done_on != Some(today) {
                    waiting.done_on = Some(today);
                    acts.push((waiting.event.clone(), None));
                }
            }
        }
        acts
    }

    fn watch(&mut self, engine: &Engine) {
        let facts = engine.ledger().facts();
        let new = facts.iter().skip(facts.partition_point(|e| e.seq < self.seen));
        for entry in new {
            let Some((what, order)) = meaning(&entry.fact, engine) else { continue };
            for waiting in self.waiting.iter_mut().filter(|w| w.event.when == Some(what) && w.due.is_none()) {
                waiting.count += 1;
                if waiting.count == waiting.event.nth.unwrap_or(1).max(1) {
                    let wait = waiting.event.after.as_deref().and_then(parse_span).unwrap_or(0);
                    waiting.due = Some((entry.at.plus(wait), Some(order)));
                }
            }
        }
        self.seen = engine.ledger().next_seq();
    }
}

fn meaning(fact: &Fact, engine: &Engine) -> Option<(When, OrderId)> {
    match fact {
        Fact::Status { order: id, to: Status::Open, .. } => {
            let found = engine.any_order(*id)?;
            let bracket = found.role == Role::Parent && matches!(found.class, Class::Oco);
            bracket.then_some((When::BracketOpen, *id))
        }
        Fact::Status { order: id, to: Status::Filled, .. } => Some((When::OrderFilled, *id)),
        Fact::Placed { order: id, parent: None, .. } => Some((When::OrderPlaced, *id)),
        Fact::Status { .. }
        | Fact::Placed { .. }
        | Fact::Request { .. }
        | Fact::Refused { .. }
        | Fact::Changed { .. } => None,
        Fact::CancelSent { .. }
        | Fact::Triggered { .. }
        | Fact::Fill { .. }
        | Fact::Moved { .. }
        | Fact::Wiped { .. } => None,
        Fact::Control { .. } => None,
    }
}

/// Milliseconds of `500ms`, `40s`, `2m`, `1h`.
pub(crate) fn parse_span(text: &str) -> Option<i64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(at)?;
    let unit = match unit {
        "ms" => 1,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}

/// Minutes of `HH:MM`.
pub(crate) fn parse_minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}
