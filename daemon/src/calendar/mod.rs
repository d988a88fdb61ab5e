//! The exchange's sessions.
