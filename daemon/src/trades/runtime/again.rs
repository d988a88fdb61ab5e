//! What a pass over a quiet book writes: that each trade was seen again. With ten thousand positions that is all that
//! happens, four times a minute, so it is written for all of them at once.

use std::collections::{BTreeMap, BTreeSet};

use blotter_shared::domain::TradeId;
use uuid::Uuid;

use super::super::facts::{Change, Marks};
use super::store::{json, parsed};
use crate::db::changes::changes_append;
use crate::db::engine::{SeenAgain, marks_of, seen_again_put};
use crate::db::{DbError, UserTx};

/// Writes of `changes` what only says that a trade was seen again; tells of which trades that was.
pub(super) async fn write(tx: &UserTx, changes: &[Change]) -> Result<BTreeSet<TradeId>, DbError> {
    let candidates = only_marks(changes);
    if candidates.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: Vec<Uuid> = candidates.keys().map(|trade| trade.0).collect();
    let mut rows = Vec::new();
    for (id, stored) in marks_of(tx, &ids).await? {
        let before: Marks = parsed(stored, "trade_facts.marks")?;
        let Some(now) = candidates.get(&TradeId(id)) else { continue };
        let as_before = Marks { verified_at: before.verified_at, ..(*now).clone() };
        if let Some(verified_at) = now.verified_at.filter(|_| as_before == before) {
            rows.push(SeenAgain { trade: id, verified_at, marks: json(now)? });
        }
    }
    seen_again_put(tx, &rows).await?;
    Ok(rows.into_iter().map(|row| TradeId(row.trade)).collect())
}

/// Tells of them in the feed. Its lock comes last: who holds it waits for no trade.
pub(super) async fn tell(tx: &UserTx, trades: &BTreeSet<TradeId>) -> Result<(), DbError> {
    let ids: Vec<Uuid> = trades.iter().map(|trade| trade.0).collect();
    changes_append(tx, &ids).await
}

/// Trades of which nothing is written but their marks, once.
fn only_marks(changes: &[Change]) -> BTreeMap<TradeId, &Marks> {
    let (mut marks, mut more) = (BTreeMap::new(), BTreeSet::new());
    for change in changes {
        match (change, change.trade()) {
            (Change::Marks { trade, becomes }, _) => {
                if marks.insert(*trade, &**becomes).is_some() {
                    more.insert(*trade);
                }
            }
            // An alarm about a trade has a table of its own.
            (Change::Alarm(_), _) | (_, None) => {}
            (_, Some(trade)) => {
                more.insert(trade);
            }
        }
    }
    marks.retain(|trade, _| !more.contains(trade));
    marks
}
