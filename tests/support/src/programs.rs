//! Where the workspace's own binaries are: beside the test that asks.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The path of one of the workspace's programs, as cargo built it for this profile.
///
/// # Errors
/// When it has not been built: `cargo build --workspace --bins` does that, `make test` does it first.
pub fn path(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe().context("a test has a path")?;
    let directory =
        profile_directory(&here).with_context(|| format!("{} is in no target directory", here.display()))?;
    let program = directory.join(name);
    ensure!(program.is_file(), "{} is not built: run `cargo build --workspace --bins`", program.display());
    Ok(program)
}

/// `target/debug` for `target/debug/deps/test-0123` as for `target/debug/bench`.
fn profile_directory(program: &Path) -> Option<&Path> {
    let directory = program.parent()?;
    if directory.ends_with("deps") || directory.ends_with("examples") { directory.parent() } else { Some(directory) }
}
