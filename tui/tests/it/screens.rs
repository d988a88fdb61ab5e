//! Every screen, state and overlay at the three widths, as snapshots.

use blotter_shared::domain::{BrokerMode, Protection};
use blotter_shared::protocol::accounts::AccountState;
use blotter_shared::protocol::events::Event;
use blotter_shared::protocol::health::ComponentState;
use blotter_shared::protocol::market::SessionPhase;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_tui::client::calls::{Call, CallError};
use blotter_tui::effect::Effect;
use blotter_tui::msg::Msg;
use blotter_tui::panes::Pane;
use blotter_tui::picture;
use blotter_tui::theme::ColorDepth;
use blotter_tui::theme::glyphs::Glyphs;
use blotter_tui::view;

use crate::fixture::{Desk, Look, World, account, alarm, health, market, settings, settings_with_live};

const SIZES: [(u16, u16); 3] = [(118, 30), (80, 24), (44, 30)];

/// Takes the same picture at every size.
fn at_every_size(name: &str, world: &World, act: impl Fn(&mut Desk)) {
    for (width, height) in SIZES {
        let mut desk = Desk::live(Look::sized(width, height), world.clone());
        act(&mut desk);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), desk.screen());
    }
}

#[test]
fn open() {
    at_every_size("open", &World::busy(), |_| {});
}

#[test]
fn open_with_details() {
    at_every_size("open_details", &World::busy(), |desk| {
        desk.keys("j enter");
    });
}

#[test]
fn open_searched() {
    at_every_size("open_searched", &World::busy(), |desk| {
        desk.keys("/").types("nv");
    });
}

#[test]
fn open_empty_before_a_broker_is_set_up() {
    at_every_size("open_empty", &World::fresh(ComponentState::NotConfigured), |_| {});
}

#[test]
fn open_empty_with_the_market_closed() {
    let world = World { market: market(SessionPhase::Closed), ..World::fresh(ComponentState::Ok) };
    at_every_size("open_empty_closed", &world, |_| {});
}

#[test]
fn history() {
    at_every_size("history", &World::busy(), |desk| {
        desk.keys("2");
    });
}

#[test]
fn history_with_details() {
    at_every_size("history_details", &World::busy(), |desk| {
        desk.keys("2 j enter");
    });
}

#[test]
fn history_empty_and_filtered() {
    at_every_size("history_empty", &World::fresh(ComponentState::Ok), |desk| {
        desk.keys("2");
    });
    at_every_size("history_empty_losses", &World::fresh(ComponentState::Ok), |desk| {
        desk.keys("2 f f");
    });
}

#[test]
fn performance_empty() {
    at_every_size("performance_empty", &World::fresh(ComponentState::Ok), |desk| {
        desk.keys("3");
    });
}

#[test]
fn performance() {
    at_every_size("performance", &World::busy(), |desk| {
        desk.keys("3");
    });
    at_every_size("performance_quarter_by_ticker", &World::busy(), |desk| {
        desk.keys("3 p b");
    });
}

#[test]
fn performance_of_a_day_with_one_loss() {
    let mut world = World::busy();
    world.closed.truncate(1);
    let mut desk = Desk::live(Look::sized(80, 24), world);
    desk.keys("3 left");
    let mut one = desk.model.performance.data.clone().unwrap();
    one = crate::figures::of_days(
        one.mode,
        (one.period, one.from),
        one.by,
        one.days.into_iter().take(2).skip(1).collect(),
    );
    desk.model.performance.data = Some(one);
    insta::assert_snapshot!("performance_one_loss_80x24", desk.screen());
}

#[test]
fn export_dialog() {
    at_every_size("export", &World::busy(), |desk| {
        desk.keys("2 f / n v enter x tab");
    });
}

#[test]
fn command_palette() {
    at_every_size("palette", &World::busy(), |desk| {
        desk.keys("2 :").types("so");
    });
}

#[test]
fn sorted_lists() {
    at_every_size("history_sorted", &World::busy(), |desk| {
        desk.keys("2 o o");
    });
    at_every_size("open_sorted", &World::busy(), |desk| {
        desk.keys("o o o o o o");
    });
}

#[test]
fn settings_form() {
    at_every_size("settings", &World::busy(), |desk| {
        desk.keys(",");
    });
    at_every_size("settings_edited", &World::busy(), |desk| {
        desk.keys(", j j enter ctrl-u").types("12000").keys("enter j j enter ctrl-u").types("7").keys("enter");
    });
}

#[test]
fn settings_form_that_went_stale() {
    at_every_size("settings_stale", &World::busy(), |desk| {
        desk.keys(", j j enter ctrl-u").types("4").keys("enter");
        desk.push(Event::Settings(Box::new(blotter_shared::protocol::settings::Settings { version: 9, ..settings() })));
    });
}

#[test]
fn going_live_wants_the_account_number() {
    at_every_size("confirm_live", &World::busy(), |desk| {
        desk.push(Event::Settings(Box::new(settings_with_live())));
        desk.keys(", enter s").pass(1.0).types("6YA");
    });
}

#[test]
fn help_and_messages() {
    at_every_size("help", &World::busy(), |desk| {
        desk.keys("?");
    });
    at_every_size("messages", &World { alarms: vec![alarm()], ..World::busy() }, |desk| {
        desk.keys("a a").pass(1.0).keys("!");
    });
}

#[test]
fn quitting_with_an_action_under_way() {
    at_every_size("confirm_quit", &World::busy(), |desk| {
        desk.holds_actions = true;
        desk.keys("r q");
    });
}

#[test]
fn a_live_session() {
    let world = World {
        settings: blotter_shared::protocol::settings::Settings {
            broker_mode: BrokerMode::Live,
            live_account_id: Some("6YA00001".to_owned()),
            ..settings()
        },
        ..World::busy()
    };
    at_every_size("live", &world, |_| {});
}

#[test]
fn an_alarm() {
    at_every_size("alarm", &World { alarms: vec![alarm()], ..World::busy() }, |_| {});
}

#[test]
fn the_daemon_gone() {
    at_every_size("daemon_gone", &World::busy(), |desk| {
        desk.lose_daemon();
        desk.pass(50.0);
    });
}

#[test]
fn never_connected() {
    for (width, height) in SIZES {
        let mut desk = Desk::new(Look::sized(width, height), World::busy());
        insta::assert_snapshot!(format!("first_paint_{width}x{height}"), desk.screen());
        let missing = CallError::Unreachable("/run/blotter/blotterd.sock does not exist: the daemon is not running. Start it with `systemctl start blotterd`, or try `blotter demo`.".to_owned());
        desk.tell(Msg::Greeted(Err(missing)));
        insta::assert_snapshot!(format!("no_daemon_{width}x{height}"), desk.screen());
    }
}

#[test]
fn a_daemon_of_another_protocol() {
    for (width, height) in SIZES {
        let mut desk = Desk::new(Look::sized(width, height), World::busy());
        let mismatch = Problem::new(
            ProblemCode::ProtocolMismatch,
            "the client speaks protocol 1, this daemon speaks 2: upgrade the client (blotter)",
        );
        desk.tell(Msg::Greeted(Err(CallError::Refused(Box::new(mismatch)))));
        insta::assert_snapshot!(format!("mismatch_{width}x{height}"), desk.screen());
    }
}

#[test]
fn the_database_and_the_broker_away() {
    let mut away = health(ComponentState::Unavailable);
    away.broker.next_try_s = Some(20);
    at_every_size("broker_away", &World { health: away.clone(), ..World::busy() }, |_| {});
    away.broker = crate::fixture::component(ComponentState::NotConfigured);
    away.database = crate::fixture::component(ComponentState::Unavailable);
    away.database.detail = Some("connection refused".to_owned());
    at_every_size("database_away", &World { health: away, ..World::busy() }, |_| {});
}

/// The health tells that something is with an account: which one, the client asks at once.
#[test]
fn a_change_of_the_brokers_health_makes_the_client_ask_which_account_it_is() {
    let mut desk = Desk::live(Look::sized(80, 24), World::busy());
    let asked = |effect: &Effect| matches!(effect, Effect::Call(Call::Accounts));
    desk.push(Event::Health(Box::new(health(ComponentState::Ok))));
    assert!(!desk.has_done(asked), "nothing changed");
    desk.push(Event::Health(Box::new(health(ComponentState::Degraded))));
    assert!(desk.has_done(asked));
}

/// Each account in trouble has a line of its own in place of the one word for all.
#[test]
fn accounts_in_trouble() {
    use AccountState::{Blocked, NotOpened, Ok, RateLimited, Reauthenticate, Unavailable};
    let health = health(ComponentState::Degraded);
    let world = |accounts| World { health: health.clone(), accounts, ..World::busy() };
    let quiet = account(BrokerMode::Sim, Ok, "");
    let token = account(BrokerMode::Live, Reauthenticate, "the token is expired, revoked or mistyped");
    at_every_size("account_reauthenticate", &world(vec![quiet.clone(), token]), |_| {});
    let blocked = account(BrokerMode::Live, Blocked, "closing orders only");
    at_every_size("account_blocked", &world(vec![blocked]), |_| {});
    let silent = account(BrokerMode::Sandbox, Unavailable, "it answers 503");
    let limited = account(BrokerMode::Sim, RateLimited, "");
    at_every_size("account_unavailable_and_limited", &world(vec![silent, limited]), |_| {});
    let sealed =
        account(BrokerMode::Sandbox, NotOpened, "the stored token does not open: version 1 of the key did not seal it");
    at_every_size("account_not_opened", &world(vec![sealed]), |_| {});
}

/// Before it is known which account it is, the health's own words stand there, and nothing is said twice.
#[test]
fn a_broker_in_trouble_is_told_in_the_words_of_the_health() {
    for (detail, told) in [
        (Some("1 of 2 accounts needs attention"), "Broker: 1 of 2 accounts needs attention"),
        (Some(""), "The broker needs attention."),
        (None, "The broker needs attention."),
    ] {
        let mut health = health(ComponentState::Degraded);
        health.broker.detail = detail.map(str::to_owned);
        let desk = Desk::live(Look::sized(80, 24), World { health, ..World::busy() });
        assert!(desk.screen().contains(told), "{}", desk.screen());
        assert_eq!(desk.screen().matches("attention").count(), 1, "{}", desk.screen());
    }
}

#[test]
fn too_small() {
    for (width, height) in [(39, 20), (60, 11), (20, 3), (6, 1), (3, 1)] {
        let desk = Desk::live(Look::sized(width, height), World::busy());
        insta::assert_snapshot!(format!("too_small_{width}x{height}"), desk.screen());
    }
}

#[test]
fn without_unicode() {
    for (width, height) in SIZES {
        let look = Look { glyphs: Glyphs::Ascii, ..Look::sized(width, height) };
        let desk = Desk::live(look, World::busy());
        let screen = desk.screen();
        assert!(screen.is_ascii(), "{screen}");
        insta::assert_snapshot!(format!("ascii_{width}x{height}"), screen);
    }
}

/// The styles as escape sequences: what each theme does to the same screen.
#[test]
fn in_every_theme() {
    for theme in ["dark", "light", "high-contrast", "colour-blind"] {
        let desk = Desk::live(Look { theme, ..Look::sized(80, 24) }, World::busy());
        insta::assert_snapshot!(format!("theme_{theme}"), picture::ansi(&view::draw(&desk.model).buffer));
    }
    let mono = Look { theme: "mono", depth: ColorDepth::None, ..Look::sized(80, 24) };
    let desk = Desk::live(mono, World::busy());
    let screen = picture::ansi(&view::draw(&desk.model).buffer);
    insta::assert_snapshot!("theme_mono", screen);
    let is_colour = |code: &str| code.parse::<u8>().is_ok_and(|code| (30..=49).contains(&code) || code >= 90);
    let codes =
        screen.split("\u{1b}[").skip(1).filter_map(|rest| rest.split_once('m')).flat_map(|(codes, _)| codes.split(';'));
    assert_eq!(
        codes.filter(|code| is_colour(code) && *code != "39" && *code != "49").count(),
        0,
        "no colour without colour"
    );
}

/// What is not known to be protected never looks protected, at any width and in any pane.
#[test]
fn only_a_verified_bracket_looks_like_one() {
    for protection in Protection::ALL {
        for (width, height) in [(200, 40), (118, 30), (80, 24), (64, 24), (50, 30), (44, 30), (40, 12)] {
            let mut world = World::busy();
            world.open.truncate(2);
            world.open[0].protection = Protection::Confirmed;
            world.open[1].protection = *protection;
            let screen = Desk::live(Look::sized(width, height), world).screen();
            let says_so = screen.contains("NO STOP") || screen.contains("UNVERIFIED");
            assert_eq!(says_so, *protection != Protection::Confirmed, "{protection} at {width}x{height}:\n{screen}");
        }
    }
}

/// Numbers are whole or absent: whatever the width, each figure on the screen is one that was meant.
#[test]
fn no_figure_is_ever_cut() {
    for width in 40..=130 {
        let desk = Desk::live(Look::sized(width, 30), World::busy());
        let screen = desk.screen();
        let wide = Desk::live(Look::sized(200, 30), World::busy()).screen()
            + &Desk::live(Look::sized(44, 30), World::busy()).screen();
        let figures = screen
            .lines()
            .skip(3)
            .flat_map(|line| line.split_whitespace())
            .filter(|word| word.starts_with(['+', '-']) && word.len() > 1 || word.parse::<f64>().is_ok());
        for figure in figures {
            let known = wide.split_whitespace().any(|word| word == figure);
            assert!(known, "`{figure}` at {width} columns is no figure of this screen:\n{screen}");
        }
    }
}

#[test]
fn hostile_text_is_shown_and_not_obeyed() {
    let mut world = World::busy();
    world.open[0].ticker = "A\u{1b}[2J\u{7}".to_owned();
    world.open[0].strategy = Some("\u{202e}evil\nline".repeat(20));
    world.open[1].ticker = "日本電信電話株式会社".to_owned();
    for pane in [Pane::Open, Pane::History] {
        for (width, height) in SIZES {
            let mut desk = Desk::live(Look::sized(width, height), world.clone());
            desk.model.pane = pane;
            desk.keys("g enter");
            let screen = desk.screen();
            assert!(!screen.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{screen:?}");
        }
    }
}
