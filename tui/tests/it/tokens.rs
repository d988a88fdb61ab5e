//! A token is typed or pasted, goes to the daemon, and is seen nowhere on its way.

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::accounts::{AccountReport, AccountState, TokenKind};
use blotter_shared::protocol::health::ComponentState;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_shared::protocol::settings::{Settings, StoredTokens};
use blotter_tui::client::calls::{Answer, Call, CallError};
use blotter_tui::effect::Effect;
use blotter_tui::input::decode::TerminalEvent;
use blotter_tui::model::Access;
use blotter_tui::msg::Msg;
use blotter_tui::overlays::Overlay;

use crate::fixture::{Desk, Look, World, account, health, settings};

const SIZES: [(u16, u16); 3] = [(118, 30), (80, 24), (44, 30)];
const TOKEN: &str = "s3cr3t-token-0123456789";

/// A daemon that takes its time over tokens.
fn desk((width, height): (u16, u16)) -> Desk {
    let mut desk = Desk::live(Look::sized(width, height), World::busy());
    desk.holds_actions = true;
    desk
}

fn sent(desk: &Desk) -> Vec<(TokenKind, String, Option<String>)> {
    let calls = desk.deeds.iter().filter_map(|deed| {
        let Effect::Call(Call::PutToken { update, .. }) = deed else { return None };
        Some((update.mode, update.token.0.clone(), update.account_id.clone()))
    });
    calls.collect()
}

fn paste(desk: &mut Desk, words: &str) {
    desk.tell(Msg::Terminal(TerminalEvent::Paste(words.to_owned())));
}

/// Not on the screen, not in what `Debug` writes of the client or of its deeds, not on the clipboard.
#[track_caller]
fn is_nowhere(desk: &Desk) {
    let screen = desk.screen();
    assert!(!screen.contains("s3cr3t"), "{screen}");
    assert!(!format!("{:?}", desk.model).contains("s3cr3t"), "in the client's Debug");
    assert!(!format!("{:?}", desk.deeds).contains("s3cr3t"), "in the Debug of its deeds");
    assert!(!desk.has_done(|deed| matches!(deed, Effect::Copy(text) if text.contains("s3cr3t"))), "on the clipboard");
    assert!(!desk.model.notices.log().iter().any(|notice| notice.text.contains("s3cr3t")), "in a message");
}

#[test]
fn a_token_is_typed_unseen_and_goes_to_the_daemon_once() {
    for size in SIZES {
        let mut desk = desk(size);
        desk.keys(", T").pass(1.0).types(TOKEN);
        is_nowhere(&desk);
        insta::assert_snapshot!(format!("token_{}x{}", size.0, size.1), desk.screen());
        desk.keys("ctrl-y enter enter enter");
        assert_eq!(sent(&desk), [(TokenKind::Sandbox, TOKEN.to_owned(), None)], "a second Enter does nothing twice");
        assert!(desk.screen().contains("asking …"), "{}", desk.screen());
        is_nowhere(&desk);
        let stored = Settings { version: 8, ..settings() };
        desk.answer_held(Ok(Answer::SettingsSaved(Box::new(stored))));
        let told = &desk.model.notices.log().front().unwrap().text;
        assert_eq!(told, "SANDBOX: the token is accepted and stored; account VA1234567.");
        assert!(matches!(desk.model.overlays[..], [Overlay::Settings(_)]), "{:?}", desk.model.overlays);
        assert!(matches!(desk.deeds.last(), Some(Effect::Call(Call::Accounts))), "whether the banner may go");
        is_nowhere(&desk);
    }
}

#[test]
fn a_paste_is_taken_without_what_surrounds_it() {
    let mut desk = desk(SIZES[1]);
    desk.keys("T").pass(1.0);
    paste(&mut desk, &format!("\n  {TOKEN}\n"));
    is_nowhere(&desk);
    desk.keys("enter enter");
    assert_eq!(sent(&desk), [(TokenKind::Sandbox, TOKEN.to_owned(), None)]);
}

#[test]
fn a_paste_that_comes_with_the_window_is_not_lost_and_keys_that_do_are() {
    let mut desk = desk(SIZES[1]);
    desk.keys("T").types("xx").keys("enter enter");
    paste(&mut desk, TOKEN);
    desk.pass(1.0).keys("enter enter");
    assert_eq!(sent(&desk), [(TokenKind::Sandbox, TOKEN.to_owned(), None)]);
}

#[test]
fn what_the_daemon_says_against_it_is_shown_and_an_account_can_be_named() {
    let mut desk = desk(SIZES[1]);
    desk.keys("T").pass(1.0).types(TOKEN).keys("enter enter");
    let why = "this token opens VA1 and VA2: say which account_id";
    desk.answer_held(Err(CallError::Refused(Box::new(Problem::new(ProblemCode::Invalid, why)))));
    assert!(desk.screen().contains("Not stored: this token opens VA1 and VA2"), "{}", desk.screen());
    is_nowhere(&desk);
    desk.keys("shift-tab shift-tab").types("VA2").keys("enter enter");
    let sent = sent(&desk);
    assert_eq!(sent.last(), Some(&(TokenKind::Sandbox, TOKEN.to_owned(), Some("VA2".to_owned()))), "{sent:?}");
    desk.answer_held(Err(CallError::TimedOut { seconds: 30 }));
    let screen = desk.screen();
    assert!(screen.contains("did not answer within 30 s.") && screen.contains("stored: the settings show"), "{screen}");
    desk.keys("esc");
    assert!(desk.model.overlays.is_empty());
    is_nowhere(&desk);
}

#[test]
fn a_refusal_after_the_window_was_left_is_a_message() {
    let mut desk = desk(SIZES[1]);
    desk.keys("T").pass(1.0).types(TOKEN).keys("enter enter esc");
    desk.answer_held(Err(CallError::Refused(Box::new(Problem::new(ProblemCode::Invalid, "the broker refused it")))));
    let told = &desk.model.notices.log().front().unwrap().text;
    assert_eq!(told, "SANDBOX token: Not stored: the broker refused it");
    is_nowhere(&desk);
}

/// The banner names the key, and the key begins with the account that is meant.
#[test]
fn the_banner_of_a_refused_token_leads_to_the_window() {
    let accounts = vec![
        account(BrokerMode::Sim, AccountState::Ok, ""),
        account(BrokerMode::Live, AccountState::Reauthenticate, "the token is expired, revoked or mistyped"),
    ];
    let world = World { accounts, health: health(ComponentState::Degraded), ..World::busy() };
    for pane in ["1", "2", "3"] {
        let mut desk = Desk::live(Look::sized(118, 30), world.clone());
        desk.keys(pane);
        let words = desk.screen().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("Press T to enter a new token."), "{}", desk.screen());
        desk.keys("T").pass(1.0);
        assert!(desk.screen().contains("‹ LIVE ›"), "{}", desk.screen());
    }
}

#[test]
fn a_drill_is_said_to_be_one_and_hides_no_trouble() {
    let detail = Some("a drill at http://127.0.0.1:7300/v1: nothing reaches the broker".to_owned());
    let drill = AccountReport { detail, ..account(BrokerMode::Live, AccountState::Ok, "") };
    let shown = |health| {
        let desk = Desk::live(Look::sized(118, 30), World { accounts: vec![drill.clone()], health, ..World::busy() });
        desk.screen().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let (well, away) = (shown(health(ComponentState::Ok)), shown(health(ComponentState::Unavailable)));
    let says = |screen: &str, words: &str| screen.contains(words);
    assert!([&well, &away].iter().all(|screen| says(screen, "a drill at http://127.0.0.1:7300/v1")), "{well}\n{away}");
    assert_eq!((says(&well, "unavailable since"), says(&away, "unavailable since")), (false, true), "{away}");
}

#[test]
fn the_kind_is_turned_and_nothing_is_stored_without_a_token() {
    let mut desk = desk(SIZES[1]);
    desk.keys("T").pass(1.0).keys("shift-tab right");
    assert!(desk.screen().contains("‹ LIVE ›"), "{}", desk.screen());
    desk.keys("l");
    assert!(desk.screen().contains("‹ ORATS ›"));
    desk.keys("left left left");
    assert!(desk.screen().contains("‹ SIM ›"));
    for keys in ["enter enter", "tab tab tab", "shift-tab shift-tab shift-tab"] {
        desk.keys("esc T").pass(1.0).keys(keys);
        assert!(!desk.screen().contains("[ Store it ]"), "{keys}: {}", desk.screen());
    }
    assert!(sent(&desk).is_empty());
}

#[test]
fn whoever_may_only_look_or_is_cut_off_types_no_token() {
    let mut looks = desk(SIZES[1]);
    looks.model.surroundings.access = Access::ReadOnly;
    looks.keys("T");
    assert!(looks.model.overlays.is_empty() && looks.screen().contains("read-only"));
    let mut cut = desk(SIZES[1]);
    cut.keys("T").pass(1.0).types(TOKEN);
    cut.lose_daemon();
    cut.keys("enter enter");
    assert!(sent(&cut).is_empty());
    assert!(cut.screen().contains("Nothing is kept for later"), "{}", cut.screen());
    is_nowhere(&cut);
}

/// Drafts of other settings are not lost by storing a token.
#[test]
fn a_stored_token_leaves_the_drafts_of_the_settings_alone() {
    let mut desk = desk(SIZES[1]);
    desk.keys(", j j enter ctrl-u").types("4").keys("enter T").pass(1.0).types(TOKEN).keys("enter enter");
    let tokens = StoredTokens { orats: true, ..settings().tokens };
    desk.answer_held(Ok(Answer::SettingsSaved(Box::new(Settings { tokens, ..settings() }))));
    assert!(matches!(desk.model.overlays.last(), Some(Overlay::Settings(form)) if form.drafts.len() == 1));
    assert!(desk.screen().contains("5 → 4"), "{}", desk.screen());
}

#[test]
fn without_utf_8_it_is_hidden_in_ascii() {
    let look = Look { glyphs: blotter_tui::theme::glyphs::Glyphs::Ascii, ..Look::sized(80, 24) };
    let mut desk = Desk::live(look, World::busy());
    desk.keys("T").pass(1.0).types(TOKEN);
    let screen = desk.screen();
    assert!(screen.is_ascii() && screen.contains(&"*".repeat(TOKEN.len())), "{screen}");
}
