//! The panes. Each folder has what it remembers (`model`), what it does (`update`, where it does
//! anything of its own) and how it looks (`view`).

pub mod brackets;
pub mod details;
pub mod empty;
pub mod history;
pub mod list;
pub mod open;
pub mod path;
pub mod performance;
pub mod settings;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pane {
    #[default]
    Open,
    History,
    Performance,
}

impl Pane {
    pub const ALL: &'static [Self] = &[Self::Open, Self::History, Self::Performance];

    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Open => Self::History,
            Self::History => Self::Performance,
            Self::Performance => Self::Open,
        }
    }

    #[must_use]
    pub fn previous(self) -> Self {
        self.next().next()
    }
}
