//! The drawing floor: the least that a ratatui table can cost. No runtime, no network, no theme.
//! `make bench` compares the client's start, keys and idling with this program in the same run.

use std::io;

use crossterm::event::{Event, KeyCode, read};
use ratatui::layout::Constraint;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Row, Table, TableState};

const ROWS: usize = 35;

fn main() -> io::Result<()> {
    let mut terminal = ratatui::init();
    let result = run(&mut terminal);
    ratatui::restore();
    result
}

fn run(terminal: &mut ratatui::DefaultTerminal) -> io::Result<()> {
    let mut state = TableState::default().with_selected(0);
    loop {
        terminal.draw(|frame| frame.render_stateful_widget(table(), frame.area(), &mut state))?;
        if let Event::Key(key) = read()? {
            if key.code == KeyCode::Char('j') {
                state.select_next();
            } else if key.code == KeyCode::Char('k') {
                state.select_previous();
            } else if key.code == KeyCode::Char('q') {
                return Ok(());
            }
        }
    }
}

fn table() -> Table<'static> {
    let rows = (0..ROWS).map(|i| {
        Row::new([
            format!("SYM{i}"),
            format!("Mar 20 '26 {} C", 100 + i),
            "2".to_owned(),
            format!("{}.50", i % 9),
            format!("{}.35", i % 9),
            "FILLED".to_owned(),
        ])
    });
    let widths = [8, 18, 4, 8, 8, 10].map(Constraint::Length);
    Table::new(rows, widths)
        .header(Row::new(["SYMBOL", "CONTRACT", "QTY", "ENTRY", "MARK", "STATE"]))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
}
