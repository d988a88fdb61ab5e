//! What survives a restart: when calls were made. Without it, a daemon that crashes in a loop
//! would start each time with a full allowance.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use thiserror::Error;

use super::{BucketKind, SavedBucket};
use crate::broker::world::Fingerprint;

/// Why a budget could not be kept or found.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the rate budget cannot be kept: {0}")]
pub struct StoreError(pub String);

/// Keeps what buckets must not forget. A failure is shown and does not stop a call.
pub trait BudgetStore: Send + Sync + std::fmt::Debug {
    /// What was kept; empty when nothing was.
    fn load<'a>(&'a self, token: &'a Fingerprint, kind: BucketKind) -> BoxFuture<'a, Result<SavedBucket, StoreError>>;

    fn save<'a>(
        &'a self,
        token: &'a Fingerprint,
        kind: BucketKind,
        saved: &'a SavedBucket,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Keeps nothing: for sources that do not count strictly.
#[derive(Clone, Copy, Debug)]
pub struct NoStore;

impl BudgetStore for NoStore {
    fn load<'a>(&'a self, _: &'a Fingerprint, _: BucketKind) -> BoxFuture<'a, Result<SavedBucket, StoreError>> {
        std::future::ready(Ok(SavedBucket::default())).boxed()
    }

    fn save<'a>(
        &'a self,
        _: &'a Fingerprint,
        _: BucketKind,
        _: &'a SavedBucket,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        std::future::ready(Ok(())).boxed()
    }
}

/// Keeps budgets as long as it lives: one process, several limiters.
#[derive(Debug, Default)]
pub struct MemoryStore {
    saved: Mutex<HashMap<(Fingerprint, BucketKind), SavedBucket>>,
}

impl BudgetStore for MemoryStore {
    fn load<'a>(&'a self, token: &'a Fingerprint, kind: BucketKind) -> BoxFuture<'a, Result<SavedBucket, StoreError>> {
        let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        std::future::ready(Ok(saved.get(&(token.clone(), kind)).cloned().unwrap_or_default())).boxed()
    }

    fn save<'a>(
        &'a self,
        token: &'a Fingerprint,
        kind: BucketKind,
        budget: &'a SavedBucket,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        saved.insert((token.clone(), kind), budget.clone());
        std::future::ready(Ok(())).boxed()
    }
}

/// Keeps each bucket in a small file of its own. A file is replaced, never rewritten, so that a
/// crash leaves the old one or the new one. It is not flushed to the disk: after a power cut the
/// minute is over before the machine is up.
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: PathBuf,
}

impl FileStore {
    /// `folder` must exist and belong to the daemon.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, token: &Fingerprint, kind: BucketKind) -> PathBuf {
        self.folder.join(format!("rate-{}-{}.json", token.as_str(), kind.as_str()))
    }

    async fn read(&self, token: &Fingerprint, kind: BucketKind) -> Result<SavedBucket, StoreError> {
        let bytes = match tokio::fs::read(self.path(token, kind)).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(SavedBucket::default()),
            Err(error) => return Err(StoreError(error.to_string())),
        };
        serde_json::from_slice(&bytes).map_err(|error| StoreError(error.to_string()))
    }

    async fn write(&self, token: &Fingerprint, kind: BucketKind, saved: &SavedBucket) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(saved).map_err(|error| StoreError(error.to_string()))?;
        let path = self.path(token, kind);
        let new = path.with_extension("new");
        let written = async {
            tokio::fs::write(&new, bytes).await?;
            tokio::fs::rename(&new, &path).await
        };
        written.await.map_err(|error| StoreError(error.to_string()))
    }
}

impl BudgetStore for FileStore {
    fn load<'a>(&'a self, token: &'a Fingerprint, kind: BucketKind) -> BoxFuture<'a, Result<SavedBucket, StoreError>> {
        self.read(token, kind).boxed()
    }

    fn save<'a>(
        &'a self,
        token: &'a Fingerprint,
        kind: BucketKind,
        saved: &'a SavedBucket,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.write(token, kind, saved).boxed()
    }
}
