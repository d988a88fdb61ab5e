//! `blotter demo` with the real programs: however it ends, nothing is left of it.
//!
//! Each test has a folder for temporary things of its own, and what is looked for afterwards is
//! whatever lives in it: files, and processes whose working folder is inside. Nothing else on the
//! machine is looked at, and nothing else is ever signalled.

#[cfg(test)]
mod crashes;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod phone;
#[cfg(test)]
mod screens;
#[cfg(test)]
mod seat;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod trader;
