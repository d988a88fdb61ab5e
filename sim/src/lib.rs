//! A Tradier- and ORATS-compatible broker on your own machine.
//!
//! | module | what it is |
//! |---|---|
//! | [`core`] | orders, matching, positions, money, ledger: a deterministic machine without IO |
//! | [`market`] | prices as a function of seed and time |
//! | [`faults`] | what goes wrong on the wire |
//! | [`scenario`] | days by script |
//! | [`config`], [`Server`] | the whole as a server on a TCP port |
//!
//! Inside: `wire` (parameters, JSON and XML, errors, rate limits), `routes` (the table of endpoints and one function
//! for each), `pipeline` (the way of a request), `stream` (WebSocket and HTTP events), `orats` (the data vendor),
//! `app` (what requests share), `acts` (what scripts do), `server` (the network).
//!
//! It is an independent reading of the broker's behaviour and shares no code with any client.

pub mod calendar;
pub mod config;
pub mod core;
pub mod faults;
pub mod market;
pub mod rng;
pub mod scenario;
pub mod time;

mod acts;
mod app;
mod cli;
mod clock;
mod orats;
mod pipeline;
mod routes;
mod run;
mod server;
mod stream;
mod wire;

pub use clock::Pace;
pub use run::run;
pub use server::Server;
