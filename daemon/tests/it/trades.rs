//! The trade engine on the real stack: PostgreSQL, and a simulated broker over HTTP.

mod commands;
mod daemon;
mod failpoints;
mod fees;
mod floor;
mod jumps;
mod kills;
mod lifecycle;
mod limits;
mod minute;
mod modes;
mod race;
mod recounted;
mod refusals;
mod restored;
mod rig;
mod standstill;
mod stored;
mod unhurried;
