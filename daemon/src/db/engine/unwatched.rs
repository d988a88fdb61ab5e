//! Accounts with live trades that no daemon has the lease of.

use blotter_shared::domain::AlarmKind;

use super::super::cells::Cells;
use super::super::{DbError, UserTx};
use super::AccountKey;

const UNWATCHED: &str = "
    SELECT DISTINCT broker_mode, account_id FROM paper_trades t
     WHERE username = $1 AND status IN ('PENDING', 'OPEN', 'PARTIAL', 'FILLED', 'CLOSING')
       AND NOT EXISTS (SELECT FROM leases l
                        WHERE l.username = $1 AND l.account_id = t.broker_mode || ':' || t.account_id AND NOT l.released
                          AND l.expires_at > clock_timestamp())";

const SUBJECTS: &str = "
    SELECT subject FROM alarms WHERE username = $1 AND kind = $2 AND trade_id IS NULL AND cleared_at IS NULL";

/// The user's accounts that have live trades and of which no daemon has the lease.
///
/// # Errors
/// When the database does not answer.
pub async fn unwatched_accounts(tx: &UserTx) -> Result<Vec<AccountKey>, DbError> {
    let rows = tx.session().query(UNWATCHED, &[&tx.user()]).await?;
    let accounts = rows.iter().map(|row| {
        let mut cells = Cells::of(row);
        Ok(AccountKey { mode: cells.parsed("broker_mode", "a broker mode")?, number: cells.next("account_id")? })
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
