//! The broker without a network: orders, matching, groups, positions, money, and a ledger of all of it.
//!
//! [`Engine`] is a deterministic machine. It is stepped to a moment, it is handed requests, and it answers. It owns no
//! thread, asks no clock and draws every chance from seeded streams, so the same seed and the same requests give the
//! same ledger, byte for byte. Prices come from a [`Feed`].
//!
//! ```
//! use blotter_sim::core::{AccountId, Engine, FixedFeed, Leg, Opening, Settings, Side, Ticket, World};
//! use blotter_sim::time::{Ms, SECOND};
//!
//! let start = Ms::at_et("2026-09-10".parse().unwrap(), 10, 0);
//! let mut feed = FixedFeed::default();
//! feed.set("SPY260918C00600000", "0.54", "0.56");
//! let mut engine = Engine::new(Settings::default(), Box::new(feed), 7, start);
//! engine.open_account(Opening::new("6YA00001", World::Live));
//! let account = AccountId("6YA00001".into());
//! let order = engine.place(&account, &Ticket::single(Leg::market(Side::BuyToOpen, "SPY260918C00600000", 1))).unwrap();
//! engine.advance_to(start.plus(3 * SECOND));
//! assert_eq!(engine.order(&account, order).unwrap().status.word(), "filled");
//! ```

mod account;
mod agenda;
mod balances;
mod calls;
mod engine;
mod expiry;
mod feed;
mod fixed;
mod groups;
mod hand;
mod ids;
mod ledger;
mod margin;
mod matching;
mod notices;
mod order;
mod place;
mod refusal;
mod review;
mod rules;
mod settings;
mod ticket;

pub use account::{Account, AccountKind, ClosedLot, HistoryItem, Opening, Position, multiplier};
pub use balances::Balances;
pub use engine::{Book, Engine};
pub use feed::{Feed, Touch};
pub use fixed::FixedFeed;
pub use ids::{AccountId, Contract, OrderId, Right, Symbol};
pub use ledger::{Entry, Fact, Ledger};
pub use notices::Notice;
pub use order::{Class, Duration, Kind, Order, Role, Side, Status};
pub use place::Preview;
pub use refusal::{CROSS_ZERO, Refusal, Reject};
pub use settings::{LegIds, Range, Refusals, Settings, Sibling, StopTrigger, Switch, World};
pub use ticket::{Change, Leg, Net, Ticket};

/// How far the sandbox's data lags.
pub const SANDBOX_DELAY_MS: i64 = 15 * crate::time::MINUTE;
