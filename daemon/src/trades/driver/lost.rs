//! Orders of ours that the database does not know: the sign of a backup that was brought back.

use std::collections::BTreeSet;

use super::super::facts::{Book, restore};
use super::super::ports::{BrokerPort, Clock, Sessions, Store};
use super::super::snapshot::Snapshot;
use super::{Engine, Unanswered};

impl<S: Store, B: BrokerPort, C: Clock, T: Sessions> Engine<S, B, C, T> {
    /// What the list shows under a tag of ours and no intent has, of whatever trade of whatever user.
    pub(super) async fn lost(&self, book: &Book, snapshot: &Snapshot) -> Result<BTreeSet<String>, Unanswered> {
        let strangers = restore::strangers(book, snapshot, self.settings.installation);
        if strangers.is_empty() {
            return Ok(strangers);
        }
        self.ports.store.lost(strangers).await.map_err(|_| Unanswered)
    }
}
