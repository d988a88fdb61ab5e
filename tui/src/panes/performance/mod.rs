//! The Performance pane. Its figures are the daemon's (one fact table); until a daemon reports
//! them the pane says so, and computes nothing from a page of history that could be mistaken for them.

pub mod view;
