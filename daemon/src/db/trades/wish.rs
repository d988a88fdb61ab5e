//! Something else is wanted of a trade, said by a device: the wish, what the screens show of it, the change feed, the
//! word to other daemons and the line in the audit log go out together, and the trade comes back as it is then.

use blotter_shared::domain::{BrokerMode, TradeId};
use blotter_shared::protocol::trades::Trade;
use uuid::Uuid;

use super::trade_of;
use crate::db::audit::{self, AuditEntry, audit_append};
use crate::db::changes::{self, Changed, change_append};
use crate::db::engine::{WISH_FACTS, WishRow, wish_facts_put};
use crate::db::session::Params;
use crate::db::work::{TELL, work_tell};
use crate::db::{DbError, UserTx, both};

/// What a device says, and what follows from it.
#[derive(Clone, Debug)]
pub struct WishSaid<'a> {
    pub trade: TradeId,
    /// Version and desired state of the wish whose place this takes.
    pub was: (i64, &'a str),
    pub wish: &'a WishRow,
    pub step: Option<&'a str>,
    pub overrides: Overrides,
    /// Whose loop has work, and which process says so.
    pub work: (BrokerMode, Uuid),
    pub audit: AuditEntry<'a>,
}

/// Whether a person interferes with what was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overrides {
    Plan,
    Nothing,
}

const SAY: &str = concat!(
    "UPDATE paper_trades SET version = $3, desired = $4, desired_qty = $5, sl_price = $6, tp_price = $7, close_limit = $8,
                             close_at_open = $9, updated_at = $10, step = $11, override_count = override_count + $12
      WHERE username = $1 AND id = $2 AND version = $13 AND desired = $14 RETURNING ",
    columns!()
);

/// Writes it on a trade that this transaction has locked and that is not at its end. `None` when the wish is another
/// one by now: then nothing of the transaction may be kept.
///
/// # Errors
/// [`DbError::Refused`] when a rule of the table says no.
pub async fn wish_say(tx: &UserTx, said: &WishSaid<'_>) -> Result<Option<Trade>, DbError> {
    let WishSaid { trade, wish, work: (mode, by), .. } = said;
    // In this order: the trade, its facts, and the feed's lock last.
    tx.session().ready(&[SAY, WISH_FACTS, changes::APPEND, audit::APPEND, TELL]).await?;
    let noted = both(audit_append(tx, &said.audit), work_tell(tx, *mode, *by));
    let noted = both(change_append(tx, Changed::Trade(*trade)), noted);
    let (told, _) = both(say(tx, said), both(wish_facts_put(tx, trade.0, &wish.facts), noted)).await?;
    Ok(told)
}

async fn say(tx: &UserTx, said: &WishSaid<'_>) -> Result<Option<Trade>, DbError> {
    let (wish, (version, desired)) = (said.wish, said.was);
    let overrides = match said.overrides {
        Overrides::Plan => 1_i32,
        Overrides::Nothing => 0,
    };
    let params: Params<'_> = &[
        &tx.user(),
        &said.trade.0,
        &wish.version,
        &wish.desired,
        &wish.keep,
        &wish.stop,
        &wish.target,
        &wish.limit,
        &wish.at_open,
        &tx.now(),
        &said.step,
        &overrides,
        &version,
        &desired,
    ];
    tx.session().query_opt(SAY, params).await?.as_ref().map(trade_of).transpose()
}
