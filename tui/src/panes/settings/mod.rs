//! The settings: shown, changed line by line, and saved together under the version they were read at.

pub mod model;
pub mod view;
