//! The lock on a data directory. It belongs to the open file, so a killed daemon gives it back.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use super::{PrivateError, files};

#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: Flock<File>,
}

impl DirectoryLock {
    pub(super) fn take(directory: &Path) -> Result<Self, PrivateError> {
        let path = directory.join("lock");
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.map_err(files("cannot open", &path))?;
        let mut file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| PrivateError::InUse {
            directory: directory.display().to_string(),
            holder: fs::read_to_string(&path)
                .map_or_else(|_| "its process id is unknown".to_owned(), |pid| format!("process {}", pid.trim())),
        })?;
        // For the message that the next one gets.
        let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        noted.map_err(files("cannot write", &path))?;
        Ok(Self { _file: file })
    }
}
