//! `/v1/chain`.

use axum::Json;
use axum::extract::State;
use blotter_shared::domain::{BrokerMode, underlying_of};
use blotter_shared::protocol::prices::{ChainQuery, Expirations, ExpirationsQuery, OptionChain};
use blotter_shared::protocol::problem::ProblemCode;

use super::ApiState;
use super::acting::Answered;
use super::extract::{Params, Who};
use super::problem::ApiError;
use crate::auth::Username;
use crate::broker::ReadError;
use crate::db::settings::settings_get;
use crate::prices::{ChainError, ChainOf};

/// Strikes on each side of the money when the query does not say, and the most it may ask for.
const STRIKES_DEFAULT: u32 = 10;
const STRIKES_MAX: u32 = 200;

pub(super) async fn expirations(
    State(api): State<ApiState>,
    who: Who,
    Params(query): Params<ExpirationsQuery>,
) -> Answered<Expirations> {
    let of = chain_of(&api, who.0.username.clone(), &query.symbol, query.mode).await?;
    Ok(Json(api.chains.expirations(&of).await?))
}

pub(super) async fn chain(
    State(api): State<ApiState>,
    who: Who,
    Params(query): Params<ChainQuery>,
) -> Answered<OptionChain> {
    let strikes = query.strikes.unwrap_or(STRIKES_DEFAULT);
    if !(1..=STRIKES_MAX).contains(&strikes) {
        return Err(ApiError::field("strikes", Some(strikes.to_string()), format!("between 1 and {STRIKES_MAX}")));
    }
    let of = chain_of(&api, who.0.username.clone(), &query.symbol, query.mode).await?;
    let strikes = usize::try_from(strikes).unwrap_or(usize::MAX);
    Ok(Json(api.chains.chain(&of, query.expiry, strikes).await?))
}

/// Whose chain: of the world that was named, or of the one that new entries go to. The broker lists weeklies of
/// an index under the index.
async fn chain_of(api: &ApiState, who: Username, symbol: &str, mode: Option<BrokerMode>) -> Result<ChainOf, ApiError> {
    let Ok(ticker) = underlying_of(&symbol.to_uppercase()).parse() else {
        return Err(ApiError::field("symbol", Some(symbol.to_owned()), "a ticker"));
    };
    let mode = match mode {
        Some(mode) => mode,
        None => {
            let tx = api.db.user_tx(&who).await?;
            settings_get(&tx).await?.broker_mode
        }
    };
    Ok(ChainOf { who, mode, ticker })
}

impl From<ChainError> for ApiError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Account(error) => error.into(),
            ChainError::Read(ReadError::BadRequest { reason }) => Self::field("symbol", None, reason),
            ChainError::Read(error) => Self::new(ProblemCode::BrokerUnavailable, error.to_string()),
        }
    }
}
