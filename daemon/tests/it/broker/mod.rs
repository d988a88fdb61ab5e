//! The broker layer against servers that misbehave on purpose.

mod conformance;
mod error_table;
mod events;
mod factory;
mod faults;
mod limiter;
pub(crate) mod loopback;
mod orats;
mod quirks;
mod reads;
mod secrecy;
mod storm;
mod stream;
mod support;
mod tokens;
mod writes;
