//! What devices ask of trades. Each handler looks at the broker where it must; then it is judged and
//! written in one transaction with the key and the answer, and the loop's bell is rung.
//!
//! Read: `deed` (once, under a key), then `enter`, `change` and `flatten`.

mod change;
mod deed;
mod enter;
mod flatten;

use axum::extract::State;
use axum::response::Response;
use blotter_shared::domain::option::OptionSymbolError;
use blotter_shared::domain::{BrokerMode, OptionContract, Price, TradeId};
use blotter_shared::protocol::commands::{
    AdjustTrade, AdoptPosition, CloseTrade, Flatten, PlaceTrade, SeenVersion, Story,
};
use blotter_shared::protocol::problem::Problem;
use serde_json::{Value, json};

use super::acting::{Act, Call};
use super::extract::Id;
use super::problem::ApiError;
use super::{Api, ApiState};
use crate::accounts::AccountError;
use crate::db::engine::AccountKey;
use crate::db::settings::settings_get;
use crate::trades::commands::adjust::Side;
use crate::trades::commands::{Adjust, Close, Versioned};
use crate::trades::ports::Symbol;
use crate::trades::runtime::broker::BrokerAccount;
use crate::trades::runtime::desk::Seen;
use change::{Change, Wanted};
use enter::Enter;

pub(super) async fn place(State(api): State<ApiState>, act: Act<PlaceTrade>) -> Result<Response, ApiError> {
    let Act { body, call } = act;
    if let Some(answer) = call.known(&api).await? {
        return Ok(answer);
    }
    body.story.validate().map_err(Problem::invalid)?;
    let contract = contract_of(&body.option_symbol)?;
    let account = account(&api, &call).await?;
    account.1.account.lets_in().map_err(AccountError::from)?;
    let seen = api.counter.look_for_entry(&call.who.0.username, &account, &Symbol::new(&body.option_symbol)).await?;
    enter(&api, &call, (&account.0, &seen), (contract, json!(body), enter::Wanted::Place(body))).await
}

pub(super) async fn adopt(State(api): State<ApiState>, act: Act<AdoptPosition>) -> Result<Response, ApiError> {
    let Act { body, call } = act;
    if let Some(answer) = call.known(&api).await? {
        return Ok(answer);
    }
    Story { strategy: body.strategy.clone(), ..Story::default() }.validate().map_err(Problem::invalid)?;
    let contract = contract_of(&body.option_symbol)?;
    let (key, broker) = account(&api, &call).await?;
    let seen = api.counter.look_for_adoption(&broker, &Symbol::new(&body.option_symbol)).await?;
    enter(&api, &call, (&key, &seen), (contract, json!(body), enter::Wanted::Adopt(body))).await
}

async fn enter(
    api: &Api,
    call: &Call,
    (key, seen): (&AccountKey, &Seen),
    (contract, detail, wanted): (OptionContract, Value, enter::Wanted),
) -> Result<Response, ApiError> {
    let enter = Enter { api, device: &call.device.0, key, seen, contract, wanted, detail };
    let answer = deed::under_key(api, call, &enter).await?;
    api.collector.poke();
    api.counter.ring(&call.who.0.username, key.mode);
    Ok(answer)
}

pub(super) async fn close(
    State(api): State<ApiState>,
    Id(id): Id<TradeId>,
    act: Act<CloseTrade>,
) -> Result<Response, ApiError> {
    let CloseTrade { version, qty, limit, at_open } = act.body;
    let wanted = Wanted::Close(Close { version, quantity: qty, limit, at_open });
    change(&api, &act.call, id, (wanted, json!(act.body))).await
}

pub(super) async fn withdraw(
    State(api): State<ApiState>,
    Id(id): Id<TradeId>,
    act: Act<SeenVersion>,
) -> Result<Response, ApiError> {
    change(&api, &act.call, id, (Wanted::Withdraw(seen(act.body)), json!(act.body))).await
}

pub(super) async fn protect(
    State(api): State<ApiState>,
    Id(id): Id<TradeId>,
    act: Act<SeenVersion>,
) -> Result<Response, ApiError> {
    change(&api, &act.call, id, (Wanted::Protect(seen(act.body)), json!(act.body))).await
}

pub(super) async fn cancel(
    State(api): State<ApiState>,
    Id(id): Id<TradeId>,
    act: Act<SeenVersion>,
) -> Result<Response, ApiError> {
    change(&api, &act.call, id, (Wanted::Cancel(seen(act.body)), json!(act.body))).await
}

pub(super) async fn adjust(
    State(api): State<ApiState>,
    Id(id): Id<TradeId>,
    act: Act<AdjustTrade>,
) -> Result<Response, ApiError> {
    let Act { body, call } = act;
    if let Some(answer) = call.known(&api).await? {
        return Ok(answer);
    }
    if body.break_even && body.new_sl.is_some() {
        return Err(ApiError::field("break_even", None, "not beside new_sl: it is one"));
    }
    let (version, target) = (body.version, side(body.new_tp));
    let wanted = if body.break_even {
        Wanted::BreakEven { version, target }
    } else {
        Wanted::Adjust(Adjust { version, stop: side(body.new_sl), target })
    };
    let seen = bid_of(&api, &call, id).await?;
    Change { trade: id, wanted, seen: &seen, detail: json!(body) }.carry_out(&api, &call).await
}

pub(super) async fn flatten(State(api): State<ApiState>, act: Act<Flatten>) -> Result<Response, ApiError> {
    let Act { body: wanted, call } = act;
    let everything = flatten::Everything { api: &api, device: &call.device.0, wanted };
    let answer = deed::under_key(&api, &call, &everything).await?;
    for mode in BrokerMode::ALL {
        api.counter.ring(&call.who.0.username, *mode);
    }
    Ok(answer)
}

/// A change that is judged without a look at the broker.
async fn change(
    api: &Api,
    call: &Call,
    trade: TradeId,
    (wanted, detail): (Wanted, Value),
) -> Result<Response, ApiError> {
    Change { trade, wanted, seen: &Seen::default(), detail }.carry_out(api, call).await
}

fn seen(body: SeenVersion) -> Versioned {
    Versioned { version: body.version }
}

fn side(said: Option<Option<Price>>) -> Side {
    match said {
        None => Side::Keep,
        Some(None) => Side::Remove,
        Some(Some(price)) => Side::Set(price),
    }
}

fn contract_of(symbol: &str) -> Result<OptionContract, ApiError> {
    let shown: String = symbol.chars().take(30).collect();
    let refused = |error: OptionSymbolError| ApiError::field("option_symbol", Some(shown), error.to_string());
    symbol.parse().map_err(refused)
}

/// The account of the world that new entries go to.
async fn account(api: &Api, call: &Call) -> Result<(AccountKey, BrokerAccount), ApiError> {
    let user = &call.who.0.username;
    let tx = api.db.user_tx(user).await?;
    let mode = settings_get(&tx).await?.broker_mode;
    tx.commit().await?;
    Ok(api.counter.account(user, mode).await?)
}

/// The quote that a change of the bracket is judged by; while the market is closed there is none.
async fn bid_of(api: &Api, call: &Call, id: TradeId) -> Result<Seen, ApiError> {
    let user = &call.who.0.username;
    let place = api.counter.place_of(user, id).await?;
    if !api.counter.session_of(place.account.mode, &place.symbol).open || place.status.is_terminal() {
        return Ok(Seen::default());
    }
    let (_, broker) = api.counter.account(user, place.account.mode).await?;
    Ok(api.counter.look_at(&broker, &Symbol::new(&place.symbol)).await?)
}
