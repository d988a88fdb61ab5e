//! `/v1/accounts` and `/v1/tokens`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use blotter_shared::protocol::accounts::{AccountList, TokenUpdate};
use blotter_shared::protocol::problem::ProblemCode;
use futures_util::FutureExt;
use secrecy::SecretString;

use super::ApiState;
use super::acting::{Act, Answered};
use super::extract::Who;
use super::problem::ApiError;
use crate::accounts::{AccountError, NewToken};
use crate::broker::factory::FactoryError;
use crate::broker::tradier::TokenVerdict;
use crate::broker::{AccountId, AuthTrouble, Profile, ReadError};
use crate::db::DbError;

pub(super) async fn list(State(api): State<ApiState>, who: Who) -> Answered<AccountList> {
    let accounts = api.accounts.reports(&who.0.username).await?;
    Ok(Json(AccountList { accounts }))
}

/// The broker is asked first: nothing is stored that it does not accept.
pub(super) async fn set_token(State(api): State<ApiState>, act: Act<TokenUpdate>) -> Result<Response, ApiError> {
    let TokenUpdate { mode, token, account_id } = act.body;
    let token = SecretString::from(token.0);
    let profile = match api.accounts.verify(mode, token.clone()).await? {
        TokenVerdict::Good(profile) => profile,
        TokenVerdict::Refused(why) => return Err(refused(why)),
        TokenVerdict::Undecided(error) => return Err(undecided(&error)),
    };
    let new = NewToken { mode, token, account: chosen(&profile, account_id.as_deref())? };
    let accounts = api.accounts.clone();
    let stored = act.call.once(&api, move |tx, device| {
        async move { accounts.store(tx, &new, &device).await.map_err(not_stored) }.boxed()
    });
    let answer = stored.await?;
    api.accounts.poke();
    Ok(answer)
}

/// The account that is meant: the one that was named, or the only one.
fn chosen(profile: &Profile, named: Option<&str>) -> Result<AccountId, ApiError> {
    let theirs: Vec<_> = profile.accounts.iter().map(|account| account.account_number.as_str()).collect();
    let number = match (named, theirs.as_slice()) {
        (Some(named), _) => theirs.iter().find(|number| **number == named).copied(),
        (None, [only]) => Some(*only),
        (None, _) => None,
    };
    let rule = || format!("one of the token's accounts: {}", theirs.join(", "));
    number
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| ApiError::field("account_id", named.map(str::to_owned), rule()))
}

fn refused(why: AuthTrouble) -> ApiError {
    ApiError::field("token", None, format!("a token that the broker accepts: {why}"))
}

fn undecided(error: &ReadError) -> ApiError {
    ApiError::new(ProblemCode::BrokerUnavailable, format!("the token was not stored, the broker did not say: {error}"))
}

fn not_stored(error: AccountError) -> DbError {
    match error {
        AccountError::Database(error) => error,
        error @ (AccountError::NoToken(_)
        | AccountError::NoAccount(_)
        | AccountError::AccountId(_)
        | AccountError::Key(_)
        | AccountError::Vault(_)
        | AccountError::Sealed(_)
        | AccountError::Factory(_)) => DbError::Internal { message: error.to_string(), source: None },
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        let sentence = error.to_string();
        match error {
            AccountError::Database(error) => error.into(),
            AccountError::Factory(FactoryError::Token { .. }) => Self::field("token", None, sentence),
            AccountError::Factory(
                FactoryError::Address { .. } | FactoryError::LiveLocked | FactoryError::OtherTime(_),
            )
            | AccountError::Key(_)
            | AccountError::NoToken(_)
            | AccountError::NoAccount(_)
            | AccountError::AccountId(_) => Self::new(ProblemCode::Forbidden, sentence),
            AccountError::Factory(FactoryError::Client(_) | FactoryError::Tls(_))
            | AccountError::Vault(_)
            | AccountError::Sealed(_) => Self::internal(&sentence),
        }
    }
}
