//! `blotter`: the screen and the command line of Blotter.
//!
//! The story of a key press: the terminal's bytes become chords ([`input`]), the keymap turns a
//! chord into an action, [`update`] turns model and message into a new model and a list of
//! effects, [`app`] carries the effects out, and [`view`] draws the model into a buffer of cells
//! of which only the difference is written, in one write.
//!
//! Invariants:
//! * [`view`] changes nothing; every change is a [`msg::Msg`], every deed an [`effect::Effect`].
//! * The model knows no clock, no randomness, no environment: they come with the message or once at
//!   the start, so that a session can be replayed.
//! * The first frame waits for neither the terminal's answers nor the daemon.
//! * Nothing ticks: the program sleeps until the next moment at which the screen would change.
//! * The terminal is given back after every kind of end ([`terminal`]).
//! * Keys, styles and routes are each one table ([`input::keymap`], [`theme`], [`client::calls`]).
//!
//! Deliberately absent: anything durable (the daemon owns it), TLS, and any queue of actions for a
//! daemon that does not answer.

pub mod app;
pub mod charts;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod effect;
pub mod entry;
pub mod environment;
pub mod exits;
pub mod figures;
pub mod flash;
pub mod format;
pub mod input;
pub mod model;
pub mod msg;
pub mod open_book;
pub mod overlays;
pub mod panes;
pub mod pending;
pub mod picture;
pub mod quotes;
pub mod sound;
pub mod terminal;
pub mod theme;
pub mod update;
pub mod view;
pub mod widgets;
