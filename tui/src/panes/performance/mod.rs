//! The Performance pane. Its figures are the daemon's (one fact table); a daemon that reports none is
//! named, and nothing is computed from a page of history that could be mistaken for them.

pub mod model;
mod pictures;
pub mod view;
