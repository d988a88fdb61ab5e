//! The daemon's parts against the real thing: one binary, so that the parts are linked once.

#[cfg(test)]
mod support;

#[cfg(test)]
mod api;
#[cfg(test)]
mod broker;
#[cfg(test)]
mod calendar;
#[cfg(test)]
mod chores;
#[cfg(test)]
mod config;
#[cfg(test)]
mod context;
#[cfg(test)]
mod database;
#[cfg(test)]
mod forensics;
#[cfg(test)]
mod fortnight;
#[cfg(test)]
mod herald;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod packaging;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod prices;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod trades;
#[cfg(test)]
mod vault;
