//! A Tradier- and ORATS-compatible broker on your own machine.

pub mod calendar;
pub mod core;
pub mod market;
pub mod rng;
pub mod time;
