//! What the engine needs of the world: a broker, a store, a clock. Production and simulation
//! implement these three; the engine's code is the same over both.
//!
//! The ports are narrower than what lies behind them. The broker's wire, its words and its quirks
//! end in the adapter; here an order is what the engine decides by.

pub mod broker;
pub mod clock;
pub mod store;

pub use broker::{
    Allowance, BrokerLeg, BrokerOrder, BrokerPort, LegKind, Lookup, OrderId, OrderPage, OrderState, Placement,
    Position, Quote, ReadFailure, Refusal, RefusalKind, Side, Symbol, WriteOutcome,
};
pub use clock::{Clock, Rest, Session, Sessions};
pub use store::{CommitError, Fence, Holder, LeaseAnswer, Store, StoreError};
