//! What a day may bring: which faults are in force and what is asked of the adapter.

use blotter_sim::faults::FaultKind;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A fault in force all day, for the way from the adapter to the account.
#[derive(Clone, Debug)]
pub(super) struct Cloud {
    pub(super) kind: FaultKind,
    pub(super) place: &'static str,
    pub(super) percent: u8,
}

/// One day.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) clouds: Vec<Cloud>,
    pub(super) calls: Vec<Call>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Market,
    Limit,
    Stop,
    Oco,
    Otoco,
}

/// What a caller does with a write besides waiting for it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    Patient,
    /// Its time was over before it was asked for.
    Late,
    /// The caller goes away after so many milliseconds.
    GoesAway(u8),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Place(Form, Manner),
    /// The order that is meant: so many back among those known, or one of nobody's.
    Cancel(usize, Manner),
    Change(usize, u8, Manner),
    Orders,
    Order(usize),
    Positions,
    Balances,
    Profile,
    /// Trading time passes.
    Wait(u16),
}

/// Every fault there is: of requests, then of the events of a stream.
const KINDS: &[(FaultKind, &str)] = &[
    (FaultKind::Latency, "latency"),
    (FaultKind::TimeoutBefore, "timeout_before"),
    (FaultKind::TimeoutAfter, "timeout_after"),
    (FaultKind::LostRequest, "lost_request"),
    (FaultKind::LostAnswer, "lost_answer"),
    (FaultKind::TooMany, "too_many"),
    (FaultKind::TooManyBare, "too_many_bare"),
    (FaultKind::ErrorBefore, "error_before"),
    (FaultKind::ErrorAfter, "error_after"),
    (FaultKind::BadGateway, "bad_gateway"),
    (FaultKind::Unavailable, "unavailable"),
    (FaultKind::HtmlOk, "html_ok"),
    (FaultKind::Html, "html"),
    (FaultKind::Truncated, "truncated"),
    (FaultKind::Empty, "empty"),
    (FaultKind::Stale, "stale"),
    (FaultKind::EmptyList, "empty_list"),
    (FaultKind::NoTags, "no_tags"),
    (FaultKind::Revoked, "revoked"),
    (FaultKind::Unauthorized, "unauthorized"),
    (FaultKind::Backend, "backend"),
    (FaultKind::DropEvent, "drop_event"),
    (FaultKind::DuplicateEvent, "duplicate_event"),
    (FaultKind::ReorderEvent, "reorder_event"),
    (FaultKind::CutStream, "cut_stream"),
];

/// Those that strike events and no requests.
const EVENTS: &[FaultKind] =
    &[FaultKind::DropEvent, FaultKind::DuplicateEvent, FaultKind::ReorderEvent, FaultKind::CutStream];

pub(super) fn words() -> Vec<&'static str> {
    KINDS.iter().map(|(_, word)| *word).collect()
}

pub(super) fn word(kind: FaultKind) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map(|(_, word)| *word).unwrap()
}

pub(super) fn day() -> impl Strategy<Value = Plan> {
    (clouds(), vec(call(), 1..12)).prop_map(|(clouds, calls)| Plan { clouds, calls })
}

/// Everything a little, or a few things often.
fn clouds() -> impl Strategy<Value = Vec<Cloud>> {
    let all: Vec<FaultKind> = KINDS.iter().map(|(kind, _)| *kind).collect();
    let everything = (Just(all.clone()).prop_shuffle(), 1..6_u8)
        .prop_map(|(kinds, percent)| kinds.into_iter().map(|kind| Cloud { kind, place: "*", percent }).collect());
    let place = select(vec!["*", "trading", "accounts", "place", "cancel", "change", "orders", "account_session"]);
    let cloud = (select(all), place, 10..=100_u8).prop_map(|(kind, place, percent)| Cloud {
        kind,
        place: if EVENTS.contains(&kind) { "account_stream" } else { place },
        percent,
    });
    prop_oneof![everything, vec(cloud, 0..4)]
}

fn call() -> impl Strategy<Value = Call> {
    let form = select(vec![Form::Market, Form::Limit, Form::Stop, Form::Oco, Form::Otoco]);
    prop_oneof![
        5 => (form, manner()).prop_map(|(form, manner)| Call::Place(form, manner)),
        3 => (0..6_usize, manner()).prop_map(|(which, manner)| Call::Cancel(which, manner)),
        2 => (0..6_usize, 2..90_u8, manner()).prop_map(|(which, cents, manner)| Call::Change(which, cents, manner)),
        1 => Just(Call::Orders),
        1 => (0..6_usize).prop_map(Call::Order),
        1 => select(vec![Call::Positions, Call::Balances, Call::Profile]),
        1 => (1..5_000_u16).prop_map(Call::Wait),
    ]
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        16 => Just(Manner::Patient),
        1 => Just(Manner::Late),
        2 => (0..12_u8).prop_map(Manner::GoesAway),
    ]
}
