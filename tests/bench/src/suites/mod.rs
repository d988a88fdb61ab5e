//! One suite a concern; each fills its rows of the report.

pub(crate) mod screen;
