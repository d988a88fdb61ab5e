//! The client's end of the socket: where it is ([`connect`]), what is asked ([`calls`]), how it
//! travels ([`http`]), what is pushed ([`events`]), how long to believe it ([`session`]), and the
//! tasks that do it ([`courier`]).

pub mod calls;
pub mod chain;
pub mod connect;
pub mod courier;
pub mod events;
pub mod export;
pub mod http;
pub mod looks;
pub mod orders;
pub mod session;
