//! Trades as lists show them.

use blotter_shared::domain::TradeId;
use blotter_shared::protocol::trades::{Trade, TradeList, TradeQuery};

use super::{DbError, UserTx};

/// A page of the book: open trades oldest first and all at once unless a limit is given, closed
/// ones newest first.
///
/// # Errors
/// [`DbError::Invalid`] for a cursor that is not ours or a limit out of bounds.
pub async fn trade_list(_tx: &UserTx, _query: &TradeQuery) -> Result<TradeList, DbError> {
    Err(DbError::unavailable("the database is not connected"))
}

/// One trade; [`DbError::NotFound`] also when it is somebody else's.
///
/// # Errors
/// When there is none, or the database does not answer.
pub async fn trade_get(_tx: &UserTx, _id: TradeId) -> Result<Trade, DbError> {
    Err(DbError::NotFound)
}
