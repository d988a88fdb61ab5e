//! The table of endpoints: method, path, what it is called in faults and in the ledger, which bucket it counts in.

mod accounts;
mod chains;
mod control;
mod market;
mod orders;
mod quotes;
mod series;
mod session;
pub(crate) mod watchlists;

pub(crate) use control::control;
pub(crate) use quotes::Shown;

use crate::app::Sim;
use crate::core::{AccountId, World};
use crate::pipeline::Call;
use crate::wire::{Answer, Bucket};

/// Who asks: which token, in which world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    pub(crate) token: usize,
    pub(crate) world: World,
}

/// What answers.
pub(crate) type Handler = fn(&mut Sim, &Call, Who) -> Result<Answer, Answer>;

/// One endpoint.
pub(crate) struct Route {
    pub(crate) methods: &'static [&'static str],
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) bucket: Bucket,
    pub(crate) handler: Handler,
}

macro_rules! routes {
    ($($methods:tt $path:literal $name:literal $bucket:ident $handler:path;)*) => {
        /// Every endpoint.
        pub(crate) const ROUTES: &[Route] = &[$(Route { methods: &$methods, path: $path, name: $name, bucket: Bucket::$bucket, handler: $handler }),*];
    };
}

routes! {
    ["GET"] "/v1/user/profile" "profile" Standard accounts::profile;
    ["GET"] "/v1/user/balances" "balances" Standard accounts::user_balances;
    ["GET"] "/v1/accounts/{account}/balances" "balances" Standard accounts::balances;
    ["GET"] "/v1/accounts/{account}/positions" "positions" Standard accounts::positions;
    ["GET"] "/v1/accounts/{account}/gainloss" "gainloss" Standard accounts::gain_loss;
    ["GET"] "/v1/accounts/{account}/history" "history" Standard accounts::history;
    ["GET"] "/v1/accounts/{account}/historical-balances" "historical_balances" Standard accounts::historical_balances;
    ["GET"] "/v1/accounts/{account}/positiongroups" "position_groups" Standard accounts::position_groups;
    ["GET"] "/v1/accounts/{account}/orders" "orders" Standard orders::list;
    ["POST"] "/v1/accounts/{account}/orders" "place" Trading orders::place;
    ["GET"] "/v1/accounts/{account}/orders/{order}" "order" Standard orders::one;
    ["PUT"] "/v1/accounts/{account}/orders/{order}" "change" Trading orders::change;
    ["DELETE"] "/v1/accounts/{account}/orders/{order}" "cancel" Trading orders::cancel;
    ["POST"] "/v1/accounts/events/session" "account_session" Standard session::account;
    ["POST"] "/v1/markets/events/session" "market_session" Market session::market;
    ["GET", "POST"] "/v1/markets/quotes" "quotes" Market quotes::quotes;
    ["GET"] "/v1/markets/options/chains" "chains" Market chains::chains;
    ["GET"] "/v1/markets/options/expirations" "expirations" Market chains::expirations;
    ["GET"] "/v1/markets/options/strikes" "strikes" Market chains::strikes;
    ["GET"] "/v1/markets/options/lookup" "option_lookup" Market chains::lookup;
    ["GET"] "/v1/markets/timesales" "timesales" Market series::time_sales;
    ["GET"] "/v1/markets/history" "market_history" Market series::history;
    ["GET"] "/v1/markets/clock" "clock" Market market::clock;
    ["GET"] "/v1/markets/calendar" "calendar" Market market::calendar;
    ["GET"] "/v1/markets/search" "search" Market market::search;
    ["GET"] "/v1/markets/lookup" "lookup" Market market::lookup;
    ["GET"] "/v1/markets/etb" "etb" Market market::easy_to_borrow;
    ["GET"] "/v1/watchlists" "watchlists" Standard watchlists::list;
    ["POST"] "/v1/watchlists" "watchlists" Standard watchlists::create;
    ["GET"] "/v1/watchlists/{id}" "watchlists" Standard watchlists::one;
    ["PUT"] "/v1/watchlists/{id}" "watchlists" Standard watchlists::update;
    ["DELETE"] "/v1/watchlists/{id}" "watchlists" Standard watchlists::delete;
    ["POST"] "/v1/watchlists/{id}/symbols" "watchlists" Standard watchlists::add_symbols;
    ["DELETE"] "/v1/watchlists/{id}/symbols/{symbol}" "watchlists" Standard watchlists::remove_symbol;
}

/// The names that a fault may be put on: endpoints, groups, streams and ORATS.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let groups = ["accounts", "trading", "market", "orats", "stream", "account_stream", "market_stream"];
    ROUTES.iter().map(|r| r.name).chain(groups)
}

impl Bucket {
    /// The group that faults know it by.
    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::Standard => "accounts",
            Self::Trading => "trading",
            Self::Market => "market",
            Self::Orats => "orats",
        }
    }
}

/// The account of the path, if the token may see it.
pub(crate) fn account_of(sim: &Sim, call: &Call, who: Who) -> Result<AccountId, Answer> {
    let asked = AccountId(call.arg(0).to_owned());
    if sim.accounts_of(who.token).contains(&asked) {
        return Ok(asked);
    }
    Err(crate::core::Refusal::Unauthorized(asked).into())
}
