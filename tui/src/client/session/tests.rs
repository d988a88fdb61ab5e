//! The table, row by row, and walks through it at random.

use blotter_shared::protocol::problem::Problem;
use proptest::prelude::*;

use super::*;

const REFRESH: Duration = Duration::from_secs(15);
const BEAT: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Now {
    Now { wall: chrono::DateTime::UNIX_EPOCH, since_start: Duration::from_secs(seconds) }
}

fn gone() -> CallError {
    CallError::Unreachable("gone".to_owned())
}

fn refused(code: ProblemCode) -> CallError {
    CallError::Refused(Box::new(Problem::new(code, "no")))
}

fn live() -> Session {
    let mut session = Session::new(REFRESH, 1);
    session.set_timed_refresh(at(0), TimedRefresh::On);
    assert_eq!(session.step(at(0), Input::Greeted(Ok(()))), [Order::LoadAll]);
    assert_eq!(session.step(at(0), Input::Loaded(Ok(()))), [Order::OpenStream]);
    assert_eq!(session.step(at(0), Input::StreamOpened { heartbeat: BEAT }), []);
    session
}

#[test]
fn the_way_to_live() {
    let mut session = Session::new(REFRESH, 1);
    assert_eq!(session.link(), Link::Connecting);
    session.step(at(1), Input::Greeted(Ok(())));
    assert_eq!(session.phase(), Phase::Loading);
    session.step(at(1), Input::Loaded(Ok(())));
    session.step(at(2), Input::StreamOpened { heartbeat: BEAT });
    assert_eq!((session.link(), session.last_contact()), (Link::Live, Some(Duration::from_secs(2))));
}

#[test]
fn silence_makes_it_stale_and_an_answer_makes_it_load_again() {
    let mut session = live();
    session.set_timed_refresh(at(0), TimedRefresh::Off);
    assert_eq!(session.next_wake(), Some(Duration::from_secs(21)));
    assert_eq!(session.step(at(20), Input::Wake), []);
    assert_eq!(session.step(at(21), Input::Wake), [Order::CloseStream, Order::Greet]);
    assert_eq!(session.link(), Link::Stale);
    assert_eq!(session.step(at(22), Input::Greeted(Ok(()))), [Order::LoadAll]);
}

#[test]
fn a_heartbeat_keeps_it_live() {
    let mut session = live();
    for second in (0..200).step_by(10) {
        session.step(at(second), Input::StreamSpoke);
        session.step(at(second + 9), Input::Wake);
        assert_eq!(session.link(), Link::Live);
    }
}

#[test]
fn an_ended_stream_is_asked_about_and_then_retried() {
    let mut session = live();
    assert_eq!(session.step(at(5), Input::StreamEnded), [Order::CloseStream, Order::Greet]);
    assert_eq!(session.step(at(5), Input::Greeted(Err(gone()))), [Order::CloseStream]);
    assert_eq!((session.link(), session.trouble()), (Link::Retrying, Some(&gone())));
    let due = session.next_wake().unwrap();
    assert!(due > at(5).since_start && due <= at(5).since_start + FIRST_RETRY, "{due:?}");
    assert_eq!(session.step(at(6), Input::Wake), [Order::Greet]);
    assert_eq!(session.link(), Link::Retrying, "a retry under way is still a retry to the user");
}

#[test]
fn waits_double_to_a_limit_and_are_spread() {
    let mut waits = Vec::new();
    for seed in 0..50 {
        let mut session = Session::new(REFRESH, seed);
        let mut clock = at(0);
        for attempt in 0..12_u32 {
            session.step(clock, Input::Greeted(Err(gone())));
            let wait = session.next_wake().unwrap() - clock.since_start;
            let full = FIRST_RETRY.saturating_mul(1 << attempt.min(10)).min(LAST_RETRY);
            assert!(wait >= full / 2 && wait <= full, "try {attempt} waits {wait:?} of {full:?}");
            clock.since_start += wait;
            session.step(clock, Input::Wake);
            if attempt == 11 {
                waits.push(wait);
            }
        }
    }
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 40, "fifty clients come at {} different times", waits.len());
}

#[test]
fn a_daemon_that_does_not_want_us_is_asked_seldom() {
    for code in [ProblemCode::ProtocolMismatch, ProblemCode::NotAdmitted] {
        let mut session = Session::new(REFRESH, 1);
        session.step(at(0), Input::Greeted(Err(refused(code))));
        assert_eq!((session.link(), session.next_wake()), (Link::Refused, Some(REFUSED_RETRY)));
        assert_eq!(session.step(at(30), Input::Wake), [Order::Greet]);
    }
    let mut session = Session::new(REFRESH, 1);
    session.step(at(0), Input::Greeted(Err(refused(ProblemCode::ShuttingDown))));
    assert_eq!(session.link(), Link::Retrying);
}

#[test]
fn a_refused_load_does_not_end_the_session_and_is_repeated() {
    let mut session = Session::new(REFRESH, 1);
    session.set_timed_refresh(at(0), TimedRefresh::On);
    session.step(at(0), Input::Greeted(Ok(())));
    let orders = session.step(at(0), Input::Loaded(Err(refused(ProblemCode::DatabaseUnavailable))));
    assert_eq!(orders, [Order::OpenStream]);
    session.step(at(0), Input::StreamOpened { heartbeat: BEAT });
    assert_eq!(session.step(at(15), Input::Wake), [Order::LoadAll]);
    session.step(at(15), Input::Loaded(Ok(())));
    session.step(at(16), Input::StreamSpoke);
    assert_eq!(session.step(at(30), Input::Wake), [Order::Check]);
}

#[test]
fn a_refused_load_is_repeated_without_the_timed_refresh_later_each_time() {
    let mut session = live();
    session.set_timed_refresh(at(0), TimedRefresh::Off);
    let mut clock = at(0);
    let mut waits = Vec::new();
    for _ in 0..8 {
        session.step(clock, Input::Loaded(Err(refused(ProblemCode::TimedOut))));
        session.step(clock, Input::StreamSpoke);
        let due = session.next_wake().unwrap();
        waits.push(due - clock.since_start);
        clock.since_start = due;
        assert_eq!(session.step(clock, Input::Wake), [Order::LoadAll]);
        assert_eq!(session.step(clock, Input::Wake), [], "one load at a time");
    }
    assert!(waits[0] <= FIRST_RELOAD && waits[0] >= FIRST_RELOAD / 2, "{waits:?}");
    assert!(waits[7] >= LAST_RETRY / 2 && waits.iter().all(|wait| *wait <= LAST_RETRY), "{waits:?}");
    session.step(clock, Input::Loaded(Ok(())));
    session.step(clock, Input::StreamSpoke);
    assert_eq!(session.next_wake(), Some(session.silence_at()), "nothing is left to ask for");
}

#[test]
fn a_slow_load_is_given_up_only_when_nothing_comes_any_more() {
    let mut session = Session::new(REFRESH, 1);
    session.step(at(0), Input::Greeted(Ok(())));
    session.note_contact(at(15));
    assert_eq!(session.step(at(30), Input::Wake), [], "an answer came after the beginning");
    assert_eq!(session.step(at(35), Input::Wake), [Order::CloseStream]);
}

#[test]
fn the_user_may_ask_at_any_time() {
    let mut session = live();
    assert_eq!(session.step(at(3), Input::Asked), [Order::LoadAll]);
    session.step(at(3), Input::StreamEnded);
    session.step(at(3), Input::Greeted(Err(gone())));
    assert_eq!(session.step(at(3), Input::Asked), [Order::Greet]);
    assert_eq!(session.step(at(3), Input::Asked), [], "one try at a time");
}

#[test]
fn without_the_timed_refresh_only_silence_wakes_it() {
    let mut session = live();
    session.set_timed_refresh(at(0), TimedRefresh::Off);
    session.step(at(14), Input::StreamSpoke);
    assert_eq!(session.step(at(16), Input::Wake), []);
    assert_eq!(session.next_wake(), Some(Duration::from_secs(14 + 21)));
}

#[test]
fn a_stream_that_never_begins_is_given_up() {
    let mut session = Session::new(REFRESH, 1);
    session.step(at(0), Input::Greeted(Ok(())));
    session.step(at(1), Input::Loaded(Ok(())));
    let due = session.next_wake().unwrap();
    session.step(Now { since_start: due, ..at(0) }, Input::Wake);
    assert_eq!(session.link(), Link::Retrying);
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::Greeted(Ok(()))),
        Just(Input::Greeted(Err(gone()))),
        Just(Input::Greeted(Err(refused(ProblemCode::ProtocolMismatch)))),
        Just(Input::Loaded(Ok(()))),
        Just(Input::Loaded(Err(gone()))),
        Just(Input::Loaded(Err(refused(ProblemCode::DatabaseUnavailable)))),
        Just(Input::StreamOpened { heartbeat: BEAT }),
        Just(Input::StreamSpoke),
        Just(Input::StreamEnded),
        Just(Input::MustReload),
        Just(Input::Wake),
        Just(Input::Asked),
    ]
}

proptest! {
    /// Whatever happens, in any order: a session never sleeps for ever unless an answer is owed to
    /// it, and from anywhere the straight way leads back to live.
    #[test]
    fn no_walk_ends_in_a_dead_end(inputs in proptest::collection::vec((any_input(), 0_u64..40), 0..60)) {
        let mut session = Session::new(REFRESH, 9);
        let mut clock = at(0);
        let mut owed_greeting = true;
        for (input, seconds) in inputs {
            if matches!(input, Input::Greeted(_)) && !std::mem::take(&mut owed_greeting) {
                continue;
            }
            clock.since_start += Duration::from_secs(seconds);
            let orders = session.step(clock, input);
            owed_greeting |= orders.contains(&Order::Greet);
            prop_assert!(session.next_wake().is_some() || owed_greeting, "{:?} waits for nothing", session.phase());
        }
        for _ in 0..3 {
            clock.since_start += LAST_RETRY + REFUSED_RETRY;
            session.step(clock, Input::Wake);
            session.step(clock, Input::Greeted(Ok(())));
            session.step(clock, Input::Loaded(Ok(())));
            session.step(clock, Input::StreamOpened { heartbeat: BEAT });
        }
        prop_assert_eq!(session.link(), Link::Live);
    }
}
