//! Figures as pictures made of characters: a line in braille, a calendar, bars. Pure: numbers in, rows of
//! characters out; who draws them gives them a role. Each has a form for terminals without UTF-8.

pub mod bars;
pub mod calendar;
pub mod line;
