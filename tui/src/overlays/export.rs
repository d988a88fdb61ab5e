//! The choice before an export: what is written, and how.

use blotter_shared::protocol::trades::{Book, ExportFormat, ExportQuery};
use ratatui::layout::Rect;

use crate::input::keymap::Action;
use crate::model::Model;
use crate::panes::Pane;
use crate::panes::history::model::filter_name;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, Target, centred, line};
use crate::widgets::text;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportDialog {
    pub query: ExportQuery,
    /// What is written, in words.
    pub words: String,
}

impl ExportDialog {
    /// What the pane shows: its filter, search, order and mode.
    #[must_use]
    pub fn of(model: &Model) -> Option<Self> {
        let format = Some(ExportFormat::Csv);
        match model.pane {
            Pane::Performance => None,
            Pane::Open => {
                let search = model.open.list.search.text().to_owned();
                let q = (!search.is_empty()).then_some(search);
                let words = format!("Open trades{}", found(q.as_deref()));
                Some(Self {
                    query: ExportQuery { format, status: Some(Book::Open), q, ..ExportQuery::default() },
                    words,
                })
            }
            Pane::History => {
                let list = model.history.query();
                let totals = list.totals();
                let (count, is_exact) = model.history.count();
                let words = format!(
                    "{count}{} closed trades: {}{}{}",
                    if is_exact { "" } else { " or more" },
                    filter_name(totals.outcome),
                    found(totals.q.as_deref()),
                    totals.mode.map(|mode| format!(", {mode}")).unwrap_or_default()
                );
                let (sort, order) = list.sorted.unzip();
                let query = ExportQuery {
                    format,
                    status: Some(Book::Closed),
                    outcome: totals.outcome,
                    q: totals.q,
                    mode: totals.mode,
                    sort,
                    order,
                };
                Some(Self { query, words })
            }
        }
    }

    fn format(&self) -> ExportFormat {
        self.query.format.unwrap_or(ExportFormat::Csv)
    }

    /// The other format.
    pub fn turn(&mut self) {
        self.query.format = Some(match self.format() {
            ExportFormat::Csv => ExportFormat::Json,
            ExportFormat::Json => ExportFormat::Csv,
        });
    }

    pub fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let area = centred(area, 60, 7);
        canvas.frame(area, "Export", "Tab choose · ↵ write · Esc back");
        let row = |row: u16| {
            let row = line(area, row);
            Rect { x: row.x + 2, width: row.width.saturating_sub(4), ..row }
        };
        canvas.put(row(1), 0, &text::cut(&text::clean(&self.words), row(1).width), Role::Text);
        canvas.put(row(2), 0, &text::cut("into a new file in your home folder", row(2).width), Role::Muted);
        let mut x = 0;
        for format in ExportFormat::ALL {
            let is_chosen = *format == self.format();
            let name = format.as_str().to_uppercase();
            let words = if is_chosen { format!("[ {name} ]") } else { format!("  {name}  ") };
            let role = if is_chosen { Role::ButtonFocus } else { Role::Button };
            let place = Rect { x: row(4).x + x, width: text::width(&words), ..row(4) };
            canvas.target(place, Target::Act(if is_chosen { Action::Confirm } else { Action::NextChoice }));
            x = canvas.put(row(4), x, &words, role) + 2;
        }
    }
}

fn found(q: Option<&str>) -> String {
    q.map(|q| format!(", find: {q}")).unwrap_or_default()
}
