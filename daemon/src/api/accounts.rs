//! `/v1/accounts` and `/v1/tokens`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::accounts::{AccountList, TokenKind, TokenUpdate};
use blotter_shared::protocol::problem::{FieldError, Problem, ProblemCode};
use futures_util::FutureExt;
use secrecy::SecretString;

use super::ApiState;
use super::acting::{Act, Answered, Nothing};
use super::extract::{Named, Who};
use super::problem::ApiError;
use crate::accounts::{AccountError, NewToken, TooSoon};
use crate::auth::Username;
use crate::broker::factory::FactoryError;
use crate::broker::tradier::TokenVerdict;
use crate::broker::{AccountId, AuthTrouble, Profile, ReadError};
use crate::db::DbError;
use crate::db::secrets::{TokenColumn, secret_remove};
use crate::db::trades::{trade_count_elsewhere, trade_count_managed};

pub(super) async fn list(State(api): State<ApiState>, who: Who) -> Answered<AccountList> {
    let accounts = api.accounts.reports(&who.0.username).await?;
    Ok(Json(AccountList { accounts }))
}

/// Whoever the token is for is asked first: nothing is stored that is not accepted.
pub(super) async fn set_token(State(api): State<ApiState>, act: Act<TokenUpdate>) -> Result<Response, ApiError> {
    // A repeat costs the broker nothing, and is answered when the broker is away, too.
    if let Some(answer) = act.call.known(&api).await? {
        return Ok(answer);
    }
    let TokenUpdate { mode: kind, token, account_id } = act.body;
    let token = SecretString::from(token.0);
    let who = &act.call.who.0.username;
    let account = match (kind.mode(), account_id) {
        (Some(mode), named) => Some(account_of(&api, (who, mode), &token, named.as_deref()).await?),
        (None, Some(named)) => {
            return Err(ApiError::field("account_id", Some(named), "absent: ORATS has no accounts".to_owned()));
        }
        (None, None) => {
            accepted(api.accounts.verify_orats(who, token.clone()).await?)?;
            None
        }
    };
    let new = NewToken { column: TokenColumn::from(kind), token, account };
    let accounts = api.accounts.clone();
    let stored = act.call.once(&api, move |tx, device| {
        async move {
            let stored = accounts.store(tx, &new, &device).await.map_err(not_stored)?;
            // The row is locked: an account that changes meanwhile is seen.
            if let (Some(mode), Some(account)) = (kind.mode(), &new.account) {
                let elsewhere = trade_count_elsewhere(tx, mode, account.as_str()).await?;
                if elsewhere > 0 {
                    return Err(DbError::Invalid(still_elsewhere(account, elsewhere)));
                }
            }
            Ok(stored)
        }
        .boxed()
    });
    let answer = stored.await?;
    api.accounts.poke();
    Ok(answer)
}

/// The broker's own word about the token, and the account that is meant.
async fn account_of(
    api: &ApiState,
    (who, mode): (&Username, BrokerMode),
    token: &SecretString,
    named: Option<&str>,
) -> Result<AccountId, ApiError> {
    let profile = accepted(api.accounts.verify(who, mode, token.clone()).await?)?;
    chosen(&profile, named)
}

fn accepted<T>(verdict: TokenVerdict<T>) -> Result<T, ApiError> {
    match verdict {
        TokenVerdict::Good(opens) => Ok(opens),
        TokenVerdict::Refused(why) => Err(refused(why)),
        TokenVerdict::Undecided(error) => Err(undecided(&error)),
    }
}

/// A token whose account has trades stays: without it nobody would keep their stops.
pub(super) async fn remove_token(
    State(api): State<ApiState>,
    Named(kind): Named<TokenKind>,
    act: Act<Nothing>,
) -> Result<Response, ApiError> {
    let who = act.call.who.0.username.clone();
    let removed = act.call.once(&api, move |tx, device| {
        async move {
            if let Some(mode) = kind.mode() {
                let managed = trade_count_managed(tx, mode).await?;
                if managed > 0 {
                    return Err(DbError::Invalid(still_needed(kind, managed)));
                }
            }
            secret_remove(tx, TokenColumn::from(kind), &device).await
        }
        .boxed()
    });
    let answer = removed.await?;
    api.accounts.forget(&who, kind);
    api.accounts.poke();
    Ok(answer)
}

fn still_needed(kind: TokenKind, managed: i64) -> FieldError {
    let trades = trades_are(managed);
    let rule = format!("a token that no trade needs: {trades} open in {kind}, and nobody would keep the stops");
    FieldError { field: "which".to_owned(), value: Some(kind.to_string()), rule }
}

fn still_elsewhere(account: &AccountId, elsewhere: i64) -> FieldError {
    let trades = trades_are(elsewhere);
    let rule = format!("the account of the open trades: {trades} open in another, and nobody would keep the stops");
    FieldError { field: "account_id".to_owned(), value: Some(account.as_str().to_owned()), rule }
}

fn trades_are(count: i64) -> String {
    if count == 1 { "1 trade is".to_owned() } else { format!("{count} trades are") }
}

/// The account that is meant: the one that was named, or the only one.
fn chosen(profile: &Profile, named: Option<&str>) -> Result<AccountId, ApiError> {
    let theirs: Vec<_> = profile.accounts.iter().map(|account| &account.account_number).collect();
    let number = match (named, theirs.as_slice()) {
        (Some(named), _) => theirs.iter().find(|number| number.as_str() == named).copied(),
        (None, [only]) => Some(*only),
        (None, _) => None,
    };
    let numbers = || theirs.iter().map(|number| number.as_str()).collect::<Vec<_>>().join(", ");
    let rule = || format!("one of the token's accounts: {}", numbers());
    number.cloned().ok_or_else(|| ApiError::field("account_id", named.map(str::to_owned), rule()))
}

fn refused(why: AuthTrouble) -> ApiError {
    ApiError::field("token", None, format!("a token that the broker accepts: {why}"))
}

fn undecided(error: &ReadError) -> ApiError {
    ApiError::new(
        ProblemCode::BrokerUnavailable,
        format!("the token was not stored, nobody could say whether it is good: {error}"),
    )
}

fn not_stored(error: AccountError) -> DbError {
    match error {
        AccountError::Database(error) => error,
        error @ (AccountError::TooSoon(_)
        | AccountError::NoToken(_)
        | AccountError::NoAccount(_)
        | AccountError::AccountId(_)
        | AccountError::Key(_)
        | AccountError::Vault(_)
        | AccountError::Sealed(_)
        | AccountError::Factory(_)
        | AccountError::OratsAddress(_)
        | AccountError::OratsToken(_)
        | AccountError::Tls(_)
        | AccountError::Client(_)) => DbError::Internal { message: error.to_string(), source: None },
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        let sentence = error.to_string();
        match error {
            AccountError::Database(error) => error.into(),
            AccountError::TooSoon(TooSoon { seconds }) => {
                Problem { retry_after_s: Some(seconds.into()), ..Problem::new(ProblemCode::TooMany, sentence) }.into()
            }
            AccountError::Factory(FactoryError::Token { .. }) | AccountError::OratsToken(_) => {
                Self::field("token", None, sentence)
            }
            AccountError::Factory(
                FactoryError::Address { .. } | FactoryError::LiveLocked | FactoryError::OtherTime(_),
            )
            | AccountError::OratsAddress(_)
            | AccountError::Key(_)
            | AccountError::NoToken(_)
            | AccountError::NoAccount(_)
            | AccountError::AccountId(_) => Self::new(ProblemCode::Forbidden, sentence),
            AccountError::Factory(FactoryError::Client(_) | FactoryError::Tls(_))
            | AccountError::Vault(_)
            | AccountError::Sealed(_)
            | AccountError::Tls(_)
            | AccountError::Client(_) => Self::internal(&sentence),
        }
    }
}
