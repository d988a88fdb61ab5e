//! Which installation this database belongs to.

use uuid::Uuid;

use super::tx::new_id;
use super::{DbError, SystemTx, UserTx};

/// The identity of this database towards the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installation {
    /// In every order tag.
    pub id: Uuid,
    /// Lease epochs begin above it; a restored backup raises it.
    pub epoch_base: i64,
}

/// The installation's row, made at the first look.
///
/// # Errors
/// When the database does not answer.
pub async fn installation_ensure(tx: &SystemTx) -> Result<Installation, DbError> {
    let session = tx.session();
    let insert = "INSERT INTO installation (id, created_at) VALUES ($1, $2) ON CONFLICT (only_one) DO NOTHING";
    session.execute(insert, &[&new_id(tx.now()), &tx.now()]).await?;
    let row = session.query_one("SELECT id, epoch_base FROM installation", &[]).await?;
    Ok(Installation { id: row.try_get("id")?, epoch_base: row.try_get("epoch_base")? })
}

/// What lease epochs begin above, now.
///
/// # Errors
/// When the database does not answer.
pub async fn epoch_base(tx: &UserTx) -> Result<i64, DbError> {
    let row = tx.session().query_opt("SELECT epoch_base FROM installation", &[]).await?;
    Ok(row.map(|row| row.try_get("epoch_base")).transpose()?.unwrap_or_default())
}

/// Lease epochs begin above this from the commit on; it never shrinks.
///
/// # Errors
/// When the database does not answer.
pub async fn epochs_begin_above(tx: &UserTx, base: i64) -> Result<(), DbError> {
    tx.session().query("SELECT epochs_begin_above($1)", &[&base]).await?;
    Ok(())
}
