//! Replacing the installation's key, user by user, while everything goes on.
//!
//! What is done is told by the rows themselves: a row names the version of its key. So there is no
//! progress to keep, the run may be stopped anywhere and started again, and two runs at once do no
//! harm, because a row is replaced only if it is still the one that was read. The old key may go
//! when a [`Census`] counts none of its rows any more.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use thiserror::Error;

use super::{Place, Sealed, SealedError, Vault, VaultError};

/// One sealed secret in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRow {
    pub place: Place,
    pub bytes: Vec<u8>,
}

/// Why rows could not be read or replaced.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the sealed secrets cannot be reached: {0}")]
pub struct StoreError(pub String);

/// The sealed secrets of all users, as rotation needs them.
pub trait SecretStore: Send + Sync {
    /// Users who have a sealed secret, in a fixed order.
    fn users(&self) -> BoxFuture<'_, Result<Vec<crate::auth::Username>, StoreError>>;

    /// The sealed secrets of one user.
    fn rows<'a>(&'a self, user: &'a crate::auth::Username) -> BoxFuture<'a, Result<Vec<SealedRow>, StoreError>>;

    /// Puts `new` where `old` is, if it still is; says whether it was.
    fn replace<'a>(&'a self, old: &'a SealedRow, new: Vec<u8>) -> BoxFuture<'a, Result<bool, StoreError>>;
}

/// Why a rotation stopped. It may be started again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RotateError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many rows each version of the key still seals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub by_version: BTreeMap<u32, u64>,
    /// Rows that are no sealed secret.
    pub unreadable: u64,
}

impl Census {
    pub fn count(&mut self, bytes: &[u8]) {
        match Sealed::from_bytes(bytes) {
            Ok(sealed) => *self.by_version.entry(sealed.key_version()).or_default() += 1,
            Err(SealedError::Shape | SealedError::Format(_)) => self.unreadable += 1,
        }
    }

    /// Whether `version` seals nothing any more, and nothing is unreadable that might need it.
    #[must_use]
    pub fn may_destroy(&self, version: u32) -> bool {
        self.unreadable == 0 && self.by_version.get(&version).copied().unwrap_or(0) == 0
    }
}

/// What one run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub rewrapped: u64,
    pub already_new: u64,
    /// Changed by somebody else meanwhile: their row is under the newest key or met next time.
    pub changed_meanwhile: u64,
    /// Left as they are, each with the reason. The run goes on without them.
    pub failed: Vec<(Place, String)>,
    /// The state after the run.
    pub census: Census,
}

/// Wraps every secret of every user under the newest key.
///
/// # Errors
/// When the rows cannot be reached. What was done stays done.
pub async fn rotate(vault: &Vault, store: &dyn SecretStore) -> Result<Progress, RotateError> {
    let mut progress = Progress::default();
    for user in store.users().await? {
        for row in store.rows(&user).await? {
            step(vault, store, &row, &mut progress).await?;
        }
        for row in store.rows(&user).await? {
            progress.census.count(&row.bytes);
        }
    }
    Ok(progress)
}

async fn step(
    vault: &Vault,
    store: &dyn SecretStore,
    row: &SealedRow,
    progress: &mut Progress,
) -> Result<(), RotateError> {
    let new = match plan(vault, row) {
        Ok(Some(new)) => new,
        Ok(None) => {
            progress.already_new += 1;
            return Ok(());
        }
        Err(why) => {
            progress.failed.push((row.place.clone(), why));
            return Ok(());
        }
    };
    match store.replace(row, new).await? {
        true => progress.rewrapped += 1,
        false => progress.changed_meanwhile += 1,
    }
    Ok(())
}

/// What to put in place of a row; nothing when it is under the newest key already.
fn plan(vault: &Vault, row: &SealedRow) -> Result<Option<Vec<u8>>, String> {
    let sealed = Sealed::from_bytes(&row.bytes).map_err(|error| error.to_string())?;
    if sealed.key_version() == vault.keys().newest() {
        return Ok(None);
    }
    let new = vault.rewrap(&row.place, &sealed).map_err(|error: VaultError| error.to_string())?;
    Ok(Some(new.to_bytes()))
}
