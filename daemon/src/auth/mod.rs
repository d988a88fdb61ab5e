//! Who is asking. Identity is the kernel's word about the other end of the socket, turned into a
//! `Principal` once, at accept; no message can change it.

mod username;

pub use username::{Username, UsernameError};

/// An admitted user of this daemon.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    pub username: Username,
    pub uid: u32,
}
