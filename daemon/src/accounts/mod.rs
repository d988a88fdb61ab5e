//! Every user's accounts at the broker: which sealed token opens which, and how each one is.
//!
//! Read `Accounts` (open, verify, store) and `watch` (the pass that looks at all of them).
//!
//! Invariants:
//! * A token is stored only after the broker has accepted it in the world that it is meant for.
//! * An open account is the one whose sealed token is in the database now: another token or account
//!   number opens anew.
//! * Plain tokens live inside an adapter and nowhere else.

mod report;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::settings::Settings;
use secrecy::SecretString;
use thiserror::Error;
use tokio::sync::Notify;

use crate::auth::Username;
use crate::broker::factory::{Account, BrokerFactory, FactoryError};
use crate::broker::tradier::TokenVerdict;
use crate::broker::{AccountId, NoAccountId};
use crate::clock::Clock;
use crate::db::secrets::{SealedToken, TokenColumn, secret_lock, secret_set, secrets_of};
use crate::db::{Db, DbError, UserTx};
use crate::vault::{KeyError, Sealed, SealedError, Vault, VaultError, place};

/// Why an account cannot be used.
#[derive(Debug, Error)]
pub enum AccountError {
    #[error("no {0} token is stored: `blotter tokens set` stores one")]
    NoToken(BrokerMode),
    #[error("no {0} account is chosen")]
    NoAccount(BrokerMode),
    #[error(transparent)]
    AccountId(#[from] NoAccountId),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the stored token does not open: {0}")]
    Vault(#[from] VaultError),
    #[error("the stored token cannot be read: {0}")]
    Sealed(#[from] SealedError),
    #[error(transparent)]
    Factory(#[from] FactoryError),
    #[error(transparent)]
    Database(#[from] DbError),
}

/// A cheap handle on everybody's accounts.
#[derive(Clone, Debug)]
pub struct Accounts {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    db: Db,
    factory: BrokerFactory,
    vault: Result<Vault, KeyError>,
    clock: Clock,
    open: Mutex<HashMap<(Username, BrokerMode), Opened>>,
    /// Somebody set a token: look now.
    poke: Notify,
}

/// An account with the sealed token that it was opened with.
#[derive(Debug)]
struct Opened {
    token: SealedToken,
    account: Account,
}

impl Accounts {
    /// Opens nothing yet. Without a key every token is refused with the reason.
    #[must_use]
    pub fn new(db: Db, factory: BrokerFactory, vault: Result<Vault, KeyError>, clock: Clock) -> Self {
        let inner = Inner { db, factory, vault, clock, open: Mutex::default(), poke: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    /// Asks the broker about a token that is about to be stored.
    ///
    /// # Errors
    /// When there is no key to store it with, or the token or the address cannot be used at all.
    pub async fn verify(&self, mode: BrokerMode, token: SecretString) -> Result<TokenVerdict, AccountError> {
        self.vault()?;
        Ok(self.inner.factory.verify(mode, token).await?)
    }

    /// Seals and stores a token that was verified, as the successor of the one before.
    ///
    /// # Errors
    /// When it cannot be sealed, or the database does not answer.
    pub async fn store(&self, tx: &UserTx, new: &NewToken, device: &str) -> Result<Settings, AccountError> {
        let column = TokenColumn::Broker(new.mode);
        let before = secret_lock(tx, column).await?;
        let version = match before {
            Some(before) => Sealed::from_bytes(&before.bytes)?.secret_version().saturating_add(1),
            None => 1,
        };
        let sealed = self.vault()?.seal(&place(tx.username(), column), version, &new.token)?;
        let token = SealedToken { column, bytes: sealed.to_bytes(), account_id: Some(new.account.as_str().to_owned()) };
        Ok(secret_set(tx, &token, device).await?)
    }

    /// Tells the watch that a token was stored.
    pub fn poke(&self) {
        self.inner.poke.notify_one();
    }

    /// The user's account of a world, opened with what is stored now.
    ///
    /// # Errors
    /// When nothing is stored, or it does not open.
    pub async fn open(&self, who: &Username, mode: BrokerMode) -> Result<Account, AccountError> {
        let tokens = self.stored(who).await?;
        let token = tokens.into_iter().find(|token| token.column == TokenColumn::Broker(mode));
        self.opened(who, mode, token.ok_or(AccountError::NoToken(mode))?).await
    }

    /// Every account of the user that a token is stored for, or why it does not open.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open_all(&self, who: &Username) -> Result<Vec<(BrokerMode, Result<Account, AccountError>)>, DbError> {
        let mut accounts = Vec::new();
        for token in self.stored(who).await? {
            if let TokenColumn::Broker(mode) = token.column {
                accounts.push((mode, self.opened(who, mode, token).await));
            }
        }
        Ok(accounts)
    }

    async fn stored(&self, who: &Username) -> Result<Vec<SealedToken>, DbError> {
        let tx = self.inner.db.user_tx(who).await?;
        let tokens = secrets_of(&tx).await?;
        tx.commit().await?;
        Ok(tokens)
    }

    async fn opened(&self, who: &Username, mode: BrokerMode, token: SealedToken) -> Result<Account, AccountError> {
        let key = (who.clone(), mode);
        if let Some(account) = self.known(&key, &token) {
            return Ok(account);
        }
        let number: AccountId = token.account_id.as_deref().ok_or(AccountError::NoAccount(mode))?.parse()?;
        let sealed = Sealed::from_bytes(&token.bytes)?;
        let secret = self.vault()?.open(&place(who, token.column), &sealed)?.secret;
        let account = self.inner.factory.open(mode, number, secret).await?;
        let mut open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever opened the same one meanwhile has it: an account has one status.
        let kept = open.entry(key).and_modify(|kept| {
            if kept.token != token {
                *kept = Opened { token: token.clone(), account: account.clone() };
            }
        });
        Ok(kept.or_insert(Opened { token: token.clone(), account: account.clone() }).account.clone())
    }

    fn known(&self, key: &(Username, BrokerMode), token: &SealedToken) -> Option<Account> {
        let open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(key).filter(|opened| opened.token == *token).map(|opened| opened.account.clone())
    }

    fn vault(&self) -> Result<&Vault, KeyError> {
        self.inner.vault.as_ref().map_err(Clone::clone)
    }
}

/// A token that the broker has accepted, with the account that was chosen.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub mode: BrokerMode,
    pub token: SecretString,
    pub account: AccountId,
}
