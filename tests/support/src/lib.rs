//! Starts the real parts for tests and benches: PostgreSQL, the daemon, a terminal. No mocks.
//!
//! Invariants:
//! * Nothing outlives its test: what a killed test left behind is swept by the next one.
//! * Only processes that are proven ours are ever signalled.

pub mod book;
pub mod cluster;
pub mod daemon;
pub mod process;
pub mod programs;
pub mod socket;
pub mod terminal;

pub use cluster::{Cluster, ClusterBuilder};
