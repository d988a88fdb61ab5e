//! The pictures in `docs/screens`: drawn from the fixture, and proven to be what the program draws.
//! `make shots` writes them anew (it sets `BLOTTER_SHOTS=write`).

use std::path::{Path, PathBuf};

use blotter_shared::protocol::health::ComponentState;
use blotter_shared::protocol::settings::Settings;
use blotter_tui::picture::{self, Paper};
use blotter_tui::theme::ColorDepth;
use blotter_tui::view;

use crate::fixture::{Desk, Look, World, live};

const SIZES: [(u16, u16); 3] = [(118, 30), (80, 24), (44, 30)];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/screens")
}

/// A busy afternoon with live prices, and months of trades behind it.
fn busy() -> World {
    let world = World::busy();
    World { prices: vec![live(&world.open[1], "5.60")], ..world }
}

/// Name, daemon, and keys that lead to the screen; `wait` lets a dialog be read.
fn shots() -> Vec<(&'static str, World, &'static str)> {
    let stopped = Settings { entries_stopped: true, ..World::busy().settings };
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
        ("entries-stopped", World { settings: stopped, ..busy() }, ""),
        ("history", World::busy(), "2"),
        ("performance", World::busy(), "3 p"),
        ("first-start", World::fresh(ComponentState::NotConfigured), ""),
        ("settings", World::busy(), ","),
        ("help", World::busy(), "?"),
    ]
}

fn draw(world: World, keys: &str, (width, height): (u16, u16), theme: &'static str) -> view::Drawing {
    let look = Look { theme, depth: ColorDepth::Truecolor, ..Look::sized(width, height) };
    let mut desk = Desk::live(look, world);
    for key in keys.split_whitespace() {
        match key {
            "wait" => desk.pass(1.0),
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
