//! Copies of a data directory, owned by whoever runs the server.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use anyhow::{Context, Result};

use super::ServerUser;

/// Copies a tree of files and folders; everything in the copy is private to the server's user.
pub(super) fn copy_tree(from: &Path, to: &Path, user: &ServerUser) -> Result<()> {
    fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    fs::set_permissions(to, Permissions::from_mode(0o700))?;
    give(to, user)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target, user)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot copy to {}", target.display()))?;
            give(&target, user)?;
        }
    }
    Ok(())
}

/// Writes a file that only the server's user may read.
pub(super) fn write_private(path: &Path, content: &[u8], user: &ServerUser) -> Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    give(path, user)
}

/// Makes the server's user the owner.
pub(super) fn give(path: &Path, user: &ServerUser) -> Result<()> {
    let Some((uid, gid)) = user.lent() else { return Ok(()) };
    chown(path, Some(uid), Some(gid)).with_context(|| format!("cannot give {} away", path.display()))
}
