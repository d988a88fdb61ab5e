//! The real client in a real terminal, with the real daemon on a real PostgreSQL: what a trader
//! sees, types and gets back, and what scripts get from the command line.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod alarms;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod dialogs;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod hands;
#[cfg(test)]
mod live;
#[cfg(test)]
mod market;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod panes;
#[cfg(test)]
mod sound;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod surroundings;
#[cfg(test)]
mod tmux;
#[cfg(test)]
mod together;
