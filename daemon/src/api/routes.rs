//! The router on one screen. A line is: method and path, what it is for, what it takes and gives,
//! who may, and the handler.

use std::sync::Arc;

use axum::routing::{MethodRouter, delete, get, post, put};
use axum::{Router, middleware};
use blotter_shared::protocol::accounts::{AccountList, TokenUpdate};
use blotter_shared::protocol::alarms::{Alarm, AlarmList};
use blotter_shared::protocol::commands::{
    AdjustTrade, AdoptPosition, CloseTrade, Flatten, Flattened, PlaceTrade, SeenVersion,
};
use blotter_shared::protocol::context::TradeContext;
use blotter_shared::protocol::events::Event;
use blotter_shared::protocol::health::{Health, Version};
use blotter_shared::protocol::market::Market;
use blotter_shared::protocol::performance::{Performance, PerformanceQuery, Spread, SpreadQuery};
use blotter_shared::protocol::prices::{
    ChainQuery, Expirations, ExpirationsQuery, LivePrices, OptionChain, Series, SeriesQuery,
};
use blotter_shared::protocol::problem::ProblemCode;
use blotter_shared::protocol::settings::{KillSwitch, Settings, SettingsUpdate};
use blotter_shared::protocol::sync::{SyncQuery, SyncRequest, SyncStatus};
use blotter_shared::protocol::tasks::TaskList;
use blotter_shared::protocol::timeline::Timeline;
use blotter_shared::protocol::trades::{ExportQuery, TotalsQuery, Trade, TradeList, TradeQuery, TradeTotals};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{
    ApiState, accounts, alarms, chain, commands, events, export, layers, market, meta, performance, prices, settings,
    sync, tasks, trades,
};

/// Every route of the daemon.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    read("/v1/health", "How the daemon and what it depends on are; answered whatever is broken", json::<Health>(), || get(meta::health)).lenient(),
    read("/v1/version", "Who answers, and for whom it takes the caller", json::<Version>(), || get(meta::version)).lenient(),
    read("/v1/openapi.json", "This interface as an OpenAPI document", Answer::Document, || get(meta::openapi)).lenient(),
    read("/v1/metrics", "Figures, as Prometheus reads them", Answer::Text, || get(meta::metrics)),
    read("/v1/sync-status", "What a device has seen, against what there is", json::<SyncStatus>(), || get(sync::status)).query(schema::<SyncQuery>),
    act("POST", "/v1/sync", "A device says what it holds and asks for the newest", json::<SyncStatus>(), || post(sync::sync)).body(schema::<SyncRequest>),
    read("/v1/settings", "The user's settings", json::<Settings>(), || get(settings::show)),
    act("PUT", "/v1/settings", "Changes settings; what is absent stays as it is", json::<Settings>(), || put(settings::update)).body(schema::<SettingsUpdate>).may(&[ProblemCode::StaleVersion]),
    act("PUT", "/v1/kill-switch", "Stops all entries, or lets them go on; exits are left alone", json::<Settings>(), || put(settings::stop_entries)).body(schema::<KillSwitch>),
    read("/v1/accounts", "The user's accounts at the broker, and how each one is", json::<AccountList>(), || get(accounts::list)),
    act("PUT", "/v1/tokens", "Stores a token once the broker, or ORATS, has accepted it", json::<Settings>(), || put(accounts::set_token)).body(schema::<TokenUpdate>).may(&[ProblemCode::BrokerUnavailable]),
    act("DELETE", "/v1/tokens/{which}", "Forgets a token; refused while its account has open trades", json::<Settings>(), || delete(accounts::remove_token)).may(&[ProblemCode::NotFound, ProblemCode::Invalid]),
    read("/v1/trades", "A page of the user's trades", json::<TradeList>(), || get(trades::list)).query(schema::<TradeQuery>).may(&[ProblemCode::Invalid]),
    read("/v1/trades/totals", "What a filter of closed trades finds, added up", json::<TradeTotals>(), || get(trades::totals)).query(schema::<TotalsQuery>).may(&[ProblemCode::Invalid]),
    read("/v1/trades/export", "Every trade that a filter finds, as CSV or JSON, streamed", Answer::File(schema::<Vec<Trade>>), || get(export::stream)).query(schema::<ExportQuery>).may(&[ProblemCode::Invalid]).untimed(),
    read("/v1/performance", "What closed trades add up to: figures, equity, calendar, breakdowns", json::<Performance>(), || get(performance::show)).query(schema::<PerformanceQuery>).may(&[ProblemCode::Invalid]),
    read("/v1/performance/spread", "How the results of closed trades lie: median, interval of the expectancy, K-ratio", json::<Spread>(), || get(performance::spread)).query(schema::<SpreadQuery>).may(&[ProblemCode::Invalid]),
    read("/v1/trades/{id}", "One trade; another user's is not found", json::<Trade>(), || get(trades::show)).may(&[ProblemCode::NotFound, ProblemCode::Invalid]),
    read("/v1/trades/{id}/timeline", "A trade's story: what was asked by whom, sent, answered and seen", json::<Timeline>(), || get(trades::timeline)).may(&[ProblemCode::NotFound, ProblemCode::Invalid]),
    read("/v1/trades/{id}/context", "What was known when a trade was entered, and how far its price went", json::<TradeContext>(), || get(trades::context)).may(&[ProblemCode::NotFound, ProblemCode::Invalid]),
    act("POST", "/v1/trades", "Buys a call or a put to open, with its stop and target", json::<Trade>(), || post(commands::place)).body(schema::<PlaceTrade>).may(ENTRY),
    act("POST", "/v1/trades/{id}/close", "Closes a trade: whole or part, at the market or a limit, now or at the open", json::<Trade>(), || post(commands::close)).body(schema::<CloseTrade>).may(CHANGE),
    act("DELETE", "/v1/trades/{id}/close", "Takes a close back that has not begun", json::<Trade>(), || delete(commands::withdraw)).body(schema::<SeenVersion>).may(CHANGE),
    act("POST", "/v1/trades/{id}/adjust", "Moves, sets or removes stop and target", json::<Trade>(), || post(commands::adjust)).body(schema::<AdjustTrade>).may(CHANGE),
    act("POST", "/v1/trades/{id}/protect", "Tries again to protect a position; accepts the position of a trade in quarantine", json::<Trade>(), || post(commands::protect)).body(schema::<SeenVersion>).may(CHANGE),
    act("POST", "/v1/trades/{id}/cancel", "Cancels what is left of an entry", json::<Trade>(), || post(commands::cancel)).body(schema::<SeenVersion>).may(CHANGE),
    act("POST", "/v1/positions/adopt", "Takes up a position that no trade holds", json::<Trade>(), || post(commands::adopt)).body(schema::<AdoptPosition>).may(ENTRY),
    act("POST", "/v1/flatten", "Every position out and every entry cancelled; a drill says what would be sent", json::<Flattened>(), || post(commands::flatten)).body(schema::<Flatten>),
    read("/v1/trades/{id}/series", "What was recorded of a trade's price, cut down to a chart's columns", json::<Series>(), || get(prices::series)).query(schema::<SeriesQuery>).may(&[ProblemCode::NotFound, ProblemCode::Invalid]),
    read("/v1/quotes/stream", "Prices of open trades as they change, at most four times a second: Server-Sent Events", Answer::Events(schema::<LivePrices>), || get(prices::stream)).untimed(),
    read("/v1/chain/expirations", "The expirations that are listed for an underlying", json::<Expirations>(), || get(chain::expirations)).query(schema::<ExpirationsQuery>).may(&[ProblemCode::Invalid, ProblemCode::Forbidden, ProblemCode::BrokerUnavailable]),
    read("/v1/chain", "The strikes around the money, with their prices and greeks", json::<OptionChain>(), || get(chain::chain)).query(schema::<ChainQuery>).may(&[ProblemCode::Invalid, ProblemCode::Forbidden, ProblemCode::BrokerUnavailable]),
    read("/v1/alarms", "The alarms that are open", json::<AlarmList>(), || get(alarms::list)),
    act("POST", "/v1/alarms/{id}/ack", "Somebody has seen it", json::<Alarm>(), || post(alarms::ack)).may(&[ProblemCode::NotFound]),
    read("/v1/market", "Whether the market is open, and until when", json::<Market>(), || get(market::show)),
    read("/v1/tasks", "What the daemon does by itself, how it went and when it comes again", json::<TaskList>(), || get(tasks::list)),
    read("/v1/events", "What happens, as it happens: Server-Sent Events", Answer::Events(schema::<Event>), || get(events::stream)).untimed(),
];

/// What a new trade may be refused for.
const ENTRY: &[ProblemCode] = &[
    ProblemCode::BrokerUnavailable,
    ProblemCode::MarketClosed,
    ProblemCode::NoQuote,
    ProblemCode::Expired,
    ProblemCode::OffGrid,
    ProblemCode::StopNotBelowBid,
    ProblemCode::TargetNotAboveBid,
    ProblemCode::LegsTooNear,
    ProblemCode::SymbolTaken,
    ProblemCode::EntriesStopped,
    ProblemCode::Halted,
    ProblemCode::LimitBroken,
    ProblemCode::NoPosition,
    ProblemCode::QuantityTooLarge,
];
/// What a change of a trade may be refused for.
const CHANGE: &[ProblemCode] = &[
    ProblemCode::NotFound,
    ProblemCode::StaleVersion,
    ProblemCode::AlreadyClosing,
    ProblemCode::Ended,
    ProblemCode::NothingHeld,
    ProblemCode::EntryWorking,
    ProblemCode::QuantityTooLarge,
    ProblemCode::PartWithLimit,
    ProblemCode::MarketClosed,
    ProblemCode::NoQuote,
    ProblemCode::Expired,
    ProblemCode::OffGrid,
    ProblemCode::StopNotBelowBid,
    ProblemCode::TargetNotAboveBid,
    ProblemCode::LegsTooNear,
    ProblemCode::NothingToChange,
    ProblemCode::AlreadyBegun,
    ProblemCode::BrokerUnavailable,
];

/// One route. What is said here is all that the program knows about it.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub method: &'static str,
    /// As axum matches it; also the label in metrics.
    pub path: &'static str,
    pub summary: &'static str,
    pub access: Access,
    pub(super) handshake: Handshake,
    pub(super) timing: Timing,
    pub(super) query: Option<Describe>,
    pub(super) body: Option<Describe>,
    pub(super) answer: Answer,
    /// Problems of this route, beside those that every route may answer.
    pub(super) problems: &'static [ProblemCode],
    handler: fn() -> MethodRouter<ApiState>,
}

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Every admitted user.
    Read,
    /// Users and clients that are not read-only; with an idempotency key.
    Act,
}

/// What happens to a client of another protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handshake {
    /// It is refused with the sentence that says which side to upgrade.
    Strict,
    /// It is served: these routes say what is the matter.
    Lenient,
}

/// Whether the request's deadline holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timing {
    Bounded,
    /// It lasts as long as both sides wish.
    Endless,
}

/// What comes back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Json(Describe),
    Text,
    Document,
    Events(Describe),
    /// Text as CSV, or a list of these as JSON.
    File(Describe),
}

pub(super) type Describe = fn(&mut SchemaGenerator) -> Schema;

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const fn json<T: JsonSchema>() -> Answer {
    Answer::Json(schema::<T>)
}

const fn read(
    path: &'static str,
    summary: &'static str,
    answer: Answer,
    handler: fn() -> MethodRouter<ApiState>,
) -> Route {
    Route {
        method: "GET",
        path,
        summary,
        access: Access::Read,
        handshake: Handshake::Strict,
        timing: Timing::Bounded,
        query: None,
        body: None,
        answer,
        problems: &[],
        handler,
    }
}

const fn act(
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    answer: Answer,
    handler: fn() -> MethodRouter<ApiState>,
) -> Route {
    let mut route = read(path, summary, answer, handler);
    route.method = method;
    route.access = Access::Act;
    route
}

impl Route {
    const fn lenient(mut self) -> Self {
        self.handshake = Handshake::Lenient;
        self
    }

    const fn untimed(mut self) -> Self {
        self.timing = Timing::Endless;
        self
    }

    const fn query(mut self, describe: Describe) -> Self {
        self.query = Some(describe);
        self
    }

    const fn body(mut self, describe: Describe) -> Self {
        self.body = Some(describe);
        self
    }

    const fn may(mut self, problems: &'static [ProblemCode]) -> Self {
        self.problems = problems;
        self
    }
}

/// Builds the router from the table; every route goes through the same layers.
pub(super) fn router(api: &ApiState) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let context = layers::Context::new(api, route);
        let handler = (route.handler)().layer(middleware::from_fn_with_state(Arc::new(context), layers::around));
        router = router.route(route.path, handler);
    }
    router
        .fallback(layers::not_found)
        .method_not_allowed_fallback(layers::method_not_allowed)
        .with_state(Arc::clone(api))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_no_get_and_no_route_is_there_twice() {
        let mut seen = std::collections::HashSet::new();
        for route in ROUTES {
            assert!(seen.insert((route.method, route.path)), "{} {}", route.method, route.path);
            assert_eq!(route.method == "GET", route.access == Access::Read, "{}", route.path);
            assert!(route.path.starts_with("/v1/") && !route.summary.ends_with('.'), "{}", route.path);
        }
    }
}
