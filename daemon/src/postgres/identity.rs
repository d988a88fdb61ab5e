//! As whom the server runs. PostgreSQL refuses root, so root lends it another user; everybody else
//! is its own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Uid, User, geteuid};

use super::{PrivateError, files};

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
        let owner = fs::metadata(data).ok().map(|metadata| metadata.uid());
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
        let lent =
            by_owner.or_else(|| ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten()));
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

    /// Makes the server's user the owner.
    pub(super) fn give(&self, path: &Path) -> Result<(), PrivateError> {
        if !self.lent {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).map_err(files("cannot give away", path))
    }

    /// Whether the server's user may pass through everything above `directory`.
    pub(super) fn must_reach(&self, directory: &Path) -> Result<(), PrivateError> {
        for ancestor in directory.ancestors().skip(1) {
            let metadata = fs::metadata(ancestor).map_err(files("cannot look at", ancestor))?;
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
