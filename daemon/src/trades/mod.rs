//! The heart: what a trade is and what happens to it.
//!
//! Not a script of awaits but a level-triggered loop with one writer for each account. Read the
//! modules in this order:
//!
//! * `facts`: what is durably known, and how a cut through the broker is folded into it;
//! * `plan`: a pure function from facts, cut and time to at most one action for a trade;
//! * `driver`: record, send, record; the only caller of broker writes;
//! * `commands`: what devices ask for, judged and turned into another wish.
//!
//! Around them: `pricing`, `risk`, `expiry`, `orphan`, `alarms`, `pnl`, `progress` are pure leaves; `ports` is
//! what the engine needs of the world and `runtime` gives it in the daemon; `rules` and `timing` name what it decides by.
//!
//! Invariants (docs/ENGINE.md has the whole list, `tests/prove` the proof):
//! * no byte leaves before its intent is durable, and a write in doubt is never sent again;
//! * one exit of a symbol is alive at a time; nothing is sold that ledger and position do not both
//!   show;
//! * FLAT absorbs: once a close is durable nothing protects the position again, it is sold;
//! * a database that is older than the broker sends nothing before it has taken up what it lost;
//! * silence, an empty list and an acknowledgement prove nothing.
//!
//! Deliberately absent: a second path for recovery, a timer inside a workflow, a queue of orders.

pub mod alarms;
pub mod commands;
pub mod driver;
pub mod expiry;
pub mod facts;
#[cfg(test)]
mod figures_of_fills;
#[cfg(test)]
mod generated;
pub mod orphan;
pub mod plan;
pub mod pnl;
pub mod ports;
pub mod pricing;
pub mod progress;
pub mod risk;
pub mod rules;
pub mod runtime;
#[cfg(test)]
mod scenes;
pub mod snapshot;
#[cfg(test)]
mod specimen;
pub mod state;
pub mod story;
pub mod tag;
pub mod timing;
