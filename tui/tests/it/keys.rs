//! Key scripts on the real model, driven until idle against a daemon that answers at once.

use blotter_shared::domain::{BrokerMode, TradeStatus};
use blotter_shared::protocol::events::{Event, Reload, ReloadReason};
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_shared::protocol::settings::Settings;
use blotter_tui::client::calls::{Answer, Call, CallError, HistoryQuery};
use blotter_tui::client::session::Link;
use blotter_tui::effect::Effect;
use blotter_tui::input::hints::hints;
use blotter_tui::input::keymap::{Action, Context, Keymap};
use blotter_tui::model::Access;
use blotter_tui::msg::Msg;
use blotter_tui::overlays::Overlay;
use blotter_tui::panes::Pane;

use crate::fixture::{Desk, Look, World, closed_trades, open_trades, settings, settings_with_live};

fn desk() -> Desk {
    Desk::live(Look::sized(118, 30), World::busy())
}

fn is_call(wanted: impl Fn(&Call) -> bool) -> impl Fn(&Effect) -> bool {
    move |effect| matches!(effect, Effect::Call(call) if wanted(call))
}

#[test]
fn a_session_begins_by_asking_for_the_rows_first() {
    let desk = desk();
    assert_eq!(desk.model.session.link(), Link::Live);
    let Some(Effect::Load(calls)) = desk.deeds.get(1) else { panic!("{:?}", desk.deeds) };
    assert_eq!(calls.first(), Some(&Call::OpenTrades));
    assert!(desk.has_done(|effect| matches!(effect, Effect::OpenStream { last_event_id: Some(41), .. })));
}

#[test]
fn panes_are_chosen_by_number_and_in_turn() {
    let mut desk = desk();
    for (key, pane) in [
        ("2", Pane::History),
        ("3", Pane::Performance),
        ("1", Pane::Open),
        ("tab", Pane::History),
        ("shift-tab", Pane::Open),
    ] {
        desk.keys(key);
        assert_eq!(desk.model.pane, pane, "{key}");
    }
}

#[test]
fn arrows_and_vim_keys_move_alike() {
    for (script, index) in
        [("j j", 2), ("down down", 2), ("G", 4), ("end k", 3), ("G g", 0), ("pgdn", 4), ("pgdn pgup", 0)]
    {
        let mut desk = desk();
        desk.keys(script);
        assert_eq!(desk.model.open.list.index(), index, "{script}");
    }
}

#[test]
fn the_selection_survives_a_refresh_and_moves_with_its_trade() {
    let mut desk = desk();
    desk.keys("j j j");
    let selected = desk.model.open.list.selected;
    desk.world.open.remove(0);
    desk.keys("r");
    assert_eq!((desk.model.open.list.selected, desk.model.open.list.index()), (selected, 2));
}

#[test]
fn a_resize_keeps_the_selection() {
    let mut desk = desk();
    desk.keys("G");
    let selected = desk.model.open.list.selected;
    for (width, height) in [(44, 12), (80, 24), (39, 5), (200, 60), (44, 30)] {
        desk.tell(Msg::Resized { width, height });
        assert_eq!(desk.model.open.list.selected, selected);
    }
    assert!(desk.screen().contains("▸AMD"));
}

#[test]
fn a_closed_trade_moves_from_open_to_history() {
    let mut desk = desk();
    desk.keys("j");
    let mut trade = open_trades().remove(0);
    trade.status = TradeStatus::Closed;
    trade.close = closed_trades().remove(0).close;
    desk.push(Event::Trade(Box::new(trade.clone())));
    assert_eq!(desk.model.open_trades().len(), 4);
    assert_eq!(desk.model.history.trades()[0].id, trade.id);
    assert_eq!(desk.model.open.list.selected, Some(open_trades()[1].id), "the selection stays with its trade");
}

#[test]
fn a_new_trade_appears_in_its_place() {
    let mut desk = desk();
    let trade = desk.world.open.remove(1);
    desk.keys("r");
    assert_eq!(desk.model.open_trades().len(), 4);
    desk.push(Event::Trade(Box::new(trade)));
    let numbers: Vec<_> = desk.model.open_trades().iter().map(|trade| trade.number.0).collect();
    assert_eq!(numbers, [9, 10, 11, 12, 13]);
}

#[test]
fn searching_filters_at_once_and_escape_clears() {
    let mut desk = desk();
    desk.keys("/").types("tsl");
    assert!(desk.screen().contains("find: tsl   1 of 5"));
    desk.keys("enter");
    assert!(!desk.model.open.list.is_searching);
    desk.keys("esc");
    assert_eq!(desk.model.open.list.search.text(), "");
    desk.keys("/").types("q?1,").keys("esc");
    assert_eq!((desk.model.pane, desk.model.overlays.len()), (Pane::Open, 0), "typed characters are no commands");
    assert!(!desk.has_done(|effect| *effect == Effect::Quit));
}

#[test]
fn the_daemon_searches_and_filters_history() {
    let mut desk = desk();
    desk.keys("2 /").types("spy");
    assert_eq!(desk.model.history.trades().len(), 1);
    desk.keys("esc f");
    let wins = |call: &Call| matches!(call, Call::History(HistoryQuery { outcome: Some(outcome), .. }) if outcome.as_str() == "win");
    assert!(desk.has_done(is_call(wins)));
    desk.keys("esc");
    assert_eq!(desk.model.history.filter, None);
}

#[test]
fn the_next_page_is_asked_for_once() {
    let world = World { next_cursor: Some("c1".to_owned()), rows: Some(6), ..World::busy() };
    let mut desk = Desk::live(Look::sized(80, 24), world);
    assert!(desk.screen().contains("2 History 6"), "the daemon adds up what is not loaded");
    desk.world.next_cursor = None;
    desk.keys("2 j j k j");
    let pages = desk
        .deeds
        .iter()
        .filter(|effect| is_call(|call| matches!(call, Call::History(HistoryQuery { cursor: Some(_), .. })))(effect));
    assert_eq!(pages.count(), 1);
    assert_eq!(desk.model.history.trades().len(), 6);
}

#[test]
fn escape_backs_out_one_level_at_a_time() {
    let mut desk = desk();
    desk.keys("enter / n esc");
    assert_eq!(desk.model.open.list.expanded.len(), 1);
    desk.keys("? esc");
    assert_eq!(desk.model.overlays.len(), 0);
    desk.keys("esc");
    assert_eq!(desk.model.open.list.expanded.len(), 0);
}

#[test]
fn help_and_settings_open_over_anything_and_close_by_their_own_key() {
    let mut desk = desk();
    for key in ["?", "f1", "!", ","] {
        desk.keys(key);
        assert_eq!(desk.model.overlays.len(), 1, "{key}");
        desk.keys(key);
        assert_eq!(desk.model.overlays.len(), 0, "{key}");
    }
}

#[test]
fn a_changed_setting_is_never_shown_in_part() {
    for (width, shown) in [(118, "25,000.00 → 123456789.50"), (44, "→ 123456789.50")] {
        let mut desk = Desk::live(Look::sized(width, 30), World::busy());
        desk.keys(", j enter ctrl-u").types("123456789.50").keys("enter");
        assert!(desk.screen().contains(shown), "{}", desk.screen());
    }
}

#[test]
fn settings_are_saved_under_the_version_they_were_read_at() {
    let mut desk = desk();
    desk.keys(", j j enter ctrl-u").types("4").keys("enter s");
    let saved = |call: &Call| matches!(call, Call::PutSettings { update, .. } if update.version == 7 && update.max_positions == Some(4) && update.account_balance.is_none());
    assert!(desk.has_done(is_call(saved)));
    assert_eq!(
        desk.model.data.settings.as_ref().map(|settings| (settings.version, settings.max_positions)),
        Some((8, 4))
    );
    assert!(desk.screen().contains("Settings saved (version 8)."));
    assert_eq!(desk.model.in_flight, 0);
}

#[test]
fn a_value_out_of_bounds_is_not_sent() {
    let mut desk = desk();
    desk.keys(", j j enter ctrl-u").types("12000").keys("enter s");
    assert!(!desk.has_done(is_call(Call::is_action)));
    assert!(desk.screen().contains("between 0 and 10000"));
}

#[test]
fn a_conflict_is_told_and_everything_is_loaded_again_a_second_later() {
    let mut desk = desk();
    desk.holds_actions = true;
    desk.keys(", j j enter ctrl-u").types("4").keys("enter s");
    desk.world.settings = Settings { version: 9, max_positions: 3, ..settings() };
    desk.answer_held(Err(CallError::Refused(Box::new(Problem::stale(7, 9)))));
    assert!(desk.screen().contains("Sync alert: the settings were updated on another device"));
    let loads = |desk: &Desk| desk.deeds.iter().filter(|effect| matches!(effect, Effect::Load(_))).count();
    let before = loads(&desk);
    desk.pass(0.9);
    assert_eq!(loads(&desk), before);
    desk.pass(0.2);
    assert_eq!(loads(&desk), before + 1);
    assert!(desk.screen().contains("Your view is out of date (you have v7, now v9)"));
    desk.keys("Y");
    assert!(desk.has_done(|effect| *effect == Effect::Copy("max_positions=4".to_owned())));
    desk.keys("R");
    assert!(!desk.screen().contains("out of date"));
    assert!(desk.screen().contains("Open positions, at most  3"));
}

#[test]
fn a_refused_save_names_the_field() {
    let mut desk = desk();
    desk.holds_actions = true;
    desk.keys(", j enter ctrl-u").types("1").keys("enter s");
    let error = blotter_shared::protocol::problem::FieldError {
        field: "account_balance".to_owned(),
        value: None,
        rule: "above what is at risk".to_owned(),
    };
    desk.answer_held(Err(CallError::Refused(Box::new(Problem::invalid(vec![error])))));
    let screen = desk.screen();
    assert!(screen.contains("above what is at risk") && screen.contains("Settings not saved"), "{screen}");
    desk.pass(1000.0).keys("esc esc");
    assert!(desk.model.notices.has_error(), "an error stays until Esc, and the form is left first");
}

#[test]
fn unsaved_changes_are_not_lost_by_escape() {
    let mut desk = desk();
    desk.keys(", enter esc");
    assert!(matches!(desk.model.overlays.last(), Some(Overlay::Confirm(_))));
    desk.pass(1.0).keys("enter");
    assert!(matches!(desk.model.overlays.last(), Some(Overlay::Settings(form)) if form.drafts.len() == 1));
    desk.keys("esc").pass(1.0).keys("y");
    assert!(desk.model.overlays.is_empty());
}

#[test]
fn without_a_live_account_there_is_no_way_to_live() {
    let mut desk = desk();
    desk.keys(", enter s").pass(1.0).keys("y enter");
    assert!(!desk.has_done(is_call(Call::is_action)));
    let screen = desk.screen();
    assert!(screen.contains("Not saved: a value is not allowed."), "{screen}");
}

#[test]
fn live_is_never_reached_without_the_account_number() {
    let mut desk = desk();
    desk.push(Event::Settings(Box::new(settings_with_live())));
    desk.keys(", enter s y enter").pass(1.0).keys("enter");
    assert!(!desk.has_done(is_call(Call::is_action)));
    desk.keys("s").pass(1.0).types("6YA00001").keys("y");
    assert!(!desk.has_done(is_call(Call::is_action)), "a letter goes into the number");
    desk.keys("backspace tab enter");
    let live = |call: &Call| matches!(call, Call::PutSettings { update, .. } if update.broker_mode == Some(BrokerMode::Live) && update.typed_live_account.as_deref() == Some("6YA00001"));
    assert!(desk.has_done(is_call(live)));
}

#[test]
fn nothing_is_done_or_kept_for_later_while_the_daemon_is_gone() {
    let mut desk = desk();
    desk.keys(", j j enter ctrl-u").types("4").keys("enter");
    desk.lose_daemon();
    desk.keys("s");
    assert!(!desk.has_done(is_call(Call::is_action)));
    let screen = desk.screen();
    assert!(screen.contains("Nothing is kept for later"), "{screen}");
    desk.is_gone = false;
    desk.pass(60.0);
    assert_eq!(desk.model.session.link(), Link::Live);
    assert!(!desk.has_done(is_call(Call::is_action)), "what was refused is not done later");
}

#[test]
fn a_lost_daemon_keeps_data_selection_and_place() {
    let mut desk = desk();
    desk.keys("2 j");
    let selected = desk.model.history.list.selected;
    desk.lose_daemon();
    desk.pass(40.0);
    let screen = desk.screen();
    assert!(
        screen.contains("STALE 40s ago") && screen.contains("The daemon does not answer since 13:46:05 ET"),
        "{screen}"
    );
    assert!(screen.contains("TP_HIT"));
    desk.is_gone = false;
    desk.pass(60.0);
    assert_eq!((desk.model.pane, desk.model.history.list.selected), (Pane::History, selected));
    assert!(desk.screen().contains("Connected again."));
}

#[test]
fn a_read_only_client_changes_nothing() {
    let mut desk = desk();
    desk.model.surroundings.access = Access::ReadOnly;
    desk.keys(", j j enter right s esc r");
    assert!(!desk.has_done(is_call(Call::is_action)));
    assert!(desk.screen().contains("READ-ONLY"));
}

#[test]
fn quitting_asks_only_while_an_action_is_under_way() {
    let mut idle = desk();
    idle.keys("q");
    assert_eq!(idle.deeds.last(), Some(&Effect::Quit));
    let mut busy = desk();
    busy.holds_actions = true;
    busy.keys("r q");
    assert!(!busy.has_done(|effect| *effect == Effect::Quit));
    busy.pass(1.0).keys("enter");
    assert!(busy.model.overlays.is_empty(), "Enter keeps waiting");
    busy.keys("q").pass(1.0).keys("ctrl-c");
    assert_eq!(busy.deeds.last(), Some(&Effect::Quit), "twice Ctrl-C always leaves");
}

#[test]
fn keys_typed_into_a_dialog_before_it_could_be_read_do_nothing() {
    let mut desk = desk();
    desk.holds_actions = true;
    desk.keys("r q y enter tab enter");
    assert!(!desk.has_done(|effect| *effect == Effect::Quit));
    desk.answer_held(Ok(Answer::Synced(blotter_shared::protocol::sync::SyncStatus {
        needs_sync: false,
        has_conflicts: false,
        server_version: 41,
        last_sync_at: None,
        last_sync_device: None,
    })));
    assert_eq!(desk.model.in_flight, 0);
}

#[test]
fn a_reload_loads_everything_from_the_beginning() {
    let mut desk = desk();
    let before = desk.deeds.len();
    desk.push(Event::Reload(Reload { reason: ReloadReason::TimeTravel }));
    assert!(matches!(desk.deeds.get(before), Some(Effect::Load(_))));
}

#[test]
fn the_timed_refresh_asks_cheaply_and_can_be_turned_off() {
    let mut desk = desk();
    let checks = |desk: &Desk| {
        desk.deeds.iter().filter(|effect| is_call(|call| matches!(call, Call::SyncStatus { .. }))(effect)).count()
    };
    desk.pass(15.5);
    assert_eq!(checks(&desk), 1);
    desk.keys("a");
    assert!(desk.screen().contains("auto:off"));
    for _ in 0..3 {
        let generation = desk.model.generation;
        desk.pass(15.0).tell(Msg::Stream {
            generation,
            said: blotter_tui::msg::StreamSaid::Item(blotter_tui::client::events::StreamItem::Heartbeat),
        });
    }
    assert_eq!(checks(&desk), 1);
}

#[test]
fn a_stream_of_an_older_generation_is_not_listened_to() {
    let mut desk = desk();
    let said = blotter_tui::msg::StreamSaid::Ended(None);
    desk.tell(Msg::Stream { generation: desk.model.generation - 1, said });
    assert_eq!(desk.model.session.link(), Link::Live);
}

#[test]
fn a_copied_row_says_what_was_copied() {
    let mut desk = desk();
    desk.keys("j y");
    assert!(desk.has_done(|effect| *effect == Effect::Copy("#10 NVDA260320C00150000".to_owned())));
    assert!(desk.screen().contains("Copied: #10 NVDA260320C00150000"));
}

#[test]
fn a_mode_refusal_of_the_daemon_is_a_problem_with_a_code() {
    let error = CallError::Refused(Box::new(Problem::new(ProblemCode::NotAdmitted, "uid 7 is not admitted")));
    let mut desk = Desk::new(Look::sized(80, 24), World::busy());
    desk.tell(Msg::Greeted(Err(error)));
    assert_eq!(desk.model.session.link(), Link::Refused);
    assert!(desk.screen().contains("The daemon does not serve this user: uid 7 is not admitted"));
}

/// Every state in which a hint line can be seen.
fn states() -> Vec<(&'static str, Desk)> {
    let scripts =
        ["", "2", "3", "?", "!", ",", ", j enter", ", enter", ", enter esc", "/", "2 /", "enter", "2 f", "T", "D"];
    scripts
        .into_iter()
        .map(|script| {
            let mut desk = desk();
            desk.keys(script).pass(1.0);
            (script, desk)
        })
        .collect()
}

/// What a key did, seen from outside.
fn trace(desk: &Desk) -> (String, Option<ratatui::layout::Position>, usize) {
    (desk.screen(), blotter_tui::view::draw(&desk.model).cursor, desk.deeds.len())
}

#[test]
fn every_hint_does_something() {
    for (script, state) in states() {
        for hint in hints(&state.model) {
            let mut desk = desk();
            desk.keys(script).pass(1.0);
            let before = trace(&desk);
            let entry = desk.model.keymap.entries().find(|(entry, chords)| {
                entry.action == hint.action && chords.iter().any(|chord| chord.to_string() == hint.key)
            });
            let chord = entry.unwrap().1.iter().find(|chord| chord.to_string() == hint.key).unwrap().spelled();
            desk.keys(&chord);
            assert_ne!(trace(&desk), before, "after `{script}`: hint `{} {}` does nothing", hint.key, hint.words);
        }
        let hints = hints(&state.model);
        let leaves = hints.iter().any(|hint| hint.action == Action::Quit);
        assert!(leaves, "after `{script}` the hint line says how to quit");
    }
}

/// The table against the dispatcher: each row is reached by its own key in its own context.
#[test]
fn every_row_of_the_table_is_dispatched() {
    let keymap = Keymap::defaults();
    for (entry, chords) in keymap.entries() {
        for chord in chords {
            let contexts: &[Context] = match entry.context {
                Context::Everywhere => &[Context::Lists, Context::Everywhere],
                Context::Lists => &[Context::History, Context::Lists, Context::Everywhere],
                Context::Open => &[Context::Open, Context::Lists, Context::Everywhere],
                Context::History => &[Context::History, Context::Lists, Context::Everywhere],
                Context::Performance => &[Context::Performance, Context::Lists, Context::Everywhere],
                Context::Settings => &[Context::Settings, Context::Lists, Context::Everywhere],
                Context::Inbox => &[Context::Inbox, Context::Lists, Context::Everywhere],
                Context::Dialog => &[Context::Dialog],
                Context::Typing => &[Context::Typing],
            };
            assert_eq!(keymap.action(contexts, *chord), Some(entry.action), "{} in {:?}", chord, entry.context);
        }
    }
}

/// Ten thousand rows cost a screen, not ten thousand rows.
#[test]
fn a_long_list_draws_what_is_visible() {
    let mut world = World::busy();
    let one = world.open[0].clone();
    world.open = (0..10_000_u32)
        .map(|number| {
            let mut trade = one.clone();
            trade.number = blotter_shared::domain::TradeNumber(number);
            trade.id = blotter_shared::domain::TradeId(uuid::Uuid::from_u128(u128::from(number) + 1));
            trade
        })
        .collect();
    let mut desk = Desk::live(Look::sized(80, 24), world);
    desk.keys("G");
    assert_eq!(desk.model.open.list.index(), 9_999);
    assert!(desk.model.open.list.top > 9_900);
    desk.keys("g");
    assert_eq!(desk.model.open.list.top, 0);
}
