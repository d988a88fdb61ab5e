use chrono::NaiveTime;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn table(force: Force) -> Timetable {
    Timetable {
        calendar: Arc::new(Calendar::new()),
        force,
        snapshot_every: TimeDelta::seconds(40),
        spread: Spread::NONE,
    }
}

#[test]
fn the_times_of_a_day_are_those_of_new_york() {
    let table = table(Force::No);
    for (task, day, slot) in [
        (TaskName::PreMarket, "2026-10-30T03:00:00Z", "2026-10-30T13:25:00Z"),
        (TaskName::PreMarket, "2026-11-02T03:00:00Z", "2026-11-02T14:25:00Z"),
        (TaskName::PostMarket, "2026-10-30T03:00:00Z", "2026-10-30T20:05:00Z"),
        (TaskName::PostMarket, "2026-11-27T03:00:00Z", "2026-11-27T18:05:00Z"),
        (TaskName::PostMarketLate, "2026-11-25T03:00:00Z", "2026-11-25T21:20:00Z"),
        (TaskName::Snapshots, "2026-11-25T03:00:00Z", "2026-11-25T14:30:00Z"),
        (TaskName::Forensics, "2026-11-25T03:00:00Z", "2026-11-25T22:30:00Z"),
        (TaskName::CalendarCheck, "2026-11-25T03:00:00Z", "2026-11-25T13:45:00Z"),
        (TaskName::Partitions, "2026-11-26T03:00:00Z", "2026-11-27T00:10:00Z"),
        (TaskName::Retention, "2026-11-26T03:00:00Z", "2026-11-26T05:00:00Z"),
        (TaskName::Housekeeping, "2026-11-26T03:00:00Z", "2026-11-26T05:30:00Z"),
        (TaskName::Backup, "2026-11-26T03:00:00Z", "2026-11-26T09:30:00Z"),
        (TaskName::Fees, "2026-11-26T03:00:00Z", "2026-11-26T10:30:00Z"),
        // Thanksgiving is no session.
        (TaskName::PreMarket, "2026-11-26T03:00:00Z", "2026-11-27T14:25:00Z"),
    ] {
        assert_eq!(table.next_after(task, at(day)), Some(at(slot)), "{task} after {day}");
    }
}

#[test]
fn snapshots_go_on_for_the_contracts_that_trade_longer_and_no_longer() {
    let table = table(Force::No);
    let last = table.newest(TaskName::Snapshots, at("2026-11-27T20:00:00Z")).unwrap();
    assert_eq!(last.slot, at("2026-11-27T18:14:40Z"), "13:15 in New York is not on the grid");
    assert_eq!(table.between(TaskName::Snapshots, at("2026-11-27T00:00:00Z"), at("2026-11-28T00:00:00Z")), 338);
    assert_eq!(table.between(TaskName::Snapshots, at("2026-11-26T00:00:00Z"), at("2026-11-27T00:00:00Z")), 0);
}

#[test]
fn a_market_that_is_forced_open_has_marks_on_a_sunday() {
    let table = table(Force::Open);
    let turn = table.newest(TaskName::Snapshots, at("2026-11-22T03:00:59Z")).unwrap();
    assert_eq!((turn.slot, turn.until), (at("2026-11-22T03:00:40Z"), at("2026-11-22T03:01:20Z")));
    assert_eq!(table.next_after(TaskName::PreMarket, turn.slot), Some(at("2026-11-23T14:25:00Z")), "not the bookends");
}

#[test]
fn an_installation_keeps_its_spread_and_installations_differ() {
    let spans: std::collections::BTreeSet<_> =
        (1..200_u128).map(|id| Spread::of(Uuid::from_u128(id << 64 | id)).span(TaskName::Forensics, 600)).collect();
    assert!(spans.len() > 100, "{} spans of 200 installations", spans.len());
    assert!(spans.iter().all(|span| (TimeDelta::zero()..=TimeDelta::seconds(600)).contains(span)));
    let one = Spread::of(Uuid::from_u128(7));
    assert_eq!(one.span(TaskName::Forensics, 600), one.span(TaskName::Forensics, 600));
    assert_eq!(Spread::NONE.span(TaskName::Forensics, 600), TimeDelta::zero());
}

#[test]
fn a_calendar_can_be_altered_for_a_drill() {
    let day = NaiveDate::from_ymd_opt(2026, 11, 6).unwrap();
    let calendar = Calendar::new().altered(day, NaiveTime::from_hms_opt(13, 0, 0));
    let session = calendar.session_on(day).unwrap().unwrap();
    assert!(session.early_close && session.close == at("2026-11-06T18:00:00Z"));
    assert_eq!(calendar.altered(day, None).session_on(day), Ok(None));
}

proptest! {
    /// The three questions agree with each other wherever they are asked.
    #[test]
    fn newest_next_and_between_tell_one_story(
        task in prop::sample::select(TaskName::ALL), seconds in 631_152_000_i64..2_200_000_000, forced: bool, id: u128,
    ) {
        let mut table = table(if forced { Force::Open } else { Force::No });
        table.spread = Spread::of(Uuid::from_u128(id));
        let now = DateTime::from_timestamp(seconds, 0).unwrap();
        if let Some(turn) = table.newest(task, now) {
            prop_assert!(turn.slot <= now && turn.slot < turn.until);
            prop_assert_eq!(table.newest(task, turn.slot), Some(turn), "it is its own newest");
            let next = table.next_after(task, turn.slot).unwrap();
            prop_assert!(next > now, "{} lies between {} and {}", next, turn.slot, now);
            prop_assert_eq!(table.between(task, turn.slot, next), 0);
            let next_turn = table.newest(task, next).unwrap();
            prop_assert_eq!(next_turn.slot, next);
            let second = table.next_after(task, next).unwrap();
            prop_assert_eq!(table.between(task, turn.slot, second), 1);
        }
    }
}
