//! The vocabulary that the daemon and its clients share: what things are called and how they
//! travel over the socket.
//!
//! Invariants:
//! * No IO, no clock, no async, no database, no terminal: this crate can be read and tested alone.
//! * A value that exists is valid: amounts, symbols and ids are parsed at the border.
//! * Money is decimal. There is no float in this crate.
//! * Each closed set of words (states, reasons, alarms, error codes) is listed once, here.
//!
//! Deliberately absent: what a broker's wire looks like (`daemon::broker`), how anything is drawn
//! (`tui`), how anything is stored (`daemon::db`).

pub mod digits;
pub mod domain;
pub mod protocol;
mod times;
