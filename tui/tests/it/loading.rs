//! What is seen while answers are on their way, and what becomes of those that do not come: the positions
//! wait for nothing, and every other pane says for itself how it stands.

use std::time::Duration;

use blotter_shared::domain::TradeStatus;
use blotter_shared::protocol::events::Event;
use blotter_shared::protocol::health::ComponentState;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_shared::protocol::trades::TradeList;
use blotter_tui::client::calls::{Answer, Call, CallError};
use blotter_tui::client::events::StreamItem;
use blotter_tui::client::session::Link;
use blotter_tui::effect::Effect;
use blotter_tui::model::next_wake;
use blotter_tui::msg::{Msg, StreamSaid};

use crate::fixture::{Desk, Look, World};

/// Nothing but the positions and what the header is made of is answered.
fn is_slow(call: &Call) -> bool {
    matches!(call, Call::History(_) | Call::Totals(_) | Call::Performance(_))
}

fn is_figures(call: &Call) -> bool {
    matches!(call, Call::Performance(_))
}

fn desk(world: World, holds: fn(&Call) -> bool) -> Desk {
    let mut desk = Desk::new(Look::sized(118, 30), world);
    desk.holds = holds;
    desk.begin();
    desk
}

fn cut_off() -> CallError {
    let detail = "a request may take 10 s, its body included";
    CallError::Refused(Box::new(Problem::new(ProblemCode::TimedOut, detail)))
}

/// How often something was asked for.
fn asked(desk: &Desk, what: fn(&Call) -> bool) -> usize {
    desk.deeds.iter().filter(|effect| matches!(effect, Effect::Call(call) if what(call))).count()
}

/// Sentences may be broken anywhere between two words.
fn words(desk: &Desk) -> String {
    desk.screen().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The daemon is heard.
fn beat(desk: &mut Desk) {
    let generation = desk.model.generation;
    desk.tell(Msg::Stream { generation, said: StreamSaid::Item(StreamItem::Heartbeat) });
}

/// Lets time pass in which the daemon is heard.
fn pass(desk: &mut Desk, seconds: u32) {
    for _ in 0..seconds {
        desk.pass(1.0);
        beat(desk);
    }
}

/// Lets time pass until something is asked for again; says how long it took.
fn until_asked(desk: &mut Desk, what: fn(&Call) -> bool) -> Duration {
    let (before, began) = (asked(desk, what), desk.now.since_start);
    while asked(desk, what) == before {
        let due = next_wake(&desk.model).unwrap();
        assert!(due > desk.now.since_start && due < began + Duration::from_secs(120), "nothing asks again");
        desk.pass((due - desk.now.since_start).as_secs_f64());
        beat(desk);
    }
    desk.now.since_start - began
}

#[test]
fn the_positions_wait_for_no_other_pane() {
    let mut desk = desk(World::busy(), is_slow);
    assert_eq!(desk.model.session.link(), Link::Live);
    let screen = desk.screen();
    assert!(screen.contains("AAPL") && screen.contains("Open 5") && !screen.contains("onnecting"), "{screen}");
    desk.keys("c");
    assert!(!desk.model.overlays.is_empty(), "a position can be closed meanwhile");
    desk.keys("esc 2");
    let screen = desk.screen();
    assert!(screen.contains("Loading the history") && !screen.contains("onnecting"), "{screen}");
    desk.keys("3");
    let screen = desk.screen();
    assert!(screen.contains("Loading the figures") && screen.contains("takes a while"), "{screen}");
}

#[test]
fn each_list_is_asked_for_once_at_the_start_and_after_the_positions() {
    let desk = desk(World::busy(), |_| false);
    let count = |wanted: fn(&Call) -> bool| asked(&desk, wanted);
    assert_eq!(count(|call| matches!(call, Call::History(_))), 1, "{:?}", desk.deeds);
    assert_eq!(count(|call| matches!(call, Call::Totals(_))), 1);
    assert_eq!(count(is_figures), 0, "nobody looks at them");
    let place = |wanted: fn(&Effect) -> bool| desk.deeds.iter().position(wanted);
    let positions = place(|effect| matches!(effect, Effect::Load(_)));
    assert!(positions < place(|effect| matches!(effect, Effect::Call(Call::History(_)))));
    assert!(!desk.screen().contains('⟳'), "everything is there");
}

#[test]
fn figures_that_are_cut_off_are_asked_for_again_later_each_time() {
    let mut desk = desk(World::busy(), is_figures);
    desk.keys("3");
    let mut waits = Vec::new();
    for _ in 0..8 {
        desk.answer_held(Err(cut_off()));
        let screen = desk.screen();
        assert!(screen.contains("The figures have not come yet"), "{screen}");
        assert!(words(&desk).contains("Tried again by itself. The reason: a request may take 10 s"), "{screen}");
        assert!(!screen.contains("onnecting"), "{screen}");
        waits.push(until_asked(&mut desk, is_figures).as_secs_f64());
        assert_eq!(desk.held.len(), 1, "one question at a time");
    }
    assert!((0.4..=1.1).contains(&waits[0]), "{waits:?}");
    assert!(waits[3] > waits[0] && (14.0..=30.1).contains(&waits[7]), "{waits:?}");
    let call = desk.held[0].clone();
    let answer = desk.world.answer(&call);
    desk.answer_held(Ok(answer));
    let screen = desk.screen();
    assert!(screen.contains("Win rate") && !screen.contains("not come yet"), "{screen}");
    let before = asked(&desk, is_figures);
    pass(&mut desk, 60);
    assert_eq!(asked(&desk, is_figures), before, "what has come is not asked for again");
}

#[test]
fn a_history_that_does_not_come_is_asked_for_again_and_the_rest_goes_on() {
    let mut desk = desk(World::busy(), is_slow);
    desk.keys("2");
    while !desk.held.is_empty() {
        desk.answer_held(Err(cut_off()));
    }
    let screen = desk.screen();
    assert!(screen.contains("The history has not come yet"), "{screen}");
    desk.holds = |_| false;
    until_asked(&mut desk, |call| matches!(call, Call::History(_)));
    let screen = desk.screen();
    assert!(screen.contains("TP_HIT") && screen.contains("History 3"), "{screen}");
}

#[test]
fn a_trade_that_ends_while_the_history_is_on_its_way_is_not_lost_from_it() {
    let mut desk = desk(World::busy(), is_slow);
    desk.keys("2");
    let mut ended = desk.world.open.remove(0);
    ended.status = TradeStatus::Closed;
    ended.close.clone_from(&desk.world.closed[0].close);
    let before: Vec<_> = desk.held.iter().map(|call| desk.world.answer(call)).collect();
    desk.push(Event::Trade(Box::new(ended.clone())));
    desk.world.closed.insert(0, ended.clone());
    desk.holds = |_| false;
    for answer in before {
        desk.answer_held(Ok(answer));
    }
    let shown: Vec<_> = desk.model.history.trades().iter().map(|trade| trade.id).collect();
    assert!(shown.contains(&ended.id), "{}", desk.screen());
    assert!(desk.screen().contains("History 4"), "{}", desk.screen());
}

#[test]
fn a_trade_that_is_open_no_more_is_in_a_history_that_was_asked_for_before() {
    let mut desk = desk(World::busy(), is_slow);
    desk.keys("2");
    let old: Vec<_> = desk.held.iter().map(|call| desk.world.answer(call)).collect();
    let mut ended = desk.world.open.remove(0);
    ended.status = TradeStatus::Closed;
    ended.close.clone_from(&desk.world.closed[0].close);
    desk.world.closed.insert(0, ended.clone());
    let now = TradeList { items: desk.world.open.clone(), next_cursor: None, as_of: 42 };
    desk.tell(Msg::Answered { call: Call::OpenTrades, result: Box::new(Ok(Answer::OpenTrades(now))) });
    desk.holds = |_| false;
    for answer in old {
        desk.answer_held(Ok(answer));
    }
    assert!(desk.model.history.trades().iter().any(|trade| trade.id == ended.id), "{}", desk.screen());
    assert!(desk.screen().contains("History 4"), "{}", desk.screen());
}

#[test]
fn what_the_daemon_refuses_for_good_is_left_to_the_person() {
    let mut desk = desk(World::busy(), is_figures);
    desk.keys("3");
    let refused = CallError::Refused(Box::new(Problem::new(ProblemCode::Invalid, "no such period")));
    desk.answer_held(Err(refused));
    let before = asked(&desk, is_figures);
    pass(&mut desk, 200);
    assert_eq!(asked(&desk, is_figures), before);
    let screen = desk.screen();
    assert!(screen.contains("No figures from this daemon") && screen.contains("no such period"), "{screen}");
    desk.keys("r");
    assert_eq!(asked(&desk, is_figures), before + 1);
}

#[test]
fn nothing_is_asked_of_a_daemon_that_is_away_and_everything_once_it_is_back() {
    let mut desk = desk(World::busy(), is_figures);
    desk.keys("3");
    desk.answer_held(Err(cut_off()));
    desk.lose_daemon();
    let before = asked(&desk, is_figures);
    desk.pass(40.0);
    assert_eq!(asked(&desk, is_figures), before);
    desk.is_gone = false;
    desk.pass(40.0);
    assert_eq!((desk.model.session.link(), asked(&desk, is_figures)), (Link::Live, before + 1));
}

#[test]
fn an_answer_to_an_older_question_is_not_the_one_that_is_waited_for() {
    let mut desk = desk(World::busy(), is_figures);
    desk.keys("3 p");
    assert_eq!(desk.held.len(), 2);
    let call = desk.held[0].clone();
    let answer = desk.world.answer(&call);
    desk.answer_held(Ok(answer));
    assert!(desk.screen().contains("Loading the figures"), "those of the other period are not shown");
    desk.answer_held(Err(cut_off()));
    assert!(desk.screen().contains("The figures have not come yet"));
}

#[test]
fn figures_that_grow_old_on_the_screen_are_told_once() {
    let mut desk = desk(World::busy(), |_| false);
    desk.keys("3");
    assert!(desk.screen().contains("Win rate"));
    desk.holds = is_figures;
    desk.keys("r");
    for _ in 0..3 {
        desk.answer_held(Err(cut_off()));
        until_asked(&mut desk, is_figures);
    }
    let told = desk.model.notices.log().iter().filter(|notice| notice.text.contains("could not be renewed"));
    assert_eq!(told.count(), 1);
    assert!(desk.screen().contains("Win rate"), "what is known stays");
}

#[test]
fn a_day_without_its_closed_trades_has_no_result_yet() {
    let mut desk = desk(World::fresh(ComponentState::Ok), is_slow);
    let screen = desk.screen();
    assert!(screen.contains('⟳') && screen.contains("No open positions") && screen.contains("Day –"), "{screen}");
    while let Some(call) = desk.held.first().cloned() {
        let answer = desk.world.answer(&call);
        desk.answer_held(Ok(answer));
    }
    let screen = desk.screen();
    assert!(screen.contains("Day ") && !screen.contains("Day –"), "{screen}");
}
