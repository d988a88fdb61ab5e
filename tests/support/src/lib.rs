//! Starts the real parts for tests and benches: a PostgreSQL server of its own for each test.
//!
//! Invariants:
//! * Nothing outlives its test: what a killed test left behind is swept by the next one.
//! * Only processes that are proven ours are ever signalled.

pub mod cluster;

pub use cluster::{Cluster, ClusterBuilder};
