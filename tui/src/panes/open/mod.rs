//! The Open pane: what is held and what works, with its protection.

pub mod cards;
pub mod marks;
pub mod model;
pub mod view;
