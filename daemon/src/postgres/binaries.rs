//! Which server binaries: the newest installed, or the one that made the data.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PrivateError, PrivateOptions};

/// Where distributions keep one folder for each major version.
const VERSIONED: [(&str, &str); 3] =
    [("/usr/lib/postgresql", "bin"), ("/usr/pgsql", "bin"), ("/opt/postgresql", "bin")];

/// A folder with `postgres` and `initdb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    pub folder: PathBuf,
    pub major: u32,
}

/// The binaries for data of version `made_by`, or the newest for new data.
pub(super) fn find(options: &PrivateOptions, made_by: Option<u32>, data: &Path) -> Result<Binaries, PrivateError> {
    let folders = candidates(options);
    let found: Vec<Binaries> = folders.iter().filter_map(|folder| version_of(folder)).collect();
    let newest = found.iter().max_by_key(|binaries| binaries.major).ok_or_else(|| PrivateError::NoBinaries {
        looked: folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", "),
    })?;
    let Some(major) = made_by else { return Ok(newest.clone()) };
    found.iter().find(|binaries| binaries.major == major).cloned().ok_or_else(|| PrivateError::OtherMajor {
        data: data.display().to_string(),
        found: major,
        installed: newest.major,
    })
}

fn candidates(options: &PrivateOptions) -> Vec<PathBuf> {
    if let Some(folder) = &options.binaries {
        return vec![folder.clone()];
    }
    let mut folders = Vec::new();
    for (root, bin) in VERSIONED {
        let versions = std::fs::read_dir(root).into_iter().flatten().flatten();
        folders.extend(versions.map(|version| version.path().join(bin)));
    }
    folders.extend(options.path.iter().cloned());
    if folders.is_empty() {
        folders.push(VERSIONED[0].0.into());
    }
    folders
}

/// The major version, when the folder has both programs.
fn version_of(folder: &Path) -> Option<Binaries> {
    if !folder.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let major = major_of(&String::from_utf8_lossy(&output.stdout))?;
    Some(Binaries { folder: folder.to_owned(), major })
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`: 15.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_major_of_releases_and_betas() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(major_of("postgres: command not found"), None);
    }
}
