//! Starts the real parts for tests and benches: PostgreSQL, the daemon, a terminal. No mocks.

pub mod daemon;
pub mod process;
pub mod programs;
pub mod socket;
pub mod terminal;
