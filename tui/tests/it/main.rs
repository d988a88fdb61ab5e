//! The client from outside: whole screens, whole sessions, the command line.

#[cfg(test)]
mod client;
#[cfg(test)]
mod dialogs;
#[cfg(test)]
mod exits;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod hands;
#[cfg(test)]
mod inbox;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod live;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod looks;
#[cfg(test)]
mod odd;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod pending;
#[cfg(test)]
mod random;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod screens;
#[cfg(test)]
mod server;
#[cfg(test)]
mod shots;
#[cfg(test)]
mod styles;
#[cfg(test)]
mod tokens;
