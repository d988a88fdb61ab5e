//! The lock on a data directory. It belongs to the open file, so a killed daemon gives it back.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use super::{PrivateError, files};
use crate::ours::Folder;

const NAME: &str = "lock";
const LONGEST_NOTE: u64 = 64;

#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: Flock<File>,
}

impl DirectoryLock {
    /// In `folder`, which is at `directory`.
    pub(super) fn take(folder: &Folder, directory: &Path) -> Result<Self, PrivateError> {
        let path = directory.join(NAME);
        let file = folder.append(NAME).map_err(files("cannot open", &path))?;
        let mut file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| PrivateError::InUse {
            directory: directory.display().to_string(),
            holder: folder
                .read(NAME, LONGEST_NOTE)
                .ok()
                .flatten()
                .map_or_else(|| "its process id is unknown".to_owned(), |pid| format!("process {}", pid.trim())),
        })?;
        // For the message that the next one gets.
        let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        noted.map_err(files("cannot write", &path))?;
        Ok(Self { _file: file })
    }
}
