//! The heart: what a trade is and what happens to it.

pub mod state;
