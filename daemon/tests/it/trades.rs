//! The trade engine on the real stack: PostgreSQL, and a simulated broker over HTTP.

mod daemon;
mod kills;
mod lifecycle;
mod process;
mod rig;
mod stored;
mod tap;
