//! The four things a trader must never be unsure of, as they are coloured; the background that a theme follows; and
//! what Esc does, wherever it is pressed.

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::events::{Event, Hello};
use blotter_shared::protocol::settings::Settings;
use blotter_tui::client::calls::Call;
use blotter_tui::effect::Effect;
use blotter_tui::input::decode::{Scheme, TerminalEvent};
use blotter_tui::msg::Msg;
use blotter_tui::theme::{ColorDepth, Role, Theme};
use blotter_tui::view;
use ratatui::style::{Color, Modifier, Style};

use crate::fixture::{Desk, Look, World, live, noon, settings_with_live};

const SIZES: [(u16, u16); 3] = [(118, 30), (80, 24), (44, 30)];

/// How these words are drawn, wherever they stand first on the screen.
#[track_caller]
fn style_of(desk: &Desk, words: &str) -> Style {
    let buffer = view::draw(&desk.model).buffer;
    let (width, count) = (buffer.area.width, u16::try_from(words.chars().count()).unwrap());
    for y in 0..buffer.area.height {
        for x in 0..=width.saturating_sub(count) {
            let here: String = (x..x + count).filter_map(|x| Some(buffer.cell((x, y))?.symbol())).collect();
            if here == words {
                return buffer.cell((x, y)).unwrap().style();
            }
        }
    }
    panic!("no `{words}`:\n{}", desk.screen())
}

fn is_reversed(style: Style) -> bool {
    style.add_modifier.contains(Modifier::REVERSED)
}

fn in_mode(broker_mode: BrokerMode, size: (u16, u16), theme: &'static str) -> Desk {
    let settings = Settings { broker_mode, ..settings_with_live() };
    Desk::live(Look { theme, ..Look::sized(size.0, size.1) }, World { settings, ..World::busy() })
}

#[test]
fn a_live_session_has_a_red_badge_and_a_red_frame_and_no_other_has() {
    for size in SIZES {
        for theme in ["dark", "light", "high-contrast", "colour-blind"] {
            let live = in_mode(BrokerMode::Live, size, theme);
            let badge = style_of(&live, " LIVE ");
            let red = [Some(Color::Red), Some(Color::LightRed)];
            assert!(is_reversed(badge) && red.contains(&badge.fg), "{theme}: {badge:?}");
            let rule = style_of(&live, "━━━━");
            assert!(red.contains(&rule.fg), "{theme}: {rule:?}");
            let lines = live.screen().lines().filter(|line| line.starts_with("━━━━")).count();
            assert_eq!(lines, 2, "above and below the pane");
            for (mode, badge) in [(BrokerMode::Sandbox, " SANDBOX "), (BrokerMode::Sim, " SIM ")] {
                let other = in_mode(mode, size, theme);
                assert!(!is_reversed(style_of(&other, badge)), "{theme}: {badge}");
                assert!(!red.contains(&style_of(&other, "────").fg) && !other.screen().contains('━'), "{theme}");
            }
        }
    }
}

#[test]
fn without_colour_the_live_badge_and_frame_are_another_shape() {
    let settings = Settings { broker_mode: BrokerMode::Live, ..settings_with_live() };
    let look = Look { theme: "mono", depth: ColorDepth::None, ..Look::sized(80, 24) };
    let desk = Desk::live(look, World { settings, ..World::busy() });
    assert!(is_reversed(style_of(&desk, " LIVE ")) && desk.screen().contains("━━━━"));
}

#[test]
fn what_is_shown_turns_yellow_when_it_is_old_and_red_when_it_is_stale() {
    for size in SIZES {
        let mut desk = Desk::live(Look::sized(size.0, size.1), World::busy());
        // A daemon that speaks rarely, and a client that does not ask.
        desk.push(Event::Hello(Hello { seq: 41, heartbeat_s: 120, now: noon() }));
        desk.keys("a").pass(5.0);
        let words = |age: &'static str| if size.0 == 44 { age } else { "synced" };
        assert_ne!(style_of(&desk, words("now")).fg, Some(Color::Yellow));
        desk.pass(25.0);
        assert_ne!(style_of(&desk, words("30s ago")).fg, Some(Color::Yellow), "{}", desk.screen());
        desk.pass(16.0);
        assert_eq!(style_of(&desk, words("45s ago")).fg, Some(Color::Yellow), "{}", desk.screen());
        desk.lose_daemon();
        desk.pass(50.0);
        let stale = style_of(&desk, "STALE");
        assert!(stale.fg == Some(Color::Red) && is_reversed(stale), "{stale:?}");
    }
}

#[test]
fn a_broker_that_does_not_answer_makes_it_stale_as_well() {
    let away = crate::fixture::health(blotter_shared::protocol::health::ComponentState::Unavailable);
    let desk = Desk::live(Look::sized(80, 24), World { health: away, ..World::busy() });
    let stale = style_of(&desk, "STALE");
    assert!(stale.fg == Some(Color::Red) && is_reversed(stale), "{stale:?}");
}

#[test]
fn a_position_without_a_stop_stands_out_under_every_overlay() {
    for keys in ["", "?", "c"] {
        let mut desk = Desk::live(Look::sized(118, 30), World::busy());
        desk.keys(keys);
        assert!(is_reversed(style_of(&desk, "NO STOP")), "{keys}");
    }
}

#[test]
fn a_wide_spread_is_called_out_in_yellow_before_a_sale_and_in_the_details() {
    for (ask, is_wide) in [("5.90", false), ("6.20", true)] {
        for keys in ["j c", "j C", "j enter", "j s"] {
            let world = World::busy();
            let mut price = live(&world.open[1], "5.60");
            (price.bid, price.ask) = ("5.40".parse().ok(), ask.parse().ok());
            let mut desk = Desk::live(Look::sized(118, 30), World { prices: vec![price], ..world });
            desk.keys(keys).pass(1.0);
            let spread = style_of(&desk, &format!("5.40 / {ask}"));
            assert_eq!(spread.fg == Some(Color::Yellow), is_wide, "{keys} {ask}: {spread:?}\n{}", desk.screen());
            if is_wide {
                assert!(desk.screen().contains("13.8 %"), "and in figures: {}", desk.screen());
            }
        }
    }
}

#[test]
fn a_theme_that_follows_takes_the_terminals_background() {
    let background = |red, green, blue| Msg::Terminal(TerminalEvent::Background { red, green, blue });
    let scheme = |scheme| Msg::Terminal(TerminalEvent::ColorScheme(scheme));
    let desk = |follows| {
        let mut desk = Desk::live(Look::sized(80, 24), World::busy());
        desk.model.surroundings.theme_follows = follows;
        desk
    };
    for (said, name) in [
        (background(255, 255, 255), "light"),
        (background(0x1e, 0x1e, 0x2e), "dark"),
        (background(0xfd, 0xf6, 0xe3), "light"),
        (background(0, 0, 255), "dark"),
        (scheme(Scheme::Light), "light"),
        (scheme(Scheme::Dark), "dark"),
    ] {
        let mut follows = desk(true);
        follows.model.theme = Theme::built_in(if name == "dark" { "light" } else { "dark" }, ColorDepth::Ansi);
        follows.tell(said.clone());
        assert_eq!(follows.model.theme, Theme::built_in(name, ColorDepth::Ansi), "{said:?}");
        let mut chosen = desk(false);
        chosen.model.theme = Theme::built_in("high-contrast", ColorDepth::Ansi);
        chosen.tell(said.clone());
        assert_eq!(chosen.model.theme.name, "high-contrast", "a theme that was chosen stays: {said:?}");
        let mut mono = desk(true);
        mono.model.surroundings.depth = ColorDepth::None;
        mono.model.theme = Theme::built_in("mono", ColorDepth::None);
        mono.tell(said);
        assert_eq!(mono.model.theme.name, "mono", "without colour there is nothing to follow");
    }
}

/// How a colour is seen without one of the three kinds of cones (Machado, Oliveira and Fernandes 2009), and how far
/// two colours are apart then, as people see distance (CIELAB).
mod eyes {
    pub(super) const KINDS: [(&str, [[f64; 3]; 3]); 4] = [
        ("all cones", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protanopia",
            [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
        ),
        (
            "deuteranopia",
            [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
        ),
        (
            "tritanopia",
            [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_900],
            ],
        ),
    ];

    fn linear(channel: u8) -> f64 {
        let value = f64::from(channel) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    }

    fn times(matrix: [[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row.iter().zip(vector).map(|(factor, value)| factor * value).sum())
    }

    fn lab(rgb: [f64; 3]) -> [f64; 3] {
        let xyz = times(
            [[0.412_456, 0.357_576, 0.180_438], [0.212_673, 0.715_152, 0.072_175], [0.019_334, 0.119_192, 0.950_304]],
            rgb.map(|value| value.clamp(0.0, 1.0)),
        );
        let root = |value: f64| if value > 0.008_856 { value.cbrt() } else { 7.787 * value + 16.0 / 116.0 };
        let [x, y, z] = [root(xyz[0] / 0.950_47), root(xyz[1]), root(xyz[2] / 1.088_83)];
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    pub(super) fn distance(kind: [[f64; 3]; 3], one: [u8; 3], other: [u8; 3]) -> f64 {
        let seen = |rgb: [u8; 3]| lab(times(kind, rgb.map(linear)));
        seen(one).iter().zip(seen(other)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }
}

/// The sixteen colours as xterm has them.
fn rgb(color: Option<Color>) -> [u8; 3] {
    match color {
        Some(Color::Rgb(red, green, blue)) => [red, green, blue],
        Some(Color::Red) => [205, 0, 0],
        Some(Color::Green) => [0, 205, 0],
        Some(Color::Yellow) => [205, 205, 0],
        Some(Color::Blue) => [0, 0, 238],
        Some(Color::LightRed) => [255, 0, 0],
        Some(Color::LightGreen) => [0, 255, 0],
        Some(Color::LightBlue) => [92, 92, 255],
        other => panic!("{other:?} is not measured"),
    }
}

#[test]
fn profit_and_loss_keep_apart_for_every_kind_of_eye() {
    for depth in [ColorDepth::Ansi, ColorDepth::Truecolor] {
        let theme = Theme::built_in("colour-blind", depth);
        let [profit, loss] = [Role::Profit, Role::Loss].map(|role| rgb(theme.style(role).fg));
        for (name, kind) in eyes::KINDS {
            let apart = eyes::distance(kind, profit, loss);
            assert!(apart > 40.0, "{name} at {depth:?}: {apart:.1}");
        }
    }
    // The measure knows what it is there for: the pair that is usual is hardly two colours without red cones.
    let (green, olive) = ([0, 150, 60], [190, 110, 40]);
    let [whole, without] = [0, 2].map(|at| eyes::distance(eyes::KINDS[at].1, green, olive));
    assert!(whole > 60.0 && without < 25.0, "{whole:.1} {without:.1}");
}

/// Sign and arrow say it whatever the colour.
#[test]
fn a_result_never_rests_on_colour_alone() {
    for theme in ["dark", "light", "high-contrast", "colour-blind", "mono"] {
        let desk = Desk::live(Look { theme, ..Look::sized(80, 24) }, World::busy());
        let screen = desk.screen();
        assert!(screen.contains("▼ -40.00") && screen.contains("▲ +170.00"), "{theme}");
    }
}

/// Keys that lead somewhere, with how many levels deep that is.
const PLACES: [(&str, usize); 23] = [
    ("?", 1),
    ("!", 1),
    (",", 1),
    (", j enter", 1),
    (", ?", 2),
    (", T", 2),
    ("T", 1),
    ("D", 1),
    ("! ?", 2),
    ("! D", 2),
    ("j w", 1),
    ("j w ?", 2),
    ("3 enter", 1),
    ("3 enter ! ?", 3),
    ("2 x", 1),
    (":", 1),
    ("j c", 1),
    ("j C wait 1 enter enter", 2),
    ("F", 1),
    ("K", 1),
    ("n wait n v d a enter", 2),
    ("n wait n v d a enter down enter", 2),
    ("n wait n v d a enter down enter enter tab tab 4 enter enter", 2),
];

fn walk(keys: &str) -> Desk {
    let mut desk = Desk::live(Look::sized(118, 30), World::busy());
    for key in keys.split_whitespace() {
        match key {
            "wait" => desk.pass(1.0),
            key => desk.keys(key),
        };
    }
    desk
}

fn acts(effect: &Effect) -> bool {
    matches!(effect, Effect::Quit) || matches!(effect, Effect::Call(call) if call.is_action())
}

#[test]
fn escape_walks_out_of_every_place_one_level_at_a_time_and_does_nothing_else() {
    for (keys, depth) in PLACES {
        let mut desk = walk(keys);
        assert_eq!(desk.model.overlays.len(), depth, "`{keys}`: {:?}", desk.model.overlays);
        for presses in 1..=8 {
            let before = desk.model.overlays.len();
            desk.keys("esc");
            let after = desk.model.overlays.len();
            assert!(after == before || after + 1 == before, "`{keys}`: {before} → {after} at {presses}");
        }
        assert!(desk.model.overlays.is_empty(), "`{keys}`: {:?}", desk.model.overlays);
        assert!(!desk.has_done(acts), "`{keys}`: {:?}", desk.deeds);
        let home = desk.screen();
        desk.keys("esc esc");
        assert_eq!(desk.screen(), home, "`{keys}`: and it stays there");
    }
}

#[test]
fn escape_leaves_search_filter_and_open_rows_too() {
    for keys in
        ["/ n v", "/ n v enter", "2 / n v", "2 / n v enter f enter", "enter", "2 f f", "2 enter", "2 / n v enter x"]
    {
        let mut desk = walk(keys);
        desk.keys("esc esc esc esc");
        assert!(desk.model.overlays.is_empty(), "`{keys}`");
        for list in [&desk.model.open.list, &desk.model.history.list] {
            assert!(list.search.text().is_empty() && !list.is_searching && list.expanded.is_empty(), "`{keys}`");
        }
        assert_eq!(desk.model.history.filter, None, "`{keys}`");
        assert!(!desk.has_done(acts), "`{keys}`");
    }
}

/// Nothing that was typed into the settings is lost by Esc: it takes a yes.
#[test]
fn escape_alone_never_drops_what_was_typed_into_the_settings() {
    let mut desk = walk(", j j enter ctrl-u 4 enter");
    desk.keys("esc esc esc esc");
    assert!(!desk.model.overlays.is_empty() && desk.screen().contains("5 → 4"), "{}", desk.screen());
    desk.keys("esc");
    desk.pass(1.0).keys("y");
    assert!(desk.model.overlays.is_empty(), "{:?}", desk.model.overlays);
    assert!(!desk.has_done(|effect| matches!(effect, Effect::Call(Call::PutSettings { .. }))));
}
