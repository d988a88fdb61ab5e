//! Which installation this database belongs to.

use uuid::Uuid;

use super::tx::new_id;
use super::{DbError, SystemTx};

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
