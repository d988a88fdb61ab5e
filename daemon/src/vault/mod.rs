//! Tokens at rest. A token is sealed with a key of its own, and that key is wrapped by the
//! installation's key, which never enters the database.
//!
//! Read `place` (where a secret belongs), `envelope` (how it is sealed), `key` (where the
//! installation's keys come from), `rotate` (how they are replaced), `store` (the rows).
//!
//! Invariants:
//! * A sealed value opens only at the place that it was sealed for: table, column, user, account,
//!   world. Copied anywhere else it is noise.
//! * One message per data key: each sealing makes a fresh key and fresh nonces from the operating
//!   system, so that neither a restored backup nor a cloned machine repeats one.
//! * A sealed value names the version of its key. That key opens it or nothing does; keys are
//!   never tried in turn.
//! * Plain secrets and keys are wiped when dropped. (The cipher's own expanded keys inside `ring`
//!   live for one call and are not wiped; the process forbids core dumps.)

mod envelope;
mod key;
mod place;
mod rotate;
mod store;

pub use envelope::{Opened, SEALED_MAGIC, Sealed, SealedError, VaultError};
pub use key::{KeyError, KeySource, Keyring, keygen};
pub use place::{Place, World};
pub use rotate::{Census, Progress, RotateError, SealedRow, SecretStore, StoreError, rotate};
pub use store::{DatabaseSecrets, place};

use secrecy::SecretString;

/// Seals and opens with the keys of this installation.
#[derive(Debug)]
pub struct Vault {
    keys: Keyring,
}

impl Vault {
    #[must_use]
    pub fn new(keys: Keyring) -> Self {
        Self { keys }
    }

    /// Seals a secret for one place, as its `version`th secret there.
    ///
    /// # Errors
    /// When the operating system gives no random numbers.
    pub fn seal(&self, place: &Place, version: u64, secret: &SecretString) -> Result<Sealed, VaultError> {
        envelope::seal(&self.keys, place, version, secret)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// When it was not, or was changed, or its key is not here.
    pub fn open(&self, place: &Place, sealed: &Sealed) -> Result<Opened, VaultError> {
        envelope::open(&self.keys, place, sealed)
    }

    /// The same secret under the newest key; the sealed secret itself does not change.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn rewrap(&self, place: &Place, sealed: &Sealed) -> Result<Sealed, VaultError> {
        envelope::rewrap(&self.keys, place, sealed)
    }

    #[must_use]
    pub fn keys(&self) -> &Keyring {
        &self.keys
    }
}
