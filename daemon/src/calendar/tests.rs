use chrono::{Days, Duration, Timelike};
use proptest::prelude::*;

use super::*;

/// One for all cases of the properties below: it never changes.
static CALENDAR: std::sync::LazyLock<Calendar> = std::sync::LazyLock::new(Calendar::new);

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn hours(calendar: &Calendar, day: &str) -> Option<(String, String)> {
    let session = calendar.session_on(date(day)).unwrap()?;
    let local = |at: DateTime<Utc>| at.with_timezone(&New_York).format("%H:%M").to_string();
    Some((local(session.open), local(session.close)))
}

/// The exchange's published holidays and short days (h: closed, e: ends at 13:00) of whole years.
const PUBLISHED: &[(i32, &[&str], &[&str])] = &[
    (
        1990,
        &["01-01", "02-19", "04-13", "05-28", "07-04", "09-03", "11-22", "12-25"],
        &[], // 12-24 ended at 14:00
    ),
    (1998, &["01-01", "01-19", "02-16", "04-10", "05-25", "07-03", "09-07", "11-26", "12-25"], &["11-27", "12-24"]),
    (
        2001,
        &[
            "01-01", "01-15", "02-19", "04-13", "05-28", "07-04", "09-03", "09-11", "09-12", "09-13", "09-14", "11-22",
            "12-25",
        ],
        &["07-03", "11-23", "12-24"],
    ),
    (2004, &["01-01", "01-19", "02-16", "04-09", "05-31", "06-11", "07-05", "09-06", "11-25", "12-24"], &["11-26"]),
    (
        2012,
        &["01-02", "01-16", "02-20", "04-06", "05-28", "07-04", "09-03", "10-29", "10-30", "11-22", "12-25"],
        &["07-03", "11-23", "12-24"],
    ),
    (2021, &["01-01", "01-18", "02-15", "04-02", "05-31", "07-05", "09-06", "11-25", "12-24"], &["11-26"]),
    (
        2022,
        // New Year's Day fell on a Saturday: 2021-12-31 was a full session.
        &["01-17", "02-21", "04-15", "05-30", "06-20", "07-04", "09-05", "11-24", "12-26"],
        &["11-25"],
    ),
    (
        2025,
        &["01-01", "01-09", "01-20", "02-17", "04-18", "05-26", "06-19", "07-04", "09-01", "11-27", "12-25"],
        &["07-03", "11-28", "12-24"],
    ),
    (
        2026,
        &["01-01", "01-19", "02-16", "04-03", "05-25", "06-19", "07-03", "09-07", "11-26", "12-25"],
        &["11-27", "12-24"],
    ),
    (2027, &["01-01", "01-18", "02-15", "03-26", "05-31", "06-18", "07-05", "09-06", "11-25", "12-24"], &["11-26"]),
];

#[test]
fn whole_years_are_as_published() {
    let calendar = Calendar::new();
    for (year, closed, short) in PUBLISHED {
        let first = NaiveDate::from_ymd_opt(*year, 1, 1).unwrap();
        let weekdays = first
            .iter_days()
            .take_while(|day| day.year() == *year)
            .filter(|day| day.weekday().num_days_from_monday() < 5);
        let (mut no_session, mut at_one) = (Vec::new(), Vec::new());
        for day in weekdays {
            match calendar.session_on(day).unwrap() {
                None => no_session.push(day.format("%m-%d").to_string()),
                Some(session) if session.close.with_timezone(&New_York).hour() == 13 => {
                    at_one.push(day.format("%m-%d").to_string());
                }
                Some(_) => {}
            }
        }
        assert_eq!(&no_session, closed, "no session in {year}");
        assert_eq!(&at_one, short, "short in {year}");
    }
}

#[test]
fn odd_days_have_their_odd_hours() {
    let calendar = Calendar::new();
    let of = |open: &str, close: &str| Some((open.to_owned(), close.to_owned()));
    assert_eq!(hours(&calendar, "1990-12-24"), of("09:30", "14:00"));
    assert_eq!(hours(&calendar, "1991-11-29"), of("09:30", "16:00"), "not yet short");
    assert_eq!(hours(&calendar, "1992-11-27"), of("09:30", "14:00"));
    assert_eq!(hours(&calendar, "1993-11-26"), of("09:30", "13:00"));
    assert_eq!(hours(&calendar, "1994-04-27"), None, "Nixon");
    assert_eq!(hours(&calendar, "1996-07-03"), of("09:30", "16:00"));
    assert_eq!(hours(&calendar, "1996-07-05"), of("09:30", "13:00"));
    assert_eq!(hours(&calendar, "1997-12-26"), of("09:30", "13:00"));
    assert_eq!(hours(&calendar, "1999-12-31"), of("09:30", "13:00"));
    assert_eq!(hours(&calendar, "2002-07-05"), of("09:30", "13:00"));
    assert_eq!(hours(&calendar, "2013-07-03"), of("09:30", "13:00"));
    assert_eq!(hours(&calendar, "2013-07-05"), of("09:30", "16:00"));
    assert_eq!(hours(&calendar, "2018-12-05"), None, "Bush");
    assert_eq!(hours(&calendar, "2021-06-18"), of("09:30", "16:00"), "before Juneteenth was kept");
    assert_eq!(hours(&calendar, "2021-12-31"), of("09:30", "16:00"));
}

#[test]
fn the_years_hold_as_many_sessions_as_they_did() {
    let calendar = Calendar::new();
    let count = |year: i32| {
        let day = |month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap();
        calendar.sessions(day(1, 1), day(12, 31)).unwrap().count()
    };
    let counted: Vec<_> = [1990, 1996, 2001, 2004, 2012, 2018, 2022, 2024, 2025].into_iter().map(count).collect();
    assert_eq!(counted, [253, 254, 248, 252, 250, 251, 251, 252, 250]);
    assert_eq!(calendar.sessions(date("1990-01-01"), date("2040-12-31")).unwrap().count(), 12_833);
}

#[test]
fn summer_time_moves_the_instants_and_not_the_wall_clock() {
    let calendar = Calendar::new();
    for (day, open) in [
        ("2026-03-06", "2026-03-06T14:30:00Z"), // the Friday before
        ("2026-03-09", "2026-03-09T13:30:00Z"), // the Monday after
        ("2026-10-30", "2026-10-30T13:30:00Z"),
        ("2026-11-02", "2026-11-02T14:30:00Z"),
        ("2006-04-03", "2006-04-03T13:30:00Z"), // until 2006 it began in April
        ("2006-03-13", "2006-03-13T14:30:00Z"),
    ] {
        assert_eq!(calendar.session_on(date(day)).unwrap().unwrap().open, at(open), "{day}");
    }
}

#[test]
fn the_phase_changes_on_the_second() {
    let calendar = Calendar::new();
    let phase = |instant: &str| {
        let phase = calendar.phase_at(at(instant)).unwrap();
        (phase.phase, phase.next_change, phase.session.date)
    };
    use SessionPhase::{Closed, Open};
    // The Wednesday before Thanksgiving, and the short Friday after it.
    assert_eq!(phase("2026-11-25T14:29:59Z"), (Closed, at("2026-11-25T14:30:00Z"), date("2026-11-25")));
    assert_eq!(phase("2026-11-25T14:30:00Z"), (Open, at("2026-11-25T21:00:00Z"), date("2026-11-25")));
    assert_eq!(phase("2026-11-25T20:59:59.999Z"), (Open, at("2026-11-25T21:00:00Z"), date("2026-11-25")));
    assert_eq!(phase("2026-11-25T21:00:00Z"), (Closed, at("2026-11-27T14:30:00Z"), date("2026-11-27")));
    assert_eq!(phase("2026-11-27T17:59:00Z"), (Open, at("2026-11-27T18:00:00Z"), date("2026-11-27")));
    assert_eq!(phase("2026-11-27T18:00:00Z"), (Closed, at("2026-11-30T14:30:00Z"), date("2026-11-30")));
    // The evening in New York is the next day in UTC.
    assert_eq!(phase("2026-11-26T00:30:00Z"), (Closed, at("2026-11-27T14:30:00Z"), date("2026-11-27")));
}

#[test]
fn an_interrupted_day_keeps_its_rule_and_tells_what_happened() {
    let calendar = Calendar::new();
    let session = calendar.session_on(date("2002-09-11")).unwrap().unwrap();
    assert_eq!((session.open, session.close), (at("2002-09-11T13:30:00Z"), at("2002-09-11T20:00:00Z")));
    assert_eq!(session.traded_from(), at("2002-09-11T16:00:00Z"));
    assert_eq!(calendar.phase_at(at("2002-09-11T15:00:00Z")).unwrap().phase, SessionPhase::Closed);
    let snow = calendar.session_on(date("1996-01-08")).unwrap().unwrap();
    assert_eq!((snow.traded_from(), snow.traded_until()), (at("1996-01-08T16:00:00Z"), at("1996-01-08T19:00:00Z")));
}

#[test]
fn index_options_end_a_quarter_past_also_on_short_days() {
    let calendar = Calendar::new();
    let close = |day: &str, root: &str| {
        let session = calendar.session_on(date(day)).unwrap().unwrap();
        session.close_for(hours_of(root)).with_timezone(&New_York).format("%H:%M").to_string()
    };
    assert_eq!(close("2026-11-25", "SPX"), "16:15");
    assert_eq!(close("2026-11-27", "SPX"), "13:15");
    assert_eq!(close("2026-11-25", "NVDA"), "16:00");
}

#[test]
fn outside_its_years_the_calendar_says_so() {
    let calendar = Calendar::new();
    assert_eq!(calendar.session_on(date("1989-12-29")), Err(OutsideCalendar { year: 1989 }));
    assert_eq!(calendar.session_on(date("2041-01-02")), Err(OutsideCalendar { year: 2041 }));
    assert_eq!(calendar.phase_at(at("2040-12-31T22:00:00Z")), Err(OutsideCalendar { year: 2041 }));
    let message = OutsideCalendar { year: 1989 }.to_string();
    assert_eq!(message, "the trading calendar knows 1990 to 2040, not 1989");
}

#[test]
fn forced_open_is_said_and_the_session_stays_true() {
    let clock = crate::clock::Clock::from_fn(|| at("2026-11-26T15:00:00Z"));
    let calendar = std::sync::Arc::new(Calendar::new());
    let closed = MarketClock::new(std::sync::Arc::clone(&calendar), clock.clone(), Force::No).market().unwrap();
    assert_eq!((closed.phase, closed.forced_open), (SessionPhase::Closed, false));
    let forced = MarketClock::new(calendar, clock, Force::Open).market().unwrap();
    assert_eq!((forced.phase, forced.forced_open), (SessionPhase::Open, true));
    assert_eq!(forced.session_date, date("2026-11-27"));
    assert!(forced.early_close);
}

proptest! {
    #[test]
    fn the_next_change_is_where_the_phase_changes(second in 631_200_000_i64..2_240_000_000) {
        let now = DateTime::from_timestamp(second, 0).unwrap();
        let here = CALENDAR.phase_at(now).unwrap();
        let before = CALENDAR.phase_at(here.next_change - Duration::seconds(1)).unwrap();
        let after = CALENDAR.phase_at(here.next_change).unwrap();
        prop_assert!(here.next_change > now);
        prop_assert_eq!(before.phase, here.phase);
        prop_assert_ne!(after.phase, here.phase);
    }

    #[test]
    fn a_session_lies_inside_the_utc_day_of_its_date(offset in 0_u64..18_620) {
        let day = first_day() + Days::new(offset);
        if let Some(session) = CALENDAR.session_on(day).unwrap() {
            prop_assert_eq!(session.open.date_naive(), day);
            prop_assert_eq!(session.close_for(Hours::QuarterPast).date_naive(), day);
            prop_assert_eq!(session.open.with_timezone(&New_York).time(), rules::OPEN);
        }
    }
}
