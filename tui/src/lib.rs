//! The client.

pub mod cli;
