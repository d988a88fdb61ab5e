//! The pictures in `docs/screens`: the client's own drawing of the fixture's afternoon, and proven to be that.
//! `make shots` writes them anew (it sets `BLOTTER_SHOTS=write`).

use std::path::{Path, PathBuf};

use blotter_shared::domain::{AlarmId, AlarmKind, BrokerMode};
use blotter_shared::protocol::alarms::Alarm;
use blotter_shared::protocol::health::ComponentState;
use blotter_shared::protocol::settings::Settings;
use blotter_tui::picture::{self, Paper};
use blotter_tui::theme::ColorDepth;
use blotter_tui::view;

use crate::fixture::{Desk, Look, World, alarm, live, noon, settings_with_live};

const SIZES: [(u16, u16); 3] = [(118, 30), (80, 24), (44, 30)];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/screens")
}

/// A busy afternoon with live prices, and months of trades behind it, in an account whose broker tells no fees.
fn busy() -> World {
    let mut world = World::busy();
    world.closed.iter_mut().filter_map(|trade| trade.close.as_mut()).for_each(|close| close.fees = None);
    World { prices: vec![live(&world.open[1], "5.60")], ..world }
}

/// Two alarms, one of which tells of a position that nobody looks after.
fn alarmed() -> World {
    let unclaimed = Alarm {
        id: AlarmId(uuid::Uuid::from_u128(79)),
        kind: AlarmKind::NeedsPerson,
        trade_number: None,
        message:
            "the account holds 3 of SPY260306C00600000 and no trade looks after them: adopt them, or close them at \
                  the broker"
                .to_owned(),
        raised_at: noon() - chrono::TimeDelta::minutes(3),
        ..alarm()
    };
    World { alarms: vec![alarm(), unclaimed], ..busy() }
}

fn real_money() -> World {
    let settings = Settings { broker_mode: BrokerMode::Live, ..settings_with_live() };
    let mut world = World { settings, ..busy() };
    world.open.iter_mut().for_each(|trade| trade.broker_mode = BrokerMode::Live);
    world
}

/// Name, daemon, and keys that lead to the screen; `wait` lets a dialog be read, `hold` keeps actions unanswered.
fn shots() -> Vec<(&'static str, World, &'static str)> {
    let stopped = Settings { entries_stopped: true, ..busy().settings };
    vec![
        ("open", busy(), "j enter"),
        ("close", busy(), "j c"),
        ("close-part", busy(), "j C"),
        ("adjust", busy(), "j s"),
        ("protect", busy(), "j j b"),
        ("flatten", busy(), "F"),
        ("new-trade", busy(), "n wait n v d a enter down enter enter 2 tab tab 4 tab 9"),
        ("expiries", busy(), "n wait n v d a enter"),
        ("chain", busy(), "n wait n v d a enter down enter"),
        ("story", busy(), "j w"),
        ("history-details", busy(), "2 enter"),
        ("export", busy(), "2 x"),
        ("palette", busy(), ": s"),
        ("messages", busy(), "r !"),
        ("figures", busy(), "3 p enter"),
        ("kill-switch", busy(), "K"),
        ("alarms", alarmed(), "! j"),
        ("adopt", alarmed(), "! j D"),
        ("token", busy(), ", T"),
        ("cancel-entry", busy(), "G c"),
        ("live-close", real_money(), "j c"),
        ("live-adjust", real_money(), "j s wait 4 enter enter"),
        ("buy", busy(), "n wait n v d a enter down enter enter 2 tab tab 4 tab 9 enter enter"),
        ("entries-stopped", World { settings: stopped, ..busy() }, ""),
        ("history", busy(), "2"),
        ("performance", busy(), "3 p"),
        ("search", busy(), "/ s p"),
        ("quit", busy(), "hold j c wait y q"),
        ("first-start", World::fresh(ComponentState::NotConfigured), ""),
        ("settings", busy(), ","),
        ("help", busy(), "?"),
    ]
}

fn draw(world: World, keys: &str, (width, height): (u16, u16), theme: &'static str) -> view::Drawing {
    let look = Look { theme, depth: ColorDepth::Truecolor, ..Look::sized(width, height) };
    let mut desk = Desk::live(look, world);
    for key in keys.split_whitespace() {
        match key {
            "wait" => desk.pass(1.0),
            // From now on the daemon answers no action.
            "hold" => {
                desk.holds_actions = true;
                &mut desk
            }
            key => desk.keys(key),
        };
    }
    view::draw(&desk.model)
}

fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for (name, world, keys) in shots() {
        for size in SIZES {
            let drawing = draw(world.clone(), keys, size, "dark");
            let stem = format!("{name}-{}x{}", size.0, size.1);
            files.push((format!("{stem}.txt"), picture::text(&drawing.buffer)));
            files.push((format!("{stem}.svg"), picture::svg(&drawing.buffer, Paper::Dark)));
        }
    }
    let light = draw(busy(), "j enter", SIZES[0], "light");
    files.push(("open-light-118x30.svg".to_owned(), picture::svg(&light.buffer, Paper::Light)));
    files
}

#[test]
fn the_pictures_in_the_documentation_are_what_is_drawn() {
    #[expect(clippy::disallowed_methods, reason = "the switch of `make shots`; a test has no configuration")]
    let writes = std::env::var("BLOTTER_SHOTS").is_ok_and(|value| value == "write");
    for (name, content) in files() {
        let path = folder().join(&name);
        if writes {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, &content).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == content, "docs/screens/{name} is not what the program draws: run `make shots`");
    }
}
