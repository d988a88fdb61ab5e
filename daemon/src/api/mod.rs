//! The socket: what clients see. The only module that knows axum.
//!
//! Read: `routes` is the router on one screen, the one table from which the router, the OpenAPI
//! document, the metrics' labels and docs/PROTOCOL.md follow. `layers` is what every request goes
//! through, `listener` and `accept` are how a connection comes to be, `wire` is what hyper does not
//! do for us. A handler parses, makes one call, and shapes the answer.
//!
//! Invariants:
//! * Every error is a problem document, whoever makes it: a handler, the router, the HTTP parser.
//! * Who asks is decided at accept by the kernel's word; no header changes it.
//! * One client's slowness, size or number costs the others nothing: everything it may hold is
//!   bounded, everything it may take has a deadline.
//! * Whatever acts needs an idempotency key, and acts once.

mod accept;
mod accounts;
mod acting;
mod alarms;
mod chain;
mod commands;
mod events;
mod export;
mod extract;
mod gate;
mod kept;
mod layers;
mod listener;
mod market;
mod meta;
mod openapi;
mod performance;
mod pieces;
mod prices;
mod problem;
mod routes;
mod settings;
mod sync;
mod tasks;
mod trades;
mod wire;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::calendar::MarketClock;
use crate::clock::Clock;
use crate::config::LimitsConfig;
use crate::context::Collector;
use crate::db::Db;
use crate::events::Hub;
use crate::health::HealthBoard;
use crate::prices::sources::OratsDesk;
use crate::prices::{Board, Chains};
use crate::schedule::TaskBoard;
use crate::telemetry::Metrics;
use crate::trades::runtime::desk::Counter;

pub use accept::{Accept, serve};
pub use kept::Looks;
pub use listener::{BoundSocket, ListenerError, SocketFile};
pub use openapi::document as openapi_document;
pub use routes::{Access, ROUTES, Route};

/// Everything that a handler may use.
#[derive(Debug)]
pub struct Api {
    pub db: Db,
    pub accounts: Accounts,
    /// Where commands are judged.
    pub counter: Counter,
    pub orats: OratsDesk,
    pub chains: Chains,
    pub board: Board,
    pub looks: Looks,
    /// Told of new trades, whose context it gathers.
    pub collector: Collector,
    pub hub: Hub,
    pub health: HealthBoard,
    pub market: MarketClock,
    pub metrics: Metrics,
    pub tasks: TaskBoard,
    pub clock: Clock,
    pub limits: LimitsConfig,
    pub policy: Policy,
    pub stop: CancellationToken,
}

/// What the operator forbids, whatever a user's settings say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub live: LiveTrading,
}

/// The second lock on real money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveTrading {
    Allowed,
    Locked,
}

type ApiState = Arc<Api>;
