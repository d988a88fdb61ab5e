//! The rows of the panes: every order that a column can be sorted in, the flash of one that has changed, and what one
//! shows when it is opened.

use blotter_shared::domain::{TradeId, TradeStatus};
use blotter_shared::protocol::events::Event;
use blotter_tui::model::{Motion, next_wake};
use blotter_tui::panes::open::model::OpenSort;
use blotter_tui::view;
use ratatui::style::Modifier;

use crate::fixture::{Desk, Look, World, closed_trades};

fn desk(width: u16, height: u16) -> Desk {
    Desk::live(Look::sized(width, height), World::busy())
}

/// The numbers of the rows from above to below.
fn order(desk: &Desk) -> Vec<u32> {
    let number = |id: &TradeId| desk.model.open_trades().iter().find(|trade| trade.id == *id).unwrap().number.0;
    desk.model.open.rows().iter().map(number).collect()
}

/// 9 AAPL, 10 NVDA, 11 SPY, 12 TSLA, 13 AMD, each column with an order of its own; what is not known is below.
#[test]
fn every_column_sorts_and_turns_around() {
    let orders: [(OpenSort, [u32; 5]); 13] = [
        (OpenSort::Number, [9, 10, 11, 12, 13]),
        (OpenSort::Symbol, [9, 13, 10, 11, 12]),
        (OpenSort::Contract, [12, 11, 10, 13, 9]),
        (OpenSort::Quantity, [13, 11, 10, 9, 12]),
        (OpenSort::Entry, [12, 9, 10, 11, 13]),
        (OpenSort::Mark, [12, 9, 10, 11, 13]),
        (OpenSort::Pnl, [10, 12, 9, 11, 13]),
        (OpenSort::PnlPct, [10, 12, 9, 11, 13]),
        (OpenSort::Stop, [12, 9, 10, 11, 13]),
        (OpenSort::Target, [12, 9, 10, 11, 13]),
        (OpenSort::DaysToExpiry, [12, 11, 9, 10, 13]),
        (OpenSort::Age, [10, 12, 9, 13, 11]),
        (OpenSort::State, [13, 9, 10, 11, 12]),
    ];
    assert_eq!(orders.map(|(sort, _)| sort), OpenSort::ALL, "every order has its row here");
    let mut desk = desk(200, 30);
    for (sort, expected) in orders {
        assert_eq!((desk.model.open.sort, order(&desk)), (sort, expected.to_vec()));
        let title = sort.title();
        if !title.is_empty() {
            assert!(desk.screen().contains(&format!("{title}↓")), "{title}: {}", desk.screen());
        }
        desk.keys("O");
        let mut turned = expected.to_vec();
        turned.reverse();
        assert_eq!(order(&desk), turned, "{sort:?} turned around");
        if !title.is_empty() {
            assert!(desk.screen().contains(&format!("{title}↑")), "{title}: {}", desk.screen());
        }
        desk.keys("O o");
    }
    assert_eq!(desk.model.open.sort, OpenSort::Number, "and around");
}

/// The rows differ where the fixture's do not: a stop, a target and a strike decide alone.
#[test]
fn stop_target_and_contract_decide_by_themselves() {
    let mut world = World::busy();
    world.open.truncate(3);
    for (trade, (stop, target, symbol)) in world.open.iter_mut().zip([
        ("2", "", "AAPL260320C00230000"),
        ("", "9", "AAPL260320C00220000"),
        ("3", "8", "AAPL260320P00220000"),
    ]) {
        (trade.sl_price, trade.tp_price) = (stop.parse().ok(), target.parse().ok());
        trade.contract = symbol.parse().unwrap();
        trade.option_symbol = symbol.to_owned();
    }
    let mut desk = Desk::live(Look::sized(200, 30), world);
    for (sort, expected) in
        [(OpenSort::Stop, [11, 9, 10]), (OpenSort::Target, [10, 11, 9]), (OpenSort::Contract, [10, 11, 9])]
    {
        desk.model.open.sort = sort;
        desk.pass(1.0);
        assert_eq!(order(&desk), expected, "{sort:?}");
    }
}

/// No column is squeezed by the arrow in the heading of a bracket.
#[test]
fn the_rail_begins_where_its_heading_does_however_it_is_sorted() {
    let mut measured = 0;
    for width in 64..=130 {
        for sort in [OpenSort::Number, OpenSort::Stop, OpenSort::Target] {
            let mut desk = desk(width, 30);
            desk.model.open.sort = sort;
            desk.pass(1.0);
            let screen = desk.screen();
            let heading = screen.lines().nth(3).unwrap();
            let row = screen.lines().find(|line| line.contains("AAPL")).unwrap();
            let place = |line: &str, wanted: &str| line.find(wanted).map(|at| line[..at].chars().count());
            let (Some(stop), Some(rail)) = (place(heading, "STOP"), place(row, "├")) else { continue };
            measured += 1;
            let arrow = usize::from(heading.contains("STOP↓"));
            assert_eq!(stop + 4 + arrow + 1, rail, "{sort:?} at {width}:\n{screen}");
        }
    }
    assert!(measured > 150, "{measured} rails");
}

/// Whether the row of a symbol, or a word, is turned around.
fn is_lit(desk: &Desk, words: &str) -> bool {
    let buffer = view::draw(&desk.model).buffer;
    let cells = |y: u16| (0..buffer.area.width).map(move |x| (x, y));
    let row = (0..buffer.area.height).find(|y| {
        let text: String = cells(*y).filter_map(|at| Some(buffer.cell(at)?.symbol())).collect();
        text.contains(words)
    });
    let row: Vec<_> = cells(row.unwrap()).filter_map(|at| buffer.cell(at)).collect();
    let text: Vec<&str> = row.iter().map(|cell| cell.symbol()).collect();
    let count = words.chars().count();
    let at = (0..text.len()).find(|at| text[*at..].iter().take(count).copied().collect::<String>() == words).unwrap();
    row[at].modifier.contains(Modifier::REVERSED)
}

/// Goes from one moment at which something turns to the next, and says how it was.
fn flashes(desk: &mut Desk, words: &str) -> Vec<bool> {
    let mut seen = vec![is_lit(desk, words)];
    for _ in 0..3 {
        let wake = next_wake(&desk.model).unwrap();
        desk.pass((wake - desk.now.since_start).as_secs_f64());
        seen.push(is_lit(desk, words));
    }
    seen
}

#[test]
fn a_row_that_changed_flashes_twice_and_then_rests() {
    for (width, height) in [(118, 30), (80, 24), (44, 30)] {
        let mut desk = desk(width, height);
        desk.model.surroundings.motion = Motion::Full;
        // Nothing turns but what flashes.
        let mut closing = desk.world.open[3].clone();
        closing.status = TradeStatus::Filled;
        (closing.desired, closing.version) = (blotter_shared::domain::Desired::Hold, 8);
        desk.push(Event::Trade(Box::new(closing)));
        desk.pass(1.0);
        assert!(!is_lit(&desk, "AAPL"));
        let mut moved = desk.world.open[0].clone();
        (moved.version, moved.sl_price) = (8, "4.80".parse().ok());
        desk.push(Event::Trade(Box::new(moved)));
        assert!(!is_lit(&desk, "NVDA"), "another row does not");
        assert_eq!(flashes(&mut desk, "AAPL"), [true, false, true, false], "{width}x{height}");
    }
}

#[test]
fn a_trade_that_ends_flashes_where_it_has_gone_to() {
    let mut desk = desk(118, 30);
    desk.model.surroundings.motion = Motion::Full;
    let ended = || {
        let mut trade = World::busy().open[3].clone();
        (trade.status, trade.held_qty) = (TradeStatus::Closed, 0);
        trade.close = closed_trades().remove(0).close;
        trade
    };
    desk.push(Event::Trade(Box::new(ended())));
    assert_eq!(flashes(&mut desk, "2 History 4"), [true, false, true, false]);
    let mut there = self::desk(118, 30);
    there.model.surroundings.motion = Motion::Full;
    there.keys("2");
    there.push(Event::Trade(Box::new(ended())));
    assert_eq!(flashes(&mut there, "TSLA"), [true, false, true, false]);
}

#[test]
fn prices_steps_and_loads_make_nothing_flash_and_nothing_does_where_nothing_may_move() {
    let mut desk = desk(118, 30);
    desk.model.surroundings.motion = Motion::Full;
    let mut ticked = desk.world.open[0].clone();
    (ticked.current_price, ticked.unrealized_pnl) = ("5.95".parse().ok(), None);
    desk.push(Event::Trade(Box::new(ticked)));
    desk.world.open[0].version = 9;
    desk.keys("r");
    assert!(!is_lit(&desk, "AAPL"));
    let mut still = self::desk(118, 30);
    let mut moved = still.world.open[0].clone();
    moved.version = 8;
    still.push(Event::Trade(Box::new(moved)));
    assert!(!is_lit(&still, "AAPL"), "a client whose motion is off");
}

/// What is asked for and taken is seen on the row twice: while it is asked, and when it is confirmed.
#[test]
fn an_opened_row_tells_the_order_of_its_bracket_and_how_often_it_was_moved() {
    for (width, height) in [(118, 40), (80, 50), (44, 60)] {
        let mut desk = desk(width, height);
        desk.keys("j enter");
        let screen = desk.screen();
        assert!(screen.contains("Order #88140 works") && screen.contains("Adjusted 1×"), "{screen}");
        assert!(!screen.contains("#88121 "), "only the newest is its order: {screen}");
        insta::assert_snapshot!(format!("opened_{width}x{height}"), screen);
    }
    let mut unadjusted = desk(118, 40);
    unadjusted.holds = |call| {
        matches!(call, blotter_tui::client::calls::Call::Order(blotter_tui::client::orders::OrderCall::Timeline(_)))
    };
    unadjusted.keys("j enter");
    assert!(!unadjusted.screen().contains("Adjusted"), "nothing is said before it is told");
}

/// The story fills what the other rows leave of the screen, the newest last, and they all stay on it.
#[test]
fn an_opened_row_tells_as_much_of_its_story_as_fits() {
    let told = |height: u16| {
        let mut desk = desk(118, height);
        desk.keys("j enter");
        let screen = desk.screen();
        for symbol in ["AAPL", "NVDA", "SPY", "TSLA", "AMD"] {
            assert!(height < 30 || screen.contains(symbol), "{symbol} at {height}:\n{screen}");
        }
        let ends = screen.contains("works as order 88140, 0 executed");
        assert!(height < 30 || ends, "the newest is there at {height}:\n{screen}");
        ["13:40:", "13:52:"].map(|minute| screen.matches(minute).count()).iter().sum::<usize>()
    };
    let counts: Vec<usize> = (20..=44).map(told).collect();
    assert!(counts.is_sorted() && counts[0] < 4, "{counts:?}");
    assert_eq!(counts.last(), Some(&9), "all of it: {counts:?}");
}

#[test]
fn no_figure_of_a_story_is_cut() {
    for width in 40..=130 {
        let mut desk = desk(width, 100);
        desk.keys("j enter");
        let screen = desk.screen();
        let rows = || screen.lines().filter(|line| line.trim_start().starts_with('│'));
        assert!(!rows().any(|line| line.contains('…')), "{width}:\n{screen}");
        for figure in ["2.50", "8.00", "4.50", "88121", "88140,"] {
            let is_whole = rows().flat_map(|line| line.split([' ', ')'])).any(|word| word == figure);
            assert!(is_whole, "{figure} at {width}:\n{screen}");
        }
    }
}

#[test]
fn a_phone_shows_the_calendar_of_days_when_it_fits() {
    for (height, fits) in [(60, true), (30, true), (24, false)] {
        let mut desk = desk(44, height);
        desk.keys("3 p");
        let screen = desk.screen();
        assert_eq!(screen.contains("Daily P&L"), fits, "{height}:\n{screen}");
        for weekday in ["Mon", "Tue", "Wed", "Thu", "Fri"] {
            let row = screen.lines().find(|line| line.trim_start().starts_with(weekday));
            assert_eq!(row.is_some_and(|row| row.contains(['+', '-'])), fits, "{weekday} {height}:\n{screen}");
        }
        assert!(!fits || screen.contains("Equity"), "{screen}");
        assert!(screen.contains("GROUP"), "and the breakdown: {screen}");
    }
}
