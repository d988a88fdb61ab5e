//! As whom the server runs. PostgreSQL refuses root, so root lends it another user; everybody else
//! is its own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Uid, User, geteuid};

use super::{PrivateError, files};
use crate::ours::{Folder, NewOwner};

/// As whom root lets a new cluster's server run: the user that the server's package makes, else the
/// one of our service. Not as nobody: what nobody owns, every other program that runs as nobody owns.
const USERS: [&str; 2] = ["postgres", "blotter"];
const NOBODY: u32 = 65534;

/// The user that the server runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerUser {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// This process is root and the server is not.
    pub lent: bool,
}

impl ServerUser {
    /// For a cluster at `data`, which keeps the owner that it has.
    pub(super) fn of(data: &Path) -> Result<Self, PrivateError> {
        let me = geteuid();
        let owner = fs::symlink_metadata(data).ok().map(|metadata| metadata.uid());
        if !me.is_root() {
            return match owner {
                Some(owner) if owner != me.as_raw() => {
                    Err(PrivateError::NotOurs { directory: data.display().to_string(), owner })
                }
                _ => Ok(Self::own(me)),
            };
        }
        let by_owner =
            owner.filter(|owner| *owner != 0).and_then(|owner| User::from_uid(Uid::from_raw(owner)).ok().flatten());
        if by_owner.as_ref().is_some_and(|user| user.uid.as_raw() == NOBODY) {
            return Err(PrivateError::NobodysData { data: data.display().to_string() });
        }
        let lent = by_owner.or_else(|| USERS.iter().find_map(|name| User::from_name(name).ok().flatten()));
        let user = lent.ok_or(PrivateError::NoServerUser)?;
        Ok(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), lent: true })
    }

    fn own(me: Uid) -> Self {
        let name = User::from_uid(me).ok().flatten().map_or_else(|| me.to_string(), |user| user.name);
        Self { name, uid: me.as_raw(), gid: nix::unistd::getegid().as_raw(), lent: false }
    }

    /// The names that may log in over the socket: the daemon's and the server's own user.
    pub(super) fn clients(&self) -> Vec<String> {
        let mut names = vec![Self::own(geteuid()).name];
        if !names.contains(&self.name) {
            names.push(self.name.clone());
        }
        names
    }

    /// Who is to own what the server works on; nobody else than us when it is not lent.
    pub(super) fn new_owner(&self) -> Option<NewOwner> {
        self.lent.then_some(NewOwner { uid: self.uid, gid: self.gid })
    }

    /// Makes the server's user the owner of a folder that is ours or its own already.
    pub(super) fn give(&self, folder: &Folder, path: &Path) -> Result<(), PrivateError> {
        let owner = folder.owner().map_err(files("cannot look at", path))?;
        if owner == self.uid {
            return Ok(());
        }
        match self.new_owner() {
            Some(new) if owner == 0 => folder.give(new).map_err(files("cannot give away", path)),
            _ => Err(PrivateError::NotOurs { directory: path.display().to_string(), owner }),
        }
    }

    /// Whether the server's user may pass through everything above `directory`, and nobody but root may
    /// put something else in the place of anything there.
    pub(super) fn must_reach(&self, directory: &Path) -> Result<(), PrivateError> {
        for ancestor in directory.ancestors().skip(1) {
            let metadata = fs::metadata(ancestor).map_err(files("cannot look at", ancestor))?;
            if let (true, Some(why)) = (self.lent, replaceable(&metadata)) {
                return Err(PrivateError::Replaceable { directory: ancestor.display().to_string(), why });
            }
            if !self.may_enter(&metadata) {
                let directory = ancestor.display().to_string();
                return Err(PrivateError::Unreachable { user: self.name.clone(), directory });
            }
        }
        Ok(())
    }

    fn may_enter(&self, metadata: &fs::Metadata) -> bool {
        let bit = if metadata.uid() == self.uid {
            0o100
        } else if metadata.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        metadata.mode() & bit != 0
    }
}

/// How somebody else than root could put another entry in the place of one in this folder.
fn replaceable(folder: &fs::Metadata) -> Option<String> {
    let (mode, owner) = (folder.mode(), folder.uid());
    let sticky = mode & 0o1000 != 0;
    if owner != 0 {
        Some(format!("belongs to user {owner}"))
    } else if mode & 0o022 != 0 && !sticky {
        Some(format!("can be written by others (mode {:o})", mode & 0o7777))
    } else {
        None
    }
}
