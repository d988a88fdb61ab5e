//! From bytes to actions: [`decode`] turns what the terminal sends into events, [`chord`] names
//! keys, [`keymap`] is the one table of what a key does, from which dispatcher, hint line, help
//! overlay and manual page are made.

pub mod chord;
pub mod decode;
pub mod hints;
pub mod keymap;
pub mod line;
pub mod palette;
pub mod secret;
