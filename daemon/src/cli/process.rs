//! What the daemon asks of the system as a process.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Uid;
use tokio::runtime::{Builder, Runtime};

/// Keeps tokens out of core files and other users' debuggers, and takes as many descriptors as the
/// system gives. Nothing here is worth not starting for.
pub fn protect() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

pub(super) fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().context("the runtime cannot start")
}

/// Whether it is a folder that belongs to whoever runs us.
pub(super) fn is_our_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_dir() && about.uid() == Uid::effective().as_raw())
}
