//! The socket, with a real database behind it.

mod bind;
pub(crate) mod codes;
pub(crate) mod daemon;
mod documents;
mod events;
mod fan_out;
mod foreign;
mod hostile;
mod outage;
mod performance;
mod process;
pub(crate) mod routes;
mod stop;
