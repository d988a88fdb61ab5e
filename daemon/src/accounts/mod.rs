//! Every user's accounts at the broker: which sealed token opens which, and how each one is.
//!
//! Read `Accounts` (open, verify, store) and `watch` (the pass that looks at all of them).
//!
//! Invariants:
//! * A token is stored only after the broker has accepted it in the world that it is meant for.
//! * An open account is the one whose sealed token is in the database now: another token or account
//!   number opens anew.
//! * Plain tokens live inside an adapter and nowhere else.

mod orats;
mod report;
mod turns;
mod watch;

pub use orats::OratsPlace;
pub use report::rates;
pub use turns::TooSoon;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::accounts::TokenKind;
use blotter_shared::protocol::settings::Settings;
use secrecy::SecretString;
use thiserror::Error;
use tokio::sync::{Notify, watch as channel};

use crate::auth::Username;
use crate::broker::factory::{Account, BRIEFLY, BrokerFactory, FactoryError, TradingTime};
use crate::broker::rate_limit::Limiters;
use crate::broker::tls::TlsError;
use crate::broker::tradier::{ClientError, TokenVerdict};
use crate::broker::world::{BaseUrlError, NoToken};
use crate::broker::{AccountId, AccountStatus, NoAccountId, Profile};
use crate::clock::Clock;
use crate::db::secrets::{SealedToken, TokenColumn, secret_lock, secret_set, secrets_of};
use crate::db::{Db, DbError, UserTx};
use crate::vault::{KeyError, Sealed, SealedError, Vault, VaultError, place};
use turns::Turns;

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
    #[error("the address for ORATS cannot be used: {0}")]
    OratsAddress(BaseUrlError),
    #[error("the token for ORATS cannot be used: {0}")]
    OratsToken(NoToken),
    #[error(transparent)]
    Tls(TlsError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    TooSoon(#[from] TooSoon),
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
    orats: OratsPlace,
    vault: Result<Vault, KeyError>,
    clock: Clock,
    open: Mutex<HashMap<(Username, BrokerMode), Opened>>,
    turns: Turns,
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
    pub fn new(db: Db, factory: BrokerFactory, orats: OratsPlace, vault: Result<Vault, KeyError>) -> Self {
        let (clock, turns) = (orats.clock.clone(), Turns::default());
        let inner = Inner { db, factory, orats, vault, clock, open: Mutex::default(), turns, poke: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    /// Asks the broker about a token that a user is about to store.
    ///
    /// # Errors
    /// When there is no key to store it with, the token or the address cannot be used at all, or the
    /// user had too many looked at.
    pub async fn verify(
        &self,
        who: &Username,
        mode: BrokerMode,
        token: SecretString,
    ) -> Result<TokenVerdict<Profile>, AccountError> {
        self.vault()?;
        let _turn = self.inner.turns.take(who, self.inner.clock.now())?;
        Ok(self.inner.factory.verify(mode, token).await?)
    }

    /// Asks ORATS about a token that is about to be stored.
    ///
    /// # Errors
    /// When there is no key to store it with, or the token or the address cannot be used at all.
    pub async fn verify_orats(&self, who: &Username, token: SecretString) -> Result<TokenVerdict<()>, AccountError> {
        self.vault()?;
        let _turn = self.inner.turns.take(who, self.inner.clock.now())?;
        self.inner.orats.verify(token, BRIEFLY).await
    }

    /// Seals and stores a token that was verified, as the successor of the one before.
    ///
    /// # Errors
    /// When it cannot be sealed, or the database does not answer.
    pub async fn store(&self, tx: &UserTx, new: &NewToken, device: &str) -> Result<Settings, AccountError> {
        let column = new.column;
        let before = secret_lock(tx, column).await?;
        let version = match before {
            Some(before) => Sealed::from_bytes(&before.bytes)?.secret_version().saturating_add(1),
            None => 1,
        };
        let sealed = self.vault()?.seal(&place(tx.username(), column), version, &new.token)?;
        let token = SealedToken {
            column,
            bytes: sealed.to_bytes(),
            account_id: new.account.as_ref().map(|number| number.as_str().to_owned()),
        };
        Ok(secret_set(tx, &token, device).await?)
    }

    /// The limits of every token that was used.
    #[must_use]
    pub fn limiters(&self) -> Arc<Limiters> {
        self.inner.factory.limiters()
    }

    /// Whose time the accounts, and the whole daemon with them, live in.
    #[must_use]
    pub fn time(&self) -> TradingTime {
        self.inner.factory.time()
    }

    /// Tells the watch that a token was stored or removed.
    pub fn poke(&self) {
        self.inner.poke.notify_one();
    }

    /// Lets go of an account whose token was removed, and with it of the plain token.
    pub fn forget(&self, who: &Username, kind: TokenKind) {
        if let Some(mode) = kind.mode() {
            let mut open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.remove(&(who.clone(), mode));
        }
    }

    /// The user's account of a world, opened with what is stored now, for a request of theirs.
    ///
    /// # Errors
    /// When nothing is stored, or it does not open.
    pub async fn open(&self, who: &Username, mode: BrokerMode) -> Result<Account, AccountError> {
        let tokens = Self::tokens(self.inner.db.user_tx(who).await?).await?;
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

    /// A sealed token of the user, if there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sealed(&self, who: &Username, column: TokenColumn) -> Result<Option<SealedToken>, DbError> {
        Ok(self.stored(who).await?.into_iter().find(|token| token.column == column))
    }

    /// What is sealed in a token of the user.
    ///
    /// # Errors
    /// When there is no key, or it is not the one that it was sealed with.
    pub fn plain(&self, who: &Username, token: &SealedToken) -> Result<SecretString, AccountError> {
        let sealed = Sealed::from_bytes(&token.bytes)?;
        Ok(self.vault()?.open(&place(who, token.column), &sealed)?.secret)
    }

    /// Asked by the engine and by the watch: no request of this user's, or of another's, holds them up.
    async fn stored(&self, who: &Username) -> Result<Vec<SealedToken>, DbError> {
        Self::tokens(self.inner.db.engine_tx(who).await?).await
    }

    async fn tokens(tx: UserTx) -> Result<Vec<SealedToken>, DbError> {
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

    /// How an account is that is open; tells of each change.
    fn status_of(&self, key: &(Username, BrokerMode)) -> Option<channel::Receiver<AccountStatus>> {
        let open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(key).map(|opened| opened.account.broker.status())
    }

    fn known(&self, key: &(Username, BrokerMode), token: &SealedToken) -> Option<Account> {
        let open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(key).filter(|opened| opened.token == *token).map(|opened| opened.account.clone())
    }

    fn vault(&self) -> Result<&Vault, KeyError> {
        self.inner.vault.as_ref().map_err(Clone::clone)
    }
}

/// A token that was accepted, with the account that was chosen; ORATS has none.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub column: TokenColumn,
    pub token: SecretString,
    pub account: Option<AccountId>,
}
