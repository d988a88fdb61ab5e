//! Things a trader would name: contracts, prices, trades and their states.

pub mod grid;
pub mod ids;
pub mod intent;
pub mod money;
pub mod option;
pub mod text;
pub mod values;

pub use grid::TickGrid;
pub use ids::{AlarmId, CommandId, IntentId, TradeId, TradeNumber};
pub use intent::{IntentOp, IntentRole, IntentState};
pub use money::{Cash, Multiplier, Price, Quantity};
pub use option::{OptionContract, OptionType, underlying_of};
pub use values::{
    AlarmKind, BrokerMode, CloseReason, Desired, Outcome, Protection, Severity, Statistics, Step, TradeStatus, Turn,
};
