//! `blotterd`: the one truth beside the broker.
//!
//! Read the modules in this order: `app` composes everything, `api` is what clients see, `db` is
//! what lasts, `trades` is the heart.
//!
//! Invariants:
//! * PostgreSQL is the truth; channels and events are hints that say "look".
//! * A query needs a `UserTx` or a `SystemTx`; nothing else reaches a connection.
//! * No network call inside a transaction.
//! * Time comes from `Clock`, settings from `Config`, identity from the socket.
//! * Every task has an owner, a name and an end.

pub mod accounts;
pub mod analytics;
pub mod api;
pub mod app;
pub mod auth;
pub mod backup;
pub mod broker;
pub mod calendar;
pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod db;
pub mod events;
pub mod export;
pub mod fees;
pub mod forensics;
pub mod health;
pub mod herald;
pub mod market;
pub mod ours;
pub mod postgres;
pub mod prices;
pub mod program;
pub mod schedule;
pub mod shutdown;
pub mod telemetry;
pub mod trades;
pub mod vault;
