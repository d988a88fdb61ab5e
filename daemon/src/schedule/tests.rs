//! The scheduler's decisions over a fortnight, against a list of turns that is written down by
//! another rule: each turn runs at the first moment at which the daemon can, or never.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use proptest::prelude::*;

use super::*;
use crate::calendar::{Calendar, Force};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A fortnight in which New York sets its clocks (1 November), a day is a holiday (3 November) and
/// one ends early (6 November).
fn fortnight() -> (Timetable, DateTime<Utc>, DateTime<Utc>) {
    let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
    let calendar = Calendar::new().altered(day(3), None).altered(day(6), NaiveTime::from_hms_opt(13, 0, 0));
    let timetable = Timetable {
        calendar: Arc::new(calendar),
        force: Force::No,
        snapshot_every: TimeDelta::seconds(40),
        spread: Spread::NONE,
    };
    (timetable, at("2026-10-26T00:00:00Z"), at("2026-11-09T00:00:00Z"))
}

/// Opening and close of its nine sessions, in UTC, as a person reads them off a wall calendar.
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

/// A turn, and the moment from which it is too late.
type Listed = (DateTime<Utc>, DateTime<Utc>);
/// A run: when, of what, for which turn.
type Ran = (DateTime<Utc>, TaskName, DateTime<Utc>);

/// Every turn of the fortnight, with the moment from which it is too late.
fn turns() -> BTreeMap<TaskName, Vec<Listed>> {
    let mut all: BTreeMap<TaskName, Vec<_>> = BTreeMap::new();
    let minutes = TimeDelta::minutes;
    for (day, open, close) in SESSIONS {
        let (open, close) = (at(&format!("{day}T{open}:00Z")), at(&format!("{day}T{close}:00Z")));
        let mut slot = open;
        while slot <= close + minutes(15) {
            all.entry(TaskName::Snapshots).or_default().push((slot, slot + TimeDelta::seconds(40)));
            slot += TimeDelta::seconds(40);
        }
        all.entry(TaskName::PreMarket).or_default().push((open - minutes(5), open));
        for (task, after) in [(TaskName::PostMarket, 5), (TaskName::PostMarketLate, 20)] {
            all.entry(task).or_default().push((close + minutes(after), close + minutes(after + 240)));
        }
        all.entry(TaskName::CalendarCheck).or_default().push((open - minutes(45), close));
        all.entry(TaskName::Forensics).or_default().push((close + minutes(90), at("2030-01-01T00:00:00Z")));
    }
    for day in 0..14 {
        let midnight = at("2026-10-26T00:00:00Z") + TimeDelta::days(day);
        for (task, after) in [
            (TaskName::Partitions, 10),
            (TaskName::Retention, 300),
            (TaskName::Housekeeping, 330),
            (TaskName::Backup, 570),
            (TaskName::Fees, 630),
        ] {
            all.entry(task).or_default().push((midnight + minutes(after), midnight + minutes(after + 1440)));
        }
    }
    all
}

/// When the daemon can work: awake, with a database.
type Able = Vec<(DateTime<Utc>, DateTime<Utc>)>;

/// For each turn its run: at the first moment at which the daemon can, if no later turn has come and
/// it is not too late.
fn expected(able: &Able) -> Vec<Ran> {
    let mut runs = Vec::new();
    for (task, turns) in turns() {
        for (index, (slot, until)) in turns.iter().enumerate() {
            let newer = turns.get(index + 1).map_or(DateTime::<Utc>::MAX_UTC, |next| next.0);
            let first = able.iter().filter(|(from, to)| slot.max(from) < to).map(|(from, _)| *slot.max(from)).min();
            if let Some(when) = first.filter(|when| when < until && *when < newer) {
                runs.push((when, task, *slot));
            }
        }
    }
    runs.sort();
    runs
}

/// What the decisions come to when they are asked for every time something can have changed.
fn simulated(table: &Timetable, able: &Able) -> (Vec<Ran>, u64) {
    let mut runs = Vec::new();
    let mut missed_snapshots = 0;
    for task in TaskName::ALL.iter().copied() {
        // What was before the fortnight is done.
        let before = table.newest(task, able[0].0 - TimeDelta::seconds(1)).map(|turn| turn.slot);
        let mut row = TaskRow {
            slot: before,
            done_slot: before,
            started_at: able[0].0,
            finished_at: None,
            succeeded_at: None,
            failures: 0,
            missed: 0,
            detail: None,
            held: false,
        };
        for (from, to) in able {
            let mut now = *from;
            while now < *to {
                match verdict(table, task, Some(&row), now) {
                    Verdict::Run { turn, missed } => {
                        runs.push((now, task, turn.slot));
                        (row.slot, row.done_slot, row.missed) = (Some(turn.slot), Some(turn.slot), row.missed + missed);
                    }
                    Verdict::Wait { until } => {
                        let until = until.unwrap();
                        assert!(until > now, "{task} waits for the past at {now}");
                        now = until;
                    }
                    Verdict::Forget => panic!("{task} at {now}: nothing is of the future"),
                }
            }
        }
        if task == TaskName::Snapshots {
            missed_snapshots = row.missed;
        }
    }
    runs.sort();
    (runs, missed_snapshots)
}

#[test]
fn an_undisturbed_fortnight_runs_every_turn_at_its_time() {
    let (table, from, to) = fortnight();
    let able = vec![(from, to)];
    let (runs, missed) = simulated(&table, &able);
    assert_eq!(runs, expected(&able));
    let count = |task| runs.iter().filter(|run| run.1 == task).count();
    // A full day is 6 h 45 min of 40 s and both ends, the short one 3 h 45 min.
    assert_eq!(count(TaskName::Snapshots), 8 * 608 + 338);
    assert_eq!((count(TaskName::PreMarket), count(TaskName::PostMarket), count(TaskName::Forensics)), (9, 9, 9));
    assert_eq!((count(TaskName::Partitions), missed), (14, 0));
    assert!(runs.iter().all(|(when, _, slot)| when == slot), "something was late");
}

#[test]
fn a_laptop_that_slept_over_the_close_makes_up_for_what_can_be_made_up() {
    let (table, from, to) = fortnight();
    let able = vec![(from, at("2026-10-28T19:00:10Z")), (at("2026-10-28T22:00:00Z"), to)];
    let (runs, missed) = simulated(&table, &able);
    assert_eq!(runs, expected(&able));
    let woken = at("2026-10-28T22:00:00Z");
    let then: Vec<_> = runs.iter().filter(|run| run.0 == woken).map(|run| run.1).collect();
    assert_eq!(then, [TaskName::PostMarket, TaskName::PostMarketLate, TaskName::Forensics]);
    assert_eq!(missed, 112, "an hour and a quarter of marks is lost, and counted");
}

#[test]
fn a_clock_that_was_an_hour_ahead_does_not_cost_the_hour() {
    let (table, ..) = fortnight();
    let (wrong, right) = (at("2026-10-28T13:25:00Z"), at("2026-10-28T12:25:30Z"));
    let done = TaskRow {
        slot: Some(wrong),
        done_slot: Some(wrong),
        started_at: wrong,
        finished_at: Some(wrong),
        succeeded_at: Some(wrong),
        failures: 0,
        missed: 0,
        detail: None,
        held: false,
    };
    assert_eq!(verdict(&table, TaskName::PreMarket, Some(&done), right), Verdict::Forget);
    let forgotten = TaskRow { slot: None, done_slot: None, ..done };
    let due = verdict(&table, TaskName::PreMarket, Some(&forgotten), wrong);
    assert!(matches!(due, Verdict::Run { turn, .. } if turn.slot == wrong), "{due:?}");
}

#[test]
fn a_failed_turn_is_tried_again_after_a_pause_and_the_next_mark_does_not_wait() {
    let (table, ..) = fortnight();
    let slot = at("2026-10-28T21:30:00Z");
    let failed = |slot, ended, failures| TaskRow {
        slot: Some(slot),
        done_slot: None,
        started_at: slot,
        finished_at: Some(ended),
        succeeded_at: None,
        failures,
        missed: 0,
        detail: None,
        held: false,
    };
    let ended = slot + TimeDelta::seconds(5);
    for (failures, minutes) in [(1, 1), (3, 3), (50, 10)] {
        let row = failed(slot, ended, failures);
        let again = ended + TimeDelta::minutes(minutes);
        let early = verdict(&table, TaskName::Forensics, Some(&row), again - TimeDelta::seconds(1));
        assert_eq!(early, Verdict::Wait { until: Some(again) });
        assert!(matches!(verdict(&table, TaskName::Forensics, Some(&row), again), Verdict::Run { .. }), "{failures}");
    }
    let mark = at("2026-10-28T15:00:00Z");
    let row = failed(mark, mark + TimeDelta::seconds(1), 7);
    let next = mark + TimeDelta::seconds(40);
    assert!(matches!(verdict(&table, TaskName::Snapshots, Some(&row), next), Verdict::Run { missed: 1, .. }));
}

#[test]
fn nobody_begins_what_another_holds() {
    let (table, ..) = fortnight();
    let slot = at("2026-10-28T21:30:00Z");
    let held = TaskRow {
        slot: Some(slot),
        done_slot: None,
        started_at: slot,
        finished_at: None,
        succeeded_at: None,
        failures: 0,
        missed: 0,
        detail: None,
        held: true,
    };
    let now = slot + TimeDelta::minutes(5);
    assert!(matches!(verdict(&table, TaskName::Forensics, Some(&held), now), Verdict::Wait { .. }));
    let dead = TaskRow { held: false, ..held };
    assert!(matches!(verdict(&table, TaskName::Forensics, Some(&dead), now), Verdict::Run { missed: 0, .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the outages and suspends: exactly the runs that the rules foresee.
    #[test]
    fn a_fortnight_with_outages_runs_exactly_what_the_rules_foresee(
        cuts in prop::collection::btree_set(1_u32..14 * 86_400, 0..24),
    ) {
        let (table, from, to) = fortnight();
        let mut ends: Vec<_> = cuts.iter().map(|second| from + TimeDelta::seconds((*second).into())).collect();
        ends.insert(0, from);
        ends.push(to);
        let able: Able = ends.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        prop_assert_eq!(simulated(&table, &able).0, expected(&able));
    }
}
