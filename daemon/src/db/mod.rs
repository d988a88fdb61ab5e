//! The only module that knows tokio-postgres.
