//! The sealed secrets in the database, as rotation needs them.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{Place, SealedRow, SecretStore, StoreError};
use crate::auth::Username;
use crate::db::secrets::{SealedToken, TokenColumn, secret_replace, secrets_of};
use crate::db::settings::settings_users;
use crate::db::{Db, DbError};

/// The columns of `user_settings`.
#[derive(Clone, Debug)]
pub struct DatabaseSecrets {
    db: Db,
}

impl DatabaseSecrets {
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    async fn read_users(&self) -> Result<Vec<Username>, DbError> {
        let tx = self.db.system_tx().await?;
        let users = settings_users(&tx).await?;
        tx.commit().await?;
        Ok(users)
    }

    async fn read_rows(&self, user: &Username) -> Result<Vec<SealedRow>, DbError> {
        let tx = self.db.user_tx(user).await?;
        let tokens = secrets_of(&tx).await?;
        tx.commit().await?;
        Ok(tokens.into_iter().map(|token| SealedRow { place: place(user, token.column), bytes: token.bytes }).collect())
    }

    async fn put(&self, old: &SealedRow, new: &[u8]) -> Result<bool, DbError> {
        let Some(column) = column(&old.place) else { return Ok(false) };
        let tx = self.db.user_tx(&old.place.username).await?;
        let old = SealedToken { column, bytes: old.bytes.clone(), account_id: None };
        let replaced = secret_replace(&tx, &old, new).await?;
        tx.commit().await?;
        Ok(replaced)
    }
}

impl SecretStore for DatabaseSecrets {
    fn users(&self) -> BoxFuture<'_, Result<Vec<Username>, StoreError>> {
        async move { self.read_users().await.map_err(unreachable) }.boxed()
    }

    fn rows<'a>(&'a self, user: &'a Username) -> BoxFuture<'a, Result<Vec<SealedRow>, StoreError>> {
        async move { self.read_rows(user).await.map_err(unreachable) }.boxed()
    }

    fn replace<'a>(&'a self, old: &'a SealedRow, new: Vec<u8>) -> BoxFuture<'a, Result<bool, StoreError>> {
        async move { self.put(old, &new).await.map_err(unreachable) }.boxed()
    }
}

/// Where a user's token of a column opens.
#[must_use]
pub fn place(user: &Username, column: TokenColumn) -> Place {
    match column {
        TokenColumn::Broker(mode) => Place::broker_token(user.clone(), mode),
        TokenColumn::Orats => Place::orats_token(user.clone()),
    }
}

fn column(place: &Place) -> Option<TokenColumn> {
    TokenColumn::ALL.into_iter().find(|column| column.as_str() == place.column)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where a function from error to error is wanted")]
fn unreachable(error: DbError) -> StoreError {
    StoreError(error.to_string())
}
