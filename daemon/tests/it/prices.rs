//! Prices, from the broker's and ORATS' answers to rows, charts and screens.

mod bad_input;
mod charts;
mod recorded;
pub(crate) mod rig;
mod screens;
