//! The simulator over the wire: a real server on a free port, requests byte by byte, answers as the reference has them.

mod accounts;
mod acts;
mod faults;
mod hours;
mod market;
mod orats;
mod orders;
mod streams;
mod transport;
