//! What the rules foresee for the fortnight, written down once more: from a wall calendar, not from the
//! daemon's.

use blotter_shared::protocol::tasks::TaskName;
use chrono::{DateTime, TimeDelta, Utc};

pub(super) type Instant = DateTime<Utc>;
pub(super) type Span = (Instant, Instant);
/// A run that succeeded: when, of what, for which turn.
pub(super) type Ran = (Instant, TaskName, Instant);
/// A recorded price: when, of which trade, which bookend.
pub(super) type Row = (Instant, u128, &'static str);

pub(super) fn at(text: &str) -> Instant {
    format!("{text}Z").parse().unwrap()
}

pub(super) const BEGIN: &str = "2026-10-26T12:00:00";
pub(super) const END: &str = "2026-11-09T14:00:00";
/// Between two marks.
pub(super) const EVERY: TimeDelta = TimeDelta::minutes(5);

/// Opening and close in UTC. New York sets its clocks on the 1st, the 3rd is a holiday, the 6th ends early.
const SESSIONS: [(&str, &str, &str); 9] = [
    ("2026-10-26", "13:30", "20:00"),
    ("2026-10-27", "13:30", "20:00"),
    ("2026-10-28", "13:30", "20:00"),
    ("2026-10-29", "13:30", "20:00"),
    ("2026-10-30", "13:30", "20:00"),
    ("2026-11-02", "14:30", "21:00"),
    ("2026-11-04", "14:30", "21:00"),
    ("2026-11-05", "14:30", "21:00"),
    ("2026-11-06", "14:30", "18:00"),
];

pub(super) fn sessions() -> Vec<Span> {
    let time = |day: &str, time: &str| at(&format!("{day}T{time}:00"));
    SESSIONS.iter().map(|(day, open, close)| (time(day, open), time(day, close))).collect()
}

/// What keeps the daemon from its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It does not run.
    Down,
    /// The machine sleeps over a close.
    Asleep,
    /// The database is away.
    NoDatabase,
    /// The broker answers 503.
    NoBroker,
}

pub(super) fn troubles() -> [(Trouble, Span); 4] {
    let span = |from, to| (at(from), at(to));
    [
        (Trouble::Down, span("2026-10-29T13:00:00", "2026-10-29T15:05:00")),
        (Trouble::NoBroker, span("2026-10-30T16:00:00", "2026-10-30T17:00:00")),
        (Trouble::NoDatabase, span("2026-11-04T16:01:00", "2026-11-04T16:31:00")),
        (Trouble::Asleep, span("2026-11-05T20:31:00", "2026-11-06T02:00:00")),
    ]
}

/// When there is room for this trouble alone.
pub(super) fn span_of(trouble: Trouble) -> Span {
    troubles().into_iter().find(|(other, _)| *other == trouble).unwrap().1
}

/// The stretches in which it can work.
fn able() -> Vec<Span> {
    let mut begin = at(BEGIN);
    let mut able = Vec::new();
    for (_, (from, to)) in troubles().into_iter().filter(|(trouble, _)| *trouble != Trouble::NoBroker) {
        able.push((begin, from));
        begin = to;
    }
    able.push((begin, at(END)));
    able
}

/// Every turn, and the moment from which it is too late.
fn turns(task: TaskName) -> Vec<Span> {
    let minutes = TimeDelta::minutes;
    let daily = |after| -> Vec<Span> {
        let days = (0..15).map(|day| at("2026-10-26T00:00:00") + TimeDelta::days(day) + minutes(after));
        days.map(|slot| (slot, slot + TimeDelta::days(1))).collect()
    };
    let of_sessions = |turn: fn(Instant, Instant) -> Span| -> Vec<Span> {
        sessions().into_iter().map(|(open, close)| turn(open, close)).collect()
    };
    match task {
        TaskName::Snapshots => {
            let mut all = Vec::new();
            for (open, close) in sessions() {
                let mut slot = open;
                while slot <= close + minutes(15) {
                    all.push((slot, slot + EVERY));
                    slot += EVERY;
                }
            }
            all
        }
        TaskName::PreMarket => of_sessions(|open, _| (open - TimeDelta::minutes(5), open)),
        TaskName::PostMarket => {
            of_sessions(|_, close| (close + TimeDelta::minutes(5), close + TimeDelta::minutes(5 + 240)))
        }
        TaskName::PostMarketLate => {
            of_sessions(|_, close| (close + TimeDelta::minutes(20), close + TimeDelta::minutes(20 + 240)))
        }
        TaskName::CalendarCheck => {
            let mut all = of_sessions(|open, close| (open - TimeDelta::minutes(45), close));
            // The first morning after the fortnight.
            all.push((at("2026-11-09T13:45:00"), at("2026-11-09T21:00:00")));
            all
        }
        TaskName::Forensics => {
            // That of the Friday before is still to be done.
            let mut all = vec![(at("2026-10-23T21:30:00"), at("2030-01-01T00:00:00"))];
            all.extend(of_sessions(|_, close| (close + TimeDelta::minutes(90), at("2030-01-01T00:00:00"))));
            all
        }
        TaskName::Partitions => daily(10),
        TaskName::Retention => daily(300),
        TaskName::Housekeeping => daily(330),
        TaskName::Backup => daily(570),
        TaskName::Fees => daily(630),
    }
}

/// Each turn runs at the first moment at which the daemon can, unless a later one has come by then or it
/// is too late; a mark without a broker is none.
pub(super) fn runs() -> Vec<Ran> {
    let (dark, end) = (span_of(Trouble::NoBroker), at(END));
    let mut runs = Vec::new();
    for task in TaskName::ALL.iter().copied() {
        let turns: Vec<Span> = turns(task).into_iter().filter(|turn| turn.0 < end).collect();
        for (index, (slot, until)) in turns.iter().enumerate() {
            let newer = turns.get(index + 1).map_or(Instant::MAX_UTC, |next| next.0);
            let first = able().iter().filter(|(from, to)| slot.max(from) < to).map(|(from, _)| *slot.max(from)).min();
            let in_time = first.filter(|when| when < until && *when < newer);
            let lit = in_time.filter(|when| task != TaskName::Snapshots || *when < dark.0 || *when >= dark.1);
            runs.extend(lit.map(|when| (when, task, *slot)));
        }
    }
    runs.sort();
    runs
}

/// Marks that nobody took.
pub(super) fn missed_marks() -> u64 {
    let taken = runs().iter().filter(|run| run.1 == TaskName::Snapshots).count();
    u64::try_from(turns(TaskName::Snapshots).len() - taken).unwrap()
}

/// A position of the fortnight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) id: u128,
    pub(super) bought: &'static str,
    pub(super) sold: Option<&'static str>,
    /// It trades a quarter of an hour longer.
    pub(super) late: bool,
}

/// The rows that the runs leave of a position: from its purchase until two hours after its sale.
pub(super) fn rows(held: &Held) -> Vec<Row> {
    let until = held.sold.map_or(Instant::MAX_UTC, |sold| at(sold) + TimeDelta::hours(2));
    let closes: Vec<Instant> = sessions().into_iter().map(|session| session.1).collect();
    let trades = |when: Instant| {
        held.late || closes.iter().all(|close| !(*close < when && when <= *close + TimeDelta::minutes(15)))
    };
    let row = |(when, task, _): &Ran| {
        let bookend = match task {
            TaskName::Snapshots if trades(*when) => "",
            TaskName::PreMarket => "PRE_MARKET",
            TaskName::PostMarket if !held.late => "POST_MARKET",
            TaskName::PostMarketLate if held.late => "POST_MARKET",
            TaskName::Snapshots | TaskName::PostMarket | TaskName::PostMarketLate => return None,
            TaskName::Forensics | TaskName::CalendarCheck | TaskName::Partitions => return None,
            TaskName::Retention | TaskName::Housekeeping => return None,
            TaskName::Backup | TaskName::Fees => return None,
        };
        (*when >= at(held.bought) && *when < until).then_some((*when, held.id, bookend))
    };
    runs().iter().filter_map(row).collect()
}
