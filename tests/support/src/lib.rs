//! Starts the real parts for tests and benches: PostgreSQL, the daemon, a terminal. No mocks.

pub mod process;
pub mod terminal;
