//! The lease of an account. Read with `clock_timestamp()`: the time of a transaction stands still.

use std::time::Duration;

use uuid::Uuid;

use super::super::{DbError, UserTx};
use super::AccountKey;

/// Who asks for a lease: a run of the program, on a host of which it alone is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    pub process: Uuid,
    pub host: Uuid,
}

/// What asking for the lease brought, with its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseRow {
    Renewed(i64),
    /// It was free: new, or given back.
    Taken(i64),
    /// The holder before let it run out, or is known to be dead.
    TakenOver(i64),
    Held,
}

const FIRST: &str = "
    INSERT INTO leases (username, account_id, holder, epoch, expires_at, host, host_of)
    VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5), $6, $3)
    ON CONFLICT (username, account_id) DO NOTHING";

const LOOK: &str = "
    SELECT holder, epoch, released, expires_at > clock_timestamp() AS lasts, host_of = holder AND host = $3 AS is_here
      FROM leases WHERE username = $1 AND account_id = $2 FOR UPDATE";

const TAKE: &str = "
    UPDATE leases SET holder = $3, epoch = $4, released = false,
                      expires_at = clock_timestamp() + make_interval(secs => $5), host = $6, host_of = $3
     WHERE username = $1 AND account_id = $2";

const RENEW: &str = "
    UPDATE leases SET expires_at = clock_timestamp() + make_interval(secs => $5)
     WHERE username = $1 AND account_id = $2 AND holder = $3 AND epoch = $4 AND NOT released
       AND expires_at > clock_timestamp()";

const RELEASE: &str = "
    UPDATE leases SET released = true WHERE username = $1 AND account_id = $2 AND holder = $3 AND epoch = $4";

/// Takes the lease when it is free, or renews it. New epochs begin above `base`.
///
/// # Errors
/// When the database does not answer.
pub async fn lease_take(
    tx: &UserTx,
    account: &AccountKey,
    LeaseHolder { process: holder, host }: LeaseHolder,
    ttl: Duration,
    base: i64,
) -> Result<LeaseRow, DbError> {
    let (name, seconds) = (account.name(), ttl.as_secs_f64());
    let first = base + 1;
    if tx.session().execute(FIRST, &[&tx.user(), &name, &holder, &first, &seconds, &host]).await? == 1 {
        return Ok(LeaseRow::Taken(first));
    }
    let row = tx.session().query_one(LOOK, &[&tx.user(), &name, &host]).await?;
    let (owner, epoch): (Uuid, i64) = (row.try_get("holder")?, row.try_get("epoch")?);
    let (released, lasts): (bool, bool) = (row.try_get("released")?, row.try_get("lasts")?);
    // Absent when an older program has it, which says no host.
    let is_here = row.try_get::<_, Option<bool>>("is_here")? == Some(true);
    // On this host only the one who asks is alive.
    let alive = lasts && !is_here;
    let next = epoch.max(base) + 1;
    let (epoch, answer) = match (owner == holder && !released, released, alive) {
        // Also when it ran out: nobody else took it in between. An epoch below the base is given up
        // by its holder, too: it may have been given out before, in what a backup does not know.
        (true, _, _) if epoch > base => (epoch, LeaseRow::Renewed(epoch)),
        (true, _, _) => (next, LeaseRow::Renewed(next)),
        (false, true, _) => (next, LeaseRow::Taken(next)),
        (false, false, false) => (next, LeaseRow::TakenOver(next)),
        (false, false, true) => return Ok(LeaseRow::Held),
    };
    tx.session().execute(TAKE, &[&tx.user(), &name, &holder, &epoch, &seconds, &host]).await?;
    Ok(answer)
}

/// Makes sure that a renewal goes out before whatever is sent together with it.
///
/// # Errors
/// When the database does not answer.
pub async fn lease_ready(tx: &UserTx) -> Result<(), DbError> {
    tx.session().ready(&[RENEW]).await
}

/// Extends the lease from now; `false` when it is not this holder's any more. The row stays locked
/// until the transaction ends.
///
/// # Errors
/// When the database does not answer.
pub async fn lease_renew(
    tx: &UserTx,
    account: &AccountKey,
    holder: Uuid,
    epoch: i64,
    ttl: Duration,
) -> Result<bool, DbError> {
    let params: super::super::session::Params<'_> = &[&tx.user(), &account.name(), &holder, &epoch, &ttl.as_secs_f64()];
    Ok(tx.session().execute(RENEW, params).await? == 1)
}

/// Gives the lease back: its successor need not stay quiet first.
///
/// # Errors
/// When the database does not answer.
pub async fn lease_release(tx: &UserTx, account: &AccountKey, holder: Uuid, epoch: i64) -> Result<(), DbError> {
    tx.session().execute(RELEASE, &[&tx.user(), &account.name(), &holder, &epoch]).await?;
    Ok(())
}
