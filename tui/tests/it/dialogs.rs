//! Every question and form at the three widths, and that none of them, nor any pane, shows a figure in part.

use std::collections::HashSet;

use blotter_shared::domain::{BrokerMode, Desired, Step};
use blotter_shared::protocol::problem::Problem;
use blotter_shared::protocol::settings::Settings;
use blotter_tui::client::calls::CallError;

use crate::fixture::{Desk, Look, World, live, settings_with_live};

const SIZES: [(u16, u16); 3] = [(118, 30), (80, 24), (44, 30)];

/// With a quote of 5.55 to 5.65 for the second row.
fn busy() -> World {
    let world = World::busy();
    World { prices: vec![live(&world.open[1], "5.60")], ..world }
}

fn real_money() -> World {
    let settings = Settings { broker_mode: BrokerMode::Live, ..settings_with_live() };
    let mut world = World { settings, ..busy() };
    world.open.iter_mut().for_each(|trade| trade.broker_mode = BrokerMode::Live);
    world
}

fn waiting_for_the_open() -> World {
    let mut world = busy();
    (world.open[1].desired, world.open[1].step) = (Desired::Flat, Some(Step::CloseAtOpen));
    world
}

fn walk(world: &World, (width, height): (u16, u16), keys: &str) -> Desk {
    let mut desk = Desk::live(Look::sized(width, height), world.clone());
    for key in keys.split_whitespace() {
        match key {
            "wait" => desk.pass(1.0),
            key => desk.keys(key),
        };
    }
    desk.pass(1.0);
    desk
}

const BUY: &str = "n wait n v d a enter down enter enter 2 tab tab 4 tab 9 enter enter";

fn dialogs() -> Vec<(&'static str, World, &'static str)> {
    vec![
        ("close", busy(), "j c"),
        ("close_part", busy(), "j C wait 1 enter enter"),
        ("close_limit", busy(), "j C wait tab 6 . 5 0 enter enter"),
        ("adjust", busy(), "j s wait 4 . 6 5"),
        ("adjust_refused", busy(), "j s wait 5 . 6 0"),
        ("protect", busy(), "j j b"),
        ("cancel_entry", busy(), "G c"),
        ("take_back", waiting_for_the_open(), "j c"),
        ("buy", busy(), BUY),
        ("flatten", busy(), "F"),
        ("live_close", real_money(), "j c wait N V"),
        ("live_adjust", real_money(), "j s wait 4 enter enter"),
        ("live_buy", real_money(), BUY),
        ("live_flatten", real_money(), "F"),
        ("drop_edits", busy(), ", j j enter ctrl-u 4 enter esc"),
    ]
}

#[test]
fn every_dialog_at_every_width() {
    for (name, world, keys) in dialogs() {
        for size in SIZES {
            let desk = walk(&world, size, keys);
            insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), desk.screen());
        }
    }
}

#[test]
fn a_conflict_is_told_at_every_width() {
    for size in SIZES {
        let mut desk = Desk::live(Look::sized(size.0, size.1), busy());
        desk.holds_actions = true;
        desk.keys("j c").pass(1.0).keys("y");
        desk.answer_held(Err(CallError::Refused(Box::new(Problem::stale(7, 8)))));
        insta::assert_snapshot!(format!("conflict_{}x{}", size.0, size.1), desk.screen());
    }
}

/// Words that are figures.
fn figures(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split_whitespace().map(|word| word.trim_matches(['(', ')', ',', '.', ':', ';']));
    words.filter(|word| word.starts_with(['+', '-']) && word.len() > 1 || word.parse::<f64>().is_ok())
}

/// What stands inside of the topmost window: the one that begins lowest, because it lies over the others.
fn inside(screen: &str) -> String {
    let rows: Vec<Vec<char>> = screen.lines().map(|line| line.chars().collect()).collect();
    let corner = rows.iter().enumerate().rev().find_map(|(y, row)| Some((row.iter().rposition(|c| *c == '┌')?, y)));
    let (left, top) = corner.unwrap_or_else(|| panic!("no window:\n{screen}"));
    let right = rows[top].iter().rposition(|c| *c == '┐').unwrap();
    let inner = rows[top + 1..].iter().take_while(|row| row.get(left) == Some(&'│'));
    inner.map(|row| row[left + 1..right].iter().collect::<String>()).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_dialog_shows_a_figure_in_part() {
    for (name, world, keys) in dialogs().into_iter().chain([("figures", busy(), "3 enter")]) {
        let whole = inside(&walk(&world, (130, 40), keys).screen());
        let known: HashSet<&str> = figures(&whole).collect();
        assert!(!known.is_empty() || ["drop_edits"].contains(&name), "{name} has no figures:\n{whole}");
        for width in (40..=130).step_by(3) {
            let screen = walk(&world, (width, 40), keys).screen();
            let seen = inside(&screen);
            for figure in figures(&seen) {
                assert!(known.contains(&figure), "{name}: `{figure}` at {width} columns:\n{screen}");
            }
        }
    }
}

#[test]
fn no_pane_shows_a_figure_in_part() {
    for keys in ["2", "2 enter", "3", "3 p", "3 p b", "j enter"] {
        let body = |width: u16| {
            let desk = walk(&busy(), (width, 60), keys);
            desk.screen().lines().skip(3).collect::<Vec<_>>().join("\n")
        };
        // What a width leaves out another one shows.
        let whole: String = [200, 118, 80, 64, 44, 40].map(body).join("\n");
        let known: HashSet<&str> = figures(&whole).collect();
        for width in 40..=130 {
            let screen = body(width);
            for figure in figures(&screen) {
                assert!(known.contains(figure), "`{keys}`: `{figure}` at {width} columns:\n{screen}");
            }
        }
    }
}
