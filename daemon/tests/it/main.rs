//! The daemon's parts against real sockets, real files and real servers.

#[cfg(test)]
mod broker;
#[cfg(test)]
mod vault;
