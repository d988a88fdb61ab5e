//! The drawing floor: the least that a ratatui table can cost. No runtime, no network, no theme.
//! `make bench` compares the client's start, keys, redraws and idling with this program in the same run.
//! `f` shows other rows, so that every cell is drawn anew; with `tick` for an argument a third of the rows
//! has new figures each second.

use std::io;

use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, poll, read};
use ratatui::layout::Constraint;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Row, Table, TableState};

const ROWS: usize = 35;
const SECOND: Duration = Duration::from_secs(1);

fn main() -> io::Result<()> {
    let mut terminal = ratatui::init();
    let result = run(&mut terminal);
    ratatui::restore();
    result
}

fn run(terminal: &mut ratatui::DefaultTerminal) -> io::Result<()> {
    let mut state = TableState::default().with_selected(0);
    let ticks = std::env::args().nth(1).is_some_and(|argument| argument == "tick");
    let (mut tick, mut next, mut other) = (0, Instant::now() + SECOND, 0);
    loop {
        terminal.draw(|frame| frame.render_stateful_widget(table(tick, other), frame.area(), &mut state))?;
        if ticks && !poll(next.saturating_duration_since(Instant::now()))? {
            (tick, next) = (tick + 1, next + SECOND);
            continue;
        }
        if let Event::Key(key) = read()? {
            if key.code == KeyCode::Char('j') {
                state.select_next();
            } else if key.code == KeyCode::Char('k') {
                state.select_previous();
            } else if key.code == KeyCode::Char('f') {
                other = 1 - other;
            } else if key.code == KeyCode::Char('q') {
                return Ok(());
            }
        }
    }
}

/// The figures that a row of the client shows, with a rail of fifteen cells.
fn table(tick: usize, other: usize) -> Table<'static> {
    let rows = (0..ROWS).map(|i| {
        let cents = 535 + if i % 3 == 0 { tick * 7 % 100 } else { 0 };
        let mark = (cents - 300) * 14 / 500;
        let rail: String = (0..15).map(|cell| if cell == mark { '●' } else { '─' }).collect();
        Row::new([
            format!("SYM{}", i + other * 1000),
            format!("{} 20 '26 {} C", if other == 0 { "Mar" } else { "Dec" }, 100 + i + other * 333),
            (2 + other).to_string(),
            format!("{}.50", (i + other) % 9),
            format!("{}.{:02}", cents / 100, cents % 100),
            format!("▲ +{}.00", (cents - 450) * 2),
            format!("+{}.{} %", (cents - 450) * 10 / 45, (cents - 450) * 100 / 45 % 10),
            format!("3.00 {rail} 8.00"),
            if other == 0 { "FILLED" } else { "CLOSING" }.to_owned(),
        ])
    });
    let widths = [8, 18, 4, 8, 8, 12, 9, 26, 10].map(Constraint::Length);
    Table::new(rows, widths)
        .header(Row::new(["SYMBOL", "CONTRACT", "QTY", "ENTRY", "MARK", "P&L $", "P&L %", "BRACKET", "STATE"]))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
}
