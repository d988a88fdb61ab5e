//! Who is asking. Identity is the kernel's word about the other end of the socket, turned into a
//! `Principal` once, at accept; no message can change it.
//!
//! The kernel tells the uid that the peer had when it connected. Only that uid decides: the pid may
//! be another process by now, and a descriptor that was passed on keeps the identity of whoever
//! connected.

mod admission;
mod directory;
mod username;

use nix::unistd::{Uid, User};

pub use admission::{Admission, Decision};
pub use directory::{Account, Directory, SystemDirectory};
pub use username::{Username, UsernameError};

/// An admitted user of this daemon.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    pub username: Username,
    pub uid: u32,
    pub rights: Rights,
}

/// The user that runs this daemon: the one who looks after it, and is told everything about it.
#[must_use]
pub fn operator() -> Option<Username> {
    User::from_uid(Uid::effective()).ok().flatten()?.name.parse().ok()
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rights {
    /// Look and act.
    Full,
    /// Look only.
    ReadOnly,
}
