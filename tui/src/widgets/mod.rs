//! What panes are drawn with.

pub mod canvas;
pub mod columns;
pub mod facts;
pub mod fit;
pub mod rail;
pub mod text;
