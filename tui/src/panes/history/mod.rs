//! The History pane: what is closed, page by page from the daemon, filtered and searched there.

pub mod model;
pub mod update;
pub mod view;
