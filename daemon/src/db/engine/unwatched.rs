//! Which accounts have live trades, and whether any daemon has the lease of each.

use blotter_shared::domain::AlarmKind;

use super::super::cells::Cells;
use super::super::{DbError, UserTx};
use super::AccountKey;

/// An account with live trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveAccount {
    pub account: AccountKey,
    /// Some daemon has its lease now.
    pub is_owned: bool,
}

const LIVE: &str = "
    SELECT broker_mode, account_id,
           EXISTS (SELECT FROM leases
                    WHERE username = $1 AND leases.account_id = t.broker_mode || ':' || t.account_id AND NOT released
                      AND expires_at > clock_timestamp()) AS is_owned
      FROM (SELECT DISTINCT broker_mode, account_id FROM paper_trades
             WHERE username = $1 AND status IN ('PENDING', 'OPEN', 'PARTIAL', 'FILLED', 'CLOSING')) t";

const SUBJECTS: &str = "
    SELECT subject FROM alarms WHERE username = $1 AND kind = $2 AND trade_id IS NULL AND cleared_at IS NULL";

/// The user's accounts that have live trades.
///
/// # Errors
/// When the database does not answer.
pub async fn live_accounts(tx: &UserTx) -> Result<Vec<LiveAccount>, DbError> {
    let rows = tx.session().query(LIVE, &[&tx.user()]).await?;
    let accounts = rows.iter().map(|row| {
        let mut cells = Cells::of(row);
        let mode = cells.parsed("broker_mode", "a broker mode")?;
        let account = AccountKey { mode, number: cells.next("account_id")? };
        Ok(LiveAccount { account, is_owned: cells.next("is_owned")? })
    });
    accounts.collect()
}

/// The accounts about which an alarm of this kind is open.
///
/// # Errors
/// When the database does not answer.
pub async fn alarmed_accounts(tx: &UserTx, kind: AlarmKind) -> Result<Vec<String>, DbError> {
    let rows = tx.session().query(SUBJECTS, &[&tx.user(), &kind.as_str()]).await?;
    rows.iter().map(|row| Cells::of(row).next("subject")).collect()
}
