//! What travels over the socket: HTTP/1.1 with JSON bodies, Server-Sent Events for the push.
//! `docs/PROTOCOL.md` tells it in prose; the daemon's `/v1/openapi.json` is generated from here.
//!
//! Invariants:
//! * Money is a JSON string, a time is RFC 3339 in UTC, an id is a UUID.
//! * A request with an unknown field is refused; an answer may grow fields that old clients skip.
//! * `null` in an update removes, an absent field keeps.

pub mod accounts;
pub mod alarms;
pub mod commands;
pub mod context;
pub mod events;
pub mod headers;
pub mod health;
pub mod market;
pub mod performance;
pub mod prices;
pub mod problem;
pub mod settings;
pub mod sync;
pub mod tasks;
pub mod timeline;
pub mod trades;

/// The protocol spoken by this build. It grows only when an old peer could misunderstand.
pub const PROTOCOL_VERSION: u32 = 1;
