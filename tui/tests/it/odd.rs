//! Rows that nobody hopes for: enormous and tiny prices, endless names, text that runs from right to left or
//! would steer the terminal, no stop, expired contracts, one trade, none, only losses. At every width
//! nothing panics, nothing steers the terminal, and no figure is shown in part.

use blotter_shared::domain::{Cash, Price, Protection};
use blotter_shared::protocol::performance::DayResult;
use blotter_shared::protocol::trades::Trade;
use blotter_tui::overlays::Overlay;
use chrono::NaiveDate;
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::fixture::{Desk, Look, World, closed_trades, open_trades};

const WIDTHS: [(u16, u16); 5] = [(118, 30), (80, 24), (64, 20), (44, 30), (40, 12)];

fn price(text: &str) -> Option<Price> {
    Some(text.parse().unwrap())
}

fn screens(world: &World, keys: &str) -> Vec<String> {
    let screen = |(width, height)| {
        let mut desk = Desk::live(Look::sized(width, height), world.clone());
        desk.keys(keys);
        desk.screen()
    };
    WIDTHS.into_iter().map(screen).collect()
}

fn cannot_steer(screen: &str) {
    let steers =
        |c: &char| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!screen.chars().any(|c| steers(&c)), "{screen:?}");
}

/// Wherever a long run of a figure's digits stands, all of the figure does.
fn shows_whole(screen: &str, figure: &str, part: &str) {
    // Below the header, which has an account's number.
    for line in screen.lines().skip(2).filter(|line| line.contains(part)) {
        assert!(line.contains(figure), "{figure} is shown in part: {line}");
    }
}

#[test]
fn seven_digit_prices_are_whole_or_not_there() {
    let mut world = World::busy();
    world.open.iter_mut().chain(&mut world.closed).for_each(|trade| trade.account_id = "VA".to_owned());
    for trade in &mut world.open {
        (trade.entry_price, trade.current_price) = (price("1234567.8901"), price("7654321.0987"));
        (trade.sl_price, trade.tp_price) = (price("1111111.25"), price("9999999.75"));
        trade.unrealized_pnl = Some(Cash("-641975320864.25".parse().unwrap()));
    }
    for trade in &mut world.closed {
        trade.entry_price = price("1234567.8901");
        let close = trade.close.as_mut().unwrap();
        (close.price, close.realized_pnl) = (price("7654321.0987"), Some(Cash("-641975320864.25".parse().unwrap())));
        close.realized_pnl_pct = Some("-98765.4".parse().unwrap());
    }
    for keys in ["", "enter", "2", "2 enter", "c"] {
        for screen in screens(&world, keys) {
            for (figure, part) in [
                ("1234567.8901", "12345"),
                ("7654321.0987", "76543"),
                ("1111111.25", "11111"),
                ("9999999.75", "99999"),
                ("-641,975,320,864.25", "320,86"),
            ] {
                shows_whole(&screen, figure, part);
            }
        }
    }
}

/// What an index costs a year away.
#[test]
fn four_digit_prices_of_a_chain_stand_apart() {
    for (width, sides) in [(118, 2), (80, 2), (44, 1)] {
        let mut desk = Desk::live(Look::sized(width, 30), World::busy());
        desk.keys("n").pass(1.0).types("nvda").keys("enter down enter");
        let Some(Overlay::Chain(picker)) = desk.model.overlays.last_mut() else {
            panic!("no chain: {}", desk.screen())
        };
        for row in &mut picker.chain.as_mut().unwrap().rows {
            for contract in row.call.iter_mut().chain(&mut row.put) {
                (contract.bid, contract.ask) = (Some("1234.55".parse().unwrap()), Some("1240.15".parse().unwrap()));
            }
        }
        let screen = desk.screen();
        let row = screen.lines().find(|line| line.contains("›150‹")).unwrap();
        let whole = |price: &str| row.split(' ').filter(|word| *word == price).count();
        assert_eq!([whole("1234.55"), whole("1240.15"), whole("46")], [sides; 3], "{screen}");
    }
}

#[test]
fn names_that_are_endless_or_hostile_stay_in_their_place() {
    let names = [
        "s".repeat(60),
        "\u{202e}evil \u{1b}[2J\u{7} name\r\n".to_owned(),
        "שלום עולם ימין לשמאל".to_owned(),
        "日本語の戦略名は幅が広い文字でできています".to_owned(),
        "e\u{301}\u{301}\u{301} 👩‍👩‍👧‍👦 zalgo".to_owned(),
        String::new(),
    ];
    for name in names {
        let mut world = World::busy();
        let rename = |trade: &mut Trade| {
            trade.strategy = Some(name.clone());
            trade.needs_person = trade.close.is_none().then(|| name.clone());
            trade.account_id.clone_from(&name);
        };
        world.open.iter_mut().for_each(rename);
        world.closed.iter_mut().for_each(rename);
        for keys in ["", "enter", "2", "2 enter", "3", "2 o o o o o o o", ": s"] {
            for screen in screens(&world, keys) {
                cannot_steer(&screen);
            }
        }
    }
}

#[test]
fn no_stop_no_target_and_a_contract_that_has_expired() {
    let mut world = World::busy();
    for trade in &mut world.open {
        (trade.sl_price, trade.tp_price) = (None, None);
        trade.contract.expiry = NaiveDate::from_ymd_opt(2026, 1, 16).unwrap();
    }
    for screen in screens(&world, "enter") {
        assert!(screen.contains("NO STOP"), "{screen}");
    }
    assert!(screens(&world, "")[0].contains("-35"), "days to expiry are below zero");
    world.open[0].protection = Protection::Unknown;
    world.open[0].sl_price = price("1.00");
    assert!(screens(&world, "")[1].contains("UNVERIFIED"));
}

fn days(nets: &[i64]) -> Vec<DayResult> {
    let day = |n: u64| NaiveDate::from_ymd_opt(2026, 1, 5).unwrap() + chrono::Days::new(n);
    (0..)
        .zip(nets)
        .map(|(n, net)| DayResult { day: day(n), trades: 1, wins: u64::from(*net > 0), net: Cash((*net).into()) })
        .collect()
}

fn performance(nets: &[i64]) -> Vec<String> {
    let screen = |(width, height)| {
        let mut desk = Desk::live(Look::sized(width, height), World::busy());
        desk.keys("3");
        let one = desk.model.performance.data.clone().unwrap();
        let of = crate::figures::of_days(one.mode, (one.period, one.from), one.by, days(nets));
        desk.model.performance.data = Some(of);
        desk.screen()
    };
    WIDTHS.into_iter().map(screen).collect()
}

#[test]
fn figures_of_none_of_one_and_of_losses_alone() {
    assert!(performance(&[])[1].contains("No figures yet"));
    for screen in performance(&[])
        .into_iter()
        .chain(performance(&[250]))
        .chain(performance(&[-10, -20, -30]))
        .chain(performance(&[0, 0]))
    {
        assert!(!screen.contains("NaN") && !screen.contains("inf"), "{screen}");
    }
    let one = &performance(&[250])[1];
    assert!(one.contains("Profit factor ∞") && one.contains("Avg loss –"), "{one}");
    let losses = &performance(&[-10, -20, -30])[1];
    assert!(
        losses.contains("Win rate 0.0 %") && losses.contains("Profit factor 0.00") && losses.contains("Avg win –"),
        "{losses}"
    );
    let scratches = &performance(&[0, 0])[1];
    assert!(scratches.contains("Win rate –") && scratches.contains("Profit factor –"), "{scratches}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_row_is_drawn_at_any_width(
        units in proptest::collection::vec(0_i64..=999_999_990_000, 4), pnl in -9_999_999_999_999_i64..=9_999_999_999_999,
        name in "\\PC{0,60}", width in 40_u16..140, height in 12_u16..40, keys in 0_usize..5,
    ) {
        let price = |index: usize| Price::new(Decimal::new(units[index], 4)).ok();
        let mut world = World::busy();
        for trade in &mut world.open {
            (trade.entry_price, trade.current_price, trade.sl_price, trade.tp_price) = (price(0), price(1), price(2), price(3));
            trade.unrealized_pnl = Some(Cash(Decimal::new(pnl, 2)));
            trade.strategy = Some(name.clone());
        }
        world.closed.iter_mut().filter_map(|trade| trade.close.as_mut()).for_each(|close| {
            close.realized_pnl = Some(Cash(Decimal::new(pnl, 2)));
            close.r_multiple = Some(Decimal::new(pnl, 2));
        });
        let mut desk = Desk::live(Look::sized(width, height), world);
        desk.keys(["", "enter j enter", "2 enter", "3 b", "c"][keys]);
        cannot_steer(&desk.screen());
    }

    #[test]
    fn any_days_are_drawn_at_any_width(nets in proptest::collection::vec(-1_000_000_000_i64..=1_000_000_000, 0..120), width in 40_u16..200, height in 12_u16..60) {
        let mut desk = Desk::live(Look::sized(width, height), World { open: open_trades(), closed: closed_trades(), ..World::busy() });
        desk.keys("3");
        let one = desk.model.performance.data.clone().unwrap();
        desk.model.performance.data = Some(crate::figures::of_days(one.mode, (one.period, one.from), one.by, days(&nets)));
        let screen = desk.screen();
        prop_assert!(screen.lines().count() <= usize::from(height));
    }
}

/// A single row is a row: selected, opened, sorted and searched like many, and without the one there is a sentence.
#[test]
fn one_trade_is_a_list() {
    let mut world = World::busy();
    world.open.truncate(1);
    world.closed.truncate(1);
    for (pane, symbol, figure) in [("1", "AAPL", "-40.00"), ("2", "NVDA", "+310.00")] {
        for (width, height) in WIDTHS {
            let mut desk = Desk::live(Look::sized(width, height), world.clone());
            desk.keys(pane).keys("G j j pgdn k g o O enter enter");
            let screen = desk.screen();
            assert!(screen.contains(symbol) && screen.contains(figure), "{pane} at {width}x{height}:\n{screen}");
            assert!(screen.contains(&format!("▸{symbol}")) || screen.contains(&format!("▸ {symbol}")) || pane == "2");
            desk.keys("/ q q q q enter");
            let screen = desk.screen();
            let is_there = screen.lines().skip(2).any(|line| line.contains(figure));
            assert!(!is_there && screen.contains("qqqq"), "{pane} at {width}x{height}:\n{screen}");
            desk.keys("esc");
            assert!(desk.screen().contains(figure), "{pane} at {width}x{height}:\n{}", desk.screen());
        }
    }
}
