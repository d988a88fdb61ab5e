//! What a trade's story says of its bracket: the broker's number of the order, how it stands, and how often another
//! one was asked for.

use blotter_shared::domain::{IntentOp, IntentRole, IntentState};
use blotter_shared::protocol::timeline::{Moment, MomentKind};
use serde_json::Value;

/// The newest order of a bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BracketOrder<'a> {
    pub number: &'a str,
    pub state: IntentState,
}

/// The order of the newest bracket that the broker has taken, as it was told last.
#[must_use]
pub fn newest(moments: &[Moment]) -> Option<BracketOrder<'_>> {
    moments.iter().rev().find_map(|moment| {
        let told = |field: &str| moment.detail.get(field).and_then(Value::as_str);
        let is_bracket =
            told("op") == Some(IntentOp::Place.as_str()) && told("role") == Some(IntentRole::Bracket.as_str());
        let number = moment.detail.pointer("/seen/order").and_then(Value::as_str).filter(|_| is_bracket)?;
        Some(BracketOrder { number, state: told("state")?.parse().ok()? })
    })
}

/// How it stands, in a word.
#[must_use]
pub fn word(state: IntentState) -> &'static str {
    match state {
        IntentState::Prepared | IntentState::Sending => "on its way",
        IntentState::Acked => "taken",
        IntentState::Unknown => "not answered",
        IntentState::Rejected => "refused",
        IntentState::Working => "works",
        IntentState::Filled => "filled",
        IntentState::Canceled => "cancelled",
        IntentState::Expired => "run out",
        IntentState::Void => "never sent",
        IntentState::Absent | IntentState::Lost => "not there",
        IntentState::Done => "done",
    }
}

/// How often somebody asked for another bracket.
#[must_use]
pub fn times_adjusted(moments: &[Moment]) -> usize {
    let asked = moments.iter().filter(|moment| moment.kind == MomentKind::Asked);
    asked.filter(|moment| moment.what.starts_with("asked for another bracket")).count()
}
