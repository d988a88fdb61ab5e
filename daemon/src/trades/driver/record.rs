//! Recording what a cut taught: all of it at once, and trade by trade when the whole is refused. One
//! trade that cannot be stored must not keep the others from their brackets.

use std::collections::BTreeMap;

use blotter_shared::domain::{AlarmKind, Severity, TradeId};

use super::super::facts::fold::View;
use super::super::facts::{AlarmChange, Book, Change};
use super::super::ports::{BrokerPort, Clock, CommitError, Sessions, Store};
use super::super::tag::Epoch;
use super::Engine;

impl<S: Store, B: BrokerPort, C: Clock, T: Sessions> Engine<S, B, C, T> {
    /// Makes the changes durable. A trade whose changes are refused loses its view: nothing is decided
    /// about it in this pass, and a person is told.
    pub(super) async fn record(
        &mut self,
        epoch: Epoch,
        changes: Vec<Change>,
        book: &Book,
        views: &mut BTreeMap<TradeId, View>,
    ) -> Result<(), CommitError> {
        match self.commit(epoch, &changes).await {
            Err(CommitError::Illegal(_) | CommitError::Overtaken(_)) => {}
            answer @ (Ok(()) | Err(CommitError::LeaseLost | CommitError::Unknown(_) | CommitError::Unavailable(_))) => {
                return answer;
            }
        }
        for (trade, part) in by_trade(changes) {
            match (self.commit(epoch, &part).await, trade) {
                (Ok(()), _) => {}
                (Err(CommitError::Overtaken(_)), Some(id)) if wishes(&part) => {
                    // A command came first; the next pass sees what it asked for.
                    views.remove(&id);
                }
                (Err(CommitError::Illegal(why) | CommitError::Overtaken(why)), Some(id)) => {
                    views.remove(&id);
                    let known = !part.iter().any(|change| matches!(change, Change::Begin(_)));
                    let alarm = self.cannot_record(book, id, &why).about(known.then_some(id));
                    self.commit(epoch, &[Change::Alarm(alarm)]).await?;
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok(())
    }

    fn cannot_record(&self, book: &Book, id: TradeId, why: &str) -> AlarmChange {
        let name = book.trades.get(&id).map_or("a trade", |trade| trade.spec.symbol.as_str());
        AlarmChange::Raise {
            kind: AlarmKind::NeedsPerson,
            trade: Some(id),
            severity: Severity::Page,
            message: format!(
                "what the broker shows of {name} cannot be recorded ({why}): look at the account yourself"
            ),
            at: self.ports.clock.now(),
        }
    }
}

/// The changes of each trade together, in their order; those of the account first, alarms with their
/// trade and last.
fn by_trade(changes: Vec<Change>) -> BTreeMap<Option<TradeId>, Vec<Change>> {
    let mut parts: BTreeMap<Option<TradeId>, Vec<Change>> = BTreeMap::new();
    for change in changes {
        parts.entry(change.trade()).or_default().push(change);
    }
    parts
}

fn wishes(part: &[Change]) -> bool {
    part.iter().any(|change| matches!(change, Change::Wish { .. }))
}
